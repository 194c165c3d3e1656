"""The prover and an SMT solver are asked the same: random programs with all of their arithmetic, and stacks of them."""

from __future__ import annotations

import importlib.util
from itertools import pairwise
from random import Random

import pytest
from conftest import needs
from oracle import generate

from troth import proof
from troth.bpf import Program
from troth.bpf.stack import emulate_stack
from troth.bpf.symbolic import Space, TooLargeError
from troth.bpf.symbolic.space import effective
from troth.proof.result import Result
from troth.proof.smt import solver

Z3 = importlib.util.find_spec("z3") is not None
LITTLE = {"big_endian": False}
PAIRS = 60

# What is seen of a call: enough bits for carries and quotients, few enough for a solver to be quick.
WORDS = {0: 0x7, 16: 0xF, 24: 0x80000003}


def pairs(seed: int, size: int) -> list[tuple[Program, Program]]:
    random = Random(seed)
    found = []
    for _ in range(PAIRS):
        program = generate.program(random, size, words=WORDS)
        tail = random.choice((generate.ERRNOS, generate.ACTIONS))
        other = generate.mutated(random, program)
        found.append((generate.ended(program, tail), generate.ended(other, tail)))
    return found


def by_solver(a: list[Program], b: list[Program]) -> Result:
    """Whether two stacks do the same, asked of z3 only."""
    asked = solver(big_endian=False)
    assert asked is not None
    one, other = (asked.subject(stack, exact=False) for stack in (a, b))
    return asked.find(one != other, [one, other])


def by_diagram(a: list[Program], b: list[Program]) -> bool | None:
    """The same of decision diagrams only; None when it does not fit."""
    space = Space(big_endian=False)
    try:
        return space.effective(space.stack(a)) == space.effective(space.stack(b))
    except TooLargeError:
        return None


@pytest.mark.parametrize("size", [8, 14, 20])
def test_prover_and_solver_agree_on_programs(size: int) -> None:
    needs(Z3, "z3 is not installed")
    compared = 0
    for a, b in pairs(size, size):
        mine, solved = by_diagram([a], [b]), by_solver([a], [b])
        if mine is None or solved.verdict == proof.result.UNKNOWN:
            continue
        compared += 1
        assert mine == bool(solved), f"{a.to_bytes().hex()} {b.to_bytes().hex()}"
    assert compared > PAIRS // 2


def test_prover_and_solver_agree_on_stacks() -> None:
    needs(Z3, "z3 is not installed")
    some = pairs(1, 10)
    for (a, b), (c, d) in pairwise(some):
        mine, solved = by_diagram([a, c], [b, d]), by_solver([a, c], [b, d])
        assert mine is None or solved.verdict == proof.result.UNKNOWN or mine == bool(solved), (
            f"{a.to_bytes().hex()} {b.to_bytes().hex()} {c.to_bytes().hex()} {d.to_bytes().hex()}"
        )


def test_witness_of_the_solver_is_replayed() -> None:
    needs(Z3, "z3 is not installed")
    replayed = 0
    for a, b in pairs(2, 12):
        witness = by_solver([a], [b]).witness
        if witness is not None:
            replayed += 1
            answers = [effective(emulate_stack([program], witness.call, **LITTLE).raw) for program in (a, b)]
            assert answers == [*witness.answers]
            assert answers[0] != answers[1]
    assert replayed > 10
