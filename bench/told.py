"""A policy as other compilers are told it: per call an answer, and alternatives of comparisons that all have to hold.

What they cannot say is left out, which makes their work smaller: calls whose rules have several answers, ranges,
two comparisons of one argument.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from bench.rules import joined_tests
from troth import abi
from troth.abi.others import names
from troth.policy import Policy
from troth.policy.expr import All, Any, Not, Within, complement

if TYPE_CHECKING:
    from troth.policy.expr import Expr

_TOP = (1 << 64) - 1
_MOST_VALUES = 64


class Test(NamedTuple):
    """One comparison: `==` under a mask, or `!=`, `<=`, `>=` of all 64 bits."""

    arg: int
    op: str
    mask: int
    value: int


class Told(NamedTuple):
    """What one call is answered when one of the alternatives holds; without any, always."""

    nr: int
    name: str
    answer: int
    alternatives: tuple[tuple[Test, ...], ...]


class Rules(NamedTuple):
    """A whole policy; `unsaid` calls are left out."""

    arches: dict[str, list[Told]]
    default: int
    bad_arch: int
    unsaid: int


def alternatives(expr: Expr) -> list[tuple[Test, ...]] | None:
    """The expression as comparisons, any of which (all of each) has to hold; None when they cannot say it."""
    if isinstance(expr, tuple):
        arg, mask, values, negate, wide = expr
        within = Within(arg, tuple((value, value) for value in sorted(values)), mask, 64 if wide else 32)
        return alternatives(Not(within) if negate else within)
    if isinstance(expr, Within):
        return _within(expr)
    if isinstance(expr, Not) and isinstance(expr.term, Within):
        term = expr.term
        return _within(term.replace(ranges=complement(term.ranges, (1 << term.width) - 1)))
    if not isinstance(expr, All | Any):
        return None
    parts = [alternatives(term) for term in expr.terms]
    known = [part for part in parts if part is not None]
    if len(known) != len(parts):
        return None
    if isinstance(expr, Any):
        return [tests for part in known for tests in part]
    return [joined for choice in product(*known) if (joined := _joined(choice)) is not None]


def _within(test: Within) -> list[tuple[Test, ...]] | None:
    mask, ranges = test.mask, test.ranges
    if mask.bit_count() <= 4:
        submasks = [mask & ~part for part in _parts(mask)]
        values = [part for part in sorted(submasks) if any(first <= part <= last for first, last in ranges)]
        return [(Test(test.arg, "==", mask, value),) for value in values]
    if sum(last - first + 1 for first, last in ranges) <= _MOST_VALUES:
        spread = [value for first, last in ranges for value in range(first, last + 1)]
        return [(Test(test.arg, "==", mask, value),) for value in spread]
    if mask != _TOP:
        return None
    away = complement(ranges, _TOP)
    if len(away) == 1 and away[0][0] == away[0][1]:
        return [(Test(test.arg, "!=", _TOP, away[0][0]),)]
    if len(ranges) == 1 and ranges[0][0] == 0:
        return [(Test(test.arg, "<=", _TOP, ranges[0][1]),)]
    if len(ranges) == 1 and ranges[0][1] == _TOP:
        return [(Test(test.arg, ">=", _TOP, ranges[0][0]),)]
    return None


def _parts(mask: int) -> list[int]:
    found, value = [0], mask
    while value:
        found.append(value)
        value = (value - 1) & mask
    return found


def _joined(choice: tuple[tuple[Test, ...], ...]) -> tuple[Test, ...] | None:
    """All comparisons together, those of one argument as one; None when they can never hold."""
    tests = [test for part in choice for test in part]
    equal = joined_tests(tuple((test.arg, test.mask, test.value) for test in tests if test.op == "=="))
    if equal is None:
        return None
    return (*(Test(arg, "==", mask, value) for arg, mask, value in equal), *(t for t in tests if t.op != "=="))


def _default(policy: Policy) -> int:
    """What most calls are answered that meet none of their conditions: others have one answer for all of these.

    Numbers that are not listed get that answer from them, too.
    """
    ends = [rules[-1][1] for calls in policy.sections.values() for rules in calls.values() if len(rules) > 1]
    return max(sorted({*ends}), key=ends.count) if ends else policy.unknown


def told(policy: Policy) -> Rules:
    """A policy as it is told to others."""
    arches: dict[str, list[Told]] = {}
    default, unsaid = _default(policy), 0
    for arch, calls in policy.sections.items():
        known = names(arch) if arch not in abi.ARCHES else abi.names(arch)
        said = arches[arch] = []
        for nr, rules in calls.items():
            answers = {answer for _, answer in rules[:-1]}
            if len(rules) == 1:
                if rules[0][1] != default:
                    said.append(Told(nr, known[nr], rules[0][1], ()))
                continue
            expr = Any(tuple(All(conds) for conds, _ in rules[:-1]))
            if len(answers) == 1 and rules[-1][1] == default:
                found = alternatives(expr)
                if found is not None and all(len({test.arg for test in tests}) == len(tests) for tests in found):
                    if found:
                        said.append(Told(nr, known[nr], answers.pop(), () if () in found else tuple(found)))
                    continue
            unsaid += 1
    return Rules(arches, default, policy.bad_arch, unsaid)
