#!/usr/bin/env python3
"""Write down which system calls the functions of each known libc make, or check what was written.

    python tools/gen_atlas.py                          # every libc on every architecture that can be obtained
    python tools/gen_atlas.py glibc-2.36 --arch x86_64
    python tools/gen_atlas.py musl-1.2.5 --check       # fails when the committed facts are not what comes out now
    python tools/gen_atlas.py glibc-2.36 --only probe

The code of each is read (`reach`), and those that can run here are run (`probe`), which takes a minute each. The
packages come from Debian's archive, verified by apt. A suite moves on to newer packages: then facts that differ only in
the package's name, hash and build-ids are left as they are by `--check`, and are written anew without it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.libcs import I386, LIBCS, Libc, found
from troth.errors import TrothError
from troth.libc.known import DATA, KINDS
from troth.libc.probe import text as notation
from troth.libc.probe.compare import differences
from troth.libc.probe.facts import probe_facts
from troth.libc.probe.probing import probe
from troth.libc.reach.analyse import analyse, files_of
from troth.libc.reach.facts import dump

_OF_PACKAGE: Final = ("package:", "sha256:", "build-id:", "file:", "open:")
ARCHES: Final = ("x86_64", "aarch64", "i386")
# What is run: of i386 the one libc that the programs of the matrix run under too.
PROBED: Final = frozenset((libc.build, "x86_64") for libc in LIBCS) | {(I386.build, "i386")}


def path_of(kind: str, libc: Libc, arch: str) -> Path:
    """Where facts are."""
    return DATA / kind / f"{libc.build}.{arch}.txt"


def reach(libc: Libc, arch: str) -> str:
    """Read the code of a libc; gives its facts as text.

    Raises:
        FetchError: no suite has it now.
    """
    here = found(libc, arch)
    package = f"{here.package.name} {here.package.version}" if here.package else ""
    sha256 = here.package.sha256 if here.package else ""
    analysis = analyse(files_of(here.objects), libc.build, package, sha256)
    return dump(analysis.origin, analysis.functions)


def meaning(facts: str) -> list[str]:
    """The lines of facts that a rebuilt package has too."""
    return [line for line in facts.splitlines() if not line.startswith(_OF_PACKAGE)]


def write(path: Path, facts: str) -> None:
    """Put facts in their place, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(facts)
    partial.replace(path)
    print(f"{path.parent.name}/{path.name}: {len(facts)} bytes")


def renew(kind: str, libc: Libc, arch: str, *, check: bool) -> bool:
    """Write one file of facts, or compare it; says whether it is as it should be.

    Raises:
        TrothError: the libc cannot be had, or not be run here.
    """
    path = path_of(kind, libc, arch)
    if kind == "reach":
        facts = reach(libc, arch)
        if check and (not path.exists() or meaning(path.read_text()) != meaning(facts)):
            print(f"{kind}/{path.name}: is not what the code of {libc.build} gives; run tools/gen_atlas.py")
            return False
        if not check:
            write(path, facts)
        return True
    seen = probe(found(libc, arch))
    if not check:
        write(path, notation.dump(seen))
        return True
    lines = differences(probe_facts(libc.build, arch), seen)
    print("".join(f"{line}\n" for line in lines), end="")
    return not lines


def main() -> int:
    """Write or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("builds", nargs="*", help="such as glibc-2.36; all, if none is named")
    parser.add_argument("--arch", action="append", choices=ARCHES, help="all, if none is named")
    parser.add_argument("--only", choices=KINDS, help="one kind of facts")
    parser.add_argument("--check", action="store_true", help="only compare")
    options = parser.parse_args()
    names = [libc.build for libc in LIBCS]
    for name in options.builds:
        if name not in names:
            parser.error(f"unknown build `{name}`; one of {' '.join(names)}")
    status = 0
    for libc in LIBCS:
        for arch in options.arch or ARCHES:
            for kind in (options.only,) if options.only else KINDS:
                if options.builds and libc.build not in options.builds:
                    continue
                if kind == "probe" and (libc.build, arch) not in PROBED:
                    continue
                try:
                    status |= not renew(kind, libc, arch, check=options.check)
                except TrothError as error:
                    print(f"{kind}/{libc.build}.{arch}: {error}", file=sys.stderr)
                    status |= options.check
    return status


if __name__ == "__main__":
    sys.exit(main())
