"""Find the segment that a number is in, with the fewest comparisons that weigh the least.

A holds a 32-bit number; segments say what every number leads to. Three steps are possible: `JEQ` takes one
number out, whereupon its neighbours join; `JGE` divides; and a leaf ends the search.

Length: a tree has one instruction for each border between segments, save that a lone number between equal
neighbours takes one for its two. Only a row of more than four such numbers is divided, at one instruction
each, for speed. Depth: each step takes the number that is a quarter of all weight or more, or else divides
the weight as evenly as borders allow. Dividing evenly keeps the weighted mean within two comparisons of the
entropy of the weights, below which no tree that tells all segments apart can be (weight-balanced trees:
Mehlhorn, "Nearly optimal binary search trees", 1975); taking out what is heavy is the better of two choices.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Final, TypeVar

    from troth.bpf.build import Builder

    Leaf = TypeVar("Leaf")
    Point = tuple[float, int, Leaf]  # weight, number, leaf
    # First number, leaf, weight with that of the points, whether it is a single number, points inside.
    Base = tuple[int, Leaf, float, bool, tuple[Point[Leaf], ...]]

_HEAVY: Final = 0.25  # of the weight: with up to four equal numbers a chain is no slower than a tree
_CHAIN: Final = 4  # points that are compared one after the other
_END: Final = 1 << 32


def search(
    build: Builder, segments: Sequence[tuple[int, Leaf]], weights: Sequence[float], place: Callable[[Leaf], int]
) -> int:
    """Write the tree; gives its place. Expects the number in A, which it leaves there.

    `segments` are (first number, leaf), ascending from 0, neighbours with different leaves; `weights` says of
    each how often it is asked for; `place` writes a leaf, or gives where it was written.

    Sound: every comparison sends numbers to a part of the tree that holds the segment they are in. A number
    that `JEQ` took out cannot come back, so the neighbour that takes its place may have any leaf.
    """
    return _tree(build, _bases(segments, weights), place)


def length(segments: Sequence[tuple[int, Leaf]]) -> int:
    """How many comparisons a tree over these segments has, at least."""
    bases = _bases(segments, (0,) * len(segments))
    return len(bases) - 1 + sum([len(base[4]) for base in bases])


def _bases(segments: Sequence[tuple[int, Leaf]], weights: Sequence[float]) -> list[Base[Leaf]]:
    """Segments, with lone numbers between equal neighbours as points of what surrounds them."""
    found: list[Base[Leaf]] = []
    last = len(segments) - 1
    for index, (first, leaf) in enumerate(segments):
        weight = weights[index]
        if len(found) > 1 and found[-1][3] and found[-2][1] == leaf and not found[-1][4]:
            number, inner, heft, _, _ = found.pop()
            start, _, around, _, points = found.pop()
            found.append((start, leaf, around + heft + weight, False, (*points, (heft, number, inner))))
        else:
            found.append((first, leaf, weight, index < last and segments[index + 1][0] == first + 1, ()))
    return found


def _tree(build: Builder, bases: list[Base[Leaf]], place: Callable[[Leaf], int]) -> int:
    if len(bases) == 1 and not bases[0][4]:
        return place(bases[0][1])
    total = sum([base[2] for base in bases])
    where, point = _heaviest(bases)
    many = len(bases) > 1 or len(bases[0][4]) > _CHAIN
    if where >= 0 and (not many or point[0] >= _HEAVY * total):
        rest = _tree(build, _without(bases, where, point), place)
        return build.if_equal(point[1], place(point[2]), rest)
    if len(bases) == 2 and bases[0][3] and not bases[1][4]:
        rest = place(bases[1][1])
        return build.if_equal(bases[0][0], place(bases[0][1]), rest)
    low, border, high = _divided(bases, total)
    # What is longer is written first and so stands further off: then the distance is the shorter one's length.
    if len(low) > len(high):
        below = _tree(build, low, place)
        return build.if_at_least(border, _tree(build, high, place), below)
    above = _tree(build, high, place)
    return build.if_at_least(border, above, _tree(build, low, place))


def _heaviest(bases: list[Base[Leaf]]) -> tuple[int, Point[Leaf]]:
    """The heaviest single number: the index of its base, and the number; -1 when there is none."""
    where, best = -1, None
    for index, (first, leaf, weight, single, points) in enumerate(bases):
        if single and not points and (best is None or weight > best[0]):
            where, best = index, (weight, first, leaf)
        for point in points:
            if best is None or point[0] > best[0]:
                where, best = index, point
    return where, best  # type: ignore[return-value]  # unused when there is none


def _without(bases: list[Base[Leaf]], where: int, point: Point[Leaf]) -> list[Base[Leaf]]:
    """The bases when a number has been taken out."""
    first, leaf, weight, single, points = bases[where]
    if points:
        left = tuple(other for other in points if other is not point)
        return [*bases[:where], (first, leaf, weight - point[0], single, left), *bases[where + 1 :]]
    before, after = bases[:where], bases[where + 1 :]
    if before and after and before[-1][1] == after[0][1]:
        start, leaf, weight, _, points = before.pop()
        _, _, more, _, others = after.pop(0)
        before.append((start, leaf, weight + more, False, (*points, *others)))
    return before + after


def _divided(bases: list[Base[Leaf]], total: float) -> tuple[list[Base[Leaf]], int, list[Base[Leaf]]]:
    """Two halves of about the same weight, and the number at which the upper one begins."""
    if len(bases) == 1:
        first, leaf, weight, _, points = bases[0]
        middle = len(points) // 2
        own = (weight - sum([point[0] for point in points])) / 2
        border = points[middle][1]
        low = (first, leaf, own + sum([point[0] for point in points[:middle]]), False, points[:middle])
        high = (border, leaf, own + sum([point[0] for point in points[middle:]]), False, points[middle:])
        return [low], border, [high]
    half, reached, index = total / 2, bases[0][2], 1
    while index < len(bases) - 1 and reached + bases[index][2] / 2 < half:
        reached += bases[index][2]
        index += 1
    return bases[:index], bases[index][0], bases[index:]
