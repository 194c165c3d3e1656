"""The survival experiment in small: two programs, one upgrade, and what a watched program is seen to do."""

from __future__ import annotations

import os
import platform

import pytest
from conftest import needs
from matrix import roots
from matrix.libc_programs import packages_of
from matrix.test_libcs import root_for

from bench.survival import experiment
from bench.survival.methods import BY_KEY, seen, widened
from bench.survival.outcomes import Line
from bench.survival.watch import Confine, Refused, everything, installed, watch
from troth.abi.seccomp import RET_ERRNO, RET_KILL_PROCESS
from troth.kernel.probe import probe

OLD, NEW = roots.GLIBCS[0], roots.GLIBCS[-1]
EPERM = RET_ERRNO | 1


@pytest.fixture(scope="module", autouse=True)
def _watching() -> None:
    needs(platform.machine() == "x86_64", "the filters are x86_64's")
    needs({"new_listener", "wait_killable_recv"} <= {*probe().flags}, "Linux 5.19: calls that wait for a listener")


@pytest.fixture(scope="module")
def line() -> Line:
    for libc in (OLD, NEW):
        root_for(libc, packages_of(libc))
    methods = [BY_KEY[key] for key in ("seen-kill", "seen-eperm", "docker", "frozen", "today")]
    return experiment.run(experiment.glibc((OLD, NEW), ("cat", "python3 threads")), methods)


def test_a_list_of_calls_does_not_outlive_the_libc_that_it_was_made_with(line: Line) -> None:
    for method in ("seen-kill", "seen-eperm"):
        assert line.share(method, str(OLD)) == 1.0
        assert line.share(method, str(NEW)) == 0.0


def test_what_a_list_lacks_is_named_and_mends_it(line: Line) -> None:
    found = {(failure.method, failure.program): failure for failure in line.failures}
    assert all(failure.mended and failure.libc == str(NEW) for failure in line.failures)
    for failure in found.values():
        if failure.method.startswith("seen-"):
            assert not set(failure.calls) & set(line.seen[failure.program])
    # Threads are started with clone3, whose refusal by EPERM glibc does not take for an old kernel.
    assert found["docker", "python3 threads"].calls == ("clone3",)
    assert "clone3" in found["seen-eperm", "python3 threads"].calls


def test_promises_outlive_it_with_the_tables_of_that_day_and_of_today(line: Line) -> None:
    assert line.share("frozen", str(NEW)) == line.share("today", str(NEW)) == 1.0


def _start(confine: Confine, *argv: str) -> int:
    """Run a program of the host behind what `confine` installs; gives its exit code."""
    pid = os.fork()
    if pid == 0:
        try:
            confine()
            os.execv(argv[0], argv)
        finally:
            os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_watched_program_does_as_always_and_all_its_children_are_seen() -> None:
    status, calls = watch(everything("x86_64"), lambda confine: _start(confine, "/bin/sh", "-c", "(exit 3)"))
    assert status == 3
    names = {refused.call for refused in calls}
    assert {"execve", "exit_group"} <= names
    assert names & {"clone", "fork", "vfork"}


def test_a_refused_call_is_told_and_answered_as_the_policy_says() -> None:
    _, calls = watch(everything("x86_64"), lambda confine: _start(confine, "/bin/sh", "-c", "exit 3"))
    names = frozenset(refused.call for refused in calls)
    status, refused = watch(
        seen(names, "EPERM"), lambda confine: _start(confine, "/bin/sh", "-c", "kill -0 1 || exit 4")
    )
    assert (status, Refused("kill", EPERM) in refused) == (4, True)


def test_what_kills_is_told_and_let_through_so_that_the_rest_is_seen() -> None:
    policy = seen(frozenset(("execve", "exit_group")), "kill_process")
    command = ("/bin/sh", "-c", "exit 3")
    status, refused = watch(policy, lambda confine: _start(confine, *command))
    assert status == 3
    assert {answer for _, answer in refused} == {RET_KILL_PROCESS}
    assert _start(installed(policy), *command) == -31
    assert _start(installed(widened(policy, [call for call, _ in refused])), *command) == 3


def test_who_never_starts_is_not_waited_for() -> None:
    assert watch(everything("x86_64"), lambda _: 7) == (7, ())
