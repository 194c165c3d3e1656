#!/usr/bin/env python3
"""How long a forecast takes, from the command line, side by side with starting Python and with `troth show`.

python bench/forecast_times.py             print the table
python bench/forecast_times.py --write     into bench/RESULTS.md
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.harness import Candidate, compare, python, rows, table

TOP = Path(__file__).resolve().parent.parent
DOCKER = TOP / "tests/data/oci/docker.json"
WORKER = TOP / "examples/worker.json"


def _troth(*args: str) -> tuple[str, ...]:
    """A command line whose exit status says that it ran: what breaks is 1."""
    call = f"import sys; from troth.cli import call, dispatch; status = call(lambda: dispatch({[*args]!r}))"
    return python(f"{call}; sys.exit(status > 1)")


CANDIDATES = (
    Candidate("python3", python("pass")),
    Candidate("troth show", _troth("show", str(DOCKER))),
    Candidate("Docker, one release", _troth("forecast", str(DOCKER), "--from", "glibc-2.33", "--to", "glibc-2.34")),
    Candidate("Docker, all releases", _troth("forecast", str(DOCKER), "--from", "glibc-2.15", "--to", "glibc-2.44")),
    Candidate("Docker, to musl", _troth("forecast", str(DOCKER), "--from", "glibc-2.36", "--to", "musl-1.2.6")),
    Candidate("Docker, kernels", _troth("forecast", str(DOCKER), "--from", "linux-5.10", "--to", "linux-7.2")),
    Candidate("Docker, to aarch64", _troth("forecast", str(DOCKER), "--from", "x86_64", "--to", "aarch64")),
    Candidate("60 findings with fixes", _troth("forecast", str(WORKER), "--from", "glibc-2.31", "--to", "glibc-2.44")),
)


def report(rounds: int) -> str:
    """The section of the report."""
    load = os.getloadavg()[0]
    timings = compare(CANDIDATES, rounds=rounds)
    head = ("", "median ms", "min ms", "over python3", "ratio")
    return (
        "## How long a forecast takes\n\n"
        f"`bench/forecast_times.py`: `troth forecast` as a whole process, medians of {rounds} interleaved rounds on "
        f"one CPU; Python {platform.python_version()}, Linux {platform.release().partition('-')[0]}, "
        f"load {load:.1f}.\n\n"
        f"{table(head, rows(timings, 'python3'))}\n"
    )


def main() -> None:
    """Measure, and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="into bench/RESULTS.md")
    parser.add_argument("--rounds", type=int, default=11)
    options = parser.parse_args()
    text = report(options.rounds)
    if options.write:
        from bench.run import RESULTS, with_section

        RESULTS.write_text(with_section(RESULTS.read_text(), "forecasts", text))
    else:
        print(text)


if __name__ == "__main__":
    main()
