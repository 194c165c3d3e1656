"""What can be reached in a graph: for all functions at once, as sets of bits; and by which way, for one.

Functions that reach one another reach the same, so they are joined first (Tarjan's algorithm) and each joined part is
the union of its own calls and of the parts that it leads to.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from troth.libc.reach import _table as known
from troth.libc.reach.graph import CALL, CHILD, DATA, KINDS, NAMED, SHARED
from troth.libc.reach.reached import CLASSES, PRIVATE, Reached

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from troth.libc.reach.graph import Graph

__all__ = ["Step", "reached", "why"]

_THIN: Final = 4  # calls: a function with more of them does something of its own
_ORDINARY: Final = frozenset((CALL, NAMED, DATA, SHARED))
_GROUP_NAMES: Final = tuple(row[0] for row in known.GROUPS)


def reached(graph: Graph) -> tuple[tuple[Reached, int], ...]:
    """What each export, and each of the `starts`, can call; with the number of the file that it is in."""
    return _Closures(graph).all()


class _Closures:
    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._call_names = sorted(frozenset().union(*graph.calls))
        place = {name: 1 << at for at, name in enumerate(self._call_names)}
        self._group_bits = {name: 1 << (len(place) + at) for at, name in enumerate(_GROUP_NAMES)}
        self._base = [sum(place[name] for name in calls) for calls in graph.calls]
        self._all_calls = (1 << len(place)) - 1
        self._locks = sum(place.get(name, 0) for name in known.LOCKS)
        for node, names in graph.groups.items():
            for name in names:
                self._base[node] |= self._group_bits[name]

    def all(self) -> tuple[tuple[Reached, int], ...]:
        graph = self._graph
        failing, cancelling = graph.failing, graph.cancelling
        both = failing | cancelling
        ordinary = self._closed(_ORDINARY, both)
        failure = self._closed(_ORDINARY, cancelling)
        cancel = self._closed(_ORDINARY, failing - cancelling)
        child = self._closed(_ORDINARY | {CHILD}, both)
        own = self._own()
        found = []
        roots: list[tuple[str, str, bool, tuple[int, ...], int]] = [
            (export.name, export.version, export.default, (export.node,), export.file) for export in graph.exports
        ]
        roots += [(name, "", True, nodes, 0) for name, nodes in graph.starts.items() if nodes]
        for name, version, default, nodes, file in roots:
            bits = dict.fromkeys(CLASSES, 0)
            for node in nodes:
                # Who asks about abort or pthread_exit asks about just what others leave out.
                usual = failure if node in failing else cancel if node in cancelling else ordinary
                bits["own"] |= own(node, name)
                bits["ordinary"] |= usual[node]
                bits["failure"] |= failure[node]
                bits["cancel"] |= cancel[node]
                bits["child"] |= child[node]
            groups = tuple(one for one in _GROUP_NAMES if bits["ordinary"] & self._group_bits[one])
            if bits["ordinary"] & self._locks and not bits["own"] & self._locks and "locks" not in groups:
                groups += ("locks",)
            for extra in ("failure", "cancel", "child"):
                bits[extra] &= ~bits["ordinary"]
            calls = {one: self._names(bits[one]) for one in CLASSES}
            found.append((Reached(name, version, default, calls, groups), file))
        return tuple(found)

    def _names(self, bits: int) -> frozenset[str]:
        bits &= self._all_calls
        names = []
        while bits:
            low = bits & -bits
            names.append(self._call_names[low.bit_length() - 1])
            bits ^= low
        return frozenset(names)

    def _closed(self, kinds: Collection[int], without: Collection[int]) -> list[int]:
        leads = [
            [to for to, kind in leads.items() if kind in kinds and to not in without] for leads in self._graph.leads
        ]
        return closed(leads, self._base)

    def _own(self) -> Callable[[int, str], int]:
        """A function's own calls: by direct calls alone, and through no group that it is not part of.

        Of another function that programs call it takes what that does itself, and all if that is thin: `opendir` opens,
        by way of `open`; that `qsort` asks `sysconf` for the memory, which reads files, is told of `sysconf`.
        """
        graph = self._graph
        without = graph.failing | graph.cancelling
        public = {export.node for export in graph.exports if export.version != PRIVATE}
        by_groups: dict[frozenset[str], list[int]] = {}

        def own(node: int, name: str) -> int:
            mine = graph.groups.get(node, frozenset())
            if mine not in by_groups:
                foreign = {other for other, names in graph.groups.items() if names.isdisjoint(mine)} | without
                leads = [
                    [to for to, kind in leads.items() if kind == CALL and to not in foreign] for leads in graph.leads
                ]
                wide = closed(leads, self._base)
                calls = self._all_calls & ~self._locks
                thick = {other for other in public if (wide[other] & calls).bit_count() > _THIN}
                # Each of those stands twice: as it is asked about, and as others come to it.
                place = {other: len(leads) + at for at, other in enumerate(sorted(thick))}
                thin_leads = [[place.get(to, to) for to in some] for some in leads]
                by_groups[mine] = closed(
                    thin_leads + [[]] * len(place), self._base + [self._base[other] for other in place]
                )
            bits = by_groups[mine][node]
            return bits if known.is_locking(name) else bits & ~self._locks

        return own


def closed(leads: Sequence[Sequence[int]], base: Sequence[int]) -> list[int]:
    """The union of the bits of all nodes that each node leads to, its own included.

    >>> closed([[1], [2], [1], [0]], [1, 2, 4, 8])
    [7, 6, 6, 15]
    """
    count = len(base)
    order = [0] * count  # when a node was first seen, from 1
    low = [0] * count
    found = [0] * count
    done = [False] * count
    stack: list[int] = []
    clock = 0
    for root in range(count):
        if order[root]:
            continue
        clock += 1
        order[root] = low[root] = clock
        stack.append(root)
        found[root] = base[root]
        work = [(root, iter(leads[root]))]
        while work:
            node, following = work[-1]
            for to in following:
                if not order[to]:
                    clock += 1
                    order[to] = low[to] = clock
                    stack.append(to)
                    found[to] = base[to]
                    work.append((to, iter(leads[to])))
                    break
                if done[to]:
                    found[node] |= found[to]
                elif order[to] < low[node]:
                    low[node] = order[to]
            else:
                work.pop()
                if low[node] == order[node]:  # the first of a part: give all of the part what any of it has
                    part = []
                    while True:
                        one = stack.pop()
                        part.append(one)
                        done[one] = True
                        if one == node:
                            break
                    bits = 0
                    for one in part:
                        bits |= found[one]
                    for one in part:
                        found[one] = bits
                if work:
                    above = work[-1][0]
                    found[above] |= found[node]
                    low[above] = min(low[above], low[node])
    return found


class Step(NamedTuple):
    """One step of a way: the function that is come to, and how."""

    how: str
    name: str
    file: str


def why(graph: Graph, roots: Collection[int], call: str) -> tuple[str, tuple[Step, ...]] | None:
    """The shortest way from some nodes to a call, and the class that it belongs to; None when there is none."""
    failing, cancelling = graph.failing, graph.cancelling
    mine = set(roots)
    tries = (
        ("ordinary", _ORDINARY, (failing | cancelling) - mine),
        ("child", _ORDINARY | {CHILD}, (failing | cancelling) - mine),
        ("cancel", _ORDINARY, failing - cancelling - mine),
        ("failure", _ORDINARY, cancelling - mine),
    )
    for name, kinds, without in tries:
        way = _way(graph, roots, call, kinds, without)
        if way:
            return name, way
    return None


def _way(
    graph: Graph, roots: Collection[int], call: str, kinds: Collection[int], without: Collection[int]
) -> tuple[Step, ...]:
    came: dict[int, int] = dict.fromkeys(roots, -1)
    work = deque(roots)
    while work:
        node = work.popleft()
        if call in graph.calls[node]:
            return _steps(graph, came, node)
        # Calls come before what is only named, so that of equally short ways the plainest is told.
        for to, kind in sorted(graph.leads[node].items(), key=lambda item: item[1]):
            if kind in kinds and to not in came and to not in without:
                came[to] = node
                work.append(to)
    return ()


def _steps(graph: Graph, came: dict[int, int], node: int) -> tuple[Step, ...]:
    steps = []
    while node >= 0:
        before = came[node]
        how = KINDS[graph.leads[before][node]] if before >= 0 else ""
        steps.append(Step(how, graph.names[node], graph.file_names[graph.files[node]]))
        node = before
    return tuple(reversed(steps))
