"""Filters to policies: what a program answers, said in numbers of calls and tests of arguments.

A filter is first a function (`troth.bpf.symbolic`), which is then read off: architecture by architecture,
ranges of numbers with the same rules, and the rules from the values of the arguments. Nothing of the program's
shape is left, so two programs that answer alike lift to the same policy.
"""

from __future__ import annotations

from troth import abi
from troth._value import Value
from troth.abi import others
from troth.abi.seccomp import RET_KILL_PROCESS
from troth.bpf.program import LD_ABS, OFFSET_ARCH, Program
from troth.bpf.symbolic import Space
from troth.bpf.symbolic.diagram import TRUE, TooManyCubesError
from troth.errors import RequestError
from troth.policy.expr import All
from troth.policy.model import Policy, Rule
from troth.policy.sets import TooManyError, conditions, ranges, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence
    from typing import Final

_LAST: Final = 0xFFFFFFFF
_MOST_RANGES: Final = 8192
_MOST_LISTED: Final = 1024  # numbers that a range may have to be listed one by one


class Cell(Value):
    """Call numbers from `first` to `last`, and the rules that answer them: the last has no conditions."""

    __slots__ = ("first", "last", "rules")
    first: int
    last: int
    rules: tuple[Rule, ...]


class Section(Value):
    """What a filter answers on some architectures.

    `audits` are the AUDIT_ARCH values, empty for every one that no other section has. `cells` cover all numbers in
    order. For a difference, the answers in the rules are pairs of answers, or None where nothing differs.
    """

    __slots__ = ("audits", "cells")
    audits: tuple[int, ...]
    cells: tuple[Cell, ...]

    @property
    def arches(self) -> tuple[str, ...]:
        """The names of the architectures; a value that troth does not know stays a number."""
        return tuple(others.name_of(audit) for audit in self.audits)


class NotLiftableError(RequestError):
    """A filter answers in a way that no policy says: by an unknown architecture's numbers, for example."""


def byte_order(programs: Iterable[Program]) -> bool | None:
    """Whether filters are for big-endian machines, by the architectures they ask for; None when they do not say."""
    known = {arch.audit: arch.big_endian for arch in (abi.ARCHES | others.ARCHES).values()}
    seen: set[bool] = set()
    for program in programs:
        holds_arch = False
        for code, _, _, k in program.insns:
            if code == LD_ABS:
                holds_arch = k == OFFSET_ARCH
            elif holds_arch and code == 0x15 and k in known:
                seen.add(known[k])
    return seen.pop() if len(seen) == 1 else None


def tables(space: Space, node: int) -> list[tuple[int, tuple[int, ...], int]]:
    """Split a function by architecture: what it is there, the AUDIT_ARCH values, and when the call is of one of them.

    The last one, with no values, is for every architecture that no other has.

    Raises:
        NotLiftableError: architectures are sorted by a part of their value.
    """
    found: list[tuple[int, tuple[int, ...], int]] = []
    unnamed: list[tuple[int, tuple[int, ...], int]] = []
    for table, arches in space.diagram.parts(node, 32).items():
        ranges = spans(space, arches, 0)
        if any(last - first >= _MOST_LISTED for first, last in ranges):
            unnamed.append((table, (), arches))
        else:
            audits = tuple(value for first, last in ranges for value in range(first, last + 1))
            found.append((table, audits, arches))
    if len(unnamed) != 1:
        raise NotLiftableError("the filter sorts architectures by a part of their value")
    known = {audit: index for index, audit in enumerate(arch.audit for arch in abi.ARCHES.values())}
    found.sort(key=lambda table: min(known.get(audit, 1 << 40 | audit) for audit in table[1]))
    return found + unnamed


def sections(space: Space, node: int, *, default: Hashable = None) -> list[Section]:
    """Read a function off: its sections, the one for all other architectures last.

    `default` is the answer that rules end with where it occurs; otherwise what takes most to say comes last.

    Raises:
        NotLiftableError: the answer depends on the architecture or the number in more ways than are worth reading.
        TooLargeError: the function is too large to be taken apart.
    """
    return [Section(audits, _cells(space, table, default)) for table, audits, _ in tables(space, node)]


def spans(space: Space, condition: int, field: int) -> list[tuple[int, int]]:
    """The numbers (field 1) or architectures (field 0) that meet a condition, as ranges.

    Raises:
        NotLiftableError: there are more than are worth reading.
    """
    bits = [(space.level(field, bit), 1 << bit) for bit in reversed(range(32))]
    try:
        return ranges(space.diagram, condition, bits, _MOST_RANGES)
    except TooManyError:
        raise NotLiftableError(
            f"the filter sorts {'numbers' if field else 'architectures'} into more than {_MOST_RANGES} ranges"
        ) from None


def _cells(space: Space, table: int, default: Hashable) -> tuple[Cell, ...]:
    found = []
    for leaf, numbers in space.diagram.parts(table, 64).items():
        rules = rules_of(space, leaf, default)
        found += [Cell(first, last, rules) for first, last in spans(space, numbers, 1)]
    found.sort(key=lambda cell: cell.first)
    return tuple(found)


def rules_of(space: Space, leaf: int, default: Hashable = None) -> tuple[Rule, ...]:
    """The rules that answer as a function of the arguments does; the first that applies counts."""
    diagram = space.diagram
    if diagram.is_end(leaf):
        return (Rule((), diagram.value(leaf)),)  # type: ignore[arg-type]  # for a difference, a pair
    places = {value: _where(space, leaf, value) for value in diagram.values(leaf)}
    order = sorted(places, key=lambda value: (value == default, size(conditions(space, places[value])), repr(value)))
    rules = []
    rest = TRUE
    for value in order[:-1]:
        # What earlier rules answer need not be told apart any more.
        where = places[value]
        wider = diagram.either(where, diagram.negated(rest))
        choices = {where, diagram.simpler(where, rest)}
        try:
            choices.add(diagram.cover(where, wider)[0])
        except TooManyCubesError:
            pass  # it was only to say it shorter
        expr = min((conditions(space, choice) for choice in sorted(choices)), key=size)
        rest = diagram.both(rest, diagram.negated(where))
        terms = expr.terms if isinstance(expr, All) else (expr,)
        rules.append(Rule(terms, value))  # type: ignore[arg-type]  # for a difference, a pair
    return (*rules, Rule((), order[-1]))  # type: ignore[arg-type]


def _where(space: Space, leaf: int, value: Hashable) -> int:
    """When a function has this value."""
    return space.diagram.mapped(lambda found: found == value, leaf)


def lift(programs: Program | Sequence[Program], *, big_endian: bool | None = None) -> Policy:
    """The policy that filters, the oldest first, enforce together.

    `big_endian` is the byte order of the machines they are for; by default what the architectures they ask for have.

    Raises:
        NotLiftableError: no policy says the same.
        ParseError: the kernel would not have loaded a program.
        TooLargeError: the filters are too intricate to be taken apart.
    """
    stack = (programs,) if isinstance(programs, Program) else tuple(programs)
    order = byte_order(stack) if big_endian is None else big_endian
    space = Space(big_endian=order)
    return policy_of(space, space.effective(space.stack(stack)))


def policy_of(space: Space, node: int) -> Policy:
    """The policy whose function this is.

    Raises:
        NotLiftableError: no policy says the same.
    """
    found = sections(space, node)
    bad = found.pop()
    if len(bad.cells) != 1 or len(bad.cells[0].rules) != 1:
        raise NotLiftableError(
            "the filter answers calls of every architecture by number",
            hint="it does not check the architecture; `troth show` reads it",
        )
    bad_arch = bad.cells[0].rules[0].answer
    if not found:
        return Policy({}, bad_arch, bad_arch)
    unknown = _default(found)
    found = sections(space, node, default=unknown)[:-1]
    tables: dict[str, dict[int, tuple[Rule, ...]]] = {}
    gaps = {}
    for section in found:
        for audit, name in zip(section.audits, section.arches, strict=True):
            if name.startswith("0x"):
                raise NotLiftableError(f"the filter answers for the unknown architecture {audit:#x}")
            tables[name], gaps[name] = _table(section.cells, unknown)
            if name == "x86_64":
                wide = {nr: rules for nr, rules in tables[name].items() if nr & abi.X32_BIT}
                if wide:
                    tables[name] = {nr: rules for nr, rules in tables[name].items() if nr not in wide}
                    tables["x32"] = wide
    return Policy(tables, unknown, bad_arch, {name: spans for name, spans in gaps.items() if spans})


def _default(found: list[Section]) -> int:
    """What most unlisted numbers are answered, over all architectures."""
    weights: dict[int, int] = {}
    for section in found:
        for cell in section.cells:
            if len(cell.rules) == 1:
                # Numbers that an architecture's table can have count more than the rest of 32 bits.
                weight = min(cell.last, 4095) - min(cell.first, 4096) + 1 if cell.first < 4096 else 1
                if cell.last - cell.first >= _MOST_LISTED:
                    weight += 100_000
                weights[cell.rules[0].answer] = weights.get(cell.rules[0].answer, 0) + weight
    return max(weights, key=lambda answer: (weights[answer], -answer)) if weights else RET_KILL_PROCESS


def _table(
    cells: tuple[Cell, ...], unknown: int
) -> tuple[dict[int, tuple[Rule, ...]], tuple[tuple[int, int, int], ...]]:
    """The numbers to list, and the gaps between them with an answer of their own."""
    calls: dict[int, tuple[Rule, ...]] = {}
    spans = []
    for cell in cells:
        if len(cell.rules) == 1 and cell.rules[0].answer == unknown:
            continue
        if cell.last - cell.first < _MOST_LISTED:
            for nr in range(cell.first, cell.last + 1):
                calls[nr] = cell.rules
        elif len(cell.rules) == 1:
            spans.append((cell.first, cell.last, cell.rules[0].answer))
        else:
            raise NotLiftableError(f"the filter looks at arguments of all calls from {cell.first} to {cell.last}")
    return calls, tuple(spans)
