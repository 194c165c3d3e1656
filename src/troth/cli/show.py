"""`troth show`: what a filter does, in words; its program, and a picture of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from troth.bpf.symbolic import TooLargeError
from troth.cli.filters import FILTER_HELP, UnansweredError, filter_options, paint, subject
from troth.cli.view import View, as_data, by_leniency, rule_words, views
from troth.cli.wording import answer, range_words, wrapped
from troth.cli.working import Working
from troth.errors import RequestError
from troth.policy.lift import NotLiftableError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from troth.bpf import Program
    from troth.formats import Subject
    from troth.policy import Policy, Rule

_FAMILY_WIDTH = 16


@click.command(
    short_help="Say what a filter does.",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=FILTER_HELP,
)
@click.argument("filter_", metavar="FILTER")
@click.option("--asm", is_flag=True, help="Print the program, with what each instruction means.")
@click.option("--dot", is_flag=True, help="Draw the program as a graph, in the DOT language.")
@filter_options
def show(
    filter_: str,
    asm: bool,
    dot: bool,
    as_: str | None,
    arches: tuple[str, ...],
    caps: tuple[str, ...],
    kernel: str | None,
    runtime: str | None,
    form: str,
) -> None:
    """Say what a filter does: for each architecture, which calls get which answer, and when.

    \b
    Examples:
      troth show pid:1
      troth show docker.json --cap docker
      troth show filter.bpf --asm
      troth show pledge:"stdio rpath" --dot | dot -Tsvg > filter.svg

    Of several filters of a process, each is shown, the oldest first, and then what they do together: the kernel asks
    all of them and takes the strictest answer.
    """
    if asm and dot:
        raise RequestError("--asm and --dot print different things", hint="ask for one of them")
    found = subject(filter_, as_, arches, caps, kernel, runtime)
    if asm or dot:
        click.echo("\n".join(_programs(found, dot=dot)), nl=False)
        return
    try:
        only = found.arches if found.programs and arches else ()
        with Working(f"taking {found.origin} apart"):
            said = json.dumps(_data(found, only), indent=2) if form == "json" else "\n".join(_text(found, only))
    except (TooLargeError, NotLiftableError) as error:
        raise UnansweredError(found.origin, error) from None
    click.echo(said)


def _programs(found: Subject, *, dot: bool) -> list[str]:
    """The programs of a filter as text or as graphs; a policy's is compiled."""
    from troth import bpf

    programs = found.programs or ((found.policy.compile(),) if found.policy is not None else ())
    arch = found.arches[0]
    shown = []
    for index, program in enumerate(programs, 1):
        name = f"filter {index} of {len(programs)}" if len(programs) > 1 else found.origin
        if dot:
            shown.append(bpf.dot(program, big_endian=found.big_endian, arch=arch, name=name))
        else:
            head = f"; {name}: {len(program)} instructions\n" if len(programs) > 1 else ""
            shown.append(head + bpf.annotate(program, big_endian=found.big_endian, arch=arch))
    return shown


def _parts(found: Subject) -> Iterable[tuple[str, tuple[Program, ...] | Policy]]:
    """What is shown, each with its title: the filters one by one if there are several, and all together."""
    count = len(found.programs)
    if count < 2:
        yield found.origin, found.meaning
        return
    for index, program in enumerate(found.programs, 1):
        age = {1: ", the oldest", count: ", the newest"}.get(index, "")
        yield f"{found.origin}: filter {index} of {count}{age} ({len(program)} instructions)", (program,)
    yield f"{found.origin}: all {count} filters together", found.programs


def _views(found: Subject, meaning: tuple[Program, ...] | Policy, only: tuple[str, ...]) -> list[View]:
    """What is shown of each architecture; `only` some if they were named."""
    seen = views(meaning, big_endian=found.big_endian)
    named = {view.arch for view in seen}
    # An architecture that the filter does not ask for is among all the others.
    return [view for view in seen if not only or view.arch in only or (not view.arch and not named.issuperset(only))]


def _data(found: Subject, only: tuple[str, ...] = ()) -> dict[str, object]:
    parts = [
        {"title": title, "arches": [as_data(view) for view in _views(found, meaning, only)]}
        for title, meaning in _parts(found)
    ]
    return {
        "filter": found.origin,
        "instructions": [len(program) for program in found.programs],
        "notes": list(found.notes),
        "parts": parts,
    }


def _text(found: Subject, only: tuple[str, ...] = ()) -> list[str]:
    lines: list[str] = []
    for title, meaning in _parts(found):
        if lines:
            lines.append("")
        size = f" ({len(found.programs[0])} instructions)" if len(found.programs) == 1 else ""
        lines.append(title + size)
        for view in _views(found, meaning, only):
            lines += ["", *_view_text(view)]
    return lines


def _view_text(view: View) -> list[str]:
    lines = [view.arch or "every other architecture"]
    if not view.entries and not view.spans and len(view.default) == 1:
        word = answer(view.default[0].answer, view.arch)
        return [f"{lines[0]}: {paint(word, word)}"]
    plain: dict[int, dict[str, list[str]]] = {}
    judged = []
    for entry in view.entries:
        if len(entry.rules) == 1:
            plain.setdefault(entry.rules[0].answer, {}).setdefault(entry.family, []).append(entry.name)
        else:
            judged.append((entry.family, entry.name, entry.rules, entry.nr))
    ranges: dict[int, list[str]] = {}
    for first, last, rules in view.spans:
        if len(rules) == 1:
            ranges.setdefault(rules[0].answer, []).append(range_words(first, last))
        else:
            judged.append(("", range_words(first, last), rules, 0xFFFFFFFF))
    for raw in sorted({*plain, *ranges}, key=by_leniency):
        word = answer(raw, view.arch)
        lines.append("  " + paint(word, word))
        families = plain.get(raw, {})
        for family, names in families.items():
            if family and len(names) > 1:
                lines += _listed(family, names)
        single = [name for family, names in families.items() if not family or len(names) == 1 for name in names]
        if single:
            lines += _listed("(single calls)", single)
        if raw in ranges:
            lines += _listed("numbers", ranges[raw])
    if judged:
        lines.append("  by arguments")
    for family, name, rules, nr in judged:
        lines.append(f"    {family:{_FAMILY_WIDTH}} {name}")
        lines += _rules(rules, view.arch, nr)
    if len(view.default) == 1:
        word = answer(view.default[0].answer, view.arch)
        lines.append(f"  everything else: {paint(word, word)}")
    else:
        lines += ["  everything else", *_rules(view.default, view.arch, 0xFFFFFFFF)]
    return lines


def _listed(family: str, names: list[str]) -> list[str]:
    return wrapped(f"    {family:{_FAMILY_WIDTH}} ", ", ".join(names))


def _rules(rules: tuple[Rule, ...], arch: str, nr: int) -> list[str]:
    told = rule_words(rules, arch, nr)
    width = max(len(word) for word, _ in told)
    lines = []
    for word, text in told:
        lead = f"{'':{_FAMILY_WIDTH + 7}}{word:{width}}  "
        first, *more = wrapped(lead, f"if {text}") if text else [f"{lead}otherwise"]
        lines += [first.replace(word, paint(word, word), 1), *more]
    return lines
