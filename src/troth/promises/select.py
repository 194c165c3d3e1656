"""Promises to policy, fast: `expand` for the process that is about to confine itself.

Reads the generated `_for_<arch>` modules (see `compile`) instead of the tables; the same answers.
"""

from __future__ import annotations

from troth.bpf.program import RET_ALLOW, RET_ERRNO, RET_KILL_PROCESS
from troth.policy.model import Policy, simplify
from troth.promises._words import ALWAYS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from troth.policy.model import Rule
    from troth.promises.compile import Conds
    from troth.promises.setting import Identity, Setting

_ALLOW: Final = (((), RET_ALLOW),)


def select(promises: int, arches: tuple[str, ...], setting: Setting, identity: Identity, *, violation: int) -> Policy:
    """Say for every call of these architectures what it is answered; see `expand`."""
    when = setting.flags()
    who = {"SELF": (identity.pid,), "UID": (identity.uid,), "GIDS": identity.gids}
    sections = {}
    nosys = 0
    for arch in arches:
        data = __import__(f"troth.promises._for_{arch}", fromlist=("GROUPS",))
        nosys = nosys or RET_ERRNO | data.NOSYS
        sections[arch] = _section(data.GROUPS, RET_ERRNO | data.NOSYS, promises, when, who, violation)
    return Policy(sections, nosys, RET_KILL_PROCESS)


def _section(
    groups: tuple[tuple[object, ...], ...],
    nosys: int,
    promises: int,
    when: dict[str, bool],
    who: dict[str, tuple[int, ...]],
    violation: int,
) -> dict[int, tuple[Rule, ...]]:
    held = promises | ALWAYS
    refuse, absent = (((), violation),), (((), nosys),)
    calls: dict[int, tuple[Rule, ...]] = {}
    for numbers, payments, answers, hidden, symbolic in groups:  # type: ignore[misc]  # a compile.Group
        rows = []
        for needs, also, setting, conds in payments:
            if held & needs and also & held == also and when[setting]:
                if not conds:
                    rules = _ALLOW
                    break
                rows.append(_bind(conds, who) if symbolic else conds)
        else:
            if not rows and not answers:
                rules = absent if hidden else refuse
            else:
                rules = _rules(rows, answers, promises, who if symbolic else None, absent if hidden else refuse)
        for number in numbers:
            calls[number] = rules
    return calls  # type: ignore[return-value]  # plain tuples where Rule and Cond are tuples


def _rules(rows, answers, promises, who, last):  # type: ignore[no-untyped-def]  # tuples of the generated tables
    rows = simplify(rows)
    if rows and not rows[0]:
        return _ALLOW
    rules = [(conds, RET_ALLOW) for conds in rows]
    for held, errno, conds in answers:
        if not held or held & promises:
            if not conds:
                return (*rules, ((), RET_ERRNO | errno))
            rules.append((_bind(conds, who) if who else conds, RET_ERRNO | errno))
    return (*rules, *last)


def _bind(conds: Conds, who: dict[str, tuple[int, ...]]) -> Conds:
    """Put the process's own numbers where the table has their names."""
    found = []
    for arg, mask, values, negate, wide in conds:
        numbers: set[int] = set()
        for value in values:
            numbers.update([value] if isinstance(value, int) else who[value])
        found.append((arg, mask, tuple(sorted({number & mask for number in numbers})), negate, wide))
    return tuple(found)
