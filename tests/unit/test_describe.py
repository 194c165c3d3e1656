"""Conditions as text read back as what they were."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from troth import abi
from troth.bpf.symbolic import Space
from troth.formats import read
from troth.policy import Cond
from troth.policy.callset import parse
from troth.policy.describe import describe
from troth.policy.expr import ALWAYS, NEVER, All, Any, Not, Within, among, compare
from troth.policy.meaning import condition

if TYPE_CHECKING:
    from troth.policy.expr import Expr

TEXTS = [
    ("openat", "flags & O_ACCMODE != O_RDONLY"),
    ("openat", "dfd == AT_FDCWD"),
    ("openat", "dfd < 0"),
    ("lseek", "offset < 0"),
    ("lseek", "offset >= 0x10 or whence == 2"),
    ("socket", "family in {AF_INET, AF_INET6} and type & 0xf == SOCK_STREAM"),
    ("socket", "(family == 2 or type == 1) and not (protocol == 3 and family == 1)"),
    ("prctl", "a1 == 2"),
    ("ioperm", "from == 3"),
    ("openat", "u64(flags) == 3"),
    ("kill", "-5 <= pid <= 5"),
]


@pytest.mark.parametrize(("call", "text"), TEXTS)
def test_what_was_read_is_written_so_that_it_reads_the_same(call: str, text: str) -> None:
    nr = abi.numbers("x86_64")[call]
    first = parse(f"{call}({text})", "x86_64").condition(nr)
    written = describe(first, "x86_64", call)
    assert parse(f"{call}({written})", "x86_64").condition(nr) == first, written


NUMBERS = st.one_of(
    st.sampled_from([0, 1, 2, 3, 0x40, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 32, 1 << 63, (1 << 64) - 1]),
    st.integers(0, (1 << 64) - 1),
)
MASKS = st.one_of(st.sampled_from([1, 3, 0x41, 0x80000000, 0xFF, 0xFFFF0000, 0xFFFFFFFF, (1 << 64) - 1]), NUMBERS)


@st.composite
def comparisons(draw: st.DrawFn) -> Expr:
    arg, width, mask = draw(st.integers(0, 5)), draw(st.sampled_from([32, 64])), draw(MASKS)
    size = 1 << width
    match draw(st.integers(0, 3)):
        case 0:
            values = draw(st.lists(NUMBERS, min_size=1, max_size=4))
            return among(arg, values, mask=mask, width=width)
        case 1:
            op = draw(st.sampled_from(["==", "!=", "<", "<=", ">", ">="]))
            number = draw(NUMBERS) % size
            return compare(arg, op, number, mask=mask, width=width, signed=draw(st.booleans()))
        case 2:
            few = tuple(number % size for number in draw(st.lists(NUMBERS, min_size=1, max_size=3)))
            return Cond(arg, mask, few, draw(st.booleans()), width == 64)
        case _:
            ends = sorted(draw(st.lists(NUMBERS, min_size=2, max_size=6)))
            return Within(arg, tuple(zip(ends[::2], ends[1::2], strict=False)), mask, width)


EXPRESSIONS = st.recursive(
    comparisons() | st.sampled_from([ALWAYS, NEVER]),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda terms: All(tuple(terms))),
        st.lists(inner, min_size=1, max_size=3).map(lambda terms: Any(tuple(terms))),
        inner.map(Not),
    ),
    max_leaves=5,
)
CALLS = st.sampled_from(
    [("x86_64", "openat"), ("x86_64", "lseek"), ("i386", "socket"), ("s390x", "clone"), ("x86_64", "mmap")]
)


@settings(max_examples=300, deadline=None)
@given(EXPRESSIONS, CALLS)
def test_a_condition_reads_back_as_what_it_was(expr: Expr, place: tuple[str, str]) -> None:
    assert_same(expr, *place)


def assert_same(expr: Expr, arch: str, call: str | int) -> None:
    """The text of a condition stands for the same condition: of one space, equal functions are one node."""
    nr = call if isinstance(call, int) else abi.numbers(arch)[call]
    written = describe(expr, arch, nr)
    space = Space(big_endian=abi.ARCHES[arch].big_endian)
    again = parse(f"{nr}({written})", arch).condition(nr)
    assert condition(space, expr) == condition(space, again), written


@pytest.mark.parametrize("arch", ["x86_64", "i386", "s390x", "mips64el"])
def test_every_condition_of_the_promises_reads_back_as_what_it_was(arch: str) -> None:
    policy = read("pledge:stdio rpath wpath cpath inet unix proc exec tty settime id", arches=(arch,)).policy
    assert policy is not None
    rules = {(nr, rule) for nr, rules in policy.sections[arch].items() for rule in rules if rule[0]}
    assert len(rules) > 30
    for nr, (conds, _) in rules:
        assert_same(All(conds), arch, nr)


@pytest.mark.parametrize(
    ("expr", "text"),
    [
        (compare(2, "==", 0, mask=3, width=32), "flags & O_ACCMODE == O_RDONLY"),
        (compare(2, "!=", 0, mask=3, width=32), "flags & O_ACCMODE"),
        (compare(0, "<", 0, width=32, signed=True), "dfd < 0"),
        (compare(0, ">=", 0, width=32, signed=True), "dfd >= 0"),
        (compare(3, ">", 0o777, width=32), "mode >= 0o1000"),
        (among(0, (3, -100), width=32), "dfd in {AT_FDCWD, 3}"),
        (compare(2, "==", 7, width=64), "u64(flags) == 7"),
        (Not(compare(5, "!=", 7, width=64)), "arg5 == 7"),
        (All((compare(2, "==", 7, width=32), Any((compare(3, "==", 7, width=32), compare(0, "==", 7, width=32))))),
         "flags == 7 and (mode == 0o7 or dfd == 7)"),
        (ALWAYS, "always"),
        (NEVER, "never"),
        (Within(2, ((0, 5), (7, 0xFFFFFFFF))), "flags != O_RDWR|4"),
        (compare(2, "==", 4, mask=3, width=32), "never"),
    ],
)  # fmt: skip
def test_a_condition_is_written_as_people_write_it(expr: Expr, text: str) -> None:
    assert describe(expr, "x86_64", "openat") == text
