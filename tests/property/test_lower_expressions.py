"""A compiled filter answers as its policy, whatever the conditions: one law per test, over random policies."""

from __future__ import annotations

import random_policies as policies
from conftest import needs
from hypothesis import given, settings
from hypothesis import strategies as st
from random_policies import big_endian

from troth import abi, proof
from troth.bpf import Program, emulate
from troth.bpf.const_allow import is_const_allow
from troth.bpf.program import JSET
from troth.bpf.symbolic import Space
from troth.policy import Policy, Rule
from troth.policy.decisions import Diagrams
from troth.policy.lower import lower
from troth.policy.meaning import rules_function
from troth.proof import smt

SEEDS = st.integers(0, 1 << 32)


def agree(program: Program, policy: Policy, seed: int) -> bool:
    """By brute force at the borders of the policy."""
    for call in policies.calls(policy, seed, 60):
        assert emulate(program, call, big_endian=big_endian(policy)).raw == policy.answer(call), call
    return True


@given(policy=policies.policies(), seed=SEEDS)
@settings(max_examples=150, deadline=None)
def test_every_call_gets_the_same_answer_from_filter_and_policy(policy: Policy, seed: int) -> None:
    assert agree(lower(policy), policy, seed)


@given(policy=policies.policies())
@settings(max_examples=100, deadline=None)
def test_the_prover_finds_filter_and_policy_equal(policy: Policy) -> None:
    result = proof.equal(lower(policy), policy, exact=True)
    assert result.verdict == "proved", result


@given(policy=policies.policies())
@settings(max_examples=20, deadline=None)
def test_z3_finds_filter_and_policy_equal(policy: Policy) -> None:
    solver = smt.solver(big_endian=big_endian(policy))
    needs(solver is not None, "z3-solver is not installed")
    assert solver is not None
    answers = [solver.subject(lower(policy), exact=True), solver.subject(policy, exact=True)]
    result = solver.find(answers[0] != answers[1], answers)
    assert result.verdict == "proved", result


@given(policy=policies.policies())
@settings(max_examples=40, deadline=None)
def test_a_filter_without_bit_tests_answers_the_same_and_has_none(policy: Policy) -> None:
    program = lower(policy, bit_tests=False)
    assert all(code != JSET for code, *_ in program.insns)
    assert proof.equal(program, policy, exact=True)


@given(rules=policies.rule_lists(), seed=SEEDS)
@settings(max_examples=40, deadline=None)
def test_rules_that_are_too_entangled_for_a_diagram_are_written_as_they_stand(
    rules: tuple[Rule, ...], seed: int
) -> None:
    policy = Policy({"x86_64": {0: rules}}, policies.NOSYS, policies.KILL)
    before, Diagrams.limit = Diagrams.limit, 0
    try:
        program = lower(policy)
    finally:
        Diagrams.limit = before
    assert agree(program, policy, seed)
    assert proof.equal(program, policy, exact=True)


@given(policy=policies.policies())
@settings(max_examples=60, deadline=None)
def test_the_kernel_finds_every_call_that_is_allowed_whatever_its_arguments(policy: Policy) -> None:
    program = lower(policy)
    space = Space()
    merged: dict[int, dict[int, tuple[Rule, ...]]] = {}
    for name, calls in policy.sections.items():
        merged.setdefault(abi.ARCHES[name].audit, {}).update(calls)
    for audit, calls in merged.items():
        for nr, rules in calls.items():
            if all(isinstance(cond, tuple) for conds, _ in rules[:-1] for cond in conds) and len(rules) > 1:
                continue  # plain conditions are written as they stand, also those that always hold
            always = rules_function(space, rules) == space.diagram.end(policies.ALLOW)
            assert is_const_allow(program, audit, nr) is always


@given(policy=policies.policies(), weight=st.floats(0.01, 1000))
@settings(max_examples=30, deadline=None)
def test_weights_change_no_answer(policy: Policy, weight: float) -> None:
    weights = {"read": weight, "close": 1.0, "openat": 5.0}
    assert proof.equal(policy.compile(weights=weights), policy, exact=True)
