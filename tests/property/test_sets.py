"""Conditions said in tests hold for the same calls, whatever they are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from troth.bpf.symbolic import Space
from troth.policy.expr import All, Any, Not, Within
from troth.policy.lift import policy_of
from troth.policy.meaning import condition, function
from troth.policy.model import Policy, Rule
from troth.policy.sets import conditions, described, size

if TYPE_CHECKING:
    from troth.policy.expr import Expr

WIDTHS = st.sampled_from([32, 64])
NUMBERS = st.one_of(
    st.integers(0, 9), st.integers(0, (1 << 64) - 1), st.sampled_from([0x5401, 0x80045430, 1 << 31, 1 << 32])
)
MASKS = st.one_of(st.sampled_from([(1 << 64) - 1, 0xFF00, 3, 0x7E020000, 1 << 40]), st.integers(0, (1 << 64) - 1))


@st.composite
def atoms(draw: st.DrawFn, args: int) -> Within:
    width, mask = draw(WIDTHS), draw(MASKS)
    ranges = draw(st.lists(st.tuples(NUMBERS, st.integers(0, 5)), max_size=4))
    top = (1 << width) - 1
    return Within(
        draw(st.integers(0, args - 1)),
        tuple((low & top & mask, (low & top & mask) + more) for low, more in ranges),
        mask,
        width,
    )


def trees(args: int, leaves: int = 5) -> st.SearchStrategy[Expr]:
    return st.recursive(
        atoms(args),
        lambda inner: st.one_of(
            inner.map(Not),
            st.lists(inner, max_size=3).map(lambda terms: All(tuple(terms))),
            st.lists(inner, max_size=3).map(lambda terms: Any(tuple(terms))),
        ),
        max_leaves=leaves,
    )


@given(trees(1))
def test_a_set_of_one_argument_is_said_exactly(tree: Expr) -> None:
    space = Space()
    node = condition(space, tree)
    assert condition(space, described(space, 0, node)) == node


@given(trees(3))
def test_a_condition_on_several_arguments_is_said_exactly(tree: Expr) -> None:
    space = Space()
    node = condition(space, tree)
    assert condition(space, conditions(space, node)) == node


@given(trees(2), st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS, NUMBERS, NUMBERS))
def test_a_condition_means_what_it_holds_for(tree: Expr, args: tuple[int, ...]) -> None:
    space = Space()
    bits = {space.level(2 + arg, bit): value >> bit & 1 for arg, value in enumerate(args) for bit in range(64)}
    assert space.diagram.at(condition(space, tree), bits) is tree.holds(args)


@given(
    st.dictionaries(st.integers(0, 500), st.tuples(trees(3, leaves=3), st.integers(1, 3)), max_size=4),
    st.integers(1, 3),
)
def test_a_policy_survives_its_function(calls: dict[int, tuple[Expr, int]], unknown: int) -> None:
    errno = 0x50000
    section = {nr: (Rule((expr,), errno | answer), Rule((), errno)) for nr, (expr, answer) in calls.items()}
    policy = Policy({"x86_64": section}, errno | unknown, 0x80000000)
    space = Space()
    node = function(space, policy)
    assert function(space, policy_of(space, node)) == node


def test_terminal_requests_are_said_as_a_mask_with_exceptions() -> None:
    tree = All(
        (Within(1, ((0x5400, 0x5400),), 0xFF00), Not(Within(1, tuple((n, n) for n in (0x5405, 0x5413, 0x541D)))))
    )
    said = described(space := Space(), 1, condition(space, tree))
    assert said == tree
    assert size(said) == 7


def test_a_set_is_said_without_the_half_that_does_not_matter() -> None:
    space = Space()
    assert described(space, 0, condition(space, Within(0, ((5, 5),), width=32))) == Within(0, ((5, 5),), width=32)
    assert described(space, 0, condition(space, Within(0, ((5, 5),), width=64))) == Within(0, ((5, 5),), width=64)


def test_halves_of_one_comparison_are_one_test() -> None:
    low = All((Within(0, ((0, 0),), 0xFFFFFFFF << 32, 64), Within(0, ((16, 0xFFFFFFFF),), width=32)))
    either = Any((low, Within(0, ((1 << 32, (1 << 64) - 1),), width=64)))
    space = Space()
    assert described(space, 0, condition(space, either)) == Within(0, ((16, (1 << 64) - 1),), width=64)
