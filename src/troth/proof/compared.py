"""Two filters against each other."""

from __future__ import annotations

from troth.abi import others
from troth.bpf.symbolic import Space, TooLargeError
from troth.bpf.symbolic.diagram import FALSE
from troth.policy.lift import spans, tables
from troth.policy.sets import conditions
from troth.proof.question import LET_THROUGH, decide, functions, is_such, order_of, such, witness
from troth.proof.result import PROVED, REFUTED, UNKNOWN, Diff, Result, Row

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable

    from troth.proof.question import Subject
    from troth.proof.smt import Solver, Term


def equal(a: Subject, b: Subject, *, big_endian: bool | None = None, exact: bool = False) -> Result:
    """Whether two subjects answer every call alike.

    What an answer's value holds without effect (data of ALLOW, an errno above 4095) does not count, unless
    `exact`. `big_endian` is the byte order of the machines that are meant; by default that of the
    architectures which the subjects ask for, else this machine's.

    Raises:
        ParseError: a program holds what the kernel would not have loaded.
    """

    def doubt(space: Space, nodes: list[int]) -> int:
        return space.diagram.combine(lambda x, y: x != y, *nodes)

    return decide((a, b), doubt, lambda _, raw: raw[0] != raw[1], big_endian=big_endian, exact=exact)


def subset(a: Subject, b: Subject, *, big_endian: bool | None = None) -> Result:
    """Whether `b` lets through (ALLOW or LOG) every call that `a` lets through; a witness is a call that it does not.

    Raises:
        ParseError: a program holds what the kernel would not have loaded.
    """

    def doubt(space: Space, nodes: list[int]) -> int:
        mine, other = (space.diagram.mapped(lambda raw: is_such(raw, LET_THROUGH), node) for node in nodes)
        return space.diagram.ite(other, FALSE, mine)

    def second(solver: Solver, raw: list[Term]) -> Term:
        mine, other = (such(solver, answer, LET_THROUGH) for answer in raw)
        return solver.z3.And(mine, solver.z3.Not(other))

    return decide((a, b), doubt, second, big_endian=big_endian)


def diff(a: Subject, b: Subject, *, big_endian: bool | None = None) -> Diff:
    """All calls that two subjects answer differently, as few rows as say it exactly.

    Raises:
        ParseError: a program holds what the kernel would not have loaded.
        NotLiftableError: there is a difference that cannot be said in numbers and conditions.
    """
    order = order_of((a, b)) if big_endian is None else big_endian
    space = Space(big_endian=order)
    try:
        old, new = functions(space, (a, b))
        if old == new:
            return Diff(PROVED)
        changed = space.diagram.combine(lambda x, y: None if x == y else (x, y), old, new)
        return Diff(REFUTED, tuple(_rows(space, changed, (old, new))))
    except TooLargeError:
        told = equal(a, b, big_endian=order)
        why = told.why or "they differ, and all differences do not fit in a decision diagram"
        return Diff(PROVED) if told else Diff(UNKNOWN, (), why)


def _rows(space: Space, changed: int, sides: tuple[int, int]) -> list[Row]:
    """The rows of a difference: by architecture, the calls that change alike under the same condition together."""
    diagram = space.diagram
    found: list[Row] = []
    for table, audits, where in tables(space, changed):
        # Calls with the same change under the same condition are one row, whatever else changes with them.
        parts: dict[tuple[Hashable, int], int] = {}
        for leaf, numbers in diagram.parts(table, 64).items():
            for change in diagram.values(leaf) - {None}:
                met = diagram.mapped(lambda value, change=change: value == change, leaf)  # type: ignore[misc]
                key = (change, met)
                parts[key] = diagram.either(parts.get(key, FALSE), numbers)
        for (change, met), numbers in parts.items():
            assert isinstance(change, tuple)
            place = diagram.both(where, diagram.both(numbers, met))
            names = tuple(others.name_of(audit) for audit in audits)
            ranges = tuple(spans(space, numbers, 1))
            found.append(Row(names, ranges, conditions(space, met), *change, witness(space, place, sides)))
    return sorted(found, key=lambda row: (not row.arches, row.arches, row.numbers, row.old, row.new))
