"""The C libraries of Debian's suites: fetched, verified, unpacked into a root of their own, and kept.

A root is made once for what a suite has of some packages; a root that is there whole is used again without asking
for a day.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from troth import abi
from troth.errors import RequestError, nearest
from troth.libc.apt import ARCHES, FRESH_S, Archive, FetchError, Told, all_of, other_mirror
from troth.libc.cache import cache_directory, locked, made_whole
from troth.libc.unpack import record, unpack

_UNUSED_S: Final = 2 * FRESH_S  # after which nobody uses a root that nobody asked for again
# The package of each libc, and whether it needs others to be of use.
_PACKAGES: Final = {"glibc": ("libc6", False), "musl": ("musl", True)}
_SUITE: Final = re.compile(r"[a-z][a-z0-9-]{0,40}(/[a-z]+)?")


class Root(NamedTuple):
    """An unpacked root, and the suite that it comes from."""

    path: Path
    suite: str


class Wanted(NamedTuple):
    """A libc of a suite, as `debian:trixie` or `debian:trixie/musl` name it."""

    suite: str
    libc: str
    arch: str


def parse(text: str, arch: str = "") -> Wanted:
    """Understand `SUITE` or `SUITE/LIBC`, for this machine's architecture or another.

    Raises:
        RequestError: it names no suite, no libc, or an architecture that Debian does not have.
    """
    if not _SUITE.fullmatch(text):
        raise RequestError(f"`{text}` is no suite of Debian", hint="such as debian:trixie, or debian:trixie/musl")
    suite, _, libc = text.partition("/")
    libc = libc or "glibc"
    if libc not in _PACKAGES:
        raise RequestError(f"`{libc}` is no libc of Debian's", hint=nearest(libc, _PACKAGES) or "glibc or musl")
    arch = arch or abi.native().name
    if arch not in ARCHES:
        raise RequestError(f"Debian has no architecture `{arch}`", hint="one of " + " ".join(ARCHES))
    return Wanted(suite, libc, arch)


def fetch(wanted: Wanted, directory: Path, *, told: Told | None = None) -> Path:
    """Give the root of a suite's libc, fetched into a directory of such roots when it is not there.

    Raises:
        FetchError: the mirror does not have it, cannot be reached, or serves what is not signed.
    """
    package, exact = _PACKAGES[wanted.libc]
    names = (f"{package}/experimental",) if wanted.suite == "experimental" else (package,)
    arch = ARCHES[wanted.arch]
    return root(names, (wanted.suite,), arch, exact=exact, directory=directory, keep=True, told=told).path


def root(
    packages: Sequence[str],
    suites: Sequence[str],
    arch: str = "amd64",
    *,
    exact: bool = False,
    directory: Path | None = None,
    finish: Callable[[Path], None] | None = None,
    made_by: str = "",
    keep: bool = False,
    told: Told | None = None,
) -> Root:
    """Give a root with these packages, made once for what the first usable suite has of them.

    A root that was made for the same request less than a day ago is given at once, without asking apt. `finish` has
    the last hand in a root, and `made_by` says by which version of it a root was made. Roots that nobody asks for any
    more are removed, unless they are to be kept.

    Raises:
        FetchError: no suite can be used.
    """
    roots = directory or cache_directory() / "roots"
    roots.mkdir(parents=True, exist_ok=True)
    made_by += _made_by()
    request = "\n".join((",".join(suites), arch, str(exact), made_by, other_mirror(), *sorted(packages)))
    stamp = roots / f"{hashlib.sha256(request.encode()).hexdigest()[:16]}.stamp"
    if stamp.exists() and time.time() - stamp.stat().st_mtime < FRESH_S:
        suite, _, name = stamp.read_text().splitlines()[0].partition(" ")
        if (roots / name).exists():
            return Root(roots / name, suite)
    complaints = []
    for suite in suites:
        try:
            debs = Archive(suite, arch, told=told).fetch(packages, exact=exact)
        except FetchError as error:
            complaints.append(error)
            continue
        versions = "\n".join(deb.name for deb in debs)
        name = f"{suite}-{arch}-{hashlib.sha256(f'{made_by} {versions}'.encode()).hexdigest()[:16]}"
        if told:
            told(100.0, f"unpacking {len(debs)} packages")
        with made_whole(roots / name) as empty:
            if empty is not None:
                unpack(debs, empty)
                record(debs, empty)
                if finish:
                    finish(empty)
        fresh = stamp.with_suffix(f".{os.getpid()}")
        fresh.write_text(f"{suite} {name}\n{versions}\n")
        fresh.rename(stamp)
        if not keep:
            prune(roots)
        return Root(roots / name, suite)
    raise all_of(complaints)


def prune(roots: Path) -> list[str]:
    """Remove the roots that nobody asked for lately, and give their names.

    A request is written down again each day that it is made, so a root whose requests are all older was superseded (by
    newer packages, another list of programs, another way to make it), and no process that uses it can still run.
    """
    old = time.time() - _UNUSED_S
    wanted = set()
    for stamp in roots.glob("*.stamp"):
        with contextlib.suppress(FileNotFoundError):  # another process is at it too
            if stamp.stat().st_mtime < old:
                stamp.unlink()
            else:
                wanted.add(stamp.read_text().splitlines()[0].partition(" ")[2])
    gone = []
    for path in roots.iterdir():
        if path.name in wanted or not path.is_dir():
            continue
        lock = path.with_name(f"{path.name.removesuffix('.partial')}.lock")
        # Asked with the lock, since another process may be making this root, or about to write down that it wants it.
        with contextlib.suppress(FileNotFoundError, BlockingIOError), locked(lock, wait=False):
            if path.stat().st_mtime < old:
                shutil.rmtree(path, ignore_errors=True)
                gone.append(path.name)
    return gone


def _made_by() -> str:
    """What unpacks a root; a root that was unpacked otherwise is not used again."""
    return hashlib.sha256(Path(__file__).with_name("unpack.py").read_bytes()).hexdigest()[:8]
