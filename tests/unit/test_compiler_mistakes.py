"""Mistakes that compilers of filters have made, each by its name: none of them here.

Every filter is asked at the points where the mistake would show, and proved equal to its policy.
"""

from __future__ import annotations

import pytest

from troth import abi, proof
from troth.bpf import Call, Program, emulate
from troth.bpf.program import JA, JEQ, JGE, JGT, JSET, LD_ABS, RET_K
from troth.errors import RequestError, UnsupportedError
from troth.policy import Cond, Policy, Rule, errno_answer
from troth.policy.expr import All, Any, Not, Within, among, compare

TYPE_CHECKING = False
if TYPE_CHECKING:
    from troth.policy.expr import Expr

ALLOW, KILL, EPERM = 0x7FFF0000, 0x80000000, errno_answer(1)
X86_64 = abi.ARCHES["x86_64"].audit


def policy(*rules: tuple[Expr, int]) -> Policy:
    """Call 7 is answered by these rules, else with EPERM; all others kill."""
    listed = tuple(Rule((expr,), answer) for expr, answer in rules)
    return Policy({"x86_64": {7: (*listed, Rule((), EPERM))}}, KILL, KILL)


def compiled(meant: Policy, *, big_endian: bool = False) -> Program:
    program = meant.compile()
    result = proof.equal(program, meant, exact=True, big_endian=big_endian)
    assert result.verdict == "proved", result
    return program


def answers(meant: Policy, *args: int) -> int:
    return emulate(compiled(meant), Call(X86_64, 7, args), big_endian=False).raw


@pytest.mark.parametrize("op", ["<", "<=", ">", ">=", "==", "!="])
@pytest.mark.parametrize("value", [0, 1, 0xFFFFFFFF, 1 << 32, (5 << 32) + 3, (1 << 64) - 1])
def test_64_bits_are_compared_as_one_number_and_not_half_by_half(op: str, value: int) -> None:
    meant = policy((compare(0, op, value), ALLOW))
    # The upper half is greater while the lower is less, and the other way round.
    for near in (value - 1, value, value + 1, value ^ (1 << 32), (6 << 32) + 2, (4 << 32) + 9, value & 0xFFFFFFFF):
        near %= 1 << 64
        holds = {
            "<": near < value, "<=": near <= value, ">": near > value,
            ">=": near >= value, "==": near == value, "!=": near != value,
        }[op]  # fmt: skip
        assert (answers(meant, near) == ALLOW) is holds, (near, op, value)


def test_a_range_over_the_border_of_the_halves_is_one_range() -> None:
    meant = policy((Within(0, ((0xFFFFFFF0, 0x1_0000_000F),), width=64), ALLOW))
    inside = (0xFFFFFFF0, 0xFFFFFFFF, 1 << 32, 0x1_0000_000F)
    outside = (0xFFFFFFEF, 0x1_0000_0010, 0x1_FFFF_FFF0, 0, 0x2_0000_0000)
    assert {answers(meant, value) for value in inside} == {ALLOW}
    assert {answers(meant, value) for value in outside} == {EPERM}


def test_in_32_bits_nothing_in_the_upper_half_counts() -> None:
    meant = policy((among(0, (2, 10), width=32), ALLOW))
    assert answers(meant, (0xDEAD << 32) + 2) == ALLOW
    assert answers(policy((among(0, (2, 10), width=64), ALLOW)), (0xDEAD << 32) + 2) == EPERM


def test_a_load_is_not_elided_where_a_way_leads_in_on_which_another_word_was_loaded() -> None:
    # Both sides of the first test go on to the same second one: from one A holds argument 1, from the other 0.
    second = compare(0, "==", 5, width=32)
    meant = policy((Any((All((compare(0, ">", 9, width=32), compare(1, "==", 1, width=32))), second)), ALLOW))
    for first in (0, 4, 5, 6, 9, 10, 11):
        for other in (0, 1, 5, 10):
            assert (answers(meant, first, other) == ALLOW) is (first == 5 or (first > 9 and other == 1))


def test_every_way_to_a_comparison_of_an_argument_has_loaded_that_argument() -> None:
    first, second, third = (Within(arg, ((1, 3), (8, 8), (40, 90))) for arg in (0, 1, 2))
    meant = policy(
        (All((first, second)), ALLOW),
        (All((Not(first), third)), errno_answer(13)),
        (Any((second, All((third, Not(second))))), errno_answer(2)),
    )
    program = compiled(meant)
    held: dict[int, set[int | None]] = {0: {None}}
    for place, (code, jt, jf, k) in enumerate(program.insns):
        here = held.get(place, set())
        if code in (JEQ, JGE, JGT, JSET):
            # Whatever is compared, the same word was loaded last on all ways.
            assert len(here) == 1, place
            assert None not in here, place
            ways = [place + 1 + jt, place + 1 + jf]
        elif code == RET_K:
            continue
        else:
            ways = [place + 1 + (k if code == JA else 0)]
        for way in ways:
            held.setdefault(way, set()).update({k} if code == LD_ABS else here)


def test_rules_on_overlapping_conditions_are_neither_lost_nor_widened() -> None:
    # A rule that is part of another, in either order; and two that overlap without one being part of the other.
    narrow = All((compare(0, "==", 1), compare(1, "==", 2)))
    broad = compare(0, "==", 1)
    for rules in (((narrow, ALLOW), (broad, errno_answer(13))), ((broad, errno_answer(13)), (narrow, ALLOW))):
        meant = policy(*rules)
        assert answers(meant, 1, 2) == rules[0][1]
        assert answers(meant, 1, 3) == errno_answer(13)
        assert answers(meant, 2, 2) == EPERM
    overlapping = policy((compare(0, ">=", 5), ALLOW), (compare(0, "<=", 7), errno_answer(13)))
    assert [answers(overlapping, value) for value in (0, 4, 5, 7, 8)] == [errno_answer(13)] * 2 + [ALLOW] * 3


def test_the_same_condition_under_two_masks_is_two_conditions() -> None:
    meant = policy(
        (All((Within(0, ((1, 1),), mask=0x3), Within(0, ((4, 4),), mask=0xC))), ALLOW),
        (Within(0, ((1, 1),), mask=0x1), errno_answer(13)),
    )
    assert [answers(meant, value) for value in (5, 0x15, 1, 7, 4)] == [
        ALLOW, ALLOW, errno_answer(13), errno_answer(13), EPERM,
    ]  # fmt: skip


def test_a_jump_over_more_than_255_instructions_arrives() -> None:
    values = tuple(range(0, 4000, 3))
    meant = policy((among(0, values, width=32), ALLOW), (among(1, values, width=32), errno_answer(13)))
    program = compiled(meant)
    assert len(program) > 1000
    for value in (0, 1, 3, 1998, 1999, 3999, 4000):
        assert emulate(program, Call(X86_64, 7, (value, value)), big_endian=False).raw == (
            ALLOW if value in values else EPERM
        )


def test_more_than_256_calls_with_rules_of_their_own_are_told_apart() -> None:
    calls = {nr: (Rule((compare(0, "==", nr, width=32),), errno_answer(nr)), Rule((), ALLOW)) for nr in range(1, 601)}
    meant = Policy({"x86_64": calls}, KILL, KILL)
    program = compiled(meant)
    for nr in (1, 255, 256, 257, 511, 512, 513, 600):
        assert emulate(program, Call(X86_64, nr, (nr,)), big_endian=False).raw == errno_answer(nr)
        assert emulate(program, Call(X86_64, nr, (nr + 1,)), big_endian=False).raw == ALLOW
    assert emulate(program, Call(X86_64, 601), big_endian=False).raw == KILL


@pytest.mark.parametrize("width", [32, 64])
def test_signed_and_unsigned_order_differ_at_the_sign_bit_only(width: int) -> None:
    top = 1 << (width - 1)
    signed = policy((compare(0, "<", 0, width=width, signed=True), ALLOW))
    unsigned = policy((compare(0, ">=", top, width=width), ALLOW))
    for value in (0, 1, top - 1, top, top + 1, 2 * top - 1):
        assert (answers(signed, value) == ALLOW) is (value >= top)
        assert answers(signed, value) == answers(unsigned, value)
    nothing = policy((compare(0, "<", 0, width=width), ALLOW))
    assert {answers(nothing, value) for value in (0, top, 2 * top - 1)} == {EPERM}


def test_an_order_of_negative_numbers_is_theirs() -> None:
    meant = policy((compare(0, ">", -3, width=32, signed=True), ALLOW))
    values = {0xFFFFFFFC: EPERM, 0xFFFFFFFD: EPERM, 0xFFFFFFFE: ALLOW, 0: ALLOW, 0x7FFFFFFF: ALLOW, 0x80000000: EPERM}
    assert {value: answers(meant, value) for value in values} == values


def test_the_halves_stand_the_other_way_round_on_a_big_endian_machine() -> None:
    rules = (Rule((compare(0, "<", 1 << 32),), ALLOW), Rule((), EPERM))
    meant = Policy({"s390x": {7: rules}}, KILL, KILL)
    program = compiled(meant, big_endian=True)
    audit = abi.ARCHES["s390x"].audit
    for value, answer in ((0xFFFFFFFF, ALLOW), (1 << 32, EPERM), (0, ALLOW)):
        assert emulate(program, Call(audit, 7, (value,)), big_endian=True).raw == answer


def test_numbers_with_bit_30_are_x32_calls_and_no_others() -> None:
    meant = Policy({"x86_64": {1: (Rule((), ALLOW),)}, "x32": {0x40000002: (Rule((), ALLOW),)}}, EPERM, KILL)
    program = compiled(meant)
    said = {
        nr: emulate(program, Call(X86_64, nr), big_endian=False).raw
        for nr in (1, 2, 0x40000001, 0x40000002, 0xC0000002)
    }
    assert said == {1: ALLOW, 2: EPERM, 0x40000001: EPERM, 0x40000002: ALLOW, 0xC0000002: EPERM}


def test_a_filter_that_the_kernel_would_refuse_for_its_length_says_so_by_architecture() -> None:
    calls = {nr: (Rule((among(0, range(0, 40, 3), width=32),), errno_answer(nr)), Rule((), ALLOW)) for nr in range(500)}
    meant = Policy({"x86_64": calls, "i386": {3: (Rule((), ALLOW),)}}, KILL, KILL)
    with pytest.raises(UnsupportedError, match=r"at most 4096; here: \d{4,} for x86_64, \d+ for i386"):
        meant.compile()


def test_a_filter_of_exactly_as_many_instructions_as_the_kernel_takes_is_compiled() -> None:
    def of(count: int) -> Policy:
        return policy((among(0, range(0, 2 * count, 2), width=32), ALLOW))

    low, high = 1, 4096
    while high - low > 1:
        middle = (low + high) // 2
        try:
            of(middle).compile()
            low = middle
        except UnsupportedError:
            high = middle
    assert 4090 <= len(of(low).compile()) <= 4096


def test_entangled_rules_take_time_and_length_in_proportion() -> None:
    # Every rule speaks of other bits of all arguments: as a diagram, this would have millions of nodes.
    rules = [
        (
            All(tuple(Within(arg, ((1 << i, 1 << i),), mask=(1 << i) | (1 << (i * 7 + arg) % 32)) for arg in range(6))),
            ALLOW,
        )
        for i in range(24)
    ]
    meant = policy(*rules)
    program = meant.compile()
    assert len(program) < 1000
    for i in range(24):
        assert emulate(program, Call(X86_64, 7, (1 << i,) * 6), big_endian=False).raw == meant.answer(
            Call(X86_64, 7, (1 << i,) * 6)
        )


def test_more_different_tests_than_a_diagram_takes_are_written_one_after_the_other() -> None:
    terms = tuple(Within(arg, ((0, 0),), mask=1 << bit | 1 << (bit + 7) % 32) for arg in range(6) for bit in range(32))
    several = tuple(Not(Within(arg, ((3, 3),), mask=0xF << bit)) for arg in range(6) for bit in range(29))
    meant = policy((All((*terms, *several)), ALLOW))
    program = meant.compile()
    assert emulate(program, Call(X86_64, 7, (0,) * 6), big_endian=False).raw == ALLOW
    for arg in range(6):
        for bit in range(32):
            args = tuple(0b10000001 << bit & 0xFFFFFFFF if index == arg else 0 for index in range(6))
            assert emulate(program, Call(X86_64, 7, args), big_endian=False).raw == EPERM


def test_conditions_nested_beyond_reason_are_refused() -> None:
    expr: Expr = compare(0, "==", 1)
    for _ in range(5000):
        expr = Not(expr)
    with pytest.raises(RequestError, match="nested too deeply"):
        policy((expr, ALLOW)).compile()


def test_a_value_that_the_argument_cannot_have_matches_nothing() -> None:
    for wide in (False, True):
        top = 1 << (64 if wide else 32)
        for values in ((top,), (top, 5)):
            meant = policy((Cond(0, top - 1, values, False, wide), ALLOW))
            assert [answers(meant, value) == ALLOW for value in (0, 5, top - 1)] == [False, 5 in values, False]
