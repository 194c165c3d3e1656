"""What the tables forget, and what a filter then answers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import troth
from troth import abi
from troth.abi import flags, landlock
from troth.abi.seccomp import RET_ALLOW, RET_ERRNO
from troth.abi.since import VALUES, as_numbers
from troth.bpf import Call, emulate
from troth.errors import RequestError
from troth.kernel.probe import Kernel
from troth.promises import _paths, _table
from troth.promises._releases import RELEASED
from troth.promises.knowledge import Knowledge

NEWEST = Kernel("7.3", "x86_64", landlock.NEWEST_ABI, 0, True, frozenset(), frozenset(), None, False, False, ())
NR = abi.numbers("x86_64")
NOSYS = RET_ERRNO | 38
ALL = "stdio rpath wpath cpath fattr proc id exec tty inet"


def answer(knowledge: Knowledge | None, promises: str, name: str, *args: int) -> int:
    plan = troth.plan(promises, arch="x86_64", kernel=NEWEST, knowledge=knowledge)
    return emulate(plan.program(), Call(abi.ARCHES["x86_64"].audit, NR[name], args)).raw


@pytest.mark.parametrize(("linux", "call"), [("6.5", "fchmodat2"), ("6.9", "mseal"), ("5.17", "cachestat")])
def test_a_call_of_a_later_kernel_answers_enosys(linux: str, call: str) -> None:
    assert answer(Knowledge(linux), ALL, call, 0, 0, 0, 0) == NOSYS
    assert answer(None, ALL, call, 0, 0, 0, 0) == RET_ALLOW


def test_every_call_of_a_later_kernel_answers_enosys_and_no_earlier_one_changes() -> None:
    plan = troth.plan(ALL, arch="x86_64", kernel=NEWEST, knowledge=Knowledge("6.1", landlock=landlock.NEWEST_ABI))
    today = troth.plan(ALL, arch="x86_64", kernel=NEWEST)
    old, new = plan.program(), today.program()
    audit = abi.ARCHES["x86_64"].audit
    later = 0
    for nr, _, since, _ in abi.table("x86_64"):
        call = Call(audit, nr, (0,) * 6)
        if as_numbers(since) > (6, 1):
            later += 1
            assert emulate(old, call).raw == NOSYS
        else:
            assert emulate(old, call).raw == emulate(new, call).raw
    assert later > 20


def test_all_there_is_to_know_is_what_a_plan_has_without_saying() -> None:
    everything = troth.plan(ALL, kernel=NEWEST, knowledge=Knowledge())
    today = troth.plan(ALL, kernel=NEWEST)
    assert everything.policy() == today.policy()
    assert everything.ruleset == today.ruleset


def test_a_value_of_a_later_kernel_is_answered_as_an_unknown_one() -> None:
    option = flags.value("PR_SET_VMA", "x86_64")
    assert answer(Knowledge("5.16"), "stdio", "prctl", option) == answer(None, "stdio", "prctl", 0x7FFF)
    assert answer(Knowledge("5.17"), "stdio", "prctl", option) == RET_ALLOW


def test_what_a_later_libc_does_is_not_foreseen() -> None:
    flag = flags.value("AT_EMPTY_PATH", "x86_64")
    assert answer(Knowledge(libc="glibc-2.32"), "stdio", "newfstatat", 1, 0, 0, flag) != RET_ALLOW
    assert answer(Knowledge(libc="glibc-2.33"), "stdio", "newfstatat", 1, 0, 0, flag) == RET_ALLOW


def test_one_libc_tells_what_was_known_of_another() -> None:
    assert Knowledge(libc="musl-1.2.3").met("glibc-2.35")
    assert not Knowledge(libc="musl-1.2.3").met("glibc-2.36")
    assert Knowledge(libc="glibc-2.31").met("musl-1.1.24")


def test_landlock_is_as_old_as_the_kernel_unless_said_otherwise() -> None:
    assert Knowledge("5.10").landlock_abi == 0
    assert Knowledge("5.10", landlock=3).landlock_abi == 3
    assert [Knowledge(linux).landlock_abi for linux in landlock.KERNEL.values()] == list(landlock.KERNEL)
    assert Knowledge().landlock_abi == landlock.NEWEST_ABI
    assert troth.plan("stdio", kernel=NEWEST, knowledge=Knowledge("5.10")).ruleset is None
    old = troth.plan("stdio", kernel=NEWEST, knowledge=Knowledge("6.3")).ruleset
    assert old is not None
    assert old.handled_fs & ~landlock.FS_BY_ABI[3] == 0


def test_a_file_that_a_later_libc_opens_is_not_granted() -> None:
    path = next(iter(_paths.SINCE))
    before = troth.plan("stdio", kernel=NEWEST, knowledge=Knowledge(libc="glibc-2.31")).ruleset
    today = troth.plan("stdio", kernel=NEWEST).ruleset
    assert before is not None
    assert today is not None
    assert path in {rule.path for rule in today.rules}
    assert path not in {rule.path for rule in before.rules}


def test_every_reason_in_the_tables_is_a_release_and_stands_at_an_entry() -> None:
    entries = {*_table.ROWS, *_table.ANSWERS}
    assert set(_table.SINCE) <= entries
    assert {*_table.SINCE.values(), *_paths.SINCE.values()} <= set(RELEASED)
    paths = {path for _, _, names in _paths.FILES for path in names.split()}
    assert set(_paths.SINCE) <= paths


def test_every_later_value_is_used_and_known_to_the_abi() -> None:
    words = set(re.findall(r"[A-Z_]{3,}[A-Z0-9_]*", Path(_table.__file__).read_text()))
    assert set(VALUES) <= words
    for name in VALUES:
        assert flags.value(name, "x86_64") >= 0


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("linux-5.9", "before what is recorded"),
        ("linux-6", "not a version"),
        ("linux-5.x", "not a version"),
        ("glibc-2.17", "unknown C library"),
        ("linux-5.10,linux-6.1", "repeated"),
        ("freebsd-14", "unknown or repeated part"),
        ("landlock-99", "no Landlock ABI 99"),
        ("landlock-x", "not a number"),
        ("linux-", "unknown or repeated part"),
    ],
)
def test_a_time_that_is_none_is_refused_with_the_reason(text: str, problem: str) -> None:
    with pytest.raises(RequestError, match=problem):
        Knowledge.parse(text)


def test_releases_are_listed_by_date() -> None:
    dates = list(RELEASED.values())
    assert dates == sorted(dates)
