#!/usr/bin/env python3
"""Write down which system calls the functions of each known libc can make, or check what was written.

    python tools/gen_atlas.py                          # every libc on every architecture that can be obtained
    python tools/gen_atlas.py glibc-2.36 --arch x86_64
    python tools/gen_atlas.py musl-1.2.5 --check       # fails when the committed facts are not what the code gives

The packages come from Debian's archive, verified by apt. A suite moves on to newer packages: then facts that differ
only in the package's name, hash and build-ids are left as they are by `--check`, and are written anew without it. The
next libc is one more line of `BUILDS`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from troth.errors import TrothError
from troth.libc import identify
from troth.libc.apt import FetchError
from troth.libc.reach.analyse import analyse, files_of
from troth.libc.reach.facts import dump

REACH: Final = Path(__file__).resolve().parent.parent / "src/troth/libc/data/reach"
_OF_PACKAGE: Final = ("package:", "sha256:", "build-id:", "file:", "open:")


class Build(NamedTuple):
    """A libc, and the suites that have or had it; the first that still has this version is taken."""

    name: str
    suites: tuple[str, ...]


# Oldest first. The next libc is one more line here.
BUILDS: Final = (
    Build("glibc-2.31", ("bullseye",)),
    Build("glibc-2.36", ("bookworm",)),
    Build("glibc-2.41", ("trixie",)),
    Build("glibc-2.43", ("forky", "sid")),
    Build("glibc-2.44", ("experimental",)),
    Build("musl-1.2.2", ("bullseye",)),
    Build("musl-1.2.3", ("bookworm",)),
    Build("musl-1.2.5", ("trixie",)),
    Build("musl-1.2.6", ("forky", "sid")),
)
ARCHES: Final = ("x86_64", "aarch64", "i386")


def facts(build: Build, arch: str) -> str:
    """Read the code of a libc; gives its facts as text.

    Raises:
        FetchError: no suite has it now.
    """
    complaints = []
    for suite in build.suites:
        suffix = "/musl" if build.name.startswith("musl") else ""
        try:
            found = identify.resolve(f"debian:{suite}{suffix}", arch=arch)
        except FetchError as error:
            complaints.append(str(error))
            continue
        if found.name == build.name:
            package = f"{found.package.name} {found.package.version}" if found.package else ""
            sha256 = found.package.sha256 if found.package else ""
            analysis = analyse(files_of(found.objects), build.name, package, sha256)
            return dump(analysis.origin, analysis.functions)
        complaints.append(f"{suite} has {found.name}")
    raise FetchError(f"{build.name} for {arch}: {'; '.join(complaints)}")


def meaning(text: str) -> list[str]:
    """The lines of facts that a rebuilt package has too."""
    return [line for line in text.splitlines() if not line.startswith(_OF_PACKAGE)]


def main() -> int:
    """Write or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("builds", nargs="*", help="such as glibc-2.36; all, if none is named")
    parser.add_argument("--arch", action="append", choices=ARCHES, help="all, if none is named")
    parser.add_argument("--check", action="store_true", help="only compare")
    options = parser.parse_args()
    names = {build.name for build in BUILDS}
    for name in options.builds:
        if name not in names:
            parser.error(f"unknown build `{name}`; one of {' '.join(sorted(names))}")
    status = 0
    REACH.mkdir(parents=True, exist_ok=True)
    for build in BUILDS:
        for arch in options.arch or ARCHES:
            if options.builds and build.name not in options.builds:
                continue
            path = REACH / f"{build.name}.{arch}.txt"
            try:
                text = facts(build, arch)
            except TrothError as error:
                print(f"{path.name}: {error}", file=sys.stderr)
                status = status or int(options.check)
                continue
            if not options.check:
                partial = path.with_suffix(".partial")
                partial.write_text(text)
                partial.replace(path)
                print(f"{path.name}: {len(text)} bytes")
            elif not path.exists() or meaning(path.read_text()) != meaning(text):
                print(f"{path.name}: is not what the code of {build.name} gives; run tools/gen_atlas.py")
                status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
