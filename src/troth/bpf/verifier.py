"""What the kernel refuses when a filter is loaded, refused with the same reason.

The rules and their order are those of net/core/filter.c:bpf_check_basics_ok(), bpf_check_classic() and
check_load_and_stores(), then kernel/seccomp.c:seccomp_check_filter(), @v6.18. They have not changed since
Linux 3.16, so that what is valid here loads on every kernel that troth speaks of. The fields that an
instruction does not use may hold anything, and code that no path reaches is held to the same rules.
"""

from __future__ import annotations

from troth.bpf.opcodes import CONDITIONAL, OPCODES, SLOT, SOCKET_ONLY
from troth.bpf.program import DATA_SIZE, JA, LD_ABS, LD_MEM, LDX_MEM, RET_A, RET_K, ST, STX, Program
from troth.errors import ParseError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_DIVIDE_K: Final = (0x34, 0x94)
_SHIFT_K: Final = (0x64, 0x74)
_SLOTS: Final = frozenset(code for code, (_, form) in OPCODES.items() if form == SLOT)
_MEMWORDS: Final = 16
_ALL_WRITTEN: Final = 0xFFFF


def verify(program: Program) -> None:
    """Check that the kernel would load a program; nothing is returned, because nothing else is learnt.

    Raises:
        ParseError: the kernel answers EINVAL; `where` names the first instruction that it stops at. When the
            same bytes are a valid program in the other byte order, the hint says so.
    """
    try:
        _check(program)
    except ParseError as error:
        if not error.hint and _in_other_order(program):
            error.hint = "the program is valid in the other byte order: it was made for, or read as, another machine's"
        raise


def byte_order(data: bytes) -> bool | None:
    """Guess the byte order of an encoded program: whether it is big-endian, None when neither order is valid.

    The guess is never ambiguous: the opcode of a return, which ends every program, is not one when swapped.

    Raises:
        ParseError: the length is not a positive multiple of 8 or above 4096 instructions.
    """
    for big_endian in (False, True):
        program = Program.from_bytes(data, big_endian=big_endian)
        try:
            _check(program)
        except ParseError:
            continue
        return big_endian
    return None


def _in_other_order(program: Program) -> bool:
    try:
        _check(program.swapped())
    except ParseError:
        return False
    return True


def _check(program: Program) -> None:
    insns = program.insns
    size = len(insns)
    for pc, (code, jt, jf, k) in enumerate(insns):
        _check_code(pc, code)
        if code in _DIVIDE_K:
            if k == 0:
                raise _refused(pc, "divides by zero")
        elif code in _SHIFT_K:
            if k >= 32:
                raise _refused(pc, f"shifts by {k} bits; a word has 32")
        elif code in _SLOTS:
            if k >= _MEMWORDS:
                raise _refused(pc, f"uses memory word {k}; there are {_MEMWORDS}, from 0 to {_MEMWORDS - 1}")
        elif code == JA:
            if k >= size - pc - 1:
                raise _refused(pc, f"jumps to {pc + 1 + k}, past the end: the last instruction is {size - 1}")
        elif code in CONDITIONAL and pc + 1 + max(jt, jf) >= size:
            side = "jt" if pc + 1 + jt >= size else "jf"
            target = pc + 1 + (jt if side == "jt" else jf)
            raise _refused(pc, f"jumps ({side}) to {target}, past the end: the last instruction is {size - 1}")
    if insns[-1][0] not in (RET_K, RET_A):
        raise _refused(size - 1, "is the last and not a return: the program runs off its end")
    _check_memory(program)
    for pc, (code, _, _, k) in enumerate(insns):
        if code in SOCKET_ONLY:
            raise _refused(pc, f"`{SOCKET_ONLY[code]}` is for socket filters; seccomp does not take it")
        if code == LD_ABS and (k >= DATA_SIZE or k & 3):
            raise _refused(pc, f"loads from offset {k}; the call's data are {DATA_SIZE // 4} words, at 0, 4 ... 60")


def _check_code(pc: int, code: int) -> None:
    if code not in OPCODES and code not in SOCKET_ONLY:
        raise _refused(pc, f"has the unknown opcode {code:#06x}")


def _check_memory(program: Program) -> None:
    """Refuse a read of scratch memory that some path has not written.

    As the kernel does it: in one pass forward, with what is written on all jumps to a place. What follows a
    return counts as reached from it, and what follows a jump as if everything were written.
    """
    insns = program.insns
    written_before = [_ALL_WRITTEN] * len(insns)
    written = 0
    for pc, (code, jt, jf, k) in enumerate(insns):
        written &= written_before[pc]
        if code in (ST, STX):
            written |= 1 << k
        elif code in (LD_MEM, LDX_MEM):
            if not written >> k & 1:
                raise _refused(pc, f"reads memory word {k}, which was not written on every way here")
        elif code == JA:
            written_before[pc + 1 + k] &= written
            written = _ALL_WRITTEN
        elif code in CONDITIONAL:
            written_before[pc + 1 + jt] &= written
            written_before[pc + 1 + jf] &= written
            written = _ALL_WRITTEN


def _refused(pc: int, problem: str) -> ParseError:
    return ParseError(f"instruction {pc}", problem)
