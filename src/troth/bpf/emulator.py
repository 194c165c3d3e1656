"""Run a filter on one call, as the kernel would.

The meaning is that of net/core/filter.c after seccomp_check_filter(): loads are 32-bit words of
`struct seccomp_data`, arithmetic is modulo 2**32, a division by a zero X ends the program with 0.
"""

from __future__ import annotations

import sys

from troth.bpf.program import (
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
    Call,
    Program,
    Verdict,
)  # fmt: skip
from troth.errors import ParseError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_WORD: Final = 0xFFFFFFFF

USES_X: Final = 0x08  # in an ALU or JMP opcode: the operand is X instead of k


def _alu(operation: int, a: int, operand: int) -> int | None:
    """One arithmetic step; None for a division by zero, which ends the program."""
    match operation:
        case 0x00:
            return a + operand
        case 0x10:
            return a - operand
        case 0x20:
            return a * operand
        case 0x30:
            return a // operand if operand else None
        case 0x40:
            return a | operand
        case 0x50:
            return a & operand
        case 0x60:
            return a << (operand & 31)
        case 0x70:
            return a >> (operand & 31)
        case 0xA0:
            return a ^ operand
    raise KeyError(operation)


def emulate(program: Program, call: Call, *, big_endian: bool | None = None, trace: list[int] | None = None) -> Verdict:
    """Answer what `program` says to `call`; `.raw` is the filter's 32-bit return value.

    `big_endian` is the byte order of the machine whose call this is; by default this one's. The places of the
    instructions that were executed are appended to `trace`.

    Raises:
        ParseError: the program holds something that the kernel would not have loaded.
    """
    order: str = sys.byteorder if big_endian is None else "big" if big_endian else "little"
    data = call.data(big_endian=order == "big")
    insns = program.insns
    memory = [0] * 16
    a = x = pc = steps = 0
    while True:
        if pc >= len(insns):
            raise ParseError(f"instruction {pc}", "the program runs off its end")
        code, jt, jf, k = insns[pc]
        if trace is not None:
            trace.append(pc)
        pc += 1
        steps += 1
        if code == LD_ABS:
            if k % 4 or k >= DATA_SIZE:
                raise ParseError(f"instruction {pc - 1}", f"load from offset {k}: not a word of the call's data")
            a = int.from_bytes(data[k : k + 4], order)  # type: ignore[arg-type]  # "big" or "little"
        elif code == RET_K:
            return Verdict(k, steps)
        elif code == RET_A:
            return Verdict(a, steps)
        elif code == JA:
            pc += k
        elif code & 0x07 == 0x05 and code & 0xF7 in (0x15 & 0xF7, 0x25, 0x35, 0x45):
            operand = x if code & USES_X else k
            kind = code & 0xF0
            taken = (
                a == operand
                if kind == 0x10
                else a > operand
                if kind == 0x20
                else a >= operand
                if kind == 0x30
                else a & operand
            )
            pc += jt if taken else jf
        elif code in (LD_IMM, LDX_IMM, LD_LEN, LDX_LEN):
            value = DATA_SIZE if code & 0xE0 == 0x80 else k
            a, x = (a, value) if code & 1 else (value, x)
        elif code in (LD_MEM, LDX_MEM, ST, STX) and k < 16:
            if code == LD_MEM:
                a = memory[k]
            elif code == LDX_MEM:
                x = memory[k]
            else:
                memory[k] = x if code == STX else a
        elif code == TAX:
            x = a
        elif code == TXA:
            a = x
        elif code == NEG:
            a = -a & _WORD
        elif code & 0x07 == 0x04 and code & 0xF0 in (0, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0xA0):
            result = _alu(code & 0xF0, a, x if code & USES_X else k)
            if result is None:
                return Verdict(0, steps)
            a = result & _WORD
        else:
            raise ParseError(f"instruction {pc - 1}", f"opcode {code:#06x} with k={k:#x} is not accepted by seccomp")
