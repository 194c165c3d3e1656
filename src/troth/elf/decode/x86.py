"""The code of x86_64 and i386, read by iced-x86."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import iced_x86
from iced_x86 import FlowControl, Mnemonic, OpAccess, OpKind, Register

from troth.elf.decode.steps import (
    ADD,
    AND,
    BRANCH,
    CALL,
    COPY,
    ENTER,
    JUMP,
    KEEP,
    LOAD,
    LOSE,
    LOW,
    MARK_BRANCH,
    MARK_CALL,
    MARK_CALL_SLOT,
    MARK_ENTER,
    MARK_JUMP,
    MARK_JUMP_SLOT,
    MARK_NAME,
    MARK_READ,
    MARK_RETURN,
    MARK_START,
    MARK_STOP,
    MATH,
    OR,
    PICK,
    RETURN,
    SCRATCH,
    SET,
    SHL,
    SHR,
    STOP,
    STORE,
    SUB,
    XOR,
)
from troth.elf.decode.x86_base import IMMEDIATES, SETS, STACK, move_base, named, pads, pushed
from troth.elf.decode.x86_lanes import MOVES, lanes, lost_lanes
from troth.elf.decode.x86_registers import REGISTERS
from troth.elf.decode.x86_stack import Stack

if TYPE_CHECKING:
    from collections.abc import Iterable, Set

    from iced_x86 import Instruction

    from troth.elf.decode.steps import Mark, Step

# iced-x86's register: our number, and its bits. It calls r8b R8L.
_BY_REGISTER: Final[dict[int, tuple[int, int]]] = {
    getattr(Register, f"{name[:-1]}l".upper() if name[-1] == "b" else name.upper()): place
    for name, place in REGISTERS.items()
}
_VECTORS: Final[dict[int, str]] = {
    getattr(Register, f"{kind}MM{number}"): f"{kind.lower()}mm{number}" for kind in "XY" for number in range(16)
}
_LANE_MOVES: Final[dict[int, str]] = {getattr(Mnemonic, name.upper()): name for name in MOVES}

_SP: Final = 4
_BP: Final = 5
_NO_REGISTER: Final = Register.NONE
_MATH: Final = {
    Mnemonic.ADD: ADD, Mnemonic.SUB: SUB, Mnemonic.AND: AND, Mnemonic.OR: OR, Mnemonic.XOR: XOR,
    Mnemonic.SHL: SHL, Mnemonic.SHR: SHR,
}  # fmt: skip
_MOVES: Final = frozenset((Mnemonic.MOV, Mnemonic.MOVZX, Mnemonic.MOVSXD, Mnemonic.MOVSX))
_PICKS: Final = frozenset(getattr(Mnemonic, name) for name in vars(Mnemonic) if name.startswith("CMOV"))
_NOTHING: Final = frozenset(
    (
        Mnemonic.NOP,
        Mnemonic.ENDBR64,
        Mnemonic.ENDBR32,
        Mnemonic.CMP,
        Mnemonic.TEST,
        Mnemonic.BT,
        Mnemonic.PAUSE,
        Mnemonic.INT3,
    )
)
# Those that leave the zero flag saying whether their result, the first operand, is zero.
_ZERO_OF_RESULT: Final = frozenset(
    (*_MATH, Mnemonic.ADC, Mnemonic.SBB, Mnemonic.NEG, Mnemonic.INC, Mnemonic.DEC)
) - {Mnemonic.SHL, Mnemonic.SHR}  # fmt: skip
_WRITES: Final = frozenset((OpAccess.WRITE, OpAccess.READ_WRITE, OpAccess.COND_WRITE, OpAccess.READ_COND_WRITE))


class Reader:
    """Reads x86_64 or i386."""

    def __init__(self, arch: str) -> None:
        self._bits = 64 if arch == "x86_64" else 32
        self._word = self._bits // 8
        self._info = iced_x86.InstructionInfoFactory()
        self._got = 0

    def scan(self, code: bytes, address: int, got: int, starts: Set[int]) -> list[Mark]:
        """Give every mark of a section, in order; `got` is what code of i386 counts from."""
        self._got = got
        decoder = iced_x86.Decoder(self._bits, code, ip=address)
        return self._marks_32(decoder, got, starts) if self._bits == 32 else self._marks_64(decoder)

    def _marks_64(self, decoder: Iterable[Instruction]) -> list[Mark]:
        marks: list[Mark] = []
        add = marks.append
        lea, endbr, hlt, near = Mnemonic.LEA, Mnemonic.ENDBR64, Mnemonic.HLT, OpKind.NEAR_BRANCH64
        for ins in decoder:
            flow = ins.flow_control
            if not flow:  # by far the most
                if ins.is_ip_rel_memory_operand:
                    kind = MARK_NAME if ins.mnemonic == lea else MARK_READ
                    add((ins.ip, ins.next_ip, kind, ins.ip_rel_memory_address))
                elif ins.mnemonic == endbr:
                    add((ins.ip, ins.next_ip, MARK_START, 0))
                elif ins.mnemonic == hlt:
                    add((ins.ip, ins.next_ip, MARK_STOP, 0))
                continue
            kind, to = _flow(ins, flow, near)
            if kind in (MARK_CALL_SLOT, MARK_JUMP_SLOT) and ins.is_ip_rel_memory_operand:
                to = ins.ip_rel_memory_address
            if kind >= 0:
                add((ins.ip, ins.next_ip, kind, to))
        return marks

    def _marks_32(self, decoder: Iterable[Instruction], got: int, starts: Set[int]) -> list[Mark]:
        """As `_marks_64`; addresses are named from the global offset table, whose address some register holds.

        Code asks for its own address by a call (of the next instruction, or of a thunk that reads the stack) and adds
        a constant that makes it the table's. From there to the end of the function that register is the base, and so
        is any that gets its value, by way of the stack too.
        """
        marks: list[Mark] = []
        add = marks.append
        near = OpKind.NEAR_BRANCH32
        bases: set[int] = set()
        ever: set[int] = set()  # those of the function so far
        stack = Stack[int]()
        called = 0  # what the last call pushed
        for ins in decoder:
            flow = ins.flow_control
            mnemonic = ins.mnemonic
            if ins.ip in starts:
                bases = set()
                ever = set()
                stack = Stack()
            if not flow:
                if mnemonic in STACK:
                    stack.pushed += pushed(ins)
                elif (bases or stack.kept) and mnemonic in SETS:
                    move_base(ins, bases, stack)
                if self._makes_base(ins, called, got):
                    bases.add(ins.op0_register)
                    ever.add(ins.op0_register)
                elif mnemonic == Mnemonic.ENDBR32:
                    add((ins.ip, ins.next_ip, MARK_START, 0))
                elif mnemonic == Mnemonic.HLT:
                    add((ins.ip, ins.next_ip, MARK_STOP, 0))
                elif mnemonic == Mnemonic.LEA and pads(ins):
                    pass
                elif to := named(ins, bases, got):
                    add((ins.ip, ins.next_ip, MARK_NAME if mnemonic == Mnemonic.LEA else MARK_READ, to))
                    if mnemonic in SETS and ins.op0_kind == OpKind.REGISTER and ins.op0_register != Register.EBX:
                        bases.discard(ins.op0_register)
                continue
            kind, to = _flow(ins, flow, near)
            if kind == MARK_CALL:
                called = ins.next_ip
            elif kind in (MARK_JUMP, MARK_RETURN):
                bases |= ever  # what follows is come to by another way
                stack.settle()
            elif kind in (MARK_CALL_SLOT, MARK_JUMP_SLOT):
                if _is_gate(ins):
                    kind = MARK_ENTER
                elif kind == MARK_JUMP_SLOT and ins.memory_base == Register.EBX and ins.memory_displ_size == 4:
                    to = (got + ins.memory_displacement) & 0xFFFFFFFF  # a stub: who calls one has the base in ebx
                else:
                    to = named(ins, bases, got)
            if kind >= 0:
                add((ins.ip, ins.next_ip, kind, to))
        return marks

    def _makes_base(self, ins: Instruction, called: int, got: int) -> bool:
        """Whether an instruction adds to what the last call pushed what makes it the table's address."""
        if self._bits != 32 or not got or ins.mnemonic != Mnemonic.ADD:
            return False
        if ins.op0_kind != OpKind.REGISTER or ins.op1_kind not in IMMEDIATES:
            return False
        return bool((called + ins.immediate(1)) & 0xFFFFFFFF == got)

    def steps(self, code: bytes, address: int) -> list[Step]:
        """Give the steps of a block, without those that do nothing."""
        found: list[Step] = []
        zero: tuple[int, int] | None = None  # the zero flag says that this register has this value
        called = 0
        for ins in iced_x86.Decoder(self._bits, code, ip=address):
            if ins.flow_control:
                found += self._leaving(ins, zero)
                called = ins.next_ip
                continue
            before = len(found)
            if self._makes_base(ins, called, self._got):
                if found and found[-1][0] == CALL:  # it changes this register alone
                    found.pop()
                found.append((SET, _BY_REGISTER[ins.op0_register][0], self._got))
            elif ins.mnemonic not in _NOTHING:
                found += self._plain(ins)
            if ins.rflags_modified:
                zero = _compared(ins)
            elif zero is not None and any(_written(step) == zero[0] for step in found[before:]):
                zero = None
        return found

    def _leaving(self, ins: Instruction, zero: tuple[int, int] | None) -> list[Step]:
        kind, to = _flow(ins, ins.flow_control, OpKind.NEAR_BRANCH64 if self._bits == 64 else OpKind.NEAR_BRANCH32)
        if kind == MARK_ENTER or (self._bits == 32 and _is_gate(ins)):
            return [(ENTER, ins.ip)]
        if kind in (MARK_CALL, MARK_CALL_SLOT, MARK_JUMP, MARK_JUMP_SLOT):
            how = CALL if kind in (MARK_CALL, MARK_CALL_SLOT) else JUMP
            if to:
                return [(how, ins.ip, to, -1)]
            if ins.op0_kind == OpKind.REGISTER and ins.op0_register in _BY_REGISTER:
                return [(how, ins.ip, 0, _BY_REGISTER[ins.op0_register][0])]
            return [*self._fetch(SCRATCH, ins), (how, ins.ip, 0, SCRATCH)]
        if kind == MARK_BRANCH:
            if zero is not None and ins.mnemonic in (Mnemonic.JE, Mnemonic.JNE):
                return [(BRANCH, ins.ip, to, *zero, int(ins.mnemonic == Mnemonic.JE))]
            return [(BRANCH, ins.ip, to, -1, 0, 0)]
        if kind == MARK_RETURN:
            return [(RETURN, ins.ip)]
        if kind == MARK_STOP:
            return [(STOP, ins.ip)]
        return []

    def _fetch(self, register: int, ins: Instruction, bits: int = 0) -> list[Step]:
        """Read a register from the memory that an instruction uses."""
        if ins.is_ip_rel_memory_operand:
            return [(SET, register, ins.ip_rel_memory_address), (LOAD, register, register, 0, bits or self._bits)]
        where = self._place(ins)
        return [(LOSE, register)] if where is None else [(LOAD, register, *where, bits or self._bits)]

    def _plain(self, ins: Instruction) -> list[Step]:
        """What an instruction does that control only passes through."""
        mnemonic = ins.mnemonic
        if mnemonic in _MOVES:
            return self._move(ins)
        if mnemonic == Mnemonic.LEA:
            return [self._lea(ins)]
        if mnemonic in _MATH and ins.op0_kind == OpKind.REGISTER:
            return [self._math(ins, _MATH[mnemonic])]
        if mnemonic == Mnemonic.PUSH:
            down: Step = (MATH, _SP, SUB, _SP, -1, self._word, self._bits)
            if ins.op0_kind == OpKind.REGISTER and ins.op0_register in _BY_REGISTER:
                register = _BY_REGISTER[ins.op0_register][0]
                if register == _SP:  # as it was before
                    return [(COPY, SCRATCH, _SP, self._bits), down, (STORE, _SP, 0, SCRATCH, self._bits)]
                return [down, (STORE, _SP, 0, register, self._bits)]
            if ins.op0_kind in IMMEDIATES:
                return [down, (KEEP, _SP, 0, ins.immediate(0) & ((1 << self._bits) - 1), self._bits)]
            return [*self._fetch(SCRATCH, ins), down, (STORE, _SP, 0, SCRATCH, self._bits)]
        if mnemonic == Mnemonic.POP:
            up: Step = (MATH, _SP, ADD, _SP, -1, self._word, self._bits)
            if ins.op0_kind == OpKind.REGISTER and ins.op0_register in _BY_REGISTER:
                return [(LOAD, _BY_REGISTER[ins.op0_register][0], _SP, 0, self._bits), up]
            return [up]
        if mnemonic == Mnemonic.LEAVE:
            return [
                (COPY, _SP, _BP, self._bits),
                (LOAD, _BP, _SP, 0, self._bits),
                (MATH, _SP, ADD, _SP, -1, self._word, self._bits),
            ]
        if mnemonic in _PICKS and ins.op0_kind == OpKind.REGISTER:
            register, bits = _BY_REGISTER[ins.op0_register]
            if ins.op1_kind == OpKind.REGISTER and bits >= 32:
                return [(PICK, register, _BY_REGISTER[ins.op1_register][0], bits)]
            return [(LOSE, register)]
        if mnemonic in _LANE_MOVES:
            target = _VECTORS.get(ins.op0_register, "?") if ins.op0_kind == OpKind.REGISTER else ""
            source = _VECTORS.get(ins.op1_register, "") if ins.op1_kind == OpKind.REGISTER else ""
            general = _BY_REGISTER.get(ins.op1_register) if ins.op1_kind == OpKind.REGISTER else None
            moved = lanes(_LANE_MOVES[mnemonic], target, source, general, self._place(ins))
            if moved is not None:
                return moved
        return self._lost(ins)

    def _move(self, ins: Instruction) -> list[Step]:
        target, source = ins.op0_kind, ins.op1_kind
        if target == OpKind.REGISTER:
            if ins.op0_register not in _BY_REGISTER:
                return []
            register, bits = _BY_REGISTER[ins.op0_register]
            if source in IMMEDIATES and bits >= 32:
                return [(SET, register, ins.immediate(1) & ((1 << bits) - 1))]
            if source in IMMEDIATES and bits == 8:
                return [(LOW, register, ins.immediate(1) & 0xFF)]
            if source == OpKind.REGISTER and bits >= 32 and ins.op1_register in _BY_REGISTER:
                origin, width = _BY_REGISTER[ins.op1_register]
                if width >= 32 and (ins.mnemonic == Mnemonic.MOV or ins.mnemonic == Mnemonic.MOVSXD):
                    return [(COPY, register, origin, width)]
            if source == OpKind.MEMORY and bits >= 32 and ins.mnemonic in (Mnemonic.MOV, Mnemonic.MOVSXD):
                return self._fetch(register, ins, 32 if ins.mnemonic == Mnemonic.MOVSXD else bits)
            return [(LOSE, register)]
        if target == OpKind.MEMORY:
            where = self._place(ins)
            if where is None:
                return []
            if source in IMMEDIATES:
                return [(KEEP, *where, ins.immediate(1) & ((1 << self._bits) - 1), self._bits)]
            if source == OpKind.REGISTER and ins.op1_register in _BY_REGISTER:
                origin, bits = _BY_REGISTER[ins.op1_register]
                return [(STORE, *where, origin if bits >= 32 else -1, bits)]
            return [(STORE, *where, -1, self._bits)]
        return []

    @staticmethod
    def _place(ins: Instruction) -> tuple[int, int] | None:
        """Base and offset of the memory that an instruction uses, if a register and a constant say it all."""
        base = ins.memory_base
        if ins.memory_index != _NO_REGISTER or base not in _BY_REGISTER or ins.segment_prefix != _NO_REGISTER:
            return None
        offset = ins.memory_displacement
        bits = _BY_REGISTER[base][1]
        return _BY_REGISTER[base][0], offset - (1 << bits) if offset >> (bits - 1) else offset

    def _lea(self, ins: Instruction) -> Step:
        register = _BY_REGISTER[ins.op0_register][0]
        if ins.is_ip_rel_memory_operand:
            return (SET, register, ins.ip_rel_memory_address)
        if ins.memory_base == _NO_REGISTER and ins.memory_index == _NO_REGISTER:
            return (SET, register, ins.memory_displacement & ((1 << self._bits) - 1))
        where = self._place(ins)
        if where is None:
            return (LOSE, register)
        return (MATH, register, ADD, where[0], -1, where[1], _BY_REGISTER[ins.op0_register][1])

    def _math(self, ins: Instruction, how: int) -> Step:
        if ins.op0_register not in _BY_REGISTER:
            return (LOSE,)
        register, bits = _BY_REGISTER[ins.op0_register]
        kind = ins.op1_kind
        if kind == OpKind.REGISTER and how in (XOR, SUB) and ins.op0_register == ins.op1_register and bits >= 32:
            return (SET, register, 0)
        if bits < 32:
            return (LOSE, register)
        if kind in IMMEDIATES:
            return (MATH, register, how, register, -1, ins.immediate(1) & ((1 << bits) - 1), bits)
        if kind == OpKind.REGISTER and ins.op1_register in _BY_REGISTER and _BY_REGISTER[ins.op1_register][1] == bits:
            return (MATH, register, how, register, _BY_REGISTER[ins.op1_register][0], 0, bits)
        return (LOSE, register)

    def _lost(self, ins: Instruction) -> list[Step]:
        """The registers that any other instruction writes."""
        lost = [
            _BY_REGISTER[used.register][0]
            for used in self._info.info(ins).used_registers()
            if used.access in _WRITES and used.register in _BY_REGISTER
        ]
        if ins.op0_kind == OpKind.REGISTER:
            lost += lost_lanes(_VECTORS.get(ins.op0_register, ""))
        return [(LOSE, *lost)] if lost else []


def _flow(ins: Instruction, flow: int, near: int) -> tuple[int, int]:
    """Which mark an instruction is that control does not only pass through, and the address that it names; -1: none."""
    if flow == FlowControl.CONDITIONAL_BRANCH:
        return MARK_BRANCH, ins.near_branch_target
    if flow == FlowControl.UNCONDITIONAL_BRANCH:
        return (MARK_JUMP, ins.near_branch_target) if ins.op0_kind == near else (MARK_JUMP_SLOT, 0)
    if flow == FlowControl.CALL:
        if ins.mnemonic == Mnemonic.SYSCALL or ins.mnemonic == Mnemonic.SYSENTER:
            return MARK_ENTER, 0
        return (MARK_CALL, ins.near_branch_target) if ins.op0_kind == near else (MARK_CALL_SLOT, 0)
    if flow == FlowControl.RETURN:
        return MARK_RETURN, 0
    if flow == FlowControl.INDIRECT_CALL:
        return MARK_CALL_SLOT, 0
    if flow == FlowControl.INDIRECT_BRANCH:
        return MARK_JUMP_SLOT, 0
    if flow == FlowControl.INTERRUPT:
        if ins.mnemonic == Mnemonic.INT and ins.immediate8 == 0x80:
            return MARK_ENTER, 0
        return -1, 0  # int3 pads
    if flow == FlowControl.EXCEPTION:
        return MARK_STOP, 0
    return -1, 0


def _is_gate(ins: Instruction) -> bool:
    """Whether this is `call *%gs:0x10`, by which i386 enters the kernel."""
    return bool(
        ins.memory_segment == Register.GS and ins.memory_displacement == 0x10 and ins.memory_base == _NO_REGISTER
    )


def _written(step: Step) -> int:
    return step[1] if step[0] in (SET, LOW, COPY, LOAD, MATH, PICK, LOSE) and len(step) > 1 else -1


def _compared(ins: Instruction) -> tuple[int, int] | None:
    """Which register has which value if the zero flag is set after an instruction."""
    if ins.op_count < 1 or ins.op0_kind != OpKind.REGISTER or ins.op0_register not in _BY_REGISTER:
        return None
    register, bits = _BY_REGISTER[ins.op0_register]
    if bits < 32:
        return None
    if ins.mnemonic == Mnemonic.TEST and ins.op1_kind == OpKind.REGISTER and ins.op0_register == ins.op1_register:
        return register, 0
    if ins.mnemonic == Mnemonic.CMP and ins.op1_kind in IMMEDIATES:
        return register, ins.immediate(1) & ((1 << bits) - 1)
    return (register, 0) if ins.mnemonic in _ZERO_OF_RESULT else None
