"""The binding's constants and small types."""

from __future__ import annotations

from troth.abi.seccomp import (
    RET_ALLOW,
    RET_ERRNO,
    RET_KILL_PROCESS,
    RET_KILL_THREAD,
    RET_LOG,
    RET_TRACE,
    RET_TRAP,
    RET_USER_NOTIF,
)
from troth.compat._arches import BY_NAME, find, signed
from troth.compat._numbers import c_int, c_uint, c_uint64, integer, token

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final, Self

    from troth.compat._numbers import Number

# The binding's constants are C ints: an action with the upper bit is negative.
KILL_PROCESS: Final = signed(RET_KILL_PROCESS)
KILL: Final = RET_KILL_THREAD
TRAP: Final = RET_TRAP
LOG: Final = RET_LOG
ALLOW: Final = RET_ALLOW
NOTIFY: Final = RET_USER_NOTIF

NE: Final = 1
LT: Final = 2
LE: Final = 3
EQ: Final = 4
GE: Final = 5
GT: Final = 6
MASKED_EQ: Final = 7


def ERRNO(errno: Number) -> int:  # noqa: N802  # its name there
    """The action that makes a call fail with an errno."""
    return RET_ERRNO | c_int(errno) & 0xFFFF


def TRACE(value: Number) -> int:  # noqa: N802  # its name there
    """The action that tells a tracer, with a message of 16 bits; without one the call fails with ENOSYS."""
    return RET_TRACE | c_int(value) & 0xFFFF


class Arch:
    """An architecture, by its name or token; without one, the native.

    Raises:
        ValueError: no such architecture.
        TypeError: neither a name nor a number.
    """

    __slots__ = ("_token",)
    _token: int

    NATIVE: Final = 0
    X86: Final = signed(BY_NAME["x86"].token)
    X86_64: Final = signed(BY_NAME["x86_64"].token)
    X32: Final = signed(BY_NAME["x32"].token)
    ARM: Final = signed(BY_NAME["arm"].token)
    AARCH64: Final = signed(BY_NAME["aarch64"].token)
    LOONGARCH64: Final = signed(BY_NAME["loongarch64"].token)
    M68K: Final = signed(BY_NAME["m68k"].token)
    MIPS: Final = signed(BY_NAME["mips"].token)
    MIPS64: Final = signed(BY_NAME["mips64"].token)
    MIPS64N32: Final = signed(BY_NAME["mips64n32"].token)
    MIPSEL: Final = signed(BY_NAME["mipsel"].token)
    MIPSEL64: Final = signed(BY_NAME["mipsel64"].token)
    MIPSEL64N32: Final = signed(BY_NAME["mipsel64n32"].token)
    PARISC: Final = signed(BY_NAME["parisc"].token)
    PARISC64: Final = signed(BY_NAME["parisc64"].token)
    PPC: Final = signed(BY_NAME["ppc"].token)
    PPC64: Final = signed(BY_NAME["ppc64"].token)
    PPC64LE: Final = signed(BY_NAME["ppc64le"].token)
    S390: Final = signed(BY_NAME["s390"].token)
    S390X: Final = signed(BY_NAME["s390x"].token)
    RISCV64: Final = signed(BY_NAME["riscv64"].token)

    def __new__(cls, arch: str | int = NATIVE) -> Self:
        self = super().__new__(cls)
        if isinstance(arch, str):
            found = BY_NAME.get(arch.encode("ascii").decode())
        elif isinstance(arch, int):
            found = find(token(arch))
        else:
            raise TypeError("Architecture must be an int or str type")
        if found is None:
            raise ValueError("Invalid architecture")
        self._token = signed(found.token)
        return self

    def __int__(self) -> int:
        return self._token


class Attr:
    """The attributes of a filter (seccomp_attr_set(3)).

    ACT_DEFAULT can only be read; ACT_BADARCH is the action for an architecture that the filter does not have.
    """

    __slots__ = ()

    ACT_DEFAULT: Final = 1
    ACT_BADARCH: Final = 2
    CTL_NNP: Final = 3
    CTL_TSYNC: Final = 4
    API_TSKIP: Final = 5
    CTL_LOG: Final = 6
    CTL_SSB: Final = 7
    CTL_OPTIMIZE: Final = 8
    API_SYSRAWRC: Final = 9
    CTL_WAITKILL: Final = 10


class Arg:
    """A comparison of an argument of a call: `arg`, 0 to 5, with `datum_a`.

    With MASKED_EQ `datum_a` is the mask and `datum_b` what the masked argument is compared with.

    Raises:
        OverflowError: a datum that is negative or above 64 bits.
    """

    __slots__ = ("_fields",)
    _fields: tuple[int, int, int, int]

    def __new__(cls, arg: Number, op: Number, datum_a: Number, datum_b: Number = 0) -> Self:
        self = super().__new__(cls)
        sign = integer(op, 32, "enum scmp_compare", signed=False)
        self._fields = (c_uint(arg), sign, c_uint64(datum_a), c_uint64(datum_b))
        return self


class Notification:
    """A call that waits for an answer, as `SyscallFilter.receive_notify` gives it."""

    __slots__ = ("_id", "_pid", "_flags", "_syscall", "_syscall_arch", "_syscall_ip", "_syscall_args")
    _id: int
    _pid: int
    _flags: int
    _syscall: int
    _syscall_arch: int
    _syscall_ip: int
    _syscall_args: tuple[int, ...]

    def __new__(
        cls,
        id: Number,  # noqa: A002  # its name there
        pid: Number,
        flags: Number,
        syscall: Number,
        arch: Number,
        ip: Number,
        args: Sequence[Number],
    ) -> Self:
        self = super().__new__(cls)
        self._id, self._pid, self._flags = c_uint64(id), c_uint(pid), c_uint(flags)
        self._syscall, self._syscall_arch, self._syscall_ip = c_int(syscall), token(arch), c_uint64(ip)
        self._syscall_args = tuple(c_uint64(args[index]) for index in range(6))
        return self

    @property
    def id(self) -> int:
        """What the notification is answered by."""
        return self._id

    @property
    def pid(self) -> int:
        """The thread that makes the call."""
        return self._pid

    @property
    def flags(self) -> int:
        """Flags of the notification; the kernel defines none yet."""
        return self._flags

    @property
    def syscall(self) -> int:
        """The number of the call."""
        return self._syscall

    @property
    def syscall_arch(self) -> int:
        """The AUDIT_ARCH_* value of the call, unsigned."""
        return self._syscall_arch

    @property
    def syscall_ip(self) -> int:
        """The address of the instruction after the call."""
        return self._syscall_ip

    @property
    def syscall_args(self) -> list[int]:
        """The six arguments."""
        return [*self._syscall_args]


class NotificationResponse:
    """The answer to a notification: the call gives `val`, or fails with the negative errno `error`.

    With the flag 1 the call is made after all; that is not a decision of security (seccomp_unotify(2)).
    """

    __slots__ = ("_id", "_val", "_error", "_flags")
    _id: int
    _val: int
    _error: int
    _flags: int

    def __new__(cls, notify: Notification, val: Number = 0, error: Number = 0, flags: Number = 0) -> Self:
        self = super().__new__(cls)
        self.id, self.val, self.error, self.flags = notify.id, val, error, flags
        return self

    @property
    def id(self) -> int:
        """Which notification is answered."""
        return self._id

    @id.setter
    def id(self, value: Number) -> None:
        self._id = c_uint64(value)

    @property
    def val(self) -> int:
        """What the call gives."""
        return self._val

    @val.setter
    def val(self, value: Number) -> None:
        self._val = integer(value, 64, "int64_t")

    @property
    def error(self) -> int:
        """The errno that the call fails with, negated."""
        return self._error

    @error.setter
    def error(self, value: Number) -> None:
        self._error = integer(value, 32, "int32_t")

    @property
    def flags(self) -> int:
        """Flags of the answer."""
        return self._flags

    @flags.setter
    def flags(self, value: Number) -> None:
        self._flags = c_uint(value)
