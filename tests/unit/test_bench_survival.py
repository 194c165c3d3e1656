"""The survival experiment's own parts: filters from what was known, shares of survivors, and that what is shown is so."""

from __future__ import annotations

import doctest
import json
import re
from types import ModuleType

import pytest

from bench.run import RESULTS, kept_sections
from bench.survival import chart, outcomes, profiles, report
from bench.survival.methods import (
    BY_KEY,
    METHODS,
    Method,
    docker,
    docker_profile,
    listed,
    seen,
    system_service,
    widened,
)
from bench.survival.outcomes import OUTCOMES, Failure, Line, Outcomes, ordered
from bench.survival.profiles import DOCKER, SYSTEM_SERVICE, expand
from bench.survival.watch import everything, telling
from troth import abi
from troth.abi.seccomp import RET_ALLOW, RET_ERRNO, RET_KILL_PROCESS, RET_USER_NOTIF
from troth.bpf import Call, emulate
from troth.policy import Policy

X86_64 = abi.arch("x86_64").audit
NUMBERS = abi.numbers("x86_64")
EPERM, ENOSYS = RET_ERRNO | 1, RET_ERRNO | 38

LINE = Line(
    "libc",
    ("libc-1", "libc-2", "libc-3"),
    ("cat", "ls", "sh", "vi"),
    {"seen-kill": 30},
    failures=(
        Failure("seen-kill", "libc-1", "vi", "killed", ("ioctl",), True),
        Failure("seen-kill", "libc-2", "vi", "killed", ("newfstatat",), True),
        Failure("seen-kill", "libc-2", "cat", "killed", ("newfstatat", "rseq"), True),
        Failure("seen-kill", "libc-3", "cat", "killed", ("newfstatat",), True),
        Failure("seen-kill", "libc-3", "ls", "killed", ("rseq",), True),
        Failure("seen-eperm", "libc-3", "sh", "differs", ("clone3", "rseq"), True),
    ),
)


def answer(policy: Policy, call: str | int, *args: int) -> int:
    return policy.answer(Call(X86_64, NUMBERS[call] if isinstance(call, str) else call, args))


@pytest.mark.parametrize(("name", "refused"), [("kill_process", RET_KILL_PROCESS), ("EPERM", EPERM)])
def test_the_calls_seen_are_allowed_and_nothing_else(name: str, refused: int) -> None:
    policy = seen(frozenset(("read", "write")), name)
    assert {call for call in NUMBERS if answer(policy, call) == RET_ALLOW} == {"read", "write"}
    assert answer(policy, "openat") == answer(policy, 9999) == refused


def test_a_group_is_followed_through_the_groups_that_it_names() -> None:
    listing = "@a\n    # What a does\n    @b\n    read\n@b\n    @a\n    write\n\n# Ungrouped\n@c\n    mount\n"
    assert expand(listing, "@a") == ["read", "write"]


def test_a_group_that_is_not_listed_is_an_error() -> None:
    with pytest.raises(KeyError):
        expand("@a\n    @b\n", "@a")


def test_the_group_of_systemd_247_has_what_that_day_had() -> None:
    calls = listed(SYSTEM_SERVICE.read_text())
    assert len(calls) > 250
    assert {"clone3", "close_range", "faccessat2", "newfstatat", "openat2", "rseq"} <= calls
    assert not {"epoll_pwait2", "fchmodat2", "mount", "ptrace", "cachestat"} & calls
    policy = system_service(frozenset(("mount",)), "EPERM")
    assert answer(policy, "mount") == EPERM  # what was seen does not widen it
    assert answer(policy, "clone3") == RET_ALLOW


def test_the_profile_of_that_day_refuses_clone3_and_the_mended_one_says_that_it_is_unknown() -> None:
    released, mended = docker(frozenset(), mended=False), docker(frozenset(), mended=True)
    differing = {call for call in NUMBERS if answer(released, call) != answer(mended, call)}
    assert differing == {"clone3"}
    assert (answer(released, "clone3"), answer(mended, "clone3")) == (EPERM, ENOSYS)
    # runc's own answer to what is newer than the profile, whose newest call is epoll_pwait2.
    assert answer(released, "epoll_pwait2") == RET_ALLOW
    assert answer(released, "fchmodat2") == answer(released, "cachestat") == ENOSYS


def test_a_profile_that_nobody_mended_is_not_taken_for_the_one_that_was() -> None:
    data = docker_profile(DOCKER.read_bytes(), mended=False)
    assert len(json.loads(data)["syscalls"]) == len(json.loads(DOCKER.read_bytes())["syscalls"]) - 2
    with pytest.raises(ValueError, match="clone3"):
        docker_profile(data, mended=False)


def test_calls_are_added_to_a_policy_by_name_or_by_number() -> None:
    policy = widened(seen(frozenset(("read",)), "EPERM"), ("clone", "9999"))
    assert answer(policy, "clone", 0x10000) == answer(policy, 9999) == answer(policy, "read") == RET_ALLOW
    assert answer(policy, "write") == EPERM


@pytest.mark.parametrize("method", [method for method in METHODS if method.policy], ids=lambda method: method.key)
def test_a_filter_that_tells_lets_through_what_the_policy_allows_and_asks_about_the_rest(method: Method) -> None:
    make = method.policy
    assert make
    policy = make(frozenset(("read", "clone")))
    program = telling(policy).compile()
    for call in (*NUMBERS.values(), 9999):
        for args in ((), (1,), (0x7E020000, 2, 3)):
            asked = Call(X86_64, call, args)
            allowed = policy.answer(asked) == RET_ALLOW and call != NUMBERS["execve"]
            assert emulate(program, asked).raw == (RET_ALLOW if allowed else RET_USER_NOTIF), (call, args)


def test_nothing_goes_unseen_when_everything_is_asked_about() -> None:
    program = telling(everything("x86_64")).compile()
    assert {emulate(program, Call(X86_64, nr)).raw for nr in (*NUMBERS.values(), 9999)} == {RET_USER_NOTIF}


def test_shares_are_of_what_worked_under_the_oldest_libc() -> None:
    assert LINE.works("seen-kill", "libc-1") == {"cat", "ls", "sh"}
    assert LINE.share("seen-kill", "libc-1") == 1.0
    assert LINE.share("seen-kill", "libc-2") == pytest.approx(2 / 3)
    assert LINE.share("seen-kill", "libc-3") == pytest.approx(1 / 3)
    assert LINE.share("seen-eperm", "libc-2") == LINE.share("frozen", "libc-3") == 1.0


def test_a_method_under_which_nothing_worked_has_no_survivors() -> None:
    line = Line("libc", ("1", "2"), ("cat",), failures=(Failure("seen-kill", "1", "cat", "killed"),))
    assert line.share("seen-kill", "2") == 0.0


def test_who_is_killed_is_counted_under_the_call_that_killed_and_others_under_each_that_they_lack() -> None:
    assert LINE.reasons("seen-kill", "libc-2") == {"newfstatat": 1}  # `vi` did not work before either
    assert LINE.reasons("seen-kill", "libc-3") == {"newfstatat": 1, "rseq": 1}
    assert LINE.reasons("seen-eperm", "libc-3") == {"clone3": 1, "rseq": 1}


def test_failures_are_ordered_by_method_then_libc_then_program() -> None:
    mixed = tuple(reversed(LINE.failures))
    assert ordered(mixed, ("seen-kill", "seen-eperm"), LINE.libcs) == (
        LINE.failures[0], LINE.failures[2], LINE.failures[1], *LINE.failures[3:],
    )  # fmt: skip


def test_outcomes_are_read_as_they_were_written() -> None:
    made = Outcomes({"date": "2026-01-01"}, (LINE,))
    assert Outcomes.load(made.dump()) == made


def test_each_failure_has_a_line_of_its_own() -> None:
    text = Outcomes({}, (LINE,)).dump()
    assert sum(line.strip().startswith('["seen-') for line in text.splitlines()) == len(LINE.failures)


def test_the_table_names_survivors_and_what_the_others_lack() -> None:
    assert re.search(r"\| \(a\) calls seen, KILL +\| +30 \| +3 of 4 \| +67 % \| +33 % \|", report.shares(LINE))
    assert re.search(r"\| \(b\) calls seen, EPERM +\| +libc-3 \| +1 \| +`clone3` 1, `rseq` 1 \|", report.reasons(LINE))
    assert "frozen" not in report.reasons(LINE)


@pytest.fixture(scope="module")
def kept() -> Outcomes:
    return Outcomes.load(OUTCOMES.read_text())


def test_the_report_shows_what_came_of_the_last_run(kept: Outcomes) -> None:
    assert dict(kept_sections(RESULTS.read_text()))[report.SECTION] == report.section(kept)


def test_the_chart_shows_what_came_of_the_last_run(kept: Outcomes) -> None:
    drawn = re.findall(r"<text[^>]*>([^<]*)</text>", chart.CHART.read_text())
    bars = [(line, libc) for line in kept.lines for libc in line.libcs[1:]]
    for key in chart.PANELS:
        method = BY_KEY[key]
        start = drawn.index(f"({method.row}) {method.name}") - len(bars)
        assert drawn[start : start + len(bars)] == [
            report.percent(line.share(key, libc)).removesuffix(" %") for line, libc in bars
        ], key


def test_promises_with_the_tables_of_that_day_survive_each_upgrade(kept: Outcomes) -> None:
    for line in kept.lines:
        for method in METHODS:
            if not method.policy:
                shares = {libc: line.share(method.key, libc) for libc in line.libcs}
                assert shares == dict.fromkeys(line.libcs, 1.0), (line.name, method.key)


def test_what_was_seen_is_enough_under_the_same_libc_for_all_but_a_program_in_fifty(kept: Outcomes) -> None:
    for line in kept.lines:
        for key in ("seen-kill", "seen-eperm"):
            assert len(line.works(key, line.libcs[0])) >= 0.98 * len(line.programs), (line.name, key)


@pytest.mark.parametrize("module", [outcomes, profiles, report])
def test_examples_in_the_docstrings_hold(module: ModuleType) -> None:
    done = doctest.testmod(module)
    assert done.attempted
    assert not done.failed
