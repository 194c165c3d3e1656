"""Classic BPF as seccomp(2) speaks it.

`program` holds the value types, `emulator` runs a program on one call, `build` assembles backwards
so that every jump goes to a place that is already known.
"""

from __future__ import annotations

from troth.bpf.program import Call, Program, Verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from troth.bpf.emulator import emulate

__all__ = ["Call", "Program", "Verdict", "emulate"]


def __getattr__(name: str) -> Any:
    # Who installs a filter does not run it here.
    if name != "emulate":
        raise AttributeError(f"module 'troth.bpf' has no attribute {name!r}")
    from troth.bpf.emulator import emulate

    globals()["emulate"] = emulate
    return emulate
