"""The figures of compiled filters stay within what the project has set itself."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench import compile_figures, policies
from troth import abi, proof
from troth.bpf import Call, Verdict
from troth.bpf.const_allow import is_const_allow


def test_the_common_policy_takes_at_most_128_instructions_and_12_steps_where_the_filter_runs() -> None:
    for wide in (False, True):
        policy = policies.common(wide=wide)
        program = policy.compile()
        assert proof.equal(program, policy, exact=True)
        assert len(program) <= 128
        assert compile_figures.mean_steps(program) <= 12


def test_dockers_profile_takes_at_most_900_instructions_and_14_steps_on_a_checked_call() -> None:
    policy = policies.docker()
    program = policy.compile()
    assert set(policy.sections) == {"x86_64", "i386", "x32"}
    assert proof.equal(program, policy, exact=True)
    assert len(program) <= 900
    assert max(compile_figures.checked_steps(program, policy).values()) <= 14


def test_the_kernel_runs_no_filter_for_what_these_policies_allow_outright() -> None:
    for policy in (policies.common(), policies.docker()):
        program = policy.compile()
        for name, calls in policy.sections.items():
            for nr, rules in calls.items():
                constant = is_const_allow(program, abi.ARCHES[name].audit, nr)
                assert constant is (len(rules) == 1 and rules[0][1] == 0x7FFF0000)


def test_the_probes_are_answered_as_their_labels_say() -> None:
    policy = policies.common()
    for label, call, args in policies.PROBES:
        nr = abi.numbers("x86_64")[call] if isinstance(call, str) else call
        action = Verdict(policy.answer(Call(abi.ARCHES["x86_64"].audit, nr, args))).action
        assert (action == "errno") is ("refused" in label or "unknown" in label), label
