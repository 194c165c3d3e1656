"""Which registers of i386 hold the base of its addresses, as the instructions that iced-x86 reads say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from iced_x86 import Mnemonic, OpKind, Register

if TYPE_CHECKING:
    from iced_x86 import Instruction

    from troth.elf.decode.x86_stack import Stack

__all__ = ["IMMEDIATES", "SETS", "STACK", "move_base", "named", "pads", "pushed"]

IMMEDIATES: Final = frozenset(
    getattr(OpKind, name) for name in vars(OpKind) if name.startswith("IMMEDIATE") and not name.endswith("2ND")
)
SETS: Final = frozenset((Mnemonic.MOV, Mnemonic.LEA, Mnemonic.XOR, Mnemonic.MOVZX))  # those that often set a register
STACK: Final = frozenset((Mnemonic.PUSH, Mnemonic.POP, Mnemonic.SUB, Mnemonic.ADD))  # those that move its pointer


def pushed(ins: Instruction) -> int:
    """How far down an instruction moves the stack pointer."""
    if ins.mnemonic == Mnemonic.PUSH:
        return 4
    if ins.mnemonic == Mnemonic.POP:
        return -4
    if ins.op0_register != Register.ESP or ins.op1_kind not in IMMEDIATES:
        return 0
    by = int(ins.immediate(1))
    by -= (by & 0x80000000) << 1
    return by if ins.mnemonic == Mnemonic.SUB else -by


def move_base(ins: Instruction, bases: set[int], stack: Stack[int]) -> None:
    """Note where a move puts the base, and which register does not have it any more.

    In ebx it stays to the end: what saves and restores that is for the caller.
    """
    base, offset = ins.memory_base, ins.memory_displacement
    plain = base in (Register.EBP, Register.ESP) and ins.memory_index == Register.NONE
    place = stack.place(base, base == Register.ESP, offset - ((offset & 0x80000000) << 1)) if plain else None
    moves = ins.mnemonic == Mnemonic.MOV
    if moves and ins.op1_kind == OpKind.REGISTER and ins.op1_register in bases:
        if ins.op0_kind == OpKind.REGISTER:
            bases.add(ins.op0_register)
        elif place:
            stack.keep(place)
    elif moves and ins.op1_kind == OpKind.MEMORY and place in stack.kept:
        bases.add(ins.op0_register)
    elif ins.op0_kind == OpKind.REGISTER and ins.op0_register != Register.EBX and ins.memory_base not in bases:
        bases.discard(ins.op0_register)


def named(ins: Instruction, bases: set[int], got: int) -> int:
    """The address that an instruction names, as far as the base tells; 0 when it does not."""
    base = ins.memory_base
    if base in bases and base != Register.NONE:
        return int((got + ins.memory_displacement) & 0xFFFFFFFF)
    if base == Register.NONE and ins.memory_segment == Register.DS and ins.memory_displacement:
        return int(ins.memory_displacement)  # an absolute address: an index may be added
    return 0


def pads(ins: Instruction) -> bool:
    """Whether a `lea` does nothing: assemblers fill the place between blocks so."""
    plain = ins.memory_index == Register.NONE and not ins.memory_displacement
    return bool(plain and ins.memory_base == ins.op0_register)
