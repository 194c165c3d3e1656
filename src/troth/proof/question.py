"""Subjects as functions of one space, and calls that show what was found."""

from __future__ import annotations

import sys

from troth import abi
from troth.abi.seccomp import ACTION_MASK, RET_ALLOW, RET_LOG
from troth.bpf.program import Call, Program
from troth.bpf.stack import emulate_stack
from troth.bpf.symbolic import Space, TooLargeError
from troth.bpf.symbolic.diagram import FALSE
from troth.policy.lift import byte_order
from troth.policy.meaning import between, condition, function
from troth.policy.model import Policy
from troth.proof.result import PROVED, REFUTED, UNKNOWN, Result, Witness
from troth.proof.smt import solver

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Final, TypeAlias

    from troth.bpf.symbolic.diagram import Cube
    from troth.policy.callset import CallSet
    from troth.proof.smt import Solver, Term

    Subject: TypeAlias = "Program | Sequence[Program] | Policy"

    # When what was claimed is not so, from the functions of the subjects; and the same in a solver's terms.
    Doubt = Callable[[Space, list[int]], int]
    Second = Callable[[Solver, list[Term]], Term]
    Answers = tuple[tuple[int, int], ...]  # (mask, value): an answer whose bits under the mask are the value


def order_of(subjects: Sequence[Subject]) -> bool | None:
    """Whether subjects are for big-endian machines; None when nothing says so."""
    programs: list[Program] = []
    orders: set[bool] = set()
    for subject in subjects:
        if isinstance(subject, Policy):
            orders |= {abi.arch(name).big_endian for name in subject.sections}
        else:
            programs += (subject,) if isinstance(subject, Program) else tuple(subject)
    if not orders:
        return byte_order(programs)
    return orders.pop() if len(orders) == 1 else None


def functions(space: Space, subjects: Sequence[Subject], *, exact: bool = False) -> list[int]:
    """What each subject answers; `exact` keeps the parts of answers that have no effect.

    Raises:
        TooLargeError: a subject's arithmetic does not fit.
    """
    found = []
    for subject in subjects:
        if isinstance(subject, Policy):
            node = function(space, subject)
        elif isinstance(subject, Program):
            node = space.program(subject)
        else:
            node = space.stack(subject)
        found.append(node if exact else space.effective(node))
    return found


# Answers that execute the call without asking anybody, as (mask, value): ALLOW and LOG.
LET_THROUGH: Final = ((ACTION_MASK, RET_ALLOW), (ACTION_MASK, RET_LOG))


def is_such(raw: object, answers: Answers) -> bool:
    """Whether an answer is one of those described."""
    return isinstance(raw, int) and any(raw & mask == value for mask, value in answers)


def such(solver: Solver, raw: Term, answers: Answers) -> Term:
    """When a solver's answer is one of those described."""
    return solver.z3.Or(*(raw & mask == value for mask, value in answers))


def calls_in(space: Space, calls: CallSet) -> int:
    """When a call is in a set."""
    diagram = space.diagram
    arch = abi.arch(calls.arch)
    numbers = space.field(1)
    found = condition(space, calls.others)
    for nr, expr in calls.calls.items():
        found = diagram.ite(between(space, numbers, nr, nr), condition(space, expr), found)
    twin = abi.twin_bit(arch)
    if twin:
        of_x32 = numbers[twin.bit_length() - 1]
        found = diagram.both(of_x32 if arch.nr_mask_bit else diagram.negated(of_x32), found)
    return diagram.both(between(space, space.field(0), arch.audit, arch.audit), found)


def decide(
    subjects: Sequence[Subject], doubt: Doubt, second: Second, *, big_endian: bool | None, exact: bool = False
) -> Result:
    """Prove that a doubt never holds, or give a call for which it does.

    Tried with the arguments' bits one after the other, then interleaved, which suits filters that compare
    arguments with each other, then by a solver.
    """
    order = order_of(subjects) if big_endian is None else big_endian
    for interleaved in (False, True):
        space = Space(big_endian=order, interleaved=interleaved)
        try:
            nodes = functions(space, subjects, exact=exact)
            where = doubt(space, nodes)
            return Result(PROVED) if where == FALSE else Result(REFUTED, witness(space, where, nodes))
        except TooLargeError as error:
            why = str(error)
    asked = solver(big_endian=sys.byteorder == "big" if order is None else order)
    if asked is None:
        return Result(UNKNOWN, None, f"{why}; with z3 (`pip install troth[smt]`) a solver is asked")
    answers = [asked.subject(subject, exact=exact) for subject in subjects]
    return asked.find(second(asked, answers), answers)


def witness(space: Space, where: int, nodes: Sequence[int]) -> Witness:
    """One call for which a condition holds: of an architecture and a number that people know, if there is one."""
    bits = _example(space, where)
    answers = tuple(_number(space.diagram.at(node, bits)) for node in nodes)
    return Witness(space.call(bits), answers)


def _number(value: object) -> int:
    assert isinstance(value, int)
    return value


def _example(space: Space, where: int) -> Cube:
    diagram = space.diagram
    found = diagram.example(where)
    assert found is not None, "a witness was asked for where there is none"
    for name, arch in abi.ARCHES.items():
        if arch.big_endian != space.big_endian:
            continue
        here = diagram.both(between(space, space.field(0), arch.audit, arch.audit), where)
        if here != FALSE:
            top = max(abi.numbers(name).values())
            known = diagram.both(between(space, space.field(1), arch.nr_mask_bit, top), here)
            return diagram.example(known) or diagram.example(here) or found
    return found


def replayed(call: Call, subject: Subject, *, big_endian: bool | None = None) -> int:
    """What a subject answers one call, by the emulator or by the policy itself: the check of a witness."""
    if isinstance(subject, Policy):
        return subject.answer(call)
    programs = (subject,) if isinstance(subject, Program) else subject
    return emulate_stack(programs, call, big_endian=big_endian).raw
