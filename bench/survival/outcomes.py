"""What came of an experiment, as plain data: kept in `outcomes.json`, counted by `report` and drawn by `chart`."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

OUTCOMES = Path(__file__).with_name("outcomes.json")


class Failure(NamedTuple):
    """A program that does not do under a method and a libc what it does unconfined.

    `how` is `killed` or `differs`; `calls` are those that were refused there and not under the oldest libc, the one
    that came first first; `mended` says whether the program works when these are allowed as well.
    """

    method: str
    libc: str
    program: str
    how: str
    calls: tuple[str, ...] = ()
    mended: bool = False


@dataclass(frozen=True)
class Line:
    """One kind of libc: its versions, oldest first, and what came of each program under each.

    `widths` are how many calls a method allows (the median of the programs), by method, `seen` the calls that each
    program made under the oldest libc; a failure that is not listed is a success. `absent`
    are programs that do nothing even unconfined, with the libc.
    """

    name: str
    libcs: tuple[str, ...]
    programs: tuple[str, ...]
    widths: dict[str, int] = field(default_factory=dict)
    seen: dict[str, tuple[str, ...]] = field(default_factory=dict)
    failures: tuple[Failure, ...] = ()
    absent: dict[str, str] = field(default_factory=dict)

    def works(self, method: str, libc: str) -> frozenset[str]:
        """The programs that work under a libc, behind what a method makes."""
        failed = {failure.program for failure in self.failures if (failure.method, failure.libc) == (method, libc)}
        return frozenset(self.programs) - failed

    def survivors(self, method: str, libc: str) -> frozenset[str]:
        """Of those that work under the oldest libc, the ones that work under this one."""
        return self.works(method, self.libcs[0]) & self.works(method, libc)

    def share(self, method: str, libc: str) -> float:
        """The share of programs that survive the upgrade from the oldest libc to this one; 0 when none worked before.

        >>> lost = (Failure("m", "1", "a", "killed"), Failure("m", "2", "b", "killed"))
        >>> line = Line("x", ("1", "2"), ("a", "b", "c"), failures=lost)
        >>> line.share("m", "2")
        0.5
        """
        before = self.works(method, self.libcs[0])
        return len(self.survivors(method, libc)) / len(before) if before else 0.0

    def reasons(self, method: str, libc: str) -> Counter[str]:
        """The calls that survivors of the method's first libc fail for under this one, with the number of programs.

        Who is killed fails for the first call that was refused, others for any of those that were refused.
        """
        before = self.works(method, self.libcs[0])
        found: Counter[str] = Counter()
        for failure in self.failures:
            if (failure.method, failure.libc) == (method, libc) and failure.program in before:
                found.update(failure.calls[:1] if failure.how == "killed" else failure.calls)
        return found


@dataclass(frozen=True)
class Outcomes:
    """All lines, and when and with what they were run."""

    about: dict[str, str]
    lines: tuple[Line, ...]

    def dump(self) -> str:
        """As text, a fact a line, so that two runs can be compared."""
        document = {
            "about": self.about,
            "lines": [
                {
                    "name": line.name,
                    "libcs": line.libcs,
                    "programs": line.programs,
                    "widths": line.widths,
                    "seen": {program: " ".join(calls) for program, calls in line.seen.items()},
                    "failures": [[*failure[:4], " ".join(failure.calls), failure.mended] for failure in line.failures],
                    "absent": line.absent,
                }
                for line in self.lines
            ],
        }
        text = re.sub(r"\n {5,}(?=\S)(?!\])", " ", json.dumps(document, indent=1))
        return re.sub(r"\n {4,}\]", "]", text).replace("[ ", "[") + "\n"

    @classmethod
    def load(cls, text: str) -> Outcomes:
        """Read what `dump` wrote.

        Raises:
            ValueError, KeyError: it did not.
        """
        document: dict[str, Any] = json.loads(text)
        return cls(document["about"], tuple(_line(found) for found in document["lines"]))


def _line(found: dict[str, Any]) -> Line:
    failures = []
    for method, libc, program, how, calls, mended in found["failures"]:
        failures.append(Failure(method, libc, program, how, tuple(calls.split()), mended))
    return Line(
        found["name"],
        tuple(found["libcs"]),
        tuple(found["programs"]),
        found["widths"],
        {program: tuple(calls.split()) for program, calls in found["seen"].items()},
        tuple(failures),
        found["absent"],
    )


def ordered(failures: Iterable[Failure], methods: Iterable[str], libcs: Iterable[str]) -> tuple[Failure, ...]:
    """Failures in the order of methods and libcs, by program within these."""
    places = {name: place for place, name in enumerate([*methods, *libcs])}
    return tuple(sorted(failures, key=lambda failure: (places[failure.method], places[failure.libc], failure.program)))
