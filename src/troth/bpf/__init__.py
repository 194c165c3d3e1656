"""Classic BPF as seccomp(2) speaks it.

`program` holds the value types, `emulator` runs a program on one call, `build` assembles backwards
so that every jump goes to a place that is already known. `opcodes` is the table of instructions,
`verifier` the kernel's rules of what it loads; `asm` and `disasm` are text for machines, `text` and
`graph` for people, from what `flow` finds out about the paths.
"""

from __future__ import annotations

from troth.bpf.program import Call, Program, Verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from troth.bpf.asm import assemble
    from troth.bpf.disasm import disassemble
    from troth.bpf.emulator import emulate
    from troth.bpf.graph import dot
    from troth.bpf.text import annotate
    from troth.bpf.verifier import byte_order, verify

__all__ = [
    "Call", "Program", "Verdict", "annotate", "assemble", "byte_order", "disassemble", "dot", "emulate", "verify",
]  # fmt: skip

# Who installs a filter does not run or read it here. No module is called like a function of ours.
_LATER = {
    "annotate": "text",
    "assemble": "asm",
    "byte_order": "verifier",
    "disassemble": "disasm",
    "dot": "graph",
    "emulate": "emulator",
    "verify": "verifier",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'troth.bpf' has no attribute {name!r}")
    module = __import__(f"troth.bpf.{_LATER[name]}", fromlist=(name,))
    found = globals()[name] = getattr(module, name)
    return found
