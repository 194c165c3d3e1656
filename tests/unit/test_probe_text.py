"""The notation of the probe's facts: read back it is what was written, and a fault in it is told with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from troth.errors import ParseError, RequestError
from troth.libc.probe import text
from troth.libc.probe.facts import ERRNOS, Case, ProbeFacts, Refusal, Seen, builds, probe_facts

OPENAT = Seen("openat", ("AT_FDCWD", "*", "O_RDWR|O_TMPFILE", "0o600"))
GETFL = Seen("fcntl", ("fd", "F_GETFL", "*"))
CLONE3 = Seen("clone3", ("*", "*"), "CLONE_VM|CLONE_VFORK")
CREATE = Seen("openat", ("AT_FDCWD", "*", "O_RDWR|O_CREAT|O_EXCL", "0o600"))


def each(call: str, outcome: str, result: str = "", then: tuple[Seen, ...] = ()) -> tuple[Refusal, ...]:
    return tuple(Refusal(call, errno, outcome, result, then) for errno in ERRNOS)


def facts(*cases: Case, absent: tuple[str, ...] = ()) -> ProbeFacts:
    told = {(case.function, case.variant): case for case in cases}
    return ProbeFacts("glibc-9.9", "x86_64", {"package": "libc6 9.9-1", "kernel": "6.18"}, absent, told)


PLAIN = Case(
    "creat", "", "ok", (Seen("creat", ("*", "0o640")),), tuple(Refusal("creat", e, "fails", e) for e in ERRNOS)
)
FALLING = Case(
    "tmpfile",
    "",
    "ok",
    (OPENAT, GETFL),
    (*each("openat", "fails", "ENOSPC"), *each("fcntl", "same"), *each(str(OPENAT), "same", then=(CREATE,))),
)
STARTING = Case(
    "system",
    "a command",
    "0",
    (CLONE3, Seen("execve", ("*", "*", "*"))),
    (
        Refusal("clone3", "ENOSYS", "same", "", (Seen("clone", ("SIGCHLD|CLONE_VM|CLONE_VFORK", "*", "*", "*", "*")),)),
        Refusal("clone3", "EPERM", "other", "32512"),
        Refusal("clone3", "EACCES", "other", "32512"),
        *each("execve", "aborts", "exit 127", (Seen("exit_group", ("*",)),)),
    ),
    (Seen("execve", ("*", "*", "*")),),
)
SILENT = Case("time", "", "1", (), ())


@pytest.mark.parametrize("case", [PLAIN, FALLING, STARTING, SILENT], ids=lambda case: case.function)
def test_a_case_is_read_as_it_was_written(case: Case) -> None:
    assert text.load(text.dump(facts(case))).cases[case.function, case.variant] == case


def test_all_that_is_told_of_a_build_is_read_back() -> None:
    written = facts(PLAIN, FALLING, STARTING, SILENT, absent=("arc4random", "closefrom"))
    assert text.load(text.dump(written)) == written


def test_a_call_of_which_no_refusal_is_told_fails_with_the_errno() -> None:
    lines = text.dump(facts(PLAIN)).splitlines()
    assert lines[-2:] == ["creat: ok", "  creat(*, 0o640)"]


def test_cases_alike_are_told_once() -> None:
    again = FALLING.replace(function="tmpfile64")
    written = text.dump(facts(FALLING, again))
    assert written.splitlines()[-1] == "tmpfile64 = tmpfile"
    assert text.load(written).cases["tmpfile64", ""] == again


@pytest.mark.parametrize(
    ("damage", "where"),
    [
        (("build glibc-9.9 x86_64\n", ""), "line 1"),
        (("tmpfile: ok", "tmpfile is ok"), "line 10"),
        (("  ! fcntl * same", "  ! fcntl * pleases"), "case `tmpfile`"),
        (("fcntl(fd, F_GETFL, *)", "fcntl(fd, F_GETFL"), "case `tmpfile`"),
        (("time: 1", "time = clock"), "`clock` is not told before"),
    ],
)
def test_a_fault_is_told_with_its_place(damage: tuple[str, str], where: str) -> None:
    written = text.dump(facts(PLAIN, FALLING, SILENT))
    assert damage[0] in written
    with pytest.raises(ParseError) as error:
        text.load(written.replace(*damage), source="x.txt")
    assert "x.txt" in str(error.value)
    assert where in str(error.value)


def test_a_refusal_of_one_call_in_full_goes_before_that_of_its_name() -> None:
    found = FALLING.refused(OPENAT, "EPERM")
    assert found is not None
    assert (found.outcome, found.calls) == ("same", (CREATE,))
    by_name = FALLING.refused(CREATE, "EPERM")
    assert by_name is not None
    assert by_name.outcome == "fails"
    assert FALLING.refused(Seen("close", ("fd",)), "EPERM") is None


def test_a_build_without_facts_is_told_with_those_that_have_some() -> None:
    with pytest.raises(RequestError, match=r"glibc-1\.0") as error:
        probe_facts("glibc-1.0")
    assert builds()[0][0] in error.value.hint


BUILDS = {
    "glibc-2.31", "glibc-2.36", "glibc-2.41", "glibc-2.43", "glibc-2.44", "musl-1.2.2", "musl-1.2.3", "musl-1.2.5", "musl-1.2.6",
}  # fmt: skip


def test_the_builds_that_are_promised_have_facts() -> None:
    assert {build for build, arch in builds() if arch == "x86_64"} >= BUILDS


@pytest.mark.parametrize(("build", "arch"), builds())
def test_the_facts_of_a_build_are_in_order_and_large_enough(build: str, arch: str) -> None:
    found = probe_facts(build, arch)
    written = text.dump(found)
    committed = (Path(text.__file__).parent.parent / f"data/probe/{build}.{arch}.txt").read_text()
    assert written == committed
    assert len(found.functions) >= 300
    assert len(written) < 150_000
    assert {"package", "sha256", "kernel"} <= set(found.origin)
    assert {"(start)", "(exit)", "(thread)", "(abort)"} <= set(found.functions)


# What changed, as libc's own history tells it: build, function, variant, the call that it makes, and one that it does not.
HISTORY = (
    ("glibc-2.31", "__xstat",     "",          "stat",       "newfstatat"),
    ("glibc-2.36", "stat",        "",          "newfstatat", "stat"),
    ("glibc-2.36", "fstat",       "",          "newfstatat", "fstat"),      # 2.33 to 2.38
    ("glibc-2.41", "fstat",       "",          "fstat",      "newfstatat"),
    ("glibc-2.31", "(thread)",    "",          "clone",      "clone3"),
    ("glibc-2.36", "(thread)",    "",          "clone3",     "clone"),      # since 2.34
    ("glibc-2.31", "faccessat",   "AT_EACCESS", "faccessat", "faccessat2"),
    ("glibc-2.36", "faccessat",   "AT_EACCESS", "faccessat2", "faccessat"),
    ("glibc-2.36", "(start)",     "",          "rseq",       "stat"),
    ("glibc-2.41", "fchmodat",    "AT_SYMLINK_NOFOLLOW", "fchmodat2", "chmod"),
    ("glibc-2.36", "fchmodat",    "AT_SYMLINK_NOFOLLOW", "chmod", "fchmodat2"),
    ("glibc-2.31", "select",      "ready",     "select",     "pselect6"),
    ("glibc-2.36", "select",      "ready",     "pselect6",   "select"),
    ("glibc-2.44", "(start)",     "",          "getrandom",  "stat"),
    ("musl-1.2.5", "open",        "O_RDONLY",  "open",       "openat"),
    ("musl-1.2.3", "nanosleep",   "",          "nanosleep",  "clock_nanosleep"),
    ("musl-1.2.3", "fork",        "",          "fork",       "clone"),
    ("musl-1.2.6", "pwrite",      "",          "pwritev2",   "openat"),
)  # fmt: skip


@pytest.mark.parametrize(("build", "function", "variant", "made", "not_made"), HISTORY)
def test_a_change_of_history_is_in_the_facts(build: str, function: str, variant: str, made: str, not_made: str) -> None:
    names = {call.name for call in probe_facts(build).cases[function, variant].calls}
    assert made in names
    assert not_made not in names


# What libc does when refused: build, function, variant, call, errno, outcome, and what it then calls.
REFUSED = (
    ("glibc-2.44", "(thread)",    "",           "clone3",     "ENOSYS", "same",   "clone"),
    ("glibc-2.44", "(thread)",    "",           "clone3",     "EPERM",  "fails",  ""),
    ("glibc-2.36", "(thread)",    "",           "rseq",       "EPERM",  "aborts", "tgkill"),
    ("glibc-2.36", "faccessat",   "AT_EACCESS", "faccessat2", "ENOSYS", "same",   "faccessat"),
    ("glibc-2.36", "faccessat",   "AT_EACCESS", "faccessat2", "EPERM",  "fails",  ""),
    ("glibc-2.36", "closefrom",   "one open",   "close_range", "EPERM", "same",   "getdents64"),
    ("glibc-2.36", "arc4random",  "",           "getrandom",  "ENOSYS", "same",   "openat"),
    ("glibc-2.36", "arc4random",  "",           "getrandom",  "EPERM",  "aborts", "tgkill"),
    ("glibc-2.44", "isatty",      "a terminal", "ioctl",      "EPERM",  "other",  ""),
    ("glibc-2.43", "tmpfile",     "",           "openat(AT_FDCWD, *, O_RDWR|O_EXCL|O_TMPFILE, 0o600)", "EPERM", "same", "openat"),
    ("musl-1.2.6", "pwrite",      "",           "pwritev2",   "ENOSYS", "same",   "pwrite64"),
    ("musl-1.2.6", "pwrite",      "",           "pwritev2",   "EPERM",  "fails",  ""),
)  # fmt: skip


@pytest.mark.parametrize(("build", "function", "variant", "call", "errno", "outcome", "then"), REFUSED)
def test_what_a_libc_does_when_refused_is_in_the_facts(
    build: str, function: str, variant: str, call: str, errno: str, outcome: str, then: str
) -> None:
    case = probe_facts(build).cases[function, variant]
    found = next(one for one in case.refusals if (one.call, one.errno) == (call, errno))
    assert found.outcome == outcome
    assert not then or then in {seen.name for seen in found.calls}
