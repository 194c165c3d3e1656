"""`troth libc show`: which system calls a function of a C library can make, and why."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from troth.cli.libc.naming import LIBC_HELP, arch_named, facts_named, libc_named, output_options
from troth.cli.wording import wrapped
from troth.cli.working import Working
from troth.errors import RequestError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from troth.libc.reach.reached import Reached

_LEAD = 16
# What the classes of calls are, in the order in which they are told.
_CLASSES = {
    "own": "itself",
    "ordinary": "all it can",
    "failure": "when it aborts",
    "cancel": "when cancelled",
    "child": "in its child",
}


@click.command(
    short_help="Say which system calls a function can make.",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=LIBC_HELP,
)
@click.argument("function")
@click.option("--libc", "libc_", metavar="LIBC", help="The C library; without, all that troth has facts of.")
@click.option("--why", metavar="CALL", help="Tell the way from the function to a system call; needs --libc.")
@output_options
def show(function: str, libc_: str | None, why: str | None, arch: str | None, form: str) -> None:
    """Say which system calls a function of a C library can make.

    \b
    Examples:
      troth libc show open
      troth libc show fopen --libc debian:trixie
      troth libc show posix_spawn --libc / --why dup2
      troth libc show __xstat@GLIBC_2.2.5 --libc glibc-2.36

    Programs that were linked long ago call older versions of some functions: they are shown by their version.
    """
    if why is not None:
        if libc_ is None:
            raise RequestError("--why is answered of one libc", hint="name it with --libc")
        _why(function, libc_, why, arch, form)
        return
    if libc_ is None:
        _everywhere(function, arch_named(arch), form)
        return
    facts = facts_named(libc_, arch)
    found = facts.function(function)
    if form == "json":
        click.echo(json.dumps(_data(found, facts.origin.build, facts.origin.arch), indent=2))
        return
    click.echo("\n".join(_text(found, facts.origin.build, facts.origin.arch)))


def _everywhere(function: str, arch: str, form: str) -> None:
    """Show a function in every libc that facts are at hand for."""
    from troth.libc.reach.facts import builds, reach_facts

    found: list[tuple[str, Reached]] = []
    known: set[str] = set()
    for build, its_arch in builds():
        if its_arch == arch:
            functions = reach_facts(build, arch).functions
            known.update(functions)
            if function.replace("@@", "@") in functions:
                found.append((build, functions[function.replace("@@", "@")]))
    if not found:
        raise RequestError(f"no libc has a function `{function}`", hint=nearest(function, known, "function"))
    if form == "json":
        click.echo(json.dumps([_data(one, build, arch) for build, one in found], indent=2))
        return
    lines = [f"{function} ({arch})"]
    for names, calls in _alike(found):
        lines += wrapped(f"  {names:{2 * _LEAD}} ", ", ".join(sorted(calls)) or "no system call of its own")
    click.echo("\n".join(lines))


def _alike(found: Iterable[tuple[str, Reached]]) -> Iterator[tuple[str, frozenset[str]]]:
    """Neighbouring builds with the same calls, as one."""
    row: list[str] = []
    last: frozenset[str] | None = None
    for build, one in found:
        calls = one.calls["own"]
        if row and (calls != last or build.partition("-")[0] != row[0].partition("-")[0]):
            yield _range(row), last or frozenset()
            row = []
        row.append(build)
        last = calls
    yield _range(row), last or frozenset()


def _range(row: list[str]) -> str:
    return row[0] if len(row) == 1 else f"{row[0]} to {row[-1].partition('-')[2]}"


def _text(found: Reached, build: str, arch: str) -> list[str]:
    lines = [f"{found.key} in {build} ({arch})"]
    for name, word in _CLASSES.items():
        calls = found.calls[name]
        if name == "ordinary" and calls == found.calls["own"]:
            continue
        if calls:
            lines += wrapped(f"  {word:{_LEAD}} ", ", ".join(sorted(calls)))
        elif name == "own":
            lines.append(f"  {word:{_LEAD}} no system call")
    if found.groups:
        lines += wrapped(f"  {'leans on':{_LEAD}} ", ", ".join(found.groups))
    return lines


def _data(found: Reached, build: str, arch: str) -> dict[str, object]:
    return {
        "libc": build,
        "arch": arch,
        "function": found.name,
        "version": found.version,
        "default": found.default,
        "calls": {name: sorted(calls) for name, calls in found.calls.items()},
        "groups": list(found.groups),
    }


def _why(function: str, libc_: str, call: str, arch: str | None, form: str) -> None:
    from troth.abi.others import numbers
    from troth.libc.reach.closure import why
    from troth.libc.reach.store import graph_of

    found = libc_named(libc_, arch)
    known = numbers(found.arch)
    if call.partition(":")[0] not in known:
        raise RequestError(f"unknown system call `{call}`", hint=nearest(call, known, "system call"))
    with Working(f"reading the code of {found.name}"):
        graph = graph_of(found)
    name, _, version = function.replace("@@", "@").partition("@")
    roots = [one.node for one in graph.exports if one.name == name and (one.version == version or not version)]
    defaults = [one.node for one in graph.exports if one.name == name and one.default]
    roots = roots if version or not defaults else defaults
    roots = roots or list(graph.starts.get(name, ()))
    if not roots:
        names = [one.name for one in graph.exports]
        raise RequestError(f"{found.name} has no function `{function}`", hint=nearest(function, names, "function"))
    way = why(graph, roots, call)
    if form == "json":
        steps = [step._asdict() for step in way[1]] if way else []
        click.echo(json.dumps({"libc": found.name, "call": call, "class": way[0] if way else None, "way": steps}))
        return
    if way is None:
        click.echo(f"{function} does not come to {call} in {found.name}")
        return
    title = {"ordinary": "", "child": ", in its child", "cancel": ", when cancelled", "failure": ", when it aborts"}
    lines = [f"{function} comes to {call} in {found.name}{title[way[0]]}"]
    file = way[1][0].file
    for step in way[1]:
        place = f" of {step.file}" if step.file != file else ""
        file = step.file
        lines.append(f"  {step.how + ' ' if step.how else ''}{step.name}{place}")
    click.echo("\n".join([*lines, f"  makes the system call {call}"]))
