"""Compare two probings of a build: which cases came out otherwise."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from difflib import unified_diff

from troth.libc.probe.facts import Case, ProbeFacts
from troth.libc.probe.text import case_lines


def differences(known: ProbeFacts, now: ProbeFacts, functions: Collection[str] = ()) -> list[str]:
    """What is not as it was recorded, in the notation of the facts: `-` recorded, `+` now.

    `functions` are those that were probed this time, all by default.
    """
    keys = sorted({*known.cases, *now.cases})
    lines: list[str] = []
    for key in keys:
        if not functions or key[0] in functions:
            lines += _of_case(known.cases.get(key), now.cases.get(key))
    return lines


def _of_case(known: Case | None, now: Case | None) -> Iterator[str]:
    before = case_lines(known) if known else []
    after = case_lines(now) if now else []
    if before != after:
        # The first two lines are headings with file names, the third the position.
        yield from (line for line in list(unified_diff(before, after, lineterm="", n=99))[3:])
