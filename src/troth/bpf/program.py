"""Programs, the calls they judge, and their answers.

Offsets and answer values are those of `struct seccomp_data` and `SECCOMP_RET_*` in linux/seccomp.h.
"""

from __future__ import annotations

import struct

from troth._value import Value
from troth.abi.seccomp import ACTION_MASK, ACTIONS
from troth.errors import ParseError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    Insn = tuple[int, int, int, int]  # code, jt, jf, k: struct sock_filter

MAX_INSNS: Final = 4096  # BPF_MAXINSNS: the kernel refuses a longer program

# linux/bpf_common.h: the opcodes that seccomp accepts.
LD_ABS: Final = 0x20
LD_IMM: Final = 0x00
LD_MEM: Final = 0x60
LD_LEN: Final = 0x80
LDX_IMM: Final = 0x01
LDX_MEM: Final = 0x61
LDX_LEN: Final = 0x81
ST: Final = 0x02
STX: Final = 0x03
JA: Final = 0x05
JEQ: Final = 0x15
JGT: Final = 0x25
JGE: Final = 0x35
JSET: Final = 0x45
AND: Final = 0x54
NEG: Final = 0x84
RET_K: Final = 0x06
RET_A: Final = 0x16
TAX: Final = 0x07
TXA: Final = 0x87

# struct seccomp_data
OFFSET_NR: Final = 0
OFFSET_ARCH: Final = 4
OFFSET_IP: Final = 8
OFFSET_ARGS: Final = 16
DATA_SIZE: Final = 64


class Call(Value):
    """One concrete system call as a filter sees it: `struct seccomp_data`.

    `arch` is an `AUDIT_ARCH_*` value, `args` has up to six numbers (missing ones are 0), each
    taken modulo 2**64.

    >>> Call(0xC000003E, 39)
    Call(arch=3221225534, nr=39, args=(0, 0, 0, 0, 0, 0), ip=0)
    """

    __slots__ = ("arch", "nr", "args", "ip")
    arch: int
    nr: int
    args: tuple[int, ...]
    ip: int
    _defaults = {"args": (), "ip": 0}

    def _check(self) -> None:
        args = tuple(value & 0xFFFFFFFFFFFFFFFF for value in self.args)
        if len(args) > 6:
            raise ParseError("args", f"a system call has at most 6 arguments, got {len(args)}")
        object.__setattr__(self, "args", args + (0,) * (6 - len(args)))

    def data(self, *, big_endian: bool) -> bytes:
        """Give the 64 bytes that the kernel shows to a filter."""
        order = ">" if big_endian else "<"
        return struct.pack(f"{order}IIQ6Q", self.nr & 0xFFFFFFFF, self.arch, self.ip, *self.args)


class Verdict(Value):
    """What a filter answers a call; `raw` is the 32-bit value, `steps` the instructions it took."""

    __slots__ = ("raw", "steps")
    raw: int
    steps: int
    _defaults = {"steps": 0}

    @property
    def action(self) -> str:
        """The action's name; a value that no kernel defines kills the process, as the kernel does."""
        return ACTIONS.get(self.raw & ACTION_MASK, "kill_process")

    @property
    def data(self) -> int:
        """The lower 16 bits: the errno of `errno`, the message of `trace`."""
        return self.raw & 0xFFFF


class Program(Value):
    """A filter: 1 to 4096 instructions `(code, jt, jf, k)`."""

    __slots__ = ("insns",)
    insns: tuple[Insn, ...]

    def _check(self) -> None:
        if not 1 <= len(self.insns) <= MAX_INSNS:
            raise ParseError("program", f"has {len(self.insns)} instructions; the kernel takes 1 to {MAX_INSNS}")

    def __len__(self) -> int:
        return len(self.insns)

    def to_bytes(self, *, big_endian: bool | None = None) -> bytes:
        """Encode as an array of `struct sock_filter`, in native byte order unless told otherwise.

        Raises:
            ParseError: a field does not fit: `code` has 16 bits, `jt` and `jf` 8 each, `k` 32.
        """
        order = "=" if big_endian is None else ">" if big_endian else "<"
        flat: list[int] = []
        for insn in self.insns:
            flat += insn
        try:
            return struct.pack(order + "HBBI" * len(self.insns), *flat)
        except struct.error as error:
            raise ParseError("program", f"an instruction does not fit its 8 bytes: {error}") from None

    @classmethod
    def from_bytes(cls, data: bytes, *, big_endian: bool | None = None) -> Program:
        """Decode an array of `struct sock_filter`.

        Raises:
            ParseError: the length is not a positive multiple of 8 or above 4096 instructions.
        """
        if len(data) % 8:
            raise ParseError(
                f"byte {len(data) // 8 * 8}", f"{len(data)} bytes are not a whole number of 8-byte instructions"
            )
        if len(data) > 8 * MAX_INSNS:  # said before a large file is taken apart
            raise ParseError("program", f"has {len(data) // 8} instructions; the kernel takes 1 to {MAX_INSNS}")
        order = "=" if big_endian is None else ">" if big_endian else "<"
        return cls(tuple(struct.iter_unpack(order + "HBBI", data)))

    def swapped(self) -> Program:
        """Give the program that the same bytes are in the other byte order."""
        return Program.from_bytes(self.to_bytes(big_endian=False), big_endian=True)
