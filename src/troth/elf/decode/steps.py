"""The two forms in which code is given: marks of a whole section, steps of the blocks that matter.

A *mark* is a place where control may leave the straight line, or where an address is named. A libc has some hundred
thousand of them, so a mark is a plain tuple `(at, end, kind, to)`: where the instruction is, where the next one is,
what it is, and the address that it names (0 when that is not known).

A *step* is what one instruction does to registers and the stack, as far as a number or an address can travel by it. It
is a tuple of integers whose first says what it is:

    (SET,    register, value)
    (LOW,    register, value)                        the lowest byte is set, the rest stays
    (COPY,   register, source, bits)
    (LOAD,   register, base, offset, bits)
    (STORE,  base, offset, source, bits)             of a register; source -1: of something unknown
    (KEEP,   base, offset, value, bits)              of a constant
    (MATH,   register, how, left, right, value, bits)    right is -1: the other operand is `value`
    (PICK,   register, source, bits)                 a conditional copy
    (LOSE,   register, ...)                          hold something unknown from now on
    (CALL,   at, target, register)                   target 0: the register has it
    (JUMP,   at, target, register)
    (BRANCH, at, target, register, value, equal)     if taken (`equal` 1) or not (0), register == value; -1: no such
    (ENTER,  at)                                     a system call
    (RETURN, at)
    (STOP,   at)                                     control does not go on
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Set

__all__ = [
    "ADD", "AND", "BRANCH", "CALL", "COPY", "ENTER", "HOW", "JUMP", "KEEP", "LOAD", "LOSE", "LOW", "MATH",
    "MARK_BRANCH", "MARK_CALL", "MARK_ENTER", "MARK_JUMP", "MARK_NAME", "MARK_READ", "MARK_RETURN", "MARK_START",
    "MARK_STOP", "OR", "PICK", "RETURN", "SCRATCH", "SET", "SHL", "SHR", "STOP", "STORE", "SUB", "XOR",
    "MARK_CALL_SLOT", "MARK_JUMP_SLOT", "Decoder", "Mark", "Step",
]  # fmt: skip

Mark = tuple[int, int, int, int]
Step = tuple[int, ...]

(
    MARK_CALL,  # of a known address
    MARK_JUMP,  # to a known address
    MARK_BRANCH,  # likewise, on a condition
    MARK_RETURN,
    MARK_CALL_SLOT,  # of what is in memory at a known address; of anything when that is 0
    MARK_JUMP_SLOT,
    MARK_ENTER,  # the kernel
    MARK_STOP,  # control does not go on
    MARK_NAME,  # an address is computed
    MARK_READ,  # memory at a known address is read or written
    MARK_START,  # an instruction that is only found where indirect calls may land
) = range(11)

(SET, LOW, COPY, LOAD, STORE, KEEP, MATH, PICK, LOSE, CALL, JUMP, BRANCH, ENTER, RETURN, STOP) = range(15)

SCRATCH: Final = 64  # the register of no machine, for what an instruction moves from memory to memory

(ADD, SUB, AND, OR, XOR, SHL, SHR) = range(7)
HOW: Final[tuple[Callable[[int, int], int], ...]] = (
    lambda left, right: left + right,
    lambda left, right: left - right,
    lambda left, right: left & right,
    lambda left, right: left | right,
    lambda left, right: left ^ right,
    lambda left, right: left << (right & 63),
    lambda left, right: left >> (right & 63),
)


class Decoder(Protocol):
    """What reads the code of one architecture."""

    def scan(self, code: bytes, address: int, got: int, starts: Set[int]) -> list[Mark]:
        """Give every mark of a section, in order.

        `got` is the address of the global offset table, from which code of i386 counts (0 when there is none);
        `starts` are where functions are known to start.
        """

    def steps(self, code: bytes, address: int) -> list[Step]:
        """Give the steps of a block, without those that do nothing."""
