"""What a filter refuses in one way and lets through in a new one.

A filter that names what it forbids has a hole when libc, or the kernel, finds another call for it: chmod(2) with
S_ISUID forbidden, fchmodat2 let through. A filter that names what it allows has none of these, except in the calls
that it judges by their arguments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from troth import abi
from troth.abi import words
from troth.abi.seccomp import RET_KILL_PROCESS
from troth.bpf.program import Call
from troth.families import resolve
from troth.libc.forecast.judge import lets_through
from troth.libc.forecast.moving import members
from troth.policy.callset import CallSet
from troth.policy.expr import ALWAYS
from troth.policy.model import Policy
from troth.proof import always, never

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from troth.families import Resolved
    from troth.libc.forecast.judge import Judge
    from troth.libc.forecast.model import Doing

_NOBODY = 0x0FFF  # a number that no call has


def slips(doing: Doing, earlier: Sequence[Doing], before: Judge, after: Judge) -> list[tuple[str, str]]:
    """Calls of a function that are let through, each with the refused one of its family that it takes the place of."""
    mine = {call.name for call in doing.calls}
    old = {call.name: call for one in earlier for call in one.calls}
    found: list[tuple[str, str]] = []
    fresh = [call for call in doing.calls if call.name not in old]
    for call in fresh:
        raw = after.asked(call)
        family = members(after.system.arch).get(call.name)
        if raw is None or not lets_through(raw) or family is None or not after.has(call.name):
            continue
        for name, one in old.items():
            of = members(before.system.arch).get(name)
            if name in mine or of is None or of[0] != family[0]:
                continue
            was = before.asked(one)
            if was is not None and not lets_through(was) and _deliberately(before, name):
                found.append((call.name, name))
                break
    return found


def _deliberately(judge: Judge, name: str) -> bool:
    """Whether a filter means to refuse a call: it lets through what it does not know, or some of these calls."""
    arch = abi.arch(judge.system.arch)
    default = judge.answer(Call(arch.audit, arch.nr_mask_bit | _NOBODY))
    return lets_through(default) or _sometimes(judge, name, through=True) is not None


def _sometimes(judge: Judge, name: str, *, through: bool) -> Call | None:
    """A call of this name that is let through, or that is not; None when there is none, or none can be found."""
    arch = judge.system.arch
    nr = abi.numbers(arch)[name]
    rules = judge.rules(nr)
    if rules is None:
        return None
    if not rules[0].conds:
        return Call(abi.arch(arch).audit, nr) if lets_through(rules[0].answer) is through else None
    # Nothing but this call: the answer is the same, and found in no time.
    alone = Policy({arch: {nr: rules}}, RET_KILL_PROCESS, RET_KILL_PROCESS)
    asked = CallSet(name, arch, {nr: ALWAYS})
    result = (never if through else always)(alone, asked, big_endian=judge.big_endian)
    return result.witness.call if result.witness is not None else None


def new_ways(before: Judge, after: Judge, fresh: Collection[str]) -> Iterable[tuple[str, str, str, int]]:
    """New calls that do, let through, what the filter refuses in an older call of the family.

    New are those that only the new kernel has, and `fresh`, those that only the new libc makes. Gives the call, the
    older one that is refused, an example of the new one in words, and the older one's answer.
    """
    arch = after.system.arch
    for family in resolve(arch).values():
        new = [one for one in family if after.has(one.name) and (one.name in fresh or not before.has(one.name))]
        known = [one for one in family if one not in new and before.has(one.name)]
        for one in new:
            for other in known:
                found = _shown(after, one, other)
                if found is not None:
                    yield one.name, other.name, *found
                    break


def _shown(judge: Judge, fresh: Resolved, known: Resolved) -> tuple[str, int] | None:
    """A refused call and the new call with the same roles, where that is let through."""
    refused = _sometimes(judge, known.name, through=False)
    if refused is None or not _deliberately(judge, known.name):
        return None
    args = [0] * 6
    for role, place in fresh.roles.items():
        if role in known.roles:
            args[place] = refused.args[known.roles[role]]
    call = Call(refused.arch, fresh.nr, tuple(args))
    raw = judge.answer(call)
    if not lets_through(raw):
        return None
    shown = [
        words.argument(judge.system.arch, fresh.name, place, args[place]) if place in fresh.roles.values() else "*"
        for place in range(len(abi.syscall(judge.system.arch, fresh.name).args))
    ]
    return f"{fresh.name}({', '.join(shown)})", judge.answer(refused)
