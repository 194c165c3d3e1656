"""Classic BPF as seccomp(2) speaks it.

`program` holds the value types, `emulate` runs a program on one call, `build` assembles backwards
so that every jump goes to a place that is already known.
"""

from __future__ import annotations

from troth.bpf.emulate import emulate
from troth.bpf.program import Call, Program, Verdict

__all__ = ["Call", "Program", "Verdict", "emulate"]
