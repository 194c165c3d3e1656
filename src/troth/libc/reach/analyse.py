"""From the files of a libc to facts.

A libc is one file or several: glibc's loader is a file of its own, and before 2.34 threads, timers and others were too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from troth.elf.reader import read
from troth.libc.reach.build import build
from troth.libc.reach.closure import reached
from troth.libc.reach.facts import Origin
from troth.libc.reach.reached import CLASSES, PRIVATE, Reached

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from troth.elf.reader import Elf
    from troth.libc.reach.graph import Graph

__all__ = ["Analysis", "analyse", "files_of", "functions_of"]

# The files of glibc that make no calls of their own, and those that it only loads when its configuration says so.
_LEFT_OUT: Final = ("libm.so", "libnss_")


class Analysis(NamedTuple):
    """What was read of some files: where from, what their functions can call, and how these are connected."""

    origin: Origin
    functions: tuple[Reached, ...]
    graph: Graph


def files_of(paths: Sequence[str]) -> list[tuple[str, Elf]]:
    """Open the files of a libc that matter here, the libc first and its loader last.

    Raises:
        RequestError: a file cannot be read.
        ParseError: a file is not what it should be.
    """
    libc, *others = paths
    names = {path: path.rpartition("/")[2] for path in paths}
    others = [path for path in others if not names[path].startswith(_LEFT_OUT)]
    others.sort(key=lambda path: is_loader(names[path]))
    return [(names[path], read(path)) for path in (libc, *others)]


def is_loader(name: str) -> bool:
    """Whether a file is the loader of glibc, by its name."""
    return name.startswith("ld") and "musl" not in name


def analyse(
    elves: Sequence[tuple[str, Elf]], name: str, package: str = "", sha256: str = "", library: str | None = None
) -> Analysis:
    """Read some files that belong together, a libc's own file first.

    Raises:
        ParseError: a file is not what it should be.
        RequestError: code of this architecture cannot be read.
        UnsupportedError: no disassembler is installed.
    """
    graph = build(elves, library)
    files = {file: elf.build_id for file, elf in elves}
    origin = Origin(name, graph.arch, package, sha256, files, graph.sites, graph.open_sites)
    return Analysis(origin, functions_of(graph), graph)


def functions_of(graph: Graph) -> tuple[Reached, ...]:
    """The functions that programs can call, sorted by name; what several files define is told once."""
    found: dict[str, Reached] = {}
    for one, file in reached(graph):
        if one.version == PRIVATE:
            continue
        other = found.get(one.key)
        if other is None:
            found[one.key] = one
        elif not is_loader(graph.file_names[file]):  # whose functions are for itself, where libc has them too
            found[one.key] = _both(other, one)
    return tuple(found[key] for key in sorted(found))


def _both(one: Reached, other: Reached) -> Reached:
    """What a function can call that two files define, of which a program may get either."""
    calls = {name: one.calls[name] | other.calls[name] for name in CLASSES}
    for name in CLASSES[2:]:
        calls[name] -= calls["ordinary"]
    return Reached(one.name, one.version, one.default or other.default, calls, _merged(one.groups, other.groups))


def _merged(one: Iterable[str], other: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*one, *other)))
