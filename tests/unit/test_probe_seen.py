"""A call in the words of a filter: what it can look at is told, and what differs from run to run is not."""

from __future__ import annotations

import pytest

from troth import abi
from troth.abi.words import constant
from troth.libc.probe.compare import differences
from troth.libc.probe.facts import Case, ProbeFacts, Refusal, Seen
from troth.libc.probe.seen import seen

POINTER = 0x7FFD12345678


@pytest.mark.parametrize(
    ("call", "args", "told"),
    [
        ("openat", (0xFFFFFF9C, POINTER, 0o2, 0xDEAD), "openat(AT_FDCWD, *, O_RDWR, *)"),
        ("openat", (5, POINTER, 0o101, 0o640), "openat(fd, *, O_WRONLY|O_CREAT, 0o640)"),
        ("open", (POINTER, 0o2000000, 7), "open(*, O_RDONLY|O_CLOEXEC, *)"),
        (
            "mmap",
            (0, 4096, 3, 0x22, 0xFFFFFFFF, 0),
            "mmap(*, *, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, *)",
        ),
        ("ioctl", (3, 0x5401, POINTER), "ioctl(fd, TCGETS, *)"),
        ("socket", (1, 0x80002, 0), "socket(AF_UNIX, SOCK_DGRAM|SOCK_CLOEXEC, 0)"),
        ("fcntl", (3, 2, 1), "fcntl(fd, F_SETFD, FD_CLOEXEC)"),
        ("fcntl", (3, 1030, 60), "fcntl(fd, F_DUPFD_CLOEXEC, *)"),
        ("kill", (4711, 15), "kill(pid, SIGTERM)"),
        ("kill", (0, 15), "kill(0, SIGTERM)"),
        ("prlimit64", (0, 3, 0, POINTER), "prlimit64(0, RLIMIT_STACK, *, *)"),
        ("prctl", (0x53564D41, 0, POINTER, 4096, POINTER), "prctl(PR_SET_VMA, 0, *, *, *)"),
        ("rt_sigaction", (33, POINTER, 0, 8), "rt_sigaction(*, *, *, *)"),
        ("sched_setscheduler", (4711, 0x9FD6D0CD, POINTER), "sched_setscheduler(pid, *, *)"),
        ("exit_group", (3,), "exit_group(*)"),
    ],
)
def test_a_call_is_told_in_words(call: str, args: tuple[int, ...], told: str) -> None:
    padded = args + (0,) * (6 - len(args))
    assert str(seen("x86_64", abi.numbers("x86_64")[call], padded)) == told


def test_a_number_without_a_name_is_told_as_a_number() -> None:
    assert str(seen("x86_64", 9999, (0,) * 6)) == "syscall_9999()"


def test_words_of_flags_are_those_that_a_filter_is_asked_with() -> None:
    flags = seen("x86_64", abi.numbers("x86_64")["clone"], (0x3D0F00, 0, 0, 0, 0, 0)).args[0]
    assert constant(flags, "x86_64") == 0x3D0F00


def case(function: str, *calls: str) -> Case:
    return Case(
        function, "", "ok", tuple(Seen(name) for name in calls), tuple(Refusal(n, "EPERM", "same") for n in calls)
    )


def facts(*cases: Case) -> ProbeFacts:
    return ProbeFacts("glibc-9.9", "x86_64", {}, (), {(one.function, one.variant): one for one in cases})


def test_a_case_that_came_out_otherwise_is_shown_both_ways() -> None:
    lines = differences(facts(case("a", "read"), case("b", "poll")), facts(case("a", "read"), case("b", "ppoll")))
    assert "-  poll()" in lines
    assert "+  ppoll()" in lines
    assert not any("read" in line for line in lines)


def test_only_the_functions_that_were_probed_are_compared() -> None:
    known = facts(case("a", "read"), case("b", "poll"))
    assert differences(known, facts(case("a", "read")), ("a",)) == []
    assert differences(known, facts(case("a", "read"))) == ["-b: ok", "-  poll()", "-  ! poll EPERM same"]
