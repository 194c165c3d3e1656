"""What the kernel refuses is refused with its place and reason. tests/live/test_verify_kernel.py asks the kernel."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from troth.bpf.program import MAX_INSNS, Program
from troth.bpf.verifier import byte_order, verify
from troth.errors import ParseError

RET = (0x06, 0, 0, 0x7FFF0000)
LD_NR = (0x20, 0, 0, 0)


def refusal(*insns: tuple[int, int, int, int]) -> tuple[str, str]:
    with pytest.raises(ParseError) as raised:
        verify(Program(insns))
    return raised.value.where, raised.value.problem


@pytest.mark.parametrize(
    ("insns", "where", "problem"),
    [
        ([(0x05, 0, 0, 1), RET], 0, "jumps to 2, past the end"),
        ([(0x05, 0, 0, 0xFFFFFFFF), RET], 0, "past the end"),
        ([(0x15, 0, 1, 0), RET], 0, "(jf) to 2, past the end"),
        ([(0x15, 1, 0, 0), RET], 0, "(jt) to 2, past the end"),
        ([LD_NR], 0, "runs off its end"),
        ([RET, LD_NR], 1, "runs off its end"),
        ([(0x34, 0, 0, 0), RET], 0, "divides by zero"),
        ([(0x64, 0, 0, 32), RET], 0, "shifts by 32 bits"),
        ([(0x74, 0, 0, 99), RET], 0, "shifts by 99 bits"),
        ([(0x60, 0, 0, 16), RET], 0, "memory word 16"),
        ([(0x02, 0, 0, 16), RET], 0, "memory word 16"),
        ([(0x60, 0, 0, 3), RET], 0, "reads memory word 3"),
        ([(0x20, 0, 0, 64), RET], 0, "offset 64"),
        ([(0x20, 0, 0, 2), RET], 0, "offset 2"),
        ([(0x20, 0, 0, 0xFFFFF000), RET], 0, "offset 4294963200"),
        ([(0x28, 0, 0, 0), RET], 0, "`ldh [k]` is for socket filters"),
        ([(0x94, 0, 0, 7), RET], 0, "`mod #k` is for socket filters"),
        ([(0x94, 0, 0, 0), RET], 0, "divides by zero"),
        ([(0xFFFF, 0, 0, 0), RET], 0, "unknown opcode 0xffff"),
        ([(0x0E, 0, 0, 0), RET], 0, "unknown opcode 0x000e"),
        ([LD_NR, (0x15, 0, 1, 1), (0x02, 0, 0, 0), (0x60, 0, 0, 0), RET], 3, "not written on every way"),
    ],
)
def test_what_the_kernel_refuses_is_refused_with_its_place_and_reason(
    insns: list[tuple[int, int, int, int]], where: int, problem: str
) -> None:
    place, said = refusal(*insns)
    assert place == f"instruction {where}"
    assert problem in said


@pytest.mark.parametrize(
    "insns",
    [
        [RET],
        [(0x16, 0, 0, 0)],
        [(0x06, 9, 9, 1)],
        [(0x16, 1, 2, 0xFFFFFFFF)],
        [(0x80, 0, 0, 77), (0x81, 3, 0, 1), RET],
        [(0x3C, 0, 0, 0), (0x6C, 0, 0, 99), RET],
        [(0x05, 0, 0, 0), RET],
        [(0x02, 0, 0, 15), (0x61, 0, 0, 15), RET],
        [(0x05, 0, 0, 1), (0x60, 0, 0, 5), RET],
    ],
)
def test_what_the_kernel_takes_is_taken(insns: list[tuple[int, int, int, int]]) -> None:
    verify(Program(tuple(insns)))


def test_what_follows_a_return_counts_as_reached_from_it_as_the_kernel_has_it() -> None:
    # The only way to 4 writes word 1; the kernel carries on what held at the return before it.
    insns = [(0x15, 2, 0, 0), (0x02, 0, 0, 1), (0x05, 0, 0, 1), RET, (0x60, 0, 0, 1), RET]
    assert refusal(*insns)[0] == "instruction 4"


def test_the_wrong_byte_order_is_recognised() -> None:
    good = Program((LD_NR, (0x15, 0, 1, 59), (0x06, 0, 0, 0x50001), RET))
    with pytest.raises(ParseError) as raised:
        verify(good.swapped())
    assert "byte order" in raised.value.hint
    with pytest.raises(ParseError) as raised:
        verify(Program(((0x60, 0, 0, 1), RET)))
    assert raised.value.hint == ""


@pytest.mark.parametrize("big_endian", [False, True])
def test_the_byte_order_of_a_valid_program_is_found(big_endian: bool) -> None:
    good = Program((LD_NR, (0x15, 0, 1, 59), (0x06, 0, 0, 0x50001), RET))
    data = good.to_bytes(big_endian=big_endian)
    assert byte_order(data) is big_endian
    assert Program.from_bytes(data, big_endian=big_endian) == good
    assert byte_order(b"\xff" * 16) is None


@given(st.binary(max_size=200))
def test_hostile_bytes_are_a_program_or_a_parse_error(data: bytes) -> None:
    for big_endian in (False, True, None):
        try:
            program = Program.from_bytes(data, big_endian=big_endian)
            assert program.to_bytes(big_endian=big_endian) == data
            verify(program)
        except ParseError as error:
            assert error.where
    try:
        byte_order(data)
    except ParseError as error:
        assert error.where


def test_a_program_that_is_too_long_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(ParseError, match="4097 instructions"):
        Program.from_bytes(bytes(8 * (MAX_INSNS + 1)))
    with pytest.raises(ParseError, match="0 instructions"):
        Program.from_bytes(b"")
    with pytest.raises(ParseError, match="9 bytes are not a whole number"):
        Program.from_bytes(bytes(9))


def test_a_field_that_does_not_fit_is_said() -> None:
    with pytest.raises(ParseError, match="does not fit"):
        Program(((0x06, 0, 0, 1 << 32),)).to_bytes()
