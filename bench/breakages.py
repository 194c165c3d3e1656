#!/usr/bin/env python3
"""Which of the recorded breakages of filters a forecast would have said, by mechanism.

    python bench/breakages.py                    the part of the record that is here (bench/breakages.json)
    python bench/breakages.py RECORD.json        another part, in the same form
    python bench/breakages.py --write            into bench/RESULTS.md
    python bench/breakages.py --list             every incident: what was asked, and what was said

Source of bench/breakages.json: 121 of 404 breakages of real filters from 2014 to 2026, collected from the issues and
commits that each entry names in `sources`. An entry says what was upgraded, what of the filter matters
(`filter_excerpt`) and what a forecast should have said (`benchmark.expected`).

An excerpt is a part of a filter. The rest is taken to have been right: what functions of the old system call is allowed
unless the excerpt says otherwise, and everything else gets the filter's default. Where the record does not say from or
to which version something moved, it is the release before or after; where nothing moved (a path that nobody had taken
yet), the new system is judged by itself.

An incident counts as forecast when a finding of the kind that is expected (something breaks; or slips through) names
one of the calls that are expected. Each is asked twice more: with those calls allowed, when none of them may be found
any more, and with nothing moved, when nothing may be.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from troth import abi
from troth.errors import RequestError, TrothError
from troth.libc.forecast.compare import Forecast, forecast
from troth.libc.forecast.model import doings
from troth.libc.forecast.recorded import VALUES, makers
from troth.libc.forecast.systems import LIBCS, System, releases
from troth.libc.forecast.tables import version_key
from troth.policy import Policy
from troth.policy.build import build

HERE = Path(__file__).resolve().parent
RECORD = HERE / "breakages.json"

# What the record calls things, and what makes calls by that name here.
_COMPONENTS = {
    "rust": "rust", "go": "go", "gcc-go": "gccgo", "cpython": "python", "python": "python", "libuv": "libuv",
    "node": "libuv", "jdk": "jvm", "jvm": "jvm", "java": "jvm", "linux": "linux", "kernel": "linux", "vdso": "linux",
    "gnu tar": "tar", "libc": "glibc", "proton": "wine",
}  # fmt: skip
_ARCHES = {
    "all": "x86_64", "any": "x86_64", "x86": "i386", "arm64": "aarch64", "armhf": "arm", "mips": "mips64el",
    "powerpc": "ppc64le", "ppc": "ppc64le", "ppc64": "ppc64le", "amd64": "x86_64",
}  # fmt: skip
_ACTIONS = {"KILL": "kill_process", "TRAP": "trap", "TRACE": "kill_process", "ALLOW": "allow", "NOTIFY": "user_notif"}

# When libcs were released, as far as an incident needs it that only has a date.
_RELEASED = {
    "glibc": (
        "2.19 2014-02 2.20 2014-09 2.21 2015-02 2.22 2015-08 2.23 2016-02 2.24 2016-08 2.25 2017-02 "
        "2.26 2017-08 2.27 2018-02 2.28 2018-08 2.29 2019-01 2.30 2019-08 2.31 2020-02 2.32 2020-08 "
        "2.33 2021-02 2.34 2021-08 2.35 2022-02 2.36 2022-07 2.37 2023-01 2.38 2023-07 2.39 2024-01 "
        "2.40 2024-07 2.41 2025-01 2.42 2025-07 2.43 2026-01 2.44 2026-07 "
    ),
    "musl": (
        "1.1.13 2016-02 1.1.20 2018-09 1.1.22 2019-04 1.1.24 2019-10 1.2.0 2020-02 1.2.2 2021-01 "
        "1.2.3 2022-04 1.2.4 2023-05 1.2.5 2024-02 1.2.6 2026-03 "
    ),
}


class Asked(NamedTuple):
    """What an incident asks: the filter, the old system (None: the new one by itself) and the new one."""

    policy: Policy
    old: System | None
    new: System


def released(maker: str, date: str) -> str:
    """The version of a libc that was new at a date."""
    words = _RELEASED[maker].split()
    known = [version for version, day in zip(words[::2], words[1::2], strict=True) if day <= date[:7]]
    return known[-1] if known else words[0]


def arches_of(incident: dict[str, Any]) -> list[str]:
    """The architectures of an incident that filters can be judged for."""
    words = (_ARCHES.get(word, word) for word in incident["benchmark"]["upgrade"]["arch"].split())
    return list(dict.fromkeys(word for word in words if word in abi.ARCHES))


def asked(incident: dict[str, Any], arch: str, *, allowed: Iterable[str] = ()) -> Asked:
    """The filter and the move of an incident; `allowed` are calls that the filter is to allow besides."""
    date = incident["date"] or "2020-01"
    old, new = _systems(incident, arch, date)
    return Asked(_filter(incident["filter_excerpt"], old or new, new, allowed), old, new)


def _systems(incident: dict[str, Any], arch: str, date: str) -> tuple[System | None, System]:
    upgrade = incident["benchmark"]["upgrade"]
    libc = "glibc-" + released("glibc", date)
    here = System(libc, "", arch)
    if incident["benchmark"]["kind"] == "port-to-arch":
        return here.replace(arch="x86_64" if arch != "x86_64" else "i386"), _with(here, upgrade["component"], "")
    words = f"{upgrade['from']} {upgrade['component']} {upgrade['to']}".lower()
    if incident["benchmark"]["kind"] == "libc-swap":
        kinds = [kind for kind in LIBCS if kind in str(upgrade["from"]).lower()] or ["glibc"]
        to = next(kind for kind in ("musl", "glibc") if kind in f"{upgrade['to']} {upgrade['component']}".lower())
        return here.replace(libc=_libc(kinds[0], date)), here.replace(libc=_libc(to, date))
    if "time32" in words:
        return here.replace(libc="glibc-2.30"), here.replace(libc="glibc-2.33")
    found = _makers(upgrade["component"]) or _makers(f"{upgrade['from']} {upgrade['to']}")
    if not found:
        raise RequestError(f"nothing is recorded of {upgrade['component']}")
    first, last = (_version(upgrade[end], found[0]) for end in ("from", "to"))
    systems_: list[System] = []
    for version, before in ((first, True), (last, False)):
        there = here
        for maker in found:
            there = _moved(there, maker, version, first if before else last, last if before else first, before)
        systems_.append(there)
    if not first and not last:
        return None, systems_[1]
    return systems_[0], systems_[1]


def _libc(kind: str, date: str) -> str:
    return f"{kind}-{date[:4]}" if kind == "bionic" else f"{kind}-{released(kind, date)}"


def _with(system: System, component: str, version: str) -> System:
    """A system with what else an incident is about."""
    for maker in _makers(component):
        if maker not in (*LIBCS, "linux"):
            system = system.replace(others=((maker, version or releases(maker)[-1]),))
    return system


def _moved(system: System, maker: str, version: str, own: str, other: str, before: bool) -> System:
    """A system with one version of something; the release next to the other end where none is named."""
    if not version and other:
        known = [one for one in releases(maker) if (version_key(one) < version_key(other)) is before]
        version = (known[-1] if before else known[0]) if known else ("0.1" if before else other)
    if not version:
        version = released(maker, "2026-12") if maker in _RELEASED else releases(maker)[-1]
    if maker in LIBCS:
        known = [one for one in releases(maker) if version_key(one) <= version_key(version)]
        return system.replace(libc=f"{maker}-{(known or releases(maker)[:1])[-1]}")
    if maker == "linux":
        return system.replace(linux=version)
    return system.replace(others=(*(pair for pair in system.others if pair[0] != maker), (maker, version)))


def _makers(component: str) -> list[str]:
    """What an incident is about, of what facts are recorded of."""
    words = component.lower()
    known = {name: name for name in (*LIBCS, *makers())} | _COMPONENTS
    found = [maker for name, maker in known.items() if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", words)]
    found = list(dict.fromkeys(found))
    others = [maker for maker in found if maker not in LIBCS]
    # A runtime on some libc is about the runtime; a libc with a library is about both.
    return others[:1] if others and "glibc" not in words else found[:2]


def _version(words: object, maker: str) -> str:
    found = re.search(r"\d+(?:\.\d+)*(?:[a-z](?![\w-]))?", str(words).replace("1.2x", "1.27").replace("1.6x", "1.60"))
    if found and str(words).startswith("<") and "=" not in str(words):
        known = [version for version in releases(maker) if version_key(version) < version_key(found[0])]
        return known[-1] if known else "0.1"
    return found[0] if found else ""


def _filter(excerpt: dict[str, Any], old: System, new: System, allowed: Iterable[str]) -> Policy:
    """The filter that an excerpt is of: everything that it does not speak of is as the old system needs it."""
    default = _action(excerpt["default_action"])
    said: dict[str, list[tuple[str, str | None, str]]] = {}
    for words in allowed:
        said.setdefault(words.partition("(")[0], []).insert(0, (words.partition("(")[0], None, "allow"))
    for words in excerpt["allowed"]:
        name, condition = _call(words)
        said.setdefault(name, []).append((name, condition, "allow"))
    for entry in excerpt["denied"]:
        name, condition = _call(entry["syscall"])
        said.setdefault(name, []).append((name, condition, _action(entry["action"])))
    needed = {call.name for doing in doings(old).values() for call in doing.calls} if default != "allow" else set()
    rules = [rule for some in said.values() for rule in some]
    rules += [(name, None, "allow") for name in sorted(needed) if name not in said]
    arches = tuple(dict.fromkeys((old.arch, new.arch)))
    known = {name for arch in arches for name in abi.numbers(arch)}
    return build(arches, [rule for rule in rules if rule[0] in known], default=default, skip_absent=True)


def _action(words: str) -> str:
    name, _, errno = words.partition("(")
    name = name.split("/")[0].strip()
    if name == "ERRNO":
        return errno.partition(")")[0] or "EPERM"
    return _ACTIONS[name]


def _call(words: str) -> tuple[str, str | None]:
    """A call of an excerpt, and its condition as far as it is said in words that a filter could have."""
    name, _, inside = words.partition("(")
    inside = inside.rstrip(")").strip()
    place = VALUES.get(name)
    if "&" in inside:
        return name, inside
    if fixed := re.fullmatch(r"arg(\d)==(\w+)", inside):
        return name, f"u64(arg{fixed[1]}) == {fixed[2]}"
    if place is not None and inside and re.fullmatch(r"[A-Z0-9_,|…x ]+", inside):
        prefix = inside.partition("_")[0] if "_" in inside else ""
        values = [word for word in re.split(r"[,|…\s]+", inside) if word]
        values = [word if "_" in word or not prefix or word.isdigit() else f"{prefix}_{word}" for word in values]
        return name, f"arg{place} in {{{', '.join(values)}}}"
    if name == "clone" and inside in ("flags", "no-ns-flags"):
        return name, "flags & CLONE_NEWUSER" if inside == "flags" else "flags & CLONE_NEWUSER == 0"
    return name, None


def said(question: Asked) -> Forecast:
    """What is forecast."""
    return forecast(question.policy, question.policy, question.old, question.new)


def hits(found: Forecast, expected: dict[str, Any]) -> list[str]:
    """The expected calls that a forecast names, with the expected effect."""
    effects = {"bypass"} if expected["verdict"] == "bypass" else {"breaks"}
    if "degraded" in expected["effect"]:
        effects.add("degrades")
    return [
        event
        for event in expected["new_events"]
        if any(finding.effect in effects and _names(finding.call, event) for finding in found.findings)
    ]


def _names(call: str, event: str) -> bool:
    name, _, inside = event.partition("(")
    if call.partition("(")[0] != name:
        return False
    words = re.findall(r"[A-Z][A-Z0-9_]{3,}", inside)
    return all(word in call for word in words)


class Score(NamedTuple):
    """What came of an incident: whether it was forecast, and whether that was of a system by itself.

    `after_mending` and `without_move` are false alarms: with the calls allowed, and with nothing moved.
    """

    incident: dict[str, Any]
    hit: bool
    alone: bool
    after_mending: bool
    without_move: bool
    told: str


def scores(incidents: Sequence[dict[str, Any]]) -> list[Score]:
    """Ask every incident that a forecast can be asked about."""
    found = []
    for incident in incidents:
        expected = incident["benchmark"]["expected"]
        if incident["benchmark_tier"] == "context" or expected["verdict"] not in ("break", "bypass"):
            continue
        hit = alone = mended = still = False
        told = "no architecture of ours"
        for arch in arches_of(incident):
            try:
                question = asked(incident, arch)
                answer = said(question)
            except TrothError as error:
                told = f"{type(error).__name__}: {error}"
                continue
            names = hits(answer, expected)
            move = f"{question.old or 'none'} -> {question.new}"
            told = f"{move}: {', '.join(names) or 'not ' + ', '.join(expected['new_events'])}"
            if names:
                hit, alone = True, question.old is None
                if expected["verdict"] == "break":
                    mended |= bool(hits(said(asked(incident, arch, allowed=expected["new_events"])), expected))
                if question.old is not None:
                    still |= bool(hits(said(question._replace(new=question.old)), expected))
                break
        found.append(Score(incident, hit, alone, mended, still, told))
    return found


def table(found: Sequence[Score]) -> str:
    """The share of breakages that are forecast, by mechanism."""
    total = Counter(score.incident["mechanism_class"] for score in found)
    hit = Counter(score.incident["mechanism_class"] for score in found if score.hit)
    alone = Counter(score.incident["mechanism_class"] for score in found if score.alone)
    lines = ["| mechanism | recorded | forecast | of these, without a move | share |", "|---|---:|---:|---:|---:|"]
    for name, count in sorted(total.items(), key=lambda pair: (-pair[1], pair[0])):
        lines.append(f"| {name} | {count} | {hit[name]} | {alone[name] or ''} | {hit[name] / count:.0%} |")
    every, all_hit = len(found), sum(hit.values())
    lines.append(f"| **all** | {every} | {all_hit} | {sum(alone.values())} | **{all_hit / every:.0%}** |")
    return "\n".join(lines)


def report(found: Sequence[Score]) -> str:
    """The section of the report."""
    hit = [score for score in found if score.hit]
    alarms = sum(score.after_mending for score in hit), sum(score.without_move for score in hit)
    missed = sorted(score.incident["id"] for score in found if not score.hit)
    return (
        "## Breakages on record that a forecast says\n\n"
        "`bench/breakages.py` asks for each recorded breakage of a real filter (2014 to 2026) what a forecast says of "
        "the same upgrade under the same filter; its text tells how the filter is made up from what is on record, and "
        "what counts. *Without a move*: paths that nobody had taken yet, of a "
        "system judged by itself. Not scored: entries that only give context.\n\n"
        f"{table(found)}\n\n"
        f"Asked again with the calls in question allowed, {alarms[0]} of {len(hit)} were still said; with nothing "
        f"moved, {alarms[1]}.\n\nNot forecast: {', '.join(missed) or 'none'}.\n"
    )


def main() -> None:
    """Measure, and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", nargs="?", type=Path, default=RECORD, help="a record of breakages")
    parser.add_argument("--write", action="store_true", help="into bench/RESULTS.md")
    parser.add_argument("--list", action="store_true", help="every incident")
    options = parser.parse_args()
    found = scores(json.loads(options.record.read_text("utf-8")))
    if options.list:
        for score in found:
            print(f"{'yes' if score.hit else 'NO ':3} {score.incident['id']}: {score.told}")
    text = report(found)
    if options.write:
        from bench.run import RESULTS, with_section

        RESULTS.write_text(with_section(RESULTS.read_text(), "breakages", text))
    else:
        print(text)


if __name__ == "__main__":
    main()
