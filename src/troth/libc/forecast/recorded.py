"""What is recorded of one version of a C library, a runtime or the kernel, on one architecture."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from troth import abi
from troth.abi.multiplex import HAS_IPC, TIME64
from troth.libc.forecast.tables import TWIN, fates, fits, forms, states, version_key
from troth.libc.probe.facts import Seen

if TYPE_CHECKING:
    from troth.libc.forecast.tables import Fate, Form, Name, State

EVERY: Name = ("*", "")

# Arguments that say what a call is asked to do, by their place.
VALUES = {
    "ioctl": 1, "prctl": 0, "arch_prctl": 0, "madvise": 2, "fcntl": 1, "fcntl64": 1, "socketcall": 0, "ipc": 0,
    "futex": 1, "futex_time64": 1, "mmap": 3, "mmap2": 3, "membarrier": 0, "socket": 0,
}  # fmt: skip
# Arguments that tell one use of a call from another; of other calls the name alone does.
SELECTORS = VALUES | {"openat": 0, "newfstatat": 3, "statx": 2}

_TWINS = {time64: name for name, time64 in TIME64.items()}  # the call with 32-bit times


def same_use(one: Seen, other: Seen) -> bool:
    """Whether two calls are the same as far as a row means them: by name, or by what they ask for too."""
    if one.name != other.name:
        return False
    place = SELECTORS.get(one.name)
    if place is None or len(one.args) <= place or len(other.args) <= place:
        return True
    mine, theirs = one.args[place], other.args[place]
    return "*" in (mine, theirs) or mine == theirs or _operation(mine) == _operation(theirs)


def _operation(words: str) -> frozenset[str]:
    """What futex(2) is asked, without how."""
    return frozenset(words.split("|")) - {"FUTEX_PRIVATE_FLAG", "FUTEX_CLOCK_REALTIME"}


@lru_cache(maxsize=256)
def current(maker: str, version: str, arch: str) -> dict[Name, tuple[State, ...]]:
    """The states of every function, one of each topic that has begun; empty for a maker that nothing is recorded of."""
    asked = version_key(version)
    found: dict[Name, list[State]] = {}
    for topic in states():
        if topic[0].maker != maker:
            continue
        state = state_of(topic, asked, arch)
        if state is not None:
            for name in state.functions:
                found.setdefault(name, []).append(state)
    return {name: tuple(some) for name, some in found.items()}


def state_of(topic: tuple[State, ...], asked: tuple[int, ...], arch: str) -> State | None:
    """Give, of a topic the state that holds: the latest, and of those that began together the most particular."""
    best: State | None = None
    for state in topic:
        fit = fits(state.arch, arch)
        if not fit or version_key(state.since) > asked:
            continue
        if best is None or version_key(best.since) < version_key(state.since) or fits(best.arch, arch) <= fit:
            best = state
    return best


def recorded_change(maker: str, version: str, name: Name, call: Seen) -> list[State]:
    """The states that began with a version and have a function make a call: of its variant, of it, or of every one."""
    began = [
        state
        for topic in states()
        if topic[0].maker == maker
        for state in topic
        if state.since == version and any(same_use(one, call) for one in state.calls)
    ]
    for wanted in (name, (name[0], ""), EVERY):
        found = [state for state in began if wanted in state.functions]
        if found:
            return found
    return []


def makers() -> frozenset[str]:
    """Everything that facts are recorded of."""
    return frozenset(topic[0].maker for topic in states())


def fate(maker: str, version: str, name: Name, call: Seen, errno: str) -> Fate | None:
    """What is recorded to become of a function when a call is answered an errno; None when nothing is.

    A row of the variant counts more than one of the function, and that more than one of all functions; one of the call
    more than one of all calls, one of the errno more than one of any, a later one more than an earlier one.
    """
    asked = version_key(version)
    best: tuple[tuple[object, ...], Fate] | None = None
    for row in fates():
        if row.maker != maker or row.errno not in ("any", errno) or version_key(row.since) > asked:
            continue
        own = 2 if name in row.functions else 1 if (name[0], "") in row.functions else 0
        if not own and EVERY not in row.functions:
            continue
        matched = _matches(row.call, call)
        if matched:
            key = (own, matched, version_key(row.since), row.errno != "any")
            if best is None or key > best[0]:
                best = (key, row)
    return best[1] if best else None


def _matches(pattern: Seen, call: Seen) -> int:
    if pattern.name == "*":
        return 1
    if pattern.name.startswith("*"):
        return 2 if call.name.endswith(pattern.name[1:]) else 0
    if pattern.name != call.name:
        return 0
    if not pattern.args:
        return 3
    place = SELECTORS.get(call.name, 0)
    return 4 if len(call.args) > place and call.args[place] == pattern.args[0] else 0


def then(row: Fate, call: Seen) -> tuple[Seen, ...]:
    """What is called after a refusal."""
    if row.then != (TWIN,):
        return row.then
    return (Seen(_TWINS[call.name], call.args),) if call.name in _TWINS else ()


def on_arch(call: Seen, arch: str, libc: str) -> Seen | None:
    """A call as it is made on an architecture; None where it is not made.

    >>> str(on_arch(Seen("open", ("*", "O_RDONLY", "*")), "aarch64", "glibc"))
    'openat(AT_FDCWD, *, O_RDONLY, *)'
    """
    for _ in range(4):  # what becomes of a call may be absent itself: rename, renameat, renameat2
        form = next((form for form in forms().get(call.name, ()) if _holds(form, call, arch, libc)), None)
        if form is None:
            return call
        if form.becomes is None:
            return None
        given = dict(zip(form.call.args, call.args, strict=False))
        args = [given.get(word, "0" if word in form.call.args and word != "*" else word) for word in form.becomes.args]
        call = Seen(form.becomes.name, tuple(args))
    return call


def _holds(form: Form, call: Seen, arch: str, libc: str) -> bool:
    if form.arch == "absent":
        return call.name not in abi.numbers(arch)
    if form.arch == "ipc":
        return arch in HAS_IPC
    if form.arch == "socketcall":
        return arch == "i386" and libc == "glibc"
    return fits(form.arch, arch) > 0
