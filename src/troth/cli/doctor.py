"""`troth doctor`: what this kernel can enforce, and what pledge and unveil would do here."""

from __future__ import annotations

import json

import click

from troth import abi
from troth.abi import landlock
from troth.abi.seccomp import RET_KILL_PROCESS
from troth.kernel.probe import Kernel, probe
from troth.promises.parse import parse
from troth.sandbox.apply import identity
from troth.sandbox.plan import Plan, Request, judged_arches, plan

# What is asked of the kernel for the report: everyday promises, with and without a veil.
_CASES = (
    ("pledge", "stdio rpath wpath cpath inet proc exec", None, False),
    ("pledge of stdio alone", "stdio", None, False),
    ("pledge with threads", "stdio rpath", None, True),
    ("unveil", "stdio rpath wpath cpath", (("/usr", "r"),), False),
    ("unveil with threads", "stdio rpath", (("/usr", "r"),), True),
    ("unveil and unix sockets", "stdio rpath unix", (("/usr", "r"),), False),
)


def plans(kernel: Kernel) -> list[tuple[str, Plan]]:
    """What each everyday request would become on this kernel."""
    found = []
    for name, promises, veil, threads in _CASES:
        held = parse(promises)
        arches = judged_arches(abi.native().name, held)
        request = Request(held, veil, identity(), arches, RET_KILL_PROCESS, threads)
        found.append((name, plan(request, kernel)))
    return found


def verdict(decided: Plan) -> str:
    """One line on one plan."""
    if decided.missing:
        return "refused: " + "; ".join(f"{f.name} needs {f.needs}" for f in decided.missing)
    return "enforced" + (", but " + "; ".join(decided.notes) if decided.notes else "")


def facts(kernel: Kernel) -> dict[str, object]:
    """The kernel's answers, as data."""
    version = kernel.landlock_abi
    return {
        "kernel": kernel.release,
        "architecture": kernel.arch,
        "seccomp": kernel.seccomp,
        "seccomp_actions": sorted(kernel.actions),
        "seccomp_flags": sorted(kernel.flags),
        "landlock_abi": version,
        "landlock_errata": kernel.landlock_errata,
        "landlock_rights": [name for name, bit in landlock.FS.items() if landlock.FS_BY_ABI[version] & bit],
        "no_new_privs": kernel.no_new_privs,
        "already_filtered": kernel.filtered,
        "refused_by_a_filter": list(kernel.blocked),
    }


@click.command(short_help="Say what this kernel can enforce.", context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="How to print the report.")
def doctor(form: str) -> None:
    """Say what this kernel can enforce, and what pledge and unveil would do here.

    \b
    Examples:
      troth doctor
      troth doctor --format json

    Exits with 3 when promises cannot be enforced at all.
    """
    kernel = probe()
    decided = plans(kernel)
    if form == "json":
        report = facts(kernel) | {"would": {name: verdict(one) for name, one in decided}}
        click.echo(json.dumps(report, indent=2))
    else:
        for name, value in facts(kernel).items():
            text = (
                " ".join(value)
                if isinstance(value, list)
                else {True: "yes", False: "no"}.get(value, value)
                if isinstance(value, bool)
                else value
            )
            click.echo(f"{name.replace('_', ' '):22} {text if text != '' else '-'}")
        click.echo()
        for name, one in decided:
            click.echo(f"{name:26} {verdict(one)}")
    if not kernel.seccomp:
        raise SystemExit(3)
