"""Where control goes within a function, and which functions never return.

Both are read off the marks alone, so that a whole libc takes a fraction of a second.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Final, NamedTuple

from troth.elf.decode.steps import (
    MARK_BRANCH,
    MARK_CALL,
    MARK_JUMP,
    MARK_JUMP_SLOT,
    MARK_RETURN,
    MARK_STOP,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from troth.elf.functions import Code, Function

__all__ = ["Block", "blocks", "called_last", "leading_to", "without_return"]

_ENDS: Final = frozenset((MARK_JUMP, MARK_RETURN, MARK_JUMP_SLOT, MARK_STOP))


class Block(NamedTuple):
    """Code that is entered at its start only; `follows` are the starts of the blocks that control goes on to.

    `table` says that the block ends with a jump to places that are not known.
    """

    start: int
    end: int
    follows: tuple[int, ...]
    table: bool


def blocks(function: Function, never_return: Collection[int]) -> dict[int, Block]:
    """The blocks of a function by their start; calls of the functions of `never_return` end one."""
    cuts = {function.start}
    for _, end, kind, to in function.marks:
        if kind in (MARK_JUMP, MARK_BRANCH):
            if function.has(to):
                cuts.add(to)
            cuts.add(end)
        elif kind in _ENDS or (kind == MARK_CALL and to in never_return):
            cuts.add(end)
    starts = sorted(cut for cut in cuts if function.has(cut))
    found = {}
    place = 0
    marks = function.marks
    for index, start in enumerate(starts):
        border = starts[index + 1] if index + 1 < len(starts) else function.end
        last = None
        while place < len(marks) and marks[place][0] < border:
            if marks[place][0] >= start:
                last = marks[place]
            place += 1
        follows: list[int] = []
        table = False
        goes_on = True
        if last is not None and last[1] == border:
            _, _, kind, to = last
            if kind in (MARK_JUMP, MARK_BRANCH) and function.has(to):
                follows.append(to)
            goes_on = kind not in _ENDS and not (kind == MARK_CALL and to in never_return)
            table = kind == MARK_JUMP_SLOT and not to
        if goes_on and function.has(border):
            follows.append(border)
        found[start] = Block(start, border, tuple(follows), table)
    return found


def leading_to(found: dict[int, Block], wanted: Iterable[int]) -> set[int]:
    """The starts of the blocks from which control can come to one of some addresses."""
    before: dict[int, list[int]] = {}
    tables = [block.start for block in found.values() if block.table]
    for block in found.values():
        for follows in block.follows:
            before.setdefault(follows, []).append(block.start)
    starts = sorted(found)
    work = [starts[bisect_right(starts, address) - 1] for address in wanted]
    seen: set[int] = set()
    while work:
        start = work.pop()
        if start in seen:
            continue
        seen.add(start)
        # A block that nothing leads to is where some jump to an unknown place goes.
        work += before.get(start, tables)
    return seen


def without_return(
    code: Code, seeds: Iterable[int], *, returning: Collection[int] = (), only_by_sinks: bool = False
) -> set[int]:
    """The functions that do not return, given some that do not; a least fixed point.

    With `only_by_sinks` a function counts only if it ends in one of those, so that an endless loop (of a server, of a
    thread) is none; calls of `returning` are then taken to return.
    """
    found = {address for address in seeds if address in code.functions}
    work = {
        start
        for start, function in code.functions.items()
        if start not in found and not any(mark[2] == MARK_RETURN for mark in function.marks)
    }
    callers = code.callers()
    for start in found:
        work.update(callers.get(start, ()))
    judge = _sinks(returning) if only_by_sinks else _never_returns
    while work:
        following: set[int] = set()
        for start in work:
            if start not in found and start not in returning and judge(code.functions[start], found):
                found.add(start)
                following.update(callers.get(start, ()))
        work = following
    return found


def called_last(code: Code) -> dict[int, set[int]]:
    """The functions that some function calls as its very last instruction, with those callers.

    A compiler that knew such a call to return would have put something behind it.
    """
    found: dict[int, set[int]] = {}
    for frame in code.elf.frames:
        function = code.functions.get(frame.start)
        if function is None or not function.marks:
            continue
        _, end, kind, to = function.marks[-1]
        if kind == MARK_CALL and end == frame.start + frame.size and to in code.functions:
            found.setdefault(to, set()).add(frame.start)
    return found


def _never_returns(function: Function, known: Collection[int]) -> bool:
    return _walk(function, known, ()) is not None


def _sinks(returning: Collection[int]) -> Callable[[Function, Collection[int]], bool]:
    def judge(function: Function, known: Collection[int]) -> bool:
        ways = _walk(function, known, returning)
        return ways is not None and ways.all_end()

    return judge


class _Ways:
    """The marks of a function that control comes to, what comes before each, and those at which a sink ends it."""

    def __init__(self) -> None:
        self.before: dict[int, set[int]] = {0: set()}
        self.ends: set[int] = set()

    def all_end(self) -> bool:
        """Whether from everywhere a sink can be come to: no loop is endless, and nothing else ends it."""
        work = list(self.ends)
        seen = set(work)
        while work:
            for place in self.before[work.pop()]:
                if place not in seen:
                    seen.add(place)
                    work.append(place)
        return bool(self.ends) and len(seen) == len(self.before)


def _walk(function: Function, known: Collection[int], returning: Collection[int]) -> _Ways | None:
    """Follow a function from its start: None when it may return, or goes on in the next."""
    marks = function.marks
    ways = _Ways()
    work = [0]
    while work:
        place = work.pop()
        if place >= len(marks):
            return None
        _, _, kind, to = marks[place]
        following: list[int] = []
        if kind in (MARK_RETURN, MARK_JUMP_SLOT):
            return None
        if kind in (MARK_JUMP, MARK_BRANCH):
            if function.has(to):
                following.append(function.after(to))
            elif to in known:
                ways.ends.add(place)
            else:
                return None
            if kind == MARK_BRANCH:
                following.append(place + 1)
        elif kind == MARK_CALL and to in returning:
            return None
        elif kind == MARK_CALL and to in known:
            ways.ends.add(place)
        elif kind != MARK_STOP:
            following.append(place + 1)
        for one in following:
            if one not in ways.before:
                ways.before[one] = {place}
                work.append(one)
            else:
                ways.before[one].add(place)
    return ways
