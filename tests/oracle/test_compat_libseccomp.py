"""`troth.compat.seccomp` and libseccomp's own binding do the same, where libseccomp is known to be right.

That is: filters of one architecture whose rules have no comparisons, or == and masked ones, all with the same
action. That the two filters answer every call alike is proved, and tried on calls at the boundaries of what the
rules compare with.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import needs

from troth import abi
from troth.bpf import Call, Program, emulate
from troth.proof import equal

CHILD = Path(__file__).parent / "libseccomp_child.py"
SYSTEM = "/usr/bin/python3"
TOP = (1 << 64) - 1

Operations = list[tuple[str, list[str]]]


def run(interpreter: str, which: str, operations: Operations) -> list[list[str]]:
    """What each operation gives, in an interpreter of its own: some change the state of their process."""
    done = subprocess.run(
        [interpreter, str(CHILD), which], input=json.dumps(operations), capture_output=True, text=True, check=True
    )
    outcomes: list[list[str]] = json.loads(done.stdout)
    return outcomes


def both(operations: Operations) -> tuple[list[list[str]], list[list[str]]]:
    """What libseccomp's binding gives and what ours does."""
    needs(abi.native().name == "x86_64", "an x86_64 machine, whose numbers are in the rules")
    has = (
        os.path.exists(SYSTEM) and not subprocess.run([SYSTEM, "-c", "import seccomp"], capture_output=True).returncode
    )
    needs(has, "libseccomp's Python binding for the system's interpreter (Debian: python3-seccomp)")
    return run(SYSTEM, "libseccomp", operations), run(sys.executable, "troth", operations)


EDGES = sorted({(edge + off) & TOP for edge in (0, 2, 1 << 31, 1 << 32, 3 << 32, 1 << 63) for off in (-1, 0, 1)})


def comparison(draw: random.Random, arg: int, kind: str) -> str:
    if kind == "masked" and draw.random() < 0.6:
        return f"Arg({arg}, MASKED_EQ, {draw.choice(EDGES)}, {draw.choice(EDGES)})"
    return f"Arg({arg}, EQ, {draw.choice(EDGES)})"


def operation(draw: random.Random, kind: str) -> tuple[str, list[str]]:
    """A random filter: its default action and what is done to it."""
    names = draw.sample(sorted(abi.numbers("x86_64").keys() - {"uretprobe", *UNKNOWN}), draw.randint(1, 12))
    default, action = draw.choice(
        [("KILL", "ALLOW"), ("ALLOW", "ERRNO(7)"), ("ERRNO(1)", "KILL_PROCESS"), ("TRAP", "LOG")]
    )
    done = [f"f.set_attr(Attr.CTL_OPTIMIZE, {draw.choice([1, 1, 2])})", "f.set_attr(Attr.ACT_BADARCH, ERRNO(9))"]
    for name in names:
        for _ in range(draw.randint(1, 3) if kind != "plain" else 1):
            count = draw.randint(0, 3) if kind != "plain" else 0
            args = [comparison(draw, arg, kind) for arg in sorted(draw.sample(range(6), count))]
            done.append(f"f.add_rule({', '.join([action, repr(name), *args])})")
    return default, [*done, "export()"]


# Younger than Debian's libseccomp 2.5.4, which knows the calls of Linux 5.17.
UNKNOWN = [row[1] for row in abi.table("x86_64") if row[0] > 450 or row[2].startswith(("6", "7"))]


@pytest.mark.parametrize("kind", ["plain", "equal", "masked"])
def test_filters_answer_alike(kind: str) -> None:
    draw = random.Random(f"compat {kind}")
    operations = [operation(draw, kind) for _ in range(150)]
    theirs, ours = both(operations)
    calls = 0
    for (default, done), (*one, program_a), (*other, program_b) in zip(operations, theirs, ours, strict=True):
        assert one == other, (default, done)
        a, b = (Program.from_bytes(bytes.fromhex(digits)) for digits in (program_a, program_b))
        result = equal(a, b)
        assert result.verdict == "proved", (default, done, result)
        numbers = [abi.numbers("x86_64")[line.split("'")[1]] for line in done if "add_rule" in line]
        for nr in (*numbers, *draw.sample(range(400), 6), 0x40000000, 0x3FFFFFFF, 0xFFFFFFFF):
            for arch in (0xC000003E, 0x40000003):
                args = tuple(draw.choice(EDGES) for _ in range(6))
                call = Call(arch, nr, args)
                calls += 1
                assert emulate(a, call).raw == emulate(b, call).raw, (default, done, call)
    assert calls > 4000


# Of each operation what it raises or gives, and in what words.
PROBES = """
Arch(5) | Arch("i386") | Arch(None) | int(Arch("x32")) | int(Arch()) | Arch(Arch("x86")) | system_arch()
SyscallFilter(1) | SyscallFilter(0x80000000) | SyscallFilter("a") | ERRNO(-1) | ERRNO("a") | ERRNO(1 << 40) | TRACE(70000)
f.exist_arch(Arch.X86_64) | f.exist_arch(Arch.ARM) | f.exist_arch("x86") | f.exist_arch(12) | f.exist_arch(None)
f.add_arch(Arch.X86) | f.add_arch(Arch.X86) | f.add_arch(Arch.S390X) | f.add_arch(77) | f.remove_arch(Arch.ARM) | f.remove_arch(1)
f.get_attr(1) | f.get_attr(99) | f.get_attr(-1) | f.get_attr("x") | [f.get_attr(attr) for attr in range(1, 10)]
f.set_attr(1, 2) | f.set_attr(3, 5) | f.get_attr(3) | f.set_attr(2, 7) | f.set_attr(2, 1 << 31) | f.set_attr(8, 0) | f.set_attr(8, "a")
f.set_attr(2, KILL_PROCESS) | f.get_attr(2) | f.set_attr(4, 1) | f.get_attr(4) | f.set_attr(6, 9) | f.get_attr(6) | f.set_attr(7, 1)
f.add_rule(ALLOW, "read") | f.add_rule(KILL, "nope") | f.add_rule(KILL, -1) | f.add_rule(KILL, -2) | f.add_rule(KILL, None)
f.add_rule(KILL, b"read") | f.add_rule(KILL, 1.0) | f.add_rule(12345, "read") | f.add_rule(1 << 40, "read") | f.add_rule(KILL, "r\u00e9")
f.add_rule(KILL, "read", Arg(6, EQ, 1)) | f.add_rule(KILL, "read", Arg(0, 99, 1)) | f.add_rule(KILL, "read", Arg(0, EQ, 1), Arg(0, EQ, 2))
f.add_rule(KILL, "read", *[Arg(0, EQ, 1)] * 7) | Arg(-1, EQ, 1) | Arg(0, EQ, -1) | Arg(0, -1, 1)
f.add_arch(Arch.X86) | f.add_rule(KILL, 999) | f.add_rule_exactly(KILL, "read") | f.add_rule(KILL, "socket") | f.remove_arch(Arch.X86) | f.add_rule(KILL, 999)
f.add_rule(ERRNO(1), "read", Arg(0, EQ, 1)) | f.add_rule(ERRNO(2), "read", Arg(0, EQ, 1)) | f.add_rule(ERRNO(1), "read", Arg(0, EQ, 1))
f.add_rule(ERRNO(2), "dup", Arg(0, EQ, 1), Arg(1, EQ, 1)) | f.add_rule(ERRNO(3), "dup", Arg(0, EQ, 1)) | f.add_rule(ERRNO(3), "dup", Arg(1, EQ, 1))
f.add_rule(ERRNO(3), "close") | f.add_rule(ERRNO(4), "close") | f.add_rule(ERRNO(4), "close", Arg(0, EQ, 1)) | f.add_rule(ERRNO(4095), "dup3")
f.add_rule_exactly(ERRNO(4), "send") | f.add_rule(ERRNO(4), "send") | f.add_rule_exactly(ERRNO(4), 999) | f.syscall_priority("send", 3)
f.remove_arch(Arch()) | f.add_arch(Arch.X86) | f.add_rule_exactly(KILL, "socket", Arg(0, EQ, 1)) | f.add_rule_exactly(KILL, "accept")
f.syscall_priority("read", 256) | f.syscall_priority("read", -1) | f.syscall_priority("nope", 1) | f.syscall_priority(None, 1) | f.syscall_priority("read", "a")
f.get_notify_fd() | f.receive_notify() | f.respond_notify(None) | f.export_bpf(None) | f.export_bpf(5) | f.export_pfc("x")
f.merge(None) | f.merge(SyscallFilter(KILL)) | f.merge(SyscallFilter(ALLOW)) | f.reset(1) | f.reset(1 << 40) | f.reset(KILL) | f.get_attr(1)
f.remove_arch(Arch()) | f.add_rule(KILL, "read") | f.get_attr(1) | f.set_attr(3, 1) | f.load() | f.add_arch(0) | f.exist_arch(Arch.X86_64)
f.set_attr(5, 1) | f.add_rule(KILL, -1) | f.syscall_priority(-1, 5)
resolve_syscall(0, "read") | resolve_syscall(Arch(), 0) | resolve_syscall(Arch(), "send") | resolve_syscall(Arch(), -109) | resolve_syscall(Arch(), -101)
resolve_syscall(Arch.X86, "socket") | resolve_syscall(Arch.X86, -101) | resolve_syscall(Arch(), 9999) | resolve_syscall(Arch(), None) | resolve_syscall(12, "read")
resolve_syscall(12, 1) | resolve_syscall("x86", 1) | resolve_syscall(Arch.X32, "read") | resolve_syscall(Arch.X32, 0) | resolve_syscall(Arch.MIPS, "read")
resolve_syscall(Arch.MIPS, 3) | resolve_syscall(Arch(), True) | resolve_syscall(Arch(), "") | c_str("a") | c_str(5) | c_str("\u00e9")
set_api(0) | set_api(99) | set_api(-1) | set_api("a") | set_api(1) | get_api() | SyscallFilter(KILL_PROCESS) | SyscallFilter(LOG) | f.set_attr(4, 1)
set_api(5) | f.set_attr(4, 1) | f.add_rule(NOTIFY, "read") | f.set_attr(4, 0) | f.add_rule(NOTIFY, "read") | f.set_attr(4, 1)
set_api(3) | f.add_rule(NOTIFY, "read") | f.set_attr(7, 1) | f.set_attr(6, 1)
Notification(1, 2, 3, 4, 5, 6, [1, 2, 3, 4, 5, 6]).syscall_args | Notification(1, 2, 3, 4, 5, 6, [1]) | Notification(-1, 2, 3, 4, 5, 6, [1] * 6)
NotificationResponse(5) | NotificationResponse(Notification(1, 2, 3, 4, 5, 6, [1] * 6), 1, -1, 1).error
"""


@pytest.mark.parametrize("line", PROBES.strip().splitlines())
def test_what_is_given_and_what_is_refused_is_the_same_in_the_same_words(line: str) -> None:
    theirs, ours = both([("ALLOW", line.split(" | "))])
    assert ours == theirs


def test_names_and_numbers_are_the_same_on_every_architecture_of_both() -> None:
    arches = "x86 x86_64 x32 arm aarch64 mips mips64 mips64n32 parisc parisc64 ppc ppc64 s390 s390x".split()
    names = sorted(abi.numbers("x86_64").keys() | abi.numbers("i386").keys() | abi.numbers("arm").keys())
    expressions = [f"resolve_syscall(int(Arch({arch!r})), {name!r})" for arch in arches for name in names]
    (theirs,), (ours,) = both([("ALLOW", expressions)])
    young = {row[1] for arch in abi.ARCHES for row in abi.table(arch) if row[2].startswith(("5.1", "6", "7"))}
    differ = [
        (expression, a, b)
        for expression, a, b in zip(expressions, theirs, ours, strict=True)
        if a != b and a != "-1" and expression.split("'")[3] not in young
    ]
    # The kernel's table has this one for 32-bit programs only.
    assert differ in ([], [("resolve_syscall(int(Arch('parisc64')), '_llseek')", "140", "-10026")])
