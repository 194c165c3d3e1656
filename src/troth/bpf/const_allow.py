"""Which calls the kernel allows from its bitmap, without running the filter.

Since Linux 5.11 a filter that is attached is emulated once for every number of each architecture; where
the answer is ALLOW and depends on the number and the architecture only, later calls skip the filter.
This is our model of that emulation: kernel/seccomp.c:seccomp_is_const_allow() @v6.18.
"""

from __future__ import annotations

from troth.abi.seccomp import RET_ALLOW
from troth.bpf.program import AND, JA, JEQ, JGE, JGT, JSET, LD_ABS, OFFSET_ARCH, OFFSET_NR, RET_K

TYPE_CHECKING = False
if TYPE_CHECKING:
    from troth.bpf.program import Program


def is_const_allow(program: Program, arch_audit: int, nr: int) -> bool:
    """Whether the kernel finds that this call is allowed whatever its arguments.

    The kernel gives up, and runs the filter at every call, at whatever it does not emulate: a load of
    anything but the number and the architecture, arithmetic other than AND with a constant, X.

    `arch_audit` is an AUDIT_ARCH_* value. With a stack of filters a call must be so in each of them.

    >>> from troth.bpf.program import Program
    >>> allow_39 = Program(((LD_ABS, 0, 0, 0), (JEQ, 0, 1, 39), (RET_K, 0, 0, RET_ALLOW), (RET_K, 0, 0, 0)))
    >>> is_const_allow(allow_39, 0xC000003E, 39), is_const_allow(allow_39, 0xC000003E, 40)
    (True, False)
    """
    insns = program.insns
    a = pc = 0
    while pc < len(insns):
        code, jt, jf, k = insns[pc]
        pc += 1
        if code == LD_ABS:
            if k == OFFSET_NR:
                a = nr & 0xFFFFFFFF
            elif k == OFFSET_ARCH:
                a = arch_audit
            else:
                return False
        elif code == RET_K:
            return k == RET_ALLOW
        elif code == JA:
            pc += k
        elif code == JEQ:
            pc += jt if a == k else jf
        elif code == JGE:
            pc += jt if a >= k else jf
        elif code == JGT:
            pc += jt if a > k else jf
        elif code == JSET:
            pc += jt if a & k else jf
        elif code == AND:
            a &= k
        else:
            return False
    return False
