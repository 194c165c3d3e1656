"""Proofs about filters: what is proved is so, what is refuted comes with a call that shows it."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest

import troth
from troth import abi, proof
from troth.abi.seccomp import RET_ALLOW, RET_ERRNO, RET_KILL_PROCESS, RET_KILL_THREAD, RET_LOG
from troth.bpf import Call, Program
from troth.policy import Cond, Policy, Rule
from troth.policy.callset import parse
from troth.policy.expr import compare
from troth.proof.question import replayed

if TYPE_CHECKING:
    from troth.proof.question import Subject

X86 = abi.ARCHES["x86_64"].audit
EPERM, ENOSYS = RET_ERRNO | 1, RET_ERRNO | 38
LD, LDX_TAX, MUL_X, JEQ, JEQ_X, JGE, AND, RET, RET_A = 0x20, 0x07, 0x2C, 0x15, 0x1D, 0x35, 0x54, 0x06, 0x16


def program(*insns: tuple[int, ...]) -> Program:
    """Instructions as (code, k) or (code, jt, jf, k)."""
    return Program(tuple((code, 0, 0, rest[0]) if len(rest) == 1 else (code, *rest) for code, *rest in insns))


def policy(calls: Mapping[str, tuple[Rule, ...]], unknown: int = ENOSYS, arch: str = "x86_64") -> Policy:
    return Policy({arch: {abi.numbers(arch)[name]: rules for name, rules in calls.items()}}, unknown, RET_KILL_PROCESS)


ALLOWED = (Rule((), RET_ALLOW),)
SMALL = policy({"read": ALLOWED, "write": ALLOWED})
LARGER = policy(
    {"read": ALLOWED, "write": ALLOWED, "socket": (Rule((compare(0, "==", 1, width=32),), RET_ALLOW), Rule((), EPERM))}
)

# A product of two arguments: no diagram of a useful size holds it, whatever the order.
PRODUCT = program((LD, 16), (LDX_TAX, 0), (LD, 24), (MUL_X, 0), (JEQ, 0, 1, 77), (RET, RET_ALLOW), (RET, EPERM))
TURNED = program((LD, 24), (LDX_TAX, 0), (LD, 16), (MUL_X, 0), (JEQ, 0, 1, 77), (RET, RET_ALLOW), (RET, EPERM))


def shows(witness: proof.Witness | None, *subjects: Subject) -> tuple[int, ...]:
    """The answers of a witness, which the emulator gives too."""
    assert witness is not None
    assert tuple(replayed(witness.call, subject) for subject in subjects) == witness.answers
    return witness.answers


def test_a_filter_is_equal_to_the_policy_that_it_was_compiled_from() -> None:
    for subject in (SMALL, LARGER):
        assert proof.equal(subject, subject.compile())


def test_two_filters_that_differ_are_told_apart_by_a_call_that_people_know() -> None:
    told = proof.equal(SMALL.compile(), LARGER.compile())
    assert told.verdict == "refuted"
    assert told.witness is not None
    assert told.witness.call.arch == X86
    assert told.witness.call.nr == abi.numbers("x86_64")["socket"]
    assert shows(told.witness, SMALL.compile(), LARGER.compile()) == (ENOSYS, EPERM)


def test_the_less_allowing_filter_is_a_subset_and_not_the_other_way_round() -> None:
    assert proof.subset(SMALL, LARGER)
    other = proof.subset(LARGER, SMALL)
    assert not other
    assert shows(other.witness, LARGER, SMALL) == (RET_ALLOW, ENOSYS)


def test_logging_lets_a_call_through_and_asking_a_supervisor_does_not() -> None:
    log, ask = (policy({"read": (Rule((), answer),)}) for answer in (RET_LOG, 0x7FC00000))
    assert proof.subset(log, SMALL)
    assert proof.subset(ask, log)
    assert not proof.subset(log, ask)


def test_what_has_no_effect_is_no_difference_unless_it_is_asked_for() -> None:
    plain, odd = program((RET, RET_ALLOW)), program((RET, RET_ALLOW | 7))
    assert proof.equal(plain, odd)
    assert not proof.equal(plain, odd, exact=True)
    # No kernel knows this action, and kills for it; an errno above 4095 is cut.
    assert proof.equal(program((RET, 0x00010000)), program((RET, RET_KILL_PROCESS)))
    assert proof.equal(program((RET, RET_ERRNO | 0xFFFF)), program((RET, RET_ERRNO | 4095)))


def test_a_value_that_no_argument_can_have_is_met_by_none() -> None:
    for value in (-1, 1 << 32):
        odd = policy({"socket": (Rule((Cond(0, 0xFFFFFFFF, (value,)),), RET_ALLOW), Rule((), EPERM))})
        assert proof.equal(odd, policy({"socket": (Rule((), EPERM),)}))


def test_a_stack_answers_with_its_strictest_filter() -> None:
    allow, errno, thread, process = (
        program((RET, raw)) for raw in (RET_ALLOW, EPERM, RET_KILL_THREAD, RET_KILL_PROCESS)
    )
    assert proof.equal((), allow)
    assert proof.equal((errno, allow), errno)
    assert proof.equal((thread, errno), thread)
    assert proof.equal((process, thread, allow), process)
    # Of equal actions the newest counts.
    assert proof.equal((errno, program((RET, ENOSYS))), program((RET, ENOSYS)))


def test_a_difference_is_all_calls_whose_answer_changed_and_no_others() -> None:
    found = proof.diff(SMALL.compile(), LARGER.compile())
    assert found.verdict == "refuted"
    socket = abi.numbers("x86_64")["socket"]
    assert {(row.numbers, row.old, row.new) for row in found.rows} == {
        (((socket, socket),), ENOSYS, RET_ALLOW),
        (((socket, socket),), ENOSYS, EPERM),
    }
    for row in found.rows:
        assert row.arches == ("x86_64",)
        assert shows(row.witness, SMALL, LARGER) == (row.old, row.new)
        for domain in range(4):
            call = Call(X86, socket, (domain,))
            assert row.condition.holds(call.args) is (LARGER.answer(call) == row.new)


def test_calls_that_change_alike_are_one_row() -> None:
    before = policy(dict.fromkeys(("read", "write", "close", "socket"), ALLOWED))
    after = policy({name: (Rule((), EPERM),) for name in ("read", "write", "close")} | {"socket": ALLOWED})
    assert [row.numbers for row in proof.diff(before, after).rows] == [((0, 1), (3, 3))]


def test_equal_filters_have_no_difference() -> None:
    assert proof.diff(LARGER, LARGER.compile()) == proof.Diff("proved")


def test_a_difference_on_every_other_architecture_is_a_row_without_names() -> None:
    kill, allow = Policy(SMALL.sections, ENOSYS, RET_KILL_PROCESS), Policy(SMALL.sections, ENOSYS, RET_ALLOW)
    (row,) = proof.diff(kill, allow).rows
    assert row.arches == ()
    assert row.witness.call.arch != X86
    assert shows(row.witness, kill, allow) == (RET_KILL_PROCESS, RET_ALLOW)


def test_never_is_refuted_by_a_call_of_the_set_that_gets_through() -> None:
    assert proof.never(SMALL, parse("socket", "x86_64"))
    refuted = proof.never(LARGER, parse("socket", "x86_64"))
    assert shows(refuted.witness, LARGER) == (RET_ALLOW,)
    assert proof.never(LARGER, parse("socket(domain != AF_UNIX)", "x86_64"))


def test_always_is_refuted_by_a_call_of_the_set_that_does_not_get_through() -> None:
    assert proof.always(LARGER, parse("socket(domain == AF_UNIX) or read", "x86_64"))
    refuted = proof.always(LARGER, parse("socket", "x86_64"))
    assert shows(refuted.witness, LARGER) == (EPERM,)


def test_a_particular_answer_can_be_asked_for() -> None:
    eperm = ((0xFFFFFFFF, EPERM),)
    assert proof.always(LARGER, parse("socket(domain == AF_INET)", "x86_64"), answers=eperm)
    assert not proof.never(LARGER, parse("socket", "x86_64"), answers=eperm)


def test_the_x32_numbers_are_not_in_a_set_of_x86_64() -> None:
    hole = Policy({"x86_64": {0: ALLOWED, 0x40000000: ALLOWED}}, ENOSYS, RET_KILL_PROCESS)
    assert proof.never(hole, parse("* and not read", "x86_64"))
    assert not proof.never(hole, parse("read", "x32"))


def test_filters_that_compare_arguments_with_each_other_are_proved() -> None:
    one = program((LD, 16), (LDX_TAX, 0), (LD, 24), (JEQ_X, 0, 1, 0), (RET, RET_ALLOW), (RET, EPERM))
    two = program((LD, 24), (LDX_TAX, 0), (LD, 16), (JEQ_X, 0, 1, 0), (RET, RET_ALLOW), (RET, EPERM))
    assert proof.equal(one, two)
    less = program((LD, 24), (LDX_TAX, 0), (LD, 16), (JEQ_X, 1, 0, 0), (RET, RET_ALLOW), (RET, EPERM))
    assert not proof.equal(one, less)


def test_what_no_diagram_holds_is_asked_of_a_solver() -> None:
    assert proof.equal(PRODUCT, TURNED).verdict == "proved"
    constant = program((RET, EPERM))
    refuted = proof.equal(PRODUCT, constant)
    assert shows(refuted.witness, PRODUCT, constant) == (RET_ALLOW, EPERM)


def test_without_a_solver_the_answer_is_unknown_and_says_what_would_help(monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = builtins.__import__

    def without_z3(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "z3":
            raise ImportError(name)
        return genuine(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_z3)
    told = proof.equal(PRODUCT, TURNED)
    assert told.verdict == "unknown"
    assert "troth[smt]" in told.why
    assert not told
    found = proof.diff(PRODUCT, TURNED)
    assert (found.verdict, found.rows) == ("unknown", ())


def test_filters_for_big_endian_machines_are_judged_in_their_byte_order() -> None:
    s390x = policy({"socket": LARGER.sections["x86_64"][abi.numbers("x86_64")["socket"]]}, arch="s390x")
    assert proof.equal(s390x, s390x.compile())
    assert proof.never(s390x.compile(), parse("socket(domain != AF_UNIX)", "s390x"))
    swapped = proof.equal(s390x, s390x.compile(), big_endian=False)
    assert swapped.verdict == "refuted"


@pytest.mark.parametrize("promises", ["stdio", "stdio rpath inet", "stdio rpath wpath cpath tty proc exec unix"])
def test_the_filter_of_a_pledge_is_proved_equal_to_its_policy(promises: str) -> None:
    made = troth.plan(promises)
    assert proof.equal(made.policy(), made.programs[0])
