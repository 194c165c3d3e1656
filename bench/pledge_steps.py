"""The steps of pledge(), timed inside one process that does nothing else: what `profile_pledge` starts.

Imports no more than the interpreter has loaded anyway, so that troth's own imports are seen.
"""

from __future__ import annotations

import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

IMPORT = "import troth"
REST = "troth.pledge (imports the rest)"
PLEDGE = "pledge()"

# Step, module, function (dotted for a method), how deep it is in the table.
STEPS = (
    (IMPORT, "", "", 0),
    (REST, "", "", 0),
    (PLEDGE, "", "", 0),
    ("parse", "troth.sandbox.apply", "parse", 1),
    ("probe the kernel", "troth.sandbox.apply", "probe", 1),
    ("count threads", "troth.kernel.process", "is_single_threaded", 1),
    ("plan", "troth.sandbox.apply", "make_plan", 1),
    ("install", "troth.sandbox.apply", "install", 1),
    ("promises to a policy", "troth.sandbox.plan", "Plan.policy", 2),
    ("policy to BPF", "troth.policy.model", "Policy.compile", 2),
    ("BPF to bytes", "troth.bpf.program", "Program.to_bytes", 2),
    ("Landlock rules", "troth.sandbox.apply", "open_ruleset", 2),
    ("no_new_privs", "troth.kernel.process", "set_no_new_privs", 2),
    ("landlock_restrict_self", "troth.kernel.landlock", "restrict_self", 2),
    ("seccomp", "troth.kernel.seccomp", "set_mode_filter", 2),
)


def _wrap(step: str, module: str, function: str, spent: dict[str, float]) -> None:
    """Put a clock around a function; a step that is no longer there is left out of the table."""
    holder: object = sys.modules.get(module)
    *inside, name = function.split(".")
    for part in inside:
        holder = getattr(holder, part, None)
    work: Callable[..., object] | None = getattr(holder, name, None)
    if work is None:
        return

    def timed(*args: object, **kwargs: object) -> object:
        begin = time.perf_counter_ns()
        try:
            return work(*args, **kwargs)
        finally:
            spent[step] = spent.get(step, 0.0) + (time.perf_counter_ns() - begin) / 1e6

    setattr(holder, name, timed)


def sample(promises: str) -> None:
    """Import and pledge in this process, and write what each step took: step, tab, milliseconds."""
    spent: dict[str, float] = {}
    begin = time.perf_counter_ns()
    import troth

    imported = time.perf_counter_ns()
    pledge = troth.pledge
    loaded = time.perf_counter_ns()
    spent[IMPORT] = (imported - begin) / 1e6
    spent[REST] = (loaded - imported) / 1e6
    for step, module, function, _ in STEPS:
        if module:
            _wrap(step, module, function, spent)
    begin = time.perf_counter_ns()
    pledge(promises)
    spent[PLEDGE] = (time.perf_counter_ns() - begin) / 1e6
    os.write(1, "".join(f"{step}\t{took}\n" for step, took in spent.items()).encode())
