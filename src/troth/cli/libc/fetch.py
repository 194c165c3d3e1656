"""`troth libc fetch`: fetch a suite's C library, or say which one something has."""

from __future__ import annotations

import json

import click

from troth.cli.libc.naming import LIBC_HELP, libc_named
from troth.libc.identify import Found
from troth.libc.known import Known, by_build_id


@click.command(
    short_help="Fetch a suite's C library, or find an image's.",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=LIBC_HELP,
)
@click.argument("libc")
@click.option(
    "--arch", metavar="ARCH", default="", help="The architecture, such as aarch64; by default this machine's."
)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="The output.")
def fetch(libc: str, arch: str, form: str) -> None:
    """Fetch the C library of a suite of Debian, and say what it is and where; or say which one an image has.

    \b
    Examples:
      troth libc fetch debian:trixie
      troth libc fetch debian:sid --arch aarch64
      troth libc fetch image.tar

    Packages come from the mirror that the machine's apt uses, or from TROTH_MIRROR, and are verified by apt; what is
    there already is not fetched again, and an interrupted download goes on where it stopped. Nothing on the machine
    changes, and nobody needs to be root.
    """
    found = libc_named(libc, arch)
    facts = by_build_id(found.build_id)
    if form == "json":
        click.echo(json.dumps(_data(found, facts), indent=2))
        return
    click.echo(f"{found.name} {found.arch}")
    package = f"{found.package.name} {found.package.version}" if found.package else ""
    said = ("build-id", found.build_id), ("package", package), ("root", found.root), ("facts", _facts(facts))
    for key, value in said:
        if value:
            click.echo(f"  {key:9} {value}")
    for path in found.objects:
        click.echo(f"  {path}")
    if not found.objects:
        click.echo("note: its files are not here; name a suite, a root or an image that has it", err=True)


def _facts(facts: Known | None) -> str:
    return f"those of {facts.name} ({', '.join(facts.kinds)})" if facts else ""


def _data(found: Found, facts: Known | None) -> dict[str, object]:
    return {
        "name": found.name,
        "arch": found.arch,
        "build_id": found.build_id,
        "sha256": found.sha256,
        "package": dict(found.package._asdict()) if found.package else None,
        "origin": found.origin,
        "root": found.root,
        "objects": list(found.objects),
        "facts": list(facts.kinds) if facts else [],
    }
