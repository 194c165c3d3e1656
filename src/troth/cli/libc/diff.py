"""`troth libc diff`: what changed between two C libraries."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from troth.cli.libc.naming import LIBC_HELP, facts_named, output_options
from troth.cli.wording import wrapped

if TYPE_CHECKING:
    from troth.libc.reach.compare import Change, Comparison

_DIFFERS = 1  # exit status


@click.command(
    short_help="Say what changed between two C libraries.",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=LIBC_HELP,
)
@click.argument("old", metavar="LIBC")
@click.argument("new", metavar="LIBC")
@output_options
def diff(old: str, new: str, arch: str | None, form: str) -> int:
    """Say which functions make other system calls in another C library.

    A function is named where its own calls changed. What changed in a part that others lean on (malloc, stdio, the
    loader ...) is told once, under that part's name. Exit status 1 says that something changed.

    \b
    Examples:
      troth libc diff glibc-2.31 glibc-2.36
      troth libc diff / debian:sid --format json
    """
    from troth.libc.reach.compare import compare

    before, after = facts_named(old, arch), facts_named(new, arch)
    found = compare(before, after)
    title = f"{before.origin.build} to {after.origin.build} ({after.origin.arch})"
    click.echo(json.dumps(_data(found, title), indent=2) if form == "json" else "\n".join(_text(found, title)))
    return _DIFFERS if found.changes else 0


def _text(found: Comparison, title: str) -> list[str]:
    lines = [title]
    if not found.changes:
        lines.append("  no function makes other system calls")
    for change in found.changes:
        if not change.group:
            lines += ["", *_change(change)]
    if found.shared:
        lines += ["", "parts that others lean on"]
    for change in found.shared:
        lines += [
            "",
            *wrapped(f"  {change.group}: ", ", ".join(_calls(change)) or "the same calls, of other functions"),
        ]
        lines += wrapped("      ", ", ".join(change.functions))
    for word, names in (("new functions", found.added), ("functions that are gone", found.removed)):
        if names:
            lines += ["", f"{len(names)} {word} that make system calls", *wrapped("    ", ", ".join(names))]
    return lines


def _change(change: Change) -> list[str]:
    return [*wrapped("  ", ", ".join(change.functions)), *wrapped("      ", ", ".join(_calls(change)))]


def _calls(change: Change) -> list[str]:
    return [*(f"-{name}" for name in change.lost), *(f"+{name}" for name in change.gained)]


def _data(found: Comparison, title: str) -> dict[str, object]:
    return {
        "title": title,
        "changes": [_row(change) for change in found.changes],
        "shared": [_row(change) for change in found.shared],
        "added": list(found.added),
        "removed": list(found.removed),
    }


def _row(change: Change) -> dict[str, object]:
    return {
        "group": change.group,
        "functions": list(change.functions),
        "lost": list(change.lost),
        "gained": list(change.gained),
    }
