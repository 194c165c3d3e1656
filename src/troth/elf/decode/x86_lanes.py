"""Numbers that travel by the vector registers of x86, in lanes of 32 bits.

Compilers fill a record by packing several arguments into one vector and storing that; a number of a system call may be
among them. Each lane of xmm0 to xmm15 counts as a register of its own; half a number of 64 bits is not told apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from iced_x86 import Mnemonic, OpKind, Register

from troth.elf.decode.steps import COPY, LOSE, SET, STORE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from iced_x86 import Instruction

    from troth.elf.decode.steps import Step

__all__ = ["lanes", "lost_lanes"]

_LANES: Final = 4
_FIRST: Final = 100  # number of the first lane of xmm0
_BY_REGISTER: Final = {
    getattr(Register, f"{kind}{number}"): _FIRST + _LANES * number for kind in ("XMM", "YMM") for number in range(16)
}
_MOVES: Final = frozenset(
    (Mnemonic.MOVAPS, Mnemonic.MOVUPS, Mnemonic.MOVDQA, Mnemonic.MOVDQU, Mnemonic.MOVAPD, Mnemonic.MOVUPD)
)


def lost_lanes(register: int) -> list[int]:
    """The lanes of a vector register; none for another register."""
    first = _BY_REGISTER.get(register)
    return [] if first is None else [first + lane for lane in range(_LANES)]


def lanes(ins: Instruction, general: Mapping[int, tuple[int, int]], place: tuple[int, int] | None) -> list[Step] | None:
    """The steps of an instruction that moves lanes; None for any other.

    `general` has the general registers by iced-x86's numbers, `place` is the memory that the instruction uses.
    """
    mnemonic = ins.mnemonic
    to = _BY_REGISTER.get(ins.op0_register) if ins.op0_kind == OpKind.REGISTER else None
    source = _BY_REGISTER.get(ins.op1_register) if ins.op1_kind == OpKind.REGISTER else None
    if to is None:
        if source is None or place is None or ins.op0_kind != OpKind.MEMORY:
            return None
        width = _LANES if mnemonic in _MOVES else {Mnemonic.MOVQ: 2, Mnemonic.MOVD: 1}.get(mnemonic, 0)
        return [(STORE, place[0], place[1] + 4 * lane, source + lane, 32) for lane in range(width)] or None
    if mnemonic in (Mnemonic.MOVD, Mnemonic.MOVQ) and ins.op1_kind == OpKind.REGISTER:
        if ins.op1_register in general:
            register, bits = general[ins.op1_register]
            rest: Step = (SET, to + 1, 0) if bits == 32 else (LOSE, to + 1)
            return [(COPY, to, register, bits), rest, (SET, to + 2, 0), (SET, to + 3, 0)]
        return None
    if source is None:
        return None
    if mnemonic == Mnemonic.PXOR and to == source:
        return [(SET, to + lane, 0) for lane in range(_LANES)]
    if mnemonic in _MOVES:
        return [(COPY, to + lane, source + lane, 32) for lane in range(_LANES)]
    if mnemonic == Mnemonic.PUNPCKLQDQ:
        return [(COPY, to + 2, source, 32), (COPY, to + 3, source + 1, 32)]
    if mnemonic == Mnemonic.PUNPCKLDQ:
        # From the last to the first, so that none is overwritten before it is read.
        return [
            (COPY, to + 3, source + 1, 32),
            (COPY, to + 2, to + 1, 32),
            (COPY, to + 1, source, 32),
        ]
    return None
