"""The filters of running processes are read as what they are, and who may not read them is told why."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
from collections.abc import Callable
from typing import TypeVar

import pytest
from conftest import needs
from kernel_programs import alone, answer_with, fork, needs_no_filter

import troth.cli.app
import troth.cli.ask
import troth.cli.diff
import troth.cli.prove
import troth.cli.show
import troth.formats.live
import troth.formats.subject
import troth.kernel.filters
import troth.kernel.procfs  # noqa: F401  # loaded before the fork: nobody may not read the interpreter's files
from troth import abi
from troth.abi import seccomp as answers
from troth.bpf import Call, Program
from troth.cli import call, dispatch
from troth.errors import RequestError, UnsupportedError
from troth.formats import load, read
from troth.kernel import process, seccomp
from troth.policy import Policy, Rule

T = TypeVar("T")
CAP_SYS_ADMIN = 21
PR_SET_SECCOMP, SECCOMP_MODE_STRICT = 22, 1
NATIVE = abi.native()


def refusing(name: str, number: int) -> bytes:
    """A filter that refuses one call of this architecture, and kills for any other."""
    rules = {abi.numbers(NATIVE.name)[name]: (Rule((), answers.RET_ERRNO | number),)}
    return Policy({NATIVE.name: rules}, answers.RET_ALLOW, answers.RET_KILL_PROCESS).compile().to_bytes()


FIRST = refusing("getppid", errno.EXDEV)
SECOND = refusing("getpgid", errno.EDOM)


def needs_a_reader() -> None:
    with open("/proc/self/status") as status:
        held = next(int(line.split()[1], 16) for line in status if line.startswith("CapEff"))
    needs(held >> CAP_SYS_ADMIN & 1, "root with CAP_SYS_ADMIN")
    needs_no_filter()


def beside(confine: Callable[[], None], look: Callable[[int], T], *, unprivileged: bool = False) -> T:
    """What `look` finds on a process that confined itself."""

    def work() -> T:
        ready, there = os.pipe()
        hold, end = os.pipe()

        def confined() -> None:
            confine()
            os.write(there, b".")
            os.read(hold, 1)  # what strict mode lets through too

        pid = fork(confined)
        os.read(ready, 1)
        try:
            return look(pid)
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            os.close(end)

    return alone(work, unprivileged=unprivileged)


def under(*programs: bytes) -> Callable[[], None]:
    def confine() -> None:
        process.set_no_new_privs()
        for program in programs:
            seccomp.set_mode_filter(program)

    return confine


def strictly() -> None:
    """Enter strict mode, which has no wrapper: nothing of troth uses it."""
    assert ctypes.CDLL(None).prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0) == 0


def native(name: str) -> Call:
    return Call(NATIVE.audit, abi.numbers(NATIVE.name)[name])


def test_all_filters_of_a_stack_are_read_the_oldest_first() -> None:
    needs_a_reader()
    found = beside(under(FIRST, SECOND), lambda pid: read(f"pid:{pid}"))
    assert found.programs == (Program.from_bytes(FIRST), Program.from_bytes(SECOND))
    assert found.arches == (NATIVE.name, *NATIVE.companions)


def test_what_filters_do_together_is_their_policy() -> None:
    needs_a_reader()

    def look(pid: int) -> list[int]:
        policy = load(f"pid:{pid}")
        return [policy.answer(native(name)) for name in ("getppid", "getpgid", "getpid")]

    found = beside(under(answer_with(answers.RET_ALLOW), SECOND, FIRST), look)
    assert found == [answers.RET_ERRNO | errno.EXDEV, answers.RET_ERRNO | errno.EDOM, answers.RET_ALLOW]


def test_strict_mode_is_a_policy_of_four_calls(unprivileged: bool) -> None:
    needs_no_filter()

    def look(pid: int) -> tuple[object, ...]:
        found = read(f"pid:{pid}")
        assert found.policy is not None
        return (*found.notes, found.policy.answer(native("read")), found.policy.answer(native("getpid")))

    found = beside(strictly, look, unprivileged=unprivileged)
    assert found == ("strict mode", answers.RET_ALLOW, answers.RET_KILL_THREAD)


def test_nobody_may_not_read_and_is_told_which_privilege_is_missing() -> None:
    def look(pid: int) -> UnsupportedError | None:
        try:
            read(f"pid:{pid}")
        except UnsupportedError as error:
            return error
        return None

    error = beside(under(FIRST), look, unprivileged=True)
    assert error is not None
    assert "CAP_SYS_ADMIN" in error.needs


def test_another_users_process_may_not_be_attached_to() -> None:
    needs(os.geteuid() == 0, "root")

    def look(pid: int) -> UnsupportedError | None:
        def as_nobody() -> UnsupportedError | None:
            try:
                read(f"pid:{pid}")
            except UnsupportedError as error:
                return error
            return None

        return alone(as_nobody, unprivileged=True)

    error = beside(under(FIRST), look)
    assert error is not None
    assert "CAP_SYS_PTRACE" in error.needs


def test_a_reader_with_a_filter_of_its_own_is_told() -> None:
    needs_a_reader()

    def look(pid: int) -> UnsupportedError | None:
        seccomp.set_mode_filter(answer_with(answers.RET_ALLOW))
        try:
            read(f"pid:{pid}")
        except UnsupportedError as error:
            return error
        return None

    error = beside(under(FIRST), look)
    assert error is not None
    assert "without filters of its own" in error.needs


def test_a_process_without_filter_or_that_is_gone_is_told(unprivileged: bool) -> None:
    needs_no_filter()

    def look(pid: int) -> str:
        with pytest.raises(RequestError) as caught:
            read(f"pid:{pid}")
        return str(caught.value)

    assert "has no filter" in beside(lambda: None, look, unprivileged=unprivileged)

    def gone() -> str:
        pid = fork(lambda: None)
        os.waitpid(pid, 0)
        return look(pid)

    assert "there is no process" in alone(gone, unprivileged=unprivileged)


def test_verbs_on_a_process_end_with_the_status_of_their_answer() -> None:
    needs_a_reader()

    def look(pid: int) -> list[int]:
        commands = (
            ["show", f"pid:{pid}"],
            ["show", f"pid:{pid}", "--format", "json"],
            ["show", f"pid:{pid}", "--asm"],
            ["ask", f"pid:{pid}", "getppid"],
            ["diff", f"pid:{pid}", f"pid:{pid}"],
            ["prove", f"pid:{pid}", "--never", "getppid", "--arch", NATIVE.name],
            ["prove", f"pid:{pid}", "--never", "getpid"],
        )
        return [call(lambda args=args: dispatch(args)) for args in commands]  # type: ignore[misc]

    assert beside(under(FIRST, SECOND), look) == [0, 0, 0, 0, 0, 0, 1]


def test_who_may_not_read_gets_status_3_and_a_process_that_is_gone_2() -> None:
    needs_no_filter()
    assert beside(under(FIRST), lambda pid: call(lambda: dispatch(["show", f"pid:{pid}"])), unprivileged=True) == 3

    def gone() -> int:
        pid = fork(lambda: None)
        os.waitpid(pid, 0)
        return call(lambda: dispatch(["show", f"pid:{pid}"]))

    assert alone(gone) == 2
