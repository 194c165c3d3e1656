"""`troth diff`: the exact set of calls that two filters answer differently."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from troth.bpf.symbolic import TooLargeError
from troth.cli.filters import FILTER_HELP, filter_options, paint, subject
from troth.cli.wording import NO_CALL, NUMBERS, answer, call_words, condition, span_words, wrapped
from troth.cli.working import Working
from troth.errors import RequestError
from troth.policy.expr import ALWAYS
from troth.policy.lift import NotLiftableError
from troth.proof import Diff, Row, equal
from troth.proof import diff as compare
from troth.proof.result import PROVED, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from troth.formats import Subject

DIFFERS = 1
ALL = ((0, 0xFFFFFFFF),)


@click.command(
    short_help="Say which calls two filters answer differently.",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=FILTER_HELP,
)
@click.argument("old", metavar="A")
@click.argument("new", metavar="B")
@filter_options
def diff(
    old: str,
    new: str,
    as_: str | None,
    arches: tuple[str, ...],
    caps: tuple[str, ...],
    kernel: str | None,
    runtime: str | None,
    form: str,
) -> int:
    """Say which calls two filters answer differently: all of them, with an example of each kind.

    \b
    Examples:
      troth diff old.bpf new.bpf
      troth diff docker.json pid:4242 --cap docker

    Exits with 0 when there is no difference, over all architectures, numbers and arguments, and with 1 when there is
    one, or when it cannot be told.
    """
    if old == new == "-":
        raise RequestError("standard input can be one of the two filters, not both")
    one, other = (subject(source, as_, arches, caps, kernel, runtime) for source in (old, new))
    if one.big_endian != other.big_endian:
        raise RequestError("the filters are for machines of different byte orders: no call can be asked of both")
    with Working("comparing"):
        found = _compared(one, other)
    if form == "json":
        rows = [_data(row, part) for row in found.rows for part in split(row)]
        click.echo(json.dumps({"a": old, "b": new, "verdict": found.verdict, "why": found.why, "rows": rows}, indent=2))
    elif found.verdict == UNKNOWN:
        click.echo(f"unknown: {found.why}")
    elif found.verdict == PROVED:
        click.echo("no difference")
    else:
        for line in lines([(row, part) for row in found.rows for part in split(row)]):
            click.echo(line)
    return 0 if found.verdict == PROVED else DIFFERS


def _compared(one: Subject, other: Subject) -> Diff:
    """All differences; or at least whether there are any, where they cannot be said."""
    try:
        return compare(one.meaning, other.meaning, big_endian=one.big_endian)
    except (NotLiftableError, TooLargeError) as error:
        told = equal(one.meaning, other.meaning, big_endian=one.big_endian)
        if told:
            return Diff(PROVED)
        if told.witness is None:
            return Diff(UNKNOWN, (), told.why)
        old, new = told.witness.answers
        shown = f"{call_words(told.witness.call)}: {answer(old)} -> {answer(new)}"
        return Diff(UNKNOWN, (), f"they differ, for example in {shown}; not all differences can be said: {error}")


Part = tuple[str, tuple[tuple[int, int], ...]]


def split(row: Row) -> Iterable[Part]:
    """A row by architecture; x86_64 and x32, which are one to a filter, apart."""
    for arch in row.arches or ("",):
        if arch != "x86_64":
            yield arch, row.numbers
            continue
        for name, ranges in NUMBERS.items():
            spans = tuple(
                (max(first, low), min(last, high))
                for first, last in row.numbers
                for low, high in ranges
                if max(first, low) <= min(last, high)
            )
            if spans:
                yield name, spans


def lines(rows: list[tuple[Row, Part]]) -> Iterable[str]:
    """The rows as text, under their architectures."""
    before = None
    for row, (arch, spans) in sorted(rows, key=lambda row: (row[1][0] == "", _order(row[1][0]))):
        if arch != before:
            if before is not None:
                yield ""
            yield arch or "every other architecture"
            before = arch
        old, new = answer(row.old, arch), answer(row.new, arch)
        yield from wrapped("  ", ", ".join(span_words(spans, arch)) if spans != ALL else "every call")
        if row.condition != ALWAYS:
            yield from wrapped("    ", f"if {condition(row.condition, arch, subject_of(spans))}")
        yield f"    {paint(old, old)} -> {paint(new, new)}   for example {call_words(row.witness.call)}"


def _order(arch: str) -> tuple[int, str]:
    from troth.cli.view import known_arches

    known = known_arches()
    return (known.index(arch) if arch in known else len(known), arch)


def subject_of(spans: tuple[tuple[int, int], ...]) -> int:
    """The call whose arguments' names a condition is told in: the only one, or none."""
    return spans[0][0] if len(spans) == 1 and spans[0][0] == spans[0][1] else NO_CALL


def _data(row: Row, part: Part) -> dict[str, object]:
    arch, spans = part
    when = {} if row.condition == ALWAYS else {"if": condition(row.condition, arch, subject_of(spans))}
    call = row.witness.call
    return {
        "arch": arch or "other",
        "calls": span_words(spans, arch) if spans != ALL else ["*"],
        "numbers": [list(span) for span in spans],
        **when,
        "a": answer(row.old, arch),
        "b": answer(row.new, arch),
        "raw": [row.old, row.new],
        "example": {"call": call_words(call), "arch": call.arch, "nr": call.nr, "args": list(call.args), "ip": call.ip},
    }
