"""Policies and conditions as functions of the bits of a call.

This reads the policy itself, not what it compiles to: that the two are the same node is the proof that
the compiler is right.
"""

from __future__ import annotations

from troth import abi
from troth.bpf.symbolic.diagram import FALSE, TRUE
from troth.policy.expr import All, Any, Not, Within

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from troth.bpf.symbolic import Space
    from troth.policy.expr import Expr
    from troth.policy.model import Policy, Rule

_NR_BITS = 32


def condition(space: Space, expr: Expr) -> int:
    """When an expression holds."""
    diagram = space.diagram
    if isinstance(expr, tuple):
        arg, mask, values, negate, wide = expr
        found = among(space, arg, tuple((value, value) for value in values if value >= 0), mask, 64 if wide else 32)
        return diagram.negated(found) if negate else found
    if isinstance(expr, Within):
        return among(space, expr.arg, expr.ranges, expr.mask, expr.width)
    if isinstance(expr, Not):
        return diagram.negated(condition(space, expr.term))
    found = TRUE if isinstance(expr, All) else FALSE
    for term in expr.terms:
        found = (diagram.both if isinstance(expr, All) else diagram.either)(found, condition(space, term))
    assert isinstance(expr, All | Any)
    return found


def among(space: Space, arg: int, ranges: Sequence[tuple[int, int]], mask: int, width: int) -> int:
    """When an argument, masked and in so many bits, is in one of the ranges."""
    bits = tuple(bit if mask >> at & 1 else FALSE for at, bit in enumerate(space.field(2 + arg)[:width]))
    found = FALSE
    for first, last in ranges:
        found = space.diagram.either(found, between(space, bits, first, last))
    return found


def between(space: Space, bits: tuple[int, ...], first: int, last: int) -> int:
    """When the number that the bits are is from `first` to `last`."""
    if last >> len(bits):
        last = (1 << len(bits)) - 1
    if first > last:
        return FALSE
    ends = [tuple(end >> at & 1 for at in range(len(bits))) for end in (first, last)]
    words = space.words
    return space.diagram.both(words.at_least(bits, ends[0]), words.at_least(ends[1], bits))


def function(space: Space, policy: Policy) -> int:
    """What a policy answers to every call."""
    diagram = space.diagram
    tables: dict[int, int] = {}
    arch_bits = space.field(0)
    merged: dict[int, tuple[str, dict[int, tuple[Rule, ...]]]] = {}
    for name, calls in policy.sections.items():
        first, known = merged.setdefault(abi.arch(name).audit, (name, {}))
        merged[abi.arch(name).audit] = (first, {**known, **calls})
    for audit, (name, calls) in merged.items():
        tables[audit] = _section(space, policy, name, calls)
    found = diagram.end(policy.bad_arch)
    for audit, table in tables.items():
        found = diagram.ite(between(space, arch_bits, audit, audit), table, found)
    return found


def _section(space: Space, policy: Policy, name: str, calls: dict[int, tuple[Rule, ...]]) -> int:
    """The table of one architecture, as a function of the number and the arguments."""
    diagram = space.diagram
    default = diagram.end(policy.unknown)
    for first, last, answer in reversed(policy.gaps.get(name, ())):
        default = diagram.ite(between(space, space.field(1), first, last), diagram.end(answer), default)
    memo: dict[tuple[Rule, ...], int] = {}
    leaves = {}
    for nr, rules in calls.items():
        leaf = memo.get(rules)
        if leaf is None:
            leaf = memo[rules] = rules_function(space, rules)
        leaves[nr] = leaf
    return _by_number(space, sorted(leaves), leaves, default, 0)


def rules_function(space: Space, rules: tuple[Rule, ...]) -> int:
    """What rules answer, of which the first that applies counts; the last has no conditions."""
    diagram = space.diagram
    found = diagram.end(rules[-1][1])
    for conds, answer in reversed(rules[:-1] if not rules[-1][0] else rules):
        found = diagram.ite(condition(space, All(conds)), diagram.end(answer), found)
    return found


def _by_number(space: Space, numbers: list[int], leaves: dict[int, int], default: int, bit: int) -> int:
    """Split the numbers by one bit after the other; where none is left, `default` answers."""
    if not numbers:
        return default
    if bit == _NR_BITS:
        return leaves[numbers[0]]
    mask = 1 << _NR_BITS - 1 - bit
    level = space.level(1, _NR_BITS - 1 - bit)
    diagram = space.diagram
    if diagram.level[default] == level:
        low, high = diagram.low[default], diagram.high[default]
    else:
        low = high = default
    clear = [nr for nr in numbers if not nr & mask]
    set_ = [nr for nr in numbers if nr & mask]
    return diagram.node(
        level,
        _by_number(space, clear, leaves, low, bit + 1),
        _by_number(space, set_, leaves, high, bit + 1),
    )
