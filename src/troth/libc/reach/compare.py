"""What differs between two libcs: the functions whose own calls changed, and the shared parts that did, once each.

Nearly every function allocates, so a new call of malloc would be a change of a thousand functions. It is told once, as
a change of the part; a function is told of only where what is its own changed. Functions that changed in the same way
are one row.
"""

from __future__ import annotations

from fnmatch import translate
from functools import cache
from re import compile as pattern
from typing import TYPE_CHECKING

from troth._value import Value
from troth.libc.reach import _table as known

if TYPE_CHECKING:
    from collections.abc import Iterable

    from troth.libc.reach.facts import ReachFacts
    from troth.libc.reach.reached import Reached

__all__ = ["Change", "Comparison", "compare", "group_of"]


class Change(Value):
    """Functions whose own calls changed in one way; `group` is the shared part that they are of, empty for none."""

    __slots__ = ("group", "functions", "lost", "gained")
    group: str
    functions: tuple[str, ...]
    lost: tuple[str, ...]
    gained: tuple[str, ...]


class Comparison(Value):
    """Two libcs: what changed, and the functions that only one has (of those that make any call).

    `changes` are the rows of functions; `shared` has for each part that changed all of its functions that did, and
    what all of the part together lost and gained, which may be nothing.
    """

    __slots__ = ("changes", "shared", "added", "removed")
    changes: tuple[Change, ...]
    shared: tuple[Change, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]


def compare(old: ReachFacts, new: ReachFacts) -> Comparison:
    """Compare two libcs, which may be of different kinds."""
    rows: dict[tuple[str, tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for name, before, after in _pairs(old, new):
        lost = tuple(sorted(before.calls["own"] - after.calls["own"]))
        gained = tuple(sorted(after.calls["own"] - before.calls["own"]))
        if lost or gained:
            rows.setdefault((group_of(name.partition("@")[0]), lost, gained), []).append(name)
    changes = [Change(group, tuple(sorted(names)), lost, gained) for (group, lost, gained), names in rows.items()]
    changes.sort(key=lambda one: (one.group, one.functions))
    old_names, new_names = _calling(old.functions.values()), _calling(new.functions.values())
    parts = {change.group for change in changes if change.group}
    return Comparison(
        tuple(changes),
        tuple(_shared(part, changes, old, new) for part in sorted(parts)),
        tuple(sorted(new_names - {one.name for one in old.functions.values()})),
        tuple(sorted(old_names - {one.name for one in new.functions.values()})),
    )


def _shared(part: str, changes: Iterable[Change], old: ReachFacts, new: ReachFacts) -> Change:
    before, after = (
        frozenset[str]().union(*(one.calls["own"] for one in facts.functions.values() if group_of(one.name) == part))
        for facts in (old, new)
    )
    names = {name for change in changes if change.group == part for name in change.functions}
    return Change(part, tuple(sorted(names)), tuple(sorted(before - after)), tuple(sorted(after - before)))


def _pairs(old: ReachFacts, new: ReachFacts) -> Iterable[tuple[str, Reached, Reached]]:
    """The functions to compare: what a program gets that is linked today, and what older programs still ask for.

    An older version is told of only where it changed otherwise than the default one.
    """
    told: dict[str, tuple[frozenset[str], frozenset[str]]] = {}
    for key, before in sorted(old.functions.items(), key=lambda item: ("@" in item[0], item[0])):
        after = new.functions.get(key)
        if after is None:
            continue
        both = (before.calls["own"], after.calls["own"])
        if "@" not in key:
            told[key] = both
            yield key, before, after
        elif told.get(before.name) != both and not (before.default and after.default):
            yield key, before, after


def _calling(functions: Iterable[Reached]) -> set[str]:
    return {one.name for one in functions if one.calls["own"] or one.calls["ordinary"]}


@cache
def group_of(name: str) -> str:
    """The shared part that a function is a way into, by its name; empty when it is none."""
    return next((group for group, matches in _MATCHERS if matches(name)), "")


_MATCHERS = tuple((name, pattern("|".join(translate(one) for one in ways)).match) for name, _, ways, _ in known.GROUPS)
