"""Sets of numbers that are conditions on bits, said as tests: ranges, masked values, or neither of a few."""

from __future__ import annotations

from troth.bpf.symbolic.diagram import FALSE, TRUE, TooLargeError, TooManyCubesError
from troth.policy.expr import ALWAYS, NEVER, All, Any, Not, Within

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from troth.bpf.symbolic import Space
    from troth.bpf.symbolic.diagram import Cube, Diagram
    from troth.policy.expr import Expr

    Ranges = list[tuple[int, int]]

# How many ranges are tried before a set is said in masked values instead.
_MOST: Final = 256

_MOST_AT_ALL: Final = 20_000
_NOT_SAID: Final = 1 << 30

_MOST_COMPARED: Final = 100  # alternatives, each with each
_LONG: Final = 16
_SHORT: Final = 4  # nobody wishes for a shorter way to say this many numbers
_MOST_PATCHES: Final = 8
_WORTH_RAISING: Final = 3  # open bits of a masked value that is worth widening
_SPARSE: Final = 1 / 8  # of a masked value's numbers may be exceptions
_MASK_COST: Final = 3  # a mask takes as much to read as so many numbers


class TooManyError(Exception):
    """More ranges than asked for."""


def ranges(diagram: Diagram, condition: int, bits: list[tuple[int, int]], most: int = _MOST) -> Ranges:
    """The numbers that meet a condition, as ranges among the numbers made of these bits.

    `bits` are (level, value of the bit), from the highest. Two numbers are neighbours when nothing that these
    bits can make lies between them.

    Raises:
        TooManyError: there are more than `most`.
    """
    rest = [0] * (len(bits) + 1)
    for index in reversed(range(len(bits))):
        rest[index] = rest[index + 1] + bits[index][1]
    found: Ranges = []
    joinable = False

    def go(node: int, index: int, prefix: int) -> None:
        nonlocal joinable
        if node == FALSE:
            joinable = False
            return
        if node == TRUE:
            if joinable:
                found[-1] = (found[-1][0], prefix + rest[index])
            else:
                if len(found) == most:
                    raise TooManyError
                found.append((prefix, prefix + rest[index]))
            joinable = True
            return
        level, value = bits[index]
        if diagram.level[node] == level:
            go(diagram.low[node], index + 1, prefix)
            go(diagram.high[node], index + 1, prefix + value)
        else:
            go(node, index + 1, prefix)
            go(node, index + 1, prefix + value)

    go(condition, 0, 0)
    return found


def described(space: Space, arg: int, condition: int) -> Expr:
    """Say a condition on the bits of one argument with as few tests as possible.

    Exact: what is said holds for the same numbers. The upper half is not mentioned where it does not matter.

    Raises:
        TooLargeError: it would take tens of thousands of numbers.
    """
    diagram = space.diagram
    if condition == TRUE:
        return ALWAYS
    if condition == FALSE:
        return NEVER
    places = {space.level(2 + arg, bit): bit for bit in range(64)}
    used = sorted(places[level] for level in diagram.support(condition))
    width = 64 if used[-1] >= 32 else 32
    if len(used) == width - used[0]:
        used = list(range(width))  # `x & ~15 != 0` is `x >= 16`
    every = [(space.level(2 + arg, bit), 1 << bit) for bit in reversed(range(width))]
    bits = [(level, value) for level, value in every if value.bit_length() - 1 in used]
    plain, whole = _counted(diagram, condition, bits), _counted(diagram, condition, every)
    if whole is not None and (plain is None or _cost(whole) <= _cost(plain) + _MASK_COST):
        # Two values that differ in one bit are `in {2, 10}`, not `& ~8 == 2`.
        used, bits, plain = list(range(width)), every, whole
    mask = sum(1 << bit for bit in used)
    opposite = _counted(diagram, diagram.negated(condition), bits)
    cost = _NOT_SAID
    said: Expr = NEVER
    if plain is not None:
        said, cost = Within(arg, tuple(plain), mask, width), _cost(plain)
    if opposite is not None and (2 * _cost(opposite) < cost or _cost(opposite) == len(opposite) < cost):
        said, cost = Not(Within(arg, tuple(opposite), mask, width)), _cost(opposite)
    ways: tuple[Callable[[int], Expr | None], ...] = (
        lambda some: _masked(diagram, arg, some, places),
        lambda some: _patched(diagram, arg, some, places, bits, width),
    )
    for negate in (False, True):
        # What a set is not may be much shorter, and is only looked at where what it is is long.
        if cost > (_LONG if negate else _SHORT):
            for way in ways:
                other = way(diagram.negated(condition) if negate else condition)
                if other is not None and size(other) < cost:
                    said, cost = Not(other) if negate else other, size(other)
    if cost == _NOT_SAID:
        try:
            said = Within(arg, tuple(ranges(diagram, condition, bits, _MOST_AT_ALL)), mask, width)
        except TooManyError:
            raise TooLargeError(f"{_MOST_AT_ALL} ranges of an argument") from None
    return said


def _masked(diagram: Diagram, arg: int, condition: int, places: dict[int, int]) -> Expr | None:
    """Alternatives under several masks: `x & 3 == 0 or x == 7` is two of them and a billion ranges."""
    try:
        return _by_mask(arg, diagram.cover(condition, condition)[1], places)
    except TooManyCubesError:
        return None


def _by_mask(arg: int, cubes: list[Cube], places: dict[int, int]) -> Expr:
    found: dict[int, list[int]] = {}
    for cube in cubes:
        mask = sum(1 << places[level] for level in cube)
        found.setdefault(mask, []).append(sum(1 << places[level] for level, value in cube.items() if value))
    tests = [
        Within(arg, tuple((value, value) for value in values), mask, 64 if mask >> 32 else 32)
        for mask, values in sorted(found.items())
    ]
    return tests[0] if len(tests) == 1 else Any(tuple(tests))


def _patched(
    diagram: Diagram, arg: int, condition: int, places: dict[int, int], bits: list[tuple[int, int]], width: int
) -> Expr | None:
    """Masked values that hold nearly everywhere, without the numbers they should not hold for, and with those missed.

    `x & 0xff00 == 0x5400 and x not in {0x5413, 0x5414} or x == 0x8912`: what terminal requests look like.
    """
    rest, rough = condition, FALSE
    raised: list[Cube] = []
    outside = diagram.negated(condition)
    while rest != FALSE and len(raised) < _MOST_PATCHES:
        try:
            cube = min(diagram.cover(rest, rest)[1], key=len)
        except TooManyCubesError:
            return None
        if len(cube) + _WORTH_RAISING > len(bits):
            break
        for level in sorted(cube, reverse=True):
            wider = {at: value for at, value in cube.items() if at != level}
            holes = diagram.share(diagram.both(diagram.cube(wider), outside)) * 2.0 ** len(wider)
            if holes <= _SPARSE:
                cube = wider
        raised.append(cube)
        rough = diagram.either(rough, diagram.cube(cube))
        rest = diagram.both(rest, diagram.negated(diagram.cube(cube)))
    extra = _counted(diagram, diagram.both(rough, outside), bits)
    missed = _counted(diagram, rest, bits)
    if not raised or {} in raised or extra is None or missed is None:
        return None
    whole = sum(value for _, value in bits)
    said = _by_mask(arg, raised, places)
    if extra:
        said = All((said, Not(Within(arg, tuple(extra), whole, width))))
    if missed:
        said = Any((said, Within(arg, tuple(missed), whole, width)))
    return said


def _counted(diagram: Diagram, condition: int, bits: list[tuple[int, int]]) -> Ranges | None:
    try:
        return ranges(diagram, condition, bits)
    except TooManyError:
        return None


def _cost(found: Ranges) -> int:
    """A range takes two numbers to say, a single number one."""
    return sum(1 + (first != last) for first, last in found)


def conditions(space: Space, node: int) -> Expr:
    """Say a condition on the arguments (and the instruction pointer) in tests, argument by argument.

    Each alternative is widened to all values of an argument for which it suffices, and left out where others
    cover it, so that `a == 1 or b == 2` is said as that.
    """
    diagram = space.diagram
    memo: dict[int, Expr] = {}

    def go(node: int) -> Expr:
        found = memo.get(node)
        if found is not None:
            return found
        if node == TRUE:
            return ALWAYS
        if node == FALSE:
            return NEVER
        arg = (diagram.level[node] - 64) // 64
        parts = diagram.parts(node, 64 + 64 * (arg + 1))
        others = parts if len(parts) <= _MOST_COMPARED else {}
        terms: list[Expr] = []
        for rest in sorted(parts, key=lambda rest: (rest != TRUE, rest)):
            if rest == FALSE:
                continue
            suffices, covered = parts[rest], FALSE
            for other, values in others.items():
                if diagram.implies(rest, other):
                    suffices = diagram.either(suffices, values)
                elif diagram.implies(other, rest):
                    covered = diagram.either(covered, other)
            if covered != rest:
                terms.append(_all(described(space, arg, suffices), go(rest)))
        found = memo[node] = terms[0] if len(terms) == 1 else Any(tuple(terms))
        return found

    return go(node)


def _all(first: Expr, second: Expr) -> Expr:
    """Both, without what always holds."""
    terms: list[Expr] = []
    for term in (first, second):
        terms += term.terms if isinstance(term, All) else (term,)
    return terms[0] if len(terms) == 1 else All(tuple(terms))


def size(expr: Expr) -> int:
    """How much there is to say: the numbers in all tests, and the masks."""
    if isinstance(expr, Within):
        return _cost(list(expr.ranges)) + (_MASK_COST if expr.mask != (1 << expr.width) - 1 else 0)
    if isinstance(expr, Not):
        return size(expr.term)
    if isinstance(expr, All | Any):
        return sum(size(term) for term in expr.terms)
    return len(expr[2])
