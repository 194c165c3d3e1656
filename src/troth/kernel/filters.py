"""Read the seccomp filters of a process back, with PTRACE_SECCOMP_GET_FILTER.

The kernel gives them to privileged debuggers only, and keeps them only when it was built for
checkpoints. What is read is the program as it was loaded.
"""

from __future__ import annotations

import os
from errno import EACCES, EINVAL, EMEDIUMTYPE, ENOENT, EPERM, ESRCH

from troth.errors import EnforcementError
from troth.kernel._call import ask, buffer, syscall

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from troth.kernel._call import Argument

_SEIZE: Final = 0x4206
_INTERRUPT: Final = 0x4207
_DETACH: Final = 17
_SECCOMP_GET_FILTER: Final = 0x420C

_EVENT_STOP: Final = 128
_WALL: Final = 0x40000000  # also a thread that is not the first of its process
_INSN_SIZE: Final = 8

_HINTS: Final = {
    ESRCH: "there is no such process, or it ended meanwhile",
    EPERM: "attaching needs the same user and a dumpable target, or CAP_SYS_PTRACE; a process has one tracer only; "
    "kernel.yama.ptrace_scope may ask for more",
    EACCES: "reading a filter needs CAP_SYS_ADMIN in the initial user namespace, and a reader without filters",
    EINVAL: "the process has no filter, or the kernel was built without CONFIG_CHECKPOINT_RESTORE",
    ENOENT: "the process has fewer filters",
    EMEDIUMTYPE: "the kernel kept no classic program for this filter",
}


def get_filter(pid: int, index: int) -> bytes:
    """Give the program of one filter of a thread; 0 is the oldest. The thread is stopped meanwhile.

    The kernel counts from the filter that was installed first (`kernel/seccomp.c:get_nth_filter()`),
    although ptrace(2) says otherwise.

    Raises:
        EnforcementError: ESRCH, EPERM (may not attach), EACCES (may not read), EINVAL (no filter, or a kernel that
            keeps none), ENOENT (no filter with this index); `hint` says what would be needed.

    Needs Linux 4.4 with CONFIG_CHECKPOINT_RESTORE.
    """
    signum = _attach(pid)
    try:
        return read_stopped(pid, index)
    finally:
        _detach(pid, signum)


def get_filters(pid: int) -> tuple[bytes, ...]:
    """Give the programs of all filters of a thread, the oldest first; empty when it has none.

    A kernel without CONFIG_CHECKPOINT_RESTORE answers as if there were none: `Seccomp` in
    /proc/PID/status tells them apart.

    Raises:
        EnforcementError: as get_filter(), except for the lack of filters.
    """
    signum = _attach(pid)
    programs: list[bytes] = []
    try:
        while True:
            programs.append(read_stopped(pid, len(programs)))
    except EnforcementError as error:
        if error.errno == ENOENT or (error.errno == EINVAL and not programs):
            return tuple(programs)
        raise
    finally:
        _detach(pid, signum)


def read_stopped(pid: int, index: int) -> bytes:
    """Do what get_filter() does to a thread that the caller traces and has stopped.

    Raises:
        EnforcementError: as get_filter().
    """
    length = _ptrace(_SECCOMP_GET_FILTER, pid, index, None)
    memory = buffer(length * _INSN_SIZE)
    _ptrace(_SECCOMP_GET_FILTER, pid, index, memory)
    return memory.raw


def _ptrace(request: int, pid: int, address: int, data: Argument) -> int:
    """Make one ptrace call.

    Raises:
        EnforcementError: with a hint.
    """
    answer = ask("ptrace", request, pid, address, data)
    if answer < 0:
        raise EnforcementError("ptrace", -answer, hint=_HINTS.get(-answer, ""))
    return answer


def _attach(pid: int) -> int:
    """Stop a thread; gives the signal that it was about to get, 0 for none.

    SEIZE, because ATTACH would leave a stop signal behind. The end of a child is left for whoever waits for it.
    """
    _ptrace(_SEIZE, pid, 0, 0)
    try:
        _ptrace(_INTERRUPT, pid, 0, 0)
        seen = os.waitid(os.P_PID, pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT | _WALL)
        if seen is None or seen.si_code not in (os.CLD_TRAPPED, os.CLD_STOPPED):
            raise EnforcementError("ptrace", ESRCH, hint=_HINTS[ESRCH])
        os.waitid(os.P_PID, pid, os.WSTOPPED | _WALL)
    except ChildProcessError:
        raise EnforcementError("ptrace", ESRCH, hint=_HINTS[ESRCH]) from None
    return 0 if seen.si_status >> 8 == _EVENT_STOP else seen.si_status & 0xFF


def _detach(pid: int, signum: int) -> None:
    """Let a thread go on, with the signal that it was about to get; it may have been killed meanwhile."""
    if ask("ptrace", _DETACH, pid, 0, signum) not in (0, -ESRCH):
        syscall("ptrace", _DETACH, pid, 0, 0)
