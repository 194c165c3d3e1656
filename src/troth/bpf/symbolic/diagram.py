"""Reduced ordered decision diagrams with any hashable values at their ends.

A function from bits to values is a node; a node is a number, and equal functions have equal numbers, so
that equality is decided by `==`. `FALSE` and `TRUE` are the nodes of the two constant conditions. The
algorithms are Bryant's (IEEE Transactions on Computers 35, 1986); covers by Minato and Morreale.
"""

from __future__ import annotations

from troth.errors import TrothError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from typing import Final

    # Bits that are set or clear, by level; what is not mentioned is open.
    Cube = dict[int, int]

FALSE: Final = 0
TRUE: Final = 1
END: Final = 1 << 30  # the level of ends: below every bit

MOST_NODES: Final = 400_000  # some 150 MB; the filters of two architectures take a tenth of it
_MOST_STEPS: Final = 1_000_000  # choices worked out: some seconds, and 200 MB
_MOST_CUBES: Final = 4096


class TooLargeError(TrothError):
    """The answer would take more memory or time than is allowed; nothing is known. `than` is the limit."""

    def __init__(self, than: str) -> None:
        self.than = than
        super().__init__(f"too intricate to be taken apart: it takes more than {than}")


class TooManyCubesError(Exception):
    """A condition cannot be said as a few alternatives."""


class Diagram:
    """All nodes of one order of bits; `level` 0 is decided first."""

    def __init__(self, most: int = MOST_NODES) -> None:
        self.level: list[int] = [END, END]
        self.low: list[int] = [FALSE, TRUE]
        self.high: list[int] = [FALSE, TRUE]
        self.most = most
        self._unique: dict[tuple[int, int, int], int] = {}
        self._ends: dict[Hashable, int] = {False: FALSE, True: TRUE}
        self._values: dict[int, Hashable] = {FALSE: False, TRUE: True}
        self._ite: dict[tuple[int, int, int], int] = {}

    def __len__(self) -> int:
        return len(self.level)

    def end(self, value: Hashable) -> int:
        """The node of a constant function."""
        key = ("end", value)  # 0 and 1 are equal to False and True, and other values
        node = self._ends.get(key)
        if node is None:
            node = self._ends[key] = self._new(END, 0, 0)
            self._values[node] = value
        return node

    def is_end(self, node: int) -> bool:
        """Whether the function is constant."""
        return self.level[node] == END

    def value(self, node: int) -> Hashable:
        """The value of a constant function."""
        return self._values[node]

    def bit(self, level: int) -> int:
        """The condition that a bit is set."""
        return self.node(level, FALSE, TRUE)

    def node(self, level: int, low: int, high: int) -> int:
        """The function that is `low` where the bit is clear and `high` where it is set; both decide later bits only."""
        if low == high:
            return low
        key = (level, low, high)
        found = self._unique.get(key)
        if found is None:
            found = self._unique[key] = self._new(level, low, high)
        return found

    def _new(self, level: int, low: int, high: int) -> int:
        if len(self.level) >= self.most:
            raise TooLargeError(f"{self.most} nodes of a decision diagram")
        self.level.append(level)
        self.low.append(low)
        self.high.append(high)
        return len(self.level) - 1

    def ite(self, condition: int, then: int, otherwise: int) -> int:
        """The function that is `then` where the condition holds, and `otherwise` elsewhere."""
        if condition == TRUE:
            return then
        if condition == FALSE or then == otherwise:
            return otherwise
        if then == TRUE and otherwise == FALSE:
            return condition
        key = (condition, then, otherwise)
        found = self._ite.get(key)
        if found is not None:
            return found
        level, low, high = self.level, self.low, self.high
        a, b, c = level[condition], level[then], level[otherwise]
        top = min(a, b, c)
        c0, c1 = (low[condition], high[condition]) if a == top else (condition, condition)
        t0, t1 = (low[then], high[then]) if b == top else (then, then)
        o0, o1 = (low[otherwise], high[otherwise]) if c == top else (otherwise, otherwise)
        found = self.node(top, self.ite(c0, t0, o0), self.ite(c1, t1, o1))
        self._ite[key] = found
        if len(self._ite) > _MOST_STEPS:
            raise TooLargeError(f"{_MOST_STEPS} steps in a decision diagram")
        return found

    def negated(self, condition: int) -> int:
        """The opposite condition."""
        return self.ite(condition, FALSE, TRUE)

    def both(self, a: int, b: int) -> int:
        """The condition that both hold."""
        return self.ite(a, b, FALSE)

    def either(self, a: int, b: int) -> int:
        """The condition that one holds."""
        return self.ite(a, TRUE, b)

    def differ(self, a: int, b: int) -> int:
        """The condition that exactly one holds."""
        return self.ite(a, self.negated(b), b)

    def implies(self, a: int, b: int) -> bool:
        """Whether `b` holds wherever `a` does."""
        return self.ite(a, b, TRUE) == TRUE

    def combine(self, join: Callable[[Hashable, Hashable], Hashable], a: int, b: int) -> int:
        """The function whose value is `join` of the two functions' values everywhere."""
        memo: dict[tuple[int, int], int] = {}
        level, low, high = self.level, self.low, self.high

        def go(a: int, b: int) -> int:
            key = (a, b)
            found = memo.get(key)
            if found is None:
                top = min(level[a], level[b])
                if top == END:
                    found = self._constant(join(self._values[a], self._values[b]))
                else:
                    a0, a1 = (low[a], high[a]) if level[a] == top else (a, a)
                    b0, b1 = (low[b], high[b]) if level[b] == top else (b, b)
                    found = self.node(top, go(a0, b0), go(a1, b1))
                memo[key] = found
            return found

        return go(a, b)

    def mapped(self, change: Callable[[Hashable], Hashable], node: int) -> int:
        """The function with every value changed; `True` and `False` make a condition."""
        memo: dict[int, int] = {}

        def go(node: int) -> int:
            found = memo.get(node)
            if found is None:
                if self.level[node] == END:
                    found = self._constant(change(self._values[node]))
                else:
                    found = self.node(self.level[node], go(self.low[node]), go(self.high[node]))
                memo[node] = found
            return found

        return go(node)

    def _constant(self, value: Hashable) -> int:
        return (TRUE if value else FALSE) if isinstance(value, bool) else self.end(value)

    def values(self, node: int) -> set[Hashable]:
        """All values that a function has somewhere."""
        return {self._values[found] for found in self.below(node) if self.level[found] == END}

    def below(self, node: int) -> set[int]:
        """All nodes of a function."""
        seen = {node}
        open_ = [node]
        while open_:
            at = open_.pop()
            if self.level[at] != END:
                fresh = {self.low[at], self.high[at]} - seen
                seen |= fresh
                open_ += fresh
        return seen

    def support(self, node: int) -> set[int]:
        """The levels of the bits that a function depends on."""
        return {self.level[found] for found in self.below(node)} - {END}

    def fixed(self, node: int, bits: Cube) -> int:
        """The function where some bits are known."""
        memo: dict[int, int] = {}

        def go(node: int) -> int:
            found = memo.get(node)
            if found is None:
                level = self.level[node]
                if level == END:
                    found = node
                elif level in bits:
                    found = go(self.high[node] if bits[level] else self.low[node])
                else:
                    found = self.node(level, go(self.low[node]), go(self.high[node]))
                memo[node] = found
            return found

        return go(node)

    def at(self, node: int, bits: Cube) -> Hashable:
        """The value where these bits are so and all others clear."""
        while self.level[node] != END:
            node = self.high[node] if bits.get(self.level[node]) else self.low[node]
        return self._values[node]

    def example(self, condition: int) -> Cube | None:
        """Bits that meet a condition, the smallest number by level order; None when it never holds."""
        if condition == FALSE:
            return None
        bits: Cube = {}
        while condition != TRUE:
            clear = self.low[condition] != FALSE
            bits[self.level[condition]] = 0 if clear else 1
            condition = self.low[condition] if clear else self.high[condition]
        return bits

    def simpler(self, condition: int, where: int) -> int:
        """A condition that agrees with this one where it matters, and asks for fewer bits.

        The algorithm is Coudert and Madre's restrict (ICCAD 1990).
        """
        memo: dict[tuple[int, int], int] = {}

        def go(node: int, care: int) -> int:
            if care == TRUE or self.level[node] == END:
                return node
            key = (node, care)
            found = memo.get(key)
            if found is None:
                level = self.level[node]
                if self.level[care] < level:
                    found = go(node, self.either(self.low[care], self.high[care]))
                else:
                    apart = self.level[care] == level
                    care0, care1 = (self.low[care], self.high[care]) if apart else (care, care)
                    if care0 == FALSE:
                        found = go(self.high[node], care1)
                    elif care1 == FALSE:
                        found = go(self.low[node], care0)
                    else:
                        found = self.node(level, go(self.low[node], care0), go(self.high[node], care1))
                memo[key] = found
            return found

        return condition if where == FALSE else go(condition, where)

    def share(self, condition: int) -> float:
        """How much of everything a condition holds for, from 0 to 1."""
        memo = {FALSE: 0.0, TRUE: 1.0}

        def go(node: int) -> float:
            found = memo.get(node)
            if found is None:
                found = memo[node] = (go(self.low[node]) + go(self.high[node])) / 2
            return found

        return go(condition)

    def cube(self, cube: Cube) -> int:
        """The condition that bits are so."""
        found = TRUE
        for level in sorted(cube, reverse=True):
            found = self.node(level, FALSE, found) if cube[level] else self.node(level, found, FALSE)
        return found

    def parts(self, node: int, until: int) -> dict[int, int]:
        """What a function comes down to by its bits above level `until`: {function of the rest: condition}.

        The conditions are disjoint and cover everything.
        """
        memo: dict[int, dict[int, int]] = {}

        def go(node: int) -> dict[int, int]:
            level = self.level[node]
            if level >= until:
                return {node: TRUE}
            found = memo.get(node)
            if found is None:
                found = {rest: self.node(level, condition, FALSE) for rest, condition in go(self.low[node]).items()}
                for rest, condition in go(self.high[node]).items():
                    clear = found.get(rest, FALSE)
                    if clear == FALSE:
                        found[rest] = self.node(level, FALSE, condition)
                    else:
                        found[rest] = self.node(
                            level, self.low[clear] if self.level[clear] == level else clear, condition
                        )
                memo[node] = found
            return found

        return go(node)

    def cover(self, least: int, most: int) -> tuple[int, list[Cube]]:
        """Cubes that together hold wherever `least` does and only where `most` does, none of them superfluous.

        Gives the condition that they are, too. The algorithm is Minato's and Morreale's.

        Raises:
            TooManyCubesError: there are more than anybody would read.
        """
        memo: dict[tuple[int, int], tuple[int, list[tuple[tuple[int, int], ...]]]] = {}

        def go(least: int, most: int) -> tuple[int, list[tuple[tuple[int, int], ...]]]:
            if least == FALSE:
                return FALSE, []
            if most == TRUE:
                return TRUE, [()]
            found = memo.get((least, most))
            if found is not None:
                return found
            level = min(self.level[least], self.level[most])
            l0, l1 = (self.low[least], self.high[least]) if self.level[least] == level else (least, least)
            m0, m1 = (self.low[most], self.high[most]) if self.level[most] == level else (most, most)
            clear, cubes0 = go(self.both(l0, self.negated(m1)), m0)
            set_, cubes1 = go(self.both(l1, self.negated(m0)), m1)
            rest = self.either(self.both(l0, self.negated(clear)), self.both(l1, self.negated(set_)))
            free, cubes = go(rest, self.both(m0, m1))
            total = self.node(level, self.either(clear, free), self.either(set_, free))
            joined = [((level, 0), *cube) for cube in cubes0] + [((level, 1), *cube) for cube in cubes1] + cubes
            if len(joined) > _MOST_CUBES:
                raise TooManyCubesError
            memo[least, most] = total, joined
            return total, joined

        total, cubes = go(least, most)
        return total, [dict(cube) for cube in cubes]
