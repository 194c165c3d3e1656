"""Compile a policy to BPF.

Layout of a section: the argument-checked calls that programs make most often are found first, by
a chain of comparisons; the rest by a balanced search over ranges of numbers with the same answer.
Calls that are allowed whatever their arguments need no fast path: since Linux 5.11 the kernel
answers those from a bitmap (kernel/seccomp.c:seccomp_cache_prepare() @v5.11) and runs no filter.
"""

from __future__ import annotations

from troth import abi
from troth.abi.seccomp import HOT
from troth.bpf.build import Builder
from troth.bpf.program import OFFSET_ARCH, OFFSET_ARGS, OFFSET_IP, OFFSET_NR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from troth.bpf.program import Program
    from troth.policy.model import Cond, Policy, Rule

    Leaf = tuple[Rule, ...] | int

_LOW: Final = 0xFFFFFFFF


def lower(policy: Policy) -> Program:
    """Compile; the architecture is checked before any number is looked at."""
    build = Builder()
    bad = build.answer(policy.bad_arch)
    gate = bad
    for name in reversed(policy.sections):
        section = _section(build, name, policy)
        gate = build.if_equal(abi.arch(name).audit, section, gate)
    return build.program(build.load(OFFSET_ARCH, gate))


def _section(build: Builder, name: str, policy: Policy) -> int:
    """Everything of one architecture; expects nothing in A."""
    arch = abi.arch(name)
    calls = policy.sections[name]
    writer = _Arguments(build, big_endian=arch.big_endian, bits=arch.bits)
    hot = [(nr, calls[nr]) for nr in HOT.get(name, ()) if len(calls.get(nr, ())) > 1]
    skip = {nr for nr, _ in hot}
    segments = _segments(calls, policy.unknown, skip)
    if policy.gaps.get(name):
        segments = _with_gaps(segments, calls, policy, name)
    place = _search(build, segments, writer, 0, len(segments))
    for nr, rules in reversed(hot):
        place = build.if_equal(nr, writer.leaf(rules), place)
    return build.load(OFFSET_NR, place)


def _segments(calls: dict[int, tuple[Rule, ...]], unknown: int, skip: set[int]) -> list[tuple[int, Leaf]]:
    """Ranges of numbers with one answer: (first number, answer); a hot number joins either neighbour."""
    segments: list[tuple[int, Leaf]] = [(0, unknown)]
    following = 0
    for nr in sorted(calls):
        if nr in skip:
            following += nr == following
            continue
        if nr != following and segments[-1][1] != unknown:
            segments.append((following, unknown))
        rules = calls[nr]
        leaf: Leaf = rules[0][1] if len(rules) == 1 else rules
        if segments[-1][1] != leaf:
            if segments[-1][0] == nr:
                segments.pop()
            if not segments or segments[-1][1] != leaf:
                segments.append((nr, leaf))
        following = nr + 1
    if segments[-1][1] != unknown:
        segments.append((following, unknown))
    return segments


def _with_gaps(
    segments: list[tuple[int, Leaf]], calls: dict[int, tuple[Rule, ...]], policy: Policy, name: str
) -> list[tuple[int, Leaf]]:
    """The same segments, with what the gaps of the section answer for unlisted numbers."""
    edges = {first for first, _ in segments} | set(calls) | {nr + 1 for nr in calls}
    for first, last, _ in policy.gaps[name]:
        edges |= {first, last + 1}
    found: list[tuple[int, Leaf]] = []
    at = 0
    for edge in sorted(edge for edge in edges if edge <= _LOW):
        while at + 1 < len(segments) and segments[at + 1][0] <= edge:
            at += 1
        leaf = segments[at][1] if edge in calls else policy.unlisted(name, edge)
        if not found or found[-1][1] != leaf:
            found.append((edge, leaf))
    return found


def _search(build: Builder, segments: list[tuple[int, Leaf]], writer: _Arguments, low: int, high: int) -> int:
    """A balanced search tree over segments `low` up to `high`; expects the number in A."""
    if high - low == 1:
        return writer.leaf(segments[low][1])
    if (
        high - low == 3
        and segments[low][1] == segments[low + 2][1]
        and segments[low + 1][0] + 1 == segments[low + 2][0]
    ):
        yes = writer.leaf(segments[low + 1][1])
        return build.if_equal(segments[low + 1][0], yes, writer.leaf(segments[low][1]))
    middle = (low + high) // 2
    upper = _search(build, segments, writer, middle, high)
    return build.if_at_least(segments[middle][0], upper, _search(build, segments, writer, low, middle))


class _Arguments:
    """Writes the checks of arguments of one architecture."""

    def __init__(self, build: Builder, *, big_endian: bool, bits: int) -> None:
        self._build = build
        self._low, self._high = (4, 0) if big_endian else (0, 4)
        self._bits = bits
        self._leaves: dict[int, int] = {}  # by identity: hashing rules costs more than writing them twice

    def leaf(self, leaf: Leaf) -> int:
        """An answer, or the rules that decide it."""
        if isinstance(leaf, int):
            return self._build.answer(leaf)
        place = self._leaves.get(id(leaf))
        if place is None:
            memo: dict[tuple[int, int, tuple[int, int] | None], int] = {}
            place = self._leaves[id(leaf)] = self._rule(leaf, 0, 0, None, memo)
        return place

    def _rule(
        self,
        rules: tuple[Rule, ...],
        index: int,
        step: int,
        loaded: tuple[int, int] | None,
        memo: dict[tuple[int, int, tuple[int, int] | None], int],
    ) -> int:
        """Check condition `step` of rule `index`; `loaded` is the (offset, mask) that A holds."""
        conds, answer = rules[index]
        if step == len(conds):
            return self._build.answer(answer)
        key = (index, step, loaded)
        place = memo.get(key)
        if place is None:
            place = memo[key] = self._cond(
                conds[step],  # type: ignore[arg-type]  # only Cond so far
                loaded,
                lambda held: self._rule(rules, index, step + 1, held, memo),
                lambda held: self._rule(rules, index + 1, 0, held, memo),
            )
        return place

    def _cond(
        self,
        cond: Cond,
        loaded: tuple[int, int] | None,
        holds: Callable[[tuple[int, int] | None], int],
        fails: Callable[[tuple[int, int] | None], int],
    ) -> int:
        build = self._build
        arg, mask, values, negate, wide = cond
        if negate:
            holds, fails = fails, holds
        low = OFFSET_ARGS + 8 * arg + self._low if arg < 6 else OFFSET_IP + self._low
        if wide and self._bits == 64:
            # Values of pointers and longs: NULL and small numbers, so the upper half decides first.
            upper = low - self._low + self._high
            place = fails(None)
            for high in sorted({value >> 32 for value in values}, reverse=True):
                lows = tuple(value & _LOW for value in values if value >> 32 == high)
                inner = self._values(lows, holds(None), fails(None))
                place = build.if_equal(high, self._fetch(low, mask & _LOW, None, inner), place)
            return self._fetch(upper, mask >> 32 & _LOW, None, place)
        if wide:
            # A 32-bit architecture's arguments arrive with their upper halves clear.
            values = tuple(value for value in values if value <= _LOW)
            mask &= _LOW
        if len(values) == 1 and mask != _LOW:
            value = values[0]
            if value == 0 or (value == mask and mask & (mask - 1) == 0):
                # One test without destroying A: no bit of the mask, or its only bit.
                plain = (low, _LOW)
                set_, clear = (fails, holds) if value == 0 else (holds, fails)
                return self._fetch(low, _LOW, loaded, build.if_any_bit(mask, set_(plain), clear(plain)))
        held = (low, mask)
        return self._fetch(low, mask, loaded, self._values(values, holds(held), fails(held)))

    def _fetch(self, offset: int, mask: int, loaded: tuple[int, int] | None, then: int) -> int:
        """Bring an argument into A, unless it is there."""
        if loaded == (offset, mask):
            return then
        if mask != _LOW:
            then = self._build.mask(mask, then)
            if loaded == (offset, _LOW):
                return then
        return self._build.load(offset, then)

    def _values(self, values: tuple[int, ...], yes: int, no: int) -> int:
        """A is one of the values: a chain over a few runs of neighbours, a search over many."""
        return self._runs(_runs(values), yes, no)

    def _runs(self, runs: list[tuple[int, int]], yes: int, no: int) -> int:
        build = self._build
        if len(runs) > 4:
            middle = len(runs) // 2
            upper = self._runs(runs[middle:], yes, no)
            return build.if_at_least(runs[middle][0], upper, self._runs(runs[:middle], yes, no))
        place = no
        for first, last in reversed(runs):
            if first == last:
                place = build.if_equal(first, yes, place)
            else:  # what is smaller is in none: the runs before have been looked at
                beyond = yes if last == _LOW else build.if_at_least(last + 1, place, yes)
                place = build.if_at_least(first, beyond, no)
        return place


def _runs(values: tuple[int, ...]) -> list[tuple[int, int]]:
    """Neighbouring values as (first, last), in order; two neighbours stay apart, as that is no shorter."""
    runs: list[tuple[int, int]] = []
    for value in sorted(value & _LOW for value in values):
        if runs and value <= runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], value)
        else:
            runs.append((value, value))
    apart: list[tuple[int, int]] = []
    for first, last in runs:
        apart += [(first, first), (last, last)] if last == first + 1 else [(first, last)]
    return apart
