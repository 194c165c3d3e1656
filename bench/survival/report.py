"""The outcomes as the section of bench/RESULTS.md: shares of survivors, and what the others died of."""

from __future__ import annotations

from bench.harness import table
from bench.survival.methods import METHODS, Method
from bench.survival.outcomes import Line, Outcomes

SECTION = "survival"
HEADING = "What outlives an upgrade"
CHART = "survival/survival.svg"

_MOST_REASONS = 6


def section(outcomes: Outcomes) -> str:
    """The section, whole; `note` of what the outcomes are about is what somebody added by hand."""
    about = outcomes.about
    parts = [
        f"## {HEADING}",
        f"Run {about['date']} with troth {about['troth']} on Linux {about['linux']}, as nobody. Each program gets a "
        "filter, or promises, by each method, made with the oldest C library and what was known then; behind it, it is "
        "run under each later one: *glibc* with each suite's own builds, *glibc alone* with the oldest suite's builds "
        "where nothing but the C library is newer, *musl* with one build. A program survives when its status, output "
        "and files are those of a run without a filter; shares are of those that work under the oldest. *calls "
        "allowed*: system calls that are let through, with some arguments at least; the median of the programs. How it "
        "is done and what it means: docs/design/0010.",
        *([about["note"]] if "note" in about else []),
        f"![The share of programs that survive each upgrade, by method]({CHART})",
        "\n".join(f"- ({method.row}) {method.name}: {method.about}." for method in METHODS),
    ]
    for line in outcomes.lines:
        parts += [f"### {line.name}: {len(line.programs)} programs", shares(line)]
        if line.absent:
            names = ", ".join(f"{program} ({libc})" for program, libc in sorted(line.absent.items()))
            parts.append(f"Left out, since they do not run there without a filter either: {names}.")
        why = reasons(line)
        if why:
            parts += [
                "What they fail for, with the number of programs. Of a filter that kills: the call that was killed "
                "for first. Of one that answers an errno: each call without which the program does not work.",
                why,
            ]
        lost = ours(line)
        if lost:
            parts.append(lost)
    return "\n\n".join(parts) + "\n"


def shares(line: Line) -> str:
    """For each method the programs that work under the oldest libc, and the share of these that do under each later."""
    oldest, *later = line.libcs
    rows = []
    for method in METHODS:
        worked = len(line.works(method.key, oldest))
        cells = (percent(line.share(method.key, libc)) for libc in later)
        allowed = str(line.widths.get(method.key, "-"))
        rows.append([_label(method), allowed, f"{worked} of {len(line.programs)}", *cells])
    return table(["method", "calls allowed", f"work under {oldest}", *later], rows)


def reasons(line: Line) -> str:
    """For each method and each upgrade that not all survive: the calls that they fail for."""
    rows = []
    for method in METHODS:
        for libc in line.libcs[1:]:
            lost = len(line.works(method.key, line.libcs[0])) - len(line.survivors(method.key, libc))
            if not lost:
                continue
            found = line.reasons(method.key, libc).most_common()
            said = [f"`{call}` {count}" for call, count in sorted(found, key=lambda pair: (-pair[1], pair[0]))]
            more = len(said) - _MOST_REASONS
            tail = [f"{more} others"] if more > 0 else []
            rows.append([_label(method), libc, f"{lost}", ", ".join([*said[:_MOST_REASONS], *tail]) or "not found"])
    return table(["method", "under", "lost", "for"], rows) if rows else ""


def ours(line: Line) -> str:
    """The programs that troth itself does not run under the oldest libc or loses later, by name."""
    said = []
    for method in METHODS:
        if method.policy:
            continue
        for libc in line.libcs:
            names = sorted(set(line.programs) - line.works(method.key, libc))
            if names:
                verb = "does not work" if libc == line.libcs[0] else "is lost"
                said.append(f"- {_label(method)}, {libc}: {verb}: {', '.join(names)}")
    return "\n".join(said)


def _label(method: Method) -> str:
    return f"({method.row}) {method.name}"


def percent(share: float) -> str:
    """A share for people: only all are 100 %, and only none 0 %.

    >>> percent(1.0), percent(0.999), percent(0.001), percent(0.0)
    ('100 %', '99 %', '1 %', '0 %')
    """
    return f"{min(99, max(1, round(share * 100))) if 0 < share < 1 else round(share * 100)} %"
