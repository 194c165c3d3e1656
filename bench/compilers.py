"""Compilers of filters, each told the same policy: what they make of it and how long that takes.

gVisor's is a Go package of Debian, `bench/gvisor.go` is its front end here; it compiles for one architecture. What is
not installed says so in its row: `python bench/peers.py` gets it.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from typing import NamedTuple

from bench.harness import environment, python
from bench.peers import PEERS, gvisor_command
from bench.told import Rules
from troth.bpf import Program
from troth.policy import Policy
from troth.policy.lower import lower


class Compiled(NamedTuple):
    """A program and the seconds that each of the runs took; without a program, why."""

    program: Program | None
    seconds: list[float]
    why_not: str = ""


# Standard input has the rules; a filter for each architecture, merged. Calls that the library does not know are left
# out, and so are rules that answer what is answered anyway (EACCES).
LIBSECCOMP = """
import seccomp as s
OPS = {"==": s.MASKED_EQ, "!=": s.NE, "<=": s.LE, ">=": s.GE}
NAMES = {"i386": "x86"}

def action(answer):
    known = {0x7FFF0000: s.ALLOW, 0x7FFC0000: s.LOG, 0x80000000: s.KILL_PROCESS, 0: s.KILL, 0x30000: s.TRAP}
    return known[answer] if answer in known else s.ERRNO(answer & 0xFFFF)

def arg(index, op, mask, value):
    return s.Arg(index, OPS[op], mask, value) if op == "==" else s.Arg(index, OPS[op], value)

def build(arches, default, bad_arch, optimize):
    whole = None
    for arch, rules in arches.items():
        f = s.SyscallFilter(action(default))
        f.set_attr(s.Attr.ACT_BADARCH, action(bad_arch))
        f.set_attr(s.Attr.CTL_OPTIMIZE, optimize)
        if arch != "x86_64":
            f.remove_arch(s.Arch())
            f.add_arch(s.Arch(NAMES.get(arch, arch)))
        for _, name, answer, alternatives in rules:
            for tests in alternatives or [[]]:
                try:
                    f.add_rule(action(answer), name, *[arg(*test) for test in tests])
                except RuntimeError:
                    pass
        if whole is None:
            whole = f
        else:
            whole.merge(f)
    return whole
"""

_EXPORT = (
    LIBSECCOMP
    + """
import json, sys, tempfile, time
asked = json.load(sys.stdin)
seconds = []
for _ in range(asked.pop("runs")):
    with tempfile.TemporaryFile() as file:
        start = time.perf_counter()
        build(**asked).export_bpf(file)
        seconds.append(time.perf_counter() - start)
        file.seek(0)
        program = file.read()
print(json.dumps([program.hex(), seconds]))
"""
)


def as_arguments(rules: Rules, optimize: int) -> dict[str, object]:
    """The arguments of `build` above."""
    arches = {arch: [tuple(rule) for rule in some] for arch, some in rules.arches.items()}
    return {"arches": arches, "default": rules.default, "bad_arch": rules.bad_arch, "optimize": optimize}


def troth(policy: Policy, rules: Rules, runs: int) -> Compiled:
    """Our own, without its memo; `rules` are for the others."""
    program, seconds = lower(policy), []
    for _ in range(runs):
        start = time.perf_counter()
        program = lower(policy)
        seconds.append(time.perf_counter() - start)
    return Compiled(program, seconds)


def libseccomp(optimize: int) -> Callable[[Policy, Rules, int], Compiled]:
    """libseccomp by its Python binding: in the order of priorities (1) or as a binary tree (2)."""

    def compiled(_: Policy, rules: Rules, runs: int) -> Compiled:
        where = PEERS["libseccomp"].find()
        if not where:
            return Compiled(None, [], PEERS["libseccomp"].why_not)
        done = subprocess.run(
            python(_EXPORT, path=where),
            input=json.dumps({**as_arguments(rules, optimize), "runs": runs}),
            capture_output=True,
            text=True,
            env=environment(),
            check=True,
        )
        program, seconds = json.loads(done.stdout)
        return Compiled(Program.from_bytes(bytes.fromhex(program)), seconds)

    return compiled


def gvisor(_: Policy, rules: Rules, runs: int) -> Compiled:
    """gVisor's pkg/seccomp, with its optimizers."""
    command = gvisor_command()
    if not command:
        return Compiled(None, [], "not built (`python bench/peers.py` builds it)")
    if [*rules.arches] != ["x86_64"]:
        return Compiled(None, [], "compiles for one architecture")
    sets: dict[int, dict[str, object]] = {}
    for nr, _name, answer, alternatives in rules.arches["x86_64"]:
        if any(test.op != "==" for tests in alternatives for test in tests):
            continue
        tests = [[{"Arg": t.arg, "Mask": t.mask, "Value": t.value} for t in tests] for tests in alternatives or ((),)]
        sets.setdefault(answer, {})[str(nr)] = tests
    asked = {
        "Default": rules.default,
        "BadArch": rules.bad_arch,
        "Runs": runs,
        "Sets": [{"Answer": answer, "Calls": calls} for answer, calls in sets.items()],
    }
    done = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    return Compiled(Program.from_bytes(bytes.fromhex(told["Program"])), told["Seconds"])


COMPILERS: dict[str, Callable[[Policy, Rules, int], Compiled]] = {
    "troth": troth,
    "libseccomp": libseccomp(1),
    "libseccomp, binary tree": libseccomp(2),
    "gVisor": gvisor,
}
