"""Rules as a decision diagram: each word of the arguments is looked at once on every path.

A test reads a word: 32 bits of an argument (its lower or its upper half), masked. A node divides the values
of a test into ranges and leads on by them; nodes that agree are one node, and a test whose outcomes agree is
none. Tests come in one order, in which those of one word are neighbours, so that it is loaded once.

Whatever the rules repeat, or say in several ways, is gone in a diagram: union, intersection and negation of
ranges are settled here, and the instructions are chosen later (`emit`).
"""

from __future__ import annotations

from itertools import groupby

from troth.policy.expr import All, Any, Not, Within, complement

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Final, TypeAlias

    from troth.policy.expr import Expr
    from troth.policy.model import Rule

    Parts = tuple[tuple[int, "Diagram"], ...]  # (first value, what follows), from 0
    Diagram: TypeAlias = "Node | int | bool | None"  # an answer or none, or whether a condition holds
    Test = tuple[int, bool, int]  # argument, upper half?, mask

LOW: Final = 0xFFFFFFFF
_MOST_TESTS: Final = 300  # a path may have them all, and Python follows it by recursion


class EntangledError(Exception):
    """These rules are entangled: their diagram is out of proportion."""


class Node:
    """A test and what follows from it; equal nodes of one `Diagrams` are the same object."""

    __slots__ = ("rank", "test", "parts")

    def __init__(self, rank: int, test: Test, parts: Parts) -> None:
        self.rank, self.test, self.parts = rank, test, parts


class Diagrams:
    """Diagrams with the order of tests that conditions ask for: as they come, words together."""

    limit = 100_000  # parts of nodes to make for one call: rules that take more are better written as they stand

    def __init__(self, conds: Iterable[Expr]) -> None:
        self._nodes: dict[tuple[int, tuple[tuple[int, int], ...]], Node] = {}
        self._chosen: dict[tuple[int, ...], Diagram] = {}
        self._made = 0
        self._kept: list[Diagram] = []  # what `_chosen` knows by its id stays alive
        self._withins: dict[Within, Diagram] = {}
        tests: dict[Test, bool] = {}
        for cond in conds:
            _list_tests(cond, tests)
        words: dict[int, int] = {}
        for arg, _, _ in tests:
            words.setdefault(arg, len(words))
        # A test of bits leaves the word in A, one of a masked value does not: so it comes last.
        order = sorted(tests, key=lambda test: (words[test[0]], not test[1], tests[test]))
        self._ranks = {test: rank for rank, test in enumerate(order)}

    def rules(self, rules: tuple[Rule, ...]) -> Diagram:
        """The answer of the first rule that applies.

        Raises:
            EntangledError: there would be more than `limit` parts of nodes to make, or too many different tests.
        """
        if len(self._ranks) > _MOST_TESTS:
            raise EntangledError
        said: list[Diagram] = [self.choose(self.expr(cond), answer, None) for cond, answer in _by_answer(rules[:-1])]
        return self.first(_folded(said, self.first, None), rules[-1][1])

    def expr(self, expr: Expr) -> Diagram:
        """Whether a condition holds."""
        if isinstance(expr, Within):
            known = self._withins.get(expr)
            if known is None:
                known = self._withins[expr] = self._within(expr)
            return known
        if isinstance(expr, tuple):
            return self.expr(as_within(expr))
        if isinstance(expr, Not):
            return self.choose(self.expr(expr.term), False, True)
        terms = [self.expr(term) for term in expr.terms]
        if isinstance(expr, All):
            return _folded(terms, lambda one, other: self.choose(one, other, False), True)
        return _folded(terms, lambda one, other: self.choose(one, True, other), False)

    def choose(self, cond: Diagram, yes: Diagram, no: Diagram) -> Diagram:
        """`yes` where the condition holds, `no` elsewhere."""
        if cond is True:
            return yes
        if cond is False:
            return no
        if yes is no or (yes == no and type(yes) is type(no)):
            return yes
        return self._merged((cond, yes, no), self.choose)

    def first(self, one: Diagram, other: Diagram) -> Diagram:
        """What the one answers, and the other where the one does not (None)."""
        if one is None:
            return other
        if not isinstance(one, Node) or other is None or one is other:
            return one
        return self._merged((one, other), self.first)

    def _merged(self, these: tuple[Diagram, ...], go: Callable[..., Diagram]) -> Diagram:
        """Do something for all values of the first test of some diagrams at once."""
        key = tuple([id(one) for one in these])
        known = self._chosen.get(key)
        if known is not None:
            return known
        top = min([one for one in these if isinstance(one, Node)], key=lambda node: node.rank)
        split = [one.parts if isinstance(one, Node) and one.rank == top.rank else ((0, one),) for one in these]
        at = [0] * len(these)
        parts: list[tuple[int, Diagram]] = []
        start = 0
        while start <= LOW:
            parts.append((start, go(*[part[place][1] for part, place in zip(split, at, strict=True)])))
            ends = [
                part[place + 1][0] if place + 1 < len(part) else LOW + 1 for part, place in zip(split, at, strict=True)
            ]
            start = min(ends)
            at = [place + (end == start) for place, end in zip(at, ends, strict=True)]
        self._made += len(parts)
        if self._made > self.limit:
            raise EntangledError
        found = self._chosen[key] = self._node(top.rank, top.test, parts)
        self._kept += these
        return found

    def _node(self, rank: int, test: Test, parts: list[tuple[int, Diagram]]) -> Diagram:
        joined = [parts[0]]
        for part in parts[1:]:
            if part[1] is not joined[-1][1] and (isinstance(part[1], Node) or part[1] != joined[-1][1]):
                joined.append(part)
        if len(joined) == 1:
            return joined[0][1]
        key = (rank, tuple((first, ~child if type(child) is int else id(child)) for first, child in joined))
        node = self._nodes.get(key)
        if node is None:
            node = self._nodes[key] = Node(rank, test, tuple(joined))
        return node

    def _within(self, within: Within) -> Diagram:
        low = (within.arg, False, within.mask & LOW)
        if within.width == 32 or within.mask <= LOW:
            return self._word(low, [(first, min(last, LOW)) for first, last in within.ranges if first <= LOW])
        # The upper half decides, save where a range begins or ends.
        lows: dict[int, list[tuple[int, int]]] = {}
        whole: list[tuple[int, int]] = []
        for first, last in within.ranges:
            high, end = first >> 32, last >> 32
            if high == end:
                lows.setdefault(high, []).append((first & LOW, last & LOW))
                continue
            lows.setdefault(high, []).append((first & LOW, LOW))
            lows.setdefault(end, []).append((0, last & LOW))
            if high + 1 < end:
                whole.append((high + 1, end - 1))
        cut: list[tuple[int, int, Diagram]] = [(first, last, True) for first, last in whole]
        cut += [(high, high, self._word(low, ranges)) for high, ranges in lows.items()]
        cut += [(first, last, False) for first, last in complement([part[:2] for part in cut], LOW)]
        return self._masked(
            (within.arg, True, within.mask >> 32),
            [(first, what) for first, _, what in sorted(cut, key=lambda part: part[0])],
        )

    def _word(self, test: Test, ranges: list[tuple[int, int]]) -> Diagram:
        parts = [(first, True) for first, _ in ranges]
        parts += [(first, False) for first, _ in complement(ranges, LOW)]
        return self._masked(test, sorted(parts))

    def _masked(self, test: Test, parts: list[tuple[int, Diagram]]) -> Diagram:
        """A node whose borders are values that the mask lets through; one that none reaches is dropped."""
        mask = test[2]
        found: dict[int, Diagram] = {}
        for first, child in parts:
            reached = _next_masked(first, mask)
            if reached is not None:
                found[reached] = child
        if mask == 0:
            return found[0]
        return self._node(self._ranks[test], test, sorted(found.items(), key=lambda part: part[0]))


def _folded(terms: list[Diagram], join: Callable[[Diagram, Diagram], Diagram], nothing: Diagram) -> Diagram:
    """All terms joined, in pairs of neighbours: what is joined stays small for as long as it can."""
    while len(terms) > 1:
        odd = terms[-1:] if len(terms) % 2 else []
        terms = [join(terms[index], terms[index + 1]) for index in range(0, len(terms) - 1, 2)] + odd
    return terms[0] if terms else nothing


def _by_answer(rules: tuple[Rule, ...]) -> list[tuple[Expr, int]]:
    """Neighbours with the same answer as one rule; what they say of the same bits as one test.

    Sound: the first of them that holds decides, and all of them decide the same.
    """
    found: list[tuple[Expr, int]] = []
    for answer, group in groupby(rules, key=lambda rule: rule[1]):
        terms: list[Expr] = []
        alike: dict[tuple[int, int, int], list[tuple[int, int]]] = {}
        for conds, _ in group:
            only = conds[0] if len(conds) == 1 else None
            if isinstance(only, Within):
                key = (only.arg, only.mask, only.width)
                if key not in alike:
                    alike[key] = []
                    terms.append(only)
                alike[key] += only.ranges
            else:
                terms.append(All(conds))
        joined = [
            Within(term.arg, tuple(alike[term.arg, term.mask, term.width]), term.mask, term.width)
            if isinstance(term, Within)
            else term
            for term in terms
        ]
        found.append((Any(tuple(joined)), answer))
    return found


def as_within(cond: tuple[int, int, tuple[int, ...], bool, bool]) -> Within:
    """A plain condition as what it means."""
    arg, mask, values, negate, wide = cond
    top = (1 << 64) - 1 if wide else LOW
    ranges = tuple((value, value) for value in values if 0 <= value <= top)
    return Within(arg, complement(ranges, top) if negate else ranges, mask, 64 if wide else 32)


def _list_tests(expr: Expr, tests: dict[Test, bool]) -> None:
    """Add the tests of a condition, in order, with whether they need the word to be masked."""
    if isinstance(expr, tuple):
        expr = as_within(expr)
    if isinstance(expr, Within):
        if expr.mask > LOW and expr.width == 64:
            _add(tests, (expr.arg, True, expr.mask >> 32), [(first >> 32, last >> 32) for first, last in expr.ranges])
        _add(tests, (expr.arg, False, expr.mask & LOW), [(first & LOW, last & LOW) for first, last in expr.ranges])
        return
    for term in (expr.term,) if isinstance(expr, Not) else expr.terms:
        _list_tests(term, tests)


def _add(tests: dict[Test, bool], test: Test, ranges: list[tuple[int, int]]) -> None:
    mask = test[2]
    bits = mask == LOW or not mask & (mask - 1) or ranges == [(0, 0)] or ranges == [(1, LOW)]
    tests[test] = tests.get(test, False) or not bits


def _next_masked(value: int, mask: int) -> int | None:
    """The smallest number that is `value` or more and has only bits of the mask; None beyond 32 bits."""
    outside = value & ~mask
    if not outside:
        return value
    below = (1 << outside.bit_length()) - 1
    following = (value | ~mask & LOW | below) + 1
    return following & mask if following <= LOW else None
