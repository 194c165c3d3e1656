"""A compiled filter answers as its policy, whatever the conditions: one law per test, at the borders of random policies."""

from __future__ import annotations

import random_policies as policies
from hypothesis import given, settings
from hypothesis import strategies as st

from troth import abi
from troth.bpf import emulate
from troth.bpf.const_allow import is_const_allow
from troth.bpf.program import JSET
from troth.policy import Policy, Rule
from troth.policy.diagram import Diagrams
from troth.policy.lower import lower


def big_endian(policy: Policy) -> bool:
    return abi.ARCHES[next(iter(policy.sections))].big_endian


@given(policy=policies.policies(), data=st.data())
@settings(max_examples=400, deadline=None)
def test_every_call_gets_the_same_answer_from_filter_and_policy(policy: Policy, data: st.DataObject) -> None:
    program = lower(policy)
    for _ in range(25):
        call = data.draw(policies.calls(policy))
        assert emulate(program, call, big_endian=big_endian(policy)).raw == policy.answer(call), call


@given(policy=policies.policies(), data=st.data())
@settings(max_examples=100, deadline=None)
def test_a_filter_without_bit_tests_answers_the_same_and_has_none(policy: Policy, data: st.DataObject) -> None:
    program = lower(policy, bit_tests=False)
    assert all(code != JSET for code, *_ in program.insns)
    for _ in range(25):
        call = data.draw(policies.calls(policy))
        assert emulate(program, call, big_endian=big_endian(policy)).raw == policy.answer(call), call


@given(rules=policies.rule_lists(), data=st.data())
@settings(max_examples=100, deadline=None)
def test_rules_that_are_too_entangled_for_a_diagram_are_written_as_they_stand(
    rules: tuple[Rule, ...], data: st.DataObject
) -> None:
    policy = Policy({"x86_64": {0: rules}}, policies.NOSYS, policies.KILL)
    before, Diagrams.limit = Diagrams.limit, 0
    try:
        program = lower(policy)
    finally:
        Diagrams.limit = before
    for _ in range(25):
        call = data.draw(policies.calls(policy))
        assert emulate(program, call, big_endian=False).raw == policy.answer(call), call


@given(policy=policies.policies())
@settings(max_examples=200, deadline=None)
def test_the_kernel_finds_every_call_that_is_allowed_whatever_its_arguments(policy: Policy) -> None:
    program = lower(policy)
    merged: dict[int, dict[int, tuple[Rule, ...]]] = {}
    for name, calls in policy.sections.items():
        merged.setdefault(abi.ARCHES[name].audit, {}).update(calls)
    for audit, calls in merged.items():
        for nr, rules in calls.items():
            if len(rules) == 1:
                assert is_const_allow(program, audit, nr) == (rules[0].answer == policies.ALLOW)
