"""Find the segment that a number is in by the best tree there is: for few segments, as arguments have.

The steps are those of `search`, which numbers of calls take: there are hundreds of them, and a pledge waits.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Final

    from troth.bpf.build import Builder

    Leaf = Any  # whatever `place` takes

_END: Final = 1 << 32
_PRICE: Final = 0.05  # of the mean: comparisons that an instruction is worth


class Few:
    """The best tree over few segments, by trying all borders for every interval of them.

    Optimal among the trees of `JGE` at borders whose leaves are segments or chains of `JEQ`, for the weighted
    mean of comparisons plus `_PRICE` of the whole weight for each instruction; a chain takes an interval in which
    every other segment is a single number and the rest have one leaf. Takes the third power of their number.
    """

    LIMIT: Final = 20  # segments: beyond that `search` is nearly as good and much faster

    def __init__(self, segments: Sequence[tuple[int, Leaf]], weights: Sequence[float]) -> None:
        self._segments = segments
        count = len(segments)
        sums = [0.0]
        for weight in weights:
            sums.append(sums[-1] + weight)
        price = _PRICE * sums[-1]
        ends = [first for first, _ in segments[1:]] + [_END]
        single = [first + 1 == end for (first, _), end in zip(segments, ends, strict=True)]
        # Of the interval from `low` up to `high`: its cost as cost[low][high] and ended[high][low], and the border that
        # divides it first, which is 0 for a chain or a leaf.
        self._cost = cost = [[0.0] * (count + 1) for _ in range(count + 1)]
        ended = [[0.0] * (count + 1) for _ in range(count + 1)]
        self._border = border = [[0] * (count + 1) for _ in range(count + 1)]
        for low in range(count - 1, -1, -1):
            row, leaf = cost[low], segments[low][1]
            points, lone, chained = 0.0, 0.0, True  # of the chain that the interval is so far
            for high in range(low + 2, count + 1):
                weight = sums[high] - sums[low]
                tried = [*map(float.__add__, row[low + 1 : high], ended[high][low + 1 : high])]
                best = min(tried)
                where = low + 1 + tried.index(best)
                best += weight + price
                if chained and (high - low) % 2:
                    chained = segments[high - 1][1] == leaf and single[high - 2]
                    if chained:
                        # Points are asked for in their order: the k-th after k comparisons, what is around after all.
                        length = (high - low) // 2
                        points += length * weights[high - 2]
                        lone += weights[high - 2]
                        chain = points + length * (weight - lone + price)
                        if chain <= best:
                            best, where = chain, 0
                row[high] = ended[high][low] = best
                border[low][high] = where

    @property
    def cost(self) -> float:
        """Weighted comparisons, and the price of instructions."""
        return self._cost[0][len(self._segments)]

    def write(self, build: Builder, place: Callable[[Leaf], int]) -> int:
        """Write the tree; see `search`."""
        return self._write(build, place, 0, len(self._segments))

    def _write(self, build: Builder, place: Callable[[Leaf], int], low: int, high: int) -> int:
        segments, middle = self._segments, self._border[low][high]
        if middle and high - low == 2 and segments[low][0] + 1 == segments[middle][0]:
            rest = place(segments[middle][1])
            return build.if_equal(segments[low][0], place(segments[low][1]), rest)
        if middle:
            if middle - low > high - middle:
                below = self._write(build, place, low, middle)
                return build.if_at_least(segments[middle][0], self._write(build, place, middle, high), below)
            above = self._write(build, place, middle, high)
            return build.if_at_least(segments[middle][0], above, self._write(build, place, low, middle))
        found = place(segments[low][1])
        for number, leaf in reversed(segments[low + 1 : high : 2]):
            found = build.if_equal(number, place(leaf), found)
        return found
