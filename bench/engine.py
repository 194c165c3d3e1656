"""Filters of the same policies by different compilers: how long, how much of them runs, how fast, how soon.

Everything is measured in one run. `calls.json` has the recorded calls that instructions are counted for,
`system-service.txt` systemd's list.
"""

from __future__ import annotations

import json
import platform
import textwrap
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

from bench import nanoseconds, policies
from bench.compilers import COMPILERS, LIBSECCOMP, Compiled, as_arguments
from bench.counts import NATIVE, planned, sets
from bench.harness import ROOT, Candidate, compare, python, rows, table
from bench.peers import PEERS, gvisor_version
from bench.told import Rules, told
from troth import abi, proof
from troth.abi.seccomp import RET_ALLOW
from troth.bpf import Call, Program, emulate
from troth.bpf.const_allow import is_const_allow
from troth.policy import Policy, Rule
from troth.policy.build import build

HERE = Path(__file__).parent
AUDIT = abi.ARCHES["x86_64"].audit
COLUMNS = 10
PROMISES = "stdio rpath inet"
RUNS = 9


class Subject(NamedTuple):
    """A policy to compile; `checked` is a call whose arguments it checks and that it allows, `refused` one that fails.

    Both are answered so by every compiler's filter.
    """

    label: str
    policy: Policy
    checked: tuple[str, tuple[int, ...]] | None
    refused: int = 999


def system_service() -> Policy:
    """systemd's group @system-service, with EPERM for all else, as SystemCallFilter= has it for one architecture."""
    known = abi.numbers("x86_64")
    lines = (HERE / "system-service.txt").read_text().splitlines()
    allowed = [(name, None, "allow") for name in lines if name in known]
    return build(NATIVE, allowed, default="EPERM", bad_arch="allow")


def subjects() -> Iterator[Subject]:
    """What all compilers are given, the promise sets aside."""
    fcntl, personality = ("fcntl", (-1, 1)), ("personality", (0xFFFFFFFF,))
    yield Subject("61 calls", policies.common(), fcntl)
    yield Subject("61 calls, 64 bits compared", policies.common(wide=True), fcntl)
    yield Subject("@system-service", system_service(), None)
    yield Subject("Docker's default, 3 architectures", policies.docker(), personality)
    docker = policies.docker()
    alone = docker.replace(sections={"x86_64": docker.sections["x86_64"]})
    yield Subject("Docker's default, x86_64 only", alone, personality)
    yield Subject(f"promises `{PROMISES}`", planned(PROMISES, NATIVE).policy(), ("mprotect", (1, 4096, 1)), 435)


class Recorded(NamedTuple):
    """One call as it was recorded; `share` is its part of all calls, each workload counting alike."""

    name: str
    args: tuple[int, ...]
    share: float


def recorded() -> list[Recorded]:
    """The recorded calls, the most frequent combination of arguments first."""
    shares: dict[tuple[str, tuple[int, ...]], float] = defaultdict(float)
    workloads = json.loads((HERE / "calls.json").read_text())["workloads"]
    for workload in workloads.values():
        total = sum(call["count"] for call in workload["calls"])
        for call in workload["calls"]:
            kept = sum(count for count, *_ in call["arguments"])
            for count, *args in call["arguments"]:
                shares[call["name"], tuple(args)] += call["count"] * count / kept / total / len(workloads)
    return [Recorded(name, args, share) for (name, args), share in sorted(shares.items(), key=lambda item: -item[1])]


def frequent(calls: list[Recorded]) -> list[Recorded]:
    """The most frequent calls, each with its most frequent arguments."""
    totals: dict[str, float] = defaultdict(float)
    for call in calls:
        totals[call.name] += call.share
    first = {call.name: call for call in reversed(calls)}
    return [first[name] for name in sorted(totals, key=lambda name: -totals[name])[:COLUMNS]]


def _ran(program: Program, call: Recorded) -> tuple[int, str]:
    """The instructions that a call takes, and its mark: `*` for the kernel's bitmap, `!` for refused."""
    nr = abi.numbers("x86_64")[call.name]
    if is_const_allow(program, AUDIT, nr):
        return 0, "*"
    verdict = emulate(program, Call(AUDIT, nr, call.args), big_endian=False)
    return verdict.steps, "" if verdict.raw == RET_ALLOW else "!"


def _mean(program: Program, calls: list[Recorded]) -> str:
    """The mean over all recorded calls that are not answered from the bitmap, and their share."""
    counted = [(steps, call.share) for call in calls for steps, mark in [_ran(program, call)] if mark != "*"]
    share = sum(part for _, part in counted)
    return f"{sum(steps * part for steps, part in counted) / share:.1f} ({share:.0%})" if counted else "-"


def _cells(program: Program, calls: list[Recorded], label: str, name: str) -> list[str]:
    marks = [_ran(program, call) for call in frequent(calls)]
    return [label, name, *("*" if mark == "*" else f"{steps}{mark}" for steps, mark in marks), _mean(program, calls)]


def _milliseconds(compiled: Compiled) -> str:
    return f"{median(compiled.seconds) * 1e3:.2f}"


def _instructions(found: dict[str, dict[str, Compiled]], given: dict[str, Rules]) -> str:
    """Lengths and times of compilation."""
    body = []
    for label, compiled in found.items():
        unsaid = given[label].unsaid
        cells = [label + (f" (others: without {unsaid} calls)" if unsaid else "")]
        for one in compiled.values():
            cells += [str(len(one.program)), _milliseconds(one)] if one.program else ["-", "-"]
        body.append(cells)
    head = ["policy", *(cell for name in COMPILERS for cell in (name, "ms"))]
    return table(head, body)


def _promise_sets() -> str:
    """Every set of promises, by all compilers."""
    body = []
    for promises, label in sets().items():
        policy = planned(promises, NATIVE).policy()
        rules = told(policy)
        cells = [label or promises]
        for compiler in COMPILERS.values():
            one = compiler(policy, rules, 1)
            cells.append(str(len(one.program)) if one.program else "-")
        body.append([*cells, str(rules.unsaid)])
    return table(["promises", *COMPILERS, "left out for others"], body)


def _executed(found: dict[str, dict[str, Compiled]]) -> str:
    calls = recorded()
    all_cells = [
        _cells(one.program, calls, label, name)
        for label, compiled in found.items()
        for name, one in compiled.items()
        if one.program
    ]
    body = [cells for cells in all_cells if cells[-1] != "-"]
    return table(["policy", "compiler", *(call.name for call in frequent(calls)), "mean (share)"], body)


def _nanoseconds(found: dict[str, dict[str, Compiled]], given: list[Subject]) -> str:
    numbers = abi.numbers("x86_64")
    body = []
    for label, _, checked, refused in given:
        compiled = found[label]
        name, args = checked or ("getppid", ())
        programs = {name: one.program for name, one in compiled.items() if one.program}
        calls = [(numbers["getppid"], ()), (numbers[name], args), (refused, ())]
        none, *times = nanoseconds.measure([None, *programs.values()], calls)
        for compiler, measured in zip(programs, times, strict=True):
            over = [f"{mine - without:+.1f}" for mine, without in zip(measured, none, strict=True)]
            body.append([label, compiler, over[0], over[1] if checked else "-", over[2]])
    return table(["policy", "compiler", "getppid", "argument-checked", "refused"], body)


_TROTH = """
import os, sys
sys.path.append({root!r})
from bench import policies
from troth.kernel import process, seccomp
program = policies.{policy}().compile().to_bytes()
process.set_no_new_privs()
seccomp.set_mode_filter(program)
os._exit(0)
"""


def _fresh(rounds: int) -> str:
    """Compile and load in a fresh process."""
    baseline = "python, os._exit(0)"
    with TemporaryDirectory(prefix="troth-bench-") as name:
        directory = Path(name)
        candidates = [Candidate(baseline, python("import os; os._exit(0)"))]
        where, missing = PEERS["libseccomp"].find(), PEERS["libseccomp"].why_not
        for label, policy in (("61 calls", "common"), ("Docker's default", "docker")):
            code = textwrap.dedent(_TROTH).format(root=str(ROOT), policy=policy)
            candidates.append(Candidate(f"troth: {label}", python(code, path=ROOT / "src")))
            rules = told(getattr(policies, policy)())
            for optimize, what in ((1, ""), (2, ", binary tree")):
                plain = json.loads(json.dumps(as_arguments(rules, optimize)))
                module = f"use_{policy}_{optimize}"
                (directory / f"{module}.py").write_text(f"{LIBSECCOMP}\nbuild(**{plain!r}).load()\n")
                use = f"import os; sys.path.append({name!r}); import {module}; os._exit(0)"
                candidates.append(Candidate(f"libseccomp{what}: {label}", python(use, path=where), needs=missing))
        timings = compare(candidates, rounds=rounds)
    return table(["fresh process", "median ms", "min ms", "added ms", "ratio"], rows(timings, baseline))


def _proofs() -> str:
    """Two filters of Docker's size against each other."""
    policy = policies.docker()
    kill = abi.numbers("x86_64")["kill"]
    calls = {**policy.sections["x86_64"], kill: (Rule((), policy.unknown),)}
    other = policy.replace(sections={**policy.sections, "x86_64": calls})
    tree = COMPILERS["libseccomp, binary tree"](policy, told(policy), 1).program
    pairs: list[tuple[str, Policy | Program, Program]] = [
        ("the policy and its filter", policy, policy.compile()),
        ("its filter and one without `kill`", policy.compile(), other.compile()),
    ]
    if tree:
        pairs.append(("its filter and libseccomp's tree", policy.compile(), tree))
    body = []
    for label, a, b in pairs:
        verdicts = []
        for question in (proof.equal, proof.diff):
            times = []
            for _ in range(3):
                start = time.perf_counter()
                answer = question(a, b)
                times.append(time.perf_counter() - start)
            found = answer.verdict if not isinstance(answer, proof.Diff) else f"{len(answer.rows)} rows"
            verdicts += [found, f"{median(times) * 1e3:.0f}"]
        body.append([label, *verdicts])
    return table(["Docker's default profile", "equal", "ms", "diff", "ms"], body)


def report(rounds: int) -> str:
    """All tables, and what to know when reading them."""
    if platform.machine() != "x86_64":
        return "Measured on x86_64 only."
    given, found, everything = {}, {}, [*subjects()]
    for subject in everything:
        rules = given[subject.label] = told(subject.policy)
        found[subject.label] = {name: run(subject.policy, rules, RUNS) for name, run in COMPILERS.items()}
    about = json.loads((HERE / "calls.json").read_text())["about"]
    return "\n\n".join(
        [
            "The same policies by each compiler (`bench/policies.py`, `bench/told.py`): instructions, and milliseconds "
            f"of one compilation, medians of {RUNS}. gVisor's package ({gvisor_version() or 'not built'}) compiles for "
            "one architecture, in Go. Calls whose rules the others cannot be told are left out there, which makes "
            "their filters shorter; and they have one answer for all that is refused, unknown numbers included.",
            _instructions(found, given),
            _promise_sets(),
            f"Instructions executed for the most frequent calls of six programs. {about} `*`: the kernel answers from "
            "its bitmap and runs nothing; `!`: refused. The mean is over all recorded calls that are not answered from "
            "the bitmap, in parentheses their share of all calls. Filters that are not in the table run for none.",
            _executed(found),
            "Nanoseconds of a call above the same call without a filter: the median over "
            f"{nanoseconds.ROUNDS} rounds of the best of {nanoseconds.BATCHES} batches. Argument-checked: "
            "`fcntl(F_GETFD)`, under Docker's profile `personality(0xffffffff)`, under promises `mprotect(PROT_READ)`; "
            "refused: number 999, under promises `clone3`.",
            _nanoseconds(found, everything),
            "Compile and load in a fresh process. troth starts from names of calls, and for Docker from the profile's "
            "JSON; libseccomp gets rules that are resolved already, in a compiled module.",
            _fresh(rounds),
            "Proofs about filters of this size, medians of three.",
            _proofs(),
        ]
    )
