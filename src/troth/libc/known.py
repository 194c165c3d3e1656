"""The builds of C libraries that troth has facts of, by their names and by what their linker named them.

Each is a file per kind of facts, `data/KIND/BUILD.ARCH.txt`, whose first lines are words and what they stand for.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from troth._value import Value

DATA: Final = Path(__file__).with_name("data")
KINDS: Final = ("reach", "probe")
_MOST_HEADING: Final = 4096  # bytes of a file that say what it is of


class Known(Value):
    """A build with facts: its name, architecture, kinds of facts, and build-id (empty when no file says it)."""

    __slots__ = ("name", "arch", "kinds", "build_id")
    name: str
    arch: str
    kinds: tuple[str, ...]
    build_id: str


def known(directory: Path = DATA) -> tuple[Known, ...]:
    """The builds, glibc's first, the oldest first."""
    kinds: dict[tuple[str, str], list[str]] = {}
    ids: dict[tuple[str, str], str] = {}
    for kind in KINDS:
        place = directory / kind
        for file in os.listdir(place) if place.is_dir() else ():
            stem, dot, suffix = file.rpartition(".")
            name, _, arch = stem.rpartition(".")
            if not (dot and suffix == "txt" and name):
                continue
            kinds.setdefault((name, arch), []).append(kind)
            if found := _heading(place / file).get("build-id"):
                ids[name, arch] = found
    builds = sorted(kinds, key=lambda key: (*by_age(key[0]), key[1]))
    return tuple(Known(*key, tuple(kinds[key]), ids.get(key, "")) for key in builds)


def by_build_id(build_id: str) -> Known | None:
    """The build with facts that the linker named so; None when there are none of it."""
    return next((one for one in known() if build_id and one.build_id == build_id), None)


def by_age(name: str) -> tuple[str, tuple[int, ...]]:
    """What to sort names by.

    >>> sorted(["musl-1.2.5", "glibc-2.31", "glibc-2.4"], key=by_age)
    ['glibc-2.4', 'glibc-2.31', 'musl-1.2.5']
    """
    libc, _, version = name.partition("-")
    return libc, tuple(int(part) if part.isdigit() else 0 for part in version.split("."))


def _heading(path: Path) -> dict[str, str]:
    with path.open("rb") as file:
        lines = file.read(_MOST_HEADING).decode("utf-8", "replace").partition("\n\n")[0].splitlines()
    words = (line.lstrip("# ").partition(" ") for line in lines)
    return {key.rstrip(":"): value.strip() for key, _, value in words}
