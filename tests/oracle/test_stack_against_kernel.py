"""What filters do together, by `emulate_stack` and by the running kernel: every action, ties, answers that no kernel defines."""

from __future__ import annotations

import errno
import platform
from random import Random

import pytest
from conftest import needs
from oracle.referee import DOORS, KILLED_PROCESS, KILLED_THREAD, TRAPPED, Door, Referee

from troth import abi
from troth.abi.seccomp import ACTIONS, RET_ALLOW, RET_ERRNO, RET_TRAP
from troth.bpf import Call, Program, Verdict
from troth.bpf.program import JEQ, LD_ABS, RET_K
from troth.bpf.stack import emulate_stack

CHOICES = 8  # answers of a filter, of which the first argument of the call chooses one
UNKNOWN = (0x00010000, 0x00060000, 0x7FFE0000, 0x80010000, 0x8FFF0000, 0xFFFF0000)
MAX_ERRNO = 4095  # kernel/seccomp.c:__seccomp_filter() @v6.18 makes a larger one this


def chooser(arch: str, answers: list[int]) -> Program:
    """A filter with these answers to getppid, by its first argument; it allows prctl, and so further filters."""
    numbers = abi.numbers(arch)
    insns = [
        (LD_ABS, 0, 0, 0),
        (JEQ, 0, 1, numbers["prctl"]),
        (RET_K, 0, 0, RET_ALLOW),
        (LD_ABS, 0, 0, 16),
    ]
    for value, answer in enumerate(answers):
        insns += [(JEQ, 0, 1, value), (RET_K, 0, 0, answer)]
    return Program((*insns, (RET_K, 0, 0, RET_ERRNO)))


def expected(verdict: Verdict) -> int:
    """What becomes of a call without a tracer and without a supervisor; 1 when it is made."""
    return {
        "kill_process": KILLED_PROCESS,
        "kill_thread": KILLED_THREAD,
        "trap": TRAPPED + verdict.data,
        "errno": -min(verdict.data, MAX_ERRNO),
        "user_notif": -errno.ENOSYS,
        "trace": -errno.ENOSYS,
        "log": 1,
        "allow": 1,
    }[verdict.action]


def answer(random: Random) -> int:
    kind = random.randrange(20)
    if kind < 3:
        return random.choice(UNKNOWN) | random.choice((0, 1))
    if kind < 12:
        return random.choice((RET_ERRNO, RET_TRAP)) | random.choice((0, 1, 38, 4095, 4096, 0xFFFF))
    if kind < 16:
        return RET_ALLOW | random.choice((0, 1, 0xFFFF))
    return random.choice([*ACTIONS]) | random.choice((0, 1, 0xFFFF))


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_stack_does_what_the_kernel_does(door: Door) -> None:
    needs(platform.machine() == "x86_64", "the doors are those of x86_64")
    judge = Referee(door)
    random = Random(door.name)
    arch = "x86_64" if door is DOORS[0] else "i386"
    getppid = abi.numbers(arch)["getppid"]
    # The filters are installed through the C program's own architecture, whichever door the calls come by.
    own = "i386" if "-m32" in door.flags else "x86_64"
    stacks: list[tuple[list[Program], list[Call]]] = [
        (
            [chooser(own, [answer(random) for _ in range(CHOICES)]) for _ in range(random.randrange(1, 6))],
            [judge.call(getppid, (value, 0, 0, 0, 0, 0)) for value in range(CHOICES + 1)],
        )
        for _ in range(200)
    ]
    for (programs, calls), outcomes in zip(stacks, judge.outcomes(stacks), strict=True):
        said = [expected(emulate_stack(programs, call)) for call in calls]
        assert [min(outcome, 1) for outcome in outcomes] == said, [program.to_bytes().hex() for program in programs]
