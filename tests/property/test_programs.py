"""Laws of programs: what bytes become of them, and what running them gives."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st
from property.strategies import ANY, CALLS, UNTIMED, VALID

from troth.bpf import Call, Program, emulate
from troth.bpf.stack import emulate_stack
from troth.errors import ParseError

ORDERS = st.sampled_from([None, False, True])


@UNTIMED
@given(ANY | VALID, ORDERS)
def test_program_survives_its_bytes(program: Program, big_endian: bool | None) -> None:
    assert Program.from_bytes(program.to_bytes(big_endian=big_endian), big_endian=big_endian) == program


@UNTIMED
@given(st.binary(max_size=400), ORDERS)
def test_bytes_are_a_program_or_are_refused(data: bytes, big_endian: bool | None) -> None:
    try:
        program = Program.from_bytes(data, big_endian=big_endian)
    except ParseError:
        assert len(data) % 8 or not data
    else:
        assert program.to_bytes(big_endian=big_endian) == data


@UNTIMED
@given(ANY)
def test_the_other_byte_order_is_the_same_bytes_turned(program: Program) -> None:
    little, big = program.to_bytes(big_endian=False), program.to_bytes(big_endian=True)
    for at in range(0, len(little), 8):
        assert little[at : at + 2] == big[at : at + 2][::-1]
        assert little[at + 2 : at + 4] == big[at + 2 : at + 4]
        assert little[at + 4 : at + 8] == big[at + 4 : at + 8][::-1]


@UNTIMED
@given(VALID, CALLS, ORDERS)
def test_every_call_gets_an_answer_of_32_bits_from_a_valid_program(
    program: Program, call: Call, big_endian: bool | None
) -> None:
    verdict = emulate(program, call, big_endian=big_endian)
    assert 0 <= verdict.raw <= 0xFFFFFFFF
    assert 1 <= verdict.steps <= len(program)


@UNTIMED
@given(ANY, CALLS)
def test_any_program_ends_with_an_answer_or_a_refusal(program: Program, call: Call) -> None:
    try:
        verdict = emulate(program, call)
    except ParseError as error:
        assert "instruction" in str(error)
    else:
        assert 0 <= verdict.raw <= 0xFFFFFFFF
        assert verdict.steps <= len(program)


@UNTIMED
@given(st.lists(VALID, min_size=1, max_size=4), CALLS)
def test_a_stack_answers_what_one_of_its_filters_answers(programs: list[Program], call: Call) -> None:
    raws = [emulate(program, call).raw for program in programs]
    verdict = emulate_stack(programs, call)
    assert verdict.raw in raws or verdict.action == "allow"


@UNTIMED
@given(st.lists(VALID, min_size=2, max_size=4), CALLS)
def test_a_further_filter_never_makes_a_stack_less_strict(programs: list[Program], call: Call) -> None:
    fewer, more = emulate_stack(programs[:-1], call).raw, emulate_stack(programs, call).raw
    assert _signed(more & 0xFFFF0000) <= _signed(fewer & 0xFFFF0000)


@UNTIMED
@given(VALID, CALLS)
def test_a_filter_twice_is_the_filter_once(program: Program, call: Call) -> None:
    assume(emulate(program, call).action != "allow")
    assert emulate_stack([program, program], call).raw == emulate(program, call).raw


def _signed(word: int) -> int:
    return word - (word >> 31 << 32)
