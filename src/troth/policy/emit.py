"""Instructions for what arguments decide: from decision diagrams, or from expressions as they stand."""

from __future__ import annotations

from troth.abi.seccomp import RET_ALLOW
from troth.bpf.program import OFFSET_ARGS, OFFSET_IP
from troth.policy.decisions import LOW, Diagrams, EntangledError, Node, as_within
from troth.policy.expr import IP, All, Not, Within
from troth.policy.few import Few
from troth.policy.search import search

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from troth.bpf.build import Builder
    from troth.policy.decisions import Diagram, Parts
    from troth.policy.expr import Expr
    from troth.policy.model import Rule

    Held = tuple[int, int] | None  # what A holds: a word of the call by its offset, and which of its bits
    Leaf = Callable[[int | None], int]


class Emitter:
    """Writes the rules of calls for machines of one byte order.

    Without `bit_tests` no instruction is used that tests bits and keeps A (`JSET`).
    """

    def __init__(self, build: Builder, *, big_endian: bool, bit_tests: bool = True) -> None:
        self._build = build
        self._big_endian = big_endian
        self._bit_tests = bit_tests

    def rules(self, rules: tuple[Rule, ...]) -> int:
        """Write the rules of a call, the last of which has no conditions; expects nothing in A.

        Sound: a diagram answers as the first rule that applies (`Diagrams`); where it would be out of
        proportion each condition is written by itself, one after the other.
        """
        try:
            diagram = Diagrams(cond for conds, _ in rules for cond in conds).rules(rules)
        except EntangledError:
            place = self._build.answer(rules[-1][1])
            for conds, answer in reversed(rules[:-1]):
                place = self._expr(All(conds), self._build.answer(answer), place)
            return place
        return self._node(diagram, None, {}, self._answer)

    def _answer(self, answer: int | None) -> int:
        assert answer is not None  # the last rule has no conditions
        return self._build.answer(answer)

    def _expr(self, expr: Expr, yes: int, no: int) -> int:
        """Write a condition as it stands; A is loaded anew for each test."""
        if isinstance(expr, tuple):
            expr = as_within(expr)
        if isinstance(expr, Within):
            diagram = Diagrams((expr,)).expr(expr)
            return self._node(diagram, None, {}, lambda holds: yes if holds else no)
        if isinstance(expr, Not):
            return self._expr(expr.term, no, yes)
        every = isinstance(expr, All)
        place = yes if every else no
        for term in reversed(expr.terms):
            place = self._expr(term, place, no) if every else self._expr(term, yes, place)
        return place

    def _node(self, node: Diagram, held: Held, written: dict[tuple[Node, Held], int], leaf: Leaf) -> int:
        """Write a node, where A holds what `held` says.

        Sound: what A holds is known on every path that leads to a place, since a node is written once for
        each thing that A may hold. Bits that A lacks are never asked for.
        """
        if not isinstance(node, Node):
            return leaf(node)
        arg, upper, mask = node.test
        offset = (OFFSET_IP if arg == IP else OFFSET_ARGS + 8 * arg) + 4 * (upper is not self._big_endian)
        if held is not None and (held[0] != offset or mask & ~held[1]):
            held = None
        place = written.get((node, held))
        if place is not None:
            return place
        now = held or (offset, LOW)
        zero_or_not = len(node.parts) == 2 and node.parts[1][0] == mask & -mask
        if zero_or_not and mask != LOW and self._bit_tests:
            some = self._node(node.parts[1][1], now, written, leaf)
            place = self._build.if_any_bit(mask, some, self._node(node.parts[0][1], now, written, leaf))
        else:
            after = (offset, mask)
            place = self._divide(node.parts, mask, lambda child: self._node(child, after, written, leaf))
            if now[1] != mask:
                place = self._build.mask(mask, place)
        if held is None:
            place = self._build.load(offset, place)
        written[node, held] = place
        return place

    def _divide(self, parts: Parts, mask: int, place: Callable[[Diagram], int]) -> int:
        """Tell the values of A apart, which has no bits but those of the mask."""
        if len(parts) == 2 and parts[1][0] == 1:
            some = place(parts[1][1])
            return self._build.if_equal(0, place(parts[0][1]), some)
        if not 2 < len(parts) <= Few.LIMIT:
            return search(self._build, parts, _weights(parts), place)
        plain = Few(parts, _weights(parts))
        child = parts[0][1]
        ends = [first for first, _ in parts[1:]] + [LOW + 1]
        with_zero = [
            end - first for (first, other), end in zip(parts, ends, strict=True) if other is child or other == child
        ]
        # What goes where 0 goes may be all combinations of some bits, unless most numbers go there.
        if self._bit_tests and len(with_zero) > 1 and sum(with_zero) < LOW >> 1:
            cube, rest = _without_cube(parts)
            tree = Few(rest, _weights(rest))
            if tree.cost + sum(_weights(parts)) < plain.cost:
                elsewhere = tree.write(self._build, place)
                return self._build.if_any_bit(mask & ~cube, elsewhere, place(child))
        return plain.write(self._build, place)


def _weights(parts: Parts) -> list[float]:
    """What is asked for is mostly what is allowed, or what is decided later."""
    return [1.0 if isinstance(child, Node) or child == RET_ALLOW else 0.5 for _, child in parts]


def _without_cube(parts: Parts) -> tuple[int, Parts]:
    """Bits all of whose combinations go where 0 goes, and what is left to tell apart when another bit is set.

    Sound: where another bit is set, no value of the cube is met; a part that held nothing else may go anywhere.
    """
    child = parts[0][1]
    ends = [first - 1 for first, _ in parts[1:]] + [LOW]
    ranges = [(first, end) for (first, other), end in zip(parts, ends, strict=True) if other is child or other == child]
    cube = 0
    for bit in (1 << place for place in range(32)):
        if any(first <= bit <= end for first, end in ranges):
            wider = cube | bit
            if sum([_below(end + 1, wider) - _below(first, wider) for first, end in ranges]) == 1 << wider.bit_count():
                cube = wider
    rest: list[tuple[int, Diagram]] = []
    for (first, other), end in zip(parts, ends, strict=True):
        if _below(end + 1, cube) - _below(first, cube) == end + 1 - first:
            continue
        if not rest or not (rest[-1][1] is other or rest[-1][1] == other):
            rest.append((first if rest else 0, other))
    return cube, tuple(rest)


def _below(end: int, mask: int) -> int:
    """How many numbers below `end` have only bits of the mask."""
    if end > mask:
        return 1 << mask.bit_count()
    count = 0
    while end:
        top = 1 << (end.bit_length() - 1)
        count += 1 << (mask & (top - 1)).bit_count()
        if not mask & top:
            break
        end -= top
    return count
