#!/usr/bin/env python3
"""Show how long compiled filters are, how much of them runs, and how long compiling takes.

    python bench/compile_figures.py

The policies are those of `policies`; lengths and steps depend on nothing but the compiler. A call that the kernel
answers from its bitmap runs nothing of the filter; whether it does is what our model of the kernel's emulation says
(`troth.bpf.const_allow`). Times are of this machine: each in a fresh process with warm tables, and again from the memo.
"""

from __future__ import annotations

import subprocess
import sys
import timeit
from pathlib import Path
from statistics import mean, median

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import policies
from bench.harness import ROOT, environment, table
from troth import abi
from troth.abi.others import names
from troth.bpf import Call, Program, emulate
from troth.bpf.const_allow import is_const_allow
from troth.policy import Policy

X86_64 = abi.ARCHES["x86_64"].audit


def steps(program: Program) -> list[tuple[str, int, bool]]:
    """For each probe of the common policy: label, instructions executed, whether the bitmap answers instead."""
    numbers = abi.numbers("x86_64")
    found = []
    for label, call, args in policies.PROBES:
        nr = numbers[call] if isinstance(call, str) else call
        ran = emulate(program, Call(X86_64, nr, args), big_endian=False).steps
        found.append((label, ran, is_const_allow(program, X86_64, nr)))
    return found


def mean_steps(program: Program) -> float:
    """The mean over the probes for which the kernel has to run the filter."""
    return mean(ran for _, ran, constant in steps(program) if not constant)


def checked_steps(program: Program, policy: Policy) -> dict[str, int]:
    """For each call whose arguments are checked: the most instructions that any of its borders takes."""
    found = {}
    for name, calls in policy.sections.items():
        known = names(name)
        for nr, rules in calls.items():
            if len(rules) > 1:
                values = {edge for conds, _ in rules for cond in conds for edge in _edges(cond)}
                some = [Call(abi.arch(name).audit, nr, (value,) * 6) for value in values]
                found[f"{known[nr]} on {name}"] = max(emulate(program, call, big_endian=False).steps for call in some)
    return found


def _edges(cond: object) -> set[int]:
    terms = getattr(cond, "terms", None) or ([cond.term] if hasattr(cond, "term") else [])
    found = {edge for term in terms for edge in _edges(term)} | {0, 1 << 32}
    for first, last in getattr(cond, "ranges", ()):
        found |= {max(first - 1, 0), first, last, last + 1}
    return found


_TIMED = """
import sys, time
sys.path[:0] = {path!r}
from bench import policies
began = time.perf_counter()
policy = policies.{name}()
built = time.perf_counter()
policy.compile()
first = time.perf_counter()
from troth.policy import lower
times = []
for _ in range(9):
    start = time.perf_counter()
    lower.lower(policy)
    times.append(time.perf_counter() - start)
start = time.perf_counter()
policies.{name}().compile()
print(first - built, sorted(times)[4], min(times))
"""


def times(name: str, rounds: int = 9) -> tuple[float, float, float]:
    """Milliseconds of one compilation in fresh processes: the first with imports, a later one (medians), the best."""
    found: list[list[float]] = []
    code = _TIMED.format(path=[str(ROOT), str(ROOT / "src")], name=name)
    for _ in range(rounds):
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True
        )
        found.append([float(word) * 1e3 for word in done.stdout.split()])
    first, later, best = zip(*found, strict=True)
    return median(first), median(later), min(best)


def report() -> str:
    """Three tables."""
    rows, compiled = [], []
    for label, name in (
        ("common test policy, 61 calls", "common"),
        ("Docker's default profile, 3 architectures", "docker"),
    ):
        policy: Policy = getattr(policies, name)()
        program = policy.compile()
        first, later, best = times(name)
        again = min(timeit.repeat(policy.compile, number=1, repeat=5)) * 1e3
        compiled.append([label, f"{first:.2f}", f"{later:.2f}", f"{best:.2f}", f"{again:.2f}"])
        if name == "common":
            wide = policies.common(wide=True).compile()
            rows.append([label, str(len(program)), f"{mean_steps(program):.1f} mean of the probes not cached"])
            rows.append(["the same, all 64 bits compared", str(len(wide)), f"{mean_steps(wide):.1f} mean"])
        else:
            most = checked_steps(program, policy)
            worst = max(most, key=lambda call: most[call])
            rows.append([label, str(len(program)), f"{most[worst]} at most on a checked call ({worst})"])
    probes = [[label, f"{ran}{'*' if constant else ''}"] for label, ran, constant in steps(policies.common().compile())]
    return "\n\n".join(
        [
            table(["policy", "instructions", "executed"], rows),
            "Instructions executed under the common test policy; `*`: the kernel answers from its bitmap.",
            table(["probe", "executed"], probes),
            "Milliseconds of Policy.compile(), medians over fresh processes; then the same policy again.",
            table(["policy", "first, with imports", "later", "best", "from the memo"], compiled),
        ]
    )


if __name__ == "__main__":
    print(report())
