"""Random policies over any boolean combination of conditions, and the calls at which their answers can change."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from troth import abi
from troth.bpf import Call
from troth.policy import Cond, Policy, Rule, errno_answer
from troth.policy.expr import IP, All, Any, Not, Within, compare

if TYPE_CHECKING:
    from troth.policy.expr import Expr

ALLOW, KILL, NOSYS = 0x7FFF0000, 0x80000000, errno_answer(38)
ANSWERS = st.sampled_from([ALLOW, ALLOW, KILL, 0, 1, NOSYS, errno_answer(1), errno_answer(13), 0x7FC00000])
# Where signs, halves and bytes change.
EDGES = (0, 1, 2, 3, 4, 7, 8, 0xFF, 0x100, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 32, (1 << 32) + 1, 0x1_FFFF_FFFF,
         1 << 63, (1 << 63) - 1, (1 << 64) - 1)  # fmt: skip
NUMBERS = st.sampled_from(EDGES) | st.integers(0, 300)
MASKS = st.sampled_from(
    [(1 << 64) - 1, 0xFFFFFFFF, 1, 2, 3, 0x81, 0xF0, ~0x81 & 0xFFFFFFFF, 1 << 31, 1 << 40, 0xFF << 30, 0]
)
ARGS = st.sampled_from([0, 0, 1, 2, 5, IP])


@st.composite
def withins(draw: st.DrawFn) -> Within:
    width = draw(st.sampled_from([32, 64]))
    ends = draw(st.lists(NUMBERS.map(lambda value: value % (1 << width)), max_size=8))
    pairs = [tuple(sorted(pair)) for pair in zip(ends[::2], ends[1::2], strict=False)]
    points = [(end, end) for end in ends[: len(ends) % 2 + 2]]
    return Within(draw(ARGS), tuple(draw(st.sampled_from([pairs, points, pairs + points]))), draw(MASKS), width)


@st.composite
def comparisons(draw: st.DrawFn) -> Within:
    width = draw(st.sampled_from([32, 64]))
    value = draw(NUMBERS.map(lambda value: value % (1 << width)) | st.integers(-(1 << width - 1), -1))
    op = draw(st.sampled_from(["==", "!=", "<", "<=", ">", ">="]))
    return compare(draw(ARGS), op, value, width=width, signed=draw(st.booleans()))


@st.composite
def plain(draw: st.DrawFn) -> Cond:
    wide = draw(st.booleans())
    values = draw(st.lists(NUMBERS, min_size=1, max_size=6, unique=True))
    return Cond(draw(ARGS), draw(MASKS) if wide else draw(MASKS) & 0xFFFFFFFF, tuple(values), draw(st.booleans()), wide)


EXPRS: st.SearchStrategy[Expr] = st.recursive(
    withins() | comparisons() | plain(),
    lambda inner: (
        st.builds(All, st.lists(inner, max_size=3).map(tuple))
        | st.builds(Any, st.lists(inner, max_size=3).map(tuple))
        | st.builds(Not, inner)
    ),
    max_leaves=8,
)


@st.composite
def rule_lists(draw: st.DrawFn) -> tuple[Rule, ...]:
    some = draw(st.lists(st.builds(Rule, st.lists(EXPRS, min_size=1, max_size=2).map(tuple), ANSWERS), max_size=3))
    return (*some, Rule((), draw(ANSWERS)))


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    names = draw(
        st.sampled_from([("x86_64",), ("x86_64", "x32"), ("x32", "x86_64", "i386"), ("i386", "aarch64"), ("s390x",)])
    )
    sections = {}
    gaps = {}
    shared = draw(st.lists(rule_lists(), min_size=1, max_size=3))
    for name in names:
        some = st.integers(0, 30) | st.integers(250, 470)
        bit = abi.ARCHES[name].nr_mask_bit
        calls = draw(st.dictionaries(some, st.sampled_from(shared) | rule_lists(), max_size=12))
        sections[name] = {nr | bit: rules for nr, rules in calls.items()}
        if draw(st.booleans()):
            first = draw(st.sampled_from([0, 25, 400, 0x40000000]))
            gaps[name] = ((first, first + draw(st.sampled_from([0, 10, 0x3FFFFFFF])), draw(ANSWERS)),)
    return Policy(sections, draw(ANSWERS), draw(ANSWERS), gaps)


def atoms(expr: Expr) -> Iterator[Within]:
    """The comparisons in an expression."""
    if isinstance(expr, tuple):
        top = (1 << 64) - 1 if expr.wide else 0xFFFFFFFF
        yield Within(expr.arg, tuple((value, value) for value in expr.values if value <= top), expr.mask, 64)
    elif isinstance(expr, Within):
        yield expr
    else:
        for term in (expr.term,) if isinstance(expr, Not) else expr.terms:
            yield from atoms(term)


def points(rules: tuple[Rule, ...]) -> dict[int, set[int]]:
    """For each argument (and the instruction pointer) the values around those that rules compare with."""
    found: dict[int, set[int]] = {arg: {0} for arg in range(7)}
    for conds, _ in rules:
        for cond in conds:
            for atom in atoms(cond):
                near = {end + step for pair in atom.ranges for end in pair for step in (-1, 0, 1)}
                near |= {end ^ (1 << 32) for end in near} | {end ^ (1 << 63) for end in near} | {~atom.mask, atom.mask}
                found[atom.arg] |= {value % (1 << 64) for value in near}
    return found


def calls(policy: Policy, seed: int, count: int) -> Iterator[Call]:
    """Calls near the borders of a policy."""
    random = Random(seed)
    for _ in range(count):
        name = random.choice([*policy.sections, "arm"])
        section = policy.sections.get(name, {})
        edges = [0, 0x40000000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]
        edges += [(nr + step) % (1 << 32) for nr in section for step in (-1, 0, 1)]
        ends = [end for first, last, _ in policy.gaps.get(name, ()) for end in (first - 1, first, last, last + 1)]
        edges += [end % (1 << 32) for end in ends]
        nr = random.choice([*section, random.choice(edges)])
        near = points(section.get(nr, ()))
        values = [random.choice(sorted(near[arg])) for arg in range(7)]
        yield Call(abi.ARCHES[name].audit, nr, tuple(values[:6]), values[6])


def big_endian(policy: Policy) -> bool:
    """The byte order of the machines that a policy is for."""
    return abi.ARCHES[next(iter(policy.sections))].big_endian
