"""`troth ask`: what a filter answers to one call, and which of its instructions decide."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from troth import abi, bpf
from troth._value import Value
from troth.bpf.emulator import emulate
from troth.bpf.program import JA, RET_A, RET_K, Call, Program
from troth.bpf.stack import strictest
from troth.bpf.symbolic import Space, TooLargeError
from troth.bpf.symbolic.diagram import FALSE
from troth.cli.filters import FILTER_HELP, UnansweredError, filter_options, paint, subject
from troth.cli.view import by_leniency
from troth.cli.wording import answer, call_words, condition, wrapped
from troth.cli.working import Working
from troth.policy.arguments import arguments
from troth.policy.callset import PartialCall, parse_call
from troth.policy.expr import ALWAYS
from troth.policy.meaning import condition as holds_when
from troth.policy.sets import conditions
from troth.proof.question import functions, replayed

if TYPE_CHECKING:
    from troth.formats import Subject
    from troth.policy.expr import Expr

_JUMP_CLASS = 0x05


class Told(Value):
    """One answer that a call may get: under which condition on what is open, and a call that gets it.

    `when` is None when there is a condition that cannot be said.
    """

    __slots__ = ("raw", "when", "example")
    raw: int
    when: Expr | None
    example: Call


@click.command(
    short_help="Say what a filter answers to one call.",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=FILTER_HELP,
)
@click.argument("filter_", metavar="FILTER")
@click.argument("call", metavar="CALL")
@filter_options
def ask(
    filter_: str,
    call: str,
    as_: str | None,
    arches: tuple[str, ...],
    caps: tuple[str, ...],
    kernel: str | None,
    runtime: str | None,
    form: str,
) -> None:
    """Say what a filter answers to one call, and which instructions decide.

    \b
    Examples:
      troth ask docker.json 'openat(AT_FDCWD, _, O_RDWR|O_CREAT)'
      troth ask pid:1 'clone(CLONE_NEWUSER)'
      troth ask filter.bpf socket --arch i386

    Arguments are numbers, names as the manual pages have them, or `_` for any; missing ones are open too. Where the
    answer depends on what is open, all answers are given, each with its condition.
    """
    found = subject(filter_, as_, arches, caps, kernel, runtime)
    asked = parse_call(call, found.arches[0])
    try:
        with Working(f"asking {found.origin}"):
            told = verdicts(found, asked)
    except TooLargeError as error:
        raise UnansweredError(found.origin, error) from None
    if form == "json":
        click.echo(json.dumps(_data(found, asked, told), indent=2))
        return
    click.echo(f"{call} on {asked.arch}")
    width = max(len(answer(one.raw, asked.arch)) for one in told)
    for one in told:
        word = answer(one.raw, asked.arch)
        first, *more = wrapped(f"  {word:{width}}  ", _when(one, asked))
        for line in (first.replace(word, paint(word, word), 1), *more):
            click.echo(line.rstrip())
    for name in _unread(asked, told):
        click.echo(f"note: `{name}` is compared in 64 bits, of which the kernel reads 32", err=True)
    for one in told:
        for line in _reasons(found, one, named=len(told) > 1):
            click.echo(line)


def verdicts(found: Subject, asked: PartialCall) -> list[Told]:
    """Every answer that a call may get, the most lenient first.

    Raises:
        TooLargeError: the filter is too intricate.
    """
    try:
        return _verdicts(found, asked, Space(big_endian=found.big_endian), sayable=True)
    except TooLargeError:
        # Arguments that are added or compared with one another; their conditions are not worth reading.
        return _verdicts(found, asked, Space(big_endian=found.big_endian, interleaved=True), sayable=False)


def _verdicts(found: Subject, asked: PartialCall, space: Space, *, sayable: bool) -> list[Told]:
    diagram = space.diagram
    audit = abi.arch(asked.arch).audit
    node = functions(space, (found.meaning,), exact=True)[0]
    known = {space.level(0, bit): audit >> bit & 1 for bit in range(32)}
    known |= {space.level(1, bit): asked.nr >> bit & 1 for bit in range(32)}
    here, open_ = diagram.fixed(node, known), holds_when(space, asked.condition)
    told = []
    for raw in diagram.values(here):
        met = diagram.mapped(lambda value, raw=raw: value == raw, here)  # type: ignore[misc]
        place = diagram.both(met, open_)
        if place == FALSE:
            continue
        assert isinstance(raw, int)
        when: Expr | None = None
        if diagram.implies(open_, met):
            when = ALWAYS
        elif sayable:
            when = conditions(space, diagram.simpler(met, open_))
        example = asked.example()
        if replayed(example, found.meaning, big_endian=found.big_endian) != raw:
            bits = diagram.example(place)
            assert bits is not None
            seen = space.call(bits)
            example = Call(audit, asked.nr, seen.args, seen.ip)
        told.append(Told(raw, when, example))
    return sorted(told, key=lambda one: by_leniency(one.raw))


def _unread(asked: PartialCall, told: list[Told]) -> list[str]:
    """Arguments that were given, and whose upper half decides nevertheless."""
    conditions_ = " ".join(_when(one, asked) for one in told)
    given = [known for known in arguments(asked.arch, asked.nr)[:6] if asked.args[known.index] is not None]
    return [known.name for known in given if known.width == 32 and f"u64({known.name})" in conditions_]


def _when(one: Told, asked: PartialCall) -> str:
    """On which condition an answer is given; empty when on none."""
    if one.when is None:
        return f"for some of these calls, such as {call_words(one.example)}"
    return "" if one.when == ALWAYS else f"if {condition(one.when, asked.arch, asked.nr)}"


def _reasons(found: Subject, one: Told, *, named: bool) -> list[str]:
    """Which instructions of each filter decide on a call."""
    if not found.programs:
        return []
    lines: list[str] = []
    raws: list[int] = []
    about = f", for {call_words(one.example)}" if named else ""
    count = len(found.programs)
    for index, program in enumerate(found.programs, 1):
        raw, places, steps = decided(program, one.example, big_endian=found.big_endian)
        raws.append(raw)
        title = f"filter {index} of {count}: " if count > 1 else ""
        lines += ["", f"{title}{answer(raw)} after {steps} of {len(program)} instructions{about}"]
        lines += _instructions(program, places, big_endian=found.big_endian)
    if count > 1:
        lines += ["", f"together: {answer(strictest(raws))}, the strictest"]
    return lines


def decided(program: Program, call: Call, *, big_endian: bool) -> tuple[int, list[int], int]:
    """What a program answers, the places of the comparisons and the return that it takes, and its steps."""
    trace: list[int] = []
    verdict = emulate(program, call, big_endian=big_endian, trace=trace)
    return verdict.raw, [place for place in trace if _decides(program.insns[place][0])], verdict.steps


def _decides(code: int) -> bool:
    return code in (RET_K, RET_A) or (code & 0x07 == _JUMP_CLASS and code != JA)


def _instructions(program: Program, places: list[int], *, big_endian: bool) -> list[str]:
    """The lines of an annotated program at some places."""
    lines = bpf.annotate(program, big_endian=big_endian).splitlines()
    listed = {int(line.split()[0]): line for line in lines if line.split() and line.split()[0].isdigit()}
    return [listed[place] for place in places if place in listed]


def _data(found: Subject, asked: PartialCall, told: list[Told]) -> dict[str, object]:
    answers = []
    for one in told:
        entry: dict[str, object] = {"answer": answer(one.raw, asked.arch), "raw": one.raw}
        if one.when is not None and one.when != ALWAYS:
            entry["if"] = condition(one.when, asked.arch, asked.nr)
        entry["example"] = {"call": call_words(one.example), "args": list(one.example.args), "ip": one.example.ip}
        filters = []
        for program in found.programs:
            raw, places, steps = decided(program, one.example, big_endian=found.big_endian)
            filters.append({"answer": answer(raw), "raw": raw, "steps": steps, "decided_at": places})
        entry["filters"] = filters
        answers.append(entry)
    return {"filter": found.origin, "arch": asked.arch, "nr": asked.nr, "call": asked.text, "answers": answers}
