"""The functions of some files as one graph: what each calls of the kernel, and what each leads to."""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["CALL", "CHILD", "DATA", "KINDS", "NAMED", "SHARED", "Export", "Graph"]

# How one function leads to another. The order is that of certainty.
KINDS: Final = ("calls", "names", "uses a table with", "starts a child in", "is given, by whoever opened the file,")
CALL, NAMED, DATA, CHILD, SHARED = range(len(KINDS))


class Export(NamedTuple):
    """A name that programs call, and the node that it leads to."""

    name: str
    version: str
    default: bool
    node: int
    file: int


class Graph:
    """Nodes are numbers. For each: its name, its calls, and where it leads, by kind.

    `failing` and `cancelling` are the nodes that only fail or end a cancelled thread. `groups` has the groups that a
    node is the way into. `starts` are the nodes that run before and after `main`, and in each thread.
    """

    def __init__(self, arch: str) -> None:
        self.arch = arch
        self.names: list[str] = []
        self.files: list[int] = []
        self.calls: list[frozenset[str]] = []
        self.leads: list[dict[int, int]] = []  # of each node: to which, by the most certain kind
        self.failing: set[int] = set()
        self.cancelling: set[int] = set()
        self.groups: dict[int, frozenset[str]] = {}
        self.exports: tuple[Export, ...] = ()
        self.starts: dict[str, tuple[int, ...]] = {}
        self.file_names: tuple[str, ...] = ()
        self.open_sites: tuple[str, ...] = ()
        self.sites = 0

    def lead(self, node: int, to: int, kind: int) -> None:
        """Add an edge, unless a more certain one is there."""
        if node != to:
            old = self.leads[node].get(to)
            if old is None or kind < old or kind == CHILD:
                self.leads[node][to] = kind
