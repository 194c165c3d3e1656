#!/usr/bin/env python3
"""Probe the builds that have committed facts, and write them anew, or check that they still say so.

    python tools/gen_probe.py                       all of them: some minutes
    python tools/gen_probe.py glibc-2.44 musl-1.2.6
    python tools/gen_probe.py --check glibc-2.36    exit 1 when a case comes out otherwise

A suite moves on: where it has another version than the one that is named here, the build is passed over and said.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

TOP = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP / "src"))

from troth.errors import TrothError  # noqa: E402  # the tree's own
from troth.libc.identify import resolve  # noqa: E402
from troth.libc.probe.compare import differences  # noqa: E402
from troth.libc.probe.facts import probe_facts  # noqa: E402
from troth.libc.probe.probing import probe  # noqa: E402
from troth.libc.probe.text import dump  # noqa: E402

DATA = TOP / "src/troth/libc/data/probe"


class Source(NamedTuple):
    """A build, and the suite that has it."""

    build: str
    arch: str
    suite: str


# Oldest first. The next libc is one more line here.
SOURCES = (
    Source("glibc-2.31", "x86_64", "debian:bullseye"),
    Source("glibc-2.36", "x86_64", "debian:bookworm"),
    Source("glibc-2.41", "x86_64", "debian:trixie"),
    Source("glibc-2.43", "x86_64", "debian:forky"),
    Source("glibc-2.43", "i386", "debian:forky"),
    Source("glibc-2.44", "x86_64", "debian:experimental"),
    Source("musl-1.2.2", "x86_64", "debian:bullseye/musl"),
    Source("musl-1.2.3", "x86_64", "debian:bookworm/musl"),
    Source("musl-1.2.5", "x86_64", "debian:trixie/musl"),
    Source("musl-1.2.6", "x86_64", "debian:forky/musl"),
)


def renew(source: Source, *, check: bool) -> bool:
    """Probe one build; says whether its facts are as they should be."""
    found = resolve(source.suite, arch=source.arch)
    if found.name != source.build:
        print(f"{source.build} {source.arch}: {source.suite} has {found.name} now; passed over", file=sys.stderr)
        return True
    facts = probe(found)
    if check:
        lines = differences(probe_facts(source.build, source.arch), facts)
        print("".join(f"{line}\n" for line in lines), end="")
        return not lines
    path = DATA / f"{source.build}.{source.arch}.txt"
    partial = path.with_suffix(".partial")
    partial.write_text(dump(facts))
    partial.replace(path)
    print(f"{path.name}: {len(facts.cases)} cases of {len(facts.functions)} functions", file=sys.stderr)
    return True


def main() -> None:
    """Probe what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("builds", nargs="*", help="such as glibc-2.36; all by default")
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    options = parser.parse_args()
    known = [source.build for source in SOURCES]
    for build in options.builds:
        if build not in known:
            parser.error(f"`{build}` is none of {' '.join(known)}")
    try:
        done = [
            renew(source, check=options.check)
            for source in SOURCES
            if not options.builds or source.build in options.builds
        ]
    except TrothError as error:
        sys.exit(f"gen_probe: {error}")
    sys.exit(0 if all(done) else 1)


if __name__ == "__main__":
    main()
