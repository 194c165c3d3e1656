"""What it costs to start a program confined: `troth run -- true` against other launchers."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.harness import ROOT, Candidate, compare, python, rows, table
from bench.peers import PEERS

BASELINE = "python3 -c pass"
TRUE = shutil.which("true") or "/bin/true"


def _troth() -> tuple[str, ...]:
    """The command as it was installed beside this interpreter."""
    script = Path(sys.executable).with_name("troth")
    return (str(script),) if script.exists() else ()


def _candidates() -> Iterator[Candidate]:
    script, module = _troth(), (sys.executable, "-m", "troth")
    missing = "" if script else "no `troth` beside this interpreter (pip install -e .)"
    yield Candidate("plain `true`", (TRUE,))
    yield Candidate(BASELINE, python("pass"))
    yield Candidate("troth run -p stdio", (*script, "run", "-p", "stdio", "--", TRUE), needs=missing)
    # pip's scripts for entry points import `re` before anything else; this is what is left without it.
    code = f"sys.argv[1:] = ['run', '-p', 'stdio', '--', {TRUE!r}]; from troth.cli import main; main()"
    yield Candidate("troth run -p stdio, two-line script", python(code, path=ROOT / "src"))
    yield Candidate("python -m troth run -p stdio", (*module, "run", "-p", "stdio", "--", TRUE))
    yield Candidate(
        "troth run -p stdio --on-violation errno",
        (*script, "run", "-p", "stdio", "--on-violation", "errno", "--", TRUE),
        needs=missing,
    )
    early = ("run", "--early", "-p", "stdio rpath prot_exec", "--", TRUE)
    yield Candidate("troth run --early", (*script, *early), needs=missing, note="stdio rpath prot_exec")
    bwrap, firejail = PEERS["bubblewrap"].find(), PEERS["firejail"].find()
    yield Candidate(
        "bwrap", (bwrap, "--ro-bind", "/", "/", TRUE), needs=PEERS["bubblewrap"].why_not, note="a mount namespace"
    )
    boxed = ("--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp")
    yield Candidate(
        "bwrap --unshare-all",
        (bwrap, *boxed, TRUE),
        needs=PEERS["bubblewrap"].why_not,
        note="all namespaces, proc, dev, tmp",
    )
    yield Candidate("firejail --noprofile", (firejail, "--quiet", "--noprofile", TRUE), needs=PEERS["firejail"].why_not)
    yield Candidate(
        "firejail --noprofile --seccomp",
        (firejail, "--quiet", "--noprofile", "--seccomp", TRUE),
        needs=PEERS["firejail"].why_not,
    )
    sandlock = PEERS["sandlock"]
    code = f"from sandlock import Sandbox; r = Sandbox(fs_readable=['/']).run([{TRUE!r}]); sys.exit(not r.success)"
    yield Candidate(
        "sandlock (Python API)",
        python(code, path=sandlock.find()),
        needs=sandlock.why_not,
        note="no command in its wheel",
    )
    nono = PEERS["nono-py"]
    code = (
        "import nono_py as n; c = n.CapabilitySet(); c.allow_path('/', n.AccessMode.READ); "
        f"sys.exit(n.sandboxed_exec(c, [{TRUE!r}]).exit_code)"
    )
    yield Candidate("nono-py (Python API)", python(code, path=nono.find()), needs=nono.why_not)


def report(rounds: int) -> str:
    """The table, and what to know when reading it."""
    timings = compare(_candidates(), rounds=rounds)
    head = ["launcher of `true`", "median ms", "min ms", "added ms", "ratio"]
    return (
        f"Start to exit of `{TRUE}`. Added and ratio are against `{BASELINE}`, the bare start of the interpreter that "
        "`troth run` is written for; the goal is a ratio of 1.5.\n\n" + table(head, rows(timings, BASELINE))
    )
