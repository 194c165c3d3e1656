"""What programs import of a C library: which functions are asked about, and in which version of their symbols."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, Self

from troth._value import Value
from troth.libc.forecast.model import LIBC, by_distance
from troth.libc.forecast.systems import LIBCS
from troth.libc.forecast.tables import version_key
from troth.libc.probe.facts import Seen
from troth.libc.reach import facts as read

if TYPE_CHECKING:
    from collections.abc import Iterable

    from troth.libc.forecast.model import Doing, Key
    from troth.libc.reach.reached import Reached

# Moments that every program has; others need a function that leads there.
ALWAYS: Final = frozenset(
    ("(start)", "(exit)", "(abort)", "(signal)", "(malloc)", "(resumed call)", "(user probe)", "(no vDSO)")
)
_LEADS_TO: Final = {"(thread)": ("pthread_create", "thrd_create")}

_Calls = frozenset[str]  # names
_NOTHING: Final[_Calls] = frozenset()


class Imports(Value):
    """Functions by name, and the versions that are asked for, as the ELF file has them (`GLIBC_2.34`)."""

    __slots__ = ("names", "versions")
    names: frozenset[str]
    versions: dict[str, frozenset[str]]

    def __hash__(self) -> int:
        return hash(self.names)

    @classmethod
    def of(cls, words: Iterable[str]) -> Self:
        """From names, with versions where they are known.

        >>> sorted(Imports.of(["glob@GLIBC_2.27", "glob@GLIBC_2.2.5", "read"]).versions["glob"])
        ['GLIBC_2.2.5', 'GLIBC_2.27']
        """
        versions: dict[str, set[str]] = {}
        for word in words:
            name, _, version = word.partition("@")
            versions.setdefault(name, set()).add(version)
        known = {name: frozenset(some) for name, some in versions.items() if "" not in some}
        return cls(frozenset(versions), known)

    def wants(self, key: Key) -> bool:
        """Whether a function of a libc is imported, or it is a moment that every program has, or one that it leads to.

        What is no libc's (a runtime's, the kernel's) is always wanted.
        """
        maker, function, _ = key
        if maker != LIBC or function in ALWAYS or function in self.names:
            return True
        return any(name in self.names for name in _LEADS_TO.get(function, ()))

    def as_imported(self, doing: Doing, arch: str) -> Doing:
        """What a function does for who asks for these versions of it.

        Who was linked long ago gets an old version; it differs from the default one, which was seen, by what the code
        of the two differs in.
        """
        asked = self.versions.get(doing.function, frozenset())
        if not asked or doing.maker not in LIBCS:
            return doing
        gone, come = _differs(doing.maker, doing.version, arch, doing.function, asked)
        if not gone and not come:
            return doing
        kept = tuple(call for call in doing.calls if call.name not in gone)
        return doing._replace(calls=(*kept, *(Seen(name) for name in sorted(come))))


@lru_cache(maxsize=256)
def _differs(maker: str, version: str, arch: str, name: str, asked: frozenset[str]) -> tuple[_Calls, _Calls]:
    """What old versions of a function do not call, and what they call instead, in the nearest build.

    Nothing where it is the default one that is asked for, or nobody knows. What an old one calls by itself counts; of
    what it could call through others it is not known whether it does.
    """
    nearest = by_distance(maker, version, arch, read.builds())[:1]
    functions = read.reach_facts(*nearest[0]).functions if nearest and nearest[0][1] == arch else {}
    default = functions.get(name)
    reached: set[str] = set()
    own: set[str] = set()
    for one in asked:
        old = functions.get(f"{name}@{one}")
        if old is None or default is None or old.version == default.version:
            return _NOTHING, _NOTHING
        reached |= _all_of(old)
        own |= _names(old.calls["own"])
    known = _all_of(default) if default else _NOTHING
    return frozenset(known - reached), frozenset(own - known)


def _all_of(function: Reached) -> _Calls:
    return _names(call for calls in function.calls.values() for call in calls)


def _names(calls: Iterable[str]) -> _Calls:
    """The names of calls, without what is multiplexed through them (`socketcall:connect`)."""
    return frozenset(call.partition(":")[0] for call in calls)


def too_new(versions: Iterable[str], libc: str) -> str:
    """The newest of the versions of symbols that a glibc is too old to have; empty if it has them.

    >>> too_new(["GLIBC_2.2.5", "GLIBC_2.34", "GLIBC_2.33"], "glibc-2.31")
    'GLIBC_2.34'
    """
    maker, _, version = libc.partition("-")
    if maker != "glibc":
        return ""
    lacking = [word for word in versions if word.startswith("GLIBC_2.") and version_key(word) > version_key(version)]
    return max(lacking, key=version_key, default="")
