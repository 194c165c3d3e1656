"""A C library as somebody named it, and what is remembered of those that were fetched."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import NamedTuple

from troth._value import Value


class Package(NamedTuple):
    """A package of a distribution; `sha256` is of its file, empty when that is not known."""

    name: str
    version: str
    sha256: str


class Found(Value):
    """A C library, as somebody named it.

    `name` is such as `glibc-2.36`. `objects` are its files on this machine, the libc first, then its loader and its
    other parts; empty when only its name is known. `build_id` is the linker's; without one (some musls), `sha256` of
    the first file is what tells it apart. `root` is the directory that its programs see as `/`, empty when there is
    none. `origin` is what it was named as, `package` the one that it comes in, None when nobody recorded that.
    """

    __slots__ = ("name", "libc", "version", "arch", "objects", "build_id", "sha256", "root", "origin", "package")
    name: str
    libc: str
    version: str
    arch: str
    objects: tuple[str, ...]
    build_id: str
    sha256: str
    root: str
    origin: str
    package: Package | None
    _defaults = {"objects": (), "build_id": "", "sha256": "", "root": "", "origin": "", "package": None}

    @property
    def identity(self) -> str:
        """What tells this build from every other; empty when only the name is known."""
        return self.build_id or (f"sha256-{self.sha256}" if self.sha256 else "")


def remember(found: Found, path: Path) -> None:
    """Write down what was found, whole or not at all; not being able to is no fault, it is found again."""
    fields = {name: getattr(found, name) for name in Found.__slots__}
    fresh = path.with_suffix(f".{os.getpid()}")
    with contextlib.suppress(OSError):
        fresh.write_text(json.dumps(fields | {"package": found.package and found.package._asdict()}, indent=1) + "\n")
        fresh.rename(path)


def remembered(path: Path) -> Found | None:
    """What was written down, if its files are there still; None for what another version of troth wrote."""
    try:
        fields = json.loads(path.read_text())
        package = Package(**fields["package"]) if fields["package"] else None
        found = Found(**(fields | {"objects": tuple(fields["objects"]), "package": package}))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if all(map(os.path.exists, found.objects)) else None
