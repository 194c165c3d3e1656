"""Exact answers about filters: equal, subset, diff, never, always; each "no" with a call that shows it.

- `equal`, `subset`, `diff` compare two subjects; `never`, `always` ask about a set of calls;
- a subject is a program, a stack of them (the oldest first), or a policy;
- `result` has what comes back, `question` turns subjects into functions, `smt` is the solver that is asked when a
  filter's arithmetic does not fit in a decision diagram.

Proofs are about every architecture, number, argument and instruction pointer at once. An answer is "proved",
"refuted" with a witness that the emulator replays, or "unknown", never a wrong "proved".
"""

from __future__ import annotations

from troth.proof.asked import always, never
from troth.proof.compared import diff, equal, subset
from troth.proof.result import Diff, Result, Row, Witness

__all__ = ["Diff", "Result", "Row", "Witness", "always", "diff", "equal", "never", "subset"]
