"""The notation of facts: a line for each thing that was seen, sorted, and nothing said twice.

    build glibc-2.36 x86_64              what this is; then lines of its origin, and functions that it lacks
    absent arc4random closefrom
    tmpfile: ok                          a case: function, variant after a comma, result
      openat(AT_FDCWD, *, O_RDWR|O_EXCL|O_TMPFILE, 0o600); fcntl(fd, F_GETFL, *)
      & futex(*, FUTEX_WAKE, *, *, *, *)      calls of threads and processes that it started
      ! fcntl * same                     refusals: calls, errnos (`*` is all three), outcome with its result,
      ! openat ENOSYS fails ENOENT > unlink(*)     and what was called then
    tmpfile64 = tmpfile                  a case that is word for word another one

A call of which no refusal is told fails with whatever errno it is answered, and calls nothing more.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NoReturn

from troth.errors import ParseError
from troth.libc.probe.facts import ERRNOS, Case, ProbeFacts, Refusal, Seen

if TYPE_CHECKING:
    from collections.abc import Iterable

OUTCOMES = ("same", "other", "fails", "aborts", "hangs")

_CALL = re.compile(r"(\w+)(?:\(([^()]*)\))?(?:\{([^{}]*)\})?")
_REFUSAL = re.compile(
    r"  ! (?P<calls>.+) (?P<errnos>\*|E[A-Z,]+) (?P<outcome>[a-z]+)(?: (?P<result>[^>]+?))?(?: > (?P<then>.+))?"
)

_HEAD = "# What each function was seen to ask the kernel for, and what it does when refused. Written by"
_HEAD_2 = "# `troth libc probe`; the notation is that of troth.libc.probe.text."


def dump(facts: ProbeFacts) -> str:
    """Write facts; the same facts are always the same text."""
    lines = [_HEAD, _HEAD_2, f"build {facts.build} {facts.arch}"]
    lines += [f"{key} {value}" for key, value in facts.origin.items()]
    if facts.absent:
        lines.append("absent " + " ".join(sorted(facts.absent)))
    lines.append("")
    told: dict[tuple[str, ...], str] = {}
    for key in sorted(facts.cases):
        case = facts.cases[key]
        name = _name(case)
        body = tuple(_body(case))
        if len(body) > 1 and (case.result, *body) in told:
            lines.append(f"{name} = {told[case.result, *body]}")
            continue
        told[case.result, *body] = name
        lines += [f"{name}: {case.result}", *body]
    return "\n".join(lines) + "\n"


def case_lines(case: Case) -> list[str]:
    """One case in full, as `dump` writes it."""
    return [f"{_name(case)}: {case.result}", *_body(case)]


def _name(case: Case) -> str:
    return f"{case.function}, {case.variant}" if case.variant else case.function


def _body(case: Case) -> Iterable[str]:
    own = [call for call in case.calls if call not in case.elsewhere]
    if own:
        yield "  " + "; ".join(map(str, own))
    if case.elsewhere:
        yield "  & " + "; ".join(map(str, case.elsewhere))
    yield from _refusals(case)


def _refusals(case: Case) -> list[str]:
    """The refusals that are not as expected, those that are alike together, in the order of the calls."""
    names = [*dict.fromkeys(call.name for call in case.calls), *map(str, case.calls)]
    order = {name: at for at, name in enumerate(dict.fromkeys((*names, *(one.call for one in case.refusals))))}
    # call -> how it fared -> errnos
    per_call: dict[str, dict[tuple[str, str, tuple[Seen, ...]], list[str]]] = {}
    for refusal in sorted(case.refusals, key=lambda one: (order[one.call], ERRNOS.index(one.errno))):
        result = "" if refusal.outcome == "fails" and refusal.result == refusal.errno else refusal.result
        fared = per_call.setdefault(refusal.call, {}).setdefault((refusal.outcome, result, refusal.calls), [])
        fared.append(refusal.errno)
    alike: dict[tuple[str, str, str, tuple[Seen, ...]], list[str]] = {}
    for call, ways in per_call.items():
        if list(ways) == [("fails", "", ())] and "(" not in call:
            continue
        for (outcome, result, then), errnos in ways.items():
            words = "*" if len(errnos) == len(ERRNOS) else ",".join(errnos)
            alike.setdefault((words, outcome, result, then), []).append(call)
    lines = []
    for (words, outcome, result, then), calls in alike.items():
        line = f"  ! {', '.join(calls)} {words} {outcome}" + (f" {result}" if result else "")
        lines.append(line + (" > " + "; ".join(map(str, then)) if then else ""))
    return lines


def load(text: str, *, source: str = "facts") -> ProbeFacts:
    """Read what `dump` wrote.

    Raises:
        ParseError: it is no such text; the line is told.
    """
    build = arch = ""
    origin: dict[str, str] = {}
    absent: tuple[str, ...] = ()
    bodies: dict[str, tuple[str, list[str]]] = {}
    body: list[str] = []
    lines = text.splitlines()
    blank = lines.index("") if "" in lines else len(lines)

    def bad(at: int, why: str) -> NoReturn:
        raise ParseError(f"{source}, line {at}", why, hint="write the facts again: `troth libc probe ROOT -o FILE`")

    for line in lines[:blank]:
        key, _, value = line.partition(" ")
        if key == "build":
            build, _, arch = value.partition(" ")
        elif key == "absent":
            absent = tuple(value.split())
        elif key != "#":
            origin[key] = value
    if not build or not arch:
        bad(1, "it does not begin by saying which build it is about")
    for at, line in enumerate(lines[blank + 1 :], blank + 2):
        if line.startswith("  "):
            body.append(line)
        elif " = " in line:
            name, _, other = line.partition(" = ")
            if other not in bodies:
                bad(at, f"`{other}` is not told before")
            bodies[name] = bodies[other]
        elif ": " in line:
            name, _, result = line.rpartition(": ")
            body = []
            bodies[name] = (result, body)
        else:
            bad(at, f"`{line[:40]}` is no case")
    cases = {}
    for name, (result, told) in bodies.items():
        function, _, variant = name.partition(", ")
        try:
            cases[function, variant] = _case(function, variant, result, told)
        except ValueError as error:
            raise ParseError(f"{source}, case `{name}`", str(error), hint="write the facts again") from None
    return ProbeFacts(build, arch, origin, absent, cases)


def _case(function: str, variant: str, result: str, told: list[str]) -> Case:
    own: tuple[Seen, ...] = ()
    elsewhere: tuple[Seen, ...] = ()
    refusals: dict[str, dict[str, Refusal]] = {}
    for line in told:
        if line.startswith("  ! "):
            for refusal in _read_refusal(line):
                refusals.setdefault(refusal.call, {})[refusal.errno] = refusal
        elif line.startswith("  & "):
            elsewhere = _calls(line[4:])
        else:
            own = _calls(line[2:])
    every = []
    for call in dict.fromkeys(seen.name for seen in own + elsewhere):
        known = refusals.pop(call, None)
        every += list(known.values()) if known else [Refusal(call, errno, "fails", errno) for errno in ERRNOS]
    for known in refusals.values():
        every += known.values()
    return Case(function, variant, result, own + elsewhere, tuple(every), elsewhere)


def _read_refusal(line: str) -> Iterable[Refusal]:
    match = _REFUSAL.fullmatch(line)
    if not match or match["outcome"] not in OUTCOMES:
        raise ValueError(f"`{line.strip()[:60]}` is no refusal")
    then = _calls(match["then"]) if match["then"] else ()
    errnos = ERRNOS if match["errnos"] == "*" else tuple(match["errnos"].split(","))
    for call in re.findall(r"\w+(?:\([^()]*\))?(?:\{[^{}]*\})?", match["calls"]):
        for errno in errnos:
            result = match["result"] or (errno if match["outcome"] == "fails" else "")
            yield Refusal(call, errno, match["outcome"], result, then)


def _calls(text: str) -> tuple[Seen, ...]:
    return tuple(call(part) for part in text.split("; "))


def call(text: str) -> Seen:
    """Read one call.

    >>> call("socket(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC, 0)").args[0]
    'AF_UNIX'

    Raises:
        ValueError: it is none.
    """
    match = _CALL.fullmatch(text)
    if not match:
        raise ValueError(f"`{text[:60]}` is no call")
    name, args, behind = match.groups()
    return Seen(name, tuple(args.split(", ")) if args else (), behind or "")
