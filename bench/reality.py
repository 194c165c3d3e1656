#!/usr/bin/env python3
"""Compare what is forecast with what happens: programs run behind filters, under one C library and under a later one.

    python bench/reality.py              print what came of it
    python bench/reality.py --write      into bench/RESULTS.md
    python bench/reality.py --list       every case

A case is a filter, a program and two C libraries. The program is Debian 11's in every case; only the C library is
another (bench/survival/mixed.py). The filter allows the calls that the program was seen to make under the older
library, and answers everything else with a kill, EPERM or ENOSYS. Forecast is `breaks` or not, for the functions that
the program and the libraries that it loads import: of every use of a function, or of some use. What happens is whether
the program does under the later library what it does there without a filter: the same status, output and files.
"""

from __future__ import annotations

import argparse
import functools
import os
import platform
import sys
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from bench.survival.experiment import Setup, Subject, glibc_alone
from bench.survival.methods import ARCH, seen
from tools import debroot
from tools.libcs import Libc
from troth.elf.reader import read
from troth.errors import TrothError
from troth.libc.forecast.compare import forecast
from troth.libc.forecast.judge import BREAKS
from troth.libc.forecast.systems import System
from troth.libc.roots import Directory, follow, library_directories

# Programs of the matrix: readers, writers, one with threads, one that starts others, one on a terminal, one with
# sockets.
PROGRAMS = (
    "cat", "sort", "ls", "stat", "cp", "mv", "install", "grep", "find", "tar", "sed -i", "mawk", "touch", "df",
    "python3 threads", "python3 spawn", "python3 temporary", "dash pipeline", "timeout", "sqlite3", "perl", "less",
)  # fmt: skip
ANSWERS = ("kill_process", "EPERM", "ENOSYS")
MOVES = (("2.31", "2.36"), ("2.31", "2.44"), ("2.36", "2.41"), ("2.41", "2.44"))

# What a program starts that is another file.
_STARTS = {
    "python3 spawn": ("usr/bin/echo",),
    "dash pipeline": ("usr/bin/sort", "usr/bin/uniq", "usr/bin/wc"),
    "timeout": ("usr/bin/cat",),
}


class Case(NamedTuple):
    """A filter's answer to what was not seen, a program, two libraries; what was forecast, and what happened.

    `forecast` is that something breaks, which is the verb's exit status, `every_use` that a function does however it is
    used. `told` are the calls that were forecast to break something. Where the two differ, `met` are those that were
    refused under the later library and not under the older one.
    """

    answer: str
    program: str
    old: str
    new: str
    forecast: bool
    every_use: bool
    happened: bool
    told: tuple[str, ...]
    met: tuple[str, ...]


def imports(root: Path, names: Iterable[str]) -> set[str]:
    """The functions that programs of a root import, and the libraries that they load."""
    tree = Directory(str(root))
    places = list(library_directories(tree))
    waiting = [follow(tree, name) for name in names]
    found: set[str] = set()
    done: set[str] = set()
    while waiting:
        path = waiting.pop()
        if path in done:
            continue
        done.add(path)
        elf = read(str(root / path))
        found |= {symbol.name for symbol in elf.imports}
        for needed in elf.needed:
            if needed.startswith(("libc.so", "libpthread.so", "libdl.so", "librt.so", "libm.so", "ld-linux")):
                continue
            there = [follow(tree, f"{place}/{needed}") for place in places]
            waiting += [path for path in there if tree.kind(path) == "file"][:1]
    return found


def program_of(root: Path, name: str) -> str:
    """Where a program of a root is, by the name that it is started with."""
    tree = Directory(str(root))
    for place in ("usr/bin", "bin", "usr/sbin", "sbin"):
        if tree.kind(found := follow(tree, f"{place}/{name}")) == "file":
            return found
    raise FileNotFoundError(name)


def try_program(name: str, *, setup: Setup, moves: Sequence[tuple[str, str]], answers: Sequence[str]) -> list[Case]:
    """All cases of one program."""
    by_version = {libc.version: libc for libc in setup.places}
    base = setup.places[setup.oldest]
    argv = setup.late[name].argv
    imported = imports(base, [program_of(base, argv[0]), *_STARTS.get(name, ())])
    found: list[Case] = []
    calls: dict[str, frozenset[str]] = {}
    for old, new in moves:
        if old not in calls:
            places = {by_version[old]: setup.places[by_version[old]]}
            calls[old] = Subject(Setup(setup.name, places, setup.late, setup.early, setup.files), name).calls()
        for answer in answers:
            found.append(_case(name, setup, by_version[old], by_version[new], answer, calls[old], imported))
    return found


def _case(
    name: str, setup: Setup, old: Libc, new: Libc, answer: str, calls: frozenset[str], imported: set[str]
) -> Case:
    policy = seen(calls, answer)
    before, after = (
        System(str(libc), platform.release().partition("-")[0].rpartition(".")[0], ARCH) for libc in (old, new)
    )
    said = forecast(policy, policy, before, after, imports=imported)
    told = sorted({one.call.partition("(")[0] for one in said.findings if one.effect == BREAKS and not one.optional})
    subject = Subject(setup, name)
    happened = subject.behind(policy, new) is not None
    met: list[str] = []
    if happened is not said.breaks:
        known = subject.refused(policy, old)
        met = [call for call in subject.refused(policy, new) if call not in known]
    whole = said.breaks_every_use
    return Case(answer, name, old.version, new.version, said.breaks, whole, happened, tuple(told), tuple(met))


def run(
    programs: Sequence[str] = PROGRAMS,
    moves: Sequence[tuple[str, str]] = MOVES,
    answers: Sequence[str] = ANSWERS,
) -> list[Case]:
    """Run the cases, two programs at a time.

    Raises:
        FetchError: a root cannot be made.
    """
    (debroot.cache_directory() / "mixed").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=debroot.cache_directory() / "mixed") as scratch:
        setup = glibc_alone(Path(scratch), programs)
        with ProcessPoolExecutor(min(2, os.cpu_count() or 1), mp_context=get_context("fork")) as pool:
            work = functools.partial(try_program, setup=setup, moves=moves, answers=answers)
            return [case for cases in pool.map(work, setup.late) for case in cases]


def of_every_use(cases: Sequence[Case]) -> list[Case]:
    """The same cases, forecast to break only where a function does however it is used."""
    return [case._replace(forecast=case.every_use) for case in cases]


def scores(cases: Sequence[Case]) -> tuple[int, int, int, int]:
    """Forecast and happened; forecast only; happened only; neither."""
    both = sum(case.forecast and case.happened for case in cases)
    alarms = sum(case.forecast and not case.happened for case in cases)
    missed = sum(case.happened and not case.forecast for case in cases)
    return both, alarms, missed, len(cases) - both - alarms - missed


def precision(cases: Sequence[Case]) -> float:
    """The share of forecasts of a breakage that came true."""
    both, alarms, _, _ = scores(cases)
    return both / (both + alarms) if both + alarms else 1.0


def recall(cases: Sequence[Case]) -> float:
    """The share of breakages that were forecast."""
    both, _, missed, _ = scores(cases)
    return both / (both + missed) if both + missed else 1.0


def report(cases: Sequence[Case]) -> str:
    """The section of the report."""
    programs = len({case.program for case in cases})
    lines = [
        "## Forecasts against what happens\n",
        f"`bench/reality.py`: {len(cases)} cases of {programs} programs of Debian 11, each behind a filter that allows "
        "what it was seen to call under the older glibc, run under that and a later glibc with nothing else changed. "
        "Forecast is `breaks` or not, from the functions that the program and its libraries import; it happens when "
        f"status, output or files differ. Linux {platform.release().partition('-')[0]}.\n",
        "| the rest is answered | move | cases | forecast, happened | only forecast | only happened | neither |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for answer in ANSWERS:
        for old, new in MOVES:
            some = [case for case in cases if (case.answer, case.old, case.new) == (answer, old, new)]
            if some:
                lines.append(f"| {answer} | {old} → {new} | {len(some)} | " + " | ".join(map(str, scores(some))) + " |")
    lines.append(f"| **all** | | {len(cases)} | " + " | ".join(map(str, scores(cases))) + " |")
    wrong = [case for case in cases if case.forecast is not case.happened]
    sure = of_every_use(cases)
    lines.append(
        f"\nPrecision {precision(cases):.2f}, recall {recall(cases):.2f}. Of the forecasts that a function breaks "
        f"however it is used (`every_use`): precision {precision(sure):.2f}, recall {recall(sure):.2f}. A program "
        "imports functions, and uses of them, that one run does not meet.\n"
    )
    if wrong:
        lines += [
            "| only forecast, or only happened | filter | move | calls forecast | calls met |",
            "|---|---|---|---|---|",
        ]
        for case in wrong:
            which = "forecast" if case.forecast else "happened"
            told, met = (", ".join(calls) or "none" for calls in (case.told, case.met))
            lines.append(f"| {case.program}: only {which} | {case.answer} | {case.old} → {case.new} | {told} | {met} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the cases, and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", nargs="*", help="programs of the matrix, by name")
    parser.add_argument("--write", action="store_true", help="into bench/RESULTS.md")
    parser.add_argument("--list", action="store_true", help="every case")
    options = parser.parse_args()
    try:
        cases = run(options.program or PROGRAMS)
    except TrothError as error:
        sys.exit(f"reality: {error}")
    if options.list:
        for case in cases:
            print(case)
    text = report(cases)
    if options.write:
        from bench.run import RESULTS, with_section

        RESULTS.write_text(with_section(RESULTS.read_text(), "reality", text))
    else:
        print(text)


__all__ = [
    "ANSWERS",
    "MOVES",
    "PROGRAMS",
    "Case",
    "imports",
    "of_every_use",
    "precision",
    "recall",
    "run",
    "scores",
]

if __name__ == "__main__":
    main()
