"""Random programs and calls, and a second reading of the machine that they run on."""

from __future__ import annotations

import operator
from collections.abc import Callable

from hypothesis import strategies as st

from troth.bpf.opcodes import OPCODES
from troth.bpf.program import Call, Program
from troth.bpf.verifier import verify

U32 = 0xFFFFFFFF
CODES = sorted(OPCODES)
INSNS = st.tuples(
    st.one_of(st.sampled_from(CODES), st.integers(0, 0xFFFF)),
    st.one_of(st.just(0), st.integers(0, 255)),
    st.one_of(st.just(0), st.integers(0, 255)),
    st.one_of(st.integers(0, 16), st.integers(0, 64), st.integers(0, 0xFFFFFFFF)),
)
PROGRAMS = st.lists(INSNS, min_size=1, max_size=30).map(lambda insns: Program(tuple(insns)))


@st.composite
def valid(draw: st.DrawFn) -> Program:
    """A program that the kernel would load."""
    size = draw(st.integers(0, 40))
    insns = []
    for left in range(size, 0, -1):
        code = draw(st.sampled_from([code for code in CODES if code not in (0x60, 0x61)]))
        jump = st.integers(0, min(left - 1, 255))
        stray = st.one_of(st.just(0), st.integers(0, 255)) if draw(st.booleans()) else st.just(0)
        is_jump = code & 0x07 == 0x05 and code != 0x05
        k = {
            0x20: st.integers(0, 15).map(lambda word: 4 * word),
            0x02: st.integers(0, 15),
            0x03: st.integers(0, 15),
            0x05: st.integers(0, left - 1),
            0x34: st.integers(1, 0xFFFFFFFF),
            0x64: st.integers(0, 31),
            0x74: st.integers(0, 31),
            0x06: st.one_of(
                st.integers(0, 0xFFFFFFFF), st.sampled_from([0x7FFF0000, 0x50001, 0, 0x80000000, 0x7FF00007])
            ),
        }.get(code, st.one_of(st.integers(0, 5), st.integers(0, 0xFFFFFFFF)))
        insns.append((code, draw(jump if is_jump else stray), draw(jump if is_jump else stray), draw(k)))
    program = Program((*insns, (0x06, 0, 0, draw(st.sampled_from([0x7FFF0000, 0x50026])))))
    verify(program)
    return program


@st.composite
def calls_for(draw: st.DrawFn, program: Program) -> Call:
    numbers = sorted({0, 1, U32} | {insn[3] + d & U32 for insn in program.insns for d in (-1, 0, 1)})
    word = st.sampled_from(numbers)
    args = tuple(draw(word) << 32 | draw(word) for _ in range(6))
    return Call(draw(st.one_of(word, st.just(0xC000003E))), draw(word), args, draw(word))


OPERATIONS: dict[str, Callable[[int, int], int]] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": operator.floordiv, "or": operator.or_,
    "and": operator.and_, "xor": operator.xor, "lsh": lambda a, by: a << (by & 31), "rsh": lambda a, by: a >> (by & 31),
}  # fmt: skip


def walk(program: Program, call: Call) -> list[tuple[int, int, int, list[int]]]:
    """The places that a call gets to, with A, X and the memory before each: a second reading of the machine."""
    data = call.data(big_endian=False)
    a = x = place = 0
    memory = [0] * 16
    seen = []
    while True:
        seen.append((place, a, x, list(memory)))
        code, jt, jf, k = program.insns[place]
        place += 1
        name, form = OPCODES[code]
        operand = x if form in ("x", "x, L, L") else k
        if name == "ret":
            return seen
        if name in ("ld", "ldx"):
            value = {
                "[k]": int.from_bytes(data[k : k + 4], "little") if form == "[k]" else 0,
                "#k": k,
                "M[k]": memory[k & 15],
                "len": 64,
            }[form]
            a, x = (value, x) if name == "ld" else (a, value)
        elif name in ("st", "stx"):
            memory[k] = a if name == "st" else x
        elif name == "tax":
            x = a
        elif name == "txa":
            a = x
        elif name == "neg":
            a = -a & U32
        elif name == "ja":
            place += k
        elif name in ("jeq", "jgt", "jge", "jset"):
            holds = {"jeq": a == operand, "jgt": a > operand, "jge": a >= operand, "jset": bool(a & operand)}[name]
            place += jt if holds else jf
        else:
            if name == "div" and operand == 0:
                return seen
            a = OPERATIONS[name](a, operand) & U32
