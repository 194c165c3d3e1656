"""Programs that are made to be hard get an answer or "unknown", in memory and time that a child is limited to.

Where answers exist they are those of the emulator: a witness replays.
"""

from __future__ import annotations

import resource
from random import Random

import pytest
from children import in_child
from oracle import generate

from troth import proof
from troth.bpf import Program, emulate
from troth.bpf.program import JEQ, LD_ABS, MAX_INSNS, RET_A, RET_K, STX, TAX, TXA
from troth.bpf.symbolic.space import effective
from troth.proof import Result, smt

MEMORY_BYTES, CPU_SECONDS = 4 << 30, 600
MUL_X, DIV_X, ADD_K, JEQ_X, JSET, LD_MEM = 0x2C, 0x3C, 0x04, 0x1D, 0x45, 0x60


def words(count: int) -> list[int]:
    """Offsets of argument words, over and over."""
    return [16 + 4 * (index % 12) for index in range(count)]


def ending(*insns: tuple[int, int, int, int]) -> Program:
    return Program((*insns[: MAX_INSNS - 1], (RET_A, 0, 0, 0)))


def products() -> Program:
    start = ((LD_ABS, 0, 0, 16), (TAX, 0, 0, 0))
    return ending(*start, *(i for at in words(1360) for i in ((LD_ABS, 0, 0, at), (MUL_X, 0, 0, 0), (TAX, 0, 0, 0))))


def quotients() -> Program:
    start = ((LD_ABS, 0, 0, 16), (TAX, 0, 0, 0))
    return ending(*start, *(i for at in words(1360) for i in ((LD_ABS, 0, 0, at), (DIV_X, 0, 0, 0), (TAX, 0, 0, 0))))


def sums() -> Program:
    """Each bit of the arguments adds a number of its own: every subset has another sum."""
    return ending(
        *(
            insn
            for index in range(680)
            for insn in (
                (LD_ABS, 0, 0, 16 + 4 * (index // 32 % 12)),
                (JSET, 0, 3, 1 << index % 32),
                (TXA, 0, 0, 0),
                (ADD_K, 0, 0, index * 7919 + 1),
                (TAX, 0, 0, 0),
                (STX, 0, 0, index % 16),
            )
        ),
        (TXA, 0, 0, 0),
    )


def comparisons() -> Program:
    """Each argument word with each other one."""
    insns: list[tuple[int, int, int, int]] = []
    for one in words(12):
        for other in words(12):
            insns += [(LD_ABS, 0, 0, one), (TAX, 0, 0, 0), (LD_ABS, 0, 0, other), (JEQ_X, 0, 1, 0)]
            insns += [(RET_K, 0, 0, 0x00050000 | len(insns))]
    return Program((*insns, (RET_K, 0, 0, 0x7FFF0000)))


def answers() -> Program:
    insns = [insn for nr in range(2040) for insn in ((JEQ, 0, 1, nr * 97), (RET_K, 0, 0, 0x00050000 + nr))]
    return Program(((LD_ABS, 0, 0, 0), *insns, (RET_K, 0, 0, 0x7FFF0000)))


def anything() -> Program:
    return generate.ended(generate.program(Random(5), MAX_INSNS - 150), generate.ERRNOS)


@pytest.mark.parametrize(
    "made", [products, quotients, sums, comparisons, answers, anything], ids=lambda made: made.__name__
)
def test_hostile_program_gets_an_answer_or_unknown(made: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smt, "SECONDS", 3)
    program: Program = made()  # type: ignore[operator]  # one of the functions above
    other = Program((*program.insns[:-1], (RET_K, 0, 0, 0x00050001)))

    def ask() -> Result:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
        return proof.equal(program, other, big_endian=False)

    result = in_child(ask)
    assert result.verdict in ("proved", "refuted", "unknown")
    assert result.why or result.verdict != "unknown"
    if result.witness:
        raws = (emulate(each, result.witness.call, big_endian=False).raw for each in (program, other))
        assert tuple(effective(raw) for raw in raws) == result.witness.answers
