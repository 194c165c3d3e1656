"""The running kernel answers by a compiled filter what the policy says: random policies, calls at their borders."""

from __future__ import annotations

import platform

import pytest
import random_policies as policies
from conftest import needs
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle.referee import DOORS, Door, Referee

from troth.bpf import Call
from troth.policy import Policy
from troth.policy.lower import lower


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
@given(some=st.lists(policies.policies(), min_size=8, max_size=8), seed=st.integers(0, 1 << 32))
@settings(max_examples=6, deadline=None)
def test_the_kernel_answers_by_the_filter_what_the_policy_says(door: Door, some: list[Policy], seed: int) -> None:
    needs(platform.machine() == "x86_64", "the doors are those of x86_64")
    judge = Referee(door)
    jobs = []
    for policy in some:
        top = (1 << door.bits) - 1
        near = policies.calls(policy, seed, 30)
        calls: list[Call] = [judge.call(call.nr, tuple(arg & top for arg in call.args)) for call in near]
        jobs.append((lower(policy), calls))
    for policy, (_, calls), said in zip(some, jobs, judge.answers(jobs), strict=True):
        assert said == [policy.answer(call) for call in calls]
