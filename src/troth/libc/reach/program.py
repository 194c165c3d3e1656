"""What a program asks of a libc, and which calls it makes without one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from troth._value import Value
from troth.elf.reader import read

if TYPE_CHECKING:
    from troth.elf.reader import Elf

__all__ = ["Import", "ProgramCalls", "calls_of_program", "imports_of"]


class Import(Value):
    """A function that a program calls of a library, in the version that it was linked with; empty when it says none."""

    __slots__ = ("name", "version", "library")
    name: str
    version: str
    library: str

    @property
    def key(self) -> str:
        """As facts name it."""
        return f"{self.name}@{self.version}" if self.version else self.name


class ProgramCalls(Value):
    """A program: its architecture, what it imports and needs, and the calls that its own code can make.

    `static` says that it has its libc inside; then `calls` is all that it can do. `open_sites` are the places that make
    a call that is not known.
    """

    __slots__ = ("path", "arch", "static", "imports", "needed", "calls", "open_sites")
    path: str
    arch: str
    static: bool
    imports: tuple[Import, ...]
    needed: tuple[str, ...]
    calls: frozenset[str]
    open_sites: tuple[str, ...]

    def __hash__(self) -> int:
        return hash((self.path, self.arch, self.imports))


def imports_of(elf: Elf) -> tuple[Import, ...]:
    """The functions that a file imports, sorted by name; data is none."""
    found = {
        (one.name, one.version, one.library) for one in elf.imports if one.kind in ("function", "ifunc", "untyped")
    }
    return tuple(Import(*one) for one in sorted(found))


def calls_of_program(path: str) -> ProgramCalls:
    """Read a program: the calls of all its code, whether or not `main` comes to it.

    Raises:
        RequestError: it cannot be read, or its code cannot.
        ParseError: it is not a program.
        UnsupportedError: no disassembler is installed.
    """
    elf = read(path)
    static = not elf.needed and not elf.interpreter
    from troth.libc.reach.build import build  # brings the disassembler

    graph = build([(path.rpartition("/")[2], elf)])
    calls = frozenset[str]().union(*graph.calls)
    return ProgramCalls(path, elf.arch, static, imports_of(elf), elf.needed, calls, graph.open_sites)
