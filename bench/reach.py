#!/usr/bin/env python3
"""How long it takes to read what a libc's functions can call, and to look up what was read before.

    python bench/reach.py                     this machine's libc, and those that were fetched
    python bench/reach.py debian:trixie /     these
    python bench/reach.py --write /           into bench/RESULTS.md

Where `r2` is on the path, radare2 finds the functions and references of the same libc's main file beside it.

Times are medians of a few runs of the processor time of one process, since the analysis uses one processor and reads
nothing but the files.
"""

from __future__ import annotations

import datetime
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from troth.libc import identify
from troth.libc.found import Found
from troth.libc.reach.analyse import analyse, files_of
from troth.libc.reach.facts import builds

_RUNS = 3
_SAID = """\
Seconds of processor time to read from a libc's code which system calls each of its functions can make, with all its
files, by either decoder; the places that enter the kernel, and those of which the call is not known; and milliseconds
until what was read before is at hand again in a new process. radare2 (`aaa`) is beside it on the libc's main file: it
finds functions and references, and does not say which calls a function can make. angr from PyPI does not load with what
pip installs for it (`bench/peers.py`); tools made of it take minutes, by their authors' word.
"""
_LOOK_UP = (
    "import time; from troth.libc.identify import resolve; from troth.libc.reach.store import facts_of;"
    "found = resolve({path!r}); start = time.perf_counter(); facts_of(found).function('open');"
    "print(time.perf_counter() - start)"
)


def measure(found: Found) -> tuple[float, float, int, int]:
    """Seconds to analyse a libc with each decoder (0: it has but one), its sites, and how many are open."""
    took = []
    sites = opened = 0
    for library in ("iced_x86", "capstone"):
        if found.arch == "aarch64" and library == "iced_x86":
            took.append(0.0)
            continue
        times = []
        for _ in range(_RUNS):
            start = time.process_time()
            analysis = analyse(files_of(found.objects), found.name, library=library)
            times.append(time.process_time() - start)
        took.append(median(times))
        sites, opened = analysis.origin.sites, len(analysis.origin.open_sites)
    return took[0], took[1], sites, opened


def radare2(path: str) -> float:
    """Seconds that radare2 takes to find the functions and references of one file; 0 where it is not installed."""
    if not shutil.which("r2"):
        return 0.0
    times = []
    for _ in range(_RUNS):
        before = os.times()
        done = subprocess.run(["r2", "-q", "-c", "aaa;aflc", path], capture_output=True, text=True, check=True)
        after = os.times()
        assert int(done.stdout.split()[-1]) > 1000, "radare2 found hardly a function"
        times.append(after.children_user + after.children_system - before.children_user - before.children_system)
    return median(times)


def look_up(path: str) -> float:
    """Seconds until a kept analysis of this file is at hand, in a process of its own."""
    with tempfile.TemporaryDirectory() as cache:
        env = dict(os.environ, TROTH_CACHE=cache)
        command = [sys.executable, "-c", _LOOK_UP.format(path=path)]
        times = [
            float(subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout)
            for _ in range(_RUNS + 1)
        ]
    return median(times[1:])  # the first analyses


def report(names: tuple[str, ...]) -> str:
    """The table, as Markdown."""
    some = [identify.resolve(name) for name in names] or [identify.resolve("/"), *identify.fetched()]
    lines = [
        "| libc | sites | open | iced-x86, s | capstone, s | kept, ms | radare2, s |",
        "|---|---|---|---|---|---|---|",
    ]
    for found in some:
        fast, slow, sites, opened = measure(found)
        known = (found.name, found.arch) in builds()
        kept = look_up(found.objects[0])
        peer = radare2(found.objects[0])
        note = "" if known else " (no facts)"
        lines.append(
            f"| {found.name} {found.arch}{note} | {sites} | {opened} | {f'{fast:.2f}' if fast else '-'} "
            f"| {slow:.2f} | {kept * 1000:.0f} | {f'{peer:.1f}' if peer else '-'} |"
        )
    if shutil.which("r2"):
        said = subprocess.run(["r2", "-v"], capture_output=True, text=True, check=True).stdout
        lines += ["", f"Run {datetime.datetime.now(datetime.UTC):%Y-%m-%d}, {' '.join(said.split()[:2])}."]
    return "\n".join(lines)


def main() -> None:
    """Print the table, or write it into the report."""
    names = tuple(name for name in sys.argv[1:] if name != "--write")
    text = report(names)
    print(text)
    if "--write" in sys.argv:
        from bench.run import RESULTS, with_section

        RESULTS.write_text(
            with_section(RESULTS.read_text(), "reach", f"## What libc functions reach\n\n{_SAID}\n{text}\n")
        )


if __name__ == "__main__":
    main()
