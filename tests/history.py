"""What happened to filters as libcs and kernels were upgraded: the record's replays, and Docker's profile of a day."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from troth import abi
from troth.formats.oci import load_bytes
from troth.libc.forecast.compare import Forecast, forecast
from troth.libc.forecast.systems import System, parse
from troth.libc.forecast.tables import version_key
from troth.policy import Policy
from troth.policy.build import build

TOP = Path(__file__).resolve().parents[1]
REPLAYS: list[dict[str, Any]] = json.loads((TOP / "tests/data/forecast/history.json").read_text("utf-8"))
_DOCKER = TOP / "bench/survival/data/docker.json"  # of 2021; its README says whose


def filter_of(replay: dict[str, Any], *also: str) -> Policy:
    """The filter of a replay, and these calls allowed `also`."""
    allowed = (*replay.get("allow", ()), *also)
    said = [(words, "allow") for words in allowed] + list(replay.get("deny", {}).items())
    rules = [
        (words.partition("(")[0], words.partition("(")[2].removesuffix(")") or None, answer) for words, answer in said
    ]
    return build((replay.get("arch", "x86_64"),), rules, default=replay["default"])


def moved(policy: Policy, old: str, new: str, arch: str = "x86_64") -> Forecast:
    """What is forecast for a filter when its programs go from one system to another."""
    before = parse(old).filled(System("glibc-2.36", "7.2", arch))
    return forecast(policy, policy, before, parse(new).filled(before))


def docker(arch: str = "x86_64", *, linux: str = "") -> Policy:
    """Docker's profile of early 2021, or as it was before it knew the calls that came after a kernel."""
    profile = json.loads(_DOCKER.read_bytes())
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
