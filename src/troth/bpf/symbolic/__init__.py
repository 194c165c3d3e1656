"""What a filter answers to every call at once: its answer as a decision diagram over the bits of the call.

- `diagram`: hash-consed decision diagrams; equal functions are the same node;
- `words`: 32-bit numbers whose bits are such functions, and arithmetic on them;
- `space`: the bits of a call in an order, programs and stacks of them to diagrams.

Exact for every instruction that seccomp accepts. What would need more memory than `Limits` allows (a
product of two arguments, say) raises `TooLargeError`, never a guess.
"""

from __future__ import annotations

from troth.bpf.symbolic.diagram import TooLargeError
from troth.bpf.symbolic.space import Space

__all__ = ["Space", "TooLargeError"]
