#!/usr/bin/env python3
"""Unpack programs of a Debian suite into a directory, without root and without touching the host.

    python tools/debroot.py trixie /tmp/root python3 coreutils
    python tools/debroot.py --arch s390x forky,sid /tmp/root libc6

apt runs with a private state (an empty dpkg status, its own lists and cache) for one suite and one architecture; the
mirror is read from the host's own configuration; apt verifies signatures and hashes as it always does. No maintainer
script runs. Absolute links are made relative, so that a root can be used from outside too. Of several suites the first
is taken that the mirror has whole for the architecture.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.debroot_files import finish
from troth.libc import fetch
from troth.libc.apt import Archive, FetchError
from troth.libc.cache import cache_directory, made_whole
from troth.libc.fetch import Root, prune
from troth.libc.unpack import unpack

__all__ = ["Archive", "FetchError", "Root", "cache_directory", "finish", "prune", "root", "unpack"]


def root(packages: Sequence[str], suites: Sequence[str], arch: str = "amd64", *, exact: bool = False) -> Root:
    """Give a root with these packages that programs can be run in, made once for what the first usable suite has.

    A root that was made for the same request less than a day ago is given at once, without asking apt.

    Raises:
        FetchError: no suite can be used.
    """
    with _telling(f"making a root of {','.join(suites)}/{arch}"):
        return fetch.root(packages, suites, arch, exact=exact, finish=finish, made_by=_made_by())


def _made_by() -> str:
    """What finishes a root; a root that was finished otherwise is not used again."""
    return hashlib.sha256(Path(__file__).with_name("debroot_files.py").read_bytes()).hexdigest()[:8]


@contextlib.contextmanager
def _telling(what: str) -> Iterator[None]:
    """Show what takes its time, on a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console  # here: tests and CI have no terminal

    with Console(stderr=True).status(what):
        yield


def main() -> None:
    """Unpack one root."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", help="a suite, or several with commas")
    parser.add_argument("target", type=Path, help="a directory")
    parser.add_argument("packages", nargs="+")
    parser.add_argument("--arch", default="amd64", help="Debian's name of the architecture")
    parser.add_argument("--exact", action="store_true", help="without what the packages depend on")
    options = parser.parse_args()
    if options.target.exists():
        parser.error(f"{options.target} exists; hint: name a directory that is to be made")
    complaints = []
    for suite in options.suites.split(","):
        try:
            with _telling(f"fetching {suite}/{options.arch}"):
                debs = Archive(suite, options.arch).fetch(options.packages, exact=options.exact)
            with _telling(f"unpacking {len(debs)} packages"), made_whole(options.target.absolute()) as empty:
                if empty is not None:
                    unpack(debs, empty)
                    finish(empty)
        except FetchError as error:
            complaints.append(f"{error}; hint: {error.hint}" if error.hint else str(error))
        else:
            size = sum(deb.stat().st_size for deb in debs) / 1e6
            print(f"{suite}/{options.arch}: {len(debs)} packages, {size:.0f} MB")
            return
    sys.exit("debroot: " + "; ".join(complaints))


if __name__ == "__main__":
    main()
