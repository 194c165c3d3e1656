"""The binding's filter."""

from __future__ import annotations

import os
from errno import EACCES, ECANCELED, EFAULT, EINVAL, ENOENT, EOPNOTSUPP, ESRCH

from troth.compat import _names, _pfc, _policy, _support
from troth.compat._arches import find, native
from troth.compat._attributes import ATTRIBUTES, check_action, checked, is_action
from troth.compat._database import Database, asked
from troth.compat._error import LibraryError, told
from troth.compat._numbers import c_int, integer, token
from troth.compat._types import NOTIFY, Arch, Arg, Attr, Notification, NotificationResponse
from troth.errors import EnforcementError, UnsupportedError
from troth.kernel.notify import FLAG_CONTINUE
from troth.kernel.process import set_no_new_privs
from troth.kernel.seccomp import set_mode_filter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol, Self

    from troth.compat._numbers import Number
    from troth.kernel.notify import Listener

    class HasFileno(Protocol):
        """A file to write to."""

        def fileno(self) -> int: ...


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
        if not is_action(action):
            error = RuntimeError("Library error")
            error.add_note(f"{action:#x} is no action, or none that the kernel knows")
            raise error
        self._begin(action)
        return self

    def __init__(self, defaction: Number) -> None:
        """A subclass may have its own, as long as it is called with a default action."""

    def _begin(self, action: int) -> None:
        self._database = Database(action)
        self._attributes = {attr: value for attr, (value, _) in ATTRIBUTES.items()} | {Attr.ACT_DEFAULT: action}
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
        if not is_action(action):
            raise ValueError("Invalid action")
        self._begin(action)

    @told
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
        if filter is None:
            raise LibraryError(EINVAL, "there is no filter to merge with")
        self._database.check()
        filter._database.check()
        for attr in (Attr.ACT_DEFAULT, Attr.CTL_NNP, Attr.CTL_TSYNC):
            if self._attributes[attr] != filter._attributes[attr]:
                raise LibraryError(EINVAL, f"the filters differ in their attribute {attr}")
        self._database.merge(filter._database)
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

    @told
    def add_arch(self, arch: Number | Arch) -> None:
        """Add an architecture; rules that are there do not hold for it, later ones do.

        Raises:
            ValueError: it is none.
            RuntimeError: EEXIST, it is there; EDOM, those that are there have the other byte order.
        """
        found = find(token(arch))
        if found is None:
            raise ValueError("Invalid architecture")
        self._database.add_arch(found)
        self._precomputed = None

    @told
    def remove_arch(self, arch: Number | Arch) -> None:
        """Remove an architecture with its rules; without any, nothing but `add_arch` works.

        Raises:
            ValueError: it is none.
            RuntimeError: EEXIST, it is not there.
        """
        found = find(token(arch))
        if found is None:
            raise ValueError("Invalid architecture")
        self._database.remove_arch(found)
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
            if number == Attr.ACT_BADARCH:
                self._check_action(wanted & 0xFFFFFFFF)
            self._attributes[number] = checked(number, wanted, notifies=self._database.uses(NOTIFY))
        except LibraryError as failure:
            invalid = failure.errno == EINVAL
            raise (failure.as_value_error("Invalid attribute") if invalid else failure.as_runtime_error()) from None
        self._precomputed = None

    def _check_action(self, action: int) -> None:
        check_action(action, on_all_threads=self._attributes[Attr.CTL_TSYNC])

    @told
    def syscall_priority(self, syscall: str | int, priority: Number) -> None:
        """Say how much a call matters, from 0 to 255: a filter finds one that matters more sooner.

        Raises:
            ValueError: not from 0 to 255.
            RuntimeError: no such call.
        """
        weight = c_int(priority)
        if weight < 0 or weight > 255:
            raise ValueError("Syscall priority must be between 0 and 255")
        number = self._number(syscall)
        self._database.set_priority(number, weight)
        self._precomputed = None

    @told
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

    @told
    def add_rule_exactly(self, action: Number, syscall: str | int, *args: Arg) -> None:
        """Like `add_rule`, without rewriting; for filters of one architecture.

        Raises:
            RuntimeError: as `add_rule`; EOPNOTSUPP, several architectures; EDOM, the call does not exist; EINVAL, its
                arguments cannot be seen.
        """
        self._add(action, syscall, args, exactly=True)

    def _add(self, action: Number, syscall: str | int, args: tuple[Arg, ...], *, exactly: bool) -> None:
        answer = c_int(action) & 0xFFFFFFFF
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

    @told
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
            raise self._refusal(error) from error
        if listens:
            _support.keep_listener(fd)

    def _refusal(self, error: EnforcementError) -> LibraryError:
        """What a refusal of the kernel is told as."""
        number = error.errno or ECANCELED
        raw = number == ESRCH or self._attributes[Attr.API_SYSRAWRC]
        return LibraryError(number if raw else ECANCELED, "; ".join(part for part in (str(error), error.hint) if part))

    def _notifies(self) -> bool:
        return self._attributes[Attr.ACT_BADARCH] == NOTIFY or self._database.uses(NOTIFY)

    @told
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
            raise LibraryError(ECANCELED, str(error)) from error
        return Notification(found.id, found.pid, found.flags, found.nr, found.arch, found.ip, found.args)

    @told
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
            raise LibraryError(ECANCELED, str(error)) from error

    def _listener(self, fd: Number | None) -> Listener:
        number = self.get_notify_fd() if fd is None else c_int(fd)
        try:
            return _support.listener(number)
        except EnforcementError as error:
            raise LibraryError(EOPNOTSUPP, str(error)) from error

    def get_notify_fd(self) -> int:
        """Give the descriptor of the listener, which loading a filter with NOTIFY made.

        Raises:
            RuntimeError: there is none.
        """
        fd = _support.own_listener()
        if fd < 0:
            raise RuntimeError("Notifications not enabled/active")
        return fd

    @told
    def export_pfc(self, file: HasFileno) -> None:
        """Write the filter as text for people to a file's descriptor.

        Raises:
            RuntimeError: ECANCELED, it cannot be written, with API_SYSRAWRC the errno; EINVAL, no architecture.
        """
        fd = file.fileno()
        self._database.check()
        tree = self._attributes[Attr.CTL_OPTIMIZE] == 2
        self._write(fd, _pfc.text(self._database, self._attributes[Attr.ACT_BADARCH], tree=tree).encode())

    @told
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
            raise LibraryError(number if raw else ECANCELED, f"write: {error.strerror}") from error

    @told
    def export_bpf_mem(self) -> memoryview:
        """Give the program, an array of `struct sock_filter` in the architectures' byte order.

        Raises:
            RuntimeError: EINVAL, no architecture.
        """
        return memoryview(bytearray(self._program()))

    @told
    def start_transaction(self) -> None:
        """Start a transaction: changes of rules and architectures that can be rejected. They nest.

        Raises:
            RuntimeError: EINVAL, no architecture.
        """
        self._database.check()
        self._database.start()

    def reject_transaction(self) -> None:
        """Undo what was done since the last transaction started; without one, nothing."""
        if self._database.arches:
            self._database.reject()
            self._precomputed = None

    @told
    def commit_transaction(self) -> None:
        """Keep what was done since the last transaction started; without one, nothing.

        Raises:
            RuntimeError: EINVAL, no architecture.
        """
        self._database.check()
        self._database.commit()

    @told
    def precompute(self) -> None:
        """Compile now, so that loading or exporting, until the next change, need not.

        Raises:
            RuntimeError: EINVAL, no architecture; EFAULT, too many rules for the 4096 instructions of a filter.
        """
        self._program()

    def _program(self) -> bytes:
        """The program as the kernel reads it; compiled when something changed."""
        self._database.check()
        if self._precomputed is None:
            try:
                bad_arch, optimize = self._attributes[Attr.ACT_BADARCH], self._attributes[Attr.CTL_OPTIMIZE]
                program = _policy.program(self._database, bad_arch, by_priority=optimize == 1)
            except UnsupportedError as error:
                raise LibraryError(EFAULT, str(error)) from error
            self._precomputed = program.to_bytes(big_endian=self._database.big_endian)
        return self._precomputed
