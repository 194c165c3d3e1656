"""Conditions over arguments: any boolean combination of comparisons.

One kind of test carries all comparisons: an argument, taken in 32 or 64 bits and masked, is in a set of
numbers. What the signs `<` or `!=`, signed or unsigned, mean is settled when the test is made, so that
compilers and provers know one thing only.

    expression = Within | All(expression...) | Any(expression...) | Not(expression) | model.Cond
"""

from __future__ import annotations

from troth._value import Value
from troth.errors import RequestError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Final, TypeAlias

    from troth.policy.model import Cond

    Ranges = tuple[tuple[int, int], ...]  # (first, last), ascending, neither touching nor overlapping
    Expr: TypeAlias = "Within | All | Any | Not | Cond"

IP: Final = 6  # in place of an argument: the instruction pointer

_OPS: Final = ("==", "!=", "<", "<=", ">", ">=")


class Within(Value):
    """An argument, masked, is in one of the ranges.

    `arg` is 0 to 5, or `IP` for the address of the instruction after the call; `width` is 32 or 64: how many
    bits of it are looked at. With 32 the upper half is ignored, as the kernel ignores it when its type of the
    argument is an `int`. `ranges` are unsigned.

    >>> Within(1, ((0, 0),), mask=0o3).holds((0, 0o100000))
    True
    """

    __slots__ = ("arg", "ranges", "mask", "width")
    arg: int
    ranges: Ranges
    mask: int
    width: int
    _defaults = {"mask": 0xFFFFFFFFFFFFFFFF, "width": 32}

    def _check(self) -> None:
        if not 0 <= self.arg <= IP:
            raise RequestError(f"argument {self.arg}: a system call has the arguments 0 to 5")
        if self.width not in (32, 64):
            raise RequestError(f"width {self.width}: an argument is compared in 32 or in 64 bits")
        top = (1 << self.width) - 1
        mask = self.mask & top
        object.__setattr__(self, "mask", mask)
        object.__setattr__(self, "ranges", joined(self.ranges, top))

    def holds(self, args: tuple[int, ...]) -> bool:
        """Whether these arguments meet the test."""
        value = args[self.arg] & self.mask
        return any(first <= value <= last for first, last in self.ranges)


class All(Value):
    """Every term holds; without terms, always."""

    __slots__ = ("terms",)
    terms: tuple[Expr, ...]

    def holds(self, args: tuple[int, ...]) -> bool:
        """Whether these arguments meet every term."""
        return all(term.holds(args) for term in self.terms)


class Any(Value):
    """Some term holds; without terms, never."""

    __slots__ = ("terms",)
    terms: tuple[Expr, ...]

    def holds(self, args: tuple[int, ...]) -> bool:
        """Whether these arguments meet some term."""
        return any(term.holds(args) for term in self.terms)


class Not(Value):
    """The term does not hold."""

    __slots__ = ("term",)
    term: Expr

    def holds(self, args: tuple[int, ...]) -> bool:
        """Whether these arguments fail the term."""
        return not self.term.holds(args)


ALWAYS: Final = All(())
NEVER: Final = Any(())


def compare(arg: int, op: str, value: int, *, mask: int | None = None, width: int = 64, signed: bool = False) -> Within:
    """A comparison of an argument, after masking, with a number.

    `op` is one of `== != < <= > >=`. A negative `value` stands for its two's complement in `width` bits; with
    `signed` the order is that of signed numbers.

    >>> compare(0, "<", 0, width=32, signed=True).holds((0xFFFFFFFF,))
    True

    Raises:
        RequestError: no such comparison, or a number that `width` bits cannot hold.
    """
    if op not in _OPS:
        raise RequestError(f"unknown comparison `{op}`", hint="one of " + " ".join(_OPS))
    size = 1 << width
    if not -(size >> 1) <= value < size:
        raise RequestError(f"{value:#x} does not fit in {width} bits")
    # Signed numbers are ordered as unsigned ones are after the sign bit is turned over.
    turn = size >> 1 if signed else 0
    place = (value % size) ^ turn
    low, high = {
        "==": (place, place),
        "!=": (place, place),
        "<": (0, place - 1),
        "<=": (0, place),
        ">": (place + 1, size - 1),
        ">=": (place, size - 1),
    }[op]
    ranges = _turned(low, high, turn)
    if op == "!=":
        ranges = complement(ranges, size - 1)
    return Within(arg, ranges, size - 1 if mask is None else mask, width)


def among(arg: int, values: Iterable[int], *, mask: int | None = None, width: int = 64) -> Within:
    """An argument, after masking, is one of these numbers; negative ones as in `compare`."""
    size = 1 << width
    return Within(arg, tuple((v % size, v % size) for v in values), size - 1 if mask is None else mask, width)


def joined(ranges: Iterable[tuple[int, int]], top: int) -> Ranges:
    """Ranges in order, those that touch joined, cut at `top`."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        last = min(last, top)
        if first > last:
            continue
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return tuple(found)


def complement(ranges: Iterable[tuple[int, int]], top: int) -> Ranges:
    """What is in none of the ranges, from 0 to `top`.

    >>> complement(((0, 1), (5, 5)), 7)
    ((2, 4), (6, 7))
    """
    found, following = [], 0
    for first, last in joined(ranges, top):
        if following < first:
            found.append((following, first - 1))
        following = last + 1
    if following <= top:
        found.append((following, top))
    return tuple(found)


def _turned(low: int, high: int, turn: int) -> Ranges:
    """The numbers whose sign bit, turned over, puts them from `low` to `high`."""
    if low > high:
        return ()
    if not turn:
        return ((low, high),)
    halves = ((max(low, 0), min(high, turn - 1)), (max(low, turn), high))
    return tuple((first ^ turn, last ^ turn) for first, last in halves if first <= last)
