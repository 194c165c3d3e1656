#!/usr/bin/env python3
"""Show where the milliseconds of `import troth` and pledge() go.

    python bench/profile_pledge.py [PROMISES]

Each sample is a fresh process, because a second pledge() would find warm tables. In it the functions
that pledge() calls are wrapped with a clock (`pledge_steps`); times are inclusive.
"""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.harness import ROOT, environment, pinned, progress, table
from bench.pledge_steps import STEPS

PROMISES = "stdio rpath inet"
SOURCE = str(ROOT / "src")

_SHOWN = 20  # modules


def _runs(command: list[str], rounds: int, what: str) -> Iterator[subprocess.CompletedProcess[str]]:
    """Run a command over and over on one CPU; the first run, which fills caches, is not given."""
    with pinned():
        for number in range(rounds + 1):
            progress(f"{what} {number}/{rounds}")
            done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)
            if number:
                yield done
    progress("")


def _steps(promises: str, rounds: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = defaultdict(list)
    path = [SOURCE, str(ROOT)]
    code = f"import sys; sys.path += {path!r}; from bench.pledge_steps import sample; sample({promises!r})"
    for done in _runs([sys.executable, "-c", code], rounds, "steps"):
        for line in done.stdout.splitlines():
            step, _, took = line.partition("\t")
            found[step].append(float(took))
    return found


def _imports(rounds: int) -> dict[str, list[float]]:
    """Own time of each module that `troth.pledge` imports, as -X importtime tells it."""
    found: dict[str, list[float]] = defaultdict(list)
    mark = "sys.stderr.write('begin\\n')"
    code = f"import sys; sys.path.append({SOURCE!r}); {mark}; import troth; troth.pledge"
    for done in _runs([sys.executable, "-X", "importtime", "-c", code], rounds, "imports"):
        for line in done.stderr.partition("begin\n")[2].splitlines():
            own, _, module = line.removeprefix("import time:").split("|")
            found[module.strip()].append(int(own) / 1e3)
    return found


def report(rounds: int, promises: str = PROMISES) -> str:
    """Two tables: the steps, and the modules that are imported."""
    spent = _steps(promises, rounds)
    steps = [
        ["- " * depth + step, f"{median(spent[step]):.2f}", f"{min(spent[step]):.2f}"]
        for step, _, _, depth in STEPS
        if step in spent
    ]
    own = {module: median(times) for module, times in _imports(min(rounds, 15)).items()}
    ranked = sorted(own, key=lambda module: -own[module])
    modules = [[module, f"{own[module]:.2f}"] for module in ranked[:_SHOWN]]
    if len(ranked) > _SHOWN:
        rest = sum(own[module] for module in ranked[_SHOWN:])
        modules.append([f"{len(ranked) - _SHOWN} others", f"{rest:.2f}"])
    modules.append([f"all {len(own)}", f"{sum(own.values()):.2f}"])
    return (
        f'`pledge("{promises}")` in a fresh process, by step; indented steps are part of the one above them.\n\n'
        + table(["step", "median ms", "min ms"], steps)
        + "\n\nModules imported for it, by their own time (with `-X importtime`, which adds some to each).\n\n"
        + table(["module", "median ms"], modules)
    )


if __name__ == "__main__":
    print(report(31, " ".join(sys.argv[1:]) or PROMISES))
