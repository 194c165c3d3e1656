"""ptrace(2), as far as starting and attaching to a program needs it, and the memory of a tracee.

One function per request; the policy (when to continue with what) is `troth.sandbox.inject`'s.
A tracee that died answers every request with ESRCH.
"""

from __future__ import annotations

import os
import sys
from struct import Struct

from troth.kernel._call import WORD_SIZE, address, ask, buffer, syscall

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

# linux/ptrace.h
_TRACEME: Final = 0
_PEEKDATA: Final = 2
_POKEDATA: Final = 5
_CONT: Final = 7
_DETACH: Final = 17
_GETEVENTMSG: Final = 0x4201
_GETREGSET: Final = 0x4204
_SETREGSET: Final = 0x4205
_SEIZE: Final = 0x4206
_INTERRUPT: Final = 0x4207
_GETSIGMASK: Final = 0x420A
_SETSIGMASK: Final = 0x420B

O_TRACEFORK: Final = 1 << 1
O_TRACEVFORK: Final = 1 << 2
O_TRACECLONE: Final = 1 << 3
O_TRACEEXEC: Final = 1 << 4
O_EXITKILL: Final = 1 << 20

EVENT_FORK: Final = 1
EVENT_VFORK: Final = 2
EVENT_CLONE: Final = 3
EVENT_EXEC: Final = 4
EVENT_STOP: Final = 128

_NT_PRSTATUS: Final = 1
_SIGSET_SIZE: Final = 8
_WORD: Final = WORD_SIZE
_MAX_REGS: Final = 1024  # the largest general register set of any architecture is 384 bytes


_IOVEC: Final = Struct("@PN")  # struct iovec: where, how long
_LONG: Final = Struct("@l")
_ULONG: Final = Struct("@L")
_SIGSET: Final = Struct("=Q")


def _ptrace(request: int, pid: int, address: int = 0, data: int = 0) -> int:
    return syscall("ptrace", request, pid, address, data)


def seize(pid: int, options: int) -> None:
    """Become the tracer of `pid` without stopping it. Linux 3.4.

    Raises:
        EnforcementError: EPERM when tracing is not permitted (Yama, a filter, another tracer).
    """
    _ptrace(_SEIZE, pid, 0, options)


def may_be_traced() -> bool:
    """Let the parent trace this process, and say whether that worked: for a child that ends right after."""
    return ask("ptrace", _TRACEME, 0, 0, 0) == 0


def resume(pid: int, signum: int = 0) -> None:
    """Let a stopped tracee go on, delivering `signum` if the stop was a signal's.

    Raises:
        EnforcementError: the kernel refuses.
    """
    _ptrace(_CONT, pid, 0, signum)


def interrupt(pid: int) -> None:
    """Ask a running tracee to stop; it reports EVENT_STOP.

    Raises:
        EnforcementError: the kernel refuses.
    """
    _ptrace(_INTERRUPT, pid)


def detach(pid: int, signum: int = 0) -> None:
    """Let a stopped tracee go for good.

    Raises:
        EnforcementError: the kernel refuses.
    """
    _ptrace(_DETACH, pid, 0, signum)


def event_message(pid: int) -> int:
    """Give the message of the event stop that `pid` is in: the id of a new task, for clone.

    Raises:
        EnforcementError: the kernel refuses.
    """
    message = buffer(_ULONG.size)
    _ptrace(_GETEVENTMSG, pid, 0, address(message))
    value: int = _ULONG.unpack(message)[0]
    return value


def registers(pid: int) -> bytes:
    """Read the general registers; the length tells a 32-bit task from a 64-bit one.

    Raises:
        EnforcementError: the kernel refuses.
    """
    memory = buffer(_MAX_REGS)
    iovec = buffer(_IOVEC.size, _IOVEC.pack(address(memory), _MAX_REGS))
    _ptrace(_GETREGSET, pid, _NT_PRSTATUS, address(iovec))
    return memory.raw[: _IOVEC.unpack(iovec)[1]]


def set_registers(pid: int, data: bytes) -> None:
    """Write the general registers, in the form that `registers` gave.

    Raises:
        EnforcementError: the kernel refuses.
    """
    memory = buffer(len(data), data)
    iovec = buffer(_IOVEC.size, _IOVEC.pack(address(memory), len(data)))
    _ptrace(_SETREGSET, pid, _NT_PRSTATUS, address(iovec))


def signal_mask(pid: int) -> int:
    """Read a stopped tracee's blocked signals; bit n is signal n + 1. Linux 3.11.

    Raises:
        EnforcementError: the kernel refuses.
    """
    mask = buffer(_SIGSET.size)
    _ptrace(_GETSIGMASK, pid, _SIGSET_SIZE, address(mask))
    value: int = _SIGSET.unpack(mask)[0]
    return value


def set_signal_mask(pid: int, blocked: int) -> None:
    """Write a stopped tracee's blocked signals. Linux 3.11.

    Raises:
        EnforcementError: the kernel refuses.
    """
    mask = buffer(_SIGSET.size, _SIGSET.pack(blocked))
    _ptrace(_SETSIGMASK, pid, _SIGSET_SIZE, address(mask))


class Memory:
    """A tracee's memory; writes reach read-only mappings too, in a private copy.

    `/proc/PID/mem` is used where it works; a word at a time through ptrace where there is no
    `/proc`, or where the kernel was told not to let writes through (`proc_mem.force_override=never`).
    """

    __slots__ = ("_fd", "_pid")

    def __init__(self, pid: int) -> None:
        self._pid = pid
        try:
            self._fd = os.open(f"/proc/{pid}/mem", os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            self._fd = -1

    def close(self) -> None:
        """Give back the descriptor; can be called twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def read(self, address: int, size: int) -> bytes:
        """Read `size` bytes.

        Raises:
            EnforcementError: a byte of them is not mapped, or the memory may not be read.
        """
        if self._fd >= 0:
            try:
                data = os.pread(self._fd, size, address)
                if len(data) == size:
                    return data
            except (OSError, OverflowError):
                pass
        start = address - address % _WORD
        end = address + size
        words = b"".join(self._peek(at) for at in range(start, end, _WORD))
        return words[address - start : end - start]

    def write(self, address: int, data: bytes) -> None:
        """Write all of `data`.

        Raises:
            EnforcementError: a byte of it is not mapped, or the memory may not be written.
        """
        if self._fd >= 0:
            try:
                if os.pwrite(self._fd, data, address) == len(data):
                    return
            except (OSError, OverflowError):
                pass
        start = address - address % _WORD
        before = self.read(start, address - start) if start != address else b""
        rest = -(address + len(data)) % _WORD
        after = self.read(address + len(data), rest) if rest else b""
        padded = before + data + after
        for at in range(0, len(padded), _WORD):
            word = int.from_bytes(padded[at : at + _WORD], sys.byteorder)
            _ptrace(_POKEDATA, self._pid, start + at, word)

    def _peek(self, at: int) -> bytes:
        # The system call stores the word where the library function would return it.
        word = buffer(_LONG.size)
        _ptrace(_PEEKDATA, self._pid, at, address(word))
        return word.raw
