"""seccomp(2) does what the wrappers say: every action, every flag, and what it refuses."""

from __future__ import annotations

import errno
import os
import signal
import struct
import threading

import pytest
from children import Died
from conftest import needs
from kernel_programs import NR, alone, answer_with, errno_of, fail, fork, insn, needs_no_filter, refuse

from troth import abi
from troth.abi import seccomp as answers
from troth.errors import EnforcementError
from troth.kernel import process, seccomp
from troth.kernel._call import ask, buffer, program_header, syscall
from troth.kernel.probe import probe

ROOT = os.getuid() == 0


def install(program: bytes, **flags: bool) -> int:
    process.set_no_new_privs()
    return seccomp.set_mode_filter(program, **flags)


def under(program: bytes, *, unprivileged: bool = False) -> int:
    """What getppid answers under a filter."""

    def work() -> int:
        install(program)
        return ask("getppid")

    return alone(work, unprivileged=unprivileged)


def test_kill_process_ends_it_with_sigsys(unprivileged: bool) -> None:
    with pytest.raises(Died) as died:
        under(refuse("getppid", answers.RET_KILL_PROCESS), unprivileged=unprivileged)
    assert died.value.signum == signal.SIGSYS


def test_kill_process_ends_all_threads() -> None:
    def work() -> None:
        def confined() -> None:
            install(refuse("getppid", answers.RET_KILL_PROCESS))
            ask("getppid")

        threading.Thread(target=confined, daemon=True).start()
        signal.pause()

    with pytest.raises(Died) as died:
        alone(work)
    assert died.value.signum == signal.SIGSYS


def test_kill_thread_leaves_the_others() -> None:
    def work() -> bool:
        known: list[int] = []
        ready = threading.Event()

        def confined() -> None:
            install(refuse("getppid", answers.RET_KILL_THREAD))
            known.append(threading.get_native_id())
            ready.set()
            ask("getppid")
            known.append(0)

        threading.Thread(target=confined, daemon=True).start()
        ready.wait()
        while os.path.exists(f"/proc/self/task/{known[0]}"):
            os.sched_yield()
        return len(known) == 1

    assert alone(work)


def test_kill_thread_of_the_only_one_ends_the_process() -> None:
    with pytest.raises(Died) as died:
        under(refuse("getppid", answers.RET_KILL_THREAD))
    assert died.value.signum == signal.SIGSYS


def test_an_action_that_nobody_knows_kills() -> None:
    with pytest.raises(Died) as died:
        under(refuse("getppid", 0x12340000))
    assert died.value.signum == signal.SIGSYS


def test_trap_sends_sigsys_that_names_the_call(unprivileged: bool) -> None:
    seize, cont, get_siginfo, exit_kill = 0x4206, 7, 0x4202, 1 << 20

    def work() -> tuple[int, ...]:
        back, there = os.pipe()

        def trapped() -> None:
            os.read(back, 1)
            install(refuse("getppid", answers.RET_TRAP | 7))
            ask("getppid")

        pid = fork(trapped)
        syscall("ptrace", seize, pid, 0, exit_kill)
        os.write(there, b".")
        os.waitpid(pid, 0)
        info = buffer(128)
        syscall("ptrace", get_siginfo, pid, 0, info)
        syscall("ptrace", cont, pid, 0, signal.SIGSYS)
        _, status = os.waitpid(pid, 0)
        signo, number, code, _, nr, arch = struct.unpack_from("@iiiPiI", info)
        return signo, number, code, nr, arch, os.WTERMSIG(status)

    sys_seccomp = 1
    found = alone(work, unprivileged=unprivileged)
    assert found == (signal.SIGSYS, 7, sys_seccomp, NR["getppid"], abi.native().audit, signal.SIGSYS)


def test_errno_is_the_value_that_the_filter_says(unprivileged: bool) -> None:
    assert under(fail("getppid", errno.EXDEV), unprivileged=unprivileged) == -errno.EXDEV


def test_errno_is_capped_where_it_would_be_a_result() -> None:
    assert under(fail("getppid", 5000)) == -4095


def test_errno_zero_pretends_success() -> None:
    assert under(fail("getppid", 0)) == 0


def test_log_allows(unprivileged: bool) -> None:
    assert under(refuse("getppid", answers.RET_LOG), unprivileged=unprivileged) > 0


def test_allow_allows() -> None:
    assert under(answer_with(answers.RET_ALLOW)) > 0


def test_trace_without_a_tracer_is_enosys() -> None:
    assert under(refuse("getppid", answers.RET_TRACE)) == -errno.ENOSYS


def test_user_notif_without_a_listener_is_enosys() -> None:
    assert under(refuse("getppid", answers.RET_USER_NOTIF)) == -errno.ENOSYS


def test_the_stricter_of_two_filters_decides() -> None:
    def work() -> int:
        install(fail("getppid", errno.EXDEV))
        install(refuse("getppid", answers.RET_LOG))
        return ask("getppid")

    assert alone(work) == -errno.EXDEV


def test_strict_mode_leaves_write_and_kills_on_getpid(unprivileged: bool) -> None:
    needs_no_filter()
    back, there = os.pipe()

    def work() -> None:
        seccomp.set_mode_strict()
        ask("write", there, b"alive", 5)
        ask("getpid")
        ask("write", there, b"still", 5)

    with pytest.raises(Died) as died:
        alone(work, unprivileged=unprivileged)
    os.close(there)
    with open(back, "rb") as pipe:
        assert pipe.read() == b"alive"
    assert died.value.signum == signal.SIGKILL


def test_strict_mode_by_prctl_is_the_same() -> None:
    needs_no_filter()

    def work() -> None:
        process.set_seccomp(seccomp.MODE_STRICT)
        ask("getpid")

    with pytest.raises(Died) as died:
        alone(work)
    assert died.value.signum == signal.SIGKILL


def test_strict_mode_after_a_filter_is_einval() -> None:
    def work() -> int:
        install(answer_with(answers.RET_ALLOW))
        return errno_of(seccomp.set_mode_strict)

    assert alone(work) == errno.EINVAL


def test_a_filter_by_prctl_is_the_same(unprivileged: bool) -> None:
    needs_no_filter()

    def work() -> tuple[int, int, int]:
        before = process.get_seccomp()
        process.set_no_new_privs()
        process.set_seccomp(seccomp.MODE_FILTER, fail("getppid", errno.EXDEV))
        return before, process.get_seccomp(), ask("getppid")

    assert alone(work, unprivileged=unprivileged) == (0, 2, -errno.EXDEV)


def test_a_filter_reaches_only_the_calling_thread_without_tsync() -> None:
    assert alone(lambda: answer_of_another_thread(tsync=False)) > 0


def test_tsync_reaches_a_second_thread(unprivileged: bool) -> None:
    found = alone(lambda: answer_of_another_thread(tsync=True), unprivileged=unprivileged)
    assert found == -errno.EXDEV


def answer_of_another_thread(*, tsync: bool) -> int:
    """What getppid answers in a thread that ran before the filter was installed."""
    go = threading.Event()
    answers: list[int] = []

    def other() -> None:
        go.wait()
        answers.append(ask("getppid"))

    thread = threading.Thread(target=other)
    thread.start()
    process.set_no_new_privs()
    seccomp.set_mode_filter(fail("getppid", errno.EXDEV), tsync=tsync)
    go.set()
    thread.join()
    return answers[0]


def diverged(**flags: bool) -> tuple[int, bool, bool]:
    """TSYNC beside a thread with a filter of its own: errno, whether that thread is named, whether nothing changed."""
    ready, done = threading.Event(), threading.Event()
    known: list[int] = []

    def other() -> None:
        install(answer_with(answers.RET_ALLOW))
        known.append(threading.get_native_id())
        ready.set()
        done.wait()

    thread = threading.Thread(target=other)
    thread.start()
    ready.wait()
    process.set_no_new_privs()
    try:
        seccomp.set_mode_filter(fail("getppid", errno.EXDEV), tsync=True, **flags)
    except EnforcementError as error:
        number, named = error.errno or 0, str(known[0]) in error.hint
    else:
        number, named = 0, False
    done.set()
    thread.join()
    return number, named, ask("getppid") > 0


def test_a_positive_tsync_answer_is_a_failure_that_names_the_thread_and_installs_nothing(unprivileged: bool) -> None:
    assert alone(diverged, unprivileged=unprivileged) == (errno.ESRCH, True, True)


def test_tsync_esrch_says_so_by_errno_and_installs_nothing() -> None:
    assert alone(lambda: diverged(tsync_esrch=True)) == (errno.ESRCH, False, True)


def test_tsync_with_a_listener_needs_tsync_esrch() -> None:
    def work() -> tuple[int, int]:
        process.set_no_new_privs()
        program = answer_with(answers.RET_ALLOW)
        refused = errno_of(lambda: seccomp.set_mode_filter(program, tsync=True, new_listener=True))
        return refused, seccomp.set_mode_filter(program, tsync=True, new_listener=True, tsync_esrch=True)

    refused, fd = alone(work)
    assert refused == errno.EINVAL
    assert fd > 2


@pytest.mark.parametrize("flag", ["log", "spec_allow", "tsync", "tsync_esrch"])
def test_a_flag_is_accepted_and_the_filter_works(flag: str, unprivileged: bool) -> None:
    def work() -> tuple[int, int]:
        return install(fail("getppid", errno.EXDEV), **{flag: True}), ask("getppid")

    assert alone(work, unprivileged=unprivileged) == (0, -errno.EXDEV)


@pytest.mark.parametrize("killable", [False, True])
def test_a_listener_is_a_descriptor_that_closes_on_exec(killable: bool, unprivileged: bool) -> None:
    needs(not killable or "wait_killable_recv" in probe().flags, "Linux 5.19 (WAIT_KILLABLE_RECV)")

    def work() -> bool:
        fd = install(answer_with(answers.RET_ALLOW), new_listener=True, wait_killable_recv=killable)
        return os.readlink(f"/proc/self/fd/{fd}") == "anon_inode:seccomp notify" and not os.get_inheritable(fd)

    assert alone(work, unprivileged=unprivileged)


def test_wait_killable_recv_without_a_listener_is_einval() -> None:
    assert alone(lambda: errno_of(lambda: install(answer_with(0), wait_killable_recv=True))) == errno.EINVAL


def test_a_second_listener_is_ebusy() -> None:
    def work() -> int:
        install(answer_with(answers.RET_ALLOW), new_listener=True)
        return errno_of(lambda: install(answer_with(answers.RET_ALLOW), new_listener=True))

    assert alone(work) == errno.EBUSY


def test_an_unprivileged_user_needs_no_new_privs() -> None:
    needs(ROOT or not process.get_no_new_privs(), "a process without no_new_privs")
    program = answer_with(answers.RET_ALLOW)
    found = alone(lambda: errno_of(lambda: seccomp.set_mode_filter(program)), unprivileged=True)
    assert found == errno.EACCES


def test_root_needs_no_no_new_privs() -> None:
    needs(ROOT, "root")
    assert alone(lambda: seccomp.set_mode_filter(answer_with(answers.RET_ALLOW))) == 0


@pytest.mark.parametrize(
    "program",
    [
        b"",
        answer_with(answers.RET_ALLOW) * 4097,
        insn(0xFFFF) + answer_with(answers.RET_ALLOW),
        insn(0x20, k=64) + answer_with(answers.RET_ALLOW),
        insn(0x20, k=1) + answer_with(answers.RET_ALLOW),
        insn(0x15, 5, 5, 0) + answer_with(answers.RET_ALLOW),
        insn(0x20, k=0),
    ],
    ids=["empty", "4097-long", "unknown-code", "load-outside", "load-unaligned", "jump-outside", "no-return"],
)
def test_a_program_that_the_kernel_refuses_is_einval(program: bytes) -> None:
    assert alone(lambda: errno_of(lambda: install(program))) == errno.EINVAL


def test_a_program_of_4096_instructions_is_accepted() -> None:
    assert alone(lambda: install(answer_with(answers.RET_ALLOW) * 4096)) == 0


def test_all_filters_together_have_a_limit() -> None:
    def work() -> int:
        while not (number := errno_of(lambda: install(answer_with(answers.RET_ALLOW) * 4096))):
            pass
        return number

    assert alone(work) == errno.ENOMEM


@pytest.mark.parametrize("program", [b"1234567", bytes(8 * 65536)], ids=["odd", "too-long-to-say"])
def test_a_program_that_cannot_be_described_is_a_value_error(program: bytes) -> None:
    with pytest.raises(ValueError, match="instructions of 8 bytes"):
        seccomp.set_mode_filter(program)


def test_no_program_at_all_is_efault() -> None:
    assert errno_of(lambda: process.set_seccomp(seccomp.MODE_FILTER)) == errno.EFAULT


def test_an_argument_that_does_not_fit_is_not_cut() -> None:
    with pytest.raises(OverflowError, match="does not fit"):
        ask("getppid", 1 << 64)


def test_the_description_of_a_program_keeps_it_alive() -> None:
    header = program_header(bytes(bytearray(answer_with(answers.RET_ALLOW))))

    def work() -> int:
        process.set_no_new_privs()
        return ask("seccomp", seccomp.SET_MODE_FILTER, 0, header)

    assert alone(work) == 0


@pytest.mark.parametrize("name", seccomp.ACTIONS)
def test_every_action_is_available(name: str) -> None:
    assert seccomp.action_available(seccomp.ACTIONS[name])


def test_an_unknown_action_is_not_available() -> None:
    assert not seccomp.action_available(0x12340000)


def test_an_unknown_flag_is_not_known() -> None:
    assert not seccomp.flag_known(1 << 20)
    assert seccomp.flag_known(seccomp.FILTER_FLAG_TSYNC)


def test_notifications_are_no_smaller_than_the_first_ones() -> None:
    notif, resp, data = seccomp.notif_sizes()
    assert notif >= 80
    assert resp >= 24
    assert data >= 64
