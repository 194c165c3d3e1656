"""A supervisor answers calls: by value, by error, by letting them go on, by a descriptor."""

from __future__ import annotations

import errno
import functools
import os
import select
import signal
import threading
import time
from collections.abc import Callable

import pytest
from conftest import needs
from kernel_programs import NR, Target, alone, errno_of, refuse, target

from troth import abi
from troth.abi import seccomp as answers
from troth.kernel._call import ask
from troth.kernel.notify import Listener
from troth.kernel.probe import probe

ASK_GETPPID = refuse("getppid", answers.RET_USER_NOTIF)
ASK_OPENAT = refuse("openat", answers.RET_USER_NOTIF)
AT_FDCWD = -100


SEND = "Linux 5.14 (SECCOMP_ADDFD_FLAG_SEND)"


@functools.cache
def sends() -> bool:
    """Whether this kernel can inject a descriptor and answer with it; test_by_kernel.py knows which do."""

    def answer(confined: Target) -> bool:
        got = confined.received()
        refused = errno_of(lambda: confined.listener.add_fd(got.id, 0, send=True))
        if refused:
            confined.listener.respond(got.id)
        return not refused

    return bool(supervise(answer)[0])


def getppid() -> int:
    return ask("getppid")


def open_nowhere() -> tuple[int, bytes]:
    """Open a file that does not exist and read it."""
    fd = ask("openat", AT_FDCWD, b"/nonexistent\0", os.O_RDONLY)
    return fd, os.read(fd, 100) if fd >= 0 else b""


def supervise(
    answer: Callable[[Target], object],
    work: Callable[[], object] = getppid,
    program: bytes = ASK_GETPPID,
    *,
    unprivileged: bool = False,
) -> tuple[object, object]:
    """What the supervisor's `answer` gave, and what the target saw."""

    def both() -> tuple[object, object]:
        with target(program, work) as confined:
            return answer(confined), confined.result()

    return alone(both, unprivileged=unprivileged)


def test_a_notification_says_who_calls_what(unprivileged: bool) -> None:
    def answer(confined: Target) -> bool:
        got = confined.received()
        confined.listener.respond(got.id)
        return got.pid == confined.pid and got.flags == 0 and got.ip != 0

    found, _ = supervise(answer, unprivileged=unprivileged)
    assert found is True


def test_a_notification_holds_number_arch_and_arguments() -> None:
    def work() -> int:
        return ask("getppid", 1, 2, 3, 4, 5, 6)

    def answer(confined: Target) -> object:
        got = confined.received()
        confined.listener.respond(got.id)
        return got.nr, got.arch, got.args

    found, _ = supervise(answer, work)
    assert found == (NR["getppid"], abi.native().audit, (1, 2, 3, 4, 5, 6))


def test_a_call_returns_the_value_of_the_answer(unprivileged: bool) -> None:
    found = supervise(lambda t: t.listener.respond(t.received().id, 777), unprivileged=unprivileged)
    assert found == (True, 777)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_call_fails_with_the_errno_of_the_answer_whatever_its_sign(sign: int) -> None:
    found = supervise(lambda t: t.listener.respond(t.received().id, error=sign * errno.EXDEV))
    assert found == (True, -errno.EXDEV)


def test_a_call_that_may_continue_is_made(unprivileged: bool) -> None:
    def answer(confined: Target) -> int:
        confined.listener.respond(confined.received().id, continue_=True)
        return os.getpid()

    parent, seen = supervise(answer, unprivileged=unprivileged)
    assert seen == parent


def test_a_value_together_with_continue_is_einval() -> None:
    def answer(confined: Target) -> int:
        got = confined.received()
        refused = errno_of(lambda: confined.listener.respond(got.id, 1, continue_=True))
        confined.listener.respond(got.id, 5)
        return refused

    assert supervise(answer) == (errno.EINVAL, 5)


def test_a_second_answer_finds_nobody() -> None:
    def both() -> bool:
        with target(ASK_GETPPID, getppid) as confined:
            got = confined.received()
            confined.listener.respond(got.id, 1)
            confined.result()  # the target is past its call
            return confined.listener.respond(got.id, 2)

    assert alone(both) is False


def test_a_descriptor_is_injected_and_returned_by_a_later_answer(unprivileged: bool) -> None:
    def answer(confined: Target) -> object:
        got = confined.received()
        back, there = os.pipe()
        os.write(there, b"injected")
        fd = confined.listener.add_fd(got.id, back)
        confined.listener.respond(got.id, fd or 0)
        return fd

    fd, seen = supervise(answer, open_nowhere, ASK_OPENAT, unprivileged=unprivileged)
    assert seen == (fd, b"injected")


def test_a_descriptor_is_injected_under_a_chosen_number() -> None:
    def answer(confined: Target) -> object:
        got = confined.received()
        back, there = os.pipe()
        os.write(there, b"injected")
        fd = confined.listener.add_fd(got.id, back, newfd=123)
        confined.listener.respond(got.id, fd or 0)
        return fd

    assert supervise(answer, open_nowhere, ASK_OPENAT) == (123, (123, b"injected"))


def test_number_zero_can_be_chosen() -> None:
    def answer(confined: Target) -> object:
        got = confined.received()
        back, there = os.pipe()
        os.write(there, b"injected")
        fd = confined.listener.add_fd(got.id, back, newfd=0)
        confined.listener.respond(got.id, fd or 0)
        return fd

    assert supervise(answer, open_nowhere, ASK_OPENAT) == (0, (0, b"injected"))


@pytest.mark.parametrize("newfd", [None, 123])
def test_a_descriptor_is_injected_and_answered_in_one_step(newfd: int | None, unprivileged: bool) -> None:
    needs(sends(), SEND)

    def answer(confined: Target) -> object:
        got = confined.received()
        back, there = os.pipe()
        os.write(there, b"injected")
        return confined.listener.add_fd(got.id, back, newfd=newfd, send=True)

    fd, seen = supervise(answer, open_nowhere, ASK_OPENAT, unprivileged=unprivileged)
    assert seen == (fd, b"injected")
    assert newfd in (None, fd)


@pytest.mark.parametrize("cloexec", [False, True])
def test_an_injected_descriptor_closes_on_exec_if_wanted(cloexec: bool) -> None:
    needs(sends(), SEND)

    def work() -> bool:
        return os.get_inheritable(ask("openat", AT_FDCWD, b"/nonexistent\0", os.O_RDONLY))

    def answer(confined: Target) -> object:
        return confined.listener.add_fd(confined.received().id, 0, send=True, cloexec=cloexec)

    _, inheritable = supervise(answer, work, ASK_OPENAT)
    assert inheritable is not cloexec


def test_an_injected_descriptor_must_be_one() -> None:
    def answer(confined: Target) -> int:
        got = confined.received()
        refused = errno_of(lambda: confined.listener.add_fd(got.id, 9999))
        confined.listener.respond(got.id, error=errno.EXDEV)
        return refused

    assert supervise(answer, open_nowhere, ASK_OPENAT) == (errno.EBADF, (-errno.EXDEV, b""))


def test_a_target_that_died_is_an_outcome_and_no_error(unprivileged: bool) -> None:
    def both() -> object:
        with target(ASK_GETPPID, getppid) as confined:
            got = confined.received()
            before = confined.listener.is_valid(got.id)
            os.kill(confined.pid, signal.SIGKILL)
            os.waitid(os.P_PID, confined.pid, os.WEXITED | os.WNOWAIT)
            listener = confined.listener
            return before, listener.is_valid(got.id), listener.respond(got.id), listener.add_fd(got.id, 0)

    assert alone(both, unprivileged=unprivileged) == (True, False, False, None)


def test_a_listener_hangs_up_when_the_last_target_is_gone() -> None:
    def both() -> int:
        with target(ASK_GETPPID, lambda: None) as confined:
            poll = select.poll()
            poll.register(confined.listener, select.POLLIN)
            return poll.poll()[0][1]

    needs(receive_ends(), "Linux 6.11 (before, a target holds its filter until it is reaped)")
    assert alone(both) == select.POLLHUP


def test_receive_gives_none_when_the_target_died_before() -> None:
    # Killed while the call waits and before it is received: the notification goes away with it.
    def both() -> object:
        with target(ASK_GETPPID, getppid) as confined:
            poll = select.poll()
            poll.register(confined.listener, select.POLLIN)
            poll.poll()
            os.kill(confined.pid, signal.SIGKILL)
            os.waitid(os.P_PID, confined.pid, os.WEXITED | os.WNOWAIT)
            hung_up = poll.poll()[0][1] & select.POLLHUP
            return bool(hung_up), confined.listener.receive()

    needs(receive_ends(), "Linux 6.11 (a receive that ends when the last target is gone)")
    assert alone(both) == (True, None)


def receive_ends() -> bool:
    """Whether this kernel ends a receive when nobody is left; asked with a signal that would end it otherwise."""

    def both() -> bool:
        signal.signal(signal.SIGALRM, lambda *_: os._exit(1))
        with target(ASK_GETPPID, lambda: None) as confined:
            os.waitid(os.P_PID, confined.pid, os.WEXITED | os.WNOWAIT)
            signal.setitimer(signal.ITIMER_REAL, 2)
            return confined.listener.receive() is None

    try:
        return alone(both)
    except EOFError:
        return False


def test_a_signal_to_the_supervisor_does_not_end_the_wait() -> None:
    def both() -> object:
        handled: list[int] = []
        release, go = os.pipe()

        def handler(*_: object) -> None:
            handled.append(1)
            os.write(go, b".")  # now, and not before, the target makes its call

        def work() -> int:
            os.read(release, 1)
            return getppid()

        signal.signal(signal.SIGUSR1, handler)
        main = threading.get_ident()
        with target(ASK_GETPPID, work) as confined:

            def interrupt() -> None:
                while not waits_in_ioctl():
                    time.sleep(0)
                signal.pthread_kill(main, signal.SIGUSR1)

            thread = threading.Thread(target=interrupt)
            thread.start()
            got = confined.received()
            thread.join()
            confined.listener.respond(got.id, 7)
            return handled, confined.result()

    assert alone(both) == ([1], 7)


def waits_in_ioctl() -> bool:
    """Whether the first thread of this process sleeps in a call on a listener."""
    with open(f"/proc/self/task/{os.getpid()}/syscall") as file:
        return file.read().split()[0] == str(NR["ioctl"])


@pytest.mark.parametrize("sync_wake_up", [False, True])
def test_waking_on_one_cpu_can_be_chosen(sync_wake_up: bool) -> None:
    def answer(confined: Target) -> bool:
        refused = errno_of(lambda: confined.listener.set_flags(sync_wake_up=sync_wake_up))
        confined.listener.respond(confined.received().id, 7)
        return refused in (0, errno.EINVAL, errno.ENOTTY)

    assert supervise(answer) == (True, 7)


def test_only_fatal_signals_interrupt_a_received_call_that_waits_killable() -> None:
    needs("wait_killable_recv" in probe().flags, "Linux 5.19 (WAIT_KILLABLE_RECV)")
    assert alone(lambda: answer_after_a_signal(killable=True)) == (True, 7)


def test_a_signal_interrupts_a_received_call_otherwise() -> None:
    assert alone(lambda: answer_after_a_signal(killable=False)) == (False, -errno.EINTR)


def answer_after_a_signal(*, killable: bool) -> tuple[bool, object]:
    """Send the target a signal while its call is with us; whether it still waited, and what the call gave."""

    def work() -> int:
        signal.signal(signal.SIGUSR1, lambda *_: None)
        return getppid()

    with target(ASK_GETPPID, work, wait_killable_recv=killable) as confined:
        got = confined.received()
        os.kill(confined.pid, signal.SIGUSR1)
        if not killable:
            while confined.listener.is_valid(got.id):  # until the signal has taken it away
                os.sched_yield()
        answered = confined.listener.respond(got.id, 7)
        return answered, confined.result()


def test_a_closed_listener_fails_the_calls_that_wait() -> None:
    def both() -> object:
        with target(ASK_GETPPID, getppid) as confined:
            confined.received()
            confined.listener.close()
            confined.listener.close()
            return confined.result()

    assert alone(both) == -errno.ENOSYS


def test_a_descriptor_that_is_no_listener_is_an_error() -> None:
    back, there = os.pipe()
    with Listener(back) as listener:
        assert errno_of(listener.receive) == errno.ENOTTY
        assert errno_of(lambda: listener.respond(1)) == errno.ENOTTY
        assert errno_of(lambda: listener.is_valid(1)) == errno.ENOTTY
        assert errno_of(lambda: listener.add_fd(1, 0)) == errno.ENOTTY
        assert errno_of(lambda: listener.set_flags(sync_wake_up=True)) == errno.ENOTTY
        assert listener.fileno() == back
    os.close(there)
