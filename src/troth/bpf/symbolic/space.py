"""The bits of a call in an order, and filters as functions of them.

The order is the architecture, the number, the arguments from the first to the last, the instruction
pointer, each from its highest bit: what filters ask first is decided first, and a 64-bit argument is one
run of bits, whichever half of it a program loads. `interleaved` takes the arguments' bits in turn instead,
for programs that compare arguments with each other.
"""

from __future__ import annotations

import sys

from troth.abi.seccomp import ACTION_MASK, ACTIONS, RET_ALLOW, RET_ERRNO, RET_KILL_PROCESS, RET_TRACE, RET_TRAP
from troth.bpf.emulator import USES_X
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
    NEG,
    OFFSET_ARCH,
    OFFSET_ARGS,
    OFFSET_IP,
    OFFSET_NR,
    RET_A,
    RET_K,
    ST,
    STX,
    TAX,
    TXA,
    Call,
)  # fmt: skip
from troth.bpf.stack import strictest
from troth.bpf.symbolic.diagram import MOST_NODES, TRUE, Diagram, TooLargeError
from troth.bpf.symbolic.words import Words, constant
from troth.errors import ParseError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable
    from typing import Final

    from troth.bpf.program import Program
    from troth.bpf.symbolic.diagram import Cube
    from troth.bpf.symbolic.words import Word

    # Before an instruction: A, X, and the words of scratch memory that were stored.
    State = tuple[Word, Word, tuple[tuple[int, Word], ...]]

FIELDS: Final = 9  # arch, nr, six arguments, ip
IP_FIELD: Final = 8
_MOST_STATES: Final = 100_000


class Space:
    """One order of the bits of a call, and everything that was worked out in it.

    `big_endian` is the byte order of the machines whose calls are judged: it says which half of an
    argument comes first.
    """

    def __init__(
        self, *, big_endian: bool | None = None, interleaved: bool = False, most_nodes: int = MOST_NODES
    ) -> None:
        self.big_endian = sys.byteorder == "big" if big_endian is None else big_endian
        self.diagram = Diagram(most_nodes)
        self.words = Words(self.diagram)
        self.interleaved = interleaved
        self._loads: dict[int, Word] = {}

    def level(self, field: int, bit: int) -> int:
        """Where a bit stands in the order: field 0 is arch, 1 nr, 2 to 7 the arguments, 8 ip."""
        if field < 2:
            return 32 * field + 31 - bit
        return 64 + 7 * (63 - bit) + field - 2 if self.interleaved else 64 + 64 * (field - 2) + 63 - bit

    def field(self, field: int) -> tuple[int, ...]:
        """All bits of a field, the least significant first."""
        return tuple(self.diagram.bit(self.level(field, bit)) for bit in range(32 if field < 2 else 64))

    def call(self, bits: Cube) -> Call:
        """The call that has these bits; the others are clear."""
        fields = [0] * FIELDS
        for field in range(FIELDS):
            for bit in range(32 if field < 2 else 64):
                fields[field] |= bits.get(self.level(field, bit), 0) << bit
        return Call(fields[0], fields[1], tuple(fields[2:8]), fields[IP_FIELD])

    def loaded(self, offset: int) -> Word:
        """The word of `struct seccomp_data` at an offset, in bytes."""
        word = self._loads.get(offset)
        if word is None:
            if offset in (OFFSET_NR, OFFSET_ARCH):
                bits = self.field(1 if offset == OFFSET_NR else 0)
            elif offset % 4 == 0 and OFFSET_IP <= offset < DATA_SIZE:
                field = IP_FIELD if offset < OFFSET_ARGS else 2 + (offset - OFFSET_ARGS) // 8
                upper = (offset % 8 == 4) is not self.big_endian
                bits = self.field(field)[32:] if upper else self.field(field)[:32]
            else:
                raise ParseError(f"offset {offset}", "not a word of the call's data")
            word = self._loads[offset] = bits
        return word

    def program(self, program: Program) -> int:
        """The function that a program is: its 32-bit answer to every call.

        Raises:
            ParseError: the program holds something that the kernel would not have loaded.
            TooLargeError: see the module.
        """
        return _Run(self, program).function()

    def stack(self, programs: Iterable[Program]) -> int:
        """The function of several filters together, the oldest first; without any, everything is allowed.

        The strictest action wins, and the newest filter where actions are the same
        (kernel/seccomp.c:seccomp_run_filters() @v6.18).
        """
        found = self.diagram.end(RET_ALLOW)
        for program in programs:
            found = self.diagram.combine(_together, found, self.program(program))
        return found

    def effective(self, node: int) -> int:
        """The function with each answer replaced by what it does."""
        return self.diagram.mapped(effective, node)


def _together(older: Hashable, newer: Hashable) -> Hashable:
    """What two filters answer together."""
    assert isinstance(older, int)
    assert isinstance(newer, int)
    return strictest((older, newer))


def effective(raw: Hashable) -> Hashable:
    """What an answer does, as the answer that says it plainly.

    An action that no kernel knows kills the process, only errno, trap and trace have data that somebody
    sees, and an errno is at most 4095 (kernel/seccomp.c:__seccomp_filter() @v6.18).
    """
    assert isinstance(raw, int)
    action = raw & ACTION_MASK
    if action not in ACTIONS:
        return RET_KILL_PROCESS
    if action == RET_ERRNO:
        return RET_ERRNO | min(raw & 0xFFFF, 4095)
    return raw if action in (RET_TRAP, RET_TRACE) else action


_ZERO: Final = constant(0)


class _Run:
    """One program being turned into a function.

    Jumps go forward only. So all states before each instruction are found from first to last, and what follows
    from each is worked out from last to first; a state that many paths share is looked at once.
    """

    def __init__(self, space: Space, program: Program) -> None:
        self._space = space
        self._insns = program.insns
        self._live = _live(program)

    def function(self) -> int:
        """What is answered from the first instruction on."""
        count = len(self._insns)
        # For each state the condition of its jump (TRUE without one) and where it leads to; then its answer.
        leads: list[dict[State, tuple[int, list[tuple[int, State]]]]] = [{} for _ in range(count)]
        leads[0][self._known_part(0, _ZERO, _ZERO, ())] = (TRUE, [])
        total = 0
        for at in range(count):
            total += len(leads[at])
            if total > _MOST_STATES:
                raise TooLargeError(f"{_MOST_STATES} states of its registers")
            for state in leads[at]:
                leads[at][state] = self._leads(at, state)
                for target, follows in leads[at][state][1]:
                    leads[target].setdefault(follows, (TRUE, []))
        answers: list[dict[State, int]] = [{} for _ in range(count)]
        for at in reversed(range(count)):
            for state, (condition, targets) in leads[at].items():
                after = [answers[target][then] for target, then in targets]
                answers[at][state] = self._answer(at, state, condition, after)
        return next(iter(answers[0].values()))

    def _known_part(self, at: int, a: Word, x: Word, memory: tuple[tuple[int, Word], ...]) -> State:
        """A state without what nobody reads any more, so that more paths share it."""
        live = self._live[at]
        return (
            a if live & 1 << 16 else _ZERO,
            x if live & 1 << 17 else _ZERO,
            tuple((slot, word) for slot, word in memory if live >> slot & 1),
        )

    def _step(self, at: int, target: int, a: Word, x: Word, memory: tuple[tuple[int, Word], ...]) -> tuple[int, State]:
        if target >= len(self._insns):
            raise ParseError(f"instruction {at}", "the program runs off its end")
        return target, self._known_part(target, a, x, memory)

    def _leads(self, at: int, state: State) -> tuple[int, list[tuple[int, State]]]:
        """When a jump is taken, and the states that a state leads to: none for an answer, two for a branch."""
        a, x, memory = state
        code, jt, jf, k = self._insns[at]
        if code in (RET_K, RET_A):
            return TRUE, []
        if code == JA:
            return TRUE, [self._step(at, at + 1 + k, a, x, memory)]
        if code & 0x07 == 0x05:
            condition = self._condition(at, state)
            return condition, [self._step(at, at + 1 + jump, a, x, memory) for jump in (jt, jf)]
        if code == LD_ABS:
            try:
                a = self._space.loaded(k)
            except ParseError as error:
                raise ParseError(f"instruction {at}", f"load from {error.where}: {error.problem}") from None
        elif code in (LD_IMM, LD_LEN):
            a = constant(DATA_SIZE if code == LD_LEN else k)
        elif code in (LDX_IMM, LDX_LEN):
            x = constant(DATA_SIZE if code == LDX_LEN else k)
        elif code in (LD_MEM, LDX_MEM) and k < 16:
            word = dict(memory).get(k, _ZERO)
            a, x = (a, word) if code == LDX_MEM else (word, x)
        elif code in (ST, STX) and k < 16:
            memory = tuple(sorted({**dict(memory), k: x if code == STX else a}.items()))
        elif code == TAX:
            x = a
        elif code == TXA:
            a = x
        else:
            a = self._alu(at, a, x)
        return TRUE, [self._step(at, at + 1, a, x, memory)]

    def _alu(self, at: int, a: Word, x: Word) -> Word:
        words = self._space.words
        code, _, _, k = self._insns[at]
        if code == NEG:
            return words.difference(_ZERO, a)
        operand = x if code & USES_X else constant(k)
        if code & 0x07 == 0x04:
            match code & 0xF0:
                case 0x00:
                    return words.sum(a, operand)
                case 0x10:
                    return words.difference(a, operand)
                case 0x20:
                    return words.product(a, operand)
                case 0x30:
                    # Where the divisor is 0 the program ends: `_answer` sees to that.
                    return words.quotient(a, operand)
                case 0x40:
                    return words.joined(a, operand)
                case 0x50:
                    return words.conjoined(a, operand)
                case 0x60:
                    return words.shifted_left(a, operand)
                case 0x70:
                    return words.shifted_right(a, operand)
                case 0xA0:
                    return words.differing(a, operand)
        raise ParseError(f"instruction {at}", f"opcode {code:#06x} with k={k:#x} is not accepted by seccomp")

    def _condition(self, at: int, state: State) -> int:
        """When a conditional jump is taken."""
        words = self._space.words
        a, x, _ = state
        code, _, _, k = self._insns[at]
        operand = x if code & USES_X else constant(k)
        match code & 0xF7:
            case 0x15:
                return words.equal(a, operand)
            case 0x25:
                return words.at_least(a, operand, or_equal=False)
            case 0x35:
                return words.at_least(a, operand)
            case 0x45:
                return words.any_bit(a, operand)
        raise ParseError(f"instruction {at}", f"opcode {code:#06x} with k={k:#x} is not accepted by seccomp")

    def _answer(self, at: int, state: State, condition: int, follows: list[int]) -> int:
        """What is answered from here on; `follows` is what is answered after it."""
        diagram = self._space.diagram
        code, _, _, k = self._insns[at]
        if code == RET_K:
            return diagram.end(k)
        if code == RET_A:
            return self._space.words.values(state[0])
        if len(follows) == 2:
            return diagram.ite(condition, *follows)
        if code & 0xF7 == 0x34:
            divisor = state[1] if code & USES_X else constant(k)
            return diagram.ite(self._space.words.equal(divisor, _ZERO), diagram.end(0), follows[0])
        return follows[0]


def _live(program: Program) -> list[int]:
    """What is read from each instruction on: bits 0 to 15 scratch memory, 16 A, 17 X."""
    a, x = 1 << 16, 1 << 17
    insns = program.insns
    live = [0] * (len(insns) + 1)
    for at in reversed(range(len(insns))):
        code, jt, jf, k = insns[at]
        uses_x = x if code & USES_X else 0
        after = live[at + 1]
        if code in (RET_K, RET_A):
            live[at] = a if code == RET_A else 0
        elif code == JA:
            live[at] = live[min(at + 1 + k, len(insns))]
        elif code & 0x07 == 0x05:
            both = live[min(at + 1 + jt, len(insns))] | live[min(at + 1 + jf, len(insns))]
            live[at] = both | a | uses_x
        elif code in (LD_ABS, LD_IMM, LD_LEN):
            live[at] = after & ~a
        elif code in (LDX_IMM, LDX_LEN):
            live[at] = after & ~x
        elif code in (LD_MEM, LDX_MEM):
            live[at] = after & ~(a if code == LD_MEM else x) | 1 << (k & 15)
        elif code in (ST, STX):
            live[at] = after & ~(1 << (k & 15)) | (a if code == ST else x)
        elif code == TAX:
            live[at] = after & ~x | a
        elif code == TXA:
            live[at] = after & ~a | x
        else:
            # An unused division may still end the program.
            live[at] = after | a | uses_x
    return live
