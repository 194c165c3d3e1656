"""What happened to filters happens again: a function behind the filter, with the libcs before and after the change.

Of the replays that tests/unit/test_forecast_history.py holds against the forecast these are those whose libcs can be
had; what is forecast between the nearest two of them comes true, and the filter that is mended as told does not break.
"""

from __future__ import annotations

import platform
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from conftest import needs
from history import REPLAYS, docker, filter_of, moved
from matrix.test_fragility import built
from programs import directory

from tools.libcs import GLIBCS, MUSLS, Libc
from troth import abi
from troth.abi.seccomp import RET_ALLOW
from troth.libc.forecast.tables import version_key
from troth.policy import Policy

SOURCE = Path(__file__).with_name("replay.c")
WORKS, FAILS = 0, 1
_MOST_FIXES = 5  # of one function, one after the other


def spanning(old: str, new: str) -> tuple[Libc, Libc] | None:
    """The nearest libcs at hand that are as old as the one and as new as the other."""
    name, _, first = old.partition("-")
    libcs = sorted(
        (libc for libc in (*GLIBCS, *MUSLS) if libc.name == name), key=lambda libc: version_key(libc.version)
    )
    last = new.partition("-")[2]
    before = [libc for libc in libcs if version_key(libc.version) <= version_key(first)]
    after = [libc for libc in libcs if version_key(libc.version) >= version_key(last)]
    return (before[-1], after[0]) if before and after else None


LIVE: list[tuple[dict[str, Any], tuple[Libc, Libc]]] = [
    (replay, pair)
    for replay in REPLAYS
    if replay.get("arch", "x86_64") == "x86_64" and (pair := spanning(replay["from"], replay["to"]))
]
# Docker's profile of its day: a function, the kernel whose calls it knew ("" for all), and the libcs.
DOCKERS = [
    ("faccessat", "5.4", "glibc-2.32", "glibc-2.33"),
    ("(thread)", "", "glibc-2.33", "glibc-2.34"),
    ("posix_spawn", "", "glibc-2.33", "glibc-2.34"),
    ("fstat", "", "glibc-2.32", "glibc-2.33"),
    ("lchmod", "", "glibc-2.38", "glibc-2.39"),
    ("isatty", "", "glibc-2.41", "glibc-2.42"),
]


def ends(libc: Libc, policy: Policy, function: str) -> int:
    """How the function ends behind the filter: WORKS, FAILS, or the signal, negative."""
    code = Path(directory(), f"replay-{libc}.bpf")
    code.write_bytes(policy.compile().to_bytes())
    done = subprocess.run([built(libc, SOURCE), code, function], check=False)
    assert done.returncode != 2
    return done.returncode


def breaks(policy: Policy, function: str, pair: tuple[Libc, Libc]) -> bool:
    """Whether it is forecast that the function does."""
    found = moved(policy, *(libc.build for libc in pair))
    return any(one.effect == "breaks" and one.function == function for one in found.findings)


def allowed(policy: Policy, words: str) -> Policy:
    """The filter with a call that is only told to be allowed, because that opens more."""
    told = re.match("allow `([a-z0-9_]+)`, which opens more", words)
    assert told, words
    rules = {**policy.sections["x86_64"], abi.numbers("x86_64")[told[1]]: (((), RET_ALLOW),)}
    return policy.replace(sections={"x86_64": rules})


def mended(policy: Policy, function: str, pair: tuple[Libc, Libc]) -> Policy:
    """The filter after all that is told to be changed for the function."""
    for _ in range(_MOST_FIXES):
        found = moved(policy, *(libc.build for libc in pair))
        fixes = [one.fix for one in found.findings if one.function == function and one.effect == "breaks"]
        if not fixes:
            return policy
        assert fixes[0] is not None
        policy = fixes[0].amended or allowed(policy, fixes[0].words)
    raise AssertionError(f"{function} is not mended by {_MOST_FIXES} changes")


def comes_true(policy: Policy, function: str, pair: tuple[Libc, Libc]) -> bool:
    """Let it happen as forecast; says whether it broke."""
    before, after = pair
    forecast = breaks(policy, function, pair)
    assert ends(before, policy, function) == WORKS
    assert (ends(after, policy, function) != WORKS) is forecast
    if forecast:
        assert ends(after, mended(policy, function, pair), function) == WORKS
    return forecast


@pytest.mark.parametrize(("replay", "pair"), LIVE, ids=[replay["name"] for replay, _ in LIVE])
def test_what_happened_happens_again(replay: dict[str, Any], pair: tuple[Libc, Libc]) -> None:
    policy = filter_of(replay, "exit_group")
    assert comes_true(policy, replay["function"], pair) is (replay["effect"] == "breaks")


@pytest.mark.parametrize(("function", "linux", "old", "new"), DOCKERS)
def test_dockers_profile_of_its_day_does_what_is_forecast(function: str, linux: str, old: str, new: str) -> None:
    pair = spanning(old, new)
    assert pair is not None
    broke = comes_true(docker(linux=linux), function, pair)
    assert broke is (function not in {"fstat", "isatty"})


def test_a_kernels_new_call_goes_past_a_list_of_what_is_denied() -> None:
    replay = next(one for one in REPLAYS if one["effect"] == "bypass")
    needs(version_key(platform.release().partition("-")[0]) >= version_key("6.6"), "fchmodat2(2) is of Linux 6.6")
    policy = filter_of(replay)
    (libc,) = (one for one in GLIBCS if one.version == "2.36")
    assert ends(libc, policy, "lchmod") == WORKS  # 0640 sets none of the bits
    assert ends(libc, policy, replay["function"]) == WORKS


def test_most_replays_of_the_machine_that_all_libcs_are_of_are_live() -> None:
    names = {replay["name"] for replay, _ in LIVE}
    assert len(names) >= 11
    assert {"fstat becomes newfstatat", "faccessat2 with EPERM", "fchmodat2 with EPERM", "rseq at the start"} <= names
