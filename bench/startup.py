"""What it costs a Python program to confine itself: fresh processes, import and pledge against peers."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import troth
from bench.harness import ROOT, Candidate, Timing, compare, environment, python, rows, table
from bench.peers import PEERS
from bench.rules import Said, rules

PROMISES = "stdio rpath inet"
SOURCE = ROOT / "src"
BASELINE = "python -c pass"
BARE = "python -I -S -c pass"

# The programs that confine themselves with the same rules by other means. Each finds RULES beside it.
_CYTHON = """
    import seccomp
    from rules_said import RULES
    f = seccomp.SyscallFilter(seccomp.KILL_PROCESS)
    for _, name, errno, tests in RULES:
        action = seccomp.ERRNO(errno) if errno else seccomp.ALLOW
        f.add_rule(action, name, *[seccomp.Arg(a, seccomp.MASKED_EQ, mask, value) for a, mask, value in tests])
    f.load()
"""
_CTYPES = _CYTHON.replace("import seccomp\n", "import pyseccomp as seccomp\n")
_SECCOMPY = """
    from seccompy import Action, CmpOp, Filter
    from rules_said import RULES
    f = Filter(Action.KILL_PROCESS)
    for nr, _, errno, tests in RULES:
        args = [(a, CmpOp.MASKED_EQ, value, mask) for a, mask, value in tests]
        f.errno(nr, errno, args=args) if errno else f.allow(nr, args=args)
    f.load()
"""
_LANDLOCK = """
    from py_landlock import Landlock
    Landlock().allow_read("/").apply()
"""
_SANDLOCK = """
    from sandlock import Sandbox, confine
    confine(Sandbox(fs_readable=["/"], fs_writable=["/dev/null"]))
"""
_NONO = """
    import nono_py
    caps = nono_py.CapabilitySet()
    caps.allow_path("/", nono_py.AccessMode.READ)
    nono_py.apply(caps)
"""

# peer, module to import, the program (None: import only), what it does
_PEERS = (
    ("libseccomp", "seccomp", _CYTHON, "same rules"),
    ("pyseccomp", "pyseccomp", _CTYPES, "same rules"),
    ("seccompy", "seccompy", _SECCOMPY, "same rules"),
    ("py-landlock", "py_landlock", _LANDLOCK, "Landlock only: read /"),
    ("sandlock", "sandlock", _SANDLOCK, "confine(): Landlock only"),
    ("nono-py", "nono_py", _NONO, "apply(): Landlock only"),
)


def said_rules() -> tuple[list[Said], int]:
    """The rules of the troth policy for PROMISES here, those that the installed libseccomp knows the call of."""
    plan = troth.plan(PROMISES)
    arch = plan.request.arches[0]
    said, unsaid = rules(plan.policy(), arch)
    where = PEERS["libseccomp"].find()
    if where:
        names = sorted({rule[1] for rule in said})
        ask = f"import seccomp as s; print(*[name for name in {names!r} if s.resolve_syscall(s.Arch(), name) < 0])"
        done = subprocess.run(python(ask, path=where), capture_output=True, text=True, env=environment(), check=True)
        unknown = set(done.stdout.split())
        said = [rule for rule in said if rule[1] not in unknown]
    return said, unsaid


@contextmanager
def programs() -> Iterator[Path]:
    """A directory with the peers' programs as modules, and the rules, all compiled before anything is timed."""
    said, _ = said_rules()
    with TemporaryDirectory(prefix="troth-bench-") as name:
        directory = Path(name)
        (directory / "rules_said.py").write_text(f"RULES = {tuple(dict.fromkeys(said))!r}\n")
        for peer, _, program, _ in _PEERS:
            (directory / f"use_{peer.replace('-', '_')}.py").write_text(textwrap.dedent(program))
        subprocess.run([sys.executable, "-m", "compileall", "-q", name], env=environment(), check=True)
        yield directory


def _candidates(directory: Path) -> Iterator[Candidate]:
    yield Candidate(BASELINE, python("pass"))
    yield Candidate("import ctypes", python("import ctypes"))
    yield Candidate("troth: import", python("import troth", path=SOURCE))
    yield Candidate("troth: import, troth.pledge", python("import troth; troth.pledge", path=SOURCE))
    yield Candidate("troth: import, pledge", python(f"import troth; troth.pledge({PROMISES!r})", path=SOURCE))
    for peer, module, _, what in _PEERS:
        where = PEERS[peer].find()
        missing = PEERS[peer].why_not
        yield Candidate(f"{peer}: import", python(f"import {module}", path=where), needs=missing)
        use = f"sys.path.append({str(directory)!r}); import use_{peer.replace('-', '_')}"
        yield Candidate(f"{peer}: import, confine", python(use, path=where), needs=missing, note=what)
    yield Candidate(BARE, python("pass", bare=True))
    yield Candidate("troth: import (-I -S)", python("import troth", path=SOURCE, bare=True))
    bare = f"import troth; troth.pledge({PROMISES!r})"
    yield Candidate("troth: import, pledge (-I -S)", python(bare, path=SOURCE, bare=True))


def measure(rounds: int) -> dict[str, Timing]:
    """Time all of it."""
    with programs() as directory:
        return compare(_candidates(directory), rounds=rounds)


def report(rounds: int) -> str:
    """The table, and what to know when reading it."""
    timings = measure(rounds)
    bare = [name for name in timings if "-I -S" in name]
    head = ["fresh process", "median ms", "min ms", "added ms", "ratio"]
    said, unsaid = said_rules()
    body = rows(timings, BASELINE, group=[name for name in timings if name not in bare]) + rows(
        timings, BARE, group=bare
    )
    return (
        f'`pledge("{PROMISES}")` at the start of a Python program. "Added" is over `{BASELINE}` of the same round '
        f"(the last rows over `{BARE}`: without site-packages and their `.pth` files, which cost "
        f"{timings[BASELINE].added(timings[BARE]):.1f} ms here). The same rules are {len(said)} of libseccomp's; "
        f"{unsaid} conditions cannot be said to it and are left out.\n\n" + table(head, body)
    )
