"""Run the experiment, or show again what came of the last one: `python bench/run.py survival`."""

from __future__ import annotations

import sys
from pathlib import Path

from bench.survival import chart, report
from bench.survival.outcomes import OUTCOMES, Outcomes


def main(results: Path, *, write: bool, redraw: bool) -> str:
    """Give the section; with `write` put it into a report, and the outcomes and the chart into their files.

    `redraw` takes the outcomes that are kept instead of running programs.
    """
    if redraw:
        outcomes = Outcomes.load(OUTCOMES.read_text())
    else:
        sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))  # the matrix is the tests'
        from bench.survival.experiment import run_all

        outcomes = run_all()
    text = report.section(outcomes)
    if write or redraw:
        from bench.run import with_section

        OUTCOMES.write_text(outcomes.dump())
        results.write_text(with_section(results.read_text(), report.SECTION, text))
        try:
            chart.CHART.write_text(chart.draw(outcomes))
        except ImportError:
            print("survival: no chart without matplotlib; hint: pip install 'troth[bench]'", file=sys.stderr)
    return text
