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
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.debroot_files import finish, unpack
from tools.gen_abi_packages import KEYRINGS, FetchError, cache_directory, mirror

__all__ = ["Archive", "FetchError", "Root", "cache_directory", "finish", "prune", "root", "unpack"]

_SOURCE: Final = "source"
_FRESH_S: Final = 86400  # how long an index is good
_UNUSED_S: Final = 2 * _FRESH_S  # after which nobody uses a root that nobody asked for again

# What apt says, and what to do then.
_HINTS: Final = (
    ("Unable to locate package", "look the name up in this suite; packages are renamed between suites"),
    ("has no installation candidate", "look the name up in this suite; packages are renamed between suites"),
    ("Temporary failure resolving", "the mirror of the host's apt sources cannot be reached from here"),
    ("Could not connect", "the mirror of the host's apt sources cannot be reached from here"),
    ("No space left", "free some space, or set TROTH_CACHE to a directory with more"),
    ("unexpected size", "the mirror is between two states for this suite; try another suite"),
    ("Hash Sum mismatch", "the mirror is between two states for this suite; try another suite"),
)


class Archive:
    """One suite for one architecture, or its sources (`arch` is "source"), as apt sees it.

    Raises:
        FetchError: the mirror does not have it, or not whole.
    """

    def __init__(self, suite: str, arch: str) -> None:
        self._top = cache_directory() / "apt" / f"{suite}-{arch}"
        for part in ("sources.list.d", "preferences.d", "apt.conf.d"):
            (self._top / "etc/apt" / part).mkdir(parents=True, exist_ok=True)
        for part in ("state/lists/partial", "cache/archives/partial", "empty/partial"):
            (self._top / part).mkdir(parents=True, exist_ok=True)
        (self._top / "status").touch()
        self._packages = self._top / "cache/archives"
        self._name = f"{suite}/{arch}"
        self._env = dict(os.environ, APT_CONFIG=str(self._top / "apt.conf"), LC_ALL="C")
        with _locked(self._top / "lock"):
            stamp = self._top / "updated"
            if stamp.exists() and time.time() - stamp.stat().st_mtime < _FRESH_S:
                return
            self._configure(suite, arch)
            self.apt("apt-get", "-qq", "update")
            stamp.touch()

    @classmethod
    def first(cls, suites: Sequence[str], arch: str) -> Archive:
        """The first of several suites that the mirror has.

        Raises:
            FetchError: it has none.
        """
        complaints = []
        for suite in suites:
            try:
                return cls(suite, arch)
            except FetchError as error:
                complaints.append(str(error))
        raise FetchError("; ".join(complaints))

    def _configure(self, suite: str, arch: str) -> None:
        keyring = next((path for path in KEYRINGS if Path(path).exists()), "")
        # Freshness is not asked for: a mirror that stands still is as good for this as today's.
        options = "check-valid-until=no" + (f" signed-by={keyring}" if keyring else "")
        suites = (suite, "sid") if suite == "experimental" else (suite,)  # which is not closed by itself
        uri = mirror()
        kind, arch = ("deb-src", "amd64") if arch == _SOURCE else ("deb", arch)
        sources = "".join(f"{kind} [{options}] {uri} {name} main\n" for name in suites)
        (self._top / "etc/apt/sources.list").write_text(sources)
        (self._top / "apt.conf").write_text(
            f'Dir "{self._top}/";\nDir::State "state/";\nDir::State::status "{self._top}/status";\n'
            'Dir::Cache "cache/";\nDir::Etc "etc/apt/";\nDir::Etc::trustedparts "/etc/apt/trusted.gpg.d/";\n'
            f'APT::Architecture "{arch}";\nAPT::Architectures {{ "{arch}"; }};\nAPT::Sandbox::User "root";\n'
            'APT::Install-Recommends "false";\nAcquire::Languages "none";\nAcquire::Retries "3";\n'
            'Debug::NoLocking "true";\n' + (f'APT::Default-Release "{suite}";\n' if len(suites) > 1 else "")
        )

    def apt(self, *command: str, cwd: Path | None = None) -> str:
        """Run a command of apt's on this archive alone, and give what it says.

        Raises:
            FetchError: it fails; the mirror is not named.
        """
        try:
            done = subprocess.run(
                command, env=self._env, cwd=cwd or self._packages, capture_output=True, text=True, check=False
            )
        except FileNotFoundError:
            raise FetchError(
                "apt is not installed; hint: roots are made from Debian's packages by apt and dpkg"
            ) from None
        if done.returncode:
            why = re.sub(r"\S+://\S+", "<mirror>", done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "")
            hint = next((hint for words, hint in _HINTS if words in done.stderr), "")
            raise FetchError(f"{self._name}: {why}{hint and f'; hint: {hint}'}")
        return done.stdout

    def names(self, prefix: str) -> list[str]:
        """Every package whose name starts with `prefix`."""
        return self.apt("apt-cache", "pkgnames", prefix).split()

    def fetch(self, packages: Sequence[str], *, exact: bool = False) -> list[Path]:
        """Give the .debs of packages, with what they depend on unless `exact`; kept ones are not fetched again.

        Raises:
            FetchError: the suite does not have them, or what they depend on.
        """
        wanted = ("download",) if exact else ("-y", "install")
        with _locked(self._top / "lock"):
            # Told with an empty cache, and in an empty directory, since apt leaves out what it has: `install` in the
            # one, `download` in the other.
            empty = self._top / "empty"
            nothing = ("-o", f"Dir::Cache::archives={empty}")
            listing = self.apt("apt-get", "-qq", *nothing, *wanted, "--print-uris", *packages, cwd=empty)
            names = re.findall(r"^'[^']*' (\S+\.deb) [0-9]+", listing, re.MULTILINE)
            if not names:
                raise FetchError(f"{self._name}: apt names no package for {' '.join(packages)}")
            if not all((self._packages / name).exists() for name in names):
                self.apt("apt-get", "-qq", *wanted, *(() if exact else ("--download-only",)), *packages)
        return [self._packages / name for name in names]

    def fetch_source(self, package: str) -> list[Path]:
        """Give the files of a package's source; kept ones are not fetched again.

        Raises:
            FetchError: the suite does not have it.
        """
        wanted = ("apt-get", "-qq", "source", "--download-only")
        with _locked(self._top / "lock"):
            listing = self.apt(*wanted, "--print-uris", package, cwd=self._top / "empty")
            names = re.findall(r"^'[^']*' (\S+) [0-9]+", listing, re.MULTILINE)
            if not names:
                raise FetchError(f"{self._name}: apt names no source for {package}")
            if not all((self._packages / name).exists() for name in names):
                self.apt(*wanted, package)
        return [self._packages / name for name in names]


@contextlib.contextmanager
def _locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Let one process at a time use an archive's state, or a root; BlockingIOError when not to `wait`."""
    with path.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield


class Root(NamedTuple):
    """An unpacked root, and the suite that it comes from."""

    path: Path
    suite: str


def root(packages: Sequence[str], suites: Sequence[str], arch: str = "amd64", *, exact: bool = False) -> Root:
    """Give a root with these packages, made once for what the first usable suite has of them.

    A root that was made for the same request less than a day ago is given at once, without asking apt.

    Raises:
        FetchError: no suite can be used.
    """
    roots = cache_directory() / "roots"
    roots.mkdir(parents=True, exist_ok=True)
    request = "\n".join((",".join(suites), arch, str(exact), _made_by(), *sorted(packages)))
    stamp = roots / f"{hashlib.sha256(request.encode()).hexdigest()[:16]}.stamp"
    if stamp.exists() and time.time() - stamp.stat().st_mtime < _FRESH_S:
        suite, _, name = stamp.read_text().splitlines()[0].partition(" ")
        if (roots / name).exists():
            return Root(roots / name, suite)
    complaints = []
    for suite in suites:
        try:
            with _telling(f"fetching {suite}/{arch}"):
                debs = Archive(suite, arch).fetch(packages, exact=exact)
        except FetchError as error:
            complaints.append(str(error))
            continue
        versions = "\n".join(deb.name for deb in debs)
        name = f"{suite}-{arch}-{hashlib.sha256(f'{_made_by()} {versions}'.encode()).hexdigest()[:16]}"
        with _telling(f"unpacking {suite}/{arch}: {len(debs)} packages"):
            _make(debs, roots / name)
        fresh = stamp.with_suffix(f".{os.getpid()}")
        fresh.write_text(f"{suite} {name}\n{versions}\n")
        fresh.rename(stamp)
        prune(roots)
        return Root(roots / name, suite)
    raise FetchError("; ".join(complaints))


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
        with contextlib.suppress(FileNotFoundError, BlockingIOError), _locked(lock, wait=False):
            if path.stat().st_mtime < old:
                shutil.rmtree(path, ignore_errors=True)
                gone.append(path.name)
    return gone


def _made_by() -> str:
    """What makes a root; a root that was made otherwise is not reused."""
    return hashlib.sha256(Path(__file__).with_name("debroot_files.py").read_bytes()).hexdigest()[:8]


def _make(debs: Sequence[Path], target: Path) -> None:
    """Make a root whole or not at all; what an earlier try left half made is removed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with _locked(target.with_name(f"{target.name}.lock")):
        if target.exists():
            os.utime(target)
            return
        partial = target.with_name(f"{target.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(mode=0o755)
        unpack(debs, partial)
        finish(partial)
        os.utime(partial)  # a package's date until here: `prune` would take it for one that nobody wants
        partial.rename(target)


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
            with _telling(f"unpacking {len(debs)} packages"):
                _make(debs, options.target.absolute())
        except FetchError as error:
            complaints.append(str(error))
        else:
            size = sum(deb.stat().st_size for deb in debs) / 1e6
            print(f"{suite}/{options.arch}: {len(debs)} packages, {size:.0f} MB")
            return
    sys.exit("debroot: " + "; ".join(complaints))


if __name__ == "__main__":
    main()
