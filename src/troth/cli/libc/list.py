"""`troth libc list`: the builds of C libraries that troth has facts of, and those that were fetched."""

from __future__ import annotations

import json

import click

from troth.libc.identify import Found, fetched
from troth.libc.known import Known, by_age, known


@click.command(
    "list", short_help="List the C libraries that are known.", context_settings={"help_option_names": ["-h", "--help"]}
)
@click.option("--arch", metavar="ARCH", help="Only those for an architecture, such as x86_64.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="The output.")
def list_(arch: str | None, form: str) -> None:
    """List the builds that troth has facts of, and those that were fetched.

    \b
    Examples:
      troth libc list
      troth libc list --arch aarch64 --format json
    """
    rows = [row for row in _rows(known(), list(fetched())) if arch in (None, row["arch"])]
    if form == "json":
        click.echo(json.dumps(rows, indent=2))
        return
    names = max((len(str(row["name"])) for row in rows), default=0)
    arches = max((len(str(row["arch"])) for row in rows), default=0)
    for row in rows:
        facts = " ".join(map(str, row["facts"])) if isinstance(row["facts"], list) else ""
        line = (
            f"{row['name']:{names}}  {row['arch']:{arches}}  {facts:11}  {str(row['build_id'])[:12]:12}  {row['root']}"
        )
        click.echo(line.rstrip())


def _rows(facts: tuple[Known, ...], here: list[Found]) -> list[dict[str, object]]:
    """A row for each build that was fetched, and for each with facts that was not."""
    rows = []
    for found in here:
        match = next((one for one in facts if _is(found, one)), None)
        rows.append(_row(found.name, found.arch, list(match.kinds) if match else [], found.build_id, found))
    for one in facts:
        if not any(_is(found, one) for found in here):
            rows.append(_row(one.name, one.arch, list(one.kinds), one.build_id, None))
    return sorted(rows, key=lambda row: (*by_age(str(row["name"])), str(row["arch"])))


def _is(found: Found, one: Known) -> bool:
    if (found.name, found.arch) != (one.name, one.arch):
        return False
    return not one.build_id or found.build_id == one.build_id


def _row(name: str, arch: str, facts: list[str], build_id: str, found: Found | None) -> dict[str, object]:
    package = f"{found.package.name} {found.package.version}" if found and found.package else ""
    return {
        "name": name,
        "arch": arch,
        "facts": facts,
        "build_id": build_id,
        "package": package,
        "root": found.root if found else "",
    }
