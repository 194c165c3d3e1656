"""The smallest change of a filter that lets a function work again, and the proof that it widens nothing.

Tried in this order, each by judging the function under the changed filter:

- another *no*: ENOSYS for a call that libc can do without, EINVAL for a value that an older kernel would not know;
- a *yes* of equal power: the call answered as another call of its family is, its arguments compared role by role; or a
  value answered as one that gives no less power (`timeline-twins.txt`).

A changed filter lets nothing more through if every call that it newly allows does what some allowed call of the family
does with the same roles. That is proved: the new rules are put in the place of the old call's, role by role, and
`troth.proof` shows that the original lets all of it through.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from troth import abi
from troth._value import Value
from troth.abi import flags, words
from troth.abi.seccomp import RET_ERRNO, RET_KILL_PROCESS
from troth.families import resolve
from troth.families._table import FAMILIES
from troth.libc.forecast import judge as judging
from troth.libc.forecast.moving import members
from troth.libc.forecast.recorded import VALUES
from troth.libc.forecast.tables import forms, twins
from troth.libc.forecast.values import as_call
from troth.policy.expr import ALWAYS, NEVER, All, Any, Not, Within, among
from troth.policy.model import Policy, Rule
from troth.promises._table import ROWS
from troth.proof import subset

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from troth.families import Resolved
    from troth.libc.forecast.judge import Harm, Judge
    from troth.libc.forecast.model import Doing
    from troth.libc.probe.facts import Seen
    from troth.policy.expr import Expr

    Rules = tuple[Rule, ...]
    # What becomes of an argument: another argument, or a value that it always has.
    Places = Mapping[int, tuple[str, int]]

_ARG, _FIXED = "argument", "value"


class Fix(Value):
    """A change of a filter: what to do in `words`, and whether it is proved to let nothing more through.

    `amended` is the changed filter, None where nothing but words can be given.
    """

    __slots__ = ("words", "kind", "proved", "amended")
    words: str
    kind: str
    proved: bool
    amended: Policy | None
    _defaults = {"amended": None}


def fix(judge: Judge, ways: Sequence[Doing], harm: Harm, culprit: Harm) -> Fix | None:
    """The first change that lets a function work; where none is safe, the one that would, with what it opens.

    `ways` are the ways to use the function that broke; `culprit` is the refusal to mend: the harm itself, or one on the
    way that the function takes instead.
    """
    if culprit.raw is None:
        return None
    policy = judge.policy
    if policy is not None:
        for found in _candidates(judge, policy, culprit):
            assert found.amended is not None
            if _works(judge, found.amended, ways, harm):
                return found
    return Fix(_advice(judge, culprit.call), "widens", False)


def _candidates(judge: Judge, policy: Policy, culprit: Harm) -> Iterable[Fix]:
    yield from _other_no(judge, policy, culprit)
    yield from _as_twin(judge, policy, culprit.call)
    yield from _as_sibling(judge, policy, culprit.call)


def _works(judge: Judge, amended: Policy, ways: Sequence[Doing], harm: Harm) -> bool:
    """Whether a function gets on under a changed filter in every way to use it, as far as this call is concerned."""
    changed = judging.Judge(amended, judge.system, big_endian=judge.big_endian)
    left = [one for doing in ways for one in changed.harms(doing) if one.call.name == harm.call.name]
    return judging.worst(left) in (judging.WORKS, judging.FALLS_BACK)


def _other_no(judge: Judge, policy: Policy, culprit: Harm) -> Iterable[Fix]:
    """Refusals that libc can live with."""
    arch, call = judge.system.arch, culprit.call
    nr = abi.numbers(arch)[call.name]
    rules = _rules(policy, arch, nr)
    assert culprit.raw is not None
    place = VALUES.get(call.name)
    if place is None or not any(_spares(rule.answer) for rule in rules):
        answer = RET_ERRNO | flags.value("ENOSYS", arch)
        if culprit.raw != answer:
            changed = tuple(rule if _spares(rule.answer) else Rule(rule.conds, answer) for rule in rules)
            text = f"answer `{call.name}` with `ERRNO(ENOSYS)` in place of `{words.answer(culprit.raw, arch)}`"
            yield Fix(text, "errno", True, _with(policy, arch, nr, changed))
    if place is None:
        return
    asked = as_call(call, arch, judge.system.libc)
    if asked is not None and len(call.args) > place:
        answer = RET_ERRNO | flags.value("EINVAL", arch)
        when = among(place, (asked.args[place],), width=_width(arch, nr, place))
        text = f"answer `{call.name}` with `ERRNO(EINVAL)` where {_argument(arch, nr, place)} is `{call.args[place]}`"
        yield Fix(text, "errno", True, _with(policy, arch, nr, (Rule((when,), answer), *rules)))


def _as_twin(judge: Judge, policy: Policy, call: Seen) -> Iterable[Fix]:
    """The value answered as one that gives no less power."""
    arch = judge.system.arch
    nr = abi.numbers(arch)[call.name]
    place = VALUES.get(call.name)
    if place is None or len(call.args) <= place:
        return
    for twin in twins():
        if twin.call != call.name.removesuffix("2") or twin.value not in call.args[place].split("|"):
            continue
        other = call.args[place].replace(twin.value, twin.as_)
        new, old = (words.constant(word, arch) for word in (call.args[place], other))
        rules = _rules(policy, arch, nr)
        known = tuple(_mapped(rule, {place: (_FIXED, old)}) for rule in rules)
        if None in known:
            continue
        # As wide as the kernel reads the argument; or as the filter does.
        for width in dict.fromkeys((_width(arch, nr, place), 64)):
            fresh, there = (_where(place, value, width, known) for value in (new, old))
            # What the value is answered, put in the place of its twin's answer: nothing that is not let through there.
            if _narrower(arch, nr, (*there, *rules), rules, judge):
                text = f"allow `{call.name}` with `{call.args[place]}` as it is allowed with `{other}`"
                yield Fix(text, "allow", True, _with(policy, arch, nr, (*fresh, *rules)))
                break


def _where(place: int, value: int, width: int, rules: Iterable[Rule | None]) -> Rules:
    """Rules for one value of an argument."""
    when = among(place, (value,), width=width)
    return tuple(Rule((when, *rule.conds), rule.answer) for rule in rules if rule is not None)


def _as_sibling(judge: Judge, policy: Policy, call: Seen) -> Iterable[Fix]:
    """The call answered as another one of its family."""
    arch = judge.system.arch
    known = members(arch).get(call.name)
    if known is None:
        return
    family, mine = known
    for other in resolve(arch)[family]:
        if other.name == mine.name or not judge.has(other.name):
            continue
        there = _rules(policy, arch, other.nr)
        if not any(_spares(rule.answer) for rule in there):
            continue
        now = _rules(policy, arch, mine.nr)
        tested = _tested_roles(policy, arch, family)
        fresh = _translated(arch, family, mine, other, there, now[-1].answer, tested)
        if fresh is None:
            continue
        back = tuple(_mapped(rule, _back(arch, mine, other)) for rule in fresh)
        if None in back or not _narrower(arch, other.nr, tuple(rule for rule in back if rule), there, judge):
            continue
        text = f"allow `{call.name}` as `{other.name}` is allowed" + _bounds(arch, mine, other, fresh, there)
        yield Fix(text, "allow", True, _with(policy, arch, mine.nr, fresh))


def _bounds(arch: str, mine: Resolved, other: Resolved, fresh: Rules, there: Rules) -> str:
    """The values that roles must have which the other call has not got, in words."""
    if len(fresh) == len(there):
        return ""
    implied = _implied(arch, mine, other)
    told = [
        f"`{role} == {words.argument(arch, mine.name, place, implied[role])}`"
        for role, place in mine.roles.items()
        if role not in other.roles
    ]
    return ", where " + " and ".join(told)


def _translated(
    arch: str, family: str, mine: Resolved, other: Resolved, there: Rules, answer: int, tested: frozenset[str]
) -> Rules | None:
    """Another call's rules for this one, compared role by role; None where a condition has no counterpart.

    A role with power that the other call has not got must have the value that it always has there.
    """
    places: dict[int, tuple[str, int]] = {}
    for role, place in other.roles.items():
        places[place] = (_ARG, mine.roles[role]) if role in mine.roles else (_FIXED, mine.fixed.get(role, 0))
    implied = _implied(arch, mine, other)
    if any(role in mine.opaque for role in other.roles):
        return None
    extra = []
    for role, place in mine.roles.items():
        if role not in other.roles and ((family, role) in _POWER or role in tested):
            if role in other.opaque:
                return None
            extra.append(among(place, (implied[role],), width=_width(arch, mine.nr, place)))
    if any(role in _powers(family) | tested for role in mine.opaque):
        return None
    found = []
    for rule in there:
        mapped = _mapped(rule, places)
        if mapped is None:
            return None
        found.append(mapped if _spares(rule.answer) else Rule(mapped.conds, answer))
    if not extra:
        return tuple(found)
    guard = Rule((Not(All(tuple(extra))),), answer)
    return (guard, *found)


def _implied(arch: str, mine: Resolved, other: Resolved) -> dict[str, int]:
    """The values of this call's roles that make it do what the other call, which has not got them, always does."""
    found = {role: other.fixed.get(role, 0) for role in mine.roles}
    for form in forms().get(other.name, ()):
        becomes = form.becomes
        if becomes is not None and becomes.name == mine.name:
            for role, place in mine.roles.items():
                if place < len(becomes.args) and becomes.args[place] not in form.call.args:
                    found[role] = words.constant(becomes.args[place], arch) if becomes.args[place] != "*" else 0
    return found


def _back(arch: str, mine: Resolved, other: Resolved) -> Places:
    """Where the arguments of this call are in the other."""
    implied = _implied(arch, mine, other)
    return {
        place: (_ARG, other.roles[role]) if role in other.roles else (_FIXED, implied[role])
        for role, place in mine.roles.items()
    }


# Roles on whose value it depends what a call may do: those that some promise looks at.
_POWER = frozenset((row[0], test[0]) for row in ROWS for test in row[3])


def _powers(family: str) -> frozenset[str]:
    return frozenset(role for name, role in _POWER if name == family)


def _tested_roles(policy: Policy, arch: str, family: str) -> frozenset[str]:
    """The roles of a family that a filter looks at in any of its calls."""
    found = set()
    for member in resolve(arch)[family]:
        tested = {arg for rule in _rules(policy, arch, member.nr) for cond in rule.conds for arg in _arguments(cond)}
        found |= {role for role, place in member.roles.items() if place in tested}
    return frozenset(found)


def _narrower(arch: str, nr: int, new: Rules, old: Rules, judge: Judge) -> bool:
    """Whether the old rules let through all that the new ones do: proved, on nothing but this call."""
    ends = new if not new[-1].conds else (*new, Rule((), RET_KILL_PROCESS))
    one, other = (Policy({arch: {nr: rules}}, RET_KILL_PROCESS, RET_KILL_PROCESS) for rules in (ends, old))
    return bool(subset(one, other, big_endian=judge.big_endian))


def _rules(policy: Policy, arch: str, nr: int) -> Rules:
    found = policy.sections[arch].get(nr)
    return (Rule((), policy.unlisted(arch, nr)),) if found is None else tuple(Rule(*rule) for rule in found)


def _with(policy: Policy, arch: str, nr: int, rules: Rules) -> Policy:
    """A policy with other rules for one call."""
    return policy.replace(sections={**policy.sections, arch: {**policy.sections[arch], nr: rules}})


def _mapped(rule: Rule, places: Places) -> Rule | None:
    """A rule whose conditions are on other arguments; None where one is on an argument that has no place there."""
    conds = []
    for cond in rule.conds:
        mapped = _moved(cond, places)
        if mapped is None:
            return None
        if mapped != ALWAYS:
            conds.append(mapped)
    return Rule(tuple(conds), rule.answer)


def _moved(cond: Expr, places: Places) -> Expr | None:
    if isinstance(cond, All | Any):
        terms = [_moved(term, places) for term in cond.terms]
        return None if None in terms else type(cond)(tuple(term for term in terms if term is not None))
    if isinstance(cond, Not):
        inner = _moved(cond.term, places)
        return None if inner is None else Not(inner)
    test = _plain(cond)
    if test.arg not in places:
        return None
    kind, value = places[test.arg]
    if kind == _ARG:
        return test.replace(arg=value)
    masked = value & ((1 << test.width) - 1) & test.mask
    return ALWAYS if any(first <= masked <= last for first, last in test.ranges) else NEVER


def _plain(cond: Expr) -> Within:
    """A comparison as a set of numbers."""
    if isinstance(cond, Within):
        return cond
    assert isinstance(cond, tuple)
    arg, mask, values, negate, wide = cond
    width = 64 if wide else 32
    test = among(arg, values, mask=mask, width=width)
    if negate:
        from troth.policy.expr import complement

        test = test.replace(ranges=complement(test.ranges, (1 << width) - 1))
    return test


def _arguments(cond: Expr) -> Iterable[int]:
    if isinstance(cond, All | Any):
        for term in cond.terms:
            yield from _arguments(term)
    elif isinstance(cond, Not):
        yield from _arguments(cond.term)
    else:
        yield _plain(cond).arg


def _spares(answer: int) -> bool:
    """Whether an answer is no refusal."""
    return judging.lets_through(answer) or judging.is_asked(answer)


def _width(arch: str, nr: int, place: int) -> int:
    from troth.policy.arguments import arguments

    return arguments(arch, nr)[place].width


def _argument(arch: str, nr: int, place: int) -> str:
    from troth.policy.arguments import arguments

    return f"`{arguments(arch, nr)[place].name}`"


def _advice(judge: Judge, call: Seen) -> str:
    """What would mend it, and what that opens."""
    known = members(judge.system.arch).get(call.name)
    meaning = next((text for name, text, _ in FAMILIES if known and name == known[0]), "")
    opens = meaning[:1].lower() + meaning[1:].rstrip(".")  # as the table of families has it
    place = VALUES.get(call.name)
    value = f" with `{call.args[place]}`" if place is not None and len(call.args) > place else ""
    return f"allow `{call.name}`{value}" + (f", which opens more: {opens}" if opens else "")
