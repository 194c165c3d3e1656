"""Make system calls by name; the only module that reaches C.

libc's `syscall` is the same function on glibc and musl, and it is not bypassed here because it keeps
errno and, on 32-bit machines, the argument registers right. A 64-bit number does not fit an argument
of a 32-bit machine; none of the calls made here takes one outside a structure.

`_ctypes` is the compiled half of the standard library's ctypes. The other half defines some sixty types
that are not needed here, and a program that confines itself would wait for it at every start.
"""

from __future__ import annotations

from _ctypes import FUNCFLAG_CDECL, FUNCFLAG_USE_ERRNO, CFuncPtr, _SimpleCData, addressof, dlopen, get_errno, sizeof
from struct import pack

from troth.abi import native, numbers
from troth.abi.seccomp import NUMBERS
from troth.errors import EnforcementError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final, Protocol

    class Memory(Protocol):
        """Memory of a fixed size that the kernel may write to."""

        raw: bytes
        value: bytes

        def __len__(self) -> int: ...
        def __buffer__(self, flags: int, /) -> memoryview: ...

    # None is a null pointer; bytes are passed by address and must not be written to by the kernel.
    Argument = int | bytes | None | Memory


class _Long(_SimpleCData):  # type: ignore[type-arg]  # what ctypes calls c_long
    _type_ = "l"


class _Pointer(_SimpleCData):  # type: ignore[type-arg]  # c_void_p
    _type_ = "P"


class _Char(_SimpleCData):  # type: ignore[type-arg]  # c_char
    _type_ = "c"


class _Function(CFuncPtr):
    _flags_ = FUNCFLAG_CDECL | FUNCFLAG_USE_ERRNO
    _restype_ = _Long


class _Libc:
    """This process and what it has loaded, libc among it."""

    _handle = dlopen(None, 0)  # type: ignore[arg-type]  # None is the program itself


WORD_SIZE: Final = sizeof(_Pointer)
_WORD_BITS: Final = 8 * WORD_SIZE
_ARGUMENTS: Final = 6
_ARCH: Final = native().name
_NUMBERS: Final = NUMBERS.get(_ARCH, {})

# A void pointer takes integers, null, bytes and buffers alike, and is as wide as a register.
_syscall: Any = _Function(("syscall", _Libc))  # type: ignore[arg-type]  # anything with a _handle
_syscall.argtypes = (_Long,) + (_Pointer,) * _ARGUMENTS


def program_header(program: bytes) -> Memory:
    """Describe a classic BPF program as `struct sock_fprog`; the answer keeps `program` alive.

    Raises:
        ValueError: the program is not a whole number of instructions, or its length does not fit the field.
    """
    length, rest = divmod(len(program), 8)
    if rest or length > 0xFFFF:
        raise ValueError(f"a program of {len(program)} bytes is not 0 to 65535 instructions of 8 bytes")
    memory = buffer(max(len(program), 1), program)
    header: Any = buffer(2 * WORD_SIZE, pack("@HP", length, address(memory)))
    header.program = memory
    return header  # type: ignore[no-any-return]  # a buffer with its program attached


def buffer(size: int, start: bytes = b"") -> Memory:
    """Make memory that the kernel may write to: `start`, then zeros up to `size` bytes."""
    memory: Any = (_Char * max(size, len(start)))()
    memory[: len(start)] = start
    return memory  # type: ignore[no-any-return]  # an array of characters


def address(memory: Memory) -> int:
    """Where a buffer is; the caller keeps it alive."""
    return addressof(memory)  # type: ignore[arg-type]  # a buffer is an array of characters


def number(name: str) -> int:
    """Give the number of a system call on the native architecture."""
    found = _NUMBERS.get(name)
    return numbers(_ARCH)[name] if found is None else found


def ask(name: str, *args: Argument) -> int:
    """Make one system call; gives its result, or the errno negated. Never raises OSError."""
    for value in args:
        if isinstance(value, int) and (value >> _WORD_BITS) not in (0, -1):
            raise OverflowError(f"{name}: {value:#x} does not fit an argument of {_WORD_BITS} bits")
    padding = (0,) * (_ARGUMENTS - len(args))
    result: int = _syscall(number(name), *args, *padding)
    return result if result != -1 else -get_errno()


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
