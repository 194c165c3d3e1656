"""What happened to filters is what a forecast would have said: replays, the filters as data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from troth import abi
from troth.formats.oci import load_bytes
from troth.libc.forecast.compare import Forecast, forecast
from troth.libc.forecast.systems import System, parse
from troth.libc.forecast.tables import version_key
from troth.policy import Policy
from troth.policy.build import build

TOP = Path(__file__).resolve().parents[2]
REPLAYS: list[dict[str, Any]] = json.loads((TOP / "tests/data/forecast/history.json").read_text("utf-8"))
DOCKER = (TOP / "bench/survival/data/docker.json").read_bytes()  # of 2021; its README says whose


def filter_of(replay: dict[str, Any]) -> Policy:
    said = [(words, "allow") for words in replay.get("allow", [])] + list(replay.get("deny", {}).items())
    rules = [
        (words.partition("(")[0], words.partition("(")[2].removesuffix(")") or None, answer) for words, answer in said
    ]
    return build((replay.get("arch", "x86_64"),), rules, default=replay["default"])


def moved(policy: Policy, old: str, new: str, arch: str = "x86_64") -> Forecast:
    before = parse(old).filled(System("glibc-2.36", "7.2", arch))
    return forecast(policy, policy, before, parse(new).filled(before))


@pytest.mark.parametrize("replay", REPLAYS, ids=lambda replay: replay["name"])
def test_what_happened_would_have_been_said(replay: dict[str, Any]) -> None:
    found = moved(filter_of(replay), replay["from"], replay["to"], replay.get("arch", "x86_64"))
    some = [one for one in found.findings if one.function == replay["function"] and one.call.startswith(replay["call"])]
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
    policy = filter_of(replay)
    found = moved(policy, replay["from"], replay["to"], replay.get("arch", "x86_64"))
    some = [one for one in found.findings if one.function == replay["function"] and one.call.startswith(replay["call"])]
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
    found = moved(filter_of(replay), replay["from"], replay["from"], replay.get("arch", "x86_64"))
    assert found.findings == ()


def docker(arch: str = "x86_64", *, linux: str = "") -> Policy:
    """Docker's profile of early 2021, or as it was before it knew the calls that came after a kernel."""
    profile = json.loads(DOCKER)
    # Debian's has the remedy for clone3 of December 2021.
    profile["syscalls"] = [entry for entry in profile["syscalls"] if "errnoRet" not in entry]
    if linux:
        since = {row[1]: row[2] for name in ("x86_64", "arm") for row in abi.table(name)}
        for entry in profile["syscalls"]:
            entry["names"] = [
                name for name in entry["names"] if version_key(since.get(name, "1.0")) <= version_key(linux)
            ]
        profile["syscalls"] = [entry for entry in profile["syscalls"] if entry["names"]]
    return load_bytes(json.dumps(profile).encode(), arches=(arch,), caps=("docker",))


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
