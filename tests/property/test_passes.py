"""Passes change no answer: over random programs that the kernel loads, and over what the compiler writes."""

from __future__ import annotations

import pytest
import random_policies as policies
from hypothesis import given, settings
from hypothesis import strategies as st
from property.strategies import CALLS, VALID

from troth import proof
from troth.bpf import Call, Program, emulate
from troth.bpf.passes import PASSES, drop_loads, optimize, share_tails, thread_jumps
from troth.bpf.program import JA, JEQ, LD_ABS, RET_K
from troth.policy import Policy
from troth.policy.lower import lower

TYPE_CHECKING = False
if TYPE_CHECKING:
    from troth.bpf.passes import Pass

EVERY = pytest.mark.parametrize("change", [*PASSES, optimize], ids=lambda change: change.__name__)


@EVERY
@given(program=VALID, calls=st.lists(CALLS, min_size=8, max_size=8))
@settings(max_examples=100, deadline=None)
def test_a_pass_changes_no_answer(change: Pass, program: Program, calls: list[Call]) -> None:
    changed = change(program)
    for call in calls:
        assert emulate(changed, call).raw == emulate(program, call).raw


@EVERY
@given(policy=policies.policies())
@settings(max_examples=15, deadline=None)
def test_a_pass_over_a_compiled_filter_is_proved_to_change_nothing(change: Pass, policy: Policy) -> None:
    program = lower(policy)
    changed = change(program)
    assert proof.equal(changed, program, exact=True, big_endian=policies.big_endian(policy))
    assert len(changed) <= len(program)


@given(program=VALID)
@settings(max_examples=100, deadline=None)
def test_a_program_is_its_own_best_once_it_is_optimized(program: Program) -> None:
    once = optimize(program)
    assert len(once) <= len(program)
    assert len(optimize(once)) == len(once)


def test_a_load_stays_where_one_way_in_holds_another_word() -> None:
    insns = (
        (LD_ABS, 0, 0, 16),
        (JEQ, 0, 1, 1),
        (LD_ABS, 0, 0, 24),  # one of two ways passes here
        (LD_ABS, 0, 0, 16),
        (JEQ, 0, 1, 1),
        (RET_K, 0, 0, 1),
        (RET_K, 0, 0, 2),
    )
    assert drop_loads(Program(insns)).insns == insns


def test_a_load_goes_where_every_way_in_holds_the_word() -> None:
    insns = (
        (LD_ABS, 0, 0, 16),
        (JEQ, 0, 1, 1),
        (JA, 0, 0, 0),
        (LD_ABS, 0, 0, 16),
        (JEQ, 0, 1, 2),
        (RET_K, 0, 0, 1),
        (RET_K, 0, 0, 2),
    )
    assert drop_loads(Program(insns)).insns[3] == (JA, 0, 0, 0)


def test_a_jump_is_not_threaded_further_than_a_byte_can_say() -> None:
    far = [(JA, 0, 0, 1), *[(RET_K, 0, 0, 1)] * 300]
    insns = ((LD_ABS, 0, 0, 0), (JEQ, 1, 0, 7), (RET_K, 0, 0, 3), (JA, 0, 0, 290), *far)
    assert thread_jumps(Program(insns)).insns[1] == (JEQ, 1, 0, 7)


def test_equal_tails_become_one() -> None:
    tail = ((LD_ABS, 0, 0, 16), (JEQ, 0, 1, 3), (RET_K, 0, 0, 1), (RET_K, 0, 0, 2))
    program = Program(((LD_ABS, 0, 0, 0), (JEQ, 0, 5, 7), (LD_ABS, 0, 0, 24), *tail, *tail))
    assert len(share_tails(program)) < len(program) - 3
