"""A libc as the verbs of `troth libc` are told of one: found, with what it takes told on a terminal."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import click

from troth import abi
from troth.cli.working import Working
from troth.errors import RequestError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable

    from troth.libc.identify import Found
    from troth.libc.reach.facts import ReachFacts

LIBC_HELP = """\b
    LIBC is
      glibc-2.36            a build by its name
      debian:SUITE          the glibc of a suite of Debian, or its musl as debian:SUITE/musl
      DIRECTORY             a root directory, such as / for this machine's own
      FILE                  an image that `docker save` wrote or an OCI layout, or a libc's own file
"""


def output_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options `--arch` and `--format`."""

    @click.option("--arch", metavar="ARCH", help="The architecture; this machine's if none is named.")
    @click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="The output.")
    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return command(*args, **kwargs)

    return wrapped


def arch_named(arch: str | None) -> str:
    """The architecture that was named, or this machine's.

    Raises:
        RequestError: there is none of this name.
    """
    if arch and arch not in abi.ARCHES:
        hint = nearest(arch, abi.ARCHES) or "one of " + " ".join(abi.ARCHES)
        raise RequestError(f"unknown architecture `{arch}`", hint=hint)
    return arch or abi.native().name


def libc_named(text: str, arch: str | None) -> Found:
    """Find a libc.

    Raises:
        RequestError, ParseError, FetchError: as `troth.libc.identify.resolve`.
    """
    from troth.libc.identify import resolve

    with Working(f"looking for {text}") as told:
        return resolve(text, arch=arch or "", told=told)


def facts_named(text: str, arch: str | None) -> ReachFacts:
    """What the functions of a libc can call, by the facts at hand or by reading its code.

    Raises:
        RequestError, ParseError, FetchError, UnsupportedError: as `libc_named`, and `troth.libc.reach.store.facts_of`.
    """
    from troth.libc.reach.facts import builds, reach_facts
    from troth.libc.reach.store import facts_of

    if (text, arch_named(arch)) in builds():  # at once, without looking what was fetched
        return reach_facts(text, arch_named(arch))
    found = libc_named(text, arch)
    with Working(f"reading the code of {found.name}"):
        return facts_of(found)
