"""`troth libc`: the verbs that ask which system calls the functions of a C library make."""

from __future__ import annotations

import click

from troth.cli.verbs import Verbs

# verb: module and name of its command.
_VERBS = {
    "list": ("troth.cli.libc.list", "list_"),
    "fetch": ("troth.cli.libc.fetch", "fetch"),
    "probe": ("troth.cli.libc.probe", "probe"),
    "show": ("troth.cli.libc.show", "show"),
    "diff": ("troth.cli.libc.diff", "diff"),
}


@click.group(
    cls=Verbs,
    verbs=_VERBS,
    short_help="Ask what C libraries do.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
def libc() -> None:
    """Ask which system calls the functions of a C library make, and what they do when refused.

    \b
    Examples:
      troth libc list
      troth libc fetch debian:trixie
      troth libc probe / -f fopen
    """
