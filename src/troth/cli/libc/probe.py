"""`troth libc probe`: run a C library's functions, see what they ask the kernel for, and refuse them that."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from troth.cli.libc.naming import LIBC_HELP, libc_named
from troth.cli.working import Working
from troth.errors import RequestError

if TYPE_CHECKING:
    from troth.libc.probe.facts import Case, ProbeFacts


@click.command(
    short_help="Run a C library's functions and see what they do.",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=LIBC_HELP,
)
@click.argument("libc")
@click.option(
    "-f", "--function", "functions", metavar="NAME", multiple=True, help="Only this function; can be repeated."
)
@click.option("-o", "--output", metavar="FILE", type=click.Path(path_type=Path), help="Write the facts to a file.")
@click.option(
    "--check", is_flag=True, help="Compare with the facts that troth has of the build: exit 1 if they differ."
)
@click.option("--arch", metavar="ARCH", default="", help="Of several architectures of a root, which.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="The output.")
@click.pass_context
def probe(
    ctx: click.Context,
    libc: str,
    functions: tuple[str, ...],
    output: Path | None,
    check: bool,
    arch: str,
    form: str,
) -> None:
    """Run the functions of a C library, and say which system calls each makes and what it does when one is refused.

    \b
    Examples:
      troth libc probe / -f fopen -f pthread_create
      troth libc probe debian:trixie -o glibc-2.41.x86_64.txt
      troth libc probe debian:bookworm --check -f system

    Each case runs in a process of its own, in namespaces in which there is the libc and little else; nothing outside
    changes, and nobody needs to be root. Then it is run again for each call that it made, with that call answered
    ENOSYS, EPERM and EACCES. The probe is compiled when it is first used, by gcc or musl-gcc.
    """
    from troth.libc.probe.compare import differences
    from troth.libc.probe.facts import probe_facts
    from troth.libc.probe.probing import probe as run
    from troth.libc.probe.text import dump

    found = libc_named(libc, arch)
    with Working(f"probing {libc}") as told:
        facts = run(found, functions=functions, told=told)
    if output is not None:
        _write(output, dump(facts))
        click.echo(f"{output}: {len(facts.cases)} cases of {len(facts.functions)} functions", err=True)
    if check:
        differ = differences(probe_facts(facts.build, facts.arch), facts, functions)
        for line in differ:
            click.echo(line)
        ctx.exit(1 if differ else 0)
    if form == "json":
        click.echo(json.dumps(_data(facts), indent=2))
    elif output is None:
        click.echo(dump(facts), nl=False)


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_text(text)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise RequestError(f"{path}: {(error.strerror or str(error)).lower()}") from None


def _data(facts: ProbeFacts) -> dict[str, object]:
    return {
        "build": facts.build,
        "arch": facts.arch,
        "origin": dict(facts.origin),
        "absent": list(facts.absent),
        "cases": [_case(case) for case in facts.cases.values()],
    }


def _case(case: Case) -> dict[str, object]:
    return {
        "function": case.function,
        "variant": case.variant,
        "result": case.result,
        "calls": [str(call) for call in case.calls],
        "elsewhere": [str(call) for call in case.elsewhere],
        "refusals": [
            {
                "call": refusal.call,
                "errno": refusal.errno,
                "outcome": refusal.outcome,
                "result": refusal.result,
                "calls": [str(call) for call in refusal.calls],
            }
            for refusal in case.refusals
        ],
    }
