"""The lengths of filters stay within what `bench/budget.json` records."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench import counts
from bench.rules import rules


def test_no_filter_has_outgrown_its_budget() -> None:
    assert counts.over_budget() == []


def test_every_frequent_call_is_one_that_some_everyday_set_allows() -> None:
    refused = set()
    for label, name, args in counts.frequent():
        answers = [counts.executed(promises, name, args) for _, promises in counts.EVERYDAY]
        if all(answer.endswith("!") for answer in answers):
            refused.add(label)
    assert refused == set()


def test_what_a_peer_is_told_is_allowed_by_the_policy_too() -> None:
    policy = counts.planned("stdio rpath inet", counts.NATIVE).policy()
    said, _ = rules(policy, "x86_64")
    for nr, name, errno, tests in said:
        args = [0] * 6
        for argument, _, value in tests:
            args[argument] = value
        allowed = counts.answer(policy, nr, tuple(args)) == "allow"
        assert allowed == (errno == 0), name
