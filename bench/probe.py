#!/usr/bin/env python3
"""Measure the probe of a C library: all of it, and one run of one case; and strace, which can refuse calls too.

python bench/probe.py             print
python bench/probe.py --write     into bench/RESULTS.md
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.run import RESULTS, with_section
from troth.libc.identify import Found, resolve
from troth.libc.probe import build
from troth.libc.probe.box import Box
from troth.libc.probe.facts import ProbeFacts
from troth.libc.probe.probing import probe
from troth.libc.probe.session import Session

LIBCS = ("debian:bookworm", "debian:bookworm/musl")
ROUNDS = 200


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """The wall time of something, and the processor's, that of its children too."""
    start, before = time.monotonic(), os.times()
    work()
    after = os.times()
    spent = sum(after[:4]) - sum(before[:4])
    return time.monotonic() - start, spent


def runs(name: str) -> list[float]:
    """The milliseconds of single runs of access(), recorded, each in a process of its own."""
    libc = resolve(name)
    box = Box(Path(libc.root), build.probe(libc.libc, libc.arch), build.command())
    times = []
    with Session(box, libc.arch) as session:
        number = next(entry.number for entry in session.entries if entry.function == "access")
        for _ in range(ROUNDS):
            times.append(1000 * seconds(lambda: session.run(number, limit=1.0))[0])
    return times


def strace() -> list[float]:
    """The milliseconds of single runs of a program that does next to nothing, with a call refused by strace."""
    command = ["strace", "-f", "-o", "/dev/null", "-e", "inject=access:error=EPERM", str(build.command())]
    return [1000 * seconds(lambda: subprocess.run(command, check=False))[0] for _ in range(ROUNDS // 4)]


def _into(found: list[ProbeFacts], libc: Found) -> None:
    found.append(probe(libc))


def report() -> str:
    """The section."""
    lines = [
        "## Probing a C library",
        "",
        f"`troth libc probe`, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f} before; one round each.",
        "",
        "| libc | cases | functions | seconds | seconds of processor |",
        "|---|---|---|---|---|",
    ]
    for name in LIBCS:
        libc = resolve(name)
        found: list[ProbeFacts] = []
        wall, spent = seconds(partial(_into, found, libc))
        (facts,) = found
        size = f"{len(facts.cases)} | {len(facts.functions)}"
        lines.append(f"| {libc.name} | {size} | {wall:.0f} | {spent:.0f} |")
    lines += ["", "| one run of one case | ms, median | ms, best |", "|---|---|---|"]
    named = [(f"access(), {name}", runs(name)) for name in LIBCS]
    if shutil.which("strace"):
        named.append(("an empty program under `strace -f -e inject=`", strace()))
    lines += [f"| {name} | {median(times):.1f} | {min(times):.1f} |" for name, times in named]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, and print or write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the section of RESULTS.md")
    options = parser.parse_args()
    text = report()
    if options.write:
        RESULTS.write_text(with_section(RESULTS.read_text(), "probe", text))
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
