"""What the verbs that read filters print, and the status that they exit with."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from troth import abi
from troth.abi import others
from troth.bpf import Call, Program, assemble
from troth.cli import call, dispatch
from troth.cli.show import _text
from troth.cli.view import View, views
from troth.formats import Subject, read
from troth.formats.oci import load_bytes
from troth.policy.model import holds
from troth.proof.question import replayed

HERE = Path(__file__).parent
SNAPSHOTS = HERE.parent / "snapshots" / "cli"

# A filter of three kinds of calls: plain, judged by a 32-bit flag, and judged by a 64-bit number.
OLD = """
    ld [arch]
    jne #AUDIT_ARCH_X86_64, bad
    ld [nr]
    jge #0x40000000, bad
    jeq #__NR_read, yes
    jeq #__NR_write, yes
    jeq #__NR_exit_group, yes
    jeq #__NR_openat, openat
    jeq #__NR_lseek, lseek, no
    openat: ld [args[2].lo]
    and #3
    jeq #0, yes, no
    lseek: ld [args[1].hi]
    jset #0x80000000, no, yes
    yes: ret #ALLOW
    no: ret #ERRNO(EPERM)
    bad: ret #KILL_PROCESS
"""
NEW = OLD.replace("and #3", "and #0x43").replace("jeq #__NR_write, yes", "jeq #__NR_pwrite64, yes")
# It does not ask for the architecture, and adds two arguments.
ODD = """
    ld [args[0].lo]
    tax
    ld [args[1].lo]
    add x
    jeq #7, yes, no
    yes: ret #ALLOW
    no: ret #TRAP
"""


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The filters, in a directory of their own, so that their names are the same everywhere."""
    for name, text in (("old", OLD), ("new", NEW), ("odd", ODD)):
        (tmp_path / f"{name}.bpf").write_bytes(assemble(text, arch="x86_64").to_bytes(big_endian=False))
    shutil.copy(HERE.parent / "data/oci/docker.json", tmp_path)
    shutil.copy(HERE.parent / "data/oci/podman.json", tmp_path)
    monkeypatch.chdir(tmp_path)


def run(capfd: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of a command line."""
    capfd.readouterr()
    status = call(lambda: dispatch(args))
    out, err = capfd.readouterr()
    return status, out, err


# The name of a snapshot, the command line, the exit status.
SHOWN = [
    ("show", ["show", "old.bpf"], 0),
    ("show-json", ["show", "old.bpf", "--format", "json"], 0),
    ("show-asm", ["show", "old.bpf", "--asm"], 0),
    ("show-dot", ["show", "old.bpf", "--dot"], 0),
    ("show-docker", ["show", "docker.json", "--cap", "docker", "--arch", "x86_64", "--runtime", "runc"], 0),
    ("show-podman", ["show", "podman.json", "--cap", "podman", "--arch", "x86_64"], 0),
    ("ask", ["ask", "old.bpf", "openat(AT_FDCWD, _, O_RDWR|O_CREAT)", "--arch", "x86_64"], 0),
    ("ask-open", ["ask", "old.bpf", "openat", "--arch", "x86_64"], 0),
    ("ask-json", ["ask", "old.bpf", "lseek", "--arch", "x86_64", "--format", "json"], 0),
    ("ask-docker", ["ask", "docker.json", "clone(CLONE_NEWUSER)", "--arch", "x86_64"], 0),
    ("ask-odd", ["ask", "odd.bpf", "read(_, 4)", "--arch", "x86_64"], 0),
    ("ask-odd-closed", ["ask", "odd.bpf", "read(3, 4)", "--arch", "x86_64"], 0),
    ("diff", ["diff", "old.bpf", "new.bpf"], 1),
    ("diff-json", ["diff", "old.bpf", "new.bpf", "--format", "json"], 1),
    ("diff-same", ["diff", "old.bpf", "old.bpf"], 0),
    ("diff-docker-podman", ["diff", "docker.json", "podman.json", "--cap", "docker", "--arch", "x86_64"], 1),
    ("prove", ["prove", "old.bpf", "--never", "openat(flags & O_ACCMODE != O_RDONLY)", "--arch", "x86_64"], 0),
    ("prove-refuted", ["prove", "old.bpf", "--never", "openat(flags & O_CREAT)", "--arch", "x86_64"], 1),
    ("prove-always", ["prove", "old.bpf", "--always", "@numa or socket or 5000", "--answer", "ERRNO", "--arch", "x86_64"], 0),
    ("prove-json", ["prove", "old.bpf", "--always", "lseek", "--arch", "x86_64", "--format", "json"], 1),
]  # fmt: skip


@pytest.mark.parametrize(("name", "args", "status"), SHOWN, ids=[row[0] for row in SHOWN])
def test_a_verb_prints_what_its_snapshot_shows(
    name: str, args: list[str], status: int, capfd: pytest.CaptureFixture[str], update_snapshots: bool
) -> None:
    done, out, _ = run(capfd, *args)
    assert done == status
    path = SNAPSHOTS / f"{name}.txt"
    if update_snapshots:
        path.write_text(out, "utf-8")
    assert out == path.read_text("utf-8"), "after a wanted change: pytest --update-snapshots"
    if "json" in name.split("-"):
        json.loads(out)


def test_no_colour_goes_to_what_is_no_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    assert "\x1b" not in run(capfd, "show", "old.bpf")[1]


def test_each_filter_of_a_stack_is_shown_and_then_all_together(update_snapshots: bool) -> None:
    programs = tuple(assemble(text, arch="x86_64") for text in (OLD, NEW))
    shown = "\n".join(_text(Subject("pid:4242", programs, None, ("x86_64",), False))) + "\n"
    path = SNAPSHOTS / "show-stack.txt"
    if update_snapshots:
        path.write_text(shown, "utf-8")
    assert shown == path.read_text("utf-8")


# (command line, exit status, what is said)
MISTAKES = [
    (["show"], 2, "missing argument"),
    (["show", "none.bpf"], 2, "no such file"),
    (["show", "odd.bpf"], 1, "too intricate to be taken apart"),
    (["show", "old.bpf", "--asm", "--dot"], 2, "different things"),
    (["show", "old.bpf", "--as", "elf"], 2, "invalid value"),
    (["show", "old.bpf", "--arch", "x86"], 2, "unknown architecture `x86`"),
    (["show", "docker.json", "--cap", "0"], 2, "unknown capability `0`"),
    (["show", "docker.json", "--kernel", "new"], 2, "`new` must be a number"),
    (["show", "docker.json", "--as", "bpf"], 2, "not a whole number"),
    (["show", "pid:1x"], 2, "not a process id"),
    (["show", "pledge:stdo"], 2, "unknown promise"),
    (["ask", "old.bpf", "opnat", "--arch", "x86_64"], 2, "unknown call `opnat`"),
    (["ask", "old.bpf", "open or openat", "--arch", "x86_64"], 2, "one call is asked about"),
    (["ask", "old.bpf", "open(flags == 1)", "--arch", "x86_64"], 2, "not a condition"),
    (["ask", "old.bpf"], 2, "missing argument"),
    (["diff", "old.bpf"], 2, "missing argument"),
    (["diff", "-", "-"], 2, "not both"),
    (["diff", "old.bpf", "none.bpf"], 2, "no such file"),
    (["prove", "old.bpf"], 2, "one of --never and --always"),
    (["prove", "old.bpf", "--never", "a", "--always", "b"], 2, "one of --never and --always"),
    (["prove", "old.bpf", "--never", "mont", "--arch", "x86_64"], 2, "unknown call `mont`"),
    (["prove", "old.bpf", "--never", "open", "--arch", "aarch64"], 2, "aarch64 has no call `open`"),
    (["prove", "old.bpf", "--never", "open", "--answer", "DENY", "--arch", "x86_64"], 2, "unknown answer `DENY`"),
    (["prove", "old.bpf", "--never", "open", "--answer", "ERRNO(EWHAT)", "--arch", "x86_64"], 2, "EWHAT"),
]  # fmt: skip


@pytest.mark.parametrize(("args", "status", "problem"), MISTAKES, ids=[" ".join(row[0]) for row in MISTAKES])
def test_a_mistake_is_told_without_a_traceback(
    args: list[str], status: int, problem: str, capfd: pytest.CaptureFixture[str]
) -> None:
    done, out, err = run(capfd, *args)
    assert done == status
    assert out == ""
    assert problem in err
    assert "Traceback" not in err
    assert err.startswith("troth: error: ")


def shown_answer(seen: list[View], asked: Call) -> int:
    """What the views of a filter say about a call."""
    arch = others.name_of(asked.arch, asked.nr)
    view = next((view for view in seen if view.arch == arch), seen[-1])
    rules = next((entry.rules for entry in view.entries if entry.nr == asked.nr), None)
    if rules is None:
        rules = next((rules for first, last, rules in view.spans if first <= asked.nr <= last), view.default)
    return next(rule.answer for rule in rules if all(holds(cond, (*asked.args, asked.ip)) for cond in rule.conds))


@pytest.mark.parametrize("source", ["docker.json", "podman.json", "pledge:stdio rpath exec inet", "old.bpf"])
@pytest.mark.parametrize("runtime", ["", "runc"])
def test_what_is_shown_is_what_the_filter_answers(source: str, runtime: str) -> None:
    found = read(source, arches=("x86_64", "i386"), runtime=runtime)
    seen = views(found.meaning, big_endian=False)
    audits = [abi.ARCHES[arch].audit for arch in ("x86_64", "i386", "aarch64")]
    edges = (0x3FFFFFFF, 0x40000000, 0x7FFFFFFF, 0x80000000, 0xBFFFFFFF, 0xC0000000, 0xFFFFFFFE, 0xFFFFFFFF)
    numbers = (*range(480), *range(0x40000000, 0x40000000 + 560), *edges)
    values = (0, 1, 2, 10, 16, 40, 0x10000000, 0xFFFFFFFF, 1 << 32, (1 << 64) - 1)
    for audit in audits:
        for nr in numbers:
            for args in ((), *((value, value) for value in values[nr % 5 :: 5])):
                asked = Call(audit, nr, args)
                assert shown_answer(seen, asked) == replayed(asked, found.meaning, big_endian=False), asked


def test_show_keeps_to_the_architectures_that_are_named(capfd: pytest.CaptureFixture[str]) -> None:
    assert "x32" in run(capfd, "show", "old.bpf")[1]
    shown = run(capfd, "show", "old.bpf", "--arch", "x86_64")[1]
    assert "everything else: ERRNO(EPERM)" in shown
    assert "x32" not in shown
    assert run(capfd, "show", "old.bpf", "--arch", "i386")[1].splitlines()[2:] == [
        "every other architecture: KILL_PROCESS"
    ]


def test_what_no_text_could_say_is_told_and_not_tried_for_ever(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bits = [(16 + 4 * word, 1 << bit) for word in range(12) for bit in range(32)]
    # Allowed is an even number of bits: two chains of tests, and a bit that is set leads to the other one.
    insns = [
        insn
        for word, bit in bits
        for insn in ((0x20, 0, 0, word), (0x45, 4, 2, bit), (0x20, 0, 0, word), (0x45, 0, 2, bit))
    ]
    insns += [(0x06, 0, 0, 0x7FFF0000), (0x06, 0, 0, 0), (0x06, 0, 0, 0x50001)]
    (tmp_path / "parity.bpf").write_bytes(Program(tuple(insns)).to_bytes(big_endian=False))
    done, out, err = run(capfd, "show", "parity.bpf")
    assert (done, out) == (1, "")
    assert "too intricate to be taken apart" in err
    told = run(capfd, "ask", "parity.bpf", "read(1)", "--arch", "x86_64")[1].splitlines()[1:3]
    assert [line.partition(",")[0] for line in told] == [
        "  ALLOW         for some of these calls",
        "  ERRNO(EPERM)  for some of these calls",
    ]


def test_filters_for_different_byte_orders_are_not_compared(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "big.bpf").write_bytes(assemble(OLD, arch="x86_64").to_bytes(big_endian=True))
    done, _, err = run(capfd, "diff", "old.bpf", "big.bpf")
    assert done == 2
    assert "different byte orders" in err


def test_what_was_passed_over_is_told_beside_the_answer(capfd: pytest.CaptureFixture[str]) -> None:
    done, out, err = run(capfd, "ask", "podman.json", "read", "--arch", "x86_64")
    assert done == 0
    assert "note: podman.json: rules overlap" in err
    assert "note" not in out


def test_ask_tells_which_argument_is_compared_in_more_bits_than_the_kernel_reads(
    capfd: pytest.CaptureFixture[str],
) -> None:
    _, out, err = run(capfd, "ask", "docker.json", "socket(AF_INET)", "--arch", "x86_64")
    assert out.splitlines()[1:] == [
        "  ALLOW         if u64(family) < 0x100000000",
        "  ERRNO(EPERM)  if u64(family) >= 0x100000000",
    ]
    assert "note: `family` is compared in 64 bits, of which the kernel reads 32" in err
    assert "note" not in run(capfd, "ask", "docker.json", "socket", "--arch", "x86_64")[2]


def test_prove_agrees_with_ask_on_dockers_profile(capfd: pytest.CaptureFixture[str]) -> None:
    policy = load_bytes(Path("docker.json").read_bytes(), arches=("x86_64",))
    for name in ("mount", "read", "clone3", "ptrace", "socket", "personality"):
        never = run(capfd, "prove", "docker.json", "--never", name, "--arch", "x86_64")[0] == 0
        words = run(capfd, "ask", "docker.json", name, "--arch", "x86_64")[1].split()
        assert never is ("ALLOW" not in words)
        assert abi.numbers("x86_64")[name] in policy.sections["x86_64"] or never


def test_output_that_nobody_reads_ends_quietly() -> None:
    command = f"{sys.executable} -m troth show docker.json --arch x86_64 | head -1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    assert done.stdout == "docker.json\n"
    assert "Traceback" not in done.stderr
