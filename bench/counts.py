"""How long the filters are and how much of them runs: nothing here depends on the machine.

`budget.json` beside this file records the lengths; the tests fail when one grows by more than a fifth.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.harness import environment, python, table
from bench.peers import PEERS
from bench.rules import Said, rules
from troth import abi
from troth.abi import flags, landlock
from troth.abi.seccomp import RET_ALLOW
from troth.bpf import Call, Program, Verdict, emulate
from troth.kernel.probe import Kernel
from troth.policy import Policy
from troth.promises import parse
from troth.promises._words import BIT, MEANINGLESS, WORDS
from troth.promises.setting import Identity
from troth.sandbox.plan import Plan, Request, plan

BUDGET = Path(__file__).with_name("budget.json")
NATIVE = ("x86_64",)
WITH_I386 = ("x86_64", "i386")

# A kernel with everything, and one without Landlock: there the filter judges alone.
NEWEST = Kernel("newest", "x86_64", max(landlock.FS_BY_ABI), 0, True, frozenset(), frozenset(), None, True, False, ())
NO_LANDLOCK = NEWEST.replace(release="5.11", landlock_abi=0)
WHO = Identity(4242, 1000, (1000,))

EVERYDAY = (
    ("a filter (sort, wc)", "stdio"),
    ("a reader (cat, grep)", "stdio rpath"),
    ("an http client", "stdio rpath inet dns"),
    ("the start-up benchmark", "stdio rpath inet"),
    ("an editor", "stdio rpath wpath cpath fattr tty"),
    ("a shell", "stdio rpath wpath cpath fattr tty proc exec"),
    ("a build", "stdio rpath wpath cpath fattr flock proc exec prot_exec"),
    ("a daemon", "stdio rpath wpath cpath inet unix dns getpw proc id"),
    ("everything", " ".join(word for word in WORDS if not BIT[word] & MEANINGLESS and word != "error")),
)

_AUDIT = abi.ARCHES["x86_64"].audit
_ALLOW = (((), RET_ALLOW),)
_POINTER = 0x7F00_0000_1000


def frequent() -> list[tuple[str, str, tuple[int, ...]]]:
    """The ten argument-checked calls that programs make most, each as it is most often made: label, name, arguments."""

    def of(text: str) -> int:
        value = 0
        for name in text.split("|"):
            value |= flags.value(name, "x86_64")
        return value

    here = of("AT_FDCWD")
    return [
        ("openat O_RDONLY", "openat", (here, _POINTER, of("O_RDONLY|O_CLOEXEC"), 0)),
        ("mmap anonymous", "mmap", (0, 4096, of("PROT_READ|PROT_WRITE"), of("MAP_PRIVATE|MAP_ANONYMOUS"), -1, 0)),
        ("newfstatat", "newfstatat", (here, _POINTER, _POINTER, 0)),
        ("ioctl TCGETS", "ioctl", (1, of("TCGETS"), _POINTER)),
        ("fcntl F_GETFD", "fcntl", (1, of("F_GETFD"), 0)),
        ("mprotect PROT_READ", "mprotect", (_POINTER, 4096, of("PROT_READ"))),
        ("sendto NULL", "sendto", (3, _POINTER, 64, of("MSG_NOSIGNAL"), 0, 0)),
        ("prctl PR_SET_NAME", "prctl", (of("PR_SET_NAME"), _POINTER)),
        ("clone of a fork", "clone", (of("CLONE_CHILD_SETTID|CLONE_CHILD_CLEARTID|SIGCHLD"), 0, 0, _POINTER, 0)),
        ("prlimit64 of self", "prlimit64", (0, of("RLIMIT_NOFILE"), 0, _POINTER)),
    ]


def planned(promises: str, arches: tuple[str, ...], kernel: Kernel = NEWEST) -> Plan:
    """What would be installed for these promises."""
    return plan(Request(parse(promises), None, WHO, arches), kernel)


def length(promises: str, arches: tuple[str, ...], kernel: Kernel = NEWEST) -> int:
    """The number of instructions of the filter for these promises."""
    return len(planned(promises, arches, kernel).program())


def sets() -> dict[str, str]:
    """What is counted: each promise with stdio, and everyday sets; promises -> label."""
    alone = {
        "stdio" if word == "stdio" else f"stdio {word}": ""
        for word in WORDS
        if not BIT[word] & MEANINGLESS and word != "error"
    }
    return alone | {promises: label for label, promises in EVERYDAY}


def lengths() -> dict[str, int]:
    """Every length that the budget holds."""
    found = {}
    for promises in sets():
        found[promises] = length(promises, NATIVE)
        found[f"{promises} (with i386)"] = length(promises, WITH_I386)
        found[f"{promises} (no Landlock)"] = length(promises, NATIVE, NO_LANDLOCK)
    return found


def over_budget(allowance: float = 0.2) -> list[str]:
    """The lengths that have grown past the budget and its allowance, as sentences."""
    budget: dict[str, int] = json.loads(BUDGET.read_text())
    return [
        f"`{name}` takes {now} instructions, the budget says {budget[name]}"
        if name in budget
        else f"`{name}` has no budget: run `python bench/run.py counts --write`"
        for name, now in lengths().items()
        if now > budget.get(name, 0) * (1 + allowance)
    ]


def answer(policy: Policy, nr: int, args: tuple[int, ...]) -> str:
    """The name of the action that a policy answers to a call on x86_64."""
    return Verdict(policy.answer(Call(_AUDIT, nr, args))).action


def executed(promises: str, name: str, args: tuple[int, ...]) -> str:
    """The instructions that a call takes under these promises; see `_steps` for the marks."""
    decided = planned(promises, NATIVE)
    return _steps(decided.program(), decided.policy(), name, args)


def _steps(program: Program, policy: Policy | None, name: str, args: tuple[int, ...]) -> str:
    """Instructions executed; `*` when the kernel's bitmap answers instead, `!` when it is refused."""
    nr = abi.numbers("x86_64")[name]
    verdict = emulate(program, Call(_AUDIT, nr, args), big_endian=False)
    constant = policy is not None and policy.sections["x86_64"].get(nr) == _ALLOW
    mark = "*" if constant else "" if verdict.raw == RET_ALLOW else "!"
    return f"{verdict.steps}{mark}"


_EXPORT = """
import seccomp
f = seccomp.SyscallFilter(seccomp.KILL_PROCESS)
f.set_attr(seccomp.Attr.CTL_OPTIMIZE, {optimize})
for _, name, errno, tests in {rules!r}:
    args = [seccomp.Arg(argument, seccomp.MASKED_EQ, mask, value) for argument, mask, value in tests]
    try:
        f.add_rule(seccomp.ERRNO(errno) if errno else seccomp.ALLOW, name, *args)
    except RuntimeError:
        pass
f.export_bpf(open({path!r}, "wb"))
"""


def libseccomp(said: list[Said], optimize: int) -> Program | None:
    """What libseccomp compiles the rules to; calls that it does not know are left out. None without it."""
    where = PEERS["libseccomp"].find()
    if not where:
        return None
    with TemporaryDirectory() as directory:
        path = os.path.join(directory, "filter")
        code = _EXPORT.format(optimize=optimize, rules=[*dict.fromkeys(said)], path=path)
        subprocess.run(
            python("exec(sys.stdin.read())", path=where), input=code, text=True, env=environment(), check=True
        )
        return Program.from_bytes(Path(path).read_bytes())


def report() -> str:
    """Two tables: how long, and how much is executed."""
    long = []
    for promises, label in sets().items():
        name = f"{label}: {promises}" if label and len(promises) < 80 else label or promises
        here, both, alone = length(promises, NATIVE), length(promises, WITH_I386), length(promises, NATIVE, NO_LANDLOCK)
        long.append([name, str(here), str(both), str(alone)])
    calls = frequent()
    ran = []
    for label, promises in EVERYDAY:
        decided = planned(promises, NATIVE)
        program, policy = decided.program(), decided.policy()
        cells = [_steps(program, policy, name, args) for _, name, args in calls]
        ran.append([f"{label} ({len(program)})", *cells])
    decided = planned("stdio rpath inet", NATIVE)
    said, unsaid = rules(decided.policy(), "x86_64")
    for optimize, what in ((1, "libseccomp, the same rules"), (2, "libseccomp OPTIMIZE=2")):
        peer = libseccomp(said, optimize)
        if peer is not None:
            cells = [_steps(peer, None, name, args) for _, name, args in calls]
            ran.append([f"{what} ({len(peer)})", *cells])
    return (
        "Instructions of each filter, on a kernel with the newest Landlock and on one without it.\n\n"
        + table(["promises", "x86_64", "with i386", "no Landlock"], long)
        + "\n\nInstructions executed, in filters for x86_64 (their length in parentheses); `*`: allowed whatever the "
        "arguments, so the kernel answers from its bitmap and runs nothing; `!`: refused. libseccomp is told the rules "
        f"of `stdio rpath inet`, without the {unsaid} conditions that it cannot say.\n\n"
        + table(["filter", *(label for label, _, _ in calls)], ran)
    )


def write_budget() -> None:
    """Record the lengths of today."""
    BUDGET.write_text(json.dumps(lengths(), indent=1) + "\n")
