"""Policies: for each call an answer, by its number and the values of its arguments.

`model` has the value types and their reference meaning, `lower` compiles them to BPF.
"""

from __future__ import annotations

from troth.policy.model import Cond, Policy, Rule, errno_answer

__all__ = ["Cond", "Policy", "Rule", "errno_answer"]
