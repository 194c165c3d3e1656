"""Start a program confined.

Late: the program is traced until its loader is done, and confines itself at its entry point (`inject`).
Early: the forked child confines itself, then executes the program, which needs promises for its loader.
Either way the program is a child of this process, in the same process group and session, and nobody
traces it once it runs.
"""

from __future__ import annotations

import os

from troth.errors import EnforcementError, TrothError
from troth.kernel import landlock, process, ptrace, seccomp
from troth.sandbox.image import SHELL
from troth.sandbox.inject import Ended, Tracee
from troth.sandbox.signals import SIGKILL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Final, NoReturn

    from troth.kernel.notify import Listener
    from troth.sandbox.signals import Signals

    # Gives the filter for a process id as bytes; the second argument says whether what is not
    # promised asks the listener, or is answered by the filter itself.
    ProgramFor = Callable[[int, bool], bytes]

_EPERM: Final = 1
_ESRCH: Final = 3
_ENOEXEC: Final = 8
_EBUSY: Final = 16
_EINVAL: Final = 22
_HIGH_FD: Final = 700  # where a descriptor that the program inherits is out of its loader's way

_LISTEN: Final = seccomp.FILTER_FLAG_NEW_LISTENER | seccomp.FILTER_FLAG_TSYNC | seccomp.FILTER_FLAG_TSYNC_ESRCH


class NoListener(Exception):  # noqa: N818  # an outcome that has a remedy
    """The listener of the filter cannot be taken over; the program was ended before it ran."""


class ExecError(TrothError):
    """execve(2) of the program failed; `errno` says how, `path` what."""

    def __init__(self, path: str, errno: int) -> None:
        self.path = path
        self.errno = errno
        super().__init__(f"{path!r}: {os.strerror(errno).lower()}")


class Child:
    """A program that was started: its process id, its filter's listener, and, if it is dead already, its status.

    `arch` is the architecture it turned out to be, empty if it was not traced.
    """

    __slots__ = ("pid", "listener", "status", "arch")

    def __init__(self, pid: int, listener: Listener | None, status: int | None, arch: str = "") -> None:
        self.pid = pid
        self.listener = listener
        self.status = status
        self.arch = arch


def launch(
    argv: Sequence[str | bytes],
    *,
    executable: str | bytes,
    program: ProgramFor,
    signals: Signals,
    ruleset_fd: int | None = None,
    late: bool = True,
    listen: bool = False,
    env: Mapping[str, str] | Mapping[bytes, bytes] | None = None,
    cwd: str | None = None,
    restrict_flags: int = 0,
    text: bool = False,
    dies_with_us: bool = False,
) -> Child:
    """Start `executable` with these arguments, confined by a filter and, if given, a Landlock ruleset.

    `program` is called with the child's id while the child is starting. With `listen` the filter gets a
    listener, `Child.listener`; where another filter has one already, it does without. Early, a listener
    needs a filter that allows read(2) and write(2). A `text` that the kernel cannot execute is run by
    the shell, as execvp(3) does. With `dies_with_us` the program is killed when this thread ends.

    Raises:
        ExecError: the program cannot be executed.
        NotTraceable: it cannot be confined late; it has not run.
        NoListener: it cannot be confined with a listener; it has not run.
        EnforcementError: the kernel refused a step; the program was killed, and has not run.
    """
    environment = os.environ if env is None else env
    ruleset = -1 if ruleset_fd is None else _high(ruleset_fd)
    try:
        start = _late if late else _early
        return start(
            _Start(executable, argv, environment, cwd, ruleset, restrict_flags, text, dies_with_us),
            program,
            signals,
            listen=listen,
        )
    finally:
        if ruleset >= 0:
            os.close(ruleset)


class _Start:
    """What the forked child needs; all of it is there before the fork."""

    def __init__(
        self,
        executable: str | bytes,
        argv: Sequence[str | bytes],
        env: Mapping[str, str] | Mapping[bytes, bytes],
        cwd: str | None,
        ruleset: int,
        flags: int,
        text: bool,
        dies_with_us: bool,
    ) -> None:
        self.executable = executable
        self.argv = list(argv)
        self.env = env
        self.cwd = cwd
        self.ruleset = ruleset
        self.flags = flags
        self.text = text
        self._parent = os.getpid() if dies_with_us else 0

    def prepare(self) -> None:
        """What the child does first, early or late."""
        if self._parent:
            process.set_parent_death_signal(SIGKILL)
            if os.getppid() != self._parent:
                os._exit(127)
        if self.cwd is not None:
            os.chdir(self.cwd)

    def execute(self) -> None:
        """Become the program, or the shell that runs it; comes back only by an exception."""
        try:
            os.execve(self.executable, self.argv, self.env)
        except OSError as error:
            if error.errno != _ENOEXEC or not self.text:
                raise
        os.execve(SHELL, [SHELL, self.executable, *self.argv[1:]], self.env)


def _high(fd: int) -> int:
    """Duplicate a descriptor to a free high number, close-on-exec; to any number where those are not allowed."""
    for number in range(_HIGH_FD, _HIGH_FD + 100):
        try:
            os.fstat(number)
        except OSError:  # free
            try:
                return os.dup2(fd, number, inheritable=False)
            except OSError:  # above the limit on descriptors
                break
    return os.dup(fd)


def _last_words(pipe: int, text: bytes) -> NoReturn:
    """End a forked child, whatever happens."""
    try:
        if text:
            os.write(pipe, text)
    except OSError:
        pass  # the filter does not allow write(2)
    finally:
        os._exit(127)


# Late


def _late(start: _Start, program: ProgramFor, signals: Signals, *, listen: bool) -> Child:
    go, went = os.pipe()
    failed, fails = os.pipe()
    signals.before_fork()
    pid = os.fork()
    if pid == 0:
        os.close(went)  # or the word that never comes would not end the wait for it
        _become_traced(start, signals, go, fails)
    os.close(go)
    os.close(fails)
    signals.adopt(pid)
    tracee: Tracee | None = None
    try:
        tracee = Tracee(pid, signals)
        os.write(went, b"g")
        filters = program(pid, listen)  # while the child executes the program
        tracee.to_program()
        _load_the_rest()  # while the loader runs
        tracee.to_entry()
        return _confine(tracee, start, filters, program, listen=listen)
    except Ended as end:
        code = os.read(failed, 16)
        if code:
            raise ExecError(os.fsdecode(start.executable), int(code)) from None
        return Child(pid, None, end.status)
    except BaseException as error:
        signals.target = 0
        if tracee is None:
            os.close(went)  # the child, which waits for a word, gives up
            went = -1
            os.waitpid(pid, 0)
            raise
        status = tracee.kill()
        if isinstance(error, EnforcementError) and error.errno == _ESRCH:
            return Child(pid, None, status)  # somebody killed it before
        raise
    finally:
        os.close(failed)
        if went >= 0:
            os.close(went)


def _load_the_rest() -> None:
    """Import what is needed once the program runs, at a time when there is nothing to do but wait for it."""
    from troth.kernel import notify  # noqa: F401
    from troth.sandbox import supervise  # noqa: F401


def _become_traced(start: _Start, signals: Signals, go: int, fails: int) -> NoReturn:
    """The child, late: wait until it is traced, then execute the program."""
    code = 0
    try:
        if os.read(go, 1):
            start.prepare()
            if start.ruleset >= 0:
                os.set_inheritable(start.ruleset, True)
            process.set_no_new_privs()
            signals.restore_in_child()
            start.execute()
    except OSError as error:
        code = error.errno or _EINVAL
    except ValueError:  # a NUL byte in an argument
        code = _EINVAL
    finally:
        _last_words(fails, b"%d" % code if code else b"")


def _confine(tracee: Tracee, start: _Start, program: bytes, factory: ProgramFor, *, listen: bool) -> Child:
    """Make a program that is stopped at its entry point confine itself, and let it go."""
    if start.ruleset >= 0:
        # Landlock binds a thread; what it refuses from here on is nothing that this file needs.
        for tid in tracee.stopped:
            tracee.call("landlock_restrict_self", start.ruleset, start.flags, tid=tid)
        tracee.call("close", start.ruleset)
    flags = seccomp.FILTER_FLAG_TSYNC
    taken = -1
    if listen:
        try:
            fd = tracee.with_program(program, lambda at: tracee.call("seccomp", seccomp.SET_MODE_FILTER, _LISTEN, at))
        except EnforcementError as error:
            if error.errno not in (_EBUSY, _EINVAL):  # a filter has a listener already; a kernel before 5.7
                raise
            program = factory(tracee.pid, False)
            listen = False
        else:
            taken = _take_listener(tracee.pid, fd)
            try:
                # Whoever holds the listener can allow anything; the filter may not allow close(2).
                tracee.call("close", fd, listener=taken)
            except BaseException:
                os.close(taken)
                raise
    if not listen:
        failed = tracee.with_program(program, lambda at: tracee.call("seccomp", seccomp.SET_MODE_FILTER, flags, at))
        if failed:
            raise EnforcementError("seccomp", _EPERM, hint=f"thread {failed} of the program cannot be bound")
    tracee.release()
    return Child(tracee.pid, _listener(taken), None, tracee.arch)


def _take_listener(pid: int, fd: int) -> int:
    """Duplicate the listener that a child has as descriptor `fd`.

    Raises:
        NoListener: the kernel has no pidfd_getfd(2), or does not allow it.
    """
    pidfd = -1
    try:
        pidfd = process.pidfd_open(pid)
        return process.pidfd_getfd(pidfd, fd)
    except EnforcementError as error:
        raise NoListener(str(error)) from error
    finally:
        if pidfd >= 0:
            os.close(pidfd)


def _listener(fd: int) -> Listener | None:
    if fd < 0:
        return None
    from troth.kernel.notify import Listener

    return Listener(fd)


# Early


def _early(start: _Start, program: ProgramFor, signals: Signals, *, listen: bool) -> Child:
    told, tells = os.pipe()
    answered, answers = os.pipe()
    signals.before_fork()
    pid = os.fork()
    if pid == 0:
        os.close(answers)
        _confine_and_execute(start, program, signals, tells, answered, listen=listen)
    os.close(tells)
    os.close(answered)
    signals.adopt(pid)
    os.set_blocking(told, False)
    listener: Listener | None = None
    asking = False
    try:
        while True:
            try:
                said = os.read(told, 256)
            except BlockingIOError:
                if listener is None:
                    signals.pause(told)
                elif asking:
                    _refuse(listener)  # it asked before the pipe was seen empty: still the child, not the program
                    asking = False
                else:
                    asking = listener.fd in signals.pause(told, listener.fd)
                continue
            if not said:
                return Child(pid, listener, None)
            kind, number, call = said.decode("ascii").split(" ")
            if kind == "listener":
                listener = _listener(_take_listener(pid, int(number)))
                os.write(answers, b"g")
            elif kind == "executing":
                raise ExecError(os.fsdecode(start.executable), int(number))
            else:
                raise EnforcementError(call, int(number))
    except BaseException:
        signals.target = 0
        if listener is not None:
            listener.close()
        os.kill(pid, SIGKILL)
        os.waitpid(pid, 0)
        raise
    finally:
        os.close(told)
        os.close(answers)


def _refuse(listener: Listener) -> None:
    """Refuse a call of the child itself, so that it can tell that it failed."""
    call = listener.receive()
    if call is not None:
        listener.respond(call.id, error=_EPERM)


def _confine_and_execute(
    start: _Start, program: ProgramFor, signals: Signals, tells: int, answered: int, *, listen: bool
) -> NoReturn:
    """The child, early: confine oneself and execute the program; nothing is imported once it began."""
    step = b"executing"
    code = 0
    call = b"-"
    try:
        pid = os.getpid()
        start.prepare()
        step = b"enforcing"
        filters = program(pid, listen)
        signals.restore_in_child()
        process.set_no_new_privs()
        if start.ruleset >= 0:
            landlock.restrict_self(start.ruleset, start.flags)
        if listen:
            try:
                fd = seccomp.set_mode_filter(filters, new_listener=True)
            except EnforcementError as error:
                if error.errno not in (_EBUSY, _EINVAL):  # a filter has a listener already; a kernel before 5.0
                    raise
                filters = program(pid, False)
                listen = False
            else:
                os.write(tells, b"listener %d -" % fd)
                if not os.read(answered, 1):
                    os._exit(125)
        if not listen:
            seccomp.set_mode_filter(filters)
        step = b"executing"
        start.execute()
    except EnforcementError as error:
        code, call = error.errno or _EINVAL, error.call.encode()
    except OSError as error:
        code = error.errno or _EINVAL
    except Exception:  # a NUL byte in an argument; a fault of `program`, which would be ours
        code = _EINVAL
    finally:
        _last_words(tells, b"%s %d %s" % (step, code, call) if code else b"")


def may_trace() -> bool:
    """Whether ptrace(2) is to be had, found out by a child that may be killed for asking."""
    pid = os.fork()
    if pid == 0:
        os._exit(0 if ptrace.may_be_traced() else 1)
    return os.waitpid(pid, 0)[1] == 0
