"""What other tools write into bench/RESULTS.md survives."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.run import kept_sections, with_section


def test_a_section_is_put_in_and_found_again() -> None:
    report = with_section(with_section("# Report\n", "one", "1\n"), "two", "2\n")
    assert kept_sections(report) == [("one", "1\n"), ("two", "2\n")]


def test_a_section_is_replaced_in_its_place() -> None:
    report = with_section(with_section("# Report\n", "one", "1\n"), "two", "2\n")
    assert kept_sections(with_section(report, "one", "3\n")) == [("one", "3\n"), ("two", "2\n")]
