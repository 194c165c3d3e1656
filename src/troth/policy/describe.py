"""Conditions as text, in the language that `callset` reads.

Law: what is written here reads back as a condition that the same calls meet.
"""

from __future__ import annotations

from troth.abi import others, words
from troth.errors import ParseError
from troth.policy._syntax import Source
from troth.policy.arguments import arguments, named
from troth.policy.conditions import Conditions
from troth.policy.expr import All, Any, Not, Within, among, complement, joined

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from troth.policy.expr import Expr, Ranges

# How tightly a piece of text holds together: what binds less stands in parentheses.
_OR, _AND, _NOT, _ATOM = range(4)

_SHORT: Final = 16  # numbers that are rather listed than called a range, if all have names
_FEW_BITS: Final = 6  # of a mask: up to here, all values that can come out of it are looked at


def describe(expr: Expr, arch: str, call: str | int) -> str:
    """Write a condition on the arguments of one call, with the names that its kernel has for them.

    >>> from troth.policy.callset import parse
    >>> describe(parse("openat(flags & O_ACCMODE != O_RDONLY)", "x86_64").condition(257), "x86_64", "openat")
    'flags & O_ACCMODE'

    Raises:
        KeyError: no such architecture, or no such call there.
    """
    nr = call if isinstance(call, int) else others.numbers(arch)[call]
    return _Writer(arch, nr).write(expr)[0]


class _Writer:
    def __init__(self, arch: str, nr: int) -> None:
        self.arch = arch
        self.nr = nr
        self.known = arguments(arch, nr)
        self.call = others.names(arch).get(nr, "")

    def write(self, expr: Expr) -> tuple[str, int]:
        """The text of an expression, and how tightly it binds."""
        if isinstance(expr, All | Any):
            if not expr.terms:
                return ("always" if isinstance(expr, All) else "never"), _ATOM
            level, sign = (_AND, " and ") if isinstance(expr, All) else (_OR, " or ")
            parts = list(dict.fromkeys(self.write(term) for term in expr.terms))
            if len(parts) == 1:
                return parts[0]
            return sign.join(_held(part, level) for part in parts), level
        if isinstance(expr, Not) and isinstance(expr.term, Within):
            test = expr.term
            return self._within(test.replace(ranges=complement(test.ranges, (1 << test.width) - 1)))
        if isinstance(expr, Not):
            return "not " + _held(self.write(expr.term), _NOT), _NOT
        if isinstance(expr, Within):
            return self._within(expr)
        arg, mask, values, negate, wide = expr
        test = among(arg, values, mask=mask, width=64 if wide else 32)
        if negate:
            test = test.replace(ranges=complement(test.ranges, (1 << test.width) - 1))
        return self._within(test)

    def _within(self, test: Within) -> tuple[str, int]:
        argument = self.known[test.arg]
        operand = argument.name if named(self.known, argument.name) == argument else f"a{argument.index}"
        signed = argument.signed
        if test.mask != (1 << test.width) - 1 and not test.mask >> argument.width:
            test = _as_wide(test, argument.width)
        if test.width != argument.width:
            operand, signed = f"u{test.width}({operand})", False
        top = (1 << test.width) - 1
        ranges, rest = test.ranges, complement(test.ranges, top)
        if test.mask != top:
            names = words.mask(self.arch, self.call, test.arg, test.mask)
            names = names if self._means(names, test.mask, test.width) else _plain(test.mask)
            operand = f"{operand} & ({names})" if "|" in names else f"{operand} & {names}"
            ranges, rest = _achievable(test.mask, ranges), _achievable(test.mask, rest)
        if not ranges or not rest:
            return ("always" if ranges else "never"), _ATOM
        if test.mask != top and rest == ((0, 0),):
            return operand, _ATOM
        if _singles(rest) and (not _singles(ranges) or len(rest) < len(ranges)):
            values = [self._word(test, first, signed=signed) for first, _ in rest]
            return _among(operand, values, "!=", "not in"), _ATOM
        return self._ranges(test, operand, ranges, signed=signed)

    def _ranges(self, test: Within, operand: str, ranges: Ranges, *, signed: bool) -> tuple[str, int]:
        """The operand is in one of the ranges, each as one comparison, the single values as one."""
        turn = 1 << test.width - 1 if signed else 0
        top = (1 << test.width) - 1
        halves = [(max(first, low), min(last, high)) for first, last in ranges for low, high in _halves(turn, top)]
        placed = joined([(first ^ turn, last ^ turn) for first, last in halves if first <= last], top)

        def word(place: int) -> str:
            return self._word(test, place ^ turn, signed=signed)

        singles, spans = [], []
        for first, last in placed:
            listed = [word(place) for place in range(first, last + 1)] if last - first < _SHORT else []
            # A few numbers that have names are no range to whoever reads them.
            if first == last or (listed and all(name[0].isalpha() for name in listed)):
                singles += listed
            else:
                spans.append((first, last))
        parts = [_among(operand, singles, "==", "in")] if singles else []
        for first, last in spans:
            if first == 0:
                if last + 1 == turn:
                    parts.append(f"{operand} < 0")
                else:
                    round_ = last & last + 1 == 0
                    parts.append(f"{operand} < {word(last + 1)}" if round_ else f"{operand} <= {word(last)}")
            elif last == top:
                parts.append(f"{operand} >= {word(first) if first != turn else 0}")
            else:
                parts.append(f"{word(first)} <= {operand} <= {word(last)}")
        return (parts[0], _ATOM) if len(parts) == 1 else (" or ".join(parts), _OR)

    def _word(self, test: Within, value: int, *, signed: bool) -> str:
        """A number, by its names if they read back as the same number."""
        number = value - (1 << test.width) if signed and value >> test.width - 1 else value
        names = words.argument(self.arch, self.call, test.arg, value, within=test.mask)
        return names if self._means(names, number, test.width) else _plain(number)

    def _means(self, names: str, number: int, width: int) -> bool:
        """Whether names read back as a number, in as many bits and with its sign."""
        try:
            source = Source(names, "name")
            value = Conditions(source, self.arch, "", self.known).value(source.tree)
        except ParseError:
            return False
        return value == number or (value < 0 and number == value % (1 << width) and number < 1 << width - 1)


def _plain(number: int) -> str:
    return str(number) if -1000 < number < 10 else f"{number:#x}"


def _held(part: tuple[str, int], level: int) -> str:
    text, own = part
    return text if own > level else f"({text})"


def _among(operand: str, values: list[str], one: str, several: str) -> str:
    return f"{operand} {one} {values[0]}" if len(values) == 1 else f"{operand} {several} {{{', '.join(values)}}}"


def _singles(ranges: Ranges) -> bool:
    return all(first == last for first, last in ranges)


def _halves(turn: int, top: int) -> Ranges:
    return ((0, turn - 1), (turn, top)) if turn else ((0, top),)


def _as_wide(test: Within, width: int) -> Within:
    """The same test in another width, which is of no account where the mask leaves bits of both only."""
    low, top = (1 << test.width) - 1, (1 << width) - 1
    return Within(
        test.arg, tuple((first, top if last == low else last) for first, last in test.ranges), test.mask, width
    )


def _achievable(mask: int, ranges: Ranges) -> Ranges:
    """The ranges without numbers that the mask keeps from coming up, as far as that is easily told."""
    if mask.bit_count() <= _FEW_BITS:
        values, part = [], 0
        while True:
            values.append(part)
            if part == mask:
                break
            part = part - mask & mask  # the next larger number that has no bit outside of the mask
        return tuple((value, value) for value in values if any(low <= value <= high for low, high in ranges))
    cut = [(first, min(last, mask)) for first, last in ranges]
    return tuple((first, last) for first, last in cut if first < last or (first == last and not first & ~mask))
