"""How each kind of machine is made to perform a system call from outside: one row per architecture.

The instructions are written over the program's entry point: a trap that catches its arrival there,
a system call, and a trap that gives control back after it.
"""

from __future__ import annotations

import struct

from troth._value import Value
from troth.abi import numbers
from troth.abi.seccomp import NUMBERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final


class Machine(Value):
    """A register set (`NT_PRSTATUS`) and the instructions to go with it.

    `words` is its number of registers, `letter` their struct(3) type; the others are indices into
    it. `number` takes the call's number, `arguments` its arguments, `result` its result; `original`
    is what the kernel looks at to restart an interrupted call, -1 when that is kept elsewhere.
    `skip` is how far a trap moves the program counter, `close` the number of close(2).
    """

    __slots__ = (
        "arch",
        "words",
        "letter",
        "pc",
        "sp",
        "number",
        "arguments",
        "result",
        "original",
        "trap",
        "call",
        "skip",
        "close",
    )
    arch: str
    words: int
    letter: str
    pc: int
    sp: int
    number: int
    arguments: tuple[int, ...]
    result: int
    original: int
    trap: bytes
    call: bytes
    skip: int
    close: int

    def number_of(self, call: str) -> int:
        """The number of a system call, without loading a table for those that every start makes."""
        if call == "close":
            return self.close
        found = NUMBERS[self.arch].get(call)
        return numbers(self.arch)[call] if found is None else found

    @property
    def size(self) -> int:
        """The length of the register set, which tells the architectures of one kernel apart."""
        return self.words * struct.calcsize("=" + self.letter)

    @property
    def word(self) -> int:
        """The size of a pointer on the program's stack."""
        return struct.calcsize("=" + self.letter)

    @property
    def code(self) -> bytes:
        """What is written over the entry point."""
        return self.trap + self.call + self.trap

    def header(self, length: int, address: int) -> bytes:
        """`struct sock_fprog`, for a filter of `length` instructions at `address`."""
        return struct.pack("=H6xQ" if self.letter == "Q" else "=H2xI", length, address)

    def unpack(self, registers: bytes) -> list[int]:
        """Give the registers as numbers."""
        return [*struct.unpack(f"={self.words}{self.letter}", registers)]

    def pack(self, numbers: list[int]) -> bytes:
        """Give numbers as registers."""
        mask = (1 << self.word * 8) - 1
        return struct.pack(f"={self.words}{self.letter}", *(number & mask for number in numbers))


# Register order: struct user_regs_struct of each architecture (arch/x86/include/asm/user_64.h and
# user_32.h, arch/arm64/include/uapi/asm/ptrace.h).
MACHINES: Final = {
    machine.arch: machine
    for machine in (
        #        arch      words    pc  sp  nr  arguments       result original  trap        call         skip close
        Machine("x86_64",  27, "Q", 16, 19, 10, (14, 13, 12, 7, 9, 8), 10, 15, b"\xcc", b"\x0f\x05", 1, 3),
        Machine("i386",    17, "I", 12, 15, 6,  (0, 1, 2, 3, 4, 5),    6,  11, b"\xcc", b"\xcd\x80", 1, 6),
        Machine("aarch64", 34, "Q", 32, 31, 8,  (0, 1, 2, 3, 4, 5),    0,  -1, b"\0\0\x20\xd4", b"\1\0\0\xd4", 0, 57),
    )
}  # fmt: skip

# What a tracer on one architecture can start: the programs of its companions too.
TRACEABLE: Final = {"x86_64": ("x86_64", "i386"), "i386": ("i386",), "aarch64": ("aarch64",)}


def of_registers(native: str, length: int) -> Machine | None:
    """The machine of a tracee, by the length of its register set; None when there is no row for it."""
    for name in TRACEABLE.get(native, ()):
        if MACHINES[name].size == length:
            return MACHINES[name]
    return None
