"""What the tests of `troth.kernel` share: tiny filters, a watchdog, and a target with its supervisor."""

from __future__ import annotations

import errno
import os
import pickle
import signal
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from children import in_child
from conftest import needs

from troth import abi
from troth.abi import seccomp as answers
from troth.abi.landlock import FS_BY_ABI, NET_BY_ABI, SCOPE_BY_ABI
from troth.errors import EnforcementError
from troth.kernel import landlock, process, seccomp
from troth.kernel.notify import Listener, Notification

T = TypeVar("T")
NR = abi.numbers(abi.native().name)

_LOAD, _EQUAL, _ANSWER = 0x20, 0x15, 0x06
_TOO_LONG = 60  # seconds after which a child that waits for ever is killed


def insn(code: int, jt: int = 0, jf: int = 0, k: int = 0) -> bytes:
    return struct.pack("=HBBI", code, jt, jf, k)


def answer_with(answer: int) -> bytes:
    """A filter that answers everything alike."""
    return insn(_ANSWER, k=answer)


def refuse(name: str, answer: int, *, first: int | None = None) -> bytes:
    """A filter that gives `answer` to one call, only for one value of its first argument if given."""
    low = 20 if abi.native().big_endian else 16
    argument = [] if first is None else [insn(_LOAD, k=low), insn(_EQUAL, 0, 1, first)]
    return b"".join(
        [
            insn(_LOAD, k=0),
            insn(_EQUAL, 0, 1 + len(argument), NR[name]),
            *argument,
            insn(_ANSWER, k=answer),
            insn(_ANSWER, k=answers.RET_ALLOW),
        ]
    )


def fail(name: str, errno: int, *, first: int | None = None) -> bytes:
    """A filter that lets one call fail."""
    return refuse(name, answers.RET_ERRNO | errno, first=first)


def alone(work: Callable[[], T], *, unprivileged: bool = False) -> T:
    """`in_child`, and the child does not outlive its usefulness."""

    def guarded() -> T:
        signal.alarm(_TOO_LONG)
        process.set_dumpable(dumpable=True)  # changing the user took it away, and with it debuggers of the same user
        return work()

    return in_child(guarded, unprivileged=unprivileged)


def needs_no_filter() -> None:
    """Skip where the tests themselves run under a filter, as in a container."""
    needs(process.get_seccomp() == 0, "a process without a filter")


def errno_of(call: Callable[[], object]) -> int:
    """The errno with which a wrapper fails, 0 when it does not."""
    try:
        call()
    except EnforcementError as error:
        return error.errno or -1
    return 0


class Target:
    """A process under a filter with a listener: the calls it makes wait for us."""

    def __init__(self, pid: int, listener: Listener, line: socket.socket) -> None:
        self.pid = pid
        self.listener = listener
        self._line = line

    def received(self) -> Notification:
        """The next call; there has to be one."""
        notification = self.listener.receive()
        assert notification is not None
        return notification

    def result(self) -> object:
        """What the target's work gave."""
        data = b""
        while part := self._line.recv(65536):
            data += part
        return pickle.loads(data)


def fork(work: Callable[[], object]) -> int:
    """Fork a process that does `work` and exits, or is killed when that never ends."""
    pid = os.fork()
    if pid == 0:
        try:
            signal.alarm(_TOO_LONG)
            work()
            os._exit(0)
        finally:
            os._exit(1)
    return pid


@contextmanager
def target(program: bytes, work: Callable[[], object], *, wait_killable_recv: bool = False) -> Iterator[Target]:
    """Fork a target that does `work` under `program`; whatever is left of it in the end is killed."""
    ours, theirs = socket.socketpair()

    def confined() -> None:
        ours.close()
        process.set_no_new_privs()
        fd = seccomp.set_mode_filter(program, new_listener=True, wait_killable_recv=wait_killable_recv)
        socket.send_fds(theirs, [b"."], [fd])
        os.close(fd)
        theirs.sendall(pickle.dumps(work()))

    pid = fork(confined)
    theirs.close()
    try:
        with ours:
            _, fds, _, _ = socket.recv_fds(ours, 1, 1)
            with Listener(fds[0]) as listener:
                yield Target(pid, listener, ours)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def refused_as_unknown(fs: int = 0, net: int = 0, scoped: int = 0) -> bool:
    """Whether these rights are newer than this kernel, which then has to refuse them."""
    known = landlock.abi()
    if not (fs & ~FS_BY_ABI[known] or net & ~NET_BY_ABI[known] or scoped & ~SCOPE_BY_ABI[known]):
        return False
    assert errno_of(lambda: landlock.create_ruleset(fs, net, scoped)) in (errno.EINVAL, errno.E2BIG)
    return True


def attempt(call: Callable[[], object]) -> int:
    """The errno with which an ordinary operation fails, 0 when it does not."""
    try:
        result = call()
    except OSError as error:
        return error.errno or -1
    if isinstance(result, int) and result > 2:
        os.close(result)
    return 0
