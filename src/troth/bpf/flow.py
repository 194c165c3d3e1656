"""What is known on every way to an instruction: which calls get there, and what the registers hold.

One pass forward suffices, because jumps only go forward. At a join only what holds on all ways is kept, save
the calls, which are kept apart as pairs of architecture and range of numbers up to `_MOST_CALLS`; beyond, ranges
are merged. So what is said here is true of every call that gets to the place, and a place that is
given no state is never reached. It is for words; `troth.proof` is exact.
"""

from __future__ import annotations

from troth.bpf.opcodes import CONDITIONAL, NUMBER, OPCODES, USES_K, successors
from troth.bpf.program import (
    DATA_SIZE,
    JA,
    LD_ABS,
    LD_IMM,
    LD_LEN,
    LD_MEM,
    LDX_IMM,
    LDX_LEN,
    LDX_MEM,
    OFFSET_ARCH,
    OFFSET_NR,
    ST,
    STX,
    TAX,
    TXA,
    Program,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from troth.bpf.program import Insn

    # An architecture (None: any) and the range of numbers of its calls.
    Calls = frozenset[tuple[int | None, int, int]]

_U32: Final = 0xFFFFFFFF
_MOST_CALLS: Final = 12
EVERY_CALL: Final[Calls] = frozenset({(None, 0, _U32)})


class Known:
    """What a register holds: the number `value`, or the word of the call at `offset` after `mask`."""

    __slots__ = ("value", "offset", "mask")

    def __init__(self, value: int | None = None, offset: int = 0, mask: int = _U32) -> None:
        self.value = value
        self.offset = offset
        self.mask = mask

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Known) and (self.value, self.offset, self.mask) == (
            other.value,
            other.offset,
            other.mask,
        )

    def __hash__(self) -> int:
        return hash((self.value, self.offset, self.mask))


class State:
    """What holds before an instruction.

    `a`, `x` and `memory` are what the registers hold, None when the ways here differ; `calls` are those that get
    here, `words` the words of the call whose value is known, as (offset, value).
    """

    __slots__ = ("a", "x", "memory", "calls", "words")

    def __init__(
        self,
        a: Known | None,
        x: Known | None,
        memory: tuple[Known | None, ...],
        calls: Calls,
        words: frozenset[tuple[int, int]],
    ) -> None:
        self.a = a
        self.x = x
        self.memory = memory
        self.calls = calls
        self.words = words

    def join(self, other: State) -> State:
        """Keep what holds on both ways."""
        return State(
            self.a if self.a == other.a else None,
            self.x if self.x == other.x else None,
            tuple(one if one == two else None for one, two in zip(self.memory, other.memory, strict=True)),
            _few(self.calls | other.calls),
            self.words & other.words,
        )


def states(program: Program) -> list[State | None]:
    """Give what is known before each instruction; None for one that no call gets to.

    A jump past the end, which `verify` refuses, leads nowhere.
    """
    insns = program.insns
    before: list[State | None] = [None] * len(insns)
    before[0] = State(Known(0), Known(0), (None,) * 16, EVERY_CALL, frozenset())
    for place, insn in enumerate(insns):
        state = before[place]
        if state is None:
            continue
        for target, after in _ways(place, insn, state):
            if target < len(insns):
                there = before[target]
                before[target] = after if there is None else there.join(after)
    return before


def _ways(place: int, insn: Insn, state: State) -> list[tuple[int, State]]:
    code, jt, jf, k = insn
    if code not in CONDITIONAL:
        after = _after(insn, state)
        return [(target, after) for target in successors(place, insn)]
    if jt == jf:
        return [(place + 1 + jt, state)]
    operand = Known(k) if code in USES_K else state.x
    found = []
    for holds, distance in ((True, jt), (False, jf)):
        refined = _refined(state, OPCODES[code][0], operand, holds=holds)
        if refined is not None:
            found.append((place + 1 + distance, refined))
    return found


def _after(insn: Insn, state: State) -> State:
    """The state after an instruction that is no jump."""
    code, _, _, k = insn
    a, x, memory = state.a, state.x, state.memory
    if code == LD_ABS:
        a = Known(offset=k) if k < DATA_SIZE and k % 4 == 0 else None
    elif code in (LD_IMM, LD_LEN):
        a = Known(k if code == LD_IMM else DATA_SIZE)
    elif code in (LDX_IMM, LDX_LEN):
        x = Known(k if code == LDX_IMM else DATA_SIZE)
    elif code in (LD_MEM, LDX_MEM):
        held = memory[k] if k < 16 else None
        a, x = (held, x) if code == LD_MEM else (a, held)
    elif code in (ST, STX):
        if k < 16:
            memory = (*memory[:k], a if code == ST else x, *memory[k + 1 :])
    elif code == TAX:
        x = a
    elif code == TXA:
        a = x
    elif code & 0x07 == 0x04:
        a = _arithmetic(insn, a, x)
    elif code != JA:
        return state
    return State(a, x, memory, state.calls, state.words)


def _arithmetic(insn: Insn, a: Known | None, x: Known | None) -> Known | None:
    """What A holds after an operation: masks and known numbers are followed, the rest is unknown."""
    code, _, _, k = insn
    name, form = OPCODES.get(code, ("", ""))
    operand = Known(k) if form == NUMBER else x
    if a is None or operand is None or operand.value is None:
        return None
    number = operand.value
    if a.value is None:
        return Known(offset=a.offset, mask=a.mask & number) if name == "and" else None
    if name == "div" and number == 0:
        return None
    # A shift in the program is by its operand's lowest 5 bits.
    result = {
        "add": a.value + number,
        "sub": a.value - number,
        "mul": a.value * number,
        "div": a.value // (number or 1),
        "or": a.value | number,
        "and": a.value & number,
        "xor": a.value ^ number,
        "lsh": a.value << (number & 31),
        "rsh": a.value >> (number & 31),
    }.get(name)
    return None if result is None else Known(result & _U32)


def _refined(state: State, name: str, operand: Known | None, *, holds: bool) -> State | None:
    """The state on one side of a comparison; None when no call takes it."""
    a = state.a
    if a is None or operand is None or operand.value is None:
        return state
    k = operand.value
    if a.value is not None:
        true = {"jeq": a.value == k, "jgt": a.value > k, "jge": a.value >= k, "jset": bool(a.value & k)}[name]
        return state if true == holds else None
    if a.mask != _U32 or name == "jset":
        return state
    low, high = _range(name, k, holds=holds)
    calls = state.calls
    if a.offset == OFFSET_NR:
        without = k if name == "jeq" and not holds else -1
        ranges = (
            (arch, max(first, low) + (first == without), min(last, high) - (last == without))
            for arch, first, last in calls
        )
        calls = frozenset(found for found in ranges if found[1] <= found[2])
    elif a.offset == OFFSET_ARCH:
        calls = frozenset(
            (k if name == "jeq" and holds else arch, first, last)
            for arch, first, last in calls
            if arch is None or (low <= arch <= high and (arch != k or name != "jeq" or holds))
        )
    if not calls:
        return None
    words = state.words
    if name == "jeq":
        if any(offset == a.offset and (value == k) != holds for offset, value in words):
            return None
        if holds:
            words |= {(a.offset, k)}
    return State(a, state.x, state.memory, calls, words)


def _range(name: str, k: int, *, holds: bool) -> tuple[int, int]:
    """The range that a word is in when a comparison with `k` holds, or does not; empty is (1, 0)."""
    if name == "jeq":
        return (k, k) if holds else (0, _U32)
    bound = k + 1 if name == "jgt" else k
    return (bound, _U32) if holds else (0, bound - 1)


def _few(calls: Calls) -> Calls:
    """Merge ranges when there are many, so that time and memory stay bounded."""
    if len(calls) <= _MOST_CALLS:
        return calls
    merged: dict[int | None, tuple[int, int]] = {}
    for arch, first, last in calls:
        low, high = merged.get(arch, (first, last))
        merged[arch] = min(low, first), max(high, last)
    if len(merged) > _MOST_CALLS:
        return EVERY_CALL
    return frozenset((arch, low, high) for arch, (low, high) in merged.items())
