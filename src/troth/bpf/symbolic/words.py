"""32-bit numbers whose bits are conditions: what the registers of a filter hold, for all calls at once.

A word is a tuple of nodes, the least significant bit first, so that equal words are equal tuples.
"""

from __future__ import annotations

from troth.bpf.symbolic.diagram import END, FALSE, TRUE, TooLargeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from troth.bpf.symbolic.diagram import Diagram

    Word = tuple[int, ...]

BITS: Final = 32
_MOST_OPEN: Final = 24  # bits of a call that two factors may depend on


def constant(value: int) -> Word:
    """The word that is this number everywhere."""
    return tuple(value >> bit & 1 for bit in range(BITS))  # FALSE and TRUE are 0 and 1


def known(word: Word) -> int | None:
    """The number that a word is everywhere; None when it differs."""
    value = 0
    for bit, node in enumerate(word):
        if node > TRUE:
            return None
        value |= node << bit
    return value


class Words:
    """Arithmetic and comparisons on the words of one diagram; modulo 2**32, as the kernel's."""

    def __init__(self, diagram: Diagram) -> None:
        self._d = diagram

    def equal(self, a: Word, b: Word) -> int:
        """The condition that two words are the same; the deepest bits are joined first."""
        d = self._d
        found = TRUE
        for x, y in zip(a, b, strict=True):
            if y == TRUE:
                found = d.ite(x, found, FALSE)
            elif y == FALSE:
                found = d.ite(x, FALSE, found)
            else:
                found = d.ite(d.differ(x, y), FALSE, found)
        return found

    def at_least(self, a: Word, b: Word, *, or_equal: bool = True) -> int:
        """The condition that a >= b (or a > b), unsigned."""
        d = self._d
        found = TRUE if or_equal else FALSE
        for x, y in zip(a, b, strict=True):
            if y == TRUE:
                found = d.ite(x, found, FALSE)
            elif y == FALSE:
                found = d.ite(x, TRUE, found)
            else:
                found = d.ite(d.differ(x, y), x, found)
        return found

    def any_bit(self, a: Word, b: Word) -> int:
        """The condition that a & b is not 0."""
        d = self._d
        found = FALSE
        for x, y in zip(a, b, strict=True):
            found = d.either(d.both(x, y), found)
        return found

    def choose(self, condition: int, a: Word, b: Word) -> Word:
        """The word that is `a` where the condition holds, and `b` elsewhere."""
        return tuple(self._d.ite(condition, x, y) for x, y in zip(a, b, strict=True))

    def conjoined(self, a: Word, b: Word) -> Word:
        """a & b."""
        return tuple(self._d.both(x, y) for x, y in zip(a, b, strict=True))

    def joined(self, a: Word, b: Word) -> Word:
        """a | b."""
        return tuple(self._d.either(x, y) for x, y in zip(a, b, strict=True))

    def differing(self, a: Word, b: Word) -> Word:
        """a ^ b."""
        return tuple(self._d.differ(x, y) for x, y in zip(a, b, strict=True))

    def inverted(self, a: Word) -> Word:
        """~a."""
        return tuple(self._d.negated(x) for x in a)

    def sum(self, a: Word, b: Word, carry: int = FALSE) -> Word:
        """a + b + carry."""
        d = self._d
        found = []
        for x, y in zip(a, b, strict=True):
            odd = d.differ(x, y)
            found.append(d.differ(odd, carry))
            carry = d.ite(odd, carry, x)
        return tuple(found)

    def difference(self, a: Word, b: Word) -> Word:
        """a - b."""
        return self.sum(a, self.inverted(b), TRUE)

    def product(self, a: Word, b: Word) -> Word:
        """a * b: a sum for every bit of `b`."""
        self._expect_small(a, b)
        found = constant(0)
        for bit, y in enumerate(b):
            if y != FALSE:
                shifted = (FALSE,) * bit + a[: BITS - bit]
                found = self.sum(found, tuple(self._d.both(x, y) for x in shifted))
        return found

    def quotient(self, a: Word, b: Word) -> Word:
        """a // b where `b` is not 0: long division."""
        divisor = known(b)
        self._expect_small(a, b)
        if divisor and divisor & (divisor - 1) == 0:
            return self.shifted_right(a, constant(divisor.bit_length() - 1))
        rest = constant(0)
        found = [FALSE] * BITS
        for bit in reversed(range(BITS)):
            # The rest is below b, so doubling it overflows into one more bit only.
            overflow = rest[-1]
            rest = (a[bit], *rest[:-1])
            fits = self._d.either(overflow, self.at_least(rest, b))
            found[bit] = fits
            rest = self.choose(fits, self.difference(rest, b), rest)
        return tuple(found)

    def _expect_small(self, a: Word, b: Word) -> None:
        """Refuse what is known to be exponential in any order (Bryant, IEEE Transactions on Computers 40, 1991)."""
        if known(a) is None and known(b) is None and self._variables(a + b) > _MOST_OPEN:
            raise TooLargeError(f"{_MOST_OPEN} bits in two factors")

    def _variables(self, bits: tuple[int, ...]) -> int:
        """How many bits of a call these conditions depend on."""
        d = self._d
        seen: set[int] = {FALSE, TRUE}
        waiting = [*bits]
        while waiting:
            node = waiting.pop()
            if node not in seen:
                seen.add(node)
                waiting += (d.low[node], d.high[node])
        return len({d.level[node] for node in seen} - {END})

    def shifted_left(self, a: Word, count: Word) -> Word:
        """a << (count & 31)."""
        for step in range(5):
            by = 1 << step
            if count[step] != FALSE:
                a = self.choose(count[step], (FALSE,) * by + a[:-by], a)
        return a

    def shifted_right(self, a: Word, count: Word) -> Word:
        """a >> (count & 31)."""
        for step in range(5):
            by = 1 << step
            if count[step] != FALSE:
                a = self.choose(count[step], a[by:] + (FALSE,) * by, a)
        return a

    def values(self, a: Word) -> int:
        """The function whose value is the number that the word is.

        All bits are expanded together, so that each node of the answer is made once: bits that depend on each
        other take no more than the values that they have together.
        """
        d = self._d
        memo: dict[Word, int] = {}

        def go(word: Word) -> int:
            number = known(word)
            if number is not None:
                return d.end(number)
            found = memo.get(word)
            if found is None:
                level = min(d.level[node] for node in word)
                low = tuple(d.low[node] if d.level[node] == level else node for node in word)
                high = tuple(d.high[node] if d.level[node] == level else node for node in word)
                found = memo[word] = d.node(level, go(low), go(high))
            return found

        return go(a)
