"""Check the two sources of facts against each other: what a function was seen to call, its code must be able to call.

The probe runs the functions, the reach facts are read from the code; neither knows of the other. A call that was seen
and is not within reach is a *miss*: a fault of one of them, or a call that no code of the function makes. `EXPLAINED`
has the latter.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from troth.libc.probe.facts import Case, ProbeFacts
    from troth.libc.reach.facts import ReachFacts
    from troth.libc.reach.reached import Reached

_THREAD: Final = "(thread)"
_CREATE: Final = "pthread_create"
_THREAD_START: Final = "thread-start"  # the group of functions that can start a thread


class Explained(NamedTuple):
    """Misses that are understood: patterns of builds and of functions, calls, and why."""

    builds: str
    functions: str
    calls: frozenset[str]
    why: str


def _row(builds: str, functions: str, calls: str, why: str) -> Explained:
    return Explained(builds, functions, frozenset(calls.split()), why)


# What no code of the function makes: builds; functions; calls; why.
EXPLAINED: Final = (
    _row("*", "*", "rt_sigreturn sigreturn",
         "the kernel returns to it from a handler; no function calls it"),
    _row("*", "syscall", "getpid",
         "the number is the caller's"),
    _row("*", "kill killpg tgkill raise sigqueue pause select sigsuspend sleep", "rt_sigaction",
         "a refused rt_sigreturn returns into whatever function follows it in memory"),
    _row("glibc-*", "dlmopen", "getrandom prlimit64 ugetrlimit set_robust_list set_tid_address",
         "a second copy of libc starts in the new namespace"),
    _row("glibc-2.31", "getaddrinfo getnameinfo gethostby*", "recvfrom sendmmsg setsockopt",
         "libnss_dns asks a name server, by libresolv; libc loads them when the configuration of names says so"),
)  # fmt: skip


class Miss(NamedTuple):
    """A call that was seen and is not within reach; `why` is empty when nobody knows."""

    function: str
    variant: str
    call: str
    why: str


class Checked(NamedTuple):
    """How a build fares: how many calls of cases were seen, which were missed, and which functions have no reach."""

    build: str
    arch: str
    pairs: int
    misses: tuple[Miss, ...]
    unknown: tuple[str, ...]

    @property
    def recall(self) -> float:
        """The share of what was seen that is within reach; what no function calls is not held against either."""
        return 1.0 - sum(not miss.why for miss in self.misses) / max(self.pairs, 1)


def crosscheck(probed: ProbeFacts, reached: ReachFacts) -> Checked:
    """Compare all that the probe saw of a build with what its code can reach."""
    pairs = 0
    misses: list[Miss] = []
    unknown: dict[str, None] = {}
    started = _all(reached.functions[_THREAD]) if _THREAD in reached.functions else frozenset()
    for case in probed.cases.values():
        function = reached.functions.get(case.function)
        if function is None:
            if case.calls:
                unknown.setdefault(case.function)
            continue
        within = _all(function)
        if case.function == _THREAD:  # which the probe sees from its creation on
            within |= _all(reached.functions[_CREATE])
        if _THREAD_START in function.groups:
            within |= started
        for call in _calls(case):
            pairs += 1
            if call not in within:
                row = next((row for row in EXPLAINED if explains(row, probed.build, case.function, call)), None)
                misses.append(Miss(case.function, case.variant, call, row.why if row else ""))
    return Checked(probed.build, probed.arch, pairs, tuple(misses), tuple(unknown))


def _calls(case: Case) -> Iterator[str]:
    """The names of the calls that a case was seen to make, those after a refusal too, each once."""
    then = (call for refusal in case.refusals for call in refusal.calls)
    yield from dict.fromkeys(call.name for call in (*case.calls, *then))


def _all(function: Reached) -> frozenset[str]:
    """Every call within reach. What hides behind socketcall and ipc is named with them there, `socketcall:bind`."""
    return frozenset(call.partition(":")[0] for calls in function.calls.values() for call in calls)


def explains(row: Explained, build: str, function: str, call: str) -> bool:
    """Whether a row is about a miss."""
    return (
        call in row.calls
        and fnmatchcase(build, row.builds)
        and any(fnmatchcase(function, pattern) for pattern in row.functions.split())
    )
