"""What an upgrade changes under a filter: the findings.

A function is judged on both systems. What is refused after the upgrade, and was not before, is a finding; so is what
was refused before and slips through after. What the filter refused all along is not the upgrade's doing: a call that
takes the place of a refused one is passed over, and so are further refusals of a function that did not work before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from troth._value import Value
from troth.abi import words
from troth.libc.forecast import bypass, mend
from troth.libc.forecast.imported import Imports
from troth.libc.forecast.judge import BREAKS, FALLS_BACK, ORDER, Judge, settled, weight, worst
from troth.libc.forecast.model import LIBC, Doing, Key, doings, recorded_words
from troth.libc.forecast.model import doing as doing_of
from troth.libc.forecast.moving import members
from troth.libc.forecast.recorded import recorded_change
from troth.libc.forecast.systems import between
from troth.libc.forecast.values import as_call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from troth.bpf.program import Program
    from troth.libc.forecast.judge import Harm
    from troth.libc.forecast.systems import System
    from troth.libc.probe.facts import Seen
    from troth.policy.model import Policy

    Meaning = Policy | Sequence[Program]

BYPASS = "bypass"

# Variants that only a setting brings about (glibc.malloc.hugetlb, glibc.elf.thp, glibc.mem.decorate_maps), or linking.
SETTINGS = ("huge-pages", "decorated-maps", "static")

_MOMENTS = tuple((name, "") for name in ("(start)", "(exit)"))
# What a kernel, or a machine, may do although the old one never did.
NO_VDSO: Key = ("linux", "(no vDSO)", "")
MAY_BE = (NO_VDSO, ("linux", "(resumed call)", ""))


class Finding(Value):
    """One function that an upgrade changes under a filter.

    `calls` are what it calls after the upgrade, `call` the one that is answered `answer` (words; empty where the kernel
    lacks it). `effect` is `breaks`, `degrades`, `falls-back` or `bypass`, `outcome` what the function does, in words.
    `since` names the release that brought it, `evidence` what the forecast rests on, `fix` the change that mends it.
    `every_use` is whether all known uses of the function break: a program that calls it then surely meets it.
    """

    __slots__ = (
        "maker",
        "function",
        "variant",
        "calls",
        "call",
        "answer",
        "effect",
        "outcome",
        "since",
        "evidence",
        "fix",
        "every_use",
    )
    maker: str
    function: str
    variant: str
    calls: tuple[str, ...]
    call: str
    answer: str
    effect: str
    outcome: str
    since: str
    evidence: tuple[str, ...]
    fix: mend.Fix | None
    every_use: bool
    _defaults = {"fix": None, "every_use": True}

    @property
    def optional(self) -> bool:
        """Whether it happens only with a setting that is off by default, or in a static program."""
        return self.variant in SETTINGS


class Forecast(NamedTuple):
    """What was found: `judged` functions in all, `refused_before` of which did not work before either.

    `old` is None where the new system was judged by itself.
    """

    old: System | None
    new: System
    findings: tuple[Finding, ...]
    judged: int
    refused_before: int

    @property
    def breaks(self) -> bool:
        """Whether something stops working, or slips through."""
        return any(finding.effect in (BREAKS, BYPASS) and not finding.optional for finding in self.findings)

    @property
    def breaks_every_use(self) -> bool:
        """Whether a function stops working however it is used, or something slips through."""
        return any(
            finding.effect in (BREAKS, BYPASS) and finding.every_use and not finding.optional
            for finding in self.findings
        )


def forecast(
    old_filter: Meaning,
    new_filter: Meaning,
    old: System | None,
    new: System,
    *,
    big_endian: tuple[bool, bool] = (False, False),
    imports: Iterable[str] | None = None,
) -> Forecast:
    """Say what breaks under a filter when a system becomes another one.

    The two filters are the same one as it is installed on each system. Without an old system, everything that does not
    work on the new one is a finding. With `imports`, names of functions (or `name@VERSION`, as a program asks for it),
    only those and what every program does are judged. `big_endian` is the byte order of either system.
    """
    after = Judge(new_filter, new, big_endian=big_endian[1])
    before = after if old is None else Judge(old_filter, old, big_endian=big_endian[0])
    was, now = _selected(old, new, imports)
    functions = _by_function(was)
    history = _History(before, after)
    found: list[Finding] = []
    harmed: dict[tuple[str, str, str], list[tuple[Key, Doing, Harm]]] = {}
    refused_before = 0
    for key, doing in now.items():
        plain = was.get(key) or was.get((*key[:2], ""))  # a variant that is new has taken the plain one's place
        earlier = functions.get(key[:2], []) if plain is None else [plain]
        if old is not None and not earlier and _unheard_of(doing, key, imports is not None):
            continue
        if earlier and all(one.fails for one in earlier) and not doing.fails:
            continue  # it did not work without a filter either
        harms = [settled(harm, doing, after) for harm in after.harms(doing)]
        old_harms = [harm for one in earlier for harm in before.harms(one)]
        works = worst(old_harms) != BREAKS
        refused_before += not works
        for harm in harms:
            if harm.raw is None and harm.also is None:
                continue  # the kernel lacks it, and libc has another way: as it is without a filter
            if not _is_new(harm, old_harms) or not _is_of_the_upgrade(harm, doing, earlier, old_harms, before, after):
                continue
            harmed.setdefault((*key[:2], harm.call.name), []).append((key, doing, harm))
        slipped = bypass.slips(doing, earlier, before, after)
        for call, instead in slipped:
            found.append(_bypass(key, doing, call, instead, history.first_made(key, call), before, after))
    broken = {key for some in harmed.values() for key, _, harm in some if harm.effect == BREAKS}
    uses = _by_function(now)
    for some in harmed.values():
        menders: dict[object, mend.Fix | None] = {}
        ways = [doing for _, doing, _ in some]  # that worked before: what mends one is to mend all
        for key, doing, harm in some:
            fix = _mended(menders, after, ways, harm)
            known = [one for one in uses[key[:2]] if one.variant not in SETTINGS and not one.fails]
            # Every process has its moments, whose plain row is what happens in each of them.
            every_use = key[1:] in _MOMENTS or all((*key[:2], one.variant) in broken for one in known)
            found.append(_finding(key, doing, harm, history.since(key, harm), after, fix, every_use=every_use))
    told = {finding.call.partition("(")[0] for finding in found if finding.effect == BYPASS}
    found += () if old is None else _new_ways(before, after, history, told)
    order = (*reversed(ORDER[1:]), BYPASS)
    found.sort(key=lambda one: (order.index(one.effect), one.call, one.maker, one.function, one.variant))
    return Forecast(old, new, tuple(found), len(now), refused_before)


def _by_function(some: Mapping[Key, Doing]) -> dict[tuple[str, str], list[Doing]]:
    found: dict[tuple[str, str], list[Doing]] = {}
    for (maker, function, _), doing in some.items():
        found.setdefault((maker, function), []).append(doing)
    return found


def _unheard_of(doing: Doing, key: Key, imported: bool) -> bool:
    """Whether a function that the old system lacks is used by no program that worked there.

    A program that imports it says otherwise; of what is only read from code it is not known whether the old one had it.
    """
    if key[0] != LIBC or key[1].startswith("("):
        return False
    return not imported or doing.evidence[-1].startswith("reach")


def _selected(
    old: System | None, new: System, imports: Iterable[str] | None
) -> tuple[dict[Key, Doing], dict[Key, Doing]]:
    """What is done on either system, as far as it is asked about."""
    was, now = (dict(_asked_about(system, imports)) if system else {} for system in (old, new))
    for key in MAY_BE:
        was.pop(key, None)
        moves = old is None or (old.linux, old.arch) != (new.linux, new.arch) or (key == NO_VDSO and not new.vdso)
        if not moves:
            now.pop(key, None)
    return was, now


def _asked_about(system: System, imports: Iterable[str] | None) -> Iterator[tuple[Key, Doing]]:
    if imports is None:
        yield from doings(system).items()
        return
    asked = Imports.of(imports)
    for key, doing in doings(system).items():
        if asked.wants(key):
            yield key, asked.as_imported(doing, system.arch)


def _is_new(harm: Harm, old_harms: Sequence[Harm]) -> bool:
    """Whether a call is refused now, or refused to worse effect."""
    same = [one for one in old_harms if one.call == harm.call or (one.call.name, one.raw) == (harm.call.name, harm.raw)]
    return all(weight(one) < weight(harm) for one in same)


def _is_of_the_upgrade(
    harm: Harm, doing: Doing, earlier: Sequence[Doing], old_harms: Sequence[Harm], before: Judge, after: Judge
) -> bool:
    """Whether it is the upgrade that stops the function.

    Not so where the call takes the place of one that was refused already. A function that did not work before can
    still lose what took the call's place; beyond that its refusals are nobody's loss.
    """
    own = _family(harm.call, after.system.arch)
    gone = {call.name for one in earlier for call in one.calls} - {call.name for call in doing.calls}
    for one in old_harms:
        replaced = one.call.name in gone or one.call.name == harm.call.name
        if replaced and one.effect == BREAKS and _family(one.call, before.system.arch) == own:
            return weight(one) < weight(harm)
    if worst(old_harms) != BREAKS or harm.effect != BREAKS:
        return worst(old_harms) != BREAKS
    return any(
        _family(call, before.system.arch) == own and before.harms(one._replace(calls=(call,))) == ()
        for one in earlier
        for call in one.calls
        if call != harm.call
    )


def _family(call: Seen, arch: str) -> str:
    """The family of a call; of one that goes through another, its own."""
    name = call.name
    if name in ("socketcall", "ipc") and call.args:
        name = call.args[0].removeprefix("SYS_").lower()
    found = members(arch).get(name) or members("x86_64").get(name)
    return found[0] if found else name


class _History:
    """In which release between two systems something came to be."""

    def __init__(self, before: Judge, after: Judge) -> None:
        self._before = before
        self._after = after
        self._known: dict[object, str] = {}

    def since(self, key: Key, harm: Harm) -> str:
        """The release since which a function is refused a call to this effect."""
        return self._first((key, harm.call.name, harm.effect), key, lambda judge, doing: any(
            one.call.name == harm.call.name and ORDER.index(one.effect) >= ORDER.index(harm.effect)
            for one in judge.harms(doing)
        ))  # fmt: skip

    def first_made(self, key: Key, call: str) -> str:
        """The release since which a function makes a call."""
        return self._first((key, call), key, lambda _, doing: any(one.name == call for one in doing.calls))

    def had(self, call: str) -> str:
        """The kernel since which there is a call."""
        old, new = self._before.system.linux, self._after.system.linux
        return next(
            (
                f"linux-{v}"
                for v in between("linux", old, new)
                if self._on(self._after.system.replace(linux=v)).has(call)
            ),
            "",
        )

    def _first(self, what: object, key: Key, holds: Callable[[Judge, Doing], bool]) -> str:
        if what not in self._known:
            steps = self._steps(key[0])
            self._known[what] = next((name for name, judge in steps if _holds_for(judge, key, holds)), "")
        return self._known[what]

    def _steps(self, kind: str) -> Iterable[tuple[str, Judge]]:
        """The systems on the way, each with what moved last, which is step by step what makes the function's calls."""
        old, new = self._before.system, self._after.system
        if old.arch != new.arch:
            yield new.arch, self._on(old.replace(arch=new.arch))
        if kind == LIBC:
            (was, _, first), (maker, _, last) = old.libc.partition("-"), new.libc.partition("-")
            if was != maker:
                yield maker, self._after
            elif first != last:
                for version in between(maker, first, last):
                    yield f"{maker}-{version}", self._on(new.replace(libc=f"{maker}-{version}"))
        elif kind != "linux":
            versions = dict(old.others).get(kind, ""), dict(new.others).get(kind, "")
            for version in between(kind, *versions) if versions[0] != versions[1] else ():
                others = tuple((m, version if m == kind else v) for m, v in new.others)
                yield f"{kind}-{version}", self._on(new.replace(others=others))
        if old.linux != new.linux:
            for version in between("linux", old.linux, new.linux):
                yield f"linux-{version}", self._on(new.replace(linux=version))

    def _on(self, system: System) -> Judge:
        if system == self._after.system:
            return self._after
        return Judge(self._after.meaning, system, big_endian=self._after.big_endian)


def _holds_for(judge: Judge, key: Key, holds: Callable[[Judge, Doing], bool]) -> bool:
    """Whether something holds for a function on a system; not where the system lacks the function."""
    found = doing_of(judge.system, key)
    return found is not None and holds(judge, found)


def _mended(menders: dict[object, mend.Fix | None], judge: Judge, ways: Sequence[Doing], harm: Harm) -> mend.Fix | None:
    if harm.effect == FALLS_BACK:
        return None
    culprit = harm
    while culprit.also is not None and culprit.also.raw is not None:
        culprit = culprit.also
    key = culprit.call
    if key not in menders:
        menders[key] = mend.fix(judge, ways, harm, culprit)
    return menders[key]


def _finding(
    key: Key, doing: Doing, harm: Harm, since: str, judge: Judge, fix: mend.Fix | None, *, every_use: bool
) -> Finding:
    refused = harm
    # It is not the kernel's lack that a filter can mend, but what it refuses on the other way.
    while refused.raw is None and refused.also is not None:
        refused = refused.also
    answer = "" if refused.raw is None else words.answer(refused.raw, judge.system.arch)
    return Finding(
        doing.maker, doing.function, doing.variant, tuple(map(str, doing.calls)), str(refused.call), answer,
        harm.effect, outcome_words(harm, judge.system.arch), since, _evidence(doing, refused.call, since), fix,
        every_use,
    )  # fmt: skip


def _evidence(doing: Doing, call: Seen, since: str) -> tuple[str, ...]:
    """What a finding rests on: the change on record, and where the function was seen."""
    told = recorded_change(doing.maker, since.partition("-")[2], doing.name, call)
    return tuple(dict.fromkeys((*(recorded_words(row) for row in told), *doing.evidence)))


def outcome_words(harm: Harm, arch: str) -> str:
    """What a function does when it is refused a call."""
    instead = ", ".join(f"`{call.name}`" for call in harm.fallback)
    also = ""
    if harm.also is not None:
        answer = "the kernel lacks" if harm.also.raw is None else words.answer(harm.also.raw, arch)
        also = f", but `{harm.also.call}` is answered {answer}"
        if harm.also.outcome not in ("dead", "fails"):
            also += f" and it {harm.also.outcome}"
    if harm.raw is None:
        return f"uses {instead}, as the kernel lacks `{harm.call.name}`{also}"
    if harm.outcome == "dead":
        return "is killed" if words.answer(harm.raw or 0, arch).startswith("KILL") else "is sent SIGSYS"
    if harm.outcome == "same":
        return f"uses {instead} instead{also}" if instead else f"does without{also}"
    if harm.outcome == "other":
        return f"goes on with another result{f' ({harm.result})' if harm.result.isdigit() else ''}{also}"
    if harm.outcome == "late":
        return "aborts the process if it had no filter when it started, and does without if it had"
    return {"fails": f"fails with {harm.result}", "aborts": "aborts the process", "hangs": "hangs"}[harm.outcome]


def _bypass(key: Key, doing: Doing, call: str, instead: str, since: str, before: Judge, after: Judge) -> Finding:
    made = next(str(one) for one in doing.calls if one.name == call)
    old = next(one for one in doing_calls(before, key) if one.name == instead)
    asked = as_call(old, before.system.arch, before.system.libc)
    answer = "" if asked is None else words.answer(before.answer(asked), before.system.arch)
    return Finding(
        doing.maker, doing.function, doing.variant, tuple(map(str, doing.calls)), made, "ALLOW", BYPASS,
        f"was answered {answer} as `{old}`, and is let through now", since, doing.evidence,
        mend.Fix(f"answer `{call}` as `{instead}` is answered", "", True),
    )  # fmt: skip


def doing_calls(judge: Judge, key: Key) -> Iterable[Seen]:
    """The calls of a function on a system, of any variant where this one is not there."""
    known: Mapping[Key, Doing] = doings(judge.system)
    if key in known:
        return known[key].calls
    return [call for other, doing in known.items() if other[:2] == key[:2] for call in doing.calls]


def _new_ways(before: Judge, after: Judge, history: _History, told: set[str]) -> list[Finding]:
    """Calls that the new kernel has, or the new libc makes, that do what the filter refuses in an older one."""
    known, used = (
        {call.name: key for key, doing in doings(judge.system).items() for call in doing.calls}
        for judge in (before, after)
    )
    found = []
    for name, guarded, call, answer in bypass.new_ways(before, after, used.keys() - known.keys()):
        if name in told:
            continue
        key = used.get(name, ("linux", f"({name})", ""))
        since = history.had(name) if before.has(name) is not after.has(name) else history.first_made(key, name)
        words_ = words.answer(answer, after.system.arch)
        source = f"{since or after.system} has `{name}`"
        fix = mend.Fix(f"answer `{name}` with `ERRNO(ENOSYS)`", "errno", True)
        outcome = f"does what `{guarded}` is answered {words_} for"
        found.append(Finding(key[0], key[1], key[2], (call,), call, "ALLOW", BYPASS, outcome, since, (source,), fix))
    return found
