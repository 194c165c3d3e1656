"""Promises to policy: interpret the table for one architecture, setting and identity.

The table's rows are OR-ed and the conditions of a row AND-ed; a row whose condition hides behind
a member's pointer does not apply to that member. What no row allows gets, in this order, the
table's soft answer, ENOSYS when a pointer hides what was asked, or the violation's answer.
"""

from __future__ import annotations

from troth import abi
from troth.abi import flags
from troth.abi.seccomp import RET_ALLOW
from troth.errors import BugError
from troth.families import resolve
from troth.families._table import SOLITARY
from troth.families.resolve import constant
from troth.policy.model import Cond, Policy, Rule, errno_answer, simplify
from troth.promises._table import ANSWERS, ROWS, SINCE
from troth.promises._words import ALWAYS, EVERYTHING
from troth.promises.knowledge import EVERYTHING_KNOWN
from troth.promises.setting import Identity, Setting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from troth.families import Resolved
    from troth.promises.knowledge import Knowledge

    Test = tuple[str, str, str, str]
    # What a row gives a family: its tests, and the members that may hide them (`name` or `name@arch`).
    Payment = tuple[tuple[Test, ...], tuple[str, ...]]

_LOW: Final = 0xFFFFFFFF


def payments(promises: int, when: dict[str, bool], knowledge: Knowledge = EVERYTHING_KNOWN) -> dict[str, list[Payment]]:
    """The rows that these promises pay for, by family; an unconditional one stands alone."""
    held = promises | ALWAYS
    paid: dict[str, list[Payment]] = {}
    for row in ROWS:
        family, needs, also, tests, where, only = row
        if held & needs and also & held == also and when[where] and knowledge.met(SINCE.get(row, "")):
            if not tests and not only:
                paid[family] = [((), ())]
            elif paid.get(family) != [((), ())]:
                paid.setdefault(family, []).append((tests, only))
    return paid


def expand(
    promises: int,
    arches: tuple[str, ...],
    setting: Setting,
    identity: Identity,
    *,
    violation: int,
    knowledge: Knowledge = EVERYTHING_KNOWN,
) -> Policy:
    """Say for every call of these architectures what it is answered under these promises.

    `violation` is the answer to a known call that was not promised. A number that the tables do not
    know answers ENOSYS, a call of another architecture kills the process: nothing that was promised
    can make one. `knowledge` makes the tables forget.
    """
    from troth.abi.seccomp import RET_KILL_PROCESS

    nosys = errno_answer(flags.value("ENOSYS", arches[0]))
    sections = {}
    for arch in arches:
        paid = payments(promises, setting.flags(main=arch == arches[0]), knowledge)
        calls = _section(arch, paid, promises, identity, violation, knowledge)
        known = {nr for nr, _, since, _ in abi.table(arch) if knowledge.has(since)}
        sections[arch] = {nr: rules for nr, rules in calls.items() if nr in known}
    return Policy(sections, nosys, RET_KILL_PROCESS)


def expand_veil(arches: tuple[str, ...], setting: Setting, identity: Identity) -> Policy:
    """The filter of a veil without promises: it refuses what would act past the veil, by path.

    That is every family with a row for `unveiled` only, and what makes calls that no filter sees.
    """
    policy = expand(EVERYTHING, arches, setting, identity, violation=errno_answer(flags.value("EPERM", arches[0])))
    judged = {row[0] for row in ROWS if row[4] == "unveiled"} | {"io_uring", "fanotify"}
    allow = (Rule((), RET_ALLOW),)
    sections = {}
    for arch, calls in policy.sections.items():
        kept = {member.nr for family, members in resolve(arch).items() if family in judged for member in members}
        sections[arch] = {nr: rules if nr in kept else allow for nr, rules in calls.items()}
    return policy.replace(sections=sections)


def _section(
    arch: str,
    paid: dict[str, list[Payment]],
    promises: int,
    identity: Identity,
    violation: int,
    knowledge: Knowledge,
) -> dict[int, tuple[Rule, ...]]:
    allow = (Rule((), RET_ALLOW),)
    refuse = (Rule((), violation),)
    reader = Reader(arch, identity, knowledge)
    soft: dict[str, list[tuple[str, tuple[Test, ...], int]]] = {}
    for answer in ANSWERS:
        family, errno, tests, held = answer
        if knowledge.met(SINCE.get(answer, "")):
            soft.setdefault(family, []).append((errno, tests, held))
    calls: dict[int, tuple[Rule, ...]] = {}
    for family, members in resolve(arch).items():
        rows = paid.get(family, ())
        answers = [
            (errno_answer(flags.value(errno, arch)), tests)
            for errno, tests, held in soft.get(family, ())
            if not held or held & promises
        ]
        if rows and not rows[0][0] and not rows[0][1]:
            for member in members:
                calls[member.nr] = allow
        elif not rows and not answers:
            for member in members:
                calls[member.nr] = reader.hidden if member.opaque else refuse
        else:
            for member in members:
                calls[member.nr] = reader.rules(member, rows, answers, violation)
    numbers = abi.numbers(arch)
    for name in SOLITARY:
        if name in numbers:
            calls[numbers[name]] = refuse
    return calls


class Reader:
    """Reads the tests of rows for members of one architecture."""

    def __init__(self, arch: str, identity: Identity, knowledge: Knowledge = EVERYTHING_KNOWN) -> None:
        self._arch = arch
        self._knowledge = knowledge
        self._wide = abi.ARCHES[arch].bits == 64
        self._values: dict[str, tuple[int, ...]] = {
            "SELF": (identity.pid,),
            "UID": (identity.uid,),
            "GIDS": identity.gids,
        }
        self._parsed: dict[tuple[int, str, str, str], Cond] = {}
        self.hidden = (Rule((), errno_answer(flags.value("ENOSYS", arch))),)

    def rules(
        self,
        member: Resolved,
        rows: list[Payment] | tuple[()],
        answers: list[tuple[int, tuple[Test, ...]]],
        violation: int,
    ) -> tuple[Rule, ...]:
        """All rules of one member, first match first, the last without conditions."""
        found = [conds for tests, only in rows if (conds := self.row(member, tests, only)) is not None]
        allowed = simplify(found)
        if allowed == [()]:
            return (Rule((), RET_ALLOW),)
        rules = [Rule(conds, RET_ALLOW) for conds in allowed]
        if member.opaque:
            return (*rules, *self.hidden)
        for answer, tests in answers:
            conds = self.conds(member, tests, trusting=False)
            if conds is not None:
                rules.append(Rule(conds, answer))
                if not conds:
                    return tuple(rules)
        rules.append(Rule((), violation))
        return tuple(rules)

    def row(self, member: Resolved, tests: tuple[Test, ...], only: tuple[str, ...]) -> tuple[Cond, ...] | None:
        """The conditions of a row for a member; None when the row does not apply to it."""
        if only and member.name not in only and f"{member.name}@{self._arch}" not in only:
            return None
        return self.conds(member, tests, trusting=bool(only))

    def conds(self, member: Resolved, tests: tuple[Test, ...], *, trusting: bool) -> tuple[Cond, ...] | None:
        """The conditions of a row for a member; None when it can never hold (or nobody can see).

        `trusting` skips what is hidden: the row names the member and says why.
        """
        conds: list[Cond] = []
        for test in tests:
            role, kind, mask, values = test
            if role in member.opaque:
                if trusting:
                    continue
                return None
            argument = member.roles.get(role)
            if argument is None:
                value = member.fixed.get(role)
                if value is None:
                    if role != "flags":
                        raise BugError(f"{member.name} has no role {role}")
                    value = 0  # a member without flags has all of them clear
                if not self._cond((0, kind, mask, values)).holds((value,)):
                    return None
                continue
            conds.append(self._cond((argument, kind, mask, values)))
        return tuple(conds)

    def _cond(self, key: tuple[int, str, str, str]) -> Cond:
        cond = self._parsed.get(key)
        if cond is None:
            argument, kind, mask, values = key
            if kind == "mask":
                bits = constant(mask, self._arch) & _LOW
                cond = Cond(argument, bits, (constant(values, self._arch) & bits,))
            else:
                wide = self._wide and kind == "null"
                bits = constant(mask, self._arch) & _LOW if mask else (1 << 64) - 1 if wide else _LOW
                numbers: set[int] = set()
                for word in values.split():
                    known = self._values.get(word)
                    if known is None and not self._knowledge.has_value(word):
                        known = ()
                    elif known is None:
                        try:
                            known = (constant(word, self._arch),)
                        except KeyError:
                            known = ()  # an architecture without this value makes no call with it
                    numbers.update(known)
                masked = tuple(sorted({number & bits for number in numbers}))
                cond = Cond(argument, bits, masked, negate=kind == "not in", wide=wide)
            self._parsed[key] = cond
        return cond
