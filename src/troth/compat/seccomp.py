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

import os
from errno import EACCES, ECANCELED, EFAULT, EINVAL, ENOENT, EOPNOTSUPP, ESRCH

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
from troth.compat import _names, _pfc, _policy, _support
from troth.compat._arches import BY_NAME, find, native, signed
from troth.compat._database import Database, asked
from troth.compat._error import LibraryError
from troth.compat._numbers import c_int, c_uint, c_uint64, integer, token
from troth.errors import EnforcementError, ParseError
from troth.kernel.notify import FLAG_CONTINUE
from troth.kernel.process import set_no_new_privs
from troth.kernel.seccomp import set_mode_filter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final, Protocol, Self

    from troth.compat._numbers import Number
    from troth.kernel.notify import Listener

    class HasFileno(Protocol):
        """A file to write to."""

        def fileno(self) -> int: ...


__all__ = (
    "ALLOW", "EQ", "ERRNO", "GE", "GT", "KILL", "KILL_PROCESS", "LE", "LOG", "LT", "MASKED_EQ", "NE", "NOTIFY", "TRACE",
    "TRAP", "Arch", "Arg", "Attr", "Notification", "NotificationResponse", "SyscallFilter", "c_str", "get_api",
    "resolve_syscall", "set_api", "system_arch",
)  # fmt: skip

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

_MAX_ERRNO: Final = 4095


def ERRNO(errno: Number) -> int:  # noqa: N802  # its name there
    """The action that makes a call fail with an errno."""
    return RET_ERRNO | c_int(errno) & 0xFFFF


def TRACE(value: Number) -> int:  # noqa: N802  # its name there
    """The action that tells a tracer, with a message of 16 bits; without one the call fails with ENOSYS."""
    return RET_TRACE | c_int(value) & 0xFFFF


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
            found = BY_NAME.get(c_str(arch).decode())
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


# What an attribute is before it is set, and which support of the kernel setting it needs.
_ATTRIBUTES: Final = {
    Attr.ACT_DEFAULT: (0, None),
    Attr.ACT_BADARCH: (KILL, None),
    Attr.CTL_NNP: (1, None),
    Attr.CTL_TSYNC: (0, "tsync"),
    Attr.API_TSKIP: (0, None),
    Attr.CTL_LOG: (0, "log"),
    Attr.CTL_SSB: (0, "spec_allow"),
    Attr.CTL_OPTIMIZE: (1, None),
    Attr.API_SYSRAWRC: (0, None),
    Attr.CTL_WAITKILL: (0, None),
}


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


class SyscallFilter:
    """A filter with a default action; it has the native architecture and no rules.

    The methods raise RuntimeError("Library error (errno = -N)") for what libseccomp refuses with an errno, with a
    note that says what was wrong, and ValueError for an argument that is no architecture or attribute.

    Raises:
        RuntimeError: no such action, or none that the kernel knows.
    """

    __slots__ = ("_database", "_attributes", "_precomputed")
    _database: Database
    _attributes: dict[int, int]
    _precomputed: bytes | None

    def __new__(cls, defaction: Number) -> Self:
        self = super().__new__(cls)
        _support.level()
        action = c_int(defaction) & 0xFFFFFFFF
        if not _is_action(action):
            error = RuntimeError("Library error")
            error.add_note(f"{action:#x} is no action, or none that the kernel knows")
            raise error
        self._begin(action)
        return self

    def __init__(self, defaction: Number) -> None:
        """A subclass may have its own, as long as it is called with a default action."""

    def _begin(self, action: int) -> None:
        self._database = Database(action)
        self._attributes = {attr: value for attr, (value, _) in _ATTRIBUTES.items()} | {Attr.ACT_DEFAULT: action}
        self._precomputed = None

    def reset(self, defaction: Number = -1) -> None:
        """Forget everything, as if new; with the default action that it had unless given another.

        Raises:
            ValueError: no such action.
        """
        action = c_int(defaction)
        if action == -1:
            action = self._attributes[Attr.ACT_DEFAULT]
        action &= 0xFFFFFFFF
        if not _is_action(action):
            raise ValueError("Invalid action")
        self._begin(action)

    def merge(self, filter: SyscallFilter) -> None:  # noqa: A002  # its name there
        """Take over another filter's architectures and rules; that one is reset.

        Raises:
            RuntimeError: EINVAL, the default actions or the attributes CTL_NNP and CTL_TSYNC differ; EDOM, the byte
                orders do; EEXIST, both have an architecture.
        """
        if filter is not None and not isinstance(filter, SyscallFilter):
            raise TypeError(
                f"Argument 'filter' has incorrect type (expected seccomp.SyscallFilter, got {type(filter).__name__})"
            )
        try:
            if filter is None or filter is self:
                raise LibraryError(EINVAL, "there is no other filter to merge with")
            self._database.check()
            filter._database.check()
            for attr in (Attr.ACT_DEFAULT, Attr.CTL_NNP, Attr.CTL_TSYNC):
                if self._attributes[attr] != filter._attributes[attr]:
                    raise LibraryError(EINVAL, f"the filters differ in their attribute {attr}")
            self._database.merge(filter._database)
        except LibraryError as failure:
            raise failure.as_runtime_error() from None
        self._precomputed = None
        filter.reset()

    def exist_arch(self, arch: Number | Arch) -> bool:
        """Whether the filter has an architecture.

        Raises:
            ValueError: it is none.
        """
        found = find(token(arch))
        if found is None:
            raise ValueError("Invalid architecture")
        return found in self._database.arches

    def add_arch(self, arch: Number | Arch) -> None:
        """Add an architecture; rules that are there do not hold for it, later ones do.

        Raises:
            ValueError: it is none.
            RuntimeError: EEXIST, it is there; EDOM, those that are there have the other byte order.
        """
        found = find(token(arch))
        if found is None:
            raise ValueError("Invalid architecture")
        try:
            self._database.add_arch(found)
        except LibraryError as failure:
            raise failure.as_runtime_error() from None
        self._precomputed = None

    def remove_arch(self, arch: Number | Arch) -> None:
        """Remove an architecture with its rules; without any, nothing but `add_arch` works.

        Raises:
            ValueError: it is none.
            RuntimeError: EEXIST, it is not there.
        """
        found = find(token(arch))
        if found is None:
            raise ValueError("Invalid architecture")
        try:
            self._database.remove_arch(found)
        except LibraryError as failure:
            raise failure.as_runtime_error() from None
        self._precomputed = None

    def get_attr(self, attr: Number) -> int:
        """Give an attribute, as an unsigned number.

        Raises:
            ValueError: no such attribute.
        """
        number = integer(attr, 32, "enum scmp_filter_attr", signed=False)
        if not self._database.arches or number not in self._attributes:
            raise ValueError("Invalid attribute")
        return self._attributes[number]

    def set_attr(self, attr: Number, value: Number) -> None:
        """Set an attribute.

        Raises:
            ValueError: no such attribute, or no such action.
            RuntimeError: EACCES, it can only be read; EOPNOTSUPP, the kernel does not have it, or no such value.
        """
        number = integer(attr, 32, "enum scmp_filter_attr", signed=False)
        wanted = c_int(value)
        if not self._database.arches or number not in self._attributes:
            raise ValueError("Invalid attribute")
        try:
            self._attributes[number] = self._checked(number, wanted)
        except LibraryError as failure:
            if failure.errno == EINVAL:
                raise failure.as_value_error("Invalid attribute") from None
            raise failure.as_runtime_error() from None
        self._precomputed = None

    def _checked(self, attr: int, value: int) -> int:
        """The value that an attribute gets."""
        if attr == Attr.ACT_DEFAULT:
            raise LibraryError(EACCES, "the default action is given when the filter is made, or reset")
        if attr == Attr.ACT_BADARCH:
            self._check_action(value & 0xFFFFFFFF)
            return value & 0xFFFFFFFF
        if attr == Attr.CTL_OPTIMIZE:
            if value not in (1, 2):
                raise LibraryError(EOPNOTSUPP, f"no optimisation has the number {value}: 1 is by priority, 2 a tree")
            return value
        needs = _ATTRIBUTES[attr][1]
        if needs is not None and not _support.has(needs):
            raise LibraryError(EOPNOTSUPP, f"the kernel does not know the flag {needs}")
        if attr == Attr.CTL_TSYNC and value and self._database.uses(NOTIFY) and not _support.has("tsync_esrch"):
            raise LibraryError(EINVAL, "the kernel cannot load a filter that notifies on all threads")
        return int(value != 0)

    def _check_action(self, action: int) -> None:
        if not _is_action(action):
            raise LibraryError(EINVAL, f"{action:#x} is no action, or none that the kernel knows")
        if action == NOTIFY and self._attributes[Attr.CTL_TSYNC] and not _support.has("tsync_esrch"):
            raise LibraryError(EINVAL, "the kernel cannot load a filter that notifies on all threads")

    def syscall_priority(self, syscall: str | int, priority: Number) -> None:
        """Say how much a call matters, from 0 to 255: a filter finds one that matters more sooner.

        Raises:
            ValueError: not from 0 to 255.
            RuntimeError: no such call.
        """
        weight = c_int(priority)
        if weight < 0 or weight > 255:
            raise ValueError("Syscall priority must be between 0 and 255")
        try:
            number = self._number(syscall)
            self._database.set_priority(number, weight)
        except LibraryError as failure:
            raise failure.as_runtime_error() from None
        self._precomputed = None

    def add_rule(self, action: Number, syscall: str | int, *args: Arg) -> None:
        """Answer a call with an action when all comparisons of its arguments hold.

        A number is the native one of a call; the same call of the other architectures is meant. Where a call is behind
        socketcall(2) or ipc(2) the rule is rewritten to them, and where it does not exist nothing is added.

        Raises:
            RuntimeError: EACCES, the action is the default one; EINVAL, no such call, action or comparison, or an
                argument compared twice; EEXIST, a rule with the same comparisons has another action; EFAULT, a
                number that is no call's, with several architectures.
        """
        self._add(action, syscall, args, exactly=False)

    def add_rule_exactly(self, action: Number, syscall: str | int, *args: Arg) -> None:
        """Like `add_rule`, without rewriting; for filters of one architecture.

        Raises:
            RuntimeError: as `add_rule`; EOPNOTSUPP, several architectures; EDOM, the call does not exist; EINVAL, its
                arguments cannot be seen.
        """
        self._add(action, syscall, args, exactly=True)

    def _add(self, action: Number, syscall: str | int, args: tuple[Arg, ...], *, exactly: bool) -> None:
        answer = c_int(action) & 0xFFFFFFFF
        try:
            number = self._number(syscall)
            if len(args) > 6:
                raise RuntimeError("Maximum number of arguments exceeded")
            for arg in args:
                if not isinstance(arg, Arg):
                    raise TypeError(f"Cannot convert {type(arg).__name__} to seccomp.Arg")
            self._check_action(answer)
            if answer == self._attributes[Attr.ACT_DEFAULT]:
                raise LibraryError(EACCES, f"the action {answer:#x} is the default action already")
            self._database.add_rule(answer, number, asked(arg._fields for arg in args), exactly=exactly)
        except LibraryError as failure:
            raise failure.as_runtime_error() from None
        self._precomputed = None

    def _number(self, syscall: str | int) -> int:
        """The native number of a call."""
        if isinstance(syscall, str):
            number = _names.number(native(), syscall)
            if number == _names.UNKNOWN:
                raise LibraryError(EINVAL, _names.nearest(syscall))
        elif isinstance(syscall, int):
            number = c_int(syscall)
            if number == -1 and not self._attributes[Attr.API_TSKIP]:
                raise LibraryError(EINVAL, "the number -1 needs the attribute API_TSKIP")
            if -100 < number < -1:
                raise LibraryError(EINVAL, f"{number} is no number of a system call")
        else:
            raise TypeError("Syscall must either be an int or str type")
        self._database.check()
        return number

    def load(self) -> None:
        """Load the filter into the kernel, for this thread, or with CTL_TSYNC for all; it is there for good.

        Raises:
            RuntimeError: ECANCELED, the kernel refused, with API_SYSRAWRC its own errno; ESRCH, a thread cannot follow;
                EINVAL, no architecture.
        """
        attributes = self._attributes
        notifies = self._notifies()
        program = self._program()
        listens = notifies and _support.has("action user_notif") and _support.own_listener() < 0
        tsync = bool(attributes[Attr.CTL_TSYNC])
        try:
            if attributes[Attr.CTL_NNP]:
                set_no_new_privs()
            fd = set_mode_filter(
                program,
                tsync=tsync,
                log=bool(attributes[Attr.CTL_LOG]),
                spec_allow=bool(attributes[Attr.CTL_SSB]),
                new_listener=listens,
                tsync_esrch=tsync and listens and _support.has("tsync_esrch"),
                wait_killable_recv=listens and bool(attributes[Attr.CTL_WAITKILL]),
            )
        except EnforcementError as error:
            raise self._refusal(error).as_runtime_error() from error
        if listens:
            _support.keep_listener(fd)

    def _refusal(self, error: EnforcementError) -> LibraryError:
        """What a refusal of the kernel is told as."""
        number = error.errno or ECANCELED
        raw = number == ESRCH or self._attributes[Attr.API_SYSRAWRC]
        return LibraryError(number if raw else ECANCELED, "; ".join(part for part in (str(error), error.hint) if part))

    def _notifies(self) -> bool:
        return self._attributes[Attr.ACT_BADARCH] == NOTIFY or self._database.uses(NOTIFY)

    def receive_notify(self, fd: Number | None = None) -> Notification:
        """Wait for a call that is answered by NOTIFY, on the process's listener or on another.

        Raises:
            RuntimeError: there is no listener; ECANCELED, the call was given up before it could be read; ENOENT, after.
        """
        listener = self._listener(fd)
        try:
            found = listener.receive()
            if found is None:
                raise LibraryError(ECANCELED, "the call was given up before it could be read")
            if not listener.is_valid(found.id):
                raise LibraryError(ENOENT, "the call was given up when it had been read")
        except EnforcementError as error:
            raise LibraryError(ECANCELED, str(error)).as_runtime_error() from error
        except LibraryError as failure:
            raise failure.as_runtime_error() from None
        return Notification(found.id, found.pid, found.flags, found.nr, found.arch, found.ip, found.args)

    def respond_notify(self, response: NotificationResponse, fd: Number | None = None) -> None:
        """Answer a call.

        Raises:
            RuntimeError: there is no listener; ECANCELED, nobody waits for the answer, or it is none.
        """
        listener = self._listener(fd)
        try:
            if response.flags & ~FLAG_CONTINUE:
                raise LibraryError(ECANCELED, f"no answer has the flags {response.flags:#x}")
            continue_ = bool(response.flags & FLAG_CONTINUE)
            if not listener.respond(response.id, response.val, response.error, continue_=continue_):
                raise LibraryError(ECANCELED, "nobody waits for the answer any more")
        except EnforcementError as error:
            raise LibraryError(ECANCELED, str(error)).as_runtime_error() from error
        except LibraryError as failure:
            raise failure.as_runtime_error() from None

    def _listener(self, fd: Number | None) -> Listener:
        number = self.get_notify_fd() if fd is None else c_int(fd)
        try:
            return _support.listener(number)
        except EnforcementError as error:
            raise LibraryError(EOPNOTSUPP, str(error)).as_runtime_error() from error

    def get_notify_fd(self) -> int:
        """Give the descriptor of the listener, which loading a filter with NOTIFY made.

        Raises:
            RuntimeError: there is none.
        """
        fd = _support.own_listener()
        if fd < 0:
            raise RuntimeError("Notifications not enabled/active")
        return fd

    def export_pfc(self, file: HasFileno) -> None:
        """Write the filter as text for people to a file's descriptor.

        Raises:
            RuntimeError: ECANCELED, it cannot be written, with API_SYSRAWRC the errno; EINVAL, no architecture.
        """
        fd = file.fileno()
        self._check()
        tree = self._attributes[Attr.CTL_OPTIMIZE] == 2
        self._write(fd, _pfc.text(self._database, self._attributes[Attr.ACT_BADARCH], tree=tree).encode())

    def export_bpf(self, file: HasFileno) -> None:
        """Write the program, an array of `struct sock_filter` in the architectures' byte order, to a file's descriptor.

        Raises:
            RuntimeError: ECANCELED, it cannot be written, with API_SYSRAWRC the errno; EINVAL, no architecture.
        """
        fd = file.fileno()
        self._write(fd, self._program())

    def _write(self, fd: int, data: bytes) -> None:
        try:
            while data:
                data = data[os.write(fd, data) :]
        except OSError as error:
            number = error.errno or ECANCELED
            raw = self._attributes[Attr.API_SYSRAWRC]
            raise LibraryError(number if raw else ECANCELED, f"write: {error.strerror}").as_runtime_error() from error

    def export_bpf_mem(self) -> memoryview:
        """Give the program, an array of `struct sock_filter` in the architectures' byte order.

        Raises:
            RuntimeError: EINVAL, no architecture.
        """
        return memoryview(bytearray(self._program()))

    def start_transaction(self) -> None:
        """Start a transaction: changes of rules and architectures that can be rejected. They nest.

        Raises:
            RuntimeError: EINVAL, no architecture.
        """
        self._check()
        self._database.start()

    def reject_transaction(self) -> None:
        """Undo what was done since the last transaction started; without one, nothing."""
        if self._database.arches:
            self._database.reject()
            self._precomputed = None

    def commit_transaction(self) -> None:
        """Keep what was done since the last transaction started; without one, nothing.

        Raises:
            RuntimeError: EINVAL, no architecture.
        """
        self._check()
        self._database.commit()

    def precompute(self) -> None:
        """Compile now, so that loading or exporting, until the next change, need not.

        Raises:
            RuntimeError: EINVAL, no architecture; EFAULT, too many rules for the 4096 instructions of a filter.
        """
        self._program()

    def _check(self) -> None:
        try:
            self._database.check()
        except LibraryError as failure:
            raise failure.as_runtime_error() from None

    def _program(self) -> bytes:
        """The program as the kernel reads it; compiled when something changed."""
        self._check()
        if self._precomputed is None:
            try:
                program = _policy.program(self._database, self._attributes[Attr.ACT_BADARCH])
            except ParseError as error:
                raise LibraryError(EFAULT, str(error)).as_runtime_error() from error
            self._precomputed = program.to_bytes(big_endian=self._database.big_endian)
        return self._precomputed


def _is_action(action: int) -> bool:
    """Whether an unsigned number is an action, with a valid errno, that the kernel knows."""
    if action & 0xFFFF0000 == RET_ERRNO:
        return action & 0xFFFF < _MAX_ERRNO
    if action & 0xFFFF0000 == RET_TRACE or action in (RET_KILL_THREAD, RET_TRAP, RET_ALLOW):
        return True
    needs = _support.ACTIONS.get(action)
    return needs is not None and _support.has(needs)
