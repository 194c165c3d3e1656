"""Which numbers and addresses a register or a place of the stack can hold, before given instructions of a function.

A value is a set of items: numbers, and names for what the function was given or has on its stack:

    ("given", register, 0)     what the register held when the function started
    ("stack", 0, offset)       what its caller put on the stack, counted from the stack pointer at the start
    ("field", register, n)     what is in memory n bytes from where that register pointed at the start
    ("pointed", offset, n)     what is n bytes from where that on the stack pointed at the start
    ("frame", 0, offset)       the address of a place on its stack, counted likewise
    ("word", 0, address)       what is in memory at a fixed address
    ("member", address, n)     what is n bytes from where the word at that address points

None is a value that may be anything. Sets join where ways meet; one of more than `MOST` items is None. What another
function or thread writes to this function's stack is not seen.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING, Final

from troth.elf.decode.steps import (
    ADD,
    BRANCH,
    CALL,
    COPY,
    ENTER,
    HOW,
    JUMP,
    KEEP,
    LOAD,
    LOSE,
    LOW,
    MATH,
    PICK,
    RETURN,
    SET,
    STOP,
    STORE,
    SUB,
)
from troth.elf.flow import blocks, leading_to

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from troth.elf.decode.steps import Step
    from troth.elf.functions import Code, Function
    from troth.elf.machine import Machine

__all__ = ["MOST", "Item", "State", "ValueSet", "states"]

MOST: Final = 48
_MOST_ROUNDS: Final = 20_000  # visits of blocks in one function; lattices are low, so real ones need few
_MOST_VISITS: Final = 24  # of one block, until what still changes there is taken to be a counter
_MOST_SLOTS: Final = 4096  # places on a stack that are told apart

Item = int | tuple[str, int, int]
ValueSet = frozenset[Item] | None

_ZERO: Final[ValueSet] = frozenset((0,))


class State:
    """What is known at one place: a value for each register that has one, and for each place of the stack written.

    `step` is the call, jump or entry that it is known before.
    """

    __slots__ = ("machine", "registers", "slots", "step")

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.registers: dict[int, frozenset[Item]] = {}
        self.slots: dict[int, ValueSet] = {}
        self.step: Step = ()

    @classmethod
    def at_start(cls, machine: Machine) -> State:
        """What is known where a function starts."""
        state = cls(machine)
        for register in machine.entered_with():
            state.registers[register] = frozenset((("given", register, 0),))
        state.registers[machine.stack] = frozenset((("frame", 0, 0),))
        return state

    def copy(self) -> State:
        """The same, to be changed."""
        made = State(self.machine)
        made.registers = self.registers.copy()
        made.slots = self.slots.copy()
        return made

    def join(self, other: State, *, widen: bool = False) -> bool:
        """Know only what both know; whether that is less than before.

        With `widen`, what differs is not known at all: numbers that a loop counts do not end by themselves.
        """
        changed = False
        for register, value in list(self.registers.items()):
            joined = _join(value, other.registers.get(register))
            if joined is None or (widen and joined != value):
                del self.registers[register]
                changed = True
            elif joined != value:
                self.registers[register] = joined
                changed = True
        for offset, kept in list(self.slots.items()):
            if kept is None:
                continue
            joined = _join(kept, other.slots.get(offset))
            if joined != kept:
                self.slots[offset] = None if widen else joined
                changed = True
        for offset in other.slots.keys() - self.slots.keys():
            self.slots[offset] = None  # written on one way only
            changed = True
        return changed

    def add(self, other: State) -> bool:
        """Know also what another knows of the registers that both know; whether that is more than before."""
        changed = False
        for register, value in self.registers.items():
            joined = _join(value, other.registers.get(register))
            if joined is not None and joined != value:
                self.registers[register] = joined
                changed = True
        return changed

    def frame(self, register: int) -> int | None:
        """Which place of the stack a register points at."""
        value = self.registers.get(register)
        if value is not None and len(value) == 1:
            (item,) = value
            if not isinstance(item, int) and item[0] == "frame":
                return item[2]
        return None

    def memory(self, base: int, offset: int) -> ValueSet:
        """What is in memory, an offset from where a register points."""
        value = self.registers.get(base)
        if value is None or len(value) != 1:
            return None
        (item,) = value
        if isinstance(item, int):
            return frozenset((("word", 0, (item + offset) & self.machine.mask),))
        kind, register, at = item
        if kind == "frame":
            return self.slot(at + offset)
        if kind == "word":
            return frozenset((("member", at, offset),))
        if kind == "stack":
            return frozenset((("pointed", at, offset),))
        return frozenset((("field", register, offset),)) if kind == "given" else None

    def slot(self, offset: int) -> ValueSet:
        """What is at a place of the stack."""
        if offset in self.slots:
            return self.slots[offset]
        return frozenset((("stack", 0, offset),)) if offset >= self.machine.stack_args else None

    def put(self, register: int, value: ValueSet) -> None:
        """Set a register."""
        if value is None:
            self.registers.pop(register, None)
        else:
            self.registers[register] = value

    def keep(self, base: int, offset: int, value: ValueSet) -> None:
        """Write to memory; only the stack is remembered."""
        at = self.frame(base)
        if at is not None and (len(self.slots) < _MOST_SLOTS or at + offset in self.slots):
            self.slots[at + offset] = value


def _join(one: frozenset[Item], other: ValueSet) -> ValueSet:
    if other is None or one == other:
        return None if other is None else one
    both = one | other
    return both if len(both) <= MOST else None


def _narrow(value: ValueSet, bits: int, machine: Machine) -> ValueSet:
    """A value's lower half where an instruction takes only that; names stay, as numbers and ids are small."""
    if value is None or bits >= 8 * machine.word:
        return value
    mask = (1 << bits) - 1
    return frozenset(item & mask if isinstance(item, int) else item for item in value)


def _math(how: int, left: ValueSet, right: ValueSet, bits: int) -> ValueSet:
    if left is None or right is None or len(left) * len(right) > MOST:
        return None
    mask = (1 << bits) - 1
    found: set[Item] = set()
    for one in left:
        for other in right:
            if isinstance(one, int) and isinstance(other, int):
                found.add(HOW[how](one, other) & mask)
            elif isinstance(other, int) and not isinstance(one, int) and one[0] == "frame" and how in (ADD, SUB):
                step = other - (1 << bits) if other >> (bits - 1) else other
                found.add(("frame", 0, one[2] + step if how == ADD else one[2] - step))
            else:
                return None
    return frozenset(found)


def _advance(state: State, step: Step) -> None:
    """Take one step that does not leave the block."""
    machine = state.machine
    kind = step[0]
    if kind == SET:
        state.registers[step[1]] = frozenset((step[2] & machine.mask,))
    elif kind == COPY:
        state.put(step[1], _narrow(state.registers.get(step[2]), step[3], machine))
    elif kind == LOAD:
        state.put(step[1], _narrow(state.memory(step[2], step[3]), step[4], machine))
    elif kind == STORE:
        state.keep(step[1], step[2], state.registers.get(step[3]))
    elif kind == KEEP:
        state.keep(step[1], step[2], frozenset((step[3],)))
    elif kind == MATH:
        _, register, how, left, right, value, bits = step
        other = frozenset((value & ((1 << bits) - 1),)) if right < 0 else state.registers.get(right)
        state.put(register, _math(how, state.registers.get(left), other, bits))
    elif kind == PICK:
        old = state.registers.get(step[1])
        state.put(step[1], None if old is None else _join(old, _narrow(state.registers.get(step[2]), step[3], machine)))
    elif kind == LOW:
        old = state.registers.get(step[1])
        if old is not None and all(isinstance(item, int) for item in old):
            state.registers[step[1]] = frozenset(item & ~0xFF | step[2] for item in old if isinstance(item, int))
        else:
            state.put(step[1], None)
    elif kind == LOSE:
        for register in step[1:]:
            state.registers.pop(register, None)
    elif kind == CALL:
        for register in machine.lost_by_call:
            state.registers.pop(register, None)
    elif kind == ENTER:
        for register in machine.lost_by_kernel:
            state.registers.pop(register, None)


def _branched(state: State, step: Step, taken: bool) -> State:
    """What is known after a branch was taken or not."""
    _, _, _, register, value, equal = step
    if register < 0 or bool(equal) != taken:
        return state
    old = state.registers.get(register)
    if old is not None and any(not isinstance(item, int) for item in old):
        return state  # who gave it is worth more than what it is here
    narrowed = state.copy()
    narrowed.registers[register] = frozenset((value,))
    return narrowed


class _Analysis:
    """The flow of values through the blocks of one function that lead to some addresses."""

    def __init__(self, code: Code, function: Function, wanted: Collection[int], never_return: Collection[int]) -> None:
        self._code = code
        self._blocks = blocks(function, never_return)
        self._leading = leading_to(self._blocks, wanted)
        self._wanted = frozenset(wanted)
        self._entering: dict[int, State] = {}
        self._work: list[int] = []
        self._waiting: set[int] = set()
        self._visits: dict[int, int] = {}
        self._visited: set[int] = set()
        self._settled: frozenset[int] = frozenset()
        self._at_tables: State | None = None
        self.found: dict[int, State] = {}
        self._function = function

    def run(self) -> None:
        """Follow the function from its start, then from the places that only tables lead to."""
        self._enter(self._function.start, State.at_start(self._code.machine))
        while self._spread() and not self._wanted <= self.found.keys():
            missing = [
                start
                for start in sorted(self._leading - self._visited)
                if self._code.block_steps(start, self._blocks[start].end)
            ]
            if not missing:
                return
            self._settled = frozenset(self._visited)
            led_to = {follows for block in self._blocks.values() for follows in block.follows}
            # Where nothing leads to, a table does, or what unwinds the stack.
            for start in [start for start in missing if start not in led_to] or missing[:1]:
                known = State(self._code.machine) if self._at_tables is None else self._at_tables
                self._enter(start, known)

    def _enter(self, start: int, state: State) -> None:
        if start not in self._leading:
            return
        known = self._entering.get(start)
        if known is None:
            self._entering[start] = state.copy()
        elif start in self._settled:
            # What is known there is not spoiled by ways of which little is known; what they know is added.
            if not known.add(state):
                return
        else:
            visits = self._visits[start] = self._visits.get(start, 0) + 1
            if not known.join(state, widen=visits > _MOST_VISITS):
                return
        if start not in self._waiting:
            self._waiting.add(start)
            heappush(self._work, start)

    def _spread(self) -> bool:
        """Follow all ways that are open; False when they are too entangled."""
        for _ in range(_MOST_ROUNDS):
            if not self._work:
                return True
            # In the order of addresses, which is nearly that of control: what joins has mostly come together then.
            start = heappop(self._work)
            self._waiting.discard(start)
            self._visited.add(start)
            self._through(start)
        self.found.clear()  # what was found so far may be too little, so nothing is claimed
        return False

    def _through(self, start: int) -> None:
        block = self._blocks[start]
        state = self._entering[start].copy()
        last: Step = ()
        for step in self._code.block_steps(start, block.end):
            last = step
            kind = step[0]
            if kind >= CALL:
                if step[1] in self._wanted:
                    self.found[step[1]] = state.copy()
                    self.found[step[1]].step = step
                if kind in (JUMP, BRANCH, RETURN, STOP):
                    break
            _advance(state, step)
        if block.table:
            if self._at_tables is None:
                self._at_tables = state.copy()
            else:
                self._at_tables.join(state)
        for follows in block.follows:
            if last and last[0] == BRANCH:
                self._enter(follows, _branched(state, last, follows == last[2]))
            else:
                self._enter(follows, state)


def states(code: Code, start: int, wanted: Collection[int], never_return: Collection[int] = ()) -> Mapping[int, State]:
    """What is known before each of some calls, jumps and entries of a function, by their address.

    One that cannot be reached, or that is too entangled, is left out.
    """
    analysis = _Analysis(code, code.functions[start], wanted, never_return)
    analysis.run()
    return analysis.found
