"""What the verbs that read filters have in common: their options, and how a FILTER becomes a subject."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from troth.errors import TrothError
from troth.formats import Subject
from troth.formats.subject import FORMATS, read


class UnansweredError(TrothError):
    """A question about a filter that is too intricate to be answered."""

    status = 1

    def __init__(self, origin: str, why: TrothError) -> None:
        super().__init__(f"{origin}: {why}")
        self.hint = "`troth show --asm` prints its program; `troth prove` asks a solver if z3 is installed"


F = TypeVar("F", bound=Callable[..., Any])

FILTER_HELP = """\b
    FILTER is
      a file with a BPF program, or a container's seccomp profile (Docker, Podman, OCI, JSON)
      -                     the same, from standard input
      pid:N                 the filters of a running process
      pledge:"PROMISES"     what `troth run -p "PROMISES"` installs
"""


def filter_options(command: F) -> F:
    """Add the options that say how a FILTER is to be read."""
    for option in reversed(
        [
            click.option(
                "--as", "as_", type=click.Choice(FORMATS), help="The format of a file; by default by its content."
            ),
            click.option(
                "--arch", "arches", multiple=True, metavar="ARCH", help="What is asked about; the machine's first."
            ),
            click.option(
                "--cap", "caps", multiple=True, metavar="CAP", help="A container's capability, or `docker`, `podman`."
            ),
            click.option("--kernel", metavar="VERSION", help="The kernel that a container's profile is for."),
            click.option("--runtime", type=click.Choice(["runc"]), help="Add what this runtime puts before a profile."),
            click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="The output."),
        ]
    ):
        command = option(command)
    return command


def subject(
    source: str,
    as_: str | None,
    arches: tuple[str, ...],
    caps: tuple[str, ...],
    kernel: str | None,
    runtime: str | None,
) -> Subject:
    """Read a FILTER; what was passed over is told on standard error.

    Raises:
        RequestError, UnsupportedError: see `formats.read`.
    """
    found = read(source, as_, arches=arches or None, caps=caps, kernel=kernel, runtime=runtime or "")
    for note in found.notes:
        click.echo(f"note: {found.origin}: {note}", err=True)
    return found


def coloured() -> bool:
    """Whether output may have colours: on a terminal, unless NO_COLOR says no."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def paint(text: str, answer: str) -> str:
    """Give an answer the colour of its kind, where colours are wanted; it says the same without."""
    if not coloured():
        return text
    kind = answer.partition("(")[0]
    colour = {"ALLOW": "green", "LOG": "green", "ERRNO": "yellow", "KILL_PROCESS": "red", "KILL_THREAD": "red"}
    return click.style(text, fg=colour.get(kind, "cyan"))
