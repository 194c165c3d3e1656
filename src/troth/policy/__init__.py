"""Policies: for each call an answer, by its number and the values of its arguments.

- `model` has the value types and their reference meaning, `expr` conditions of any kind;
- `build` makes policies from rules by name, `callset` reads conditions as text;
- `lower` compiles them to BPF: `search` finds numbers, `diagram` settles what rules say of arguments, `emit` writes it;
- `lift` reads a policy off a program, `meaning` gives what a policy is as a function, for proofs.
"""

from __future__ import annotations

from troth.policy.model import Cond, Policy, Rule, errno_answer

__all__ = ["Cond", "Policy", "Rule", "errno_answer"]
