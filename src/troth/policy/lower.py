"""Compile a policy to BPF: the gate, the tables of numbers, and the plain conditions of promise tables.

Numbers are found by weight (`search`), arguments checked by a diagram (`decisions`, `emit`) or, when all conditions
of a call are plain tuples, as they stand. Calls that are allowed whatever their arguments weigh next to nothing:
since Linux 5.11 the kernel answers those from a bitmap (kernel/seccomp.c:seccomp_cache_prepare() @v5.11) and runs no
filter. docs/design/0008-filter-layout.md has the reasons.
"""

from __future__ import annotations

from troth import abi
from troth.abi.seccomp import HOT, RET_ALLOW
from troth.bpf.build import Builder
from troth.bpf.program import MAX_INSNS, OFFSET_ARCH, OFFSET_ARGS, OFFSET_IP, OFFSET_NR
from troth.errors import RequestError, UnsupportedError
from troth.policy.search import search

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Final

    from troth.bpf.program import Program
    from troth.policy.emit import Emitter
    from troth.policy.model import Cond, Policy, Rule

    Leaf = tuple[Rule, ...] | int
    Weights = Mapping[str, Mapping[int, float]]

_LOW: Final = 0xFFFFFFFF
_WIDE: Final = (1 << 64) - 1

# How often the kernel runs the filter for a call. What is checked and made often has its weight by rank
# (`abi.seccomp.HOT`). The more calls are checked besides, the rarer each of them is: where a few are, somebody chose
# them. What is refused ends most programs; what is allowed outright, the kernel answers from its bitmap (Linux 5.11).
_WEIGHTS: Final = {name: {nr: 12 / (rank + 3) for rank, nr in enumerate(hot)} for name, hot in HOT.items()}
_CHECKED: Final = 1.0  # at most
_ALL_CHECKED: Final = 8.0  # together, at most
_FEW: Final = 18  # of more calls, all together become rarer too
_REFUSED: Final = 0.05  # a range, at most
_ALL_REFUSED: Final = 2.0  # together
_ALLOWED: Final = 0.02  # a range


def lower(policy: Policy, *, weights: Weights | None = None, bit_tests: bool = True) -> Program:
    """Compile; the architecture is checked before any number is looked at.

    `weights` are by architecture and number, 1.0 for what is asked for as seldom as what has none; see
    `Policy.compile`. Without `bit_tests` the filter has no `JSET`, which some simulators do not know.

    Raises:
        UnsupportedError: the filter would be longer than the kernel takes.
    """
    build = Builder()
    weigh = _WEIGHTS if weights is None else weights
    sizes: dict[str, int] = {}
    gate = build.answer(policy.bad_arch)
    groups: dict[int, list[str]] = {}
    for name in policy.sections:
        groups.setdefault(abi.arch(name).audit, []).append(name)
    for audit, names in reversed(groups.items()):
        before = len(build)
        gate = build.if_equal(audit, _section(build, names, policy, weigh, bit_tests=bit_tests), gate)
        sizes[" and ".join(names)] = len(build) - before
    start = build.load(OFFSET_ARCH, gate)
    if len(build) > MAX_INSNS:
        raise UnsupportedError(
            f"a filter of {len(build)} instructions",
            needs=f"at most {MAX_INSNS}",
            have=", ".join(f"{count} for {names}" for names, count in reversed(sizes.items())),
            hint="compile for fewer architectures, or install several filters",
        )
    return build.program(start)


def _section(build: Builder, names: list[str], policy: Policy, weights: Weights, *, bit_tests: bool) -> int:
    """Everything of one AUDIT_ARCH value, which x86_64 and x32 have in common; expects nothing in A."""
    calls: dict[int, tuple[Rule, ...]] = {}
    weigh: dict[int, float] = {}
    for name in names:
        calls.update(policy.sections[name])
        weigh.update(weights.get(name, {}))
    segments = _segments(calls, policy, names[0])
    writer = _Arguments(build, big_endian=abi.arch(names[0]).big_endian, bit_tests=bit_tests)
    return build.load(OFFSET_NR, search(build, segments, _weights(segments, weigh), writer.leaf))


def weights_of(weights: Mapping[str, float], policy: Policy) -> Weights:
    """Turn weights by name into those that `lower` takes: the lightest is 1.0.

    Raises:
        RequestError: a weight that is not above 0, or for a call that no architecture of the policy has.
    """
    from troth.abi.others import numbers

    tables = {name: numbers(name) for name in policy.sections}
    for call, weight in weights.items():
        if weight <= 0:
            raise RequestError(f"weight {weight} of `{call}`: it is how often a call is made, above 0")
        if not any(call in table for table in tables.values()):
            raise RequestError(f"a weight is given for `{call}`, which none of {' '.join(tables)} has")
    scale = 1 / min(weights.values(), default=1)
    return {
        name: {table[call]: weight * scale for call, weight in weights.items() if call in table}
        for name, table in tables.items()
    }


def _segments(calls: dict[int, tuple[Rule, ...]], policy: Policy, name: str) -> list[tuple[int, Leaf]]:
    """Ranges of numbers with one answer: (first number, answer), neighbours with different ones."""
    gaps = policy.gaps.get(name, ())
    unknown = policy.unknown
    segments: list[tuple[int, Leaf]] = []
    last: Leaf | None = None  # the answer of the last segment
    following = 0
    for nr in sorted(calls):
        if nr != following:
            if gaps:
                segments += _unlisted(gaps, unknown, following, nr - 1, last)
                last = segments[-1][1] if segments else None
            elif last != unknown:
                segments.append((following, unknown))
                last = unknown
        rules = calls[nr]
        answer = rules[0][1]
        # What all rules answer needs no conditions, and the kernel can see it.
        leaf: Leaf = answer if len(rules) == 1 or _all_answer(rules, answer) else rules
        if leaf != last:
            segments.append((nr, leaf))
            last = leaf
        following = nr + 1
    if following <= _LOW:
        segments += _unlisted(gaps, unknown, following, _LOW, last)
    return segments


def _all_answer(rules: tuple[Rule, ...], answer: int) -> bool:
    """Whether every rule answers this."""
    return rules[-1][1] == answer and all(said == answer for _, said in rules)


def _unlisted(
    gaps: tuple[tuple[int, int, int], ...], unknown: int, low: int, high: int, last: Leaf | None
) -> list[tuple[int, Leaf]]:
    """What a range of unlisted numbers is answered, after a segment with the answer `last`."""
    edges = {low}
    for first, end, _ in gaps:
        edges |= {edge for edge in (first, end + 1) if low < edge <= high}
    found: list[tuple[int, Leaf]] = []
    for edge in sorted(edges):
        answer = next((answer for first, end, answer in gaps if first <= edge <= end), unknown)
        if answer != last:
            found.append((edge, answer))
            last = answer
    return found


def _weights(segments: list[tuple[int, Leaf]], weigh: dict[int, float]) -> list[float]:
    """How often each segment is asked for."""
    checked = refused = 0
    for _, leaf in segments:
        if type(leaf) is not int:
            checked += 1
        elif leaf != RET_ALLOW:
            refused += 1
    other = min(_CHECKED, _ALL_CHECKED / (checked or 1) * min(1.0, _FEW / (checked or 1)))
    no = min(_REFUSED, _ALL_REFUSED / (refused or 1))
    return [
        (_ALLOWED if leaf == RET_ALLOW else no) if type(leaf) is int else weigh.get(first, other)
        for first, leaf in segments
    ]


class _Arguments:
    """Writes the checks of arguments of one architecture."""

    def __init__(self, build: Builder, *, big_endian: bool, bit_tests: bool) -> None:
        self._build = build
        self._low, self._high = (4, 0) if big_endian else (0, 4)
        self._bit_tests = bit_tests
        self._leaves: dict[int, int] = {}  # by identity: hashing rules costs more than writing them twice
        self._emitter: Emitter | None = None

    def leaf(self, leaf: Leaf) -> int:
        """An answer, or the rules that decide it."""
        if isinstance(leaf, int):
            return self._build.answer(leaf)
        place = self._leaves.get(id(leaf))
        if place is None:
            if self._bit_tests and _plain(leaf):
                memo: dict[tuple[int, int, tuple[int, int] | None], int] = {}
                place = self._rule(leaf, 0, 0, None, memo)
            else:
                place = self._expressions().rules(leaf)
            self._leaves[id(leaf)] = place
        return place

    def _expressions(self) -> Emitter:
        if self._emitter is None:
            from troth.policy.emit import Emitter

            self._emitter = Emitter(self._build, big_endian=self._high == 0, bit_tests=self._bit_tests)
        return self._emitter

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
                conds[step],  # type: ignore[arg-type]  # `leaf` has seen that all are tuples
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
        if values and (max(values) > (_WIDE if wide else _LOW) or min(values) < 0):
            values = tuple(
                [value for value in values if 0 <= value <= (_WIDE if wide else _LOW)]
            )  # others match nothing
        if negate:
            holds, fails = fails, holds
        low = OFFSET_ARGS + 8 * arg + self._low if arg < 6 else OFFSET_IP + self._low
        if wide:
            # Values of pointers and longs: NULL and small numbers, so the upper half decides first.
            upper = low - self._low + self._high
            place = fails(None)
            for high in sorted({value >> 32 for value in values}, reverse=True):
                lows = tuple(value & _LOW for value in values if value >> 32 == high)
                inner = self._values(lows, holds(None), fails(None))
                place = build.if_equal(high, self._fetch(low, mask & _LOW, None, inner), place)
            return self._fetch(upper, mask >> 32 & _LOW, None, place)
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
        if len(values) == 1:
            return self._build.if_equal(values[0] & _LOW, yes, no)
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


def _plain(rules: tuple[Rule, ...]) -> bool:
    """Whether all conditions are the plain tuples of tables."""
    for conds, _ in rules:  # a loop: a generator in `all` takes twice as long
        for cond in conds:
            if not isinstance(cond, tuple):
                return False
    return True


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
