"""A filter against a set of calls."""

from __future__ import annotations

from troth import abi
from troth.bpf.symbolic.diagram import FALSE
from troth.policy.callset import CallSet
from troth.proof.question import LET_THROUGH, calls_in, decide, is_such, order_of, such

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from troth.bpf.symbolic import Space
    from troth.proof.question import Answers, Subject
    from troth.proof.result import Result
    from troth.proof.smt import Solver, Term


def never(
    subject: Subject,
    calls: CallSet | Sequence[CallSet],
    *,
    answers: Answers = LET_THROUGH,
    big_endian: bool | None = None,
) -> Result:
    """Whether no call of the set is answered so; by default: let through (ALLOW or LOG).

    `answers` describes answers as (mask, value) of their 32 bits; `calls` are one set, or one for each architecture. A
    witness is a call of the set that is answered so.

    Raises:
        ParseError: a program holds what the kernel would not have loaded.
    """
    return _ask(subject, calls, answers, big_endian, wanted=True)


def always(
    subject: Subject,
    calls: CallSet | Sequence[CallSet],
    *,
    answers: Answers = LET_THROUGH,
    big_endian: bool | None = None,
) -> Result:
    """Whether every call of the set is answered so; by default: let through. See `never`.

    Raises:
        ParseError: a program holds what the kernel would not have loaded.
    """
    return _ask(subject, calls, answers, big_endian, wanted=False)


def _ask(
    subject: Subject,
    calls: CallSet | Sequence[CallSet],
    answers: Answers,
    big_endian: bool | None,
    *,
    wanted: bool,
) -> Result:
    """Look for a call of the sets whose answer is (`wanted`) or is not such a one."""
    sets: tuple[CallSet, ...] = (calls,) if isinstance(calls, CallSet) else tuple(calls)

    def doubt(space: Space, nodes: list[int]) -> int:
        diagram = space.diagram
        answered = diagram.mapped(lambda raw: is_such(raw, answers) is wanted, nodes[0])
        found = FALSE
        for some in sets:
            found = diagram.either(found, diagram.both(calls_in(space, some), answered))
        return found

    def second(solver: Solver, raw: list[Term]) -> Term:
        answered = such(solver, raw[0], answers)
        asked = solver.z3.Or(*(solver.calls(some) for some in sets))
        return solver.z3.And(asked, answered if wanted else solver.z3.Not(answered))

    order = order_of((subject,)) if big_endian is None else big_endian
    if order is None and sets:
        order = abi.arch(sets[0].arch).big_endian
    return decide((subject,), doubt, second, big_endian=order)
