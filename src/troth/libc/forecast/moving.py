"""From one version to another: what was seen of a build, with the calls replaced that are recorded to have changed."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from troth.families import resolve
from troth.libc.forecast.recorded import EVERY, same_use, state_of
from troth.libc.forecast.tables import states, version_key
from troth.libc.probe.facts import Seen

if TYPE_CHECKING:
    from collections.abc import Iterable

    from troth.families import Resolved
    from troth.libc.forecast.tables import Name, State
    from troth.libc.probe.facts import Case

    Place = tuple[str, str]  # a version and an architecture


class Change(NamedTuple):
    """What is recorded to be another call at another place: those that go, those that come, and who says so."""

    functions: tuple[Name, ...]
    gone: tuple[Seen, ...]
    come: tuple[Seen, ...]
    state: State
    calls: frozenset[str]  # all that the topic speaks of


def moved(case: Case, maker: str, old: Place, new: Place) -> tuple[tuple[Seen, ...], list[State]]:
    """The calls of a case in another version and on another architecture: those that are recorded to differ, replaced.

    What is recorded of the very variant counts; else of the function; and of every function, unless there is something
    of this one's own about the call. Gives the calls, and the states that say so.
    """
    calls = list(case.calls)
    told: list[State] = []
    for change in _of(changes(maker, old, new), case.function, case.variant):
        at = [place for place, call in enumerate(calls) if any(same_use(call, other) for other in change.gone)]
        fresh = [call for call in change.come if not any(same_use(call, other) for other in calls)]
        if (change.gone or EVERY in change.functions) and not at:
            continue
        if not at and not fresh:
            continue
        gone = [calls[place] for place in at]
        fresh = [_with_roles(call, next((o for o in gone if family_of(o) == family_of(call)), call)) for call in fresh]
        first = at[0] if at else len(calls)
        kept = [call for place, call in enumerate(calls) if place not in at]
        calls = [*kept[:first], *fresh, *kept[first:]]
        told.append(change.state)
    return tuple(dict.fromkeys(calls)), told


def _of(some: dict[Name, list[Change]], function: str, variant: str) -> Iterable[Change]:
    own = some.get((function, variant)) or some.get((function, ""), [])
    yield from own
    spoken_of = {call for change in own for call in change.calls} | _own_calls().get(function, set())
    for change in some.get(EVERY, []):
        if not any(call.name in spoken_of for call in change.gone):
            yield change


@lru_cache(maxsize=1)
def _own_calls() -> dict[str, set[str]]:
    """The calls that are recorded of each function, in whatever version."""
    found: dict[str, set[str]] = {}
    for topic in states():
        calls = {call.name for state in topic for call in state.calls}
        for function, _ in topic[0].functions:
            found.setdefault(function, set()).update(calls)
    return found


@lru_cache(maxsize=64)
def changes(maker: str, old: Place, new: Place) -> dict[Name, list[Change]]:
    """What is recorded to differ between two places, by function; shared, not to be changed."""
    found: dict[Name, list[Change]] = {}
    was, now = version_key(old[0]), version_key(new[0])
    for topic in states():
        if topic[0].maker != maker:
            continue
        before, after = state_of(topic, was, old[1]), state_of(topic, now, new[1])
        if before is after:
            continue
        ours, theirs = (state.calls if state else () for state in (before, after))
        gone = tuple(call for call in ours if not any(same_use(call, other) for other in theirs))
        come = tuple(call for call in theirs if not any(same_use(call, other) for other in ours))
        state = after or before
        if state is None or not (gone or come):
            continue
        spoken_of = frozenset(call.name for one in topic for call in one.calls)
        change = Change(topic[0].functions, gone, come, state, spoken_of)
        for name in topic[0].functions:
            found.setdefault(name, []).append(change)
    return found


@lru_cache(maxsize=16)
def members(arch: str) -> dict[str, tuple[str, Resolved]]:
    """The family and the roles of every call of an architecture that is in a family."""
    return {member.name: (family, member) for family, some in resolve(arch).items() for member in some}


def family_of(call: Seen) -> str:
    """The family of a call, or the call itself where it is in none."""
    return next((members(arch)[call.name][0] for arch in _BOTH if call.name in members(arch)), call.name)


_BOTH = ("x86_64", "i386")  # between them they have every call that libcs make on several architectures


def _with_roles(call: Seen, like: Seen) -> Seen:
    """A call with the arguments of another one of its family, each in its role."""
    if call.name == like.name:
        return call  # it is an argument that changes
    for arch in _BOTH:
        known = members(arch)
        if call.name in known and like.name in known:
            mine, other = known[call.name][1].roles, known[like.name][1].roles
            args = list(call.args)
            for role, place in mine.items():
                if role in other and other[role] < len(like.args):
                    args += ["*"] * (place + 1 - len(args))
                    args[place] = like.args[other[role]]
            return Seen(call.name, tuple(args))
    return call
