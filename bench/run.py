#!/usr/bin/env python3
"""Measure troth side by side with what else there is.

    python bench/run.py                       everything; prints the report
    python bench/run.py startup launchers     some of it
    python bench/run.py --write               everything, into bench/RESULTS.md and bench/budget.json

    python bench/run.py survival --write      an experiment of many minutes, which is run by itself (bench/survival)

`startup`: a Python program that confines itself; `launchers`: programs started confined; `counts`:
lengths of filters; `engine`: compilers of filters; `profile`: where the time of pledge() goes.
`python bench/peers.py` gets the peers.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import re
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import troth
from bench import counts, engine, launchers, profile_pledge, startup
from bench.harness import ROUNDS
from bench.peers import ABSENT, PEERS

RESULTS = Path(__file__).with_name("RESULTS.md")

PARTS: dict[str, tuple[str, Callable[[int], str]]] = {
    "startup": ("A Python program that confines itself", startup.report),
    "launchers": ("Starting a program confined", launchers.report),
    "counts": ("Lengths of filters", lambda _: counts.report()),
    "engine": ("Compilers of filters", engine.report),
    "profile": ("Where the time of pledge() goes", profile_pledge.report),
}


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def setting(rounds: int, load: float) -> str:
    """What was measured, on what, when."""
    now = datetime.datetime.now(datetime.UTC)
    versions = [f"{peer.name} {peer.version}" for peer in PEERS.values() if peer.find()]
    return (
        f"Measured {now:%Y-%m-%d} with troth {troth.__version__}, Python {platform.python_version()}, "
        f"Linux {platform.release().partition('-')[0]}, {_processor()}, {os.cpu_count()} CPUs, load {load:.1f}; "
        f"{rounds} interleaved rounds on one CPU, caches warm.\n"
        f"Peers: {', '.join(versions) or 'none installed'}.\n"
    )


def _marks(name: str) -> tuple[str, str]:
    return f"<!-- begin {name} -->\n", f"<!-- end {name} -->\n"


def with_section(report: str, name: str, text: str) -> str:
    """The report with this text as its section of that name, in the place of an earlier one or at the end.

    Such sections are other tools' and survive when the benchmarks are measured again.

    >>> print(with_section("a\\n", "x", "b\\n"), end="")
    a
    <BLANKLINE>
    <!-- begin x -->
    b
    <!-- end x -->
    """
    begin, end = _marks(name)
    before, found, rest = report.partition(begin)
    after = rest.partition(end)[2] if found else ""
    return f"{before if found else before.rstrip() + chr(10) * 2}{begin}{text}{end}{after}"


def kept_sections(report: str) -> list[tuple[str, str]]:
    """The sections of other tools in a report: names and texts."""
    return re.findall(r"<!-- begin (\w+) -->\n(.*?)<!-- end \1 -->\n", report, re.DOTALL)


def main() -> None:
    """Run the parts that were named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="*", choices=[[], *PARTS, "survival"], help="a part; by default all but one")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"at least 30 for a report (default {ROUNDS})")
    parser.add_argument("--write", action="store_true", help="write RESULTS.md (when all parts run) and budget.json")
    parser.add_argument("--redraw", action="store_true", help="of `survival`: write it again from what is kept")
    options = parser.parse_args()
    if "survival" in options.name:
        if len(options.name) > 1:
            parser.error("`survival` is run by itself; hint: it writes a section of its own")
        from bench.survival.main import main as survival

        text = survival(RESULTS, write=options.write, redraw=options.redraw)
        if not options.write:
            print(text)
        return
    names = options.name or [*PARTS]
    load = os.getloadavg()[0]
    if load > 1.5:
        print(f"note: the load is {load:.1f}; timings will be high and spread", file=sys.stderr)
    sections = [f"## {PARTS[name][0]}\n\n{PARTS[name][1](options.rounds)}\n" for name in names]
    absent = "\n".join(f"- {name}: {why}" for name, why in ABSENT)
    text = "\n".join(["# Benchmarks\n", setting(options.rounds, load), *sections, f"## Not measured\n\n{absent}\n"])
    if options.write and "counts" in names:
        counts.write_budget()
    if options.write and names == [*PARTS]:
        for name, section in kept_sections(RESULTS.read_text()) if RESULTS.exists() else ():
            text = with_section(text, name, section)
        RESULTS.write_text(text)
    else:
        print(text)


if __name__ == "__main__":
    main()
