"""The emulator answers what the running kernel answers: random programs, random calls, every door, all 32 bits.

TROTH_PAIRS=1000000 makes it a million pairs of a program and a call; TROTH_SEED=N makes them others. Without either
the pairs are the same in every run.
"""

from __future__ import annotations

import os
import platform
from random import Random

import pytest
from children import in_child
from conftest import needs
from oracle import generate
from oracle.referee import DOORS, Door, Referee

from troth.bpf import Call, Program, emulate

PAIRS = int(os.environ.get("TROTH_PAIRS", "120000"))
SEED = int(os.environ.get("TROTH_SEED", "1"))
CALLS = 120  # of a program; each program takes three children to start, which wait for a CPU where others compute
BATCH = 100  # programs that one run of the C program judges


def referee(door: Door) -> Referee:
    needs(platform.machine() == "x86_64", "the doors are those of x86_64")
    return Referee(door)


def mismatches(judge: Referee, jobs: list[tuple[Program, list[Call]]]) -> list[str]:
    """Where emulator and kernel disagree, each with all that is needed to see it again."""
    found = []
    for (program, calls), answers in zip(jobs, judge.answers(jobs), strict=True):
        for call, answer in zip(calls, answers, strict=True):
            said = emulate(program, call).raw
            if said != answer:
                found.append(f"{program.to_bytes().hex()} {call}: the kernel says {answer:#x}, troth {said:#x}")
    return found


def jobs(judge: Referee, random: Random, programs: int) -> list[tuple[Program, list[Call]]]:
    def calls() -> list[Call]:
        return [judge.call(generate.number(random), generate.arguments(random)) for _ in range(CALLS)]

    return [(generate.program(random), calls()) for _ in range(programs)]


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_emulator_and_kernel_give_the_same_answers(door: Door) -> None:
    judge = referee(door)
    random = Random(f"{SEED} {door.name}")
    left = -(-PAIRS // (CALLS * len(DOORS)))
    while left > 0:
        some = jobs(judge, random, min(BATCH, left))
        left -= len(some)
        assert mismatches(judge, some) == [], f"TROTH_SEED={SEED}"


def test_longest_program_is_judged_alike() -> None:
    judge = referee(DOORS[0])
    random = Random(SEED)
    # The returns take room for the tail that tells the answer.
    programs = [generate.program(random, size) for size in (3800, 3900, 4000)]
    calls = [judge.call(generate.number(random), generate.arguments(random)) for _ in range(CALLS)]
    assert mismatches(judge, [(program, calls) for program in programs]) == []


def test_an_unprivileged_user_gets_the_same_answers() -> None:
    judge = referee(DOORS[0])
    some = jobs(judge, Random(SEED), 5)
    assert in_child(lambda: mismatches(judge, some), unprivileged=True) == []


def test_random_programs_hold_every_instruction_that_the_kernel_accepts() -> None:
    random = Random(SEED)
    held = {insn[0] for _ in range(200) for insn in generate.program(random).insns}
    assert held == generate.ACCEPTED


def test_random_programs_take_many_ways() -> None:
    # What makes the comparison worth something: most answers depend on the call, and few calls end at a division.
    random = Random(SEED)
    programs = [generate.program(random) for _ in range(200)]
    various = killed = 0
    for program in programs:
        calls = [Call(generate.ARCHES[0], generate.number(random), generate.arguments(random)) for _ in range(30)]
        answers = [emulate(program, call).raw for call in calls]
        various += len({*answers}) > 5
        killed += answers.count(0) > 15
    assert various > 100
    assert killed < 40
