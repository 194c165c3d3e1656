"""Run one case in the box, and write down what it asks the kernel for; refuse it what it is to do without.

The probe's filter sends every call here. Between the marks that a case sets, calls are recorded per task and, when
they are to be refused, answered; all others are let through.
"""

from __future__ import annotations

import os
import select
import signal
import struct
import tempfile
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple, Self

from troth import abi
from troth.abi.words import argument, errno_name
from troth.errors import EnforcementError, RequestError
from troth.kernel.notify import Listener, Notification
from troth.libc.probe.box import Box, open_box
from troth.libc.probe.facts import Seen
from troth.libc.probe.seen import seen

if TYPE_CHECKING:
    from collections.abc import Callable

# As source/harness.c has them.
MARK = 0x7E57
BEGIN, END, LEAVE, EXECED, ABSENT, STARTING = range(1, 7)
OK, VALUE, FAILED = range(3)
NOTHING = "nothing"  # it failed, and left errno alone

_WORD = struct.Struct("=i")
_CLONE_FLAGS = struct.Struct("=Q")
_U32 = 0xFFFFFFFF
_SETTLE_S = 1.0  # without a call, for what a case has started, before it is left alone
_ASLEEP = 4  # times in a row, some milliseconds apart, that all of it slept: it waits for something
_STARVED = 5  # times the limit that a task is given which is ready to run all the while
_STUCK_S = 30.0
_MOST_NAMES = 1 << 17
_MOST_CALLS = 3000  # of one run; more is a loop without end

_ENDS = frozenset(("exit", "exit_group"))
_MAKES = frozenset(("clone", "clone3", "fork", "vfork"))
_EXEC = frozenset(("execve", "execveat"))


class Entry(NamedTuple):
    """A case as the probe names it."""

    number: int
    function: str
    variant: str


class Run(NamedTuple):
    """How a case ran: its result, the calls of its first task, and those that only others made.

    `result` is what the function returned, or how the process ended without returning, or `hangs`; `ended` says
    whether it is one of the latter. `loose` says that something was still running a while later, `races` that others
    called something meanwhile, those of the set-up too. `absent` says that the libc lacks the function.
    """

    result: str
    ended: bool
    own: tuple[Seen, ...]
    elsewhere: tuple[Seen, ...]
    loose: bool
    races: bool
    absent: bool


class Session:
    """A probe in a box, and the `entries` of its cases; a context manager.

    Raises:
        RequestError: no box can be made here.
    """

    def __init__(self, box: Box, arch: str) -> None:
        self._arch = arch
        self._audit = abi.arch(arch).audit
        self._directory = tempfile.TemporaryDirectory(prefix="troth-probe-")
        self._opened = open_box(box, Path(self._directory.name))
        self._listener = Listener(self._opened.listener)
        try:
            self._listener.set_flags(sync_wake_up=True)
        except EnforcementError:
            pass  # before Linux 6.6: the same, slower
        rows = self._opened.control.recv(_MOST_NAMES).decode().splitlines()
        self.entries = tuple(Entry(number, *row.split("\t")) for number, row in enumerate(rows))
        self._poll = select.poll()
        self._poll.register(self._listener.fd, select.POLLIN)
        self._poll.register(self._opened.control, select.POLLIN)
        self._names = abi.names(arch)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._opened.control.close()
        self._listener.close()
        os.waitpid(self._opened.pid, 0)
        self._directory.cleanup()

    def run(self, index: int, refuse: Callable[[Seen], int] | None = None, *, limit: float) -> Run:
        """Run a case; `refuse` says with which errno to answer a call, or 0 to let it be made.

        It hangs when its tasks have slept for `limit` seconds and none has called anything, or when they call too
        much. Once it has told its result, what it has started is waited for until that has ended or sleeps. On a busy
        machine a task that is ready to run may have to wait, which is neither.

        Raises:
            RequestError: the case does not get as far as to be recorded.
        """
        record = _Record(self._arch)
        self._opened.control.send(_WORD.pack(index))
        last = monotonic()
        held: Notification | None = None  # its end, which waits for what it has started
        hangs = loose = False
        asleep = 0  # how often all were, one time after the other
        while True:
            now = monotonic()
            if held and (record.left <= 0 or asleep >= _ASLEEP or now - last > _SETTLE_S):
                loose = record.left > 0
                self._listener.respond(held.id, continue_=held.nr != MARK)
                held = None
            idle = now - last > limit and (now - last > _STARVED * limit or not record.busy())
            if not hangs and record.started and (idle or record.count > _MOST_CALLS):
                hangs = True
                record.kill()
            if now - last > _STUCK_S:
                entry = self.entries[index]
                raise RequestError(f"the probe of `{entry.function}, {entry.variant}` does not go on", hint="try again")
            ready = self._poll.poll(3 if held else 20)
            asleep = asleep + 1 if held and not ready and not record.busy() else 0
            if any(fd == self._opened.control.fileno() for fd, _ in ready):
                (status,) = _WORD.unpack(self._opened.control.recv(_WORD.size))
                return record.finished(status, hangs=hangs, loose=loose)
            call = self._listener.receive() if ready else None
            if call is None:
                continue
            last = now
            if call.nr == MARK:
                found, errno, ends = None, 0, record.mark(call)
            else:
                found = record.note(call)
                errno = refuse(found) if found and refuse else 0
                ends = found is not None and not errno and record.is_end(call, found)
            if ends:
                held = call
            elif found and errno:
                record.refused(call, found)
                self._listener.respond(call.id, error=errno)
            else:
                self._listener.respond(call.id, continue_=call.nr != MARK)


class _Record:
    """What one run has done so far."""

    def __init__(self, arch: str) -> None:
        self._arch = arch
        self._main = 0
        self._recording = False
        self._starting = False
        self._left: set[int] = set()  # tasks whose calls are no longer the case's
        self._before: set[int] = set()  # helpers of the set-up
        self._own: dict[Seen, None] = {}
        self._elsewhere: dict[Seen, None] = {}
        self._result = ""
        self._races = False
        self._absent = False
        self._made = 0  # tasks that were started
        self._others: set[int] = set()  # those of them that called something
        self.left = 0  # tasks that were started and have not ended
        self.count = 0

    @property
    def started(self) -> bool:
        """Whether the case is being recorded, or about to be."""
        return self._main != 0

    def busy(self) -> bool:
        """Whether a task of the case is ready to run, or has been made and was not seen yet."""
        if self._made > len(self._others):
            return True
        return any(_runs(pid) for pid in (self._main, *self._others) if pid and pid not in self._left)

    def kill(self) -> None:
        """End the process of the case."""
        if self._main:
            try:
                os.kill(self._main, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def mark(self, call: Notification) -> bool:
        """Take a mark; says whether its answer has to wait for what the case has started."""
        what, first, second = (value & _U32 for value in call.args[:3])
        if what == BEGIN:
            self._main, self._recording = call.pid, True
        elif what == STARTING:
            self._main, self._starting = call.pid, True
        elif what == END:
            self._result = self._result or _result(first, second, self._arch)
            if call.pid == self._main:
                self._left.add(call.pid)
                return True
            self._gone(call.pid)  # daemon() comes back in another process
        elif what in (LEAVE, EXECED):
            self._gone(call.pid)
        elif what == ABSENT:
            self._absent = True
        return False

    def note(self, call: Notification) -> Seen | None:
        """Write a call down; None when it is not the case's."""
        if not self._main:
            self._before.add(call.pid)
            return None
        name = abi.names(self._arch).get(call.nr, "")
        if not self._recording:
            if call.pid == self._main and self._starting and name in _EXEC:
                self._recording = True
            self._before.add(call.pid)
            return None
        if call.pid in self._left:
            return None
        if call.pid in self._before and call.pid != self._main:
            self._races = True
            return None
        self.count += 1
        found = seen(self._arch, call.nr, call.args)
        if name == "clone3":
            found = found.replace(behind=_clone_flags(self._arch, call))
        (self._own if call.pid == self._main else self._elsewhere).setdefault(found)
        if call.pid != self._main:
            self._others.add(call.pid)
        if name in _MAKES:
            self._made += 1
            self.left += 1
        elif name in _ENDS and call.pid != self._main:
            self._gone(call.pid)
        return found

    def is_end(self, call: Notification, found: Seen) -> bool:
        """Whether this is the process's end, which what it has started might not outlive."""
        return found.name == "exit_group" and call.pid == self._main

    def refused(self, call: Notification, found: Seen) -> None:
        """Take back what was concluded from a call that is not made after all."""
        if found.name in _MAKES:
            self._made -= 1
            self.left -= 1
        elif found.name in _ENDS and call.pid != self._main:
            self._left.discard(call.pid)
            self.left += 1

    def finished(self, status: int, *, hangs: bool, loose: bool) -> Run:
        """What it comes to, once the process has ended."""
        result = self._result
        ended = hangs or not result or os.WIFSIGNALED(status)  # the last by a thread, while its mark was held
        if hangs:
            result = "hangs"
        elif ended:
            result = _signal_name(os.WTERMSIG(status)) if os.WIFSIGNALED(status) else f"exit {os.WEXITSTATUS(status)}"
        elsewhere = tuple(call for call in self._elsewhere if call not in self._own)
        races = self._races or bool(elsewhere)
        return Run(result, ended, tuple(self._own), elsewhere, loose, races, self._absent)

    def _gone(self, pid: int) -> None:
        self._others.add(pid)
        if pid not in self._left:
            self._left.add(pid)
            self.left -= 1


def _runs(pid: int) -> bool:
    """Whether a task is running, or ready to, or waits for a disk."""
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as stat:
            return stat.read(512).rpartition(b") ")[2][:1] in (b"R", b"D")
    except OSError:
        return False


def _result(kind: int, value: int, arch: str) -> str:
    if kind == OK:
        return "ok"
    if kind == VALUE:
        return str(value - (1 << 32) if value >> 31 else value)
    return errno_name(value, arch) if value else NOTHING


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # of those that a libc keeps for itself
        return f"SIG{number}"


def _clone_flags(arch: str, call: Notification) -> str:
    try:
        with open(f"/proc/{call.pid}/mem", "rb", buffering=0) as memory:
            memory.seek(call.args[0])
            (flags,) = _CLONE_FLAGS.unpack(memory.read(_CLONE_FLAGS.size))
    except OSError:
        return ""
    return argument(arch, "unshare", 0, flags)
