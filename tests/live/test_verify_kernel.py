"""The running kernel loads a program exactly when `verify` takes it.

A child that already has a listener asks for a second one: the kernel checks the program first and answers
EINVAL for a bad one, then EBUSY for a good one. So nothing is installed and one child asks for thousands.
"""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable

import pytest
from kernel_programs import alone, answer_with, needs_no_filter

from troth.abi import seccomp as answers
from troth.bpf.opcodes import OPCODES, SOCKET_ONLY
from troth.bpf.program import Program
from troth.bpf.verifier import verify
from troth.errors import EnforcementError, ParseError
from troth.kernel import process, seccomp

# Of each kind; an emulated machine takes twenty times as long.
PROGRAMS = 2_000 if "TROTH_GUEST" in os.environ else 20_000
Insn = tuple[int, int, int, int]
CODES = [*OPCODES, *SOCKET_ONLY]
EDGES = (
    0,
    1,
    2,
    3,
    4,
    8,
    12,
    15,
    16,
    17,
    31,
    32,
    33,
    56,
    59,
    60,
    61,
    63,
    64,
    65,
    255,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFF000,
    0xFFFFFFFF,
)
RETURN: Insn = (0x06, 0, 0, answers.RET_ALLOW)


def verdicts_of_the_kernel(programs: list[Program]) -> list[bool]:
    """Whether the kernel takes each program."""

    def work() -> list[bool]:
        process.set_no_new_privs()
        seccomp.set_mode_filter(answer_with(answers.RET_ALLOW), new_listener=True)
        found = []
        for program in programs:
            try:
                seccomp.set_mode_filter(program.to_bytes(), new_listener=True)
            except EnforcementError as error:
                assert error.errno in (errno.EINVAL, errno.EBUSY), error
                found.append(error.errno == errno.EBUSY)
            else:
                raise AssertionError("a second listener was installed")
        return found

    return alone(work)


def verdicts_of_ours(programs: list[Program]) -> list[bool]:
    found = []
    for program in programs:
        try:
            verify(program)
        except ParseError:
            found.append(False)
        else:
            found.append(True)
    return found


def any_insn(rng: random.Random, left: int) -> Insn:
    code = rng.choice(CODES) if rng.random() < 0.97 else rng.randrange(0x10000)
    near = rng.randrange(max(left, 1) + 1)
    k = rng.choice((near, rng.choice(EDGES), rng.randrange(17), 4 * rng.randrange(17)))
    return code, rng.choice((0, rng.randrange(left + 2) & 0xFF)), rng.choice((0, rng.randrange(left + 2) & 0xFF)), k


def plausible(rng: random.Random) -> Program:
    """A program that is valid more often than not, with memory in use."""
    size = rng.randrange(1, 12)
    insns: list[Insn] = []
    for left in range(size, 0, -1):
        kind = rng.randrange(8)
        slot = rng.randrange(3)
        if kind < 3:
            insns.append((rng.choice((0x02, 0x03)), 0, 0, slot))
        elif kind < 5:
            insns.append((rng.choice((0x60, 0x61)), 0, 0, slot))
        elif kind < 6:
            insns.append((0x05, 0, 0, rng.randrange(left)))
        elif kind < 7:
            insns.append((rng.choice((0x15, 0x2D, 0x35, 0x45)), rng.randrange(left), rng.randrange(left), 1))
        else:
            insns.append(rng.choice((RETURN, (0x20, 0, 0, 16), (0x16, 0, 0, 0))))
    return Program((*insns, RETURN))


def anything(rng: random.Random) -> Program:
    size = rng.randrange(1, 10)
    insns = [any_insn(rng, left) for left in range(size - 1, -1, -1)]
    if rng.random() < 0.8:
        insns.append(rng.choice((RETURN, (0x16, 0, 0, 0))))
    return Program(tuple(insns))


def mutated(rng: random.Random) -> Program:
    insns = list(plausible(rng).insns)
    for _ in range(rng.randrange(1, 3)):
        at = rng.randrange(len(insns))
        insn = list(insns[at])
        field = rng.randrange(4)
        insn[field] = rng.choice(CODES) if field == 0 else rng.choice(EDGES) & (0xFF if field < 3 else 0xFFFFFFFF)
        insns[at] = (insn[0], insn[1], insn[2], insn[3])
    return Program(tuple(insns))


@pytest.mark.parametrize("make", [anything, plausible, mutated], ids=lambda make: make.__name__)
def test_the_kernel_loads_a_program_exactly_when_verify_takes_it(make: Callable[[random.Random], Program]) -> None:
    needs_no_filter()
    rng = random.Random(f"verify {make.__name__}")
    programs = [make(rng) for _ in range(PROGRAMS)]
    theirs, ours = verdicts_of_the_kernel(programs), verdicts_of_ours(programs)
    differ = [program for program, a, b in zip(programs, theirs, ours, strict=True) if a != b]
    assert not differ, f"{len(differ)} of {len(programs)}, first {differ[0]}"
    assert PROGRAMS // 50 < sum(theirs) < PROGRAMS - PROGRAMS // 50, "the programs should be of both kinds"


def test_the_kernel_agrees_on_every_opcode() -> None:
    needs_no_filter()
    programs = [
        Program(((0x02, 0, 0, 1), (code, 0, 0, 1 if code != 0x20 else 4), RETURN, RETURN)) for code in range(0x400)
    ]
    programs += [Program(((code << 8 | low, 0, 0, 4), RETURN)) for code in range(1, 256) for low in (0, 0x06, 0x20)]
    theirs = verdicts_of_the_kernel(programs)
    assert theirs == verdicts_of_ours(programs)
    assert sum(theirs) == len(OPCODES)


def test_the_kernel_agrees_on_every_edge_of_every_operand() -> None:
    needs_no_filter()
    store: Insn = (0x02, 0, 0, 1)
    programs = [Program((store, (code, 0, 0, k), *[RETURN] * 33)) for code in CODES for k in (*EDGES, *range(70))]
    programs += [
        Program((store, (code, jt, jf, 0), *[RETURN] * 3))
        for code in CODES
        for jt in range(5)
        for jf in (*range(5), 255)
    ]
    assert verdicts_of_the_kernel(programs) == verdicts_of_ours(programs)


def test_the_kernel_agrees_on_the_longest_programs() -> None:
    needs_no_filter()
    far = [Program(((0x05, 0, 0, k), *[RETURN] * 4095)) for k in (4093, 4094, 4095, 4096)]
    wide = [Program((*[(0x15, 255, jf, 0)] * 3840, *[RETURN] * 256)) for jf in (0, 254, 255)]
    assert verdicts_of_the_kernel(far + wide) == verdicts_of_ours(far + wide)
