"""What each function does on a system: from what was seen of a build, moved to the asked version by what is recorded.

Sources, the best first: the probe's facts of the very build; those of the nearest build, with the calls replaced that
are recorded to have changed in between; what is recorded alone; and, of functions that only the static analysis knows,
the calls that are in their own code. Each answer says what it rests on.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from troth.libc.forecast.moving import moved
from troth.libc.forecast.recorded import EVERY, current, on_arch, same_use
from troth.libc.forecast.systems import LIBCS, releases
from troth.libc.forecast.tables import version_key
from troth.libc.probe import facts as probed
from troth.libc.probe.facts import Case, Seen, probe_facts
from troth.libc.reach import facts as read
from troth.libc.reach.facts import reach_facts

if TYPE_CHECKING:
    from troth.libc.forecast.systems import System
    from troth.libc.forecast.tables import Name, State

LIBC = "libc"  # in place of the kind: functions of one C library are compared with those of another

# (`libc` or what else makes calls, function, variant)
Key = tuple[str, str, str]


class Doing(NamedTuple):
    """What a function does: its calls, and how it was learnt (`case` where it was seen, `evidence` in words).

    `fails` says that it does not work, whatever a filter says.
    """

    function: str
    variant: str
    maker: str
    version: str
    calls: tuple[Seen, ...]
    case: Case | None
    evidence: tuple[str, ...]
    fails: bool = False

    @property
    def name(self) -> Name:
        return self.function, self.variant


def doings(system: System) -> dict[Key, Doing]:
    """Everything that functions do on a system; shared, not to be changed."""
    found: dict[Key, Doing] = {}
    for maker, version in system.makers:
        found |= _of(maker, version, system.arch)
    return found


@lru_cache(maxsize=64)
def _of(maker: str, version: str, arch: str) -> dict[Key, Doing]:
    kind = LIBC if maker in LIBCS else maker
    seen = _seen(maker, version, arch) if maker in LIBCS else {}
    functions = {function for function, _ in seen}
    found = dict(seen)
    for (function, variant), rows in current(maker, version, arch).items():
        if (function, variant) == EVERY or (function in functions and not variant) or (function, variant) in seen:
            continue
        made = _recorded(maker, version, arch, (function, variant), rows)
        if not variant or function not in functions or not _adds_nothing(made.calls, function, seen):
            found[function, variant] = made
    if maker in LIBCS:
        known = {function for function, _ in found}
        found |= {name: doing for name, doing in _read(maker, version, arch).items() if name[0] not in known}
    return {(kind, *name): doing for name, doing in found.items()}


@lru_cache(maxsize=1024)
def doing(system: System, key: Key) -> Doing | None:
    """What one function does on a system, without finding out what all others do; None where it is not there."""
    kind, function, variant = key
    for maker, version in system.makers:
        if (LIBC if maker in LIBCS else maker) != kind:
            continue
        if maker in LIBCS:
            seen, known = _seen_of(maker, version, system.arch, (function, variant))
            if seen is not None:
                return seen
            if known and not variant:
                return None
        rows = current(maker, version, system.arch).get((function, variant), ())
        if rows:
            return _recorded(maker, version, system.arch, (function, variant), rows)
        return _read(maker, version, system.arch).get((function, variant)) if maker in LIBCS else None
    return None


def _adds_nothing(calls: tuple[Seen, ...], function: str, seen: dict[Name, Doing]) -> bool:
    known = [call for (name, _), doing in seen.items() if name == function for call in doing.calls]
    return all(any(same_use(call, other) for other in known) for call in calls)


def _recorded(maker: str, version: str, arch: str, name: Name, rows: tuple[State, ...]) -> Doing:
    """What is recorded of a function."""
    calls = _here([call for row in rows for call in row.calls], arch, maker)
    evidence = tuple(recorded_words(row) for row in rows)
    return Doing(*name, maker, version, calls, None, evidence, any(row.fails for row in rows))


def recorded_words(row: State) -> str:
    """A state as evidence."""
    return f"recorded: {row.maker} {row.since}, {row.source}"


def _here(calls: list[Seen], arch: str, maker: str) -> tuple[Seen, ...]:
    made = (on_arch(call, arch, maker) for call in calls)
    return tuple(dict.fromkeys(call for call in made if call is not None))


def _seen(maker: str, version: str, arch: str) -> dict[Name, Doing]:
    """What was seen of builds, as it is in the asked version on the asked architecture.

    Of each function the nearest build counts that knows it; what that build lacks is not there.
    """
    found: dict[Name, Doing] = {}
    known: set[str] = set()
    for build, on in by_distance(maker, version, arch, probed.builds()):
        facts = probe_facts(build, on)
        later = _introduced_after(maker, version, (build, on))
        for name, case in facts.cases.items():
            if name[0] not in known and name[0] not in later:
                found[name] = _as_seen(case, maker, (build, on), (version, arch))
        known |= {*facts.functions, *facts.absent, *later}
    return found


def _seen_of(maker: str, version: str, arch: str, name: Name) -> tuple[Doing | None, bool]:
    """What was seen of one function, as `_seen` has it, and whether any build knows it."""
    for build, on in by_distance(maker, version, arch, probed.builds()):
        facts = probe_facts(build, on)
        case = facts.cases.get(name)
        if name[0] in _introduced_after(maker, version, (build, on)) or name[0] in facts.absent:
            return None, False  # what is recorded may know more: programs had it inline
        if case is not None:
            return _as_seen(case, maker, (build, on), (version, arch)), True
        if any(function == name[0] for function, _ in facts.cases):
            return None, True
    return None, False


def _as_seen(case: Case, maker: str, build: tuple[str, str], there: tuple[str, str]) -> Doing:
    """What was seen of a function of a build, in another version and on another architecture."""
    name, on = build
    version, arch = there
    was = name.partition("-")[2]
    calls: tuple[Seen, ...] = case.calls
    evidence: tuple[str, ...] = (f"probe: {name} on {on}",)
    if (was, on) != there:
        calls, changes = moved(case, maker, (was, on), there)
        evidence = (*dict.fromkeys(recorded_words(row) for row in changes), *evidence)
    if on != arch:
        calls = _here(list(calls), arch, maker)
    return Doing(case.function, case.variant, maker, version, calls, case, evidence, _fails(case))


# Of its own, a function that only wraps one call has no more than this, with what sets errno aside.
_THIN = 2


@lru_cache(maxsize=64)
def _read(maker: str, version: str, arch: str) -> dict[Name, Doing]:
    """What is read from the code of the nearest build: functions that do little more than to make one call.

    Of larger ones the code says what they can call, not what they do; a forecast of those would cry wolf.
    """
    nearest = by_distance(maker, version, arch, read.builds())[:1]
    if not nearest:
        return {}
    build, on = nearest[0]
    was = build.partition("-")[2]
    later = _introduced_after(maker, version, (build, on))
    found: dict[Name, Doing] = {}
    functions = reach_facts(build, on).functions
    for key, reached in functions.items():
        name = reached.name
        own = reached.calls["own"]
        if key != name and name in functions:
            continue  # an old version of it; of what only has old ones, programs that were linked long ago make use
        if not 0 < len(own) <= _THIN or set(reached.groups) - {"locks"} or name in later:
            continue
        case = Case(name, "", "", tuple(Seen(call) for call in sorted(own)), ())
        calls, changes = moved(case, maker, (was, on), (version, arch))
        if on != arch:
            calls = _here(list(calls), arch, maker)
        words = (*(recorded_words(row) for row in changes), f"reach: the code of {build} on {on}")
        found[name, ""] = Doing(name, "", maker, version, calls, None, tuple(dict.fromkeys(words)))
    return found


@lru_cache(maxsize=64)
def _introduced_after(maker: str, version: str, build: tuple[str, str]) -> frozenset[str]:
    """The functions of a build that came after a version, as the versions of their symbols say."""
    if maker != "glibc" or build not in read.builds() or version_key(build[0]) <= version_key(version):
        return frozenset()
    first: dict[str, tuple[int, ...]] = {}
    for reached in reach_facts(*build).functions.values():
        if reached.version.startswith("GLIBC_2."):
            since = version_key(reached.version)
            first[reached.name] = min(since, first.get(reached.name, since))
    return frozenset(name for name, since in first.items() if since > version_key(version))


def _fails(case: Case) -> bool:
    """Whether a function was seen to fail: its result is an errno's name."""
    return case.result.startswith("E") and case.result.isupper()


def by_distance(maker: str, version: str, arch: str, builds: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
    """The builds whose facts may serve, the closest first: of this architecture, then by releases; the older of two.

    A build of another architecture stands in for one that nobody has probed on this one.
    """
    known = [(build, on) for build, on in builds if build.partition("-")[0] == maker and on in (arch, "x86_64")]
    order = releases(maker)
    if version not in order:
        return []
    at = order.index(version)

    def far(one: tuple[str, str]) -> tuple[bool, int, bool]:
        build, on = one
        away = order.index(build.partition("-")[2]) - at
        # What one architecture does in a near version tells less than what it does itself in a far one.
        return (on != arch, abs(away), away > 0)

    return sorted(known, key=far)
