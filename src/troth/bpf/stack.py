"""Run all the filters of a thread on one call, as the kernel would.

kernel/seccomp.c:seccomp_run_filters() @v6.18 runs every filter, the newest first, and keeps the strictest answer:
the one whose action, its upper 16 bits, is the least as a signed number. Of equal actions the newest filter's
data stays.
"""

from __future__ import annotations

from troth.abi.seccomp import ACTION_MASK, RET_ALLOW
from troth.bpf.emulator import emulate
from troth.bpf.program import Verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from troth.bpf.program import Call, Program

_SIGN = 0x80000000


def strictness(raw: int) -> int:
    """The rank of an answer among others of a stack: of two, the kernel acts on the one with the lesser.

    >>> from troth.abi.seccomp import RET_ERRNO, RET_KILL_PROCESS, RET_KILL_THREAD
    >>> strictness(RET_KILL_PROCESS) < strictness(RET_KILL_THREAD) < strictness(RET_ERRNO | 1)
    True
    >>> strictness(RET_ERRNO | 1) == strictness(RET_ERRNO | 13)
    True
    """
    return (raw & ACTION_MASK) ^ _SIGN


def strictest(raws: Iterable[int]) -> int:
    """The answer of a stack whose filters answer these, the oldest filter's first; without any it allows.

    What nothing refuses is RET_ALLOW, whatever data the filters allowed it with.
    """
    found = RET_ALLOW
    for raw in raws:
        if strictness(raw) <= strictness(found) and strictness(raw) != strictness(RET_ALLOW):
            found = raw
    return found


def emulate_stack(programs: Iterable[Program], call: Call, *, big_endian: bool | None = None) -> Verdict:
    """Answer what a stack of filters, the oldest first, says to `call`; `.steps` are those of all filters.

    `big_endian` is as for `emulate`.

    Raises:
        ParseError: a program holds something that the kernel would not have loaded.
    """
    verdicts = [emulate(program, call, big_endian=big_endian) for program in programs]
    return Verdict(strictest(verdict.raw for verdict in verdicts), sum(verdict.steps for verdict in verdicts))
