"""The libcs of the matrix: which Debian suite has each, and how its root is made; each says which libc it really has."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

from tools import debroot
from tools.libcs import GLIBCS, I386, MUSLS, Libc
from troth.libc.identify import resolve

__all__ = ["GLIBCS", "I386", "MUSLS", "Libc", "root_of", "version_of", "word_size_of"]


def root_of(libc: Libc, packages: Sequence[str]) -> Path:
    """Give the root of a libc with these packages and what they depend on.

    Of musl only the loader, which is the libc, comes from the suite; the programs are the host's builds.

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
