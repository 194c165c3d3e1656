"""What a filter answers to what functions do, and what becomes of the functions.

A call that is refused is not yet a function that breaks: libc may do without, or have another way, whose calls are
judged in turn. A call that the filter allows and the kernel does not have is refused too, by the kernel.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from troth import abi
from troth.abi import flags
from troth.abi.seccomp import (
    ACTION_MASK,
    RET_ALLOW,
    RET_ERRNO,
    RET_KILL_PROCESS,
    RET_LOG,
    RET_TRACE,
    RET_USER_NOTIF,
)
from troth.bpf.stack import emulate_stack
from troth.bpf.symbolic import TooLargeError
from troth.libc.forecast.model import LIBC, doings
from troth.libc.forecast.recorded import fate, on_arch, then
from troth.libc.forecast.tables import version_key
from troth.libc.forecast.values import as_call
from troth.libc.probe.facts import Seen
from troth.policy.lift import NotLiftableError, lift
from troth.policy.model import Policy, Rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from troth.bpf.program import Call, Program
    from troth.libc.forecast.model import Doing
    from troth.libc.forecast.systems import System

# What becomes of a function, the better the earlier.
WORKS, FALLS_BACK, DEGRADES, BREAKS = "works", "falls-back", "degrades", "breaks"
ORDER = (WORKS, FALLS_BACK, DEGRADES, BREAKS)

_EFFECTS = {"same": FALLS_BACK, "other": DEGRADES, "fails": BREAKS, "aborts": BREAKS, "hangs": BREAKS}
_DEEPEST = 4  # refusals after refusals; what libcs have is two
_LET_THROUGH = (RET_ALLOW, RET_LOG)
_ASKED = (RET_USER_NOTIF, RET_TRACE)  # somebody else decides, of whom nothing is known here


class Harm(NamedTuple):
    """A refused call of a function: what answered, what the function does then, and how it ends.

    `raw` is the filter's answer, None where the kernel lacks the call. `outcome` is a word of the facts, or `dead`.
    `fallback` is what is called instead, `also` a refusal on that way.
    """

    call: Seen
    raw: int | None
    effect: str
    outcome: str
    result: str
    fallback: tuple[Seen, ...]
    also: Harm | None


class Judge:
    """One filter on one system."""

    def __init__(self, meaning: Policy | Sequence[Program], system: System, *, big_endian: bool) -> None:
        self.meaning = meaning
        self.system = system
        self.big_endian = big_endian
        self._policy: Policy | None = None  # what a program says
        self._answers: dict[Call, int] = {}
        self._since = _since(system.arch)
        self._linux = version_key(system.linux)
        self._errnos = {flags.value(name, system.arch): name for name in ("ENOSYS", "EPERM", "EACCES")}

    def answer(self, call: Call) -> int:
        """What the filter answers to a call."""
        found = self._answers.get(call)
        if found is None:
            if isinstance(self.meaning, Policy):
                found = self.meaning.answer(call)
            else:
                found = emulate_stack(self.meaning, call, big_endian=self.big_endian).raw
            self._answers[call] = found
        return found

    @property
    def policy(self) -> Policy | None:
        """The filter as rules; None where it has none for the architecture, or cannot be said so."""
        if self._policy is None:
            try:
                meaning = self.meaning
                self._policy = meaning if isinstance(meaning, Policy) else lift(meaning, big_endian=self.big_endian)
            except (NotLiftableError, TooLargeError):
                self._policy = Policy({}, RET_KILL_PROCESS, RET_KILL_PROCESS)
        return self._policy if self.system.arch in self._policy.sections else None

    def rules(self, nr: int) -> tuple[Rule, ...] | None:
        """The rules that answer a call of the architecture; None where the filter cannot be said in rules."""
        policy = self.policy
        if policy is None:
            return None
        found = policy.sections[self.system.arch].get(nr)
        if found is None:
            return (Rule((), policy.unlisted(self.system.arch, nr)),)
        return tuple(Rule(*rule) for rule in found)

    def asked(self, seen: Seen) -> int | None:
        """What the filter answers to a call in words; None where the architecture has no such call."""
        call = as_call(seen, self.system.arch, self.system.libc)
        return None if call is None else self.answer(call)

    def has(self, name: str) -> bool:
        """Whether the kernel has a call; it has all where nothing is said of the kernel."""
        return not self._linux or self._since.get(name, ()) <= self._linux

    def harms(self, doing: Doing) -> tuple[Harm, ...]:
        """The calls of a function that are refused."""
        found = (self._harm(doing, call, 0) for call in doing.calls)
        return tuple(harm for harm in found if harm is not None)

    def _harm(self, doing: Doing, call: Seen, depth: int) -> Harm | None:
        raw = self.asked(call)
        if raw is None:
            return None
        if lets_through(raw) or is_asked(raw):
            return None if self.has(call.name) else self._refused(doing, call, None, "ENOSYS", depth)
        if raw & ACTION_MASK != RET_ERRNO:
            return Harm(call, raw, BREAKS, "dead", "", (), None)
        return self._refused(doing, call, raw, self._errnos.get(raw & 0xFFFF, "EPERM"), depth)

    def _refused(self, doing: Doing, call: Seen, raw: int | None, errno: str, depth: int) -> Harm:
        outcome, result, instead = _outcome(doing, call, errno)
        arch = self.system.arch
        fallback = tuple(other for one in instead if (other := on_arch(one, arch, doing.maker)) is not None)
        effect = _EFFECTS[outcome]
        also = None
        if outcome in ("same", "other") and depth < _DEEPEST:
            for one in fallback:
                harm = self._harm(doing, one, depth + 1) if one != call else None
                if harm is not None and ORDER.index(harm.effect) > ORDER.index(effect):
                    effect, also = harm.effect, harm
        return Harm(call, raw, effect, outcome, result or errno, fallback, also)


@lru_cache(maxsize=16)
def _since(arch: str) -> dict[str, tuple[int, ...]]:
    """The kernel that brought each call of an architecture."""
    return {row[1]: version_key(row[2]) for row in abi.table(arch)}


def _outcome(doing: Doing, call: Seen, errno: str) -> tuple[str, str, tuple[Seen, ...]]:
    """What a function does when a call is answered an errno: as it was seen, as is recorded, or it fails.

    Whether another result is as bad as a failure, only somebody who knows the function can say: that is recorded.
    """
    row = fate(doing.maker, doing.version, doing.name, call, errno)
    if doing.case is not None:
        refusal = doing.case.refused(call, errno)
        if refusal is not None:
            worse = refusal.outcome == "other" and row is not None and row.outcome in ("fails", "aborts", "hangs")
            if row is not None and worse:
                return row.outcome, errno, refusal.calls
            return refusal.outcome, refusal.result, refusal.calls
    return ("fails", errno, ()) if row is None else (row.outcome, "", then(row, call))


# What a thread does only if it succeeded when the process started.
_INHERITED = ("rseq",)
# What ends the process in any case: how it says so may change.
_ENDS = ("__assert_fail", "__assert_perror_fail", "__stack_chk_fail", "__chk_fail", "__fortify_fail")


def settled(harm: Harm, doing: Doing, judge: Judge) -> Harm:
    """A refusal, seen in what surrounds the function: how much it matters there.

    What ends the process anyway loses nothing but its last words. What a thread was refused the process may have been
    refused at its start already, and have gone on without: so it is behind a filter that programs are started behind;
    it is not in a program that installs the filter itself.
    """
    if doing.function in _ENDS and harm.effect == BREAKS:
        return harm._replace(effect=DEGRADES)
    in_thread = doing.function == "(thread)" or (doing.case is not None and harm.call in doing.case.elsewhere)
    if harm.call.name not in _INHERITED or not in_thread or harm.outcome == "dead":
        return harm
    started = judge.asked(Seen("execve", ("*", "*", "*")))
    start = doings(judge.system).get((LIBC, "(start)", ""))
    if start is None or started is None or not lets_through(started):
        return harm
    refused = judge.harms(start)
    if worst(refused) == BREAKS or not any(one.call.name == harm.call.name for one in refused):
        return harm
    return harm._replace(effect=DEGRADES, outcome="late")


def lets_through(raw: int) -> bool:
    """Whether an answer has the call executed without asking anybody."""
    return raw & ACTION_MASK in _LET_THROUGH


def is_asked(raw: int) -> bool:
    """Whether somebody else decides about the call."""
    return raw & ACTION_MASK in _ASKED


def weight(harm: Harm) -> int:
    """How bad a refusal is; that a process is killed is worse than that a function fails."""
    last = harm
    while last.also is not None:
        last = last.also
    return 2 * ORDER.index(harm.effect) + (harm.effect == BREAKS and last.outcome in ("dead", "aborts", "hangs"))


def worst(harms: Iterable[Harm]) -> str:
    """What becomes of a function with these refusals."""
    return max((harm.effect for harm in harms), key=ORDER.index, default=WORKS)
