"""What each kernel answers: features by the version that brought them, and what pledge and unveil make of each.

Under a kernel of Debian's own, as in the guests of tests/matrix (`TROTH_GUEST` is set there), a feature is there
exactly from its version on; elsewhere a distribution may have brought it to an older kernel, but not taken it away.
"""

from __future__ import annotations

import errno
import os
import re
import subprocess
import threading
import time

import pytest
from children import in_child
from kernel_programs import Target, alone, answer_with, insn, needs_no_filter, refuse, target
from programs import TROTH

import troth
from troth import abi
from troth.abi import seccomp as answers
from troth.errors import EnforcementError, UnsupportedError
from troth.kernel import landlock, process, seccomp
from troth.kernel._call import ask
from troth.kernel.probe import probe
from troth.sandbox.machine import TRACEABLE

VERSION = tuple(int(part) for part in re.findall(r"[0-9]+", os.uname().release)[:2])
GUEST = os.environ.get("TROTH_GUEST", "")

# Landlock ABIs, and the kernels that came with them (linux/landlock.h and the releases' notes).
LANDLOCK_SINCE = {
    1: (5, 13), 2: (5, 19), 3: (6, 2), 4: (6, 7), 5: (6, 10), 6: (6, 12), 7: (6, 15), 8: (7, 0), 9: (7, 1),
    10: (7, 2), 11: (7, 3),
}  # fmt: skip


def expect(there: bool, since: tuple[int, int]) -> None:
    """A feature is there from its version on; before it, only a kernel that was changed may have it."""
    if since <= VERSION or GUEST:
        assert there == (since <= VERSION)


@pytest.mark.parametrize("version", LANDLOCK_SINCE)
def test_each_landlock_abi_came_with_its_kernel(version: int) -> None:
    needs_no_filter()
    expect(landlock.abi() >= version, LANDLOCK_SINCE[version])


def test_waiting_that_only_a_kill_ends_came_with_5_19() -> None:
    needs_no_filter()
    expect("wait_killable_recv" in probe().flags, (5, 19))


def test_a_descriptor_that_is_the_answer_came_with_5_14() -> None:
    def both() -> bool:
        with target(refuse("getppid", answers.RET_USER_NOTIF), lambda: ask("getppid")) as confined:
            got = confined.received()
            try:
                confined.listener.add_fd(got.id, 0, send=True)
            except EnforcementError as error:
                assert error.errno == errno.EINVAL
                confined.listener.respond(got.id)
                return False
            confined.result()  # was answered
            return True

    needs_no_filter()
    expect(alone(both), (5, 14))


def test_closing_a_listener_is_told_to_nobody_before_6_11() -> None:
    """Since 6.11 a receive ends when the last target is dead; before, when it has been reaped."""

    def both() -> bool:
        with target(refuse("getppid", answers.RET_USER_NOTIF), lambda: None) as confined:
            return hung_up(confined)

    needs_no_filter()
    expect(alone(both), (6, 11))


def hung_up(confined: Target) -> bool:
    """Whether the listener of a target that is dead and not yet reaped has hung up."""
    import select

    os.waitid(os.P_PID, confined.pid, os.WEXITED | os.WNOWAIT)
    poll = select.poll()
    poll.register(confined.listener, select.POLLIN)
    return any(event & select.POLLHUP for _, event in poll.poll(0))


def test_calls_that_are_always_allowed_skip_the_filter_from_5_11() -> None:
    """The bitmap of constant answers changes nothing but how long a call takes.

    Filters as long as the kernel takes cost more than ten times as much as the call itself wherever they are run, on
    an emulated processor as on a real one; the bitmap is seen by their costing nothing. The shortest of many rounds
    is compared with a factor of three, so that what else the machine does has no part in it.
    """
    needs_no_filter()
    # What kernel/seccomp.c:seccomp_is_const_allow() follows @v5.11: the number, `and`, jumps, the answer. Jumps that
    # are never taken, since neither a compiler nor an emulator makes one step of many.
    steps = (insn(0x15, 1, 0, 0xFFFFFFFF) + insn(0x54, k=0x7FFFFFFF)) * 2000
    constant = insn(0x20, k=0) + steps + answer_with(answers.RET_ALLOW)
    dependent = insn(0x20, k=16) + steps + answer_with(answers.RET_ALLOW)  # loads an argument, so it has to be run

    def cost(program: bytes | None) -> int:
        def measured() -> int:
            if program is not None:
                process.set_no_new_privs()
                for _ in range(4):  # 32768 of the kernel's own instructions are the most for all filters of a process
                    seccomp.set_mode_filter(program)
            rounds = []
            for _ in range(30):
                start = time.monotonic_ns()
                for _ in range(30):
                    os.getppid()
                rounds.append(time.monotonic_ns() - start)
            return min(rounds)

        return alone(measured)

    plain, skipped, run = cost(None), cost(constant), cost(dependent)
    assert run > 3 * plain, f"the filter is too short to tell: {run} ns beside {plain} ns"
    expect(run > 3 * skipped, (5, 11))  # the bitmap, of architectures that have one


def test_unveil_is_enforced_where_there_is_landlock_and_refused_elsewhere() -> None:
    def work() -> str:
        troth.unveil("/usr", "r")
        try:
            report = troth.pledge("stdio rpath")
        except UnsupportedError as error:
            assert (error.feature, error.needs) == ("unveil", "Landlock (Linux 5.13)")
            os.close(os.open("/etc/passwd", os.O_RDONLY))  # nothing is in force
            report = troth.pledge("stdio rpath", allow_degraded=True)
            assert [missing.name for missing in report.missing] == ["unveil"]
            os.close(os.open("/etc/passwd", os.O_RDONLY))  # the promises are, the veil is not
            return report.status
        with pytest.raises(PermissionError):
            os.open("/etc/passwd", os.O_RDONLY)
        return report.status

    assert in_child(work, unprivileged=True) == ("full" if landlock.abi() else "partial")


def test_without_landlock_a_pledge_says_what_stays_in_reach() -> None:
    def work() -> tuple[str, ...]:
        return troth.pledge("stdio rpath wpath").notes

    note = "other processes' memory is in reach of `rpath` and `wpath` through /proc, which only Landlock closes"
    assert in_child(work) == (() if landlock.abi() else (note,))


def test_before_its_start_a_program_is_limited_to_itself_only_by_landlock() -> None:
    if landlock.abi():
        assert raw_run("--early", "-p", "stdio", "--", "/bin/echo", "hello") == (0, "hello\n", "")
        return
    status, out, err = raw_run("--early", "-p", "stdio", "--", "/bin/echo", "hello")
    assert (status, out) == (3, "")
    assert err.startswith("troth: error: starting one program only: needs Landlock (Linux 5.13); here: Linux ")
    status, out, err = raw_run("--early", "--allow-degraded", "-p", "stdio rpath prot_exec", "--", "/bin/echo", "hello")
    assert (status, out) == (0, "hello\n")
    assert "troth: note: not enforced: starting one program only (needs Landlock (Linux 5.13); here: Linux " in err


def test_a_run_says_what_the_kernel_and_the_machine_mean_for_it() -> None:
    native = abi.native().name
    early = f"troth: note: the program is confined from its start, as with --early: troth cannot trace on `{native}`\n"
    files = "troth: note: `stdio` cannot open the files of libc: without Landlock only `rpath` opens files\n"
    said = ("" if native in TRACEABLE else early) + ("" if landlock.abi() else files)
    assert raw_run("-p", "stdio", "--", "/bin/echo", "hello") == (0, "hello\n", said)


def raw_run(*arguments: str) -> tuple[int, str, str]:
    """`troth run`, with everything that it says."""
    done = subprocess.run([*TROTH, "run", *arguments], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def test_a_veil_reaches_other_threads_from_abi_8_and_is_refused_before(unprivileged: bool) -> None:
    def work() -> tuple[str, int]:
        go, seen = threading.Event(), []

        def other() -> None:
            go.wait()
            try:
                os.close(os.open("/etc/passwd", os.O_RDONLY))
                seen.append(0)
            except OSError as error:
                seen.append(error.errno or -1)

        thread = threading.Thread(target=other)
        thread.start()
        try:
            troth.unveil("/usr", "r")
            report = troth.pledge("stdio rpath", allow_degraded=True)
        finally:
            go.set()
            thread.join()
        assert report.landlock == (landlock.abi() >= 8)
        return report.status, seen[0]

    reached = landlock.abi() >= 8
    assert in_child(work, unprivileged=unprivileged) == (("full", errno.EACCES) if reached else ("partial", 0))


def test_unix_sockets_behind_a_veil_take_abi_9() -> None:
    def work() -> object:
        troth.unveil("/usr", "r")
        try:
            return troth.pledge("stdio unix").status
        except UnsupportedError as error:
            return error.feature

    missing = "unveil of unix socket paths" if landlock.abi() else "unveil"
    assert in_child(work) == ("full" if landlock.abi() >= 9 else missing)


def test_what_libc_opens_is_open_under_stdio_where_landlock_judges_it() -> None:
    def work() -> tuple[int, tuple[str, ...]]:
        report = troth.pledge("stdio")
        try:
            os.close(os.open("/dev/null", os.O_RDONLY))
        except OSError as error:
            return error.errno or -1, report.notes
        return 0, report.notes

    opened, notes = in_child(work, unprivileged=True)
    if landlock.abi():
        assert (opened, notes) == (0, ())
    else:
        assert opened == errno.EACCES
        assert notes == ("`stdio` cannot open the files of libc: without Landlock only `rpath` opens files",)
