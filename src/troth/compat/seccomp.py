"""libseccomp's Python binding, version 2.6, without libseccomp.

A program that was written for `import seccomp` runs with `import troth.compat.seccomp as seccomp`: the names, the
numbers and their signs, and the types of the errors are those of the binding; the filter is compiled, and loaded,
by troth. What libseccomp's documentation leaves open, and the few places where this differs on purpose, are in
docs/how-to/move-from-libseccomp.md. Comparisons are of 64 bits and unsigned, on 32-bit architectures of the lower 32,
as they are in libseccomp.

>>> f = SyscallFilter(defaction=KILL_PROCESS)
>>> f.add_rule(ALLOW, "write", Arg(0, EQ, 1))
>>> f.add_rule(ERRNO(1), "socket")
>>> len(f.export_bpf_mem()) % 8
0
"""

from __future__ import annotations

import errno

from troth.compat import _names, _support
from troth.compat._arches import find, native, signed
from troth.compat._filter import SyscallFilter
from troth.compat._numbers import c_int, c_uint, token
from troth.compat._types import (
    ALLOW,
    EQ,
    ERRNO,
    GE,
    GT,
    KILL,
    KILL_PROCESS,
    LE,
    LOG,
    LT,
    MASKED_EQ,
    NE,
    NOTIFY,
    TRACE,
    TRAP,
    Arch,
    Arg,
    Attr,
    Notification,
    NotificationResponse,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from troth.compat._numbers import Number

# The binding, which has no such list, gives programs that import all its names `errno` as well.
__all__ = (
    "ALLOW", "EQ", "ERRNO", "GE", "GT", "KILL", "KILL_PROCESS", "LE", "LOG", "LT", "MASKED_EQ", "NE", "NOTIFY", "TRACE",
    "TRAP", "Arch", "Arg", "Attr", "Notification", "NotificationResponse", "SyscallFilter", "c_str", "errno", "get_api",
    "resolve_syscall", "set_api", "system_arch",
)  # fmt: skip

for _public in (Arch, Arg, Attr, Notification, NotificationResponse, SyscallFilter, ERRNO, TRACE):
    _public.__module__ = __name__


def c_str(string: str) -> bytes:
    """Give a string as ASCII bytes."""
    return bytes(string, "ascii")


def system_arch() -> int:
    """Give the token of the native architecture, as an unsigned number."""
    return native().token


def resolve_syscall(arch: Number, syscall: str | int) -> int | bytes:
    """Give the number of a name, or the name of a number, on an architecture.

    A call behind socketcall(2) or ipc(2) has the number of these; one that the architecture lacks has a
    negative pseudo number; a name that is none, or an architecture that is none, gives -1. Names are bytes.

    Raises:
        ValueError: no call of the architecture has the number.
        TypeError: neither a name nor a number.
    """
    where = token(arch)
    found = find(where)
    if isinstance(syscall, str):
        name = c_str(syscall).decode()
        if found is None:
            return _names.UNKNOWN
        through = _names.multiplexer(found, name)
        return through[0] if through is not None else _names.number(found, name)
    if not isinstance(syscall, int):
        raise TypeError("Syscall must either be an int or str type")
    known = None if found is None else _names.name_of(found, c_int(syscall))
    if known is None:
        raise ValueError(f"Unknown syscall {syscall} on arch {signed(where)}")
    return known.encode()


def get_api() -> int:
    """Give the API level: what the running kernel can do, from 1 to 7 (seccomp_api_get(3))."""
    return _support.level()


def set_api(level: Number) -> None:
    """Take the kernel to be of this API level, for the whole process.

    Raises:
        ValueError: not from 1 to 7.
    """
    wanted = c_uint(level)
    if not 1 <= wanted <= _support.HIGHEST:
        raise ValueError("Invalid level")
    _support.force(wanted)
