"""The signals of a process that waits for another one.

All signals are blocked and read from a descriptor, so that a wait is one poll(2), nothing is lost
between two looks, and no handler runs in between. The child starts with the mask and the dispositions
that this process was started with.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # what `signal` wraps; `signal` itself imports enum
import os

from troth.kernel.process import read_signals, signalfd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Final, Self

SIGHUP: Final = 1
SIGTRAP: Final = 5
SIGKILL: Final = 9
SIGCHLD: Final[int] = _signal.SIGCHLD
SIGCONT: Final[int] = _signal.SIGCONT
SIGSTOP: Final[int] = _signal.SIGSTOP
SIGSYS: Final[int] = _signal.SIGSYS

# What Python changes at its start: it ignores these two, and catches SIGINT.
_IGNORED_BY_PYTHON: Final[tuple[int, ...]] = (_signal.SIGPIPE, _signal.SIGXFSZ)
# Signals that a fault of our own raises; blocked, they would end the process all the same.
_FAULTS: Final[frozenset[int]] = frozenset((_signal.SIGSEGV, _signal.SIGBUS, _signal.SIGILL, _signal.SIGFPE, SIGTRAP))

_SI_KERNEL: Final = 0x80
WALL: Final = 0x40000000  # __WALL: threads too, which a tracer waits for


class Signals:
    """Hold all signals back, and give them out one by one; a context manager that puts things right again.

    `target` is the process to which `forward` sends what was meant for it, 0 for none.
    """

    def __init__(self) -> None:
        self.target = 0
        self._before: list[int] = []
        self._poll: Callable[[], list[tuple[int, int]]] | None = None
        self._watched: tuple[int, ...] | None = None
        self._held: set[int] = _signal.valid_signals() - _FAULTS
        self._mask: set[int] = _signal.pthread_sigmask(_signal.SIG_BLOCK, self._held)
        # With SIGCHLD ignored the kernel would throw away the child's status.
        self._ignores_children = _signal.getsignal(SIGCHLD) == _signal.SIG_IGN
        if self._ignores_children:
            _signal.signal(SIGCHLD, _signal.SIG_DFL)
        self.fd = signalfd(self._held)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let signals through again; what still waits is delivered now."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
            if self._ignores_children:
                _signal.signal(SIGCHLD, _signal.SIG_IGN)
            _signal.pthread_sigmask(_signal.SIG_SETMASK, self._mask)

    def restore_in_child(self) -> None:
        """Undo for a program to be executed what this object and Python's start have changed.

        A signal that Python ignores is set to its default, as `subprocess` does: what it was before is
        not known. A handler is too, or a signal between here and execve(2) would be lost in it.
        """
        for signum in _IGNORED_BY_PYTHON:
            _signal.signal(signum, _signal.SIG_DFL)
        if callable(_signal.getsignal(_signal.SIGINT)):
            _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
        if self._ignores_children:
            _signal.signal(SIGCHLD, _signal.SIG_IGN)
        _signal.pthread_sigmask(_signal.SIG_SETMASK, self._mask)

    def before_fork(self) -> None:
        """Set aside what has arrived: a child that is not there yet has not got it, not even from the terminal."""
        if not self._held.isdisjoint(_signal.sigpending()):
            self._before += [signal.signo for signal in read_signals(self.fd) if signal.signo != SIGCHLD]

    def adopt(self, pid: int) -> None:
        """From now on forward to this child, and first what arrived before it was there."""
        self.target = pid
        for signum in self._before:
            os.kill(pid, signum)

    def take(self) -> None:
        """Read what has arrived, waiting for it, and forward what was sent to this process alone."""
        for signal in read_signals(self.fd):
            if signal.signo != SIGCHLD:
                self._forward(signal.signo, signal.code)

    def _forward(self, signum: int, code: int) -> None:
        """Send a signal on, unless the terminal sent it: then the whole foreground group has got it."""
        if code != _SI_KERNEL and self.target:
            try:
                os.kill(self.target, signum)  # our child, not waited for yet: its id cannot be another's
            except OSError:
                pass  # it is dead, or became somebody whom we may not signal

    def look(self, ids: Iterable[int], flags: int = WALL) -> tuple[int, int] | None:
        """The first of these children or tracees that has something to say, as (id, status); does not wait.

        One that has been waited for already says nothing.
        """
        for id_ in tuple(ids):
            try:
                found, status = os.waitpid(id_, flags | os.WNOHANG)
            except ChildProcessError:
                continue
            if found:
                return found, status
        return None

    def pause(self, *others: int) -> list[int]:
        """Wait until a signal has come, forward it, and tell which other descriptors are ready.

        What a child does shows as SIGCHLD: whoever looks before each pause misses nothing.
        """
        if not others:
            self.take()
            return []
        if self._watched != others:
            from select import POLLIN, poll  # not needed before a program runs: there is time then

            poller = poll()
            for fd in (self.fd, *others):
                poller.register(fd, POLLIN)
            self._poll, self._watched = poller.poll, others
        assert self._poll is not None
        ready = [fd for fd, _ in self._poll()]
        if self.fd in ready:
            self.take()
            ready.remove(self.fd)
        return ready


def default(signum: int) -> None:
    """Give a signal its default effect in this process, and let it in."""
    _signal.signal(signum, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_UNBLOCK, (signum,))
