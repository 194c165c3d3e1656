"""The compiler means what the policy means: every call gets the same answer from both."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from troth import abi
from troth.bpf import Call, Program, emulate
from troth.policy import Cond, Policy, Rule, errno_answer
from troth.policy.model import simplify

ALLOW, KILL, NOSYS = 0x7FFF0000, 0x80000000, errno_answer(38)
ANSWERS = st.sampled_from([ALLOW, KILL, NOSYS, errno_answer(1), errno_answer(13)])
# Where masks, sign bits and halves change their mind.
POINTS = st.sampled_from(
    [
        0,
        1,
        2,
        3,
        4,
        7,
        8,
        0x40,
        0xFF,
        0x100,
        0x7FFFFFFF,
        0x80000000,
        0xFFFFFFFF,
        1 << 32,
        (1 << 32) + 1,
        (1 << 63),
        (1 << 64) - 1,
    ]
)
MASKS = st.sampled_from([1, 2, 3, 0x40, 0x41, 0xFF, 0x80000000, 0xFFFFFFFF])


@st.composite
def conds(draw: st.DrawFn) -> Cond:
    wide = draw(st.booleans())
    mask = (1 << 64) - 1 if wide else draw(MASKS)
    values = draw(st.lists(POINTS.map(lambda value: value & mask), min_size=1, max_size=7, unique=True))
    return Cond(draw(st.integers(0, 5)), mask, tuple(sorted(values)), draw(st.booleans()), wide)


@st.composite
def rule_lists(draw: st.DrawFn) -> tuple[Rule, ...]:
    some = draw(st.lists(st.builds(Rule, st.lists(conds(), min_size=1, max_size=3).map(tuple), ANSWERS), max_size=4))
    return (*some, Rule((), draw(ANSWERS)))


SECTIONS = st.dictionaries(
    st.sampled_from(["x86_64", "i386", "aarch64", "s390x"]),
    st.dictionaries(st.integers(0, 60) | st.integers(250, 470), rule_lists(), max_size=25),
    min_size=1,
    max_size=3,
)


@given(sections=SECTIONS, data=st.data())
@settings(max_examples=300, deadline=None)
def test_a_compiled_filter_answers_as_its_policy(
    sections: dict[str, dict[int, tuple[Rule, ...]]], data: st.DataObject
) -> None:
    # One program is for machines of one byte order.
    order = abi.ARCHES[next(iter(sections))].big_endian
    sections = {name: calls for name, calls in sections.items() if abi.ARCHES[name].big_endian == order}
    policy = Policy(sections, NOSYS, KILL)
    program = policy.compile()
    for _ in range(20):
        name = data.draw(st.sampled_from([*sections, "arm"]))
        calls = sections.get(name, {})
        nr = data.draw(st.sampled_from(sorted(calls)) | st.integers(0, 500) if calls else st.integers(0, 500))
        width = (1 << abi.ARCHES[name].bits) - 1
        args = tuple(value & width for value in data.draw(st.tuples(*[POINTS] * 6)))
        call = Call(abi.ARCHES[name].audit, nr, args)
        assert emulate(program, call, big_endian=order).raw == policy.answer(call)


@given(
    values=st.sets(st.integers(0, 40) | st.integers(0xFFFFFFF0, 0xFFFFFFFF), min_size=1, max_size=40),
    negate=st.booleans(),
)
@settings(max_examples=100, deadline=None)
def test_runs_of_neighbouring_values_hold_what_is_in_them_and_nothing_beside(values: set[int], negate: bool) -> None:
    rules = (Rule((Cond(0, 0xFFFFFFFF, tuple(sorted(values)), negate),), errno_answer(1)), Rule((), ALLOW))
    policy = Policy({"x86_64": {0: rules}}, NOSYS, KILL)
    program = policy.compile()
    for value in (*range(43), *range(0xFFFFFFEE, 0x100000000)):
        answer = emulate(program, Call(abi.ARCHES["x86_64"].audit, 0, (value,))).raw
        assert (answer == errno_answer(1)) == ((value in values) != negate)


def test_a_tail_that_is_too_far_for_a_short_jump_is_reached() -> None:
    many = {
        nr: (Rule((Cond(0, 0xFFFFFFFF, (nr, nr + 7)),), errno_answer(nr % 4000 + 1)), Rule((), ALLOW))
        for nr in range(0, 900, 2)
    }
    policy = Policy({"x86_64": many}, NOSYS, KILL)
    program = policy.compile()
    assert len(program) > 1000
    for nr in range(905):
        for arg in (nr, nr + 7, 3):
            call = Call(abi.ARCHES["x86_64"].audit, nr, (arg,))
            assert emulate(program, call).raw == policy.answer(call)


def test_x32_numbers_are_unknown_to_an_x86_64_section() -> None:
    policy = Policy({"x86_64": {0: (Rule((), ALLOW),)}}, NOSYS, KILL)
    call = Call(abi.ARCHES["x86_64"].audit, 0x40000000)
    assert emulate(policy.compile(), call).raw == NOSYS


def test_another_architecture_gets_the_gates_answer() -> None:
    policy = Policy({"x86_64": {0: (Rule((), ALLOW),)}}, NOSYS, KILL)
    assert emulate(policy.compile(), Call(abi.ARCHES["i386"].audit, 0)).raw == KILL


def test_bytes_and_program_are_the_same_thing() -> None:
    program = Policy({"x86_64": {0: (Rule((), ALLOW),)}}, NOSYS, KILL).compile()
    assert Program.from_bytes(program.to_bytes()) == program
    assert Program.from_bytes(program.to_bytes(big_endian=True), big_endian=True) == program


@pytest.mark.parametrize("data", [b"", b"1234567", b"x" * 8 * 4097])
def test_bytes_that_are_no_program_are_refused(data: bytes) -> None:
    from troth.errors import ParseError

    with pytest.raises(ParseError):
        Program.from_bytes(data)


# The kernel's order of strictness (kernel/seccomp.c:seccomp_run_filters): the lowest signed action wins.
def strictest(*answers: int) -> int:
    return min(answers, key=lambda answer: (answer & 0xFFFF0000) - (1 << 32 if answer & 0x80000000 else 0))


@given(old=SECTIONS, new=SECTIONS, data=st.data())
@settings(max_examples=150, deadline=None)
def test_what_a_later_filter_leaves_to_an_older_one_is_still_refused(
    old: dict[str, dict[int, tuple[Rule, ...]]], new: dict[str, dict[int, tuple[Rule, ...]]], data: st.DataObject
) -> None:
    older = Policy(old, NOSYS, KILL)
    # A later policy shares most of its rules with the older one.
    newer = Policy({name: dict(old.get(name, {})) | calls for name, calls in new.items()}, NOSYS, KILL)
    beyond = newer.beyond(older)
    for _ in range(20):
        name = data.draw(st.sampled_from(["x86_64", "i386", "aarch64", "s390x", "arm"]))
        numbers = sorted({*old.get(name, {}), *new.get(name, {}), 700})
        call = Call(abi.ARCHES[name].audit, data.draw(st.sampled_from(numbers)), data.draw(st.tuples(*[POINTS] * 6)))
        full = strictest(older.answer(call), newer.answer(call))
        assert strictest(older.answer(call), beyond.answer(call)) & 0xFFFF0000 == full & 0xFFFF0000


ROWS = st.lists(st.lists(conds(), min_size=1, max_size=3).map(tuple), max_size=5)


@given(rows=ROWS, args=st.tuples(*[POINTS] * 6))
@settings(max_examples=500, deadline=None)
def test_simplified_rows_hold_for_the_same_arguments(rows: list[tuple[Cond, ...]], args: tuple[int, ...]) -> None:
    def hold(some: list[tuple[Cond, ...]]) -> bool:
        return any(all(cond.holds(args) for cond in row) for row in some)

    assert hold(simplify(rows)) == hold(rows)
