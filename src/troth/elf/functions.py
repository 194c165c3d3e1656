"""The functions of an ELF file: where each starts, and the marks in its code.

Unwinding tables, symbols and the targets of calls say where functions start. Code without tables (musl, hand-written
assembly) has further starts: what a pointer or an address in code names, what a jump from another function goes to,
and landing places of indirect calls behind the end of the code before.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from troth.elf.decode import decoder
from troth.elf.decode.steps import (
    MARK_BRANCH,
    MARK_CALL,
    MARK_JUMP,
    MARK_JUMP_SLOT,
    MARK_NAME,
    MARK_RETURN,
    MARK_START,
    MARK_STOP,
)
from troth.elf.machine import MACHINES
from troth.errors import ParseError

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from troth.elf.decode.steps import Mark, Step
    from troth.elf.reader import Elf

__all__ = ["Code", "Function"]

_ENDS: Final = frozenset((MARK_JUMP, MARK_RETURN, MARK_JUMP_SLOT, MARK_STOP))
_DIRECT: Final = frozenset((MARK_CALL, MARK_JUMP, MARK_BRANCH))
_ALIGNMENT: Final = 16  # of functions: less than this lies between the end of one and the start of the next
MOST_STUB: Final = 4  # marks: more than that and it is no stub
_MOST_CODE: Final = 256 << 20  # bytes: a minute's work


class Function:
    """One function: its addresses, and its marks in order with the addresses that they are at."""

    __slots__ = ("start", "end", "marks", "places")

    def __init__(self, start: int, end: int, marks: list[Mark]) -> None:
        self.start = start
        self.end = end
        self.marks = marks
        self.places = [mark[0] for mark in marks]

    def has(self, address: int) -> bool:
        """Whether an address is in its code."""
        return self.start <= address < self.end

    def after(self, address: int) -> int:
        """The place of the first mark at or after an address."""
        return bisect_left(self.places, address)


class Code:
    """The code of a file, as functions.

    `functions` has them by their start. `exports` says where a name leads (the default version, if there are several).
    """

    def __init__(self, elf: Elf, library: str | None = None) -> None:
        """Read it all; `library` is the disassembler to use, if not the best.

        Raises:
            ParseError: there is no code, or more than any program has.
            RequestError: code of this architecture cannot be read.
            UnsupportedError: no disassembler is installed.
        """
        self.elf = elf
        self.decoder = decoder(elf.arch, library)
        self.machine = MACHINES[elf.arch]
        image = elf.image
        size = sum(end - start for start, end in image.code)
        if not size or size > _MOST_CODE:
            raise ParseError(elf.where, f"has {size >> 20} MiB of code, which is too much" if size else "has no code")
        self.exports: dict[str, int] = {}
        self.names: dict[int, str] = {}
        for symbol in sorted(elf.exports, key=lambda one: not one.default):
            if symbol.is_function:
                self.exports.setdefault(symbol.name, symbol.address)
                self.names.setdefault(symbol.address, symbol.name)
        for symbol in elf.linker_symbols:
            if symbol.is_function and symbol.defined and symbol.name:
                self.names.setdefault(symbol.address, symbol.name)
        self._frames = elf.frames
        self._frame_starts = [frame.start for frame in self._frames]
        known = self._known()
        got = self._got()
        self._ranges = image.code
        marked = [
            (start, end, self.decoder.scan(image.read(start, end - start, "code"), start, got, known))
            for start, end in image.code
        ]
        self._steps: dict[tuple[int, int], list[Step]] = {}
        self._callers: dict[int, set[int]] | None = None
        self.starts = self._starts(known, [marks for _, _, marks in marked])
        self.functions: dict[int, Function] = {}
        for start, end, marks in marked:
            self._split(start, end, marks)

    def bytes_of(self, start: int, end: int) -> bytes:
        """The bytes of some code."""
        return self.elf.image.read(start, end - start, "code")

    def is_code(self, address: int) -> bool:
        """Whether instructions are at an address."""
        return any(start <= address < end for start, end in self._ranges)

    def owner(self, address: int) -> int:
        """The start of the function that an address is in; 0 when it is in none."""
        place = bisect_right(self.starts, address) - 1
        start = self.starts[place] if place >= 0 else 0
        function = self.functions.get(start)
        return start if function is not None and address < function.end else 0

    def name(self, address: int) -> str:
        """What a function is called; one without a symbol is named by its address."""
        return self.names.get(address) or f"at_{address:x}"

    def _got(self) -> int:
        return self.elf.dynamic.get("PLTGOT")

    def _covered(self, address: int) -> bool:
        """Whether the unwinding tables know the function that an address is in."""
        place = bisect_right(self._frame_starts, address) - 1
        return place >= 0 and address < self._frames[place].start + self._frames[place].size

    def _known(self) -> set[int]:
        """Where functions start, as the file's tables say."""
        elf = self.elf
        found = {symbol.address for symbol in elf.exports if symbol.is_function}
        found.update(one.address for one in elf.linker_symbols if one.is_function and one.defined)
        found.update(self._frame_starts)
        found.update(elf.initialisers, elf.finalisers, elf.relocations.resolvers.values())
        if elf.image.entry:
            found.add(elf.image.entry)
        return {address for address in found if elf.image.is_code(address)}

    def _starts(self, known: set[int], marked: Iterable[list[Mark]]) -> list[int]:
        """All starts of functions."""
        slots = self.elf.relocations.slots
        found = set(known)
        found.update(start for start, _ in self._ranges)
        found.update(
            word for word in self.elf.relocations.pointers.values() if self.is_code(word) and not self._covered(word)
        )
        jumps: list[tuple[int, int]] = []
        stubs: set[int] = set()
        for marks in marked:
            before = (0, 0, MARK_STOP, 0)
            for mark in marks:
                at, _, kind, to = mark
                if kind == MARK_CALL:
                    found.add(to)
                elif kind in (MARK_JUMP, MARK_BRANCH):
                    jumps.append((at, to))
                elif kind == MARK_JUMP_SLOT:
                    if to in slots:  # called by name: where this is all there is, it is a stub
                        stubs.add(before[0] if before[2] == MARK_START and before[1] == at else at)
                elif kind == MARK_NAME:
                    if to not in found and self.is_code(to) and not self._covered(to):
                        found.add(to)
                elif (
                    kind == MARK_START
                    and before[2] in _ENDS
                    and at - before[1] < _ALIGNMENT
                    and not at % _ALIGNMENT
                    and not self._covered(at)
                ):
                    found.add(at)
                before = mark
        starts = sorted(address for address in found if self.is_code(address))
        for at, to in jumps:
            if to in found:
                continue
            elsewhere = bisect_right(starts, at) != bisect_right(starts, to)
            if to in stubs or (elsewhere and self.is_code(to) and not self._covered(to)):
                found.add(to)
        return sorted(address for address in found if self.is_code(address))

    def _split(self, start: int, end: int, marks: list[Mark]) -> None:
        """Give each function of a range its marks."""
        first = bisect_left(self.starts, start)
        last = bisect_left(self.starts, end)
        borders = [*self.starts[first:last], end]
        places = [mark[0] for mark in marks]
        at = 0
        for border, following in pairwise(borders):
            until = bisect_left(places, following, at)
            self.functions[border] = Function(border, following, marks[at:until])
            at = until

    def callers(self) -> dict[int, set[int]]:
        """Who calls or jumps to each function's start, itself excepted."""
        if self._callers is None:
            self._callers = {}
            for start, function in self.functions.items():
                for _, _, kind, to in function.marks:
                    if kind in _DIRECT and to in self.functions and to != start:
                        self._callers.setdefault(to, set()).add(start)
        return self._callers

    def block_steps(self, start: int, end: int) -> list[Step]:
        """The steps of a block, read when they are first asked for."""
        found = self._steps.get((start, end))
        if found is None:
            found = self._steps[start, end] = self.decoder.steps(self.bytes_of(start, end), start)
        return found

    def called(self, names: Container[str]) -> set[int]:
        """The functions with one of some names: those of this file, and the stubs that lead to another's."""
        found = {address for name, address in self.exports.items() if name in names}
        slots = self.elf.relocations.slots
        for start, function in self.functions.items():
            if len(function.marks) > MOST_STUB:
                continue
            for _, _, kind, to in function.marks:
                if kind == MARK_JUMP_SLOT and to in slots and slots[to].symbol.name in names:
                    found.add(start)
        return found
