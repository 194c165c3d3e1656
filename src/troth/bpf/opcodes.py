"""The instructions of classic BPF: what each is called, what it takes, and whether seccomp accepts it.

The opcodes are those of linux/bpf_common.h; the names those of the kernel's bpf_asm.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from troth.bpf.program import Insn

# What an instruction takes, and so which of its fields mean something.
WORD: Final = "[k]"  # a word of the call's data, at offset k
NUMBER: Final = "#k"  # the number k
SLOT: Final = "M[k]"  # a word of scratch memory
LENGTH: Final = "len"  # the size of the call's data
INDEX: Final = "x"  # the index register
ACCUMULATOR: Final = "a"
NOTHING: Final = ""
JUMP: Final = "L"  # an unconditional jump, over k instructions
JUMP_NUMBER: Final = "#k, L, L"  # a comparison with k; over jt instructions when it holds, over jf when not
JUMP_INDEX: Final = "x, L, L"  # the same with X

# net/core/filter.c:chk_code_allowed() and kernel/seccomp.c:seccomp_check_filter() @v6.18, what both accept
OPCODES: Final = {
    0x20: ("ld",   WORD),
    0x00: ("ld",   NUMBER),
    0x60: ("ld",   SLOT),
    0x80: ("ld",   LENGTH),
    0x01: ("ldx",  NUMBER),
    0x61: ("ldx",  SLOT),
    0x81: ("ldx",  LENGTH),
    0x02: ("st",   SLOT),
    0x03: ("stx",  SLOT),

    0x04: ("add",  NUMBER),  0x0C: ("add",  INDEX),
    0x14: ("sub",  NUMBER),  0x1C: ("sub",  INDEX),
    0x24: ("mul",  NUMBER),  0x2C: ("mul",  INDEX),
    0x34: ("div",  NUMBER),  0x3C: ("div",  INDEX),
    0x44: ("or",   NUMBER),  0x4C: ("or",   INDEX),
    0x54: ("and",  NUMBER),  0x5C: ("and",  INDEX),
    0x64: ("lsh",  NUMBER),  0x6C: ("lsh",  INDEX),
    0x74: ("rsh",  NUMBER),  0x7C: ("rsh",  INDEX),
    0xA4: ("xor",  NUMBER),  0xAC: ("xor",  INDEX),
    0x84: ("neg",  NOTHING),

    0x05: ("ja",   JUMP),
    0x15: ("jeq",  JUMP_NUMBER),  0x1D: ("jeq",  JUMP_INDEX),
    0x25: ("jgt",  JUMP_NUMBER),  0x2D: ("jgt",  JUMP_INDEX),
    0x35: ("jge",  JUMP_NUMBER),  0x3D: ("jge",  JUMP_INDEX),
    0x45: ("jset", JUMP_NUMBER),  0x4D: ("jset", JUMP_INDEX),

    0x06: ("ret",  NUMBER),
    0x16: ("ret",  ACCUMULATOR),
    0x07: ("tax",  NOTHING),
    0x87: ("txa",  NOTHING),
}  # fmt: skip

# What socket filters have besides: chk_code_allowed() takes them, seccomp_check_filter() does not.
SOCKET_ONLY: Final = {
    0x28: "ldh [k]",
    0x30: "ldb [k]",
    0x40: "ld [x + k]",
    0x48: "ldh [x + k]",
    0x50: "ldb [x + k]",
    0xB1: "ldxb 4*([k]&0xf)",
    0x94: "mod #k",
    0x9C: "mod x",
}

_JA: Final = 0x05
_CLASS: Final = 0x07
_RET: Final = 0x06

CONDITIONAL: Final = frozenset(code for code, (_, form) in OPCODES.items() if form in (JUMP_NUMBER, JUMP_INDEX))
USES_K: Final = frozenset(code for code, (_, form) in OPCODES.items() if "k" in form or form == JUMP)


def has_stray_fields(insn: Insn) -> bool:
    """Whether an instruction has a field set that the kernel ignores; its opcode must be one of ours."""
    code, jt, jf, k = insn
    return (code not in CONDITIONAL and bool(jt or jf)) or (code not in USES_K and k != 0)


def successors(place: int, insn: Insn) -> list[int]:
    """Where a program may go on after an instruction; empty after a return."""
    code, jt, jf, k = insn
    if code == _JA:
        return [place + 1 + k]
    if code in CONDITIONAL:
        return [place + 1 + jt, place + 1 + jf] if jt != jf else [place + 1 + jt]
    return [] if code & _CLASS == _RET else [place + 1]
