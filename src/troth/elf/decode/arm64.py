"""The code of aarch64, read by capstone."""

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
    SET,
    SHL,
    SHR,
    STOP,
    STORE,
    SUB,
    XOR,
)

if TYPE_CHECKING:
    from collections.abc import Set

    from troth.elf.decode.steps import Mark, Step

_SP: Final = 31
_ZERO: Final = 32  # xzr: no register, always 0
_ALL: Final = (1 << 64) - 1
_REGISTERS: Final[dict[str, tuple[int, int]]] = {
    **{f"x{number}": (number, 64) for number in range(31)},
    **{f"w{number}": (number, 32) for number in range(31)},
    "sp": (_SP, 64), "wsp": (_SP, 32), "fp": (29, 64), "lr": (30, 64), "xzr": (_ZERO, 64), "wzr": (_ZERO, 32),
}  # fmt: skip
_FLOW: Final = {
    "b": MARK_JUMP, "bl": MARK_CALL, "br": MARK_JUMP_SLOT, "blr": MARK_CALL_SLOT, "ret": MARK_RETURN,
    "cbz": MARK_BRANCH, "cbnz": MARK_BRANCH, "tbz": MARK_BRANCH, "tbnz": MARK_BRANCH, "svc": MARK_ENTER,
    "brk": MARK_STOP, "udf": MARK_STOP, "hlt": MARK_STOP, "bti": MARK_START, "paciasp": MARK_START,
    "braa": MARK_JUMP_SLOT, "brab": MARK_JUMP_SLOT, "braaz": MARK_JUMP_SLOT, "brabz": MARK_JUMP_SLOT,
    "blraa": MARK_CALL_SLOT, "blrab": MARK_CALL_SLOT, "blraaz": MARK_CALL_SLOT, "blrabz": MARK_CALL_SLOT,
    "retaa": MARK_RETURN, "retab": MARK_RETURN,
}  # fmt: skip
_MATH: Final = {
    "add": ADD, "adds": ADD, "sub": SUB, "subs": SUB, "and": AND, "ands": AND, "orr": OR, "eor": XOR,
    "lsl": SHL, "lsr": SHR,
}  # fmt: skip
_WIDENING: Final = frozenset(("sxtw", "uxtw", "mov"))
# Instructions whose first operand is only read, by how their names start.
_ONLY_READ: Final = (
    "st", "cmp", "cmn", "tst", "ccmp", "ccmn", "b.", "cb", "tb", "prfm", "msr", "dmb", "dsb", "isb", "nop", "hint",
    "bti", "pac", "aut", "xpac", "yield", "dc", "ic", "clrex",
)  # fmt: skip
_MEMORY: Final = re.compile(r"\[(\w+)(?:, #(-?\w+))?\](!?)(?:, #(-?\w+))?$")
_OFFSET: Final = re.compile(r"\[(\w+)(?:, #(-?\w+))?\]$")


class Reader:
    """Reads aarch64."""

    def __init__(self, arch: str) -> None:
        assert arch == "aarch64"
        self._capstone = capstone.Cs(capstone.CS_ARCH_ARM64, capstone.CS_MODE_LITTLE_ENDIAN)
        self._capstone.skipdata = True  # tables among the code

    def scan(self, code: bytes, address: int, got: int, starts: Set[int]) -> list[Mark]:
        """Give every mark of a section, in order.

        An address is made in two instructions: `adrp` gives its page, and what follows adds the rest.
        """
        del got
        marks: list[Mark] = []
        add = marks.append
        pages: dict[str, int] = {}  # registers that hold a page
        words: dict[str, int] = {}  # registers that hold what is at an address
        for at, size, name, operands in self._capstone.disasm_lite(code, address):
            kind = _FLOW.get(name)
            if at in starts:
                pages.clear()
                words.clear()
            if kind is not None:
                to = 0
                if kind in (MARK_JUMP, MARK_CALL, MARK_BRANCH):
                    to = int(operands.rpartition("#")[2], 16)
                elif kind in (MARK_JUMP_SLOT, MARK_CALL_SLOT):
                    to = words.get(operands.partition(",")[0], 0)
                elif kind == MARK_START and operands == "j":
                    continue  # where jumps land, not calls
                add((at, at + size, kind, to))
                continue
            if name.startswith("b."):
                add((at, at + size, MARK_BRANCH, int(operands.rpartition("#")[2], 16)))
                continue
            if name in ("adrp", "adr"):
                register, _, value = operands.partition(", #")
                words.pop(register, None)
                pages[register] = int(value, 16)
                if name == "adr":
                    add((at, at + size, MARK_NAME, int(value, 16)))
                continue
            if not pages and not words:
                continue
            to = 0
            register, _, rest = operands.partition(", ")
            if name == "add":
                base, _, low = rest.partition(", #")
                if base in pages and low:
                    to = pages[base] + _number(low)
                    add((at, at + size, MARK_NAME, to))
            elif "[" in rest and (found := _OFFSET.search(rest)) and found[1] in pages:
                to = pages[found[1]] + _number(found[2] or "0")
                add((at, at + size, MARK_READ, to))
                if name == "ldr":
                    pages.pop(register, None)
                    words[register] = to
                    continue
            if not name.startswith(_ONLY_READ):
                register = "x" + register[1:] if register[:1] == "w" else register
                pages.pop(register, None)
                words.pop(register, None)
        return marks

    def steps(self, code: bytes, address: int) -> list[Step]:
        """Give the steps of a block, without those that do nothing."""
        found: list[Step] = []
        zero: tuple[int, int] | None = None  # the zero flag says that this register has this value
        for at, _, name, text in self._capstone.disasm_lite(code, address):
            operands = _operands(text)
            if name in _FLOW or name.startswith("b."):
                found += _leaving(at, name, operands, zero)
                continue
            some = _plain(name, operands)
            found += some
            compared = _compared(name, operands)
            if compared is not None:
                zero = compared if compared[0] >= 0 else None
            elif zero is not None and any(step[0] not in (STORE, KEEP) and zero[0] in step[1:2] for step in some):
                zero = None
        return found


def _number(text: str) -> int:
    return int(text, 0)


def _operands(text: str) -> list[str]:
    """The operands of an instruction; memory is one, with what is added to its base afterwards."""
    if not text:
        return []
    start, bracket, memory = text.partition("[")
    found = [one for one in start.split(", ") if one]
    return [*found, bracket + memory] if bracket else found


def _leaving(at: int, name: str, operands: list[str], zero: tuple[int, int] | None) -> list[Step]:
    kind = _FLOW.get(name, MARK_BRANCH)
    if kind == MARK_ENTER:
        return [(ENTER, at)]
    if kind in (MARK_CALL, MARK_JUMP):
        return [(CALL if kind == MARK_CALL else JUMP, at, _number(operands[0].lstrip("#")), -1)]
    if kind in (MARK_CALL_SLOT, MARK_JUMP_SLOT):
        register = _REGISTERS.get(operands[0], (_ZERO, 0))[0]
        return [(CALL if kind == MARK_CALL_SLOT else JUMP, at, 0, register)]
    if kind == MARK_RETURN:
        return [(RETURN, at)]
    if kind == MARK_STOP:
        return [(STOP, at)]
    if kind == MARK_BRANCH:
        to = _number(operands[-1].lstrip("#"))
        if name in ("cbz", "cbnz"):
            return [(BRANCH, at, to, _REGISTERS[operands[0]][0], 0, int(name == "cbz"))]
        if zero is not None and name in ("b.eq", "b.ne"):
            return [(BRANCH, at, to, *zero, int(name == "b.eq"))]
        return [(BRANCH, at, to, -1, 0, 0)]
    return []


def _compared(name: str, operands: list[str]) -> tuple[int, int] | None:
    """Which register has which value if the zero flag is set: -1 for none, None where the flag stays as it is."""
    if name == "cmp" and len(operands) == 2 and operands[0] in _REGISTERS and operands[1].startswith("#"):
        register, bits = _REGISTERS[operands[0]]
        return register, _number(operands[1][1:]) & ((1 << bits) - 1)
    if name in ("subs", "adds", "ands") and operands and operands[0] in _REGISTERS:
        return _REGISTERS[operands[0]][0], 0
    return (-1, 0) if name in ("cmp", "cmn", "tst", "ccmp", "ccmn", "fcmp", "fcmpe", "bics", "negs") else None


def _plain(name: str, operands: list[str]) -> list[Step]:
    """What an instruction does that control only passes through."""
    if not operands:
        return []
    if operands[-1].startswith("["):
        return _memory(name, operands[:-1], operands[-1])
    first = _REGISTERS.get(operands[0])
    if first is None or name.startswith(_ONLY_READ):
        return []
    register, bits = first
    if register == _ZERO:
        return []
    values = operands[1:]
    source = _REGISTERS.get(values[0]) if values else None
    if name in ("adrp", "adr"):
        return [(SET, register, _number(values[0].lstrip("#")))]
    if name in ("mov", "movz", "movn") and values and values[0].startswith("#"):
        number = _number(values[0][1:])
        if len(values) > 1:
            number <<= _number(values[1].rpartition("#")[2])
        return [(SET, register, (~number if name == "movn" else number) & ((1 << bits) - 1))]
    if name == "movk" and values[0].startswith("#"):
        shift = _number(values[1].rpartition("#")[2]) if len(values) > 1 else 0
        return [
            (MATH, register, AND, register, -1, _ALL & ~(0xFFFF << shift), bits),
            (MATH, register, OR, register, -1, _number(values[0][1:]) << shift, bits),
        ]
    if name in _WIDENING and source is not None:
        if source[0] == _ZERO:
            return [(SET, register, 0)]
        return [(COPY, register, source[0], min(bits, source[1]))]
    if name in _MATH and source is not None and len(values) == 2:
        other = _REGISTERS.get(values[1])
        if source[0] == _ZERO:
            return [(LOSE, register)]
        if values[1].startswith("#"):
            return [(MATH, register, _MATH[name], source[0], -1, _number(values[1][1:]) & ((1 << bits) - 1), bits)]
        if other is not None and other[0] != _ZERO:
            return [(MATH, register, _MATH[name], source[0], other[0], 0, bits)]
        if other is not None:
            return [(COPY, register, source[0], bits)] if name in ("add", "sub", "orr", "eor") else [(SET, register, 0)]
    if name in _MATH and len(values) == 3 and source is not None and values[2].startswith("lsl #"):
        if values[1].startswith("#"):
            number = _number(values[1][1:]) << _number(values[2].rpartition("#")[2])
            return [(MATH, register, _MATH[name], source[0], -1, number, bits)]
        return [(LOSE, register)]
    if name == "csel" and source is not None:
        other = _REGISTERS.get(values[1])
        if other is not None and _ZERO not in (source[0], other[0]) and register != other[0]:
            return [(COPY, register, source[0], bits), (PICK, register, other[0], bits)]
        if other is not None and register == other[0] and source[0] != _ZERO:
            return [(PICK, register, source[0], bits)]
    return [(LOSE, register)]


def _memory(name: str, operands: list[str], place: str) -> list[Step]:
    """A load or a store, and what it does to its base."""
    known = [_REGISTERS.get(one) for one in operands]
    found = _MEMORY.match(place)
    base = _REGISTERS.get(found[1]) if found else None
    if found is None or base is None or name.startswith("prfm"):
        return [(LOSE, _ZERO, *(one[0] for one in known if one))] if not name.startswith(_ONLY_READ) else []
    offset = _number(found[2] or "0")
    moves = _number(found[4]) if found[4] else offset if found[3] else 0
    move: list[Step] = [(MATH, base[0], ADD, base[0], -1, moves & _ALL, 64)] if moves else []
    before, after = (move, []) if found[3] else ([], move)
    if found[3] or found[4]:
        offset = 0
    steps: list[Step] = []
    if name in ("str", "stur", "stp", "stlr", "strb", "strh"):
        for operand, one in zip(operands, known, strict=True):
            if one is None:  # a vector
                width = {"q": 16, "d": 8, "s": 4}.get(operand[0], 8)
                steps += [(STORE, base[0], offset + at, -1, 64) for at in range(0, width, 8)]
                offset += width
            elif one[0] == _ZERO:
                steps.append((KEEP, base[0], offset, 0, one[1]))
                offset += one[1] // 8
            else:
                steps.append((STORE, base[0], offset, one[0] if name in ("str", "stur", "stp") else -1, one[1]))
                offset += one[1] // 8
    elif name in ("ldr", "ldur", "ldp", "ldar", "ldrsw", "ldpsw"):
        for operand, one in zip(operands, known, strict=True):
            if one is None:
                offset += {"q": 16, "d": 8, "s": 4}.get(operand[0], 8)
                continue
            bits = 32 if name in ("ldrsw", "ldpsw") else one[1]
            # The base is read by all, so it is written last.
            steps.append((LOAD, one[0], base[0], offset, bits))
            offset += bits // 8
        steps.sort(key=lambda step: step[1] == base[0])
    elif not name.startswith("st"):
        steps = [(LOSE, *(one[0] for one in known if one))] if any(known) else []
    elif known and known[0] and len(known) > 1:  # stxr says in its first operand whether it did
        steps = [(LOSE, known[0][0])]
    return [*before, *(step for step in steps if step[0] in (STORE, KEEP) or step[1] != _ZERO), *after]
