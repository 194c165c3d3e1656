"""Which function leads to which: by calling it, by naming it, or by data that holds its address.

A call through a register says nothing of where it goes. What can go there was named somewhere: as an address in code,
or in a table that code uses. So a function leads to all functions whose address it takes, and to those in the tables
that it uses. How far a table reaches is told by its symbol, else by the next address that anything refers to.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Final, NamedTuple

from troth.elf.decode.steps import (
    MARK_BRANCH,
    MARK_CALL,
    MARK_CALL_SLOT,
    MARK_ENTER,
    MARK_JUMP,
    MARK_JUMP_SLOT,
    MARK_NAME,
    MARK_READ,
    MARK_RETURN,
    MARK_STOP,
)
from troth.elf.values import states

if TYPE_CHECKING:
    from collections.abc import Collection

    from troth.elf.functions import Code

__all__ = ["Edges", "Tables", "called_members", "find_edges"]

_MOST_TABLE: Final = 4096  # bytes of a table without a symbol
_DEPTH: Final = 2  # tables that point to tables
_DIRECT: Final = frozenset((MARK_CALL, MARK_JUMP, MARK_BRANCH))
_SLOT: Final = frozenset((MARK_CALL_SLOT, MARK_JUMP_SLOT, MARK_READ))
# After a call, or a system call, at its very end a function does not go on in the next: those end the process.
_ENDS: Final = frozenset((MARK_RETURN, MARK_JUMP, MARK_JUMP_SLOT, MARK_STOP, MARK_CALL, MARK_CALL_SLOT, MARK_ENTER))


class Edges(NamedTuple):
    """What each function leads to, by its start.

    `called` are functions of the file; `imported` the names and versions that it calls or takes from other files;
    `chosen` the functions that choose what is called; `named` the functions whose address it takes; `used` the
    addresses of the data that it uses; `indirect` has where it calls what it does not name.
    """

    called: dict[int, set[int]]
    imported: dict[int, set[tuple[str, str]]]
    chosen: dict[int, set[int]]
    named: dict[int, set[int]]
    used: dict[int, set[int]]
    indirect: dict[int, set[int]]


def find_edges(code: Code) -> Edges:
    """Read the edges of a file's functions."""
    relocations = code.elf.relocations
    slots, pointers, resolvers = relocations.slots, relocations.pointers, relocations.resolvers
    edges = Edges({}, {}, {}, {}, {}, {})
    for start, function in code.functions.items():
        called: set[int] = set()
        imported: set[tuple[str, str]] = set()
        chosen: set[int] = set()
        named: set[int] = set()
        used: set[int] = set()
        for at, _, kind, to in function.marks:
            if kind in _DIRECT:
                if kind == MARK_CALL or not function.has(to):
                    called.add(code.owner(to))
            elif kind in _SLOT:
                if not to:
                    if kind != MARK_READ:
                        edges.indirect.setdefault(start, set()).add(at)
                elif to in resolvers:
                    chosen.add(resolvers[to])
                elif to in slots and not slots[to].symbol.defined:
                    imported.add((slots[to].symbol.name, slots[to].symbol.version))
                elif to in pointers and kind != MARK_READ:
                    called.add(code.owner(pointers[to]))
                else:
                    if to in pointers and code.is_code(pointers[to]):
                        named.add(code.owner(pointers[to]))
                    used.add(to)
            elif kind == MARK_NAME:
                if code.is_code(to):
                    if to in code.functions:
                        named.add(to)
                else:
                    used.add(to)
        if function.end in code.functions and (not function.marks or function.marks[-1][2] not in _ENDS):
            called.add(function.end)  # it goes on in the next
        for found, where in (
            (called - {0, start}, edges.called),
            (chosen, edges.chosen),
            (named - {0}, edges.named),
            (used, edges.used),
        ):
            if found:
                where[start] = found
        if imported:
            edges.imported[start] = imported
    return edges


def called_members(code: Code, edges: Edges, start: int, never_return: Collection[int]) -> set[tuple[str, str, int]]:
    """Through which members of other files' objects a function calls: the object's name and version, and the offset."""
    slots = code.elf.relocations.slots
    places = edges.indirect.get(start, set())
    found = set()
    for state in states(code, start, places, never_return).values() if places else ():
        for item in state.registers.get(state.step[3]) or ():
            if not isinstance(item, int) and item[0] == "member" and item[1] in slots:
                symbol = slots[item[1]].symbol
                found.add((symbol.name, symbol.version, item[2]))
    return found


class Tables:
    """The function pointers in a file's data."""

    def __init__(self, code: Code, edges: Edges) -> None:
        elf = code.elf
        self._code = code
        self._pointers = elf.relocations.pointers
        self._slots = sorted(self._pointers)
        self._objects = sorted({(one.address, one.size) for one in elf.symbols if one.kind == "object" and one.size})
        self._starts = [address for address, _ in self._objects]
        borders = set(self._pointers.values())
        borders.update(*edges.used.values())
        borders.update(self._starts)
        for section in elf.image.sections:
            borders.update((section.address, section.address + section.size))
        self._borders = sorted(borders)
        self._known: dict[tuple[int, int], frozenset[int]] = {}

    def targets(self, address: int, depth: int = _DEPTH) -> frozenset[int]:
        """The functions whose addresses are in the table at an address, and in those that it points to."""
        key = (address, depth)
        if key in self._known:
            return self._known[key]
        self._known[key] = frozenset()  # for tables that point to themselves
        low, high = self._extent(address)
        found: set[int] = set()
        place = bisect_left(self._slots, low)
        while place < len(self._slots) and self._slots[place] < high:
            to = self._pointers[self._slots[place]]
            if self._code.is_code(to):
                if to in self._code.functions:
                    found.add(to)
            elif depth:
                found |= self.targets(to, depth - 1)
            place += 1
        self._known[key] = frozenset(found)
        return self._known[key]

    def member(self, address: int, offset: int) -> int:
        """The function that a record has at an offset; 0 when there is none."""
        word = self._pointers.get(address + offset, 0)
        return word if word in self._code.functions else 0

    def _extent(self, address: int) -> tuple[int, int]:
        place = bisect_right(self._starts, address) - 1
        if place >= 0:
            start, size = self._objects[place]
            if start <= address < start + size:
                return start, start + size
        place = bisect_right(self._borders, address)
        end = self._borders[place] if place < len(self._borders) else address + self._code.machine.word
        return address, min(end, address + _MOST_TABLE)
