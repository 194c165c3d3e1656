"""`troth forecast`: what the next upgrade breaks under a filter."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import click

from troth.cli.filters import FILTER_HELP, paint, subject
from troth.cli.wording import wrapped
from troth.cli.working import Working
from troth.errors import RequestError
from troth.formats.subject import FORMATS
from troth.libc.forecast.compare import BYPASS, Forecast, forecast
from troth.libc.forecast.judge import BREAKS, DEGRADES, FALLS_BACK
from troth.libc.forecast.systems import System, parse, running

if TYPE_CHECKING:
    from collections.abc import Iterable

    from troth.formats import Subject
    from troth.libc.forecast.compare import Finding
    from troth.libc.forecast.programs import Told

BROKEN = 1

_TITLES = {
    BREAKS: "breaks",
    BYPASS: "slips through",
    DEGRADES: "degrades",
    FALLS_BACK: "falls back, and works",
}
_COLOURS = {BREAKS: "KILL_PROCESS", BYPASS: "KILL_PROCESS", DEGRADES: "ERRNO", FALLS_BACK: "ALLOW"}

SYSTEM_HELP = """\b
    A and B are, joined by commas where several things move,
      glibc-2.36            a C library, 2.15 to 2.44; musl-1.2.5, 1.1.13 to 1.2.6
      debian:trixie         the one of a release; a root directory's, or a saved image's, by its path
      linux-6.1             a kernel
      aarch64               an architecture
      rust-1.40             a runtime with calls of its own: go, python, libuv, jvm ...
      no-vdso               a machine whose clocks need a system call
    What is not said is as on this machine, or as in A. `--from none` asks what does not work in B, whatever A was.

"""


@click.command(
    short_help="Say what the next upgrade breaks under a filter.",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=SYSTEM_HELP + FILTER_HELP,
)
@click.argument("sources", metavar="FILTER...", nargs=-1, required=True)
@click.option("--from", "old", metavar="A", help="What the filter works with now; by default this machine.")
@click.option("--to", "new", metavar="B", required=True, help="What it is to work with.")
@click.option(
    "--program", "programs", multiple=True, metavar="ELF", help="Judge only what this program, or library, imports."
)
@click.option("--arch", metavar="ARCH", help="The architecture, where A does not name it; by default this machine's.")
@click.option("--all", "all_", is_flag=True, help="Tell also what falls back and works.")
@click.option("--as", "as_", type=click.Choice(FORMATS), help="The format of a file; by default by its content.")
@click.option("--cap", "caps", multiple=True, metavar="CAP", help="A container's capability, or `docker`, `podman`.")
@click.option("--runtime", type=click.Choice(["runc"]), help="Add what this runtime puts before a profile.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "sarif"]), default="text", help="The output; SARIF has all."
)
def forecast_command(
    sources: tuple[str, ...],
    old: str | None,
    new: str,
    programs: tuple[str, ...],
    arch: str | None,
    all_: bool,
    as_: str | None,
    caps: tuple[str, ...],
    runtime: str | None,
    form: str,
) -> int:
    """Say what the next upgrade breaks under a filter, why, and what to change.

    \b
    Examples:
      troth forecast docker.json --to debian:trixie
      troth forecast filter.bpf --from glibc-2.33 --to glibc-2.34
      troth forecast pid:4242 --from linux-5.10 --to linux-6.6 --program /usr/sbin/nginx
      troth forecast profile.json --from x86_64 --to aarch64

    Every function of the C library is judged, or those that the programs import: what it calls in A and in B, what
    the filter answers, and what the library does then. Exits with 1 when something breaks or slips through.
    """
    nothing = old == "none"
    said = _told(programs)
    with Working("finding out what moves"):
        after = system(new, None)
        named = system("" if nothing else old, arch)
        before = _filled(named, after, said, arch)
        after = after.filled(before)
    _warn_of_what_does_not_start(said, after)
    if not before.libc and not after.libc:
        raise RequestError("this machine does not say which C library it has", hint="name one with `--from`")
    foretold = []
    for source in sources:
        filters = _filters(source, as_, before, after, caps, runtime)
        with Working(f"judging {filters[0].origin}"):
            found = forecast(
                filters[0].meaning,
                filters[1].meaning,
                None if nothing else before,
                after,
                big_endian=(filters[0].big_endian, filters[1].big_endian),
                imports=said.imports if said else None,
            )
        foretold.append((source, filters[0].origin, found))
    if form == "json":
        data = [as_data(source, found) for source, _, found in foretold]
        click.echo(json.dumps(data[0] if len(data) == 1 else data, indent=2))
    elif form == "sarif":
        from troth import __version__
        from troth.libc.forecast.sarif import document

        told = [(source, found) for source, _, found in foretold]
        click.echo(json.dumps(document(told, version=__version__), indent=2))
    else:
        for place, (_, origin, found) in enumerate(foretold):
            for line in (*([""] if place else []), *text(origin, found, everything=all_)):
                click.echo(line)
    return BROKEN if any(found.breaks for _, _, found in foretold) else 0


def system(words: str | None, arch: str | None) -> System:
    """A system as it is named on the command line: what is a path, or a suite that still moves, is looked up.

    Raises:
        RequestError: a part names nothing.
    """
    named: list[str] = []
    for part in (words or "").split(","):
        part = part.strip()
        if part and (os.sep in part or os.path.exists(part)):
            from troth.libc.identify import resolve

            with Working(f"looking into {part}"):
                found = resolve(part, arch=arch or "")
            named += [found.name, found.arch]
        elif part.startswith("debian:"):
            named += _suite(part, arch)
        elif part:
            named.append(part)
    return parse(",".join(named)) if named else System()


def _suite(part: str, arch: str | None) -> list[str]:
    """A release by what is on record; one that still moves by what its archive has now."""
    try:
        parse(part)
    except RequestError:
        from troth.libc.identify import resolve

        with Working(f"fetching the C library of {part}"):
            return [resolve(part, arch=arch or "").name]
    return [part]


def _told(programs: tuple[str, ...]) -> Told | None:
    """What the programs say of themselves; None without any."""
    if not programs:
        return None
    from troth.libc.forecast.programs import told

    found = told(programs)
    for path in found.static:
        click.echo(f"note: {path} is linked statically: it keeps its C library, whatever is upgraded", err=True)
    return found


def _warn_of_what_does_not_start(said: Told | None, after: System) -> None:
    from troth.libc.forecast.imported import too_new

    for path, versions in said.needs.items() if said else ():
        if lacking := too_new(versions, after.libc):
            words = f"{path} asks for {lacking}, which {after.libc} does not have: it does not start there"
            click.echo(f"note: {words}, whatever the filter", err=True)


def _filled(named: System, after: System, said: Told | None, arch: str | None) -> System:
    """The old system, with what is not named as the programs have it, or as this machine does."""
    here = running()
    here = here.replace(arch=arch or (said.arch if said else "") or here.arch)
    if said is not None:
        if said.musl and os.path.exists(said.musl) and not named.libc:
            from troth.libc.identify import resolve

            here = here.replace(libc=resolve(said.musl).name)
        # Of runtimes, those that move.
        moving = dict(after.others)
        inside = tuple(pair for pair in said.runtimes if pair[0] in moving and pair[0] not in dict(named.others))
        named = named.replace(others=(*named.others, *inside))
    return named.filled(here)


def _filters(
    source: str, as_: str | None, old: System, new: System, caps: tuple[str, ...], runtime: str | None
) -> tuple[Subject, Subject]:
    """The filter as it is installed on either system: profiles of containers say what depends on machine and kernel."""
    if (old.arch, old.linux) == (new.arch, new.linux) or source.startswith("pid:"):
        both = subject(source, as_, (old.arch,), caps, old.linux or None, runtime)
        return both, both
    if source == "-":
        raise RequestError("standard input can be read once", hint="give a file where the machine or the kernel moves")
    one, other = (subject(source, as_, (to.arch,), caps, to.linux or None, runtime) for to in (old, new))
    return one, other


def text(origin: str, found: Forecast, *, everything: bool) -> Iterable[str]:
    """The findings for people: what has the same cause stands together."""
    yield f"{origin}: {found.old or 'none'} -> {found.new}"
    groups: dict[tuple[str, ...], list[Finding]] = {}
    for finding in found.findings:
        if finding.effect != FALLS_BACK or everything:
            mended = finding.fix.words if finding.fix else ""
            name = finding.call.partition("{")[0]
            name = name.partition("(")[0] if finding.effect != BYPASS else name
            groups.setdefault((finding.effect, name, finding.answer, finding.since, mended), []).append(finding)
    title = ""
    for (effect, name, answer, since, _), some in groups.items():
        if effect != title:
            yield ""
            yield paint(_TITLES[effect], _COLOURS[effect])
            title = effect
        yield f"  `{name}` is answered {answer or 'ENOSYS by the kernel'}" + (f", since {since}" if since else "")
        yield from _functions(some)
        fix = some[0].fix
        if fix is not None:
            yield from wrapped("    fix: ", fix.words + ("" if fix.proved else " (nothing narrower is known)"))
        yield from wrapped("    evidence: ", "; ".join(dict.fromkeys(word for one in some for word in one.evidence)))
    yield ""
    yield from _summary(found, shown=len(groups) > 0, everything=everything)


def _functions(some: list[Finding]) -> Iterable[str]:
    """Functions with what becomes of them, those that fare alike on one line."""
    alike: dict[str, list[str]] = {}
    for finding in some:
        variant = f" ({finding.variant}{', if so' if finding.optional else ''})" if finding.variant else ""
        maker = "" if finding.maker in ("glibc", "musl", "bionic", "linux") else f"{finding.maker}: "
        alike.setdefault(finding.outcome, []).append(f"{maker}{finding.function}{variant}")
    for outcome, names in alike.items():
        yield from wrapped("    ", f"{', '.join(names)}: {outcome}")


def _summary(found: Forecast, *, shown: bool, everything: bool) -> Iterable[str]:
    if not shown:
        yield "nothing breaks"
    backs = sum(1 for finding in found.findings if finding.effect == FALLS_BACK)
    before = "" if found.old is None else f", of which {found.refused_before} did not work before"
    hidden = f"; {backs} fall back and work (`--all` tells which)" if backs and not everything else ""
    yield f"{found.judged} uses of functions judged{before}{hidden}"


def as_data(filter_: str, found: Forecast) -> dict[str, object]:
    """The findings as plain data."""
    return {
        "filter": filter_,
        "from": str(found.old or "none"),
        "to": str(found.new),
        "judged": found.judged,
        "refused_before": found.refused_before,
        "findings": [
            {
                "function": one.function,
                "variant": one.variant,
                "of": one.maker,
                "calls": list(one.calls),
                "call": one.call,
                "answer": one.answer,
                "effect": one.effect,
                "optional": one.optional,
                "every_use": one.every_use,
                "outcome": one.outcome,
                "since": one.since,
                "evidence": list(one.evidence),
                "fix": one.fix.words if one.fix else None,
                "fix_proved": one.fix.proved if one.fix else None,
            }
            for one in found.findings
        ],
    }
