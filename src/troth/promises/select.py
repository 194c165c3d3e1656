"""Promises to policy, fast: `expand` for the process that is about to confine itself.

Reads the generated `_for_<arch>` modules (see `compile`) instead of the tables; the same answers.
"""

from __future__ import annotations

from troth.abi.seccomp import RET_ALLOW, RET_ERRNO, RET_KILL_PROCESS
from troth.policy.model import Policy, simplify
from troth.promises._words import ALWAYS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Final

    from troth.promises.compile import Answer, Conds, Group
    from troth.promises.setting import Identity, Setting

    # A Rule is a tuple, and the tables have plain ones.
    Rules = tuple[tuple[Conds, int], ...]

_ALLOW: Final[Rules] = (((), RET_ALLOW),)


def select(promises: int, arches: tuple[str, ...], setting: Setting, identity: Identity, *, violation: int) -> Policy:
    """Say for every call of these architectures what it is answered; see `expand`."""
    who = {"SELF": (identity.pid,), "UID": (identity.uid,), "GIDS": identity.gids}
    sections: dict[str, Any] = {}
    nosys = 0
    for arch in arches:
        data = __import__(f"troth.promises._for_{arch}", fromlist=("GROUPS",))
        when = setting.flags(main=arch == arches[0])
        nosys = nosys or RET_ERRNO | data.NOSYS
        sections[arch] = _section(data.GROUPS, RET_ERRNO | data.NOSYS, promises, when, who, violation)
    return Policy(sections, nosys, RET_KILL_PROCESS)


def _section(
    groups: tuple[Group, ...],
    nosys: int,
    promises: int,
    when: dict[str, bool],
    who: dict[str, tuple[int, ...]],
    violation: int,
) -> dict[int, Rules]:
    held = promises | ALWAYS
    refuse: Rules = (((), violation),)
    absent: Rules = (((), nosys),)
    calls: dict[int, Rules] = {}
    for numbers, payments, answers, hidden, symbolic in groups:
        rows: list[Conds] = []
        for needs, also, setting, conds in payments:
            if held & needs and also & held == also and when[setting]:
                if not conds:
                    rules: Rules = _ALLOW
                    break
                rows.append(_bind(conds, who) if symbolic else conds)
        else:
            if not rows and not answers:
                rules = absent if hidden else refuse
            else:
                rules = _rules(rows, answers, promises, who if symbolic else None, absent if hidden else refuse)
        for number in numbers:
            calls[number] = rules
    return calls


def _rules(
    rows: list[Conds], answers: Sequence[Answer], promises: int, who: dict[str, tuple[int, ...]] | None, last: Rules
) -> Rules:
    """All rules of a group, first match first: what is paid for, soft answers, and `last` without conditions."""
    rows = simplify(rows)  # type: ignore[assignment, arg-type]  # a Cond is the tuple that the tables have
    if rows and not rows[0]:
        return _ALLOW
    rules: list[tuple[Conds, int]] = [(conds, RET_ALLOW) for conds in rows]
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
