"""Filters are read back as they were loaded, and who may not read them is told what is missing."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable
from typing import TypeVar

import pytest
from conftest import needs
from kernel_programs import alone, answer_with, fail, fork, needs_no_filter

from troth.abi import seccomp as answers
from troth.errors import EnforcementError
from troth.kernel import filters, process, seccomp

T = TypeVar("T")
FIRST = fail("getppid", errno.EXDEV)
SECOND = answer_with(answers.RET_ALLOW)
CAP_SYS_ADMIN = 21


def needs_a_reader() -> None:
    """Skip for those who may not read filters."""
    with open("/proc/self/status") as status:
        held = next(int(line.split()[1], 16) for line in status if line.startswith("CapEff"))
    needs(held >> CAP_SYS_ADMIN & 1, "root with CAP_SYS_ADMIN")
    needs_no_filter()


def beside(programs: tuple[bytes, ...], look: Callable[[int], T], *, unprivileged: bool = False) -> T:
    """What `look` finds on a process under these filters."""

    def work() -> T:
        ready, there = os.pipe()

        def confined() -> None:
            process.set_no_new_privs()
            for program in programs:
                seccomp.set_mode_filter(program)
            os.write(there, b".")
            signal.pause()

        pid = fork(confined)
        os.read(ready, 1)
        try:
            return look(pid)
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)

    return alone(work, unprivileged=unprivileged)


def refusal(call: Callable[[], object]) -> tuple[int, str]:
    """The errno and the hint of a failure."""
    try:
        call()
    except EnforcementError as error:
        return error.errno or 0, error.hint
    return 0, ""


def test_filters_are_read_back_byte_for_byte_the_oldest_first() -> None:
    needs_a_reader()
    assert beside((FIRST, SECOND), filters.get_filters) == (FIRST, SECOND)
    assert beside((FIRST, SECOND), lambda pid: filters.get_filter(pid, 0)) == FIRST
    assert beside((FIRST, SECOND), lambda pid: filters.get_filter(pid, 1)) == SECOND


def test_a_process_without_filters_has_none() -> None:
    needs_a_reader()
    assert beside((), filters.get_filters) == ()
    number, hint = beside((), lambda pid: refusal(lambda: filters.get_filter(pid, 0)))
    assert number == errno.EINVAL
    assert "no filter" in hint


def test_an_index_beyond_the_last_is_enoent() -> None:
    needs_a_reader()
    number, _ = beside((FIRST,), lambda pid: refusal(lambda: filters.get_filter(pid, 1)))
    assert number == errno.ENOENT


def test_nobody_may_not_read_and_is_told_why() -> None:
    number, hint = beside((FIRST,), lambda pid: refusal(lambda: filters.get_filter(pid, 0)), unprivileged=True)
    assert number == errno.EACCES
    assert "CAP_SYS_ADMIN" in hint


def test_a_reader_with_a_filter_of_its_own_may_not_read() -> None:
    needs_a_reader()

    def look(pid: int) -> tuple[int, str]:
        seccomp.set_mode_filter(SECOND)
        return refusal(lambda: filters.get_filter(pid, 0))

    number, hint = beside((FIRST,), look)
    assert number == errno.EACCES
    assert "without filters" in hint


def test_another_users_process_may_not_be_attached_to() -> None:
    needs(os.geteuid() == 0, "root")
    parent = os.getpid()
    number, hint = alone(lambda: refusal(lambda: filters.get_filter(parent, 0)), unprivileged=True)
    assert number == errno.EPERM
    assert "CAP_SYS_PTRACE" in hint


def test_a_process_that_is_gone_is_esrch() -> None:
    pid = fork(lambda: None)
    os.waitpid(pid, 0)
    number, hint = refusal(lambda: filters.get_filter(pid, 0))
    assert number == errno.ESRCH
    assert "no such process" in hint


def test_a_child_that_ended_is_left_for_its_parent() -> None:
    pid = fork(lambda: None)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    number, _ = refusal(lambda: filters.get_filter(pid, 0))
    assert number in (errno.ESRCH, errno.EPERM)
    assert os.waitpid(pid, 0) == (pid, 0)


@pytest.mark.parametrize("signum", [signal.SIGUSR1, signal.SIGTERM])
def test_a_signal_that_arrives_meanwhile_is_not_lost(signum: int) -> None:
    def work() -> int:
        ready, there = os.pipe()

        def confined() -> None:
            signal.pthread_sigmask(signal.SIG_BLOCK, {signum, signal.SIGUSR2})
            os.write(there, b".")
            signal.sigwait({signal.SIGUSR2})
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signum})
            signal.pause()

        pid = fork(confined)
        os.read(ready, 1)
        os.kill(pid, signum)
        os.kill(pid, signal.SIGUSR2)
        refusal(lambda: filters.get_filters(pid))
        return os.WTERMSIG(os.waitpid(pid, 0)[1])

    assert alone(work) == signum


def test_a_stopped_process_stays_stopped() -> None:
    def look(pid: int) -> bool:
        os.kill(pid, signal.SIGSTOP)
        os.waitpid(pid, os.WUNTRACED)
        refusal(lambda: filters.get_filters(pid))
        while state_of(pid) != "T":  # on its way there, or the watchdog ends this
            os.sched_yield()
        return True

    assert beside((), look) is True


def state_of(pid: int) -> str:
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0]
