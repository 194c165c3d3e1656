"""What the kernel's emulation of a filter finds, and what makes it give up."""

from __future__ import annotations

import pytest

from troth.bpf import Program
from troth.bpf.const_allow import is_const_allow
from troth.bpf.program import AND, JA, JEQ, JGE, JGT, JSET, LD_ABS, LD_IMM, OFFSET_ARCH, RET_A, RET_K, TAX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from troth.bpf.program import Insn

ALLOW = 0x7FFF0000
X86_64, I386 = 0xC000003E, 0x40000003
ALLOWED, REFUSED = (RET_K, 0, 0, ALLOW), (RET_K, 0, 0, 0x50001)
NUMBER, ARCH, ARGUMENT = (LD_ABS, 0, 0, 0), (LD_ABS, 0, 0, OFFSET_ARCH), (LD_ABS, 0, 0, 16)


def const(*insns: Insn, arch: int = X86_64, nr: int = 5) -> bool:
    return is_const_allow(Program(insns), arch, nr)


@pytest.mark.parametrize(
    ("code", "k", "taken"),
    [
        (JEQ, 5, True), (JEQ, 6, False), (JGE, 5, True), (JGE, 6, False), (JGT, 4, True), (JGT, 5, False),
        (JSET, 4, True), (JSET, 2, False),
    ],
)  # fmt: skip
def test_comparisons_of_the_number_are_followed(code: int, k: int, taken: bool) -> None:
    assert const(NUMBER, (code, 0, 1, k), ALLOWED, REFUSED) is taken
    assert const(NUMBER, (code, 0, 1, k), REFUSED, ALLOWED) is not taken


def test_the_architecture_and_masks_and_long_jumps_are_followed() -> None:
    assert const(ARCH, (JEQ, 0, 1, X86_64), ALLOWED, REFUSED)
    assert not const(ARCH, (JEQ, 0, 1, X86_64), ALLOWED, REFUSED, arch=I386)
    assert const(NUMBER, (AND, 0, 0, 4), (JEQ, 0, 1, 4), ALLOWED, REFUSED)
    assert const((JA, 0, 0, 1), REFUSED, ALLOWED)


@pytest.mark.parametrize("insn", [ARGUMENT, (LD_ABS, 0, 0, 8), (LD_IMM, 0, 0, 5), (TAX, 0, 0, 0), (0x04, 0, 0, 1)])
def test_whatever_is_not_emulated_makes_the_kernel_give_up(insn: Insn) -> None:
    assert not const(insn, ALLOWED)


def test_only_plain_allow_counts() -> None:
    assert not const((RET_A, 0, 0, 0))
    assert not const((RET_K, 0, 0, ALLOW | 1))
    assert not const(REFUSED)
    assert const(ALLOWED)
