"""Make the graph of a libc's files.

A node is a function of one of the files. Names that one file imports lead to the exports of the others, in the version
that is asked for; what no file has is left open.
"""

from __future__ import annotations

from fnmatch import translate
from re import compile as pattern
from typing import TYPE_CHECKING, Final, NamedTuple

from troth.abi.multiplex import HAS_IPC, HAS_SOCKETCALL
from troth.abi.others import names as call_names
from troth.abi.others import numbers
from troth.elf.edges import Tables, called_members, find_edges
from troth.elf.flow import called_last, without_return
from troth.elf.functions import Code
from troth.elf.sites import find_sites
from troth.libc.reach import _table as known
from troth.libc.reach.graph import CALL, CHILD, DATA, NAMED, SHARED, Export, Graph

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from troth.elf.edges import Edges
    from troth.elf.reader import Elf
    from troth.elf.sites import Site, Sites

__all__ = ["File", "build"]

# Where libc's syscall() takes its number from, for files whose libc is not among them.
_FIRST_ARGUMENT: Final[dict[str, frozenset[tuple[str, int, int]]]] = {
    "x86_64": frozenset((("given", 7, 0),)),
    "i386": frozenset((("stack", 0, 4),)),
    "aarch64": frozenset((("given", 0, 0),)),
}


class File(NamedTuple):
    """One file of a libc, as it was read."""

    name: str
    code: Code
    edges: Edges
    tables: Tables
    sites: Sites
    never: set[int]
    failing: set[int]
    cancelling: set[int]


def build(elves: Sequence[tuple[str, Elf]], library: str | None = None) -> Graph:
    """Read the files of a libc (the libc first) and join them.

    Raises:
        ParseError: a file is not what it should be.
        RequestError: code of this architecture cannot be read.
        UnsupportedError: no disassembler is installed.
    """
    return _Builder(elves, library).graph


class _Builder:
    def __init__(self, elves: Sequence[tuple[str, Elf]], library: str | None) -> None:
        arch = elves[0][1].arch
        self.graph = Graph(arch)
        self._call_names = call_names(arch)
        self._making = [number for name, number in numbers(arch).items() if name in known.MAKING]
        self._files: list[File] = []
        imported = {"syscall": _FIRST_ARGUMENT[arch]} if arch in _FIRST_ARGUMENT else {}
        for name, elf in elves:
            self._files.append(self._read(name, elf, library, imported))
            file = self._files[-1]
            for start, parameters in file.sites.wrappers.items():
                if file.code.names.get(start) in file.code.exports:
                    imported[file.code.names[start]] = parameters
        self._nodes: dict[tuple[int, int], int] = {}
        for index, file in enumerate(self._files):
            self._add_nodes(index, file)
        self._exported = self._exports()
        for index, file in enumerate(self._files):
            self._add_edges(index, file)
        self._by_name()
        self._add_groups()
        self._add_starts()
        self._share_stdio()

    def _read(
        self, name: str, elf: Elf, library: str | None, imported: dict[str, frozenset[tuple[str, int, int]]]
    ) -> File:
        code = Code(elf, library)
        last = called_last(code)
        never = without_return(code, code.called(known.NEVER_RETURN) | last.keys())
        edges = find_edges(code)
        sites = find_sites(code, never, imported, self._making, code.called(known.MAKERS))
        # Where children start is no way in which they fail, though it does not return.
        orderly = code.called(known.ORDERLY).union(*sites.children.values())
        faults = code.called(known.FAILURE)
        # What is called like a function that does not return, and can abort, is how the libc says that it aborts.
        callers = code.callers()
        faults |= {start for fault in faults for start in callers.get(fault, ())} & last.keys() - orderly
        faults |= _users(code, edges, known.FAILURE_STRINGS) & never & last.keys() - orderly
        failing = without_return(code, faults, returning=orderly, only_by_sinks=True)
        cancel = code.called(known.CANCEL)
        own: dict[int, set[str]] = {}
        for site in (site for some in sites.found.values() for site in some):
            own.setdefault(site.function, set()).update(self._names_of(site))
        exported = set(code.exports.values())
        cancel |= {start for start, calls in own.items() if calls == known.ENDS_CANCELLED and start not in exported}
        cancelling = without_return(code, cancel, returning=orderly - cancel, only_by_sinks=True)
        return File(name, code, edges, Tables(code, edges), sites, never, failing, cancelling)

    def _add_nodes(self, index: int, file: File) -> None:
        graph = self.graph
        own: dict[int, set[str]] = {}
        sites = [site for some in file.sites.found.values() for site in some]
        # What is handed to other threads in a record is found again where it arrives: in a handler of a signal, say.
        recorded = {
            start
            for start, takes in file.sites.wrappers.items()
            if any(kind in ("field", "pointed") for kind, _, _ in takes)
        }
        handed = {name for site in sites if site.target in recorded for name in self._names_of(site)}
        for site in sites:
            own.setdefault(site.function, set()).update(self._names_of(site) if site.resolved else handed)
        graph.sites += sum(site.by == "enter" for site in sites)
        graph.open_sites += tuple(f"{file.name}+{site.at:#x}" for site in sites if not site.resolved)
        for start in sorted(file.code.functions):
            self._nodes[index, start] = len(graph.names)
            graph.names.append(file.code.name(start))
            graph.files.append(index)
            graph.calls.append(frozenset(own.get(start, ())))
            graph.leads.append({})
        graph.failing.update(self._nodes[index, start] for start in file.failing)
        graph.cancelling.update(self._nodes[index, start] for start in file.cancelling)

    def _names_of(self, site: Site) -> Iterable[str]:
        """The names of a site's calls; one that is many in one is told with which, where that is known."""
        arch = self.graph.arch
        for number in site.numbers:
            name = self._call_names.get(number, "")
            if name in ("socketcall", "ipc") and arch in (HAS_SOCKETCALL | HAS_IPC):
                yield from (f"{name}:{inner}" for inner in _behind(name, site.first)) if site.first else (name,)
            elif name:
                yield name

    def _exports(self) -> dict[str, list[tuple[str, bool, int, int]]]:
        """For each name that a file exports: version, whether it is the default, and where it leads."""
        found: dict[str, list[tuple[str, bool, int, int]]] = {}
        exports = []
        for index, file in enumerate(self._files):
            for symbol in file.code.elf.exports:
                if symbol.is_function:
                    node = self._nodes.get((index, symbol.address))
                    if node is None:
                        continue
                    exports.append(Export(symbol.name, symbol.version, symbol.default, node, index))
                    found.setdefault(symbol.name, []).append((symbol.version, symbol.default, index, symbol.address))
                elif symbol.kind == "object":
                    found.setdefault(symbol.name, []).append((symbol.version, symbol.default, index, symbol.address))
        self.graph.exports = tuple(exports)
        self.graph.file_names = tuple(file.name for file in self._files)
        return found

    def _definition(self, name: str, version: str) -> tuple[int, int] | None:
        """The file and address of what an import gets."""
        some = self._exported.get(name, ())
        for has, _, index, address in some:
            if has == version:
                return index, address
        for _, default, index, address in some:
            if default:
                return index, address
        return None

    def _add_edges(self, index: int, file: File) -> None:
        graph, nodes, edges = self.graph, self._nodes, file.edges
        choosers = {symbol.address for symbol in file.code.elf.exports if symbol.kind == "ifunc"}
        choosers.update(file.code.elf.relocations.resolvers.values())
        for start in file.code.functions:
            node = nodes[index, start]
            lead = graph.lead
            for to in edges.called.get(start, ()):
                lead(node, nodes[index, to], CALL)
            for to in edges.chosen.get(start, ()):
                if (index, to) in nodes:
                    lead(node, nodes[index, to], CALL)
            children = file.sites.children.get(start, frozenset())
            for to in edges.named.get(start, ()):
                if to not in children:
                    lead(node, nodes[index, to], CALL if start in choosers else NAMED)
            for to in children:
                lead(node, nodes[index, to], CHILD)
            for address in edges.used.get(start, ()):
                for to in file.tables.targets(address):
                    lead(node, nodes[index, to], DATA)
            objects = False
            for name, version in edges.imported.get(start, ()):
                found = self._definition(name, version)
                if found is None:
                    continue
                if found in nodes:
                    lead(node, nodes[found], CALL)
                else:
                    objects = True
            # An object of another file is a bag of everything that the loader offers: only what is called counts.
            for name, version, offset in called_members(file.code, edges, start, file.never) if objects else ():
                found = self._definition(name, version)
                if found is not None:
                    to = self._files[found[0]].tables.member(found[1], offset)
                    if to:
                        lead(node, nodes[found[0], to], CALL)

    def _by_name(self) -> None:
        """Add the ways that are known by name alone, and take away those that nobody goes."""
        nodes: dict[str, set[int]] = {}
        for node, name in enumerate(self.graph.names):
            nodes.setdefault(name, set()).add(node)
        for export in self.graph.exports:
            nodes.setdefault(export.name, set()).add(export.node)
        for names, to in known.HANDED_OVER:
            for name in names.split():
                for node in nodes.get(name, ()):
                    for target in nodes.get(to, ()):
                        self.graph.lead(node, target, CALL)
        for name in known.NEVER_CALLED:
            for node in nodes.get(name, ()):
                for leads in self.graph.leads:
                    leads.pop(node, None)

    def _add_groups(self) -> None:
        """Find the ways into each group."""
        graph = self.graph
        found: dict[int, set[str]] = {}
        for name, _, patterns, strings in known.GROUPS:
            matcher = pattern("|".join(translate(one) for one in patterns))
            for export in graph.exports:
                if matcher.match(export.name):
                    found.setdefault(export.node, set()).add(name)
            for index, file in enumerate(self._files):
                for start in _users(file.code, file.edges, strings):
                    found.setdefault(self._nodes[index, start], set()).add(name)
        graph.groups = {node: frozenset(names) for node, names in found.items()}

    def _share_stdio(self) -> None:
        """Let the functions of stdio that call what their file holds lead to all that files are opened with."""
        graph = self.graph
        members = [node for node, names in graph.groups.items() if "stdio" in names]
        # Internal helpers that only stdio's own functions call belong to it too.
        indirect = {
            self._nodes[index, start] for index, file in enumerate(self._files) for start in file.edges.indirect
        }
        operations: set[int] = set()
        for node in members:
            for to, kind in graph.leads[node].items():
                if kind in (NAMED, DATA) and to not in graph.failing:
                    operations.add(to)
        hub = len(graph.names)
        graph.names.append("(operations of files)")
        graph.files.append(0)
        graph.calls.append(frozenset())
        graph.leads.append(dict.fromkeys(operations, SHARED))
        for node in self._within(members):
            if node in indirect:
                graph.leads[node].setdefault(hub, SHARED)

    def _within(self, members: Iterable[int]) -> set[int]:
        """The members of a group and the functions that they call directly, as far as no other group."""
        graph = self.graph
        seen = set(members)
        other = graph.groups.keys() | graph.failing | {export.node for export in graph.exports}
        work = list(seen)
        while work:
            node = work.pop()
            for to, kind in graph.leads[node].items():
                if kind == CALL and to not in seen and to not in other:
                    seen.add(to)
                    work.append(to)
        return seen

    def _add_starts(self) -> None:
        """The nodes that no name of a program leads to: what runs before and after main, and for a thread."""
        graph, nodes = self.graph, self._nodes
        start: set[int] = set()
        ends: set[int] = set()
        for index, file in enumerate(self._files):
            elf = file.code.elf
            start.update(nodes[index, one] for one in elf.initialisers if (index, one) in nodes)
            ends.update(nodes[index, one] for one in elf.finalisers if (index, one) in nodes)
            if elf.image.entry and not elf.interpreter and (index, elf.image.entry) in nodes:
                start.add(nodes[index, elf.image.entry])
        named = {export.name: export.node for export in graph.exports if export.default}
        start.update(named[name] for name in known.STARTING if name in named)
        ends.update(named[name] for name in ("exit",) if name in named)
        threads: set[int] = set()
        for name in ("pthread_create", "__pthread_create"):
            if name in named:
                threads.add(named[name])  # who starts one, too
                for node in self._within([named[name]]):
                    threads.update(to for to, kind in graph.leads[node].items() if kind == CHILD)
        graph.starts = {
            "(start)": tuple(sorted(start)),
            "(exit)": tuple(sorted(ends)),
            "(thread)": tuple(sorted(threads)),
            "(abort)": tuple(sorted(named[name] for name in ("abort",) if name in named)),
        }


def _behind(name: str, first: Iterable[int]) -> list[str]:
    """Which of the calls that are behind one are meant by its first argument."""
    from troth.abi.multiplex import IPC, SOCKETCALL

    table = SOCKETCALL if name == "socketcall" else IPC
    return sorted(table[number & 0xFFFF] for number in first if number & 0xFFFF in table)


def _users(code: Code, edges: Edges, strings: Iterable[str]) -> set[int]:
    """The functions that use one of some strings; `*` before or after stands for more of the string."""
    image = code.elf.image
    places: set[int] = set()
    for text in strings:
        wanted = text.strip("*").encode() + (b"" if text.endswith("*") else b"\0")
        at = image.data.find(wanted)
        while at >= 0:
            start = image.data.rfind(b"\0", 0, at) + 1
            if start == at or text.startswith("*"):
                places.update(
                    segment.address + start - segment.offset
                    for segment in image.segments
                    if segment.offset <= start < segment.offset + segment.file_size
                )
            at = image.data.find(wanted, at + 1)
    if not places:
        return set()
    return {start for start, used in edges.used.items() if not used.isdisjoint(places)}
