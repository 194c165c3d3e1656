"""Filters of `troth.compat.seccomp` in force: in forked children, as whoever runs the tests and as nobody."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from children import Died, in_child
from conftest import needs

from troth.compat import _support
from troth.compat.seccomp import (
    ALLOW,
    EQ,
    ERRNO,
    GT,
    KILL,
    KILL_PROCESS,
    LOG,
    NOTIFY,
    TRAP,
    Arch,
    Arg,
    Attr,
    NotificationResponse,
    SyscallFilter,
    get_api,
)  # fmt: skip
from troth.kernel.process import get_no_new_privs, get_seccomp
from troth.kernel.seccomp import MODE_FILTER


def denying(action: int, call: str, *args: Arg) -> SyscallFilter:
    """A filter that allows all but one call."""
    f = SyscallFilter(ALLOW)
    f.add_rule(action, call, *args)
    return f


def test_a_call_is_refused_with_the_errno_of_the_rule(unprivileged: bool) -> None:
    def work() -> tuple[int, int | None]:
        denying(ERRNO(163), "chdir").load()
        try:
            os.chdir("/")
        except OSError as error:
            return get_seccomp(), error.errno
        return get_seccomp(), None

    assert in_child(work, unprivileged=unprivileged) == (MODE_FILTER, 163)


def test_arguments_decide(unprivileged: bool) -> None:
    def work() -> list[bool]:
        denying(ERRNO(1), "lseek", Arg(1, GT, 1 << 32), Arg(2, EQ, os.SEEK_SET)).load()
        done = []
        with open("/proc/self/maps") as file:
            for where in (0, 1 << 32, (1 << 32) + 1):
                try:
                    os.lseek(file.fileno(), where, os.SEEK_SET)
                    done.append(True)
                except PermissionError:
                    done.append(False)
        return done

    assert in_child(work, unprivileged=unprivileged) == [True, True, False]


@pytest.mark.parametrize(("action", "signum"), [(KILL, signal.SIGSYS), (KILL_PROCESS, signal.SIGSYS)])
def test_a_call_kills(action: int, signum: int, unprivileged: bool) -> None:
    def work() -> None:
        denying(action, "chdir").load()
        os.chdir("/")

    with pytest.raises(Died) as died:
        in_child(work, unprivileged=unprivileged)
    assert died.value.signum == signum


def test_a_call_raises_a_signal(unprivileged: bool) -> None:
    def work() -> list[int]:
        seen: list[int] = []
        signal.signal(signal.SIGSYS, lambda number, _: seen.append(number))
        denying(TRAP, "chdir").load()
        with contextlib.suppress(OSError):
            os.chdir("/")
        return seen

    assert in_child(work, unprivileged=unprivileged) == [signal.SIGSYS]


def test_an_allow_list_lets_through_what_it_lists_and_nothing_else(unprivileged: bool) -> None:
    def work() -> tuple[int, str | None]:
        f = SyscallFilter(ERRNO(38))
        for name in ("write", "exit_group", "rt_sigaction", "brk", "mmap", "munmap", "futex", "close", "getpid"):
            f.add_rule(ALLOW, name)
        f.load()
        try:
            os.getppid()  # cannot fail, so the errno comes back as a number
            os.mkdir("/tmp/not-made")
        except OSError as error:
            return error.errno or 0, error.strerror
        return 0, None

    assert in_child(work, unprivileged=unprivileged)[0] == 38


def test_loading_sets_no_new_privs_unless_told_not_to() -> None:
    def work(*, wanted: int) -> bool:
        f = SyscallFilter(ALLOW)
        f.set_attr(Attr.CTL_NNP, wanted)
        f.load()
        return get_no_new_privs()

    before = get_no_new_privs()
    assert in_child(lambda: work(wanted=1)) is True
    needs(os.getuid() == 0, "loading without no_new_privs takes root")
    assert in_child(lambda: work(wanted=0)) is before


def test_a_refusal_of_the_kernel_has_one_errno_or_with_an_attribute_its_own() -> None:
    def work(*, raw: int) -> str:
        f = SyscallFilter(ALLOW)
        f.set_attr(Attr.CTL_NNP, 0)
        f.set_attr(Attr.API_SYSRAWRC, raw)
        try:
            f.load()
        except RuntimeError as error:
            assert "seccomp" in error.__notes__[0]
            return str(error)
        return "loaded"

    needs(not get_no_new_privs(), "a process without no_new_privs")
    assert in_child(lambda: work(raw=0), unprivileged=True) == "Library error (errno = -125)"
    assert in_child(lambda: work(raw=1), unprivileged=True) == "Library error (errno = -13)"


def test_a_filter_reaches_the_other_threads_only_when_told(unprivileged: bool) -> None:
    def work(*, tsync: int) -> bool:
        go, done = threading.Event(), threading.Event()
        refused = []

        def other() -> None:
            go.wait()
            try:
                os.chdir("/")
            except PermissionError:
                refused.append(True)
            done.set()

        thread = threading.Thread(target=other)
        thread.start()
        f = denying(ERRNO(1), "chdir")
        f.set_attr(Attr.CTL_TSYNC, tsync)
        f.load()
        go.set()
        done.wait()
        thread.join()
        return bool(refused)

    needs(get_api() >= 2, "TSYNC needs Linux 3.17")
    assert in_child(lambda: work(tsync=0), unprivileged=unprivileged) is False
    assert in_child(lambda: work(tsync=1), unprivileged=unprivileged) is True


def test_flags_are_handed_to_the_kernel(unprivileged: bool) -> None:
    def work() -> int:
        f = SyscallFilter(ALLOW)
        f.add_rule(LOG, "chdir")
        for attr in (Attr.CTL_LOG, Attr.CTL_SSB, Attr.CTL_TSYNC, Attr.CTL_WAITKILL):
            f.set_attr(attr, 1)
        f.precompute()
        f.load()
        os.chdir("/")
        return get_seccomp()

    needs(get_api() >= 4, "these flags need Linux 4.17")
    assert in_child(work, unprivileged=unprivileged) == MODE_FILTER


def answered(respond: NotificationResponse | None, f: SyscallFilter) -> None:
    assert respond is not None
    f.respond_notify(respond)


@pytest.mark.parametrize("tsync", [0, 1])
def test_a_supervisor_sees_a_call_and_answers_it(tsync: int, unprivileged: bool) -> None:
    def work() -> tuple[list[object], list[int]]:
        f = denying(NOTIFY, "getpid")
        f.add_rule(NOTIFY, "lseek", Arg(0, EQ, 1 << 30))
        f.set_attr(Attr.CTL_TSYNC, tsync)
        f.set_attr(Attr.CTL_WAITKILL, int(get_api() >= 7))
        f.load()
        seen: list[object] = []
        results: list[int] = []

        def target() -> None:
            results.append(os.getpid())
            try:
                os.lseek(1 << 30, 5, os.SEEK_END)
            except OSError as error:
                results.append(error.errno or 0)
            results.append(os.getpid())

        back, there = os.pipe()
        pid = os.fork()
        if pid == 0:
            target()
            os.write(there, ",".join(map(str, results)).encode())
            os._exit(0)
        os.close(there)
        assert f.get_notify_fd() >= 0
        for answer in ({"val": 12345}, {"error": -34}, {"flags": 1}):
            note = f.receive_notify() if len(seen) else f.receive_notify(f.get_notify_fd())
            seen.append((note.pid == pid, note.syscall_args[:3] if note.syscall == 8 else None, note.flags))
            f.respond_notify(NotificationResponse(note, **answer))
        with os.fdopen(back) as pipe:
            got = [int(word) for word in pipe.read().split(",")]
        os.waitpid(pid, 0)
        return seen, [got[0], got[1], int(got[2] == pid)]

    needs(get_api() >= 6, "a listener for all threads needs Linux 5.7")
    needs(SyscallFilter(ALLOW).exist_arch(Arch.X86_64), "the number of lseek is x86_64's")
    seen, results = in_child(work, unprivileged=unprivileged)
    assert seen == [(True, None, 0), (True, [1 << 30, 5, os.SEEK_END], 0), (True, None, 0)]
    assert results == [12345, 34, 1]


def test_an_answer_that_nobody_waits_for_or_that_is_none_is_refused(unprivileged: bool) -> None:
    def work() -> list[str]:
        f = denying(NOTIFY, "chdir")
        f.load()
        pid = os.fork()
        if pid == 0:
            os.chdir("/")
            os._exit(0)
        note = f.receive_notify()
        told = []
        answer = NotificationResponse(note, flags=2)
        for kill in (False, True):
            if kill:
                answer.flags = 0
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            try:
                f.respond_notify(answer)
            except RuntimeError as error:
                told.append(str(error))
        return told

    needs(get_api() >= 5, "notifications need Linux 5.0")
    assert in_child(work, unprivileged=unprivileged) == ["Library error (errno = -125)"] * 2


def test_a_process_has_one_listener_and_a_second_filter_shares_it(unprivileged: bool) -> None:
    def work() -> tuple[bool, int]:
        f = denying(NOTIFY, "chdir")
        f.load()
        fd = f.get_notify_fd()
        other = denying(ERRNO(5), "fchdir")
        other.load()
        return other.get_notify_fd() == fd == _support.own_listener(), get_seccomp()

    needs(get_api() >= 5, "notifications need Linux 5.0")
    assert in_child(work, unprivileged=unprivileged) == (True, MODE_FILTER)


def test_a_filter_for_the_compatible_32_bit_architecture_holds_there_too(unprivileged: bool) -> None:
    """The program is loaded as a whole, whatever the process's own architecture."""

    def work() -> int:
        f = SyscallFilter(ALLOW)
        f.add_arch(Arch("x86"))
        f.add_arch(Arch("x32"))
        f.add_rule(ERRNO(7), "chdir")
        f.add_rule(ERRNO(8), "socket", Arg(0, EQ, 1))
        f.load()
        try:
            os.chdir("/")
        except OSError as error:
            return error.errno or 0
        return 0

    needs(SyscallFilter(ALLOW).exist_arch(Arch.X86_64), "an x86_64 interpreter")
    assert in_child(work, unprivileged=unprivileged) == 7


def test_a_filter_of_another_byte_order_is_refused_by_the_kernel(unprivileged: bool) -> None:
    def work() -> str:
        f = SyscallFilter(ALLOW)
        f.remove_arch(Arch())
        f.add_arch(Arch("s390x" if not SyscallFilter(ALLOW)._database.big_endian else "x86_64"))
        f.set_attr(Attr.API_SYSRAWRC, 1)
        try:
            f.load()
        except RuntimeError as error:
            return str(error)
        return f"loaded at {time.monotonic()}"

    assert in_child(work, unprivileged=unprivileged) == "Library error (errno = -22)"


EXAMPLE = Path(__file__).resolve().parents[2] / "examples/wordcount.py"
SAID = "5 words\nand nothing else can be opened\n"


def said(*command: str, tmp_path: Path) -> str:
    """What a word counter prints about a file of five words."""
    (tmp_path / "text").write_text("one two three\nfour five\n")
    done = subprocess.run([*command, str(tmp_path / "text")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_example_counts_and_opens_nothing_else(tmp_path: Path) -> None:
    assert said(sys.executable, str(EXAMPLE), tmp_path=tmp_path) == SAID


def test_the_example_is_a_program_of_the_binding_with_one_line_changed(tmp_path: Path) -> None:
    system = "/usr/bin/python3"
    has = (
        os.path.exists(system) and not subprocess.run([system, "-c", "import seccomp"], capture_output=True).returncode
    )
    needs(has, "libseccomp's Python binding for the system's interpreter (Debian: python3-seccomp)")
    text = EXAMPLE.read_text()
    original = tmp_path / "original.py"
    original.write_text(text.replace("# import seccomp\nimport troth.compat.seccomp as seccomp\n", "import seccomp\n"))
    assert "troth" not in original.read_text()
    assert said(system, str(original), tmp_path=tmp_path) == SAID


def test_a_thread_can_supervise_another_of_the_same_process(unprivileged: bool) -> None:
    """The binding would stand still here: it keeps the interpreter's lock while it waits."""

    def work() -> int:
        results: list[int] = []
        loaded = threading.Event()
        filters: list[SyscallFilter] = []

        def target() -> None:
            f = denying(NOTIFY, "chdir")
            f.load()
            filters.append(f)
            loaded.set()
            try:
                os.chdir("/")
            except OSError as error:
                results.append(error.errno or 0)

        thread = threading.Thread(target=target)
        thread.start()
        loaded.wait()
        note = filters[0].receive_notify()
        filters[0].respond_notify(NotificationResponse(note, error=33))  # taken as -33
        thread.join()
        return results[0]

    needs(get_api() >= 5, "notifications need Linux 5.0")
    assert in_child(work, unprivileged=unprivileged) == 33


def test_under_a_filter_that_answers_no_question_the_kernel_is_taken_to_have_nothing(unprivileged: bool) -> None:
    def work() -> tuple[int, str]:
        denying(ERRNO(1), "seccomp").load()
        _support._state.clear()
        _support._level.clear()
        try:
            SyscallFilter(KILL_PROCESS)
        except RuntimeError as error:
            return get_api(), str(error)
        return get_api(), ""

    assert in_child(work, unprivileged=unprivileged) == (1, "Library error")


def test_filters_stack_and_the_strictest_answer_counts(unprivileged: bool) -> None:
    def work() -> list[int]:
        answers = []
        for action in (ERRNO(7), LOG, ERRNO(5)):
            denying(action, "chdir").load()
            try:
                os.chdir("/")
            except OSError as error:
                answers.append(error.errno or 0)
        return answers

    assert in_child(work, unprivileged=unprivileged) == [7, 7, 5]


def test_a_filter_is_written_and_loaded_under_one_that_lets_nothing_be_opened() -> None:
    """In an interpreter of its own, where nothing has been imported by other tests."""
    program = """
import os
from troth.compat.seccomp import *
f = SyscallFilter(ALLOW)
for name in "open openat openat2 stat newfstatat statx getdents64 readlink access faccessat faccessat2".split():
    f.add_rule(ERRNO(errno.EACCES), name)
f.load()
try:
    open("/etc/passwd")
except PermissionError:
    print("nothing can be opened")
g = SyscallFilter(ALLOW)
g.add_rule(ERRNO(5), "lseek", Arg(0, GT, 3 << 32), Arg(1, MASKED_EQ, 5, 5))
g.add_rule(ERRNO(6), "lseek", Arg(1, NE, 1 << 33))
g.add_rule(ERRNO(7), "chdir")
g.syscall_priority("lseek", 9)
try:
    g.add_rule(ERRNO(5), "lseeek")
except RuntimeError as error:
    print(error)
g.load()
try:
    os.chdir("/")
except OSError as error:
    print(error.errno)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "nothing can be opened\nLibrary error (errno = -22)\n7\n", done.stderr
