"""From the files of a libc to facts, and what was analysed before kept by build-id.

A libc is one file or several: glibc's loader is a file of its own, and before 2.34 threads, timers and others were too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from troth.libc.reach.closure import CLASSES, Reached, reached
from troth.libc.reach.facts import Origin
from troth.libc.reach.graph import build

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from troth.elf.reader import Elf
    from troth.libc.reach.graph import Graph

__all__ = ["COMPANIONS", "PRIVATE", "analyse", "functions_of"]

# The files that are one with glibc, as its functions or theirs call one another; the loader's name differs.
COMPANIONS: Final = (
    "libpthread.so.0", "librt.so.1", "libdl.so.2", "libutil.so.1", "libanl.so.1", "libresolv.so.2", "libnsl.so.1",
)  # fmt: skip
PRIVATE: Final = "GLIBC_PRIVATE"  # the version of what only the libc's own files may call


def analyse(
    elves: Sequence[tuple[str, Elf]], name: str, package: str = "", sha256: str = "", library: str | None = None
) -> tuple[Origin, tuple[Reached, ...], Graph]:
    """Read the files of a libc, the libc itself first; gives what was read, the functions, and how they are connected.

    Raises:
        ParseError: a file is not what it should be.
        RequestError: code of this architecture cannot be read.
        UnsupportedError: no disassembler is installed.
    """
    graph = build(elves, library)
    files = {file: elf.build_id for file, elf in elves}
    origin = Origin(name, graph.arch, package, sha256, files, graph.sites, graph.open_sites)
    return origin, functions_of(graph), graph


def functions_of(graph: Graph) -> tuple[Reached, ...]:
    """The functions that programs can call, sorted by name; what several files define is told once."""
    found: dict[str, Reached] = {}
    for one in reached(graph):
        if one.version == PRIVATE:
            continue
        other = found.get(one.key)
        found[one.key] = one if other is None else _both(other, one)
    return tuple(found[key] for key in sorted(found))


def _both(one: Reached, other: Reached) -> Reached:
    """What a function can call that two files define, of which a program may get either."""
    calls = {name: one.calls[name] | other.calls[name] for name in CLASSES}
    for name in CLASSES[2:]:
        calls[name] -= calls["ordinary"]
    return Reached(one.name, one.version, one.default or other.default, calls, _merged(one.groups, other.groups))


def _merged(one: Iterable[str], other: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*one, *other)))
