"""The libcs of the matrix: which Debian suite has each, and how its root is made; each says which libc it really has."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tools import debroot
from troth.libc.identify import resolve


class Libc(NamedTuple):
    """One libc: its name and version, the suites that have it (the first usable one is taken), Debian's architecture."""

    name: str
    version: str
    suites: tuple[str, ...]
    arch: str = "amd64"

    def __str__(self) -> str:
        return f"{self.name}-{self.version}" + ("" if self.arch == "amd64" else f"-{self.arch}")


# Oldest first. The next libc is one more line here.
GLIBCS = (
    Libc("glibc", "2.31", ("bullseye",)),
    Libc("glibc", "2.36", ("bookworm",)),
    Libc("glibc", "2.41", ("trixie",)),
    Libc("glibc", "2.43", ("forky", "sid")),
    Libc("glibc", "2.44", ("experimental",)),
)

# The index for i386 is out of step with the rest in some suites: any that is whole will do.
I386 = Libc("glibc", "2.43", ("forky", "sid"), "i386")

# Only the loader (which is the libc) comes from the suite; the programs are the host's builds.
MUSLS = (
    Libc("musl", "1.2.2", ("bullseye",)),
    Libc("musl", "1.2.3", ("bookworm",)),
    Libc("musl", "1.2.5", ("trixie",)),
    Libc("musl", "1.2.6", ("forky", "sid")),
)


def root_of(libc: Libc, packages: Sequence[str]) -> Path:
    """Give the root of a libc with these packages and what they depend on.

    Raises:
        FetchError: the mirror cannot give it now.
    """
    if libc.name == "musl":
        return debroot.root(("musl",), libc.suites, libc.arch, exact=True).path
    # glibc itself is named, so that experimental's is taken though sid's would do for the programs.
    newest = ("libc6/experimental", "libc-bin/experimental") if libc.suites == ("experimental",) else ("libc6",)
    return debroot.root((*newest, *packages), libc.suites, libc.arch).path


def version_of(root: Path, libc: Libc) -> str:
    """Which version the libc of a root says it is."""
    found = resolve(str(root), arch={"amd64": "x86_64"}.get(libc.arch, libc.arch))
    assert found.libc == libc.name
    return found.version


def word_size_of(root: Path) -> int:
    """How many bits the programs of a root have, as the ELF header of its `sh` says."""
    (kind,) = struct.unpack_from("B", _real(root, "usr/bin/sh").read_bytes(), 4)
    return {1: 32, 2: 64}[kind]


def _real(root: Path, name: str) -> Path:
    """A file of a root; all of a root's links are relative."""
    path = (root / name).resolve(strict=True)
    assert path.is_relative_to(root.resolve())
    return path
