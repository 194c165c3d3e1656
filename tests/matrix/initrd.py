"""Write an initramfs: a cpio archive in the `newc` format, without root and without cpio(1).

The kernel unpacks several archives that follow one another, so a big one (a Debian root) can be kept and a small
one (the project) be put behind it (Documentation/driver-api/early-userspace/buffer-format.rst @v7.1).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from fnmatch import fnmatch
from typing import BinaryIO, Self

_TRAILER = "TRAILER!!!"


class Archive:
    """An archive that is being written; owner and group of everything is root, the time of change is 0.

    Names are relative to the root. A name that is already there is not written again: the first one wins.
    Use as a context manager: leaving it ends the archive.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._names: set[str] = set()
        self._length = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._entry(_TRAILER, 0)
        self._write(b"\0" * (-self._length % 512))

    def directory(self, name: str, mode: int = 0o755) -> None:
        """Add a directory and those above it."""
        above = os.path.dirname(name)
        if above and above not in self._names:
            self.directory(above)
        self._entry(name, stat.S_IFDIR | mode)

    def file(self, name: str, data: bytes, mode: int = 0o644) -> None:
        """Add a regular file, and the directories above it."""
        self._beside(name)
        self._entry(name, stat.S_IFREG | mode, data)

    def link(self, name: str, target: str) -> None:
        """Add a symbolic link, and the directories above it."""
        self._beside(name)
        self._entry(name, stat.S_IFLNK | 0o777, target.encode())

    def character_device(self, name: str, major: int, minor: int, mode: int) -> None:
        """Add a device node; what takes root on a file system takes nothing here."""
        self._beside(name)
        self._entry(name, stat.S_IFCHR | mode, device=(major, minor))

    def tree(self, top: str, prefix: str = "", *, without: tuple[str, ...] = ()) -> None:
        """Add what is beneath `top`, as `prefix`; `without` are patterns of paths relative to `top`."""

        def wanted(path: str) -> bool:
            return not any(fnmatch(path, pattern) for pattern in without)

        _walk(top, "", wanted, lambda path: self._copy(os.path.join(top, path), prefix + path))

    def _copy(self, source: str, name: str) -> None:
        status = os.lstat(source)
        if stat.S_ISLNK(status.st_mode):
            self.link(name, os.readlink(source))
        elif stat.S_ISDIR(status.st_mode):
            self.directory(name, stat.S_IMODE(status.st_mode) | 0o700)
        elif stat.S_ISREG(status.st_mode):
            with open(source, "rb") as stream:
                self.file(name, stream.read(), stat.S_IMODE(status.st_mode))

    def _beside(self, name: str) -> None:
        if above := os.path.dirname(name):
            self.directory(above)

    def _entry(self, name: str, mode: int, data: bytes = b"", device: tuple[int, int] = (0, 0)) -> None:
        if name in self._names:
            return
        self._names.add(name)
        path = name.encode() + b"\0"
        fields = (len(self._names), mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(path), 0)
        self._write(b"070701" + b"".join(b"%08X" % field for field in fields) + path)
        self._write(b"\0" * (-self._length % 4))
        self._write(data)
        self._write(b"\0" * (-self._length % 4))

    def _write(self, data: bytes) -> None:
        self._stream.write(data)
        self._length += len(data)


def _walk(top: str, where: str, wanted: Callable[[str], bool], found: Callable[[str], None]) -> None:
    """Call `found` with each wanted path beneath `top`, directories before what is in them."""
    with os.scandir(os.path.join(top, where)) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            path = f"{where}/{entry.name}" if where else entry.name
            if wanted(path):
                found(path)
                if entry.is_dir(follow_symlinks=False):
                    _walk(top, path, wanted, found)
