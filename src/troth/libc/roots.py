"""Trees of files that a libc is looked for in: a directory, or the layers of an image. Links never lead out of one.

A tree is seen as a process sees it that is confined to it (chroot(2)): an absolute link starts at its top, and `..`
above the top stays there.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from typing import Final, Protocol

from troth.errors import ParseError, RequestError

LARGEST: Final = 128 << 20  # bytes of a library that is read; a libc has two of them, or ten with its symbols
_MOST_LINKS: Final = 40  # MAXSYMLINKS of include/linux/namei.h @v6.18
# Where libraries are, and where the architecture has a directory below.
_DIRECTORIES: Final = (
    "lib", "lib64", "lib32", "libx32", "usr/lib", "usr/lib64", "usr/lib32", "usr/libx32", "usr/local/lib",
)  # fmt: skip
_STORES: Final = ("nix/store", "gnu/store")  # where each package has a directory of its own


class Tree(Protocol):
    """Files by their paths, which are without a `/` at the start; the top is empty."""

    where: str

    def kind(self, path: str) -> str:
        """`file`, `directory`, `link`, `other`, or empty when there is nothing; links are not followed."""

    def link(self, path: str) -> str:
        """What a link says."""

    def names(self, path: str) -> list[str]:
        """What is in a directory."""

    def contents(self, paths: Iterable[str]) -> dict[str, bytes]:
        """The bytes of files.

        Raises:
            RequestError: one cannot be read, or is larger than a library is.
        """


class Directory:
    """A directory of this machine as a tree."""

    def __init__(self, path: str) -> None:
        """Take a directory.

        Raises:
            RequestError: it may not be read.
        """
        self.where = path
        self._top = path
        try:
            os.listdir(path)
        except (OSError, ValueError) as error:
            raise RequestError(f"{path}: {(getattr(error, 'strerror', None) or str(error)).lower()}") from None

    def kind(self, path: str) -> str:
        """See `Tree`."""
        try:
            mode = os.lstat(self._path(path)).st_mode
        except (OSError, ValueError):
            return ""
        kinds = ((stat.S_ISLNK, "link"), (stat.S_ISDIR, "directory"), (stat.S_ISREG, "file"))
        return next((name for test, name in kinds if test(mode)), "other")

    def link(self, path: str) -> str:
        """See `Tree`."""
        return os.readlink(self._path(path))

    def names(self, path: str) -> list[str]:
        """See `Tree`."""
        try:
            return sorted(os.listdir(self._path(path)))
        except OSError:
            return []

    def contents(self, paths: Iterable[str]) -> dict[str, bytes]:
        """See `Tree`."""
        return {path: self._content(self._path(path)) for path in paths}

    def _content(self, path: str) -> bytes:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
            with open(fd, "rb") as file:
                data = file.read(LARGEST + 1)
        except OSError as error:
            raise RequestError(f"{path}: {(error.strerror or str(error)).lower()}") from None
        if len(data) > LARGEST:
            raise RequestError(f"{path}: has more than {LARGEST >> 20} MiB")
        return data

    def _path(self, path: str) -> str:
        return os.path.join(self._top, path) if path else self._top


def follow(tree: Tree, path: str) -> str:
    """The path of what a path leads to, all links followed within the tree; what is there may be nothing.

    Raises:
        ParseError: links lead in a circle.
    """
    done: list[str] = []
    left = [part for part in reversed(path.split("/")) if part]
    links = 0
    while left:
        part = left.pop()
        if part == ".":
            continue
        if part == "..":
            del done[-1:]
            continue
        here = "/".join((*done, part))
        if tree.kind(here) != "link":
            done.append(part)
            continue
        links += 1
        if links > _MOST_LINKS:
            raise ParseError(tree.where, f"has links that lead in a circle, at /{path.strip('/')}")
        target = tree.link(here)
        if target.startswith("/"):
            done.clear()
        left += [piece for piece in reversed(target.split("/")) if piece]
    return "/".join(done)


def library_directories(tree: Tree) -> Iterator[str]:
    """The directories of a tree that may have libraries, each once, links followed."""
    seen = set()
    for place in _places(tree):
        path = follow(tree, place)
        if path not in seen and tree.kind(path) == "directory":
            seen.add(path)
            yield path


def _places(tree: Tree) -> Iterator[str]:
    for place in _DIRECTORIES:
        yield place
        directory = follow(tree, place)
        if tree.kind(directory) == "directory":
            yield from (f"{directory}/{name}" for name in tree.names(directory) if "-linux" in name)
    for store in _STORES:
        if tree.kind(store) == "directory":
            yield from (f"{store}/{name}/lib" for name in tree.names(store) if "-glibc-" in name or "-musl-" in name)
