"""Time whole programs side by side.

Every round starts each candidate once, in turn, so that whatever slows the machine down for a while
slows all of them; what is reported are medians and minima over the rounds, and the median of the
differences to the baseline *of the same round*. One CPU, warm caches, the first rounds thrown away.
"""

from __future__ import annotations

import os
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

ROUNDS = 41
WARM = 2
ROOT = Path(__file__).resolve().parent.parent

# What would make one interpreter start differently from another, or recompile what it imports.
_UNSET = (
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONUNBUFFERED",
    "PYTHONSTARTUP",
    "PYTHONPROFILEIMPORTTIME",
)


@dataclass(frozen=True)
class Candidate:
    """A command to time; `needs` says why it cannot be, when it cannot."""

    name: str
    argv: tuple[str, ...] = ()
    needs: str = ""
    note: str = ""


@dataclass
class Timing:
    """The wall times of one candidate, in milliseconds, by round; or what it failed with."""

    candidate: Candidate
    times: list[float] = field(default_factory=list)
    failure: str = ""

    @property
    def median(self) -> float:
        return median(self.times)

    @property
    def best(self) -> float:
        return min(self.times)

    def added(self, baseline: Timing) -> float:
        """What it costs over the baseline: the median of the rounds' differences."""
        return median(mine - other for mine, other in zip(self.times, baseline.times, strict=True))


def environment() -> dict[str, str]:
    """The environment of all candidates: ours, without what slows Python or changes what it finds."""
    return {name: value for name, value in os.environ.items() if name not in _UNSET}


@contextmanager
def pinned() -> Iterator[int]:
    """Stay on one CPU, the last that we may use (the first ones take most interrupts); gives it, or -1."""
    before = os.sched_getaffinity(0)
    cpu = max(before)
    try:
        os.sched_setaffinity(0, {cpu})
    except OSError:
        cpu = -1
    try:
        yield cpu
    finally:
        os.sched_setaffinity(0, before)


def once(argv: tuple[str, ...], env: Mapping[str, str], out: int) -> tuple[float, int]:
    """Start a program with `out` as its three streams and wait for its end: milliseconds, wait status."""
    streams = [(os.POSIX_SPAWN_DUP2, out, number) for number in range(3)]
    begin = time.perf_counter_ns()
    pid = os.posix_spawn(argv[0], argv, env, file_actions=streams)
    _, status, _ = os.wait4(pid, 0)
    return (time.perf_counter_ns() - begin) / 1e6, status


def check(candidate: Candidate, env: Mapping[str, str]) -> str:
    """Run a candidate once and say what went wrong; empty when it works."""
    with tempfile.TemporaryFile() as said:
        try:
            _, status = once(candidate.argv, env, said.fileno())
        except OSError as error:
            return f"cannot be started: {error.strerror}"
        if status == 0:
            return ""
        said.seek(0)
        lines = said.read().decode(errors="replace").strip().splitlines() or [""]
    how = os.waitstatus_to_exitcode(status)
    end = f"exit status {how}" if how > 0 else signal.Signals(-how).name
    return f"{end}: {lines[-1][:100]}"


def compare(candidates: Iterable[Candidate], *, rounds: int = ROUNDS) -> dict[str, Timing]:
    """Time candidates in interleaved rounds; those that cannot run say so in `failure`."""
    env = environment()
    timings = {candidate.name: Timing(candidate, failure=candidate.needs) for candidate in candidates}
    for timing in timings.values():
        for _ in range(WARM):
            timing.failure = timing.failure or check(timing.candidate, env)
    able = [timing for timing in timings.values() if not timing.failure]
    out = os.open(os.devnull, os.O_RDWR)
    try:
        with pinned():
            for number in range(rounds):
                progress(f"round {number + 1}/{rounds}")
                for timing in able:
                    elapsed, status = once(timing.candidate.argv, env, out)
                    if status:
                        raise RuntimeError(f"{shlex.join(timing.candidate.argv)}: wait status {status}")
                    timing.times.append(elapsed)
    finally:
        os.close(out)
        progress("")
    return timings


def progress(text: str) -> None:
    """Say where we are, if somebody watches."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()


def python(code: str, *, path: str | Path | None = None, bare: bool = False) -> tuple[str, ...]:
    """A command that runs a line of Python under this interpreter.

    `path` is appended to sys.path, as site-packages would be, so that every package is found the same
    way and none is slowed by its neighbours; `bare` leaves out site and what it loads (`-I -S`).
    """
    if path is not None:
        code = f"import sys; sys.path.append({str(path)!r}); {code}"
    return (sys.executable, *(("-I", "-S") if bare else ()), "-c", code)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; the first column is text, the others are numbers."""
    body = [[*row] for row in rows]
    widths = [max(len(row[column]) for row in [head, *body]) for column in range(len(head))]
    rule = "|" + "|".join("-" * (width + 1) + (":" if column else "-") for column, width in enumerate(widths)) + "|"

    def line(row: Sequence[str]) -> str:
        pads: list[Callable[[str, int], str]] = [str.ljust, *[str.rjust] * (len(head) - 1)]
        return "| " + " | ".join(pad(cell, width) for pad, cell, width in zip(pads, row, widths, strict=True)) + " |"

    return "\n".join([line(head), rule, *(line(row) for row in body)])


def rows(timings: Mapping[str, Timing], baseline: str, *, group: Iterable[str] | None = None) -> list[list[str]]:
    """Rows of name, median, minimum, added, ratio; for those that failed the reason instead."""
    base = timings[baseline]
    wanted = timings if group is None else [*group]
    found = []
    for name in wanted:
        timing = timings[name]
        if timing.failure:
            found.append([f"{name}: {timing.failure}", "-", "-", "-", "-"])
            continue
        note = f" ({timing.candidate.note})" if timing.candidate.note else ""
        ratio = f"{timing.median / base.median:.2f}"
        added = "" if name == baseline else f"{timing.added(base):+.2f}"
        found.append([name + note, f"{timing.median:.2f}", f"{timing.best:.2f}", added, ratio])
    return found
