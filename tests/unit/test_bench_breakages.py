"""The measure of recorded breakages: what counts, and that a sample of each mechanism is forecast."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench import breakages  # the tree's own

RECORD: list[dict[str, Any]] = json.loads(breakages.RECORD.read_text("utf-8"))

# Mechanisms that facts of libcs, kernels and runtimes decide; the others are about single libraries or tools.
DECIDED = (
    "wrapper-remap",
    "new-implicit-call",
    "arch-table",
    "errno-no-fallback",
    "time64",
    "denylist-bypass",
    "kernel-injected",
)


def test_what_facts_decide_is_forecast_and_nothing_is_that_is_not_so() -> None:
    sample = [one for name in DECIDED for one in [o for o in RECORD if o["mechanism_class"] == name][:4]]
    found = breakages.scores(sample)
    missed = [score.incident["id"] for score in found if not score.hit]
    assert len(missed) <= 1, missed
    assert not [score.incident["id"] for score in found if score.after_mending or score.without_move]


def test_what_nothing_is_recorded_of_is_not_forecast() -> None:
    incident = next(one for one in RECORD if one["id"] == "romprops-2025-curl")
    (score,) = breakages.scores([incident])
    assert not score.hit
    assert "nothing is recorded of libcurl" in score.told


def test_an_event_is_named_by_the_call_and_what_it_asks() -> None:
    assert breakages._names("ioctl(fd, TCGETS2, *)", "ioctl(TCGETS2)")
    assert not breakages._names("ioctl(fd, TCSETS2, *)", "ioctl(TCGETS2)")
    assert not breakages._names("openat2(fd, *)", "openat")


def test_the_table_adds_up() -> None:
    found = breakages.scores(RECORD[:6])
    lines = breakages.table(found).splitlines()
    assert lines[-1].startswith(f"| **all** | {len(found)} | {sum(score.hit for score in found)} |")
