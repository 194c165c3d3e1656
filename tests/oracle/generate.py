"""Random programs that the kernel loads, and calls that make them take different ways.

A program is written from its first instruction to its last while the scratch memory that is certainly written
to is carried along every jump, as net/core/filter.c:check_load_and_stores() @v6.18 does. Its
constants and the words of the calls come from one pool, so that comparisons hold about as often as they fail.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING

from troth.abi import seccomp as answers
from troth.abi.seccomp import RET_ERRNO
from troth.bpf import Program
from troth.bpf.program import (
    AND,
    DATA_SIZE,
    JA,
    LD_ABS,
    LD_IMM,
    LD_LEN,
    LD_MEM,
    LDX_IMM,
    LDX_LEN,
    LDX_MEM,
    NEG,
    RET_A,
    RET_K,
    ST,
    STX,
    TAX,
    TXA,
)  # fmt: skip

if TYPE_CHECKING:
    from troth.bpf.program import Insn

CELLS = 16  # BPF_MEMWORDS
WORD = 0xFFFFFFFF

# kernel/seccomp.c:seccomp_check_filter() @v6.18, BPF_K forms; BPF_X is 8 more.
ADD, SUB, MUL, DIV, OR, LSH, RSH, XOR = 0x04, 0x14, 0x24, 0x34, 0x44, 0x64, 0x74, 0xA4
ALU = (ADD, SUB, MUL, DIV, OR, AND, LSH, RSH, XOR)
JUMPS = (0x15, 0x25, 0x35, 0x45)
X = 0x08
_PLAIN = (LD_ABS, LD_LEN, LDX_LEN, LD_IMM, LDX_IMM, LD_MEM, LDX_MEM, ST, STX, NEG, TAX, TXA, JA, RET_A, RET_K)
ACCEPTED = frozenset(_PLAIN) | frozenset(code | form for code in (*ALU, *JUMPS) for form in (0, X))

_MUTABLE = frozenset((RET_K, LD_IMM, LDX_IMM, TAX, TXA)) | frozenset(
    code | form for code in (ADD, SUB, OR, XOR, *JUMPS) for form in (0, X)
)

# Ends that make a difference in A one in what is done: an errno of 12 bits, or one of several actions.
ERRNOS = ((AND, 0, 0, 0xFFF), (OR, 0, 0, RET_ERRNO), (RET_A, 0, 0, 0))
ACTIONS = (
    (AND, 0, 0, 7),
    *(
        insn
        for index, answer in enumerate(answers.ACTIONS)
        for insn in ((0x15, 0, 1, index), (RET_K, 0, 0, answer | 1))
    ),
    (RET_K, 0, 0, RET_ERRNO),
)

ARCHES = (0xC000003E, 0x40000003)
NUMBERS = (0, 1, 39, 231, 334, 450, 512, 0x40000000, 0x40000027, 0x7FFFFFFF, 0x80000000, WORD)
POOL = (
    0, 1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 33, 0x40, 0xFF, 0x100, 0x541B, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x00FF00FF,
    0x12345678, 0x3FFFFFFF, 0x40000000, 0x7FFFFFFE, 0x7FFFFFFF, 0x80000000, 0x80000001, 0xAAAAAAAA, 0xFFFF0000,
    0xFFFFFFFE, WORD,
)  # fmt: skip


def word(random: Random) -> int:
    """A 32-bit number: mostly one of the pool, or near one."""
    kind = random.randrange(10)
    if kind < 6:
        return random.choice(POOL)
    if kind < 8:
        return (random.choice(POOL) + random.choice((-1, 1))) & WORD
    return random.getrandbits(32) if kind == 8 else 1 << random.randrange(32)


def arguments(random: Random) -> tuple[int, ...]:
    """Six 64-bit numbers."""
    return tuple(word(random) << 32 | word(random) for _ in range(6))


def number(random: Random) -> int:
    """The number of a call."""
    return random.choice(NUMBERS) if random.randrange(4) else word(random)


def length(random: Random) -> int:
    """A number of instructions: mostly few, sometimes more than a conditional jump can pass."""
    return random.choice((random.randrange(1, 12), random.randrange(8, 40), random.randrange(30, 120)) * 4 + (
        random.randrange(250, 700),
    ))  # fmt: skip


def program(random: Random, size: int | None = None, *, words: Mapping[int, int] | None = None) -> Program:
    """A random program that the kernel accepts, of `size` instructions.

    With `words` (masks by offset) it sees these bits of these words of the call and nothing else.
    """
    size = size or length(random)
    insns: list[Insn] = []
    cells = 0  # a bit for each cell that is written to on every way here
    arriving: dict[int, int] = {}
    # Something of the call in both registers, lest most answers be constant.
    first = [*_load(random, words), (TAX, 0, 0, 0), *_load(random, words)]
    if len(first) < size:
        insns += first
    while len(insns) < size - 1:
        place = len(insns)
        cells &= arriving.pop(place, -1)
        room = size - 2 - place
        insn = _insn(random, cells, room)
        code, jt, jf, k = insn
        if code == LD_ABS and words is not None:
            insns += _load(random, words) if room else [(TXA, 0, 0, 0)]
            if room:
                # The mask follows its load; who jumps to it masks something else.
                cells &= arriving.pop(place + 1, -1)
            continue
        if code & 7 == 5:
            for offset in (k,) if code == JA else (jt, jf):
                target = place + 1 + offset
                arriving[target] = arriving.get(target, -1) & cells
            cells = -1
        elif code in (ST, STX):
            cells |= 1 << k
        insns.append(insn)
    insns.append(_answer(random))
    return Program(tuple(insns))


def ended(program: Program, tail: Sequence[Insn]) -> Program:
    """The program, with what it would return in A and all its returns led to this tail.

    Sound: places stay what they were up to the program's end, and the tail is only reached by what was a return.
    """
    size = len(program)
    constants = [*dict.fromkeys(k for code, _, _, k in program.insns if code == RET_K)]
    loads = {k: size + 2 * index for index, k in enumerate(constants)}
    start = size + 2 * len(constants)
    insns: list[Insn] = []
    for place, (code, jt, jf, k) in enumerate(program.insns):
        if code == RET_A:
            insns.append((JA, 0, 0, start - place - 1))
        elif code == RET_K:
            insns.append((JA, 0, 0, loads[k] - place - 1))
        else:
            insns.append((code, jt, jf, k))
    for k, place in loads.items():
        insns += [(LD_IMM, 0, 0, k), (JA, 0, 0, start - place - 2)]
    return Program((*insns, *tail))


def mutated(random: Random, program: Program, times: int = 3) -> Program:
    """The program with some instructions changed; it may still answer alike, and it sees no more of the call."""
    insns = [*program.insns]
    places = [place for place, insn in enumerate(insns) if insn[0] in _MUTABLE]
    for place in random.choices(places, k=times) if places else ():
        code, jt, jf, k = insns[place]
        if code in (TAX, TXA):
            code = TAX + TXA - code
        elif code & 7 == 4 and code & X:
            code = random.choice((ADD, SUB, OR, XOR)) | X
        elif code & 7 == 5 and (code & X or random.randrange(2)):
            jt, jf = jf, jt
        else:
            k = word(random)
        insns[place] = (code, jt, jf, k)
    return Program(tuple(insns))


def _load(random: Random, words: Mapping[int, int] | None) -> list[Insn]:
    if words is None:
        return [(LD_ABS, 0, 0, _offset(random))]
    offset = random.choice(sorted(words))
    return [(LD_ABS, 0, 0, offset), (AND, 0, 0, words[offset])]


def _answer(random: Random) -> Insn:
    return (RET_A, 0, 0, 0) if random.randrange(8) else (RET_K, 0, 0, word(random))


def _insn(random: Random, cells: int, room: int) -> Insn:
    """One instruction before the last; `room` more follow it before the last one."""
    kind = random.randrange(100)
    if kind < 25:
        return (LD_ABS, 0, 0, _offset(random))
    if kind < 55:
        return _arithmetic(random)
    if kind < 70:
        return _branch(random, room)
    if kind < 80:
        return (random.choice((ST, STX)), 0, 0, random.randrange(CELLS))
    known = [cell for cell in range(CELLS) if cells >> cell & 1]
    if kind < 87 and known:
        return (random.choice((LD_MEM, LDX_MEM)), 0, 0, random.choice(known))
    if kind < 97:
        return (random.choice((TAX, TAX, TXA, NEG)), 0, 0, 0)
    if kind < 99:
        code = random.choice((LD_IMM, LDX_IMM, LDX_IMM, LD_LEN, LDX_LEN))
        return (code, 0, 0, word(random) if code in (LD_IMM, LDX_IMM) else 0)
    return _answer(random)


def _branch(random: Random, room: int) -> Insn:
    if not random.randrange(8):
        return (JA, 0, 0, _jump(random, room))
    code = random.choice(JUMPS) | random.choice((0, X))
    return (code, min(_jump(random, room), 255), min(_jump(random, room), 255), word(random))


def _offset(random: Random) -> int:
    """A word of the call, the number and the architecture more often than each of the others."""
    return random.choice((0, 4)) if not random.randrange(4) else 4 * random.randrange(DATA_SIZE // 4)


def _jump(random: Random, room: int) -> int:
    far = random.randrange(12)
    return random.randrange(min(room, 4 if far else 300) + 1)


def _arithmetic(random: Random) -> Insn:
    # What keeps most of A more often than what may leave nothing of it.
    code = random.choice((*ALU, ADD, SUB, XOR, OR, ADD, SUB, XOR))
    form = random.choice((0, X))
    if code in (LSH, RSH) and not form:
        return (code, 0, 0, random.randrange(32))  # the kernel refuses to shift by 32 or more
    k = word(random)
    if code == DIV and not form:
        k = k or 3  # and to divide by zero
    return (code | form, 0, 0, k)
