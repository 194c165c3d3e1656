"""What a process says about itself and to others: prctl(2), pidfd_open(2) and its kin, signalfd(2)."""

from __future__ import annotations

import os
from errno import EINVAL
from struct import Struct, calcsize, pack

from troth._value import Value
from troth.kernel._call import ask, buffer, program_header, syscall

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_PR_GET_DUMPABLE: Final = 3
_PR_SET_DUMPABLE: Final = 4
_PR_SET_NAME: Final = 15
_PR_GET_NAME: Final = 16
_PR_GET_SECCOMP: Final = 21
_PR_SET_SECCOMP: Final = 22
_PR_SET_CHILD_SUBREAPER: Final = 36
_PR_GET_CHILD_SUBREAPER: Final = 37
_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_GET_NO_NEW_PRIVS: Final = 39

ADDR_NO_RANDOMIZE: Final = 0x0040000  # linux/personality.h

_CLONE_VM: Final = 0x100

PIDFD_NONBLOCK: Final = os.O_NONBLOCK  # Linux 5.10
PIDFD_THREAD: Final = os.O_EXCL  # Linux 6.9

_INT: Final = Struct("=i")
_NAME_SIZE: Final = 16


def set_no_new_privs() -> None:
    """Promise that no program started from here gains privileges; there is no way back.

    Only the calling thread is bound, and what it starts.

    Needs Linux 3.5.
    """
    syscall("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def get_no_new_privs() -> bool:
    """Whether the calling thread has promised that."""
    return syscall("prctl", _PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1


def get_seccomp() -> int:
    """Give the seccomp mode of the calling thread: 0 none, 2 filters; in strict mode the question kills.

    Raises:
        EnforcementError: EINVAL for a kernel without seccomp; otherwise what a filter answers.
    """
    return syscall("prctl", _PR_GET_SECCOMP, 0, 0, 0, 0)


def set_seccomp(mode: int, program: bytes = b"") -> None:
    """Enter a seccomp mode by prctl(2), the older door: as seccomp(2), without flags.

    Raises:
        EnforcementError: as for seccomp.set_mode_strict() and seccomp.set_mode_filter().
    """
    header = program_header(program) if program else None
    syscall("prctl", _PR_SET_SECCOMP, mode, header, 0, 0)


def get_dumpable() -> int:
    """Give 0 when others of the same user may not look into this process, 1 when they may, 2 for root only."""
    return syscall("prctl", _PR_GET_DUMPABLE, 0, 0, 0, 0)


def set_dumpable(*, dumpable: bool) -> None:
    """Say whether this process leaves core dumps and may be attached to by its own user."""
    syscall("prctl", _PR_SET_DUMPABLE, int(dumpable), 0, 0, 0)


def set_parent_death_signal(signum: int) -> None:
    """Have this process get a signal when the thread that started it ends; 0 for none. Kept over execve(2).

    A parent that ended before is not noticed: look for it afterwards.
    """
    syscall("prctl", _PR_SET_PDEATHSIG, signum, 0, 0, 0)


def set_personality(persona: int) -> None:
    """Choose how this process, and what it executes, is treated: personality(2)."""
    syscall("personality", persona)


def get_name() -> bytes:
    """Give the name of the calling thread."""
    memory = buffer(_NAME_SIZE)
    syscall("prctl", _PR_GET_NAME, memory, 0, 0, 0)
    return memory.value


def set_name(name: bytes) -> None:
    """Name the calling thread; the kernel keeps the first 15 bytes."""
    syscall("prctl", _PR_SET_NAME, name + b"\0", 0, 0, 0)


def is_child_subreaper() -> bool:
    """Whether orphaned descendants become children of this process."""
    memory = buffer(_INT.size)
    syscall("prctl", _PR_GET_CHILD_SUBREAPER, memory, 0, 0, 0)
    return bool(_INT.unpack(memory.raw)[0])


def set_child_subreaper(*, reaper: bool) -> None:
    """Say whether orphaned descendants become children of this process.

    Needs Linux 3.4.
    """
    syscall("prctl", _PR_SET_CHILD_SUBREAPER, int(reaper), 0, 0, 0)


def is_single_threaded() -> bool:
    """Whether this process has one thread only; False when it cannot be known.

    Asks unshare(2) to unshare the memory, which a lone thread does not share: 0, and nothing changes;
    EINVAL otherwise (`kernel/fork.c:check_unshare_flags()`). A process that shares its memory with
    another one, as after vfork(2), is not single either. Where a filter refuses the question, the
    entries of /proc/self/task are counted.

    The answer stays true only as long as the caller starts no thread.
    """
    answer = ask("unshare", _CLONE_VM)
    if answer in (0, -EINVAL):
        return answer == 0
    try:
        return len(os.listdir("/proc/self/task")) == 1
    except OSError:
        return False


def pidfd_open(pid: int, flags: int = 0) -> int:
    """Give a descriptor of a process, close-on-exec; it never comes to mean another one.

    Raises:
        EnforcementError: ESRCH when there is no such process; EINVAL for the id of a thread, without PIDFD_THREAD.

    Needs Linux 5.3.
    """
    return syscall("pidfd_open", pid, flags)


def pidfd_getfd(pidfd: int, fd: int) -> int:
    """Duplicate a descriptor of another process, close-on-exec.

    Raises:
        EnforcementError: EPERM when this process may not attach to that one; EBADF when it has no such
            descriptor; ESRCH when it is gone.

    Needs Linux 5.6.
    """
    return syscall("pidfd_getfd", pidfd, fd, 0)


def pidfd_send_signal(pidfd: int, signum: int, flags: int = 0) -> None:
    """Send a signal, as kill(2) does, to exactly that process; 0 only asks whether it is there.

    Raises:
        EnforcementError: ESRCH when it is gone; EPERM when it may not be signalled.

    Needs Linux 5.1.
    """
    syscall("pidfd_send_signal", pidfd, signum, None, flags)


class SignalInfo(Value):
    """One signal read from a signalfd: `struct signalfd_siginfo`, what a supervisor needs of it.

    `code` is si_code (CLD_EXITED ... for SIGCHLD); `pid`, `uid` and `status` belong to SIGCHLD; `call_addr`,
    `syscall` and `arch` to the SIGSYS of a filter.
    """

    __slots__ = ("signo", "errno", "code", "pid", "uid", "status", "syscall", "call_addr", "arch")
    signo: int
    errno: int
    code: int
    pid: int
    uid: int
    status: int
    syscall: int
    call_addr: int
    arch: int


SFD_CLOEXEC: Final = os.O_CLOEXEC
SFD_NONBLOCK: Final = os.O_NONBLOCK

_SIGINFO_SIZE: Final = 128
# signo errno code pid uid | fd tid band overrun trapno | status | int ptr utime stime addr addr_lsb pad |
# syscall call_addr arch
_SIGINFO: Final = Struct("=IiiII20xi4x32x4xiQI28x")
_WORD_BITS: Final = 8 * calcsize("@L")
# MIPS has 128 signals, everything else 64: the size is part of the interface.
_MASK_WORDS: Final = (128 if os.uname().machine.startswith("mips") else 64) // _WORD_BITS


def signalfd(signals: Iterable[int], *, fd: int = -1, nonblock: bool = False) -> int:
    """Give a descriptor, close-on-exec, from which these signals are read; with `fd`, change its signals.

    The signals must be blocked in the threads that could get them, or they are delivered as ever:
    that is the caller's to do.

    Needs Linux 2.6.27.
    """
    mask = 0
    for signum in signals:
        mask |= 1 << (signum - 1)
    word = (1 << _WORD_BITS) - 1
    words = pack(f"@{_MASK_WORDS}L", *(mask >> (_WORD_BITS * index) & word for index in range(_MASK_WORDS)))
    return syscall("signalfd4", fd, words, len(words), SFD_CLOEXEC | (SFD_NONBLOCK if nonblock else 0))


def read_signals(fd: int, most: int = 16) -> list[SignalInfo]:
    """Read what has arrived at a signalfd, `most` signals or fewer; waits for one unless it is non-blocking.

    Raises:
        BlockingIOError: it is non-blocking, and there is none.
    """
    data = os.read(fd, _SIGINFO_SIZE * most)
    return [SignalInfo(*fields) for fields in _SIGINFO.iter_unpack(data)]
