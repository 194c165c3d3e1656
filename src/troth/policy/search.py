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
    from typing import Any, Final

    from troth.bpf.build import Builder

    Leaf = Any  # whatever `place` takes
    Point = tuple[float, int, Leaf]  # weight, number, leaf
    Base = tuple[int, Leaf, tuple[Point, ...]]  # first number, leaf, points inside

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
    return _Search(build, place).whole(*_bases(segments, weights))


def _bases(
    segments: Sequence[tuple[int, Leaf]], weights: Sequence[float]
) -> tuple[list[Base], list[float], list[float]]:
    """Segments, with lone numbers between equal neighbours as points of what surrounds them.

    Gives also what each weighs with its points, and what the heaviest number in it weighs that `JEQ` can take.
    """
    bases: list[Base] = []
    hefts: list[float] = []
    heaviest: list[float] = []
    ends = [first for first, _ in segments[1:]]
    ends.append(_END)
    alone = False  # whether the last base is a lone number
    for (first, leaf), end, weight in zip(segments, ends, weights, strict=True):
        if alone and len(bases) > 1 and bases[-2][1] == leaf:
            number, inner, _ = bases.pop()
            start, _, points = bases[-1]
            heft = hefts.pop()
            bases[-1] = (start, leaf, (*points, (heft, number, inner)))
            hefts[-1] += heft + weight
            point = heaviest.pop()
            heaviest[-1] = max(heaviest[-1], point) if points else point
            alone = False
        else:
            alone = first + 1 == end
            bases.append((first, leaf, ()))
            hefts.append(weight)
            heaviest.append(weight if alone else 0.0)
    return bases, hefts, heaviest


class _Search:
    """Writes one tree."""

    def __init__(self, build: Builder, place: Callable[[Leaf], int]) -> None:
        self._build = build
        self._place = place

    def whole(self, bases: list[Base], hefts: list[float], heaviest: list[float]) -> int:
        """Write the tree over these bases."""
        reached = 0.0
        sums = [reached]
        for heft in hefts:
            reached += heft
            sums.append(reached)
        return self._tree(bases, sums, heaviest, 0, len(bases))

    def _tree(self, bases: list[Base], sums: list[float], heaviest: list[float], low: int, high: int) -> int:
        """The tree over the bases from `low` up to `high`; `sums` has what those before each weigh."""
        count = high - low
        if count == 1:
            _, leaf, points = bases[low]
            return self._points(leaf, points, sums[high] - sums[low]) if points else self._place(leaf)
        if count == 2 and not bases[low][2] and not bases[low + 1][2]:
            above = self._place(bases[low + 1][1])
            return self._build.if_at_least(bases[low + 1][0], above, self._place(bases[low][1]))
        total = sums[high] - sums[low]
        most = max(heaviest[low:high])
        if most >= _HEAVY * total:
            hefts = [sums[index + 1] - sums[index] for index in range(low, high)]
            return self._apart(bases[low:high], hefts, heaviest[low:high], heaviest.index(most, low) - low)
        middle = low + 1
        if count > 2:
            half = sums[low] + sums[high]  # twice the sum where the weight is halved
            end = high - 1
            while middle < end:
                there = (middle + end) // 2
                if sums[there] + sums[there + 1] < half:
                    middle = there + 1
                else:
                    end = there
        # What is longer is written first and so stands further off: then the distance is the shorter one's length.
        if middle - low > high - middle:
            below = self._tree(bases, sums, heaviest, low, middle)
            above = self._tree(bases, sums, heaviest, middle, high)
        else:
            above = self._tree(bases, sums, heaviest, middle, high)
            below = self._tree(bases, sums, heaviest, low, middle)
        return self._build.if_at_least(bases[middle][0], above, below)

    def _points(self, leaf: Leaf, points: tuple[Point, ...], heft: float) -> int:
        """Numbers with leaves of their own, all others with one: a chain, the heaviest first, or two halves."""
        build = self._build
        first = max(points)
        if len(points) > _CHAIN and first[0] < _HEAVY * heft:
            middle = len(points) // 2
            above = self._points(leaf, points[middle:], heft / 2)
            return build.if_at_least(points[middle][1], above, self._points(leaf, points[:middle], heft / 2))
        if len(points) > _CHAIN:
            rest = self._points(leaf, tuple([point for point in points if point is not first]), heft - first[0])
            return build.if_equal(first[1], self._place(first[2]), rest)
        found = self._place(leaf)
        for _, number, inner in sorted(points):
            found = build.if_equal(number, self._place(inner), found)
        return found

    def _apart(self, bases: list[Base], hefts: list[float], heaviest: list[float], where: int) -> int:
        """Take the heaviest number out; the lists are changed."""
        number, inner, points = bases[where]
        if points:
            leaf = inner
            point = max(points)
            weight, number, inner = point
            left = tuple([other for other in points if other is not point])
            bases[where] = (bases[where][0], leaf, left)
            hefts[where] -= weight
            heaviest[where] = max(left)[0] if left else 0.0
        else:
            del bases[where], hefts[where], heaviest[where]
            if 0 < where < len(bases) and bases[where - 1][1] == bases[where][1]:
                start, leaf, points = bases[where - 1]
                points += bases.pop(where)[2]
                bases[where - 1] = (start, leaf, points)
                hefts[where - 1] += hefts.pop(where)
                del heaviest[where]
                heaviest[where - 1] = max(points)[0] if points else 0.0
        rest = self.whole(bases, hefts, heaviest)
        return self._build.if_equal(number, self._place(inner), rest)
