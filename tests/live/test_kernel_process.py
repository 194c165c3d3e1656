"""prctl, pidfd, signalfd, and whether there is one thread only."""

from __future__ import annotations

import errno
import os
import signal
import threading

import pytest
from conftest import needs
from kernel_programs import NR, alone, errno_of, fail, fork, needs_no_filter

from troth import abi
from troth.kernel import process, seccomp
from troth.kernel._call import ask

CLONE_VM = 0x100


def test_no_new_privs_is_off_and_then_on_for_good(unprivileged: bool) -> None:
    needs(not process.get_no_new_privs(), "a process without no_new_privs")

    def work() -> tuple[bool, bool]:
        before = process.get_no_new_privs()
        process.set_no_new_privs()
        process.set_no_new_privs()
        return before, process.get_no_new_privs()

    assert alone(work, unprivileged=unprivileged) == (False, True)


def test_dumpable_is_what_was_set(unprivileged: bool) -> None:
    def work() -> list[int]:
        found = []
        for value in (False, True):
            process.set_dumpable(dumpable=value)
            found.append(process.get_dumpable())
        return found

    assert alone(work, unprivileged=unprivileged) == [0, 1]


def test_a_thread_has_the_first_15_bytes_of_its_name() -> None:
    def work() -> bytes:
        process.set_name(b"a name that is long")
        return process.get_name()

    assert alone(work) == b"a name that is "


def test_orphans_become_children_of_a_subreaper(unprivileged: bool) -> None:
    def work() -> tuple[bool, bool, bool]:
        before = process.is_child_subreaper()
        process.set_child_subreaper(reaper=True)
        release, go = os.pipe()
        back, there = os.pipe()

        def orphan() -> None:
            os.write(there, str(os.getpid()).encode() + b"\n")
            os.read(release, 1)

        os.waitpid(fork(lambda: fork(orphan)), 0)
        pid = int(os.read(back, 20))
        os.write(go, b".")
        adopted = os.waitpid(pid, 0)[0] == pid
        inside = process.is_child_subreaper()
        process.set_child_subreaper(reaper=False)
        return before, inside and not process.is_child_subreaper(), adopted

    assert alone(work, unprivileged=unprivileged) == (False, True, True)


def test_the_seccomp_mode_is_none_here() -> None:
    needs_no_filter()
    assert process.get_seccomp() == seccomp.MODE_DISABLED


def test_one_thread_is_single(unprivileged: bool) -> None:
    assert alone(process.is_single_threaded, unprivileged=unprivileged)


def beside_a_thread(program: bytes | None = None) -> tuple[bool, bool]:
    """Whether the process is single with another thread, and after it ended."""
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    if program is not None:
        process.set_no_new_privs()
        seccomp.set_mode_filter(program, tsync=True)
    tid = thread.native_id
    inside = process.is_single_threaded()
    stop.set()
    thread.join()
    while os.path.exists(f"/proc/self/task/{tid}"):  # Python is done with a thread before the kernel is
        os.sched_yield()
    return inside, process.is_single_threaded()


def test_two_threads_are_not_single_until_one_ends(unprivileged: bool) -> None:
    assert alone(beside_a_thread, unprivileged=unprivileged) == (False, True)


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOSYS])
def test_threads_are_counted_where_a_filter_refuses_unshare(number: int, unprivileged: bool) -> None:
    found = alone(lambda: beside_a_thread(fail("unshare", number)), unprivileged=unprivileged)
    assert found == (False, True)


def test_threads_that_cannot_be_counted_are_assumed() -> None:
    def work() -> bool:
        process.set_no_new_privs()
        seccomp.set_mode_filter(fail("unshare", errno.EPERM))
        seccomp.set_mode_filter(fail("openat", errno.EACCES))
        return process.is_single_threaded()

    assert not alone(work)


def test_asking_for_threads_changes_nothing() -> None:
    def work() -> tuple[int, int, int, int]:
        def state() -> tuple[int, int]:
            with open("/proc/self/status") as status:
                fields = dict(line.split(":", 1) for line in status)
            return int(fields["Threads"]), int(fields["FDSize"])

        before = state()
        process.is_single_threaded()
        return *before, *state()

    threads, fds, threads_after, fds_after = alone(work)
    assert (threads, fds) == (threads_after, fds_after)


def test_a_pidfd_signals_its_process_and_knows_when_it_is_gone(unprivileged: bool) -> None:
    def work() -> tuple[int, bool, int]:
        pid = fork(signal.pause)
        fd = process.pidfd_open(pid)
        closes = not os.get_inheritable(fd)
        process.pidfd_send_signal(fd, 0)
        process.pidfd_send_signal(fd, signal.SIGTERM)
        _, status = os.waitpid(pid, 0)
        return os.WTERMSIG(status), closes, errno_of(lambda: process.pidfd_send_signal(fd, 0))

    assert alone(work, unprivileged=unprivileged) == (signal.SIGTERM, True, errno.ESRCH)


def test_a_descriptor_is_taken_from_another_process(unprivileged: bool) -> None:
    def work() -> tuple[bytes, bool, int]:
        ready, done = os.pipe()

        def owner() -> None:
            back, there = os.pipe()
            os.write(there, b"taken")
            os.write(done, bytes([back]))
            signal.pause()

        pid = fork(owner)
        pidfd = process.pidfd_open(pid)
        fd = process.pidfd_getfd(pidfd, os.read(ready, 1)[0])
        missing = errno_of(lambda: process.pidfd_getfd(pidfd, 999))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return os.read(fd, 10), os.get_inheritable(fd), missing

    assert alone(work, unprivileged=unprivileged) == (b"taken", False, errno.EBADF)


def test_a_pidfd_of_nobody_is_esrch() -> None:
    pid = fork(lambda: None)
    os.waitpid(pid, 0)
    assert errno_of(lambda: process.pidfd_open(pid)) == errno.ESRCH


def test_a_signalfd_tells_how_a_child_ended(unprivileged: bool) -> None:
    def work() -> list[tuple[int, int, bool, int, bool]]:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        fd = process.signalfd({signal.SIGCHLD})
        found = []
        for end in (lambda: os._exit(7), lambda: os.kill(os.getpid(), signal.SIGKILL)):
            pid = fork(end)
            (info,) = process.read_signals(fd)
            found.append((info.signo, info.code, info.pid == pid, info.status, info.uid == os.getuid()))
            os.waitpid(pid, 0)
        return found

    assert alone(work, unprivileged=unprivileged) == [
        (signal.SIGCHLD, os.CLD_EXITED, True, 7, True),
        (signal.SIGCHLD, os.CLD_KILLED, True, signal.SIGKILL, True),
    ]


def test_a_signalfd_reads_several_signals_and_the_highest_number() -> None:
    def work() -> tuple[list[int], bool]:
        wanted = [signal.SIGUSR1, signal.SIGRTMAX]
        signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
        fd = process.signalfd(wanted, nonblock=True)
        for signum in wanted:
            os.kill(os.getpid(), signum)
        return [info.signo for info in process.read_signals(fd)], not os.get_inheritable(fd)

    assert alone(work) == ([signal.SIGUSR1, signal.SIGRTMAX], True)


def test_a_signalfd_without_signals_blocks_or_says_so() -> None:
    def work() -> bool:
        fd = process.signalfd({signal.SIGUSR1}, nonblock=True)
        assert process.signalfd({signal.SIGUSR2}, fd=fd, nonblock=True) == fd
        try:
            process.read_signals(fd)
        except BlockingIOError:
            return True
        return False

    assert alone(work)


def test_the_fields_of_a_filters_sigsys_are_where_they_belong() -> None:
    # A forced SIGSYS cannot be read from a signalfd, so its fields are checked against the C layout.
    data = bytearray(process._SIGINFO_SIZE)
    arch = abi.native().audit
    data[84:88] = NR["getppid"].to_bytes(4, "big" if abi.native().big_endian else "little")
    data[88:96] = (0x1234).to_bytes(8, "big" if abi.native().big_endian else "little")
    data[96:100] = arch.to_bytes(4, "big" if abi.native().big_endian else "little")
    back, there = os.pipe()
    os.write(there, data)
    (info,) = process.read_signals(back)
    os.close(back)
    os.close(there)
    assert (info.syscall, info.call_addr, info.arch) == (NR["getppid"], 0x1234, arch)


def test_unsharing_the_memory_is_what_a_lone_thread_may() -> None:
    assert alone(lambda: ask("unshare", CLONE_VM)) == 0
