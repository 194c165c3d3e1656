"""`troth run` where the kernel, or a filter that is there already, refuses a step: never half a sandbox."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from conftest import needs
from kernel_programs import answer_with, refuse
from programs import compiled, needs_early, troth_run

from troth.abi import landlock as rights
from troth.abi import seccomp as answers
from troth.kernel import landlock, process, seccomp
from troth.kernel.probe import probe

EPERM = answers.RET_ERRNO | 1
NOTE = "troth: note: the program is confined from its start, as with --early: "


def under(*filters: bytes) -> Callable[[], None]:
    def prepare() -> None:
        process.set_no_new_privs()
        for program in filters:
            seccomp.set_mode_filter(program)

    return prepare


@pytest.mark.parametrize("answer", [EPERM, answers.RET_KILL_PROCESS], ids=["errno", "kill"])
def test_tracing_is_refused(answer: int, unprivileged: bool) -> None:
    needs_early()
    done = troth_run(
        "-p", "stdio", "--", "/bin/echo", "hello", prepare=under(refuse("ptrace", answer)), unprivileged=unprivileged
    )
    assert done == (0, "hello\n", f"{NOTE}a filter that is in force does not allow tracing\n")


def test_a_filter_that_allows_everything_changes_nothing() -> None:
    done = troth_run("-p", "stdio", "--", "/bin/echo", "hello", prepare=under(answer_with(answers.RET_ALLOW)))
    assert done == (0, "hello\n", "")


def test_filters_are_refused(unprivileged: bool) -> None:
    done = troth_run(
        "-p", "stdio", "--", "/bin/echo", "hello", prepare=under(refuse("seccomp", EPERM)), unprivileged=unprivileged
    )
    assert (done.status, done.out) == (3, "")
    assert done.err.startswith("troth: error: system call filters: needs ")
    assert "seccomp" in done.err


def test_taking_the_listener_is_refused() -> None:
    done = troth_run(
        "-p", "stdio", "--", "/bin/mkdir", "/tmp/troth-must-not-exist", prepare=under(refuse("pidfd_getfd", EPERM))
    )
    assert done.status == 128 + 31
    assert done.err.startswith("mkdir[")
    assert done.err.endswith("]: killed for a call that its promises do not allow\n")
    assert troth_run("-p", "stdio", "--", "/bin/echo", "hello", prepare=under(refuse("pidfd_getfd", EPERM))) == (
        0,
        "hello\n",
        "",
    )


def test_pidfds_are_refused() -> None:
    done = troth_run(
        "-p",
        "stdio",
        "--",
        "/bin/mkdir",
        "/tmp/troth-must-not-exist",
        prepare=under(refuse("pidfd_open", answers.RET_ERRNO | 38)),
    )
    assert done.status == 128 + 31
    assert done.err.count("\n") == 1


@pytest.mark.parametrize("early", [(), ("--early",)], ids=["late", "early"])
def test_there_is_no_room_for_another_landlock_domain(early: tuple[str, ...]) -> None:
    needs(landlock.abi(), "Landlock")

    def prepare() -> None:
        process.set_no_new_privs()
        for _ in range(16):
            ruleset = landlock.create_ruleset(rights.FS["MAKE_BLOCK"])
            landlock.restrict_self(ruleset)
            os.close(ruleset)

    done = troth_run(*early, "-p", "stdio rpath", "-v", "/usr:r", "--", "/bin/echo", "hello", prepare=prepare)
    assert done == (125, "", "troth: error: landlock_restrict_self: Argument list too long; nothing is in force\n")


@pytest.mark.parametrize("early", [(), ("--early",)], ids=["late", "early"])
def test_landlock_is_refused_to_the_program(early: tuple[str, ...]) -> None:
    needs(landlock.abi(), "Landlock")

    done = troth_run(
        *early, "-p", "stdio", "--", "/bin/echo", "hello", prepare=under(refuse("landlock_restrict_self", EPERM))
    )
    assert done == (125, "", "troth: error: landlock_restrict_self: Operation not permitted; nothing is in force\n")


def test_what_is_missing_is_an_error_unless_asked_for() -> None:
    if probe().landlock_abi >= rights.RESOLVE_UNIX_ABI:
        pytest.skip("this kernel has all that troth asks for")
    arguments = ("-p", "stdio unix", "-v", "/usr:r", "--", "/bin/echo", "hello")
    done = troth_run(*arguments)
    assert (done.status, done.out) == (3, "")
    what = "unveil of unix socket paths" if landlock.abi() else "unveil"
    version = "Landlock ABI 9" if landlock.abi() else "Landlock (Linux 5.13)"
    assert done.err.startswith(f"troth: error: {what}: needs {version}")
    done = troth_run("--allow-degraded", *arguments)
    assert (done.status, done.out) == (0, "hello\n")
    assert done.err.startswith(f"troth: note: not enforced: {what} (needs {version}")


def test_no_landlock_at_all_is_lived_with_or_told() -> None:
    prepare = under(refuse("landlock_create_ruleset", answers.RET_ERRNO | 38))
    done = troth_run("-p", "stdio rpath", "--", "/bin/cat", "/etc/hostname", prepare=prepare)
    assert done.status == 0
    done = troth_run("-p", "stdio rpath", "-v", "/usr:r", "--", "/bin/echo", "hello", prepare=prepare)
    assert (done.status, done.out) == (3, "")
    done = troth_run(
        "-p", "stdio", "--", compiled('#include <stdio.h>\nint main(void) { puts("x"); return 0; }'), prepare=prepare
    )
    assert (done.status, done.out) == (0, "x\n")
