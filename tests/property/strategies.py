"""What properties are tested on: programs that the kernel loads, instructions of any kind, calls."""

from __future__ import annotations

from random import Random

from hypothesis import settings
from hypothesis import strategies as st
from oracle import generate

from troth.bpf import Call, Program

# How long an example takes says more about the machine than about the law.
UNTIMED = settings(deadline=None)

RANDOMS = st.randoms(use_true_random=False)


def _program(random: Random, size: int) -> Program:
    return generate.program(random, size)


def _call(random: Random) -> Call:
    ip = generate.word(random) << 32 | generate.word(random)
    return Call(random.choice(generate.ARCHES), generate.number(random), generate.arguments(random), ip)


# The kernel accepts these.
VALID = st.builds(_program, RANDOMS, st.integers(1, 60))
CALLS = st.builds(_call, RANDOMS)

# The kernel accepts hardly any of these: any instruction, or one with an opcode that exists.
_BYTE, _WORD = st.integers(0, 0xFF), st.integers(0, 0xFFFFFFFF)
_ANY = st.tuples(st.integers(0, 0xFFFF), _BYTE, _BYTE, _WORD)
_NEAR = st.tuples(
    st.sampled_from(sorted(generate.ACCEPTED)), st.integers(0, 3), st.integers(0, 3), st.integers(0, 70) | _WORD
)
ANY = st.lists(_NEAR | _ANY, min_size=1, max_size=40).map(lambda insns: Program(tuple(insns)))
