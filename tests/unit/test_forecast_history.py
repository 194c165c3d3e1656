"""What happened to filters is what a forecast would have said: replays, the filters as data."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from history import REPLAYS, docker, filter_of, moved

from troth.libc.forecast.compare import Finding, Forecast


@functools.cache
def said(name: str) -> Forecast:
    """What is forecast of a replay, by its name."""
    (replay,) = (one for one in REPLAYS if one["name"] == name)
    return moved(filter_of(replay), replay["from"], replay["to"], replay.get("arch", "x86_64"))


def of_the_change(found: Forecast, replay: dict[str, Any]) -> list[Finding]:
    """The findings about what a replay is about."""
    return [one for one in found.findings if one.function == replay["function"] and one.call.startswith(replay["call"])]


@pytest.mark.parametrize("replay", REPLAYS, ids=lambda replay: replay["name"])
def test_what_happened_would_have_been_said(replay: dict[str, Any]) -> None:
    found = said(replay["name"])
    some = of_the_change(found, replay)
    assert some, [(one.function, one.call, one.effect) for one in found.findings]
    assert {(one.effect, one.since) for one in some} == {(replay["effect"], replay["since"])}
    assert found.breaks or replay["effect"] == "falls-back"
    for one in some:
        assert any(replay["evidence"] in words for words in one.evidence)
        if "fix" in replay:
            assert one.fix is not None
            assert one.fix.words.startswith(replay["fix"])


@pytest.mark.parametrize("replay", [one for one in REPLAYS if "fix" in one], ids=lambda replay: replay["name"])
def test_it_would_not_have_happened_to_the_mended_filter(replay: dict[str, Any]) -> None:
    some = of_the_change(said(replay["name"]), replay)
    mended = [(one.fix.amended, one.call) for one in some if one.fix and one.fix.amended]
    if not mended:
        assert replay.get("widens"), "what has no safe fix is said to have none"
        return
    for policy, call in mended:
        again = moved(policy, replay["from"], replay["to"], replay.get("arch", "x86_64"))
        left = [one for one in again.findings if one.function == replay["function"] and one.call == call]
        assert not [one for one in left if one.effect == "breaks"]


@pytest.mark.parametrize("replay", REPLAYS, ids=lambda replay: replay["name"])
def test_it_is_not_said_of_the_release_before(replay: dict[str, Any]) -> None:
    head, _, last = replay["from"].rpartition(".")
    found = moved(filter_of(replay), f"{head}.{int(last) - 1}", replay["from"], replay.get("arch", "x86_64"))
    variants = {one.variant for one in of_the_change(said(replay["name"]), replay)}
    # musl 1.1.24 asks for 64-bit time too, but only about what is after 2038
    assert not variants & {one.variant for one in of_the_change(found, replay)}


# An upgrade, Docker's profile of its day, and the calls that it breaks.
OF_ITS_DAY = [
    ("glibc-2.25", "glibc-2.26", "x86_64", "4.12", set()),
    ("glibc-2.30", "glibc-2.31", "arm", "5.0", {"clock_gettime64", "utimensat_time64", "ppoll_time64"}),
    ("glibc-2.32", "glibc-2.33", "x86_64", "5.4", {"faccessat2"}),
    ("glibc-2.33", "glibc-2.34", "x86_64", "", {"clone3"}),
    ("glibc-2.34", "glibc-2.35", "x86_64", "", set()),
    ("glibc-2.38", "glibc-2.39", "x86_64", "", {"fchmodat2"}),
    ("musl-1.1.24", "musl-1.2.0", "arm", "5.0", {"utimensat_time64", "timerfd_settime64"}),
    ("musl-1.1.24", "musl-1.2.0", "arm", "", set()),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "arch", "linux", "calls"), OF_ITS_DAY)
def test_dockers_profile_of_its_day_breaks_what_it_broke(
    old: str, new: str, arch: str, linux: str, calls: set[str]
) -> None:
    found = moved(docker(arch, linux=linux), old, new, arch)
    broken = {one.call.partition("(")[0] for one in found.findings if one.effect == "breaks"}
    assert broken >= calls
    assert calls or not broken
    for one in found.findings:
        if one.effect == "breaks" and one.call.partition("(")[0] in calls - {"rseq"}:
            assert one.fix is not None
            assert one.fix.proved, (one.call, one.fix.words)
