"""Stay with a program until it ends: pass signals on, stop when it stops, say what it was refused.

The filter of the program sends each call that was not promised to a listener, where it waits. It is
never made: the process is killed, and only then the call is answered, with EPERM. If this process is
killed, or ends because the program itself did while its descendants live on, the kernel answers such
calls with ENOSYS from then on. They stay refused; nobody says so any more.
"""

from __future__ import annotations

import os

# `signal` adds enumerations to its compiled half, which take long to load.
from _signal import sigtimedwait  # type: ignore[import-not-found]  # typeshed has `signal` only

from troth import abi
from troth.errors import EnforcementError
from troth.kernel import process, procfs
from troth.sandbox.signals import SIGCONT, SIGKILL, SIGSTOP, SIGSYS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from troth.kernel.notify import Listener, Notification
    from troth.sandbox.launch import Child
    from troth.sandbox.signals import Signals

    # Names the promises that would have allowed a call: architecture, number, arguments.
    Missing = Callable[[str, int, tuple[int, ...]], tuple[str, ...]]
    Report = Callable[[str], None]

_EPERM: Final = 1
_SYS_BIT: Final = 1 << (SIGSYS - 1)
_MOST_KILLED: Final = 256  # processes whose end is watched for; each is a descriptor
_MOST_ASKED: Final = 1024
_MOST_AT_ONCE: Final = 64  # calls answered before looking at the program and at signals again


def supervise(child: Child, signals: Signals, *, missing: Missing, report: Report) -> int:
    """Wait for a started program and give its status as wait(2) does.

    `report` gets one line for each process that did what was not promised. `missing` names what would
    have allowed it; it is called after the process was killed.
    """
    judge = _Judge(child.listener, missing, report) if child.listener is not None else None
    name = procfs.name(child.pid) if child.status is None else ""
    try:
        while True:
            if child.status is None:
                found = signals.look((child.pid,), os.WUNTRACED)
                if found is not None:
                    child.status = found[1]
            if child.status is not None:
                if not os.WIFSTOPPED(child.status):
                    break
                child.status = None
                _stop_too(child.pid)
                continue
            fds = judge.descriptors if judge is not None else ()
            ready = signals.pause(*fds)
            if judge is not None and ready:
                judge.serve(ready)
        signals.target = 0
        if judge is not None:
            judge.serve(judge.descriptors)  # what was refused to descendants before it ended
        elif os.WIFSIGNALED(child.status) and os.WTERMSIG(child.status) == SIGSYS:
            report(f"{printable(name)}[{child.pid}]: killed for a call that its promises do not allow")
        return child.status
    finally:
        if judge is not None:
            judge.close()


def _stop_too(pid: int) -> None:
    """Stop as the program did, so that the shell sees it; when this goes on, so does the program."""
    os.kill(os.getpid(), SIGSTOP)
    # What ended our stop waits in the descriptor; forwarded later, it could undo a new stop of the program.
    sigtimedwait((SIGCONT,), 0)
    flags = os.WEXITED | os.WSTOPPED | os.WCONTINUED | os.WNOHANG | os.WNOWAIT
    try:
        if os.waitid(os.P_PID, pid, flags) is None:  # still in that stop: it was not the whole group that went on
            os.kill(pid, SIGCONT)
    except (ChildProcessError, ProcessLookupError):
        pass


class _Judge:
    """Answers the listener. Every process is reported once, and none is waited for."""

    def __init__(self, listener: Listener, missing: Missing, report: Report) -> None:
        self._listener = listener
        self._missing = missing
        self._report = report
        self._killed: dict[int, int] = {}  # process id to its descriptor, which says when it is gone
        self._asked: dict[tuple[str, int, tuple[int, ...]], tuple[str, ...]] = {}
        self._open = True
        self.descriptors: tuple[int, ...] = (listener.fd,)
        try:
            listener.set_flags(sync_wake_up=True)
        except EnforcementError:  # before Linux 6.6: slower
            pass

    def close(self) -> None:
        self._listener.close()
        for pidfd in self._killed.values():
            os.close(pidfd)

    def serve(self, ready: tuple[int, ...] | list[int]) -> None:
        """Deal with what these descriptors have to say."""
        for pid, pidfd in tuple(self._killed.items()):
            if pidfd in ready and _hung_up(pidfd):
                self._forget(pid)
        if self._open and self._listener.fd in ready:
            for _ in range(_MOST_AT_ONCE):
                if not self._open or not self._one():
                    break
        self.descriptors = (*((self._listener.fd,) if self._open else ()), *self._killed.values())

    def _one(self) -> bool:
        """Deal with one waiting call; False when there is none."""
        events = _events(self._listener.fd)
        if not events & _POLLIN:
            if events:  # POLLHUP: nobody is left under the filter
                self._open = False
            return False
        call = self._listener.receive()
        if call is not None:
            self._refuse(call)
        return True

    def _refuse(self, call: Notification) -> None:
        """Kill the process that made a call, then answer it, then say so.

        `call.pid` is a thread that waits for our answer, so as long as the call is valid the id is not
        another's. A descriptor of its process keeps it so.
        """
        fields = procfs.status(call.pid) if call.pid else {}
        pid = int(fields.get("Tgid", call.pid))
        name = procfs.name(pid)
        again = pid in self._killed
        pidfd = self._killed[pid] if again else _pidfd(pid)
        if not self._listener.is_valid(call.id):
            # The thread died, or a signal handler runs in it and the call will be made again.
            if pidfd >= 0 and not again:
                os.close(pidfd)
            return
        gentle = not again and not (
            (
                procfs.signal_set(fields, "SigBlk")
                | procfs.signal_set(fields, "SigIgn")
                | procfs.signal_set(fields, "SigCgt")
            )
            & _SYS_BIT
        )
        _kill(pid, pidfd, SIGSYS if gentle and fields else SIGKILL)
        self._listener.respond(call.id, error=_EPERM)
        if again:
            return
        if pidfd >= 0 and len(self._killed) < _MOST_KILLED:
            self._killed[pid] = pidfd
        elif pidfd >= 0:
            os.close(pidfd)
        self._say(name, pid, call)

    def _say(self, name: str, pid: int, call: Notification) -> None:
        arch = abi.name_of(call.arch, call.nr)
        promises = self._needed(arch, call)
        if promises:
            words = "` and `".join(promises)
            needs = f"needs promise{'s' if len(promises) > 1 else ''} `{words}`"
        else:
            needs = "no promise allows it"
        self._report(f"{printable(name or '?')}[{pid}]: {spell(arch, call.nr, call.args)}: {needs}")

    def _needed(self, arch: str, call: Notification) -> tuple[str, ...]:
        """Ask once for calls that differ in addresses only: answering costs milliseconds."""
        try:
            kinds = [kind for _, kind in abi.syscall(arch, call.nr).args]
        except KeyError:
            return ()
        args = tuple(min(value, 1) if kind == "ptr" else value for kind, value in zip(kinds, call.args, strict=False))
        key = (arch, call.nr, args)
        if key not in self._asked:
            if len(self._asked) >= _MOST_ASKED:
                self._asked.clear()
            self._asked[key] = self._missing(arch, call.nr, call.args)
        return self._asked[key]

    def _forget(self, pid: int) -> None:
        os.close(self._killed.pop(pid))


def spell(arch: str, nr: int, args: tuple[int, ...]) -> str:
    """A call as its name and the numbers it was made with, each as wide as the kernel takes it.

    >>> spell("x86_64", 2, (0x7fff0000, 0xffffffff_00000000, 0o644, 1, 2, 3))
    'open(0x7fff0000, 0x0, 0x1a4)'
    >>> spell("x86_64", 1023, (1, 2, 3, 4, 5, 6))
    'syscall_1023(0x1, 0x2, 0x3, 0x4, 0x5, 0x6)'
    """
    try:
        call = abi.syscall(arch, nr)
    except KeyError:
        return f"syscall_{nr}({', '.join(map(hex, args))})"
    numbers = (
        value & 0xFFFFFFFF if kind.endswith("32") else value for (_, kind), value in zip(call.args, args, strict=False)
    )
    return f"{call.name}({', '.join(map(hex, numbers))})"


def printable(text: str) -> str:
    r"""A name as it can be shown: quoted, with escapes, where it holds what would not print.

    >>> print(printable("curl"), printable("a\nb"), printable("\udcff"))
    curl 'a\nb' '\udcff'
    """
    return text if text.isprintable() else repr(text)


_POLLIN: Final = 1


def _events(fd: int) -> int:
    """What poll(2) says about a descriptor right now."""
    from select import POLLIN, poll

    poller = poll()
    poller.register(fd, POLLIN)
    found = poller.poll(0)
    return found[0][1] if found else 0


def _hung_up(pidfd: int) -> bool:
    """Whether a process is gone."""
    return bool(_events(pidfd))


def _pidfd(pid: int) -> int:
    """A descriptor of a process, -1 when there can be none."""
    try:
        return process.pidfd_open(pid) if pid else -1
    except EnforcementError:
        return -1


def _kill(pid: int, pidfd: int, signum: int) -> None:
    """Send a signal; one that does not arrive leaves a process that goes on with EPERM."""
    try:
        if pidfd >= 0:
            process.pidfd_send_signal(pidfd, signum)
        elif pid:
            os.kill(pid, signum)
    except OSError:
        pass
