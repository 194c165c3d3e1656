"""Make system calls by name: the one door to C for everything here.

Calls go through libc's `syscall`, which glibc and musl have alike and which puts the arguments where
the architecture wants them. A 64-bit number does not fit an argument of a 32-bit machine; none of the
calls made here takes one outside a structure.
"""

from __future__ import annotations

import ctypes

from troth import abi
from troth.errors import EnforcementError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    # None is a null pointer; bytes are passed by address, for calls that only read them.
    Argument = int | bytes | None | ctypes.Array[ctypes.c_char] | ctypes._Pointer["ProgramHeader"]

_WORD_BITS: Final = 8 * ctypes.sizeof(ctypes.c_void_p)
_ARGUMENTS: Final = 6
_NUMBERS: Final = abi.numbers(abi.native().name)

# A void pointer takes integers, null, bytes and buffers alike, and is as wide as a register.
_syscall: Final = ctypes.CDLL(None, use_errno=True).syscall
_syscall.argtypes = (ctypes.c_long,) + (ctypes.c_void_p,) * _ARGUMENTS
_syscall.restype = ctypes.c_long


class ProgramHeader(ctypes.Structure):
    """`struct sock_fprog`: the length of a program in instructions, and where it is."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def program_header(program: bytes) -> Argument:
    """Describe a classic BPF program; the answer keeps `program` alive.

    Raises:
        ValueError: the program is not a whole number of instructions, or its length does not fit the field.
    """
    length, rest = divmod(len(program), 8)
    if rest or length > 0xFFFF:
        raise ValueError(f"a program of {len(program)} bytes is not 0 to 65535 instructions of 8 bytes")
    return ctypes.pointer(ProgramHeader(length, program))


def buffer(size: int, start: bytes = b"") -> ctypes.Array[ctypes.c_char]:
    """Make memory that the kernel may write to: `start`, then zeros up to `size` bytes."""
    return ctypes.create_string_buffer(start, max(size, len(start)))


def ask(name: str, *args: Argument) -> int:
    """Make one system call; gives its result, or the errno negated. Never raises OSError."""
    for value in args:
        if isinstance(value, int) and (value >> _WORD_BITS) not in (0, -1):
            raise OverflowError(f"{name}: {value:#x} does not fit an argument of {_WORD_BITS} bits")
    padding = (0,) * (_ARGUMENTS - len(args))
    result: int = _syscall(_NUMBERS[name], *args, *padding)
    return result if result != -1 else -ctypes.get_errno()


def syscall(name: str, *args: Argument) -> int:
    """Make one system call and give its result.

    An interrupted call is not made again here: only its wrapper knows whether it may be.

    Raises:
        EnforcementError: the call failed.
    """
    result = ask(name, *args)
    if result < 0:
        raise EnforcementError(name, -result)
    return result
