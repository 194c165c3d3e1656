"""The code of x86_64 and i386, read by capstone: slower than iced-x86, and to be had everywhere.

Its plain text is taken apart, which costs a tenth of what its records of operands do.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import capstone  # type: ignore[import-untyped]  # it has no types

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
from troth.elf.decode.x86_lanes import MOVES, lanes, lost_lanes
from troth.elf.decode.x86_registers import REGISTERS
from troth.elf.decode.x86_stack import Stack

if TYPE_CHECKING:
    from collections.abc import Set

    from troth.elf.decode.steps import Mark, Step

_SP, _BP, _BX = 4, 5, 3
_MATH: Final = {"add": ADD, "sub": SUB, "and": AND, "or": OR, "xor": XOR, "shl": SHL, "shr": SHR}
_NOTHING: Final = ("nop", "endbr64", "endbr32", "cmp", "test", "bt", "pause", "int3", "prefetch")
_ZERO_OF_RESULT: Final = frozenset(["add", "sub", "and", "or", "xor", "adc", "sbb", "neg", "inc", "dec"])
_KEEP_FLAGS: Final = (
    "mov", "lea", "push", "pop", "cmov", "set", "nop", "xchg", "not", "endbr", "leave", "cdq", "cqo", "bswap", "p", "v",
)  # fmt: skip
# What instructions write besides their first operand.
_IMPLICIT: Final = {
    "mul": (0, 2), "imul": (0, 2), "div": (0, 2), "idiv": (0, 2), "cpuid": (0, 1, 2, 3), "rdtsc": (0, 2),
    "rdtscp": (0, 1, 2), "xgetbv": (0, 2), "cdq": (2,), "cqo": (2,), "cdqe": (0,), "cwde": (0,), "cmpxchg": (0,),
    "cmpxchg8b": (0, 2), "cmpxchg16b": (0, 2), "stosb": (1, 7), "stosd": (1, 7), "stosq": (1, 7), "movsb": (1, 6, 7),
    "movsd": (1, 6, 7), "movsq": (1, 6, 7), "lodsb": (0, 6), "lodsd": (0, 6), "lodsq": (0, 6), "scasb": (1, 7),
    "scasd": (1, 7), "scasq": (1, 7), "cmpsb": (1, 6, 7), "lahf": (0,), "xbegin": (0,), "rdpkru": (0, 2),
}  # fmt: skip
_SETS: Final = frozenset(("mov", "lea", "xor", "movzx"))  # those that often set a register
_STACK: Final = frozenset(("push", "pop", "sub", "add"))  # those that move the stack pointer
_BOTH: Final = frozenset(("xchg", "xadd"))
_PREFIXES: Final = frozenset(("lock", "rep", "repe", "repne", "bnd", "notrack", "data16", "xacquire", "xrelease"))
_MEMORY: Final = re.compile(r"(?:(\w\w):)?\[([^\]]*)\]")
_LAST: Final = re.compile(r"[+-] (?:0x[0-9a-f]+|[0-9]+)$")
_PADS: Final = re.compile(r"(\w+), (?:\w\w:)?\[\1\]$")  # does nothing: assemblers fill the place between blocks so
_PLACE: Final = re.compile(r"(\w+)(?: ([+-]) (\w+))?$")


class Reader:
    """Reads x86_64 or i386."""

    def __init__(self, arch: str) -> None:
        self._bits = 64 if arch == "x86_64" else 32
        self._word = self._bits // 8
        self._mask = (1 << self._bits) - 1
        mode = capstone.CS_MODE_64 if self._bits == 64 else capstone.CS_MODE_32
        self._capstone = capstone.Cs(capstone.CS_ARCH_X86, mode)
        self._capstone.skipdata = True  # tables among the code
        self._got = 0

    def scan(self, code: bytes, address: int, got: int, starts: Set[int]) -> list[Mark]:
        """Give every mark of a section, in order; `got` is what code of i386 counts from."""
        self._got = got
        marks: list[Mark] = []
        bases: set[str] = set()
        ever: set[str] = set()  # those of the function so far
        stack = Stack[str]()
        called = 0
        for at, size, full, text in self._capstone.disasm_lite(code, address):
            name = _plain_name(full)
            end = at + size
            if at in starts:
                bases = set()
                ever = set()
                stack = Stack()
            if name in _STACK:
                stack.pushed += _pushed(name, text)
            elif (bases or stack.kept) and name in _SETS:
                _move_base(name, text, bases, stack)
            kind = _flow(name, text)
            if kind is not None:
                to = 0
                if kind in (MARK_CALL, MARK_JUMP, MARK_BRANCH):
                    to = int(text, 16)
                elif kind in (MARK_CALL_SLOT, MARK_JUMP_SLOT):
                    to = self._named(text, end, bases)
                    if not to and kind == MARK_JUMP_SLOT and self._bits == 32 and size == 6 and "[ebx" in text:
                        to = self._named(text, end, {"ebx"})  # a stub: who calls one has the base in ebx
                if kind == MARK_CALL:
                    called = end
                elif kind in (MARK_JUMP, MARK_RETURN):
                    bases |= ever  # what follows is come to by another way
                    stack.settle()
                marks.append((at, end, kind, to))
            elif name in ("endbr64", "endbr32"):
                marks.append((at, end, MARK_START, 0))
            elif name == "lea" and _PADS.match(text):
                pass
            elif "[" in text:
                to = self._named(text, end, bases)
                if to:
                    marks.append((at, end, MARK_NAME if name == "lea" else MARK_READ, to))
                    if name in _SETS and text.partition(",")[0] != "ebx":
                        bases.discard(text.partition(",")[0])
            elif self._makes_base(name, text, called):
                bases.add(text.partition(",")[0])
                ever.add(text.partition(",")[0])
        return marks

    def _named(self, text: str, end: int, bases: Set[str]) -> int:
        """The address that an operand in memory names; 0 when it depends on registers."""
        found = _MEMORY.search(text)
        if found is None:
            return 0
        inner = found[2]
        if self._bits == 64:
            return (end + _offset(inner[3:])) & self._mask if inner.startswith("rip") else 0
        base = inner.partition(" ")[0]
        if base in bases:
            last = _LAST.search(inner)  # an index may be added before it
            return (self._got + (_offset(last[0]) if last else 0)) & self._mask
        if inner.startswith("0x") and found[1] in (None, "ds"):
            return int(inner, 16)
        tail = inner.rpartition(" + ")[2]
        scaled = "*" in base and tail.startswith("0x") and found[1] in (None, "ds")
        return int(tail, 16) if scaled else 0

    def _makes_base(self, name: str, text: str, called: int) -> bool:
        """Whether an instruction adds to what the last call pushed what makes it the table's address."""
        register, _, value = text.partition(", ")
        if self._bits != 32 or not self._got or name != "add" or register not in REGISTERS:
            return False
        return _is_number(value) and (called + int(value, 16)) & self._mask == self._got

    def steps(self, code: bytes, address: int) -> list[Step]:
        """Give the steps of a block, without those that do nothing."""
        found: list[Step] = []
        zero: tuple[int, int] | None = None  # the zero flag says that this register has this value
        called = 0
        for at, size, full, text in self._capstone.disasm_lite(code, address):
            name = _plain_name(full)
            kind = _flow(name, text)
            if kind is not None:
                found += self._leaving(at, at + size, name, text, kind, zero)
                called = at + size
                continue
            operands = text.split(", ") if text else []
            if self._makes_base(name, text, called):
                if found and found[-1][0] == CALL:  # it changes this register alone
                    found.pop()
                found.append((SET, REGISTERS[operands[0]][0], self._got))
                zero = None
                continue
            some = [] if name.startswith(_NOTHING) else self._plain(at + size, name, operands)
            found += some
            if not name.startswith(_KEEP_FLAGS) or name in ("popcnt", "popf", "popfq"):
                zero = _compared(name, operands)
            elif zero is not None and any(
                step[0] not in (STORE, KEEP) and zero[0] in (step[1:] if step[0] == LOSE else step[1:2])
                for step in some
            ):
                zero = None
        return found

    def _leaving(self, at: int, end: int, name: str, text: str, kind: int, zero: tuple[int, int] | None) -> list[Step]:
        if kind == MARK_ENTER:
            return [(ENTER, at)]
        if kind in (MARK_CALL, MARK_CALL_SLOT, MARK_JUMP, MARK_JUMP_SLOT):
            how = CALL if kind in (MARK_CALL, MARK_CALL_SLOT) else JUMP
            if kind in (MARK_CALL, MARK_JUMP):
                return [(how, at, int(text, 16), -1)]
            if text in REGISTERS:
                return [(how, at, 0, REGISTERS[text][0])]
            return [*self._fetch(SCRATCH, text, end, self._bits), (how, at, 0, SCRATCH)]
        if kind == MARK_BRANCH:
            if zero is not None and name in ("je", "jne"):
                return [(BRANCH, at, int(text, 16), *zero, int(name == "je"))]
            return [(BRANCH, at, int(text, 16), -1, 0, 0)]
        return [(RETURN, at)] if kind == MARK_RETURN else [(STOP, at)]

    def _fetch(self, register: int, text: str, end: int, bits: int) -> list[Step]:
        """Read a register from the memory that an operand names."""
        if "[rip" in text:
            return [(SET, register, self._named(text, end, frozenset())), (LOAD, register, register, 0, bits)]
        place = _place(text)
        return [(LOSE, register)] if place is None else [(LOAD, register, *place, bits)]

    def _plain(self, end: int, name: str, operands: list[str]) -> list[Step]:
        """What an instruction does that control only passes through."""
        first = operands[0] if operands else ""
        second = operands[1] if len(operands) > 1 else ""
        register, bits = REGISTERS.get(first, (-1, 0))
        if name in ("mov", "movabs", "movsxd", "movzx", "movsx") and len(operands) == 2:
            return self._move(end, name, first, second)
        if name == "lea" and register >= 0:
            if "[rip" in second:
                return [(SET, register, self._named(second, end, frozenset()))]
            inner = _MEMORY.search(second)
            if inner and inner[2].startswith("0x"):
                return [(SET, register, int(inner[2], 16) & self._mask)]
            place = _place(second)
            return [(LOSE, register)] if place is None else [(MATH, register, ADD, place[0], -1, place[1], bits)]
        if name in _MATH and register >= 0 and len(operands) == 2:
            other, width = REGISTERS.get(second, (-1, 0))
            if name in ("xor", "sub") and first == second and bits >= 32:
                return [(SET, register, 0)]
            if bits >= 32 and _is_number(second):
                return [(MATH, register, _MATH[name], register, -1, int(second, 16) & ((1 << bits) - 1), bits)]
            if bits >= 32 and other >= 0 and width == bits:
                return [(MATH, register, _MATH[name], register, other, 0, bits)]
            return [(LOSE, register)]
        if name == "push":
            down: Step = (MATH, _SP, SUB, _SP, -1, self._word, self._bits)
            if register == _SP:  # as it was before
                return [(COPY, SCRATCH, _SP, self._bits), down, (STORE, _SP, 0, SCRATCH, self._bits)]
            if register >= 0:
                return [down, (STORE, _SP, 0, register, self._bits)]
            if _is_number(first):
                return [down, (KEEP, _SP, 0, int(first, 16) & self._mask, self._bits)]
            return [*self._fetch(SCRATCH, first, end, self._bits), down, (STORE, _SP, 0, SCRATCH, self._bits)]
        if name == "pop":
            up: Step = (MATH, _SP, ADD, _SP, -1, self._word, self._bits)
            return [(LOAD, register, _SP, 0, self._bits), up] if register >= 0 else [up]
        if name == "leave":
            up = (MATH, _SP, ADD, _SP, -1, self._word, self._bits)
            return [(COPY, _SP, _BP, self._bits), (LOAD, _BP, _SP, 0, self._bits), up]
        if name.startswith("cmov") and register >= 0:
            return [(PICK, register, REGISTERS[second][0], bits)] if second in REGISTERS else [(LOSE, register)]
        if name in MOVES:
            target, source = ("" if "[" in one else one for one in (first, second))
            moved = lanes(name, target, source, REGISTERS.get(second), _place(first) or _place(second))
            if moved is not None:
                return moved
        lost = [register] if register >= 0 else lost_lanes(first)
        if name in _BOTH and second in REGISTERS:
            lost.append(REGISTERS[second][0])
        if name != "imul" or len(operands) == 1:
            lost += _IMPLICIT.get(name, ())
        return [(LOSE, *lost)] if lost else []

    def _move(self, end: int, name: str, first: str, second: str) -> list[Step]:
        register, bits = REGISTERS.get(first, (-1, 0))
        source, width = REGISTERS.get(second, (-1, 0))
        if register >= 0:
            if _is_number(second):
                if bits >= 32:
                    return [(SET, register, int(second, 16) & ((1 << bits) - 1))]
                return [(LOW, register, int(second, 16) & 0xFF)] if bits == 8 else [(LOSE, register)]
            if source >= 0 and bits >= 32 and width >= 32:
                return [(COPY, register, source, width)]
            if "[" in second and bits >= 32 and name in ("mov", "movabs", "movsxd"):
                return self._fetch(register, second, end, 32 if name == "movsxd" else bits)
            return [(LOSE, register)]
        place = _place(first)
        if place is None:
            return []
        if _is_number(second):
            return [(KEEP, *place, int(second, 16) & self._mask, self._bits)]
        return [(STORE, *place, source if width >= 32 else -1, width or self._bits)]


def _pushed(name: str, text: str) -> int:
    """How far down an instruction of i386 moves the stack pointer."""
    if name in ("push", "pop"):
        return 4 if name == "push" else -4
    first, _, second = text.partition(", ")
    if first != "esp" or not _is_number(second):
        return 0
    by = int(second, 16)
    by -= (by & 0x80000000) << 1
    return by if name == "sub" else -by


def _move_base(name: str, text: str, bases: set[str], stack: Stack[str]) -> None:
    """Note where a move puts the base, and which register does not have it any more; in ebx it stays to the end."""
    first, _, second = text.partition(", ")
    moves = name == "mov"
    used = _MEMORY.search(text)
    found = _PLACE.match(used[2]) if used else None
    place = None
    if found and found[1] in ("ebp", "esp") and _is_number(found[3] or "0"):  # with an index it may be any place
        offset = int(found[3] or "0", 16)
        place = stack.place(found[1], found[1] == "esp", -offset if found[2] == "-" else offset)
    if moves and second in bases:
        if first in REGISTERS:
            bases.add(first)
        elif place:
            stack.keep(place)
    elif moves and "[" in second and place in stack.kept:
        bases.add(first)
    elif first in bases and first != "ebx" and (used is None or used[2].partition(" ")[0] not in bases):
        bases.discard(first)


def _plain_name(full: str) -> str:
    """The name of an instruction without its prefixes."""
    if " " not in full:
        return full
    return next((word for word in full.split() if word not in _PREFIXES), full)


def _flow(name: str, text: str) -> int | None:
    """Which mark an instruction is that control does not only pass through."""
    if name[:1] == "j" or name.startswith("loop"):
        if name != "jmp":
            return MARK_BRANCH
        return MARK_JUMP if text.startswith("0x") or text.isdigit() else MARK_JUMP_SLOT
    if name == "call":
        if text.startswith("0x") or text.isdigit():
            return MARK_CALL
        return MARK_ENTER if text.endswith("gs:[0x10]") else MARK_CALL_SLOT
    if name in ("syscall", "sysenter") or (name == "int" and text == "0x80"):
        return MARK_ENTER
    if name.startswith("ret") or name == "iretq":
        return MARK_RETURN
    return MARK_STOP if name in ("hlt", "ud2", "ud1", "ud0") else None


def _is_number(text: str) -> bool:
    return text.lstrip("-")[:1].isdigit()


def _offset(text: str) -> int:
    """The number that ends an address: ` + 0x10`, ` - 8` or nothing."""
    text = text.replace(" ", "")
    return int(text, 16) if text else 0


def _place(text: str) -> tuple[int, int] | None:
    """Base and offset of memory, if a register and a constant say it all."""
    found = _MEMORY.search(text)
    if found is None or found[1] in ("fs", "gs"):
        return None
    place = _PLACE.match(found[2])
    if place is None or place[1] not in REGISTERS:
        return None
    if place[3] is None:
        return REGISTERS[place[1]][0], 0
    if not _is_number(place[3]):
        return None
    return REGISTERS[place[1]][0], int(place[2] + place[3], 16)


def _compared(name: str, operands: list[str]) -> tuple[int, int] | None:
    """Which register has which value if the zero flag is set after an instruction."""
    register, bits = REGISTERS.get(operands[0], (-1, 0)) if operands else (-1, 0)
    if register < 0 or bits < 32:
        return None
    if name == "test" and len(operands) == 2 and operands[0] == operands[1]:
        return register, 0
    if name == "cmp" and _is_number(operands[1]):
        return register, int(operands[1], 16) & ((1 << bits) - 1)
    return (register, 0) if name in _ZERO_OF_RESULT else None
