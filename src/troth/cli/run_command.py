"""`troth run` as click sees it: its help, and the mistakes in its use. `troth.cli.run` does the work."""

from __future__ import annotations

import click

from troth.cli.run import VIOLATIONS, Options
from troth.cli.run import run as do_run
from troth.errors import RequestError


@click.command(
    short_help="Run a program that is held to promises.",
    context_settings={
        "allow_interspersed_args": False,
        "ignore_unknown_options": False,
        "help_option_names": ["-h", "--help"],
    },
    options_metavar="-p PROMISES [OPTIONS]",
)
@click.option(
    "-p",
    "--promises",
    multiple=True,
    metavar="PROMISES",
    help="What the program may do: words of pledge(2). Repeats add up.",
)
@click.option(
    "-v",
    "--unveil",
    multiple=True,
    metavar="PATH:PERMS",
    help="A path that stays reachable, with letters of rwxc; everything else is gone. Repeats.",
)
@click.option(
    "--on-violation",
    type=click.Choice(VIOLATIONS),
    default="kill",
    show_default=True,
    help="What happens at a call that was not promised: the process is killed, or the call fails with EPERM.",
)
@click.option("--early", is_flag=True, help="Confine before the program's loader runs, not at its entry point.")
@click.option("--allow-degraded", is_flag=True, help="Go on, and say so, where this kernel cannot enforce all of it.")
@click.option(
    "--as-of",
    default="",
    metavar="KNOWLEDGE",
    help="Forget what came later, to see how the promises age: linux-5.10,glibc-2.31 (see troth.Knowledge).",
)
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[--] CMD [ARG]...")
def run(
    promises: tuple[str, ...],
    unveil: tuple[str, ...],
    on_violation: str,
    early: bool,
    allow_degraded: bool,
    as_of: str,
    command: tuple[str, ...],
) -> int:
    """Run a program that is held to promises, unmodified and unprivileged.

    \b
    Examples:
      troth run -p "stdio rpath" -- ls /
      troth run -p "stdio rpath" -v /srv:r -- grep -r needle /srv
      troth run -p "stdio rpath proc exec" -- sh -c 'ls | sort'

    Without -v every path stays reachable, as far as the promises go. A process that breaks its promises is named
    on standard error, with the call and the promise that would have allowed it.

    The exit status is the program's, or 128 and the number of the signal that ended it; 125 when troth
    fails itself, 126 when the program cannot be executed, 127 when there is none, 3 when this kernel
    cannot enforce the promises, 2 for a mistake in the command line.
    """
    return do_run(options(promises, unveil, on_violation, early, allow_degraded, as_of, command))


def options(
    promises: tuple[str, ...],
    unveil: tuple[str, ...],
    on_violation: str,
    early: bool,
    allow_degraded: bool,
    as_of: str,
    command: tuple[str, ...],
) -> Options:
    """What click read, checked for what it cannot know is missing.

    Raises:
        RequestError: there are no promises, or no program.
    """
    if not promises:
        raise RequestError(
            "no promises: option `-p` is missing",
            hint='say what the program may do, as in: troth run -p "stdio rpath" -- CMD',
        )
    if not command:
        raise RequestError("no program to run", hint='put it last, as in: troth run -p "stdio rpath" -- CMD')
    return Options(" ".join(promises), unveil, on_violation, early, allow_degraded, as_of, command)
