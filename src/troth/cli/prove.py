"""`troth prove`: whether a filter never, or always, answers some calls so."""

from __future__ import annotations

import json

import click

from troth.abi import others, words
from troth.abi.seccomp import ACTION_MASK, ACTIONS
from troth.cli.filters import FILTER_HELP, filter_options, paint, subject
from troth.cli.wording import answer, call_words
from troth.cli.working import Working
from troth.errors import RequestError
from troth.policy.callset import CallSet, parse
from troth.proof import always as prove_always
from troth.proof import never as prove_never
from troth.proof.question import LET_THROUGH
from troth.proof.result import PROVED, REFUTED

NOT_PROVED = 1
_ACTIONS = {name: value for value, name in ACTIONS.items()} | {"kill": 0}


@click.command(
    short_help="Prove that a filter never, or always, lets calls through.",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=FILTER_HELP,
)
@click.argument("filter_", metavar="FILTER")
@click.option("--never", metavar="CALLSET", help="Prove that none of these calls is answered so.")
@click.option("--always", metavar="CALLSET", help="Prove that each of these calls is answered so.")
@click.option(
    "--answer",
    "answers",
    multiple=True,
    metavar="ANSWER",
    help="The answer: ALLOW, ERRNO, ERRNO(EPERM), KILL_PROCESS ... Repeats. [default: ALLOW and LOG]",
)
@filter_options
def prove(
    filter_: str,
    never: str | None,
    always: str | None,
    answers: tuple[str, ...],
    as_: str | None,
    arches: tuple[str, ...],
    caps: tuple[str, ...],
    kernel: str | None,
    runtime: str | None,
    form: str,
) -> int:
    """Prove that a filter never, or always, lets some calls through.

    \b
    Examples:
      troth prove docker.json --cap docker --never 'clone(flags & CLONE_NEWUSER)'
      troth prove pid:1 --never '@exec or ptrace'
      troth prove filter.bpf --never 'openat(flags & O_ACCMODE != O_RDONLY)' --arch x86_64
      troth prove pledge:stdio --always '* and not @exit' --answer KILL_PROCESS

    A CALLSET names calls, with conditions on their arguments, joined by `and`, `or` and `not`; `@` stands before the
    name of a family, `*` is any call. It is asked of every architecture of the filter's machine unless --arch names
    some. Exits with 0 when it is proved, and with 1 when not: then a call that shows it is printed.
    """
    if (never is None) == (always is None):
        raise RequestError("one of --never and --always is needed", hint="as --never 'openat(flags & O_CREAT)'")
    text = never if never is not None else always or ""
    found = subject(filter_, as_, arches, caps, kernel, runtime)
    sets = call_sets(text, found.arches)
    wanted = LET_THROUGH if not answers else tuple(described(word, found.arches[0]) for word in answers)
    decide = prove_never if never is not None else prove_always
    with Working("proving"):
        result = decide(found.meaning, sets, answers=wanted, big_endian=found.big_endian)
    shown = None
    if result.witness is not None:
        call = result.witness.call
        shown = (call_words(call), others.name_of(call.arch, call.nr), answer(result.witness.answers[0]))
    if form == "json":
        data: dict[str, object] = {"filter": found.origin, "never" if never is not None else "always": text}
        data |= {"arches": [some.arch for some in sets], "verdict": result.verdict, "why": result.why}
        if result.witness is not None and shown is not None:
            raw, call = result.witness.answers[0], result.witness.call
            data["witness"] = {"call": shown[0], "arch": shown[1], "answer": shown[2], "raw": raw}
            data["witness"] |= {"nr": call.nr, "args": list(call.args), "ip": call.ip}  # type: ignore[operator]
        click.echo(json.dumps(data, indent=2))
    elif result.verdict == PROVED:
        click.echo(paint("proved", "ALLOW"))
    elif result.verdict == REFUTED and shown is not None:
        click.echo(f"{paint('refuted', 'KILL_PROCESS')}: {shown[0]} on {shown[1]} is answered {shown[2]}")
    else:
        click.echo(f"unknown: {result.why}")
    return 0 if result.verdict == PROVED else NOT_PROVED


def call_sets(text: str, arches: tuple[str, ...]) -> list[CallSet]:
    """A call set on each architecture; where one lacks a call that another has, it stands for none there.

    Raises:
        ParseError: the text has no meaning, or no architecture has any of its calls.
    """
    sets = [parse(text, arch, elsewhere=True) for arch in arches]
    if not any(some.calls or some.others != CallSet("", "", {}).others for some in sets):
        parse(text, arches[0])  # says which call is missing
    return sets


def described(text: str, arch: str) -> tuple[int, int]:
    """An answer as (mask, value): an action alone stands for all of its data.

    Raises:
        ParseError: there is no such answer.
    """
    action = _ACTIONS.get(text.strip().lower())
    if action is not None:
        return ACTION_MASK, action
    return 0xFFFFFFFF, words.answer_value(text, arch)
