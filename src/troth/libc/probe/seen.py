"""One system call in the words of a filter: what it can look at, and nothing of what differs from run to run."""

from __future__ import annotations

import re
from functools import lru_cache

from troth import abi
from troth.abi.words import argument, has_words
from troth.libc.probe.facts import Seen

# Arguments by the kernel's names for them. What is in none of these, and has no vocabulary, is `*`: a pointer, a size,
# an offset, a time, whatever the program chose.
_DESCRIPTORS = frozenset((
    "fd", "dfd", "olddfd", "newdfd", "fd_in", "fd_out", "fdin", "fdout", "in_fd", "out_fd", "oldfd", "newfd", "fildes",
    "epfd", "ufd", "mqdes", "pidfd", "from_dfd", "to_dfd", "ruleset_fd",
))  # fmt: skip
_PROCESSES = frozenset(("pid", "tgid", "upid", "pgid"))
_VALUES = frozenset((
    "protocol", "level", "optname", "flags", "flag", "oflag", "cmd", "op", "how", "which", "option", "sig", "type",
    "mode", "at_flags",
))  # fmt: skip
_SMALL = frozenset(("arg2", "key"))  # of prctl and System V IPC: a choice when it is small

_UNKNOWN = re.compile("0x[0-9a-f]{5}")

_U32 = 0xFFFFFFFF
_AT_FDCWD = 0xFFFFFF9C
_FEW = 4096
_MODE_BITS = 0o7777


@lru_cache(maxsize=65536)
def seen(arch: str, nr: int, args: tuple[int, ...]) -> Seen:
    """Give a call in words; a number that the tables lack is called `syscall_NR`."""
    name = abi.names(arch).get(nr)
    if name is None:
        return Seen(f"syscall_{nr}", ())
    kinds = abi.syscall(arch, name).args
    known = dict(enumerate(args))
    return Seen(name, tuple(_argument(arch, name, index, args, known) for index in range(len(kinds))))


def _argument(arch: str, call: str, index: int, args: tuple[int, ...], known: dict[int, int]) -> str:
    name, kind = abi.syscall(arch, call).args[index]
    value = args[index]
    low = value & _U32
    if kind == "ptr":
        return "*"
    if call == "rt_sigaction":
        return "*"  # a loop over all signals would be sixty calls
    if call in ("open", "openat") and name == "mode":
        made = argument(arch, call, index - 1, args[index - 1]).split("|")
        return oct(low & _MODE_BITS) if {"O_CREAT", "O_TMPFILE"} & set(made) else "*"
    if name in _DESCRIPTORS:
        return {_U32: "-1", _AT_FDCWD: "AT_FDCWD"}.get(low, "fd")
    if has_words(arch, call, index, known=known):
        words = argument(arch, call, index, value, known=known)
        return "*" if _UNKNOWN.search(words) else words  # memory that libc has not set, passed on
    if name in _PROCESSES:
        return {0: "0", _U32: "-1"}.get(low, "pid")
    if name == "mode":
        return oct(low)
    if name in _VALUES or (name in _SMALL and low < _FEW):
        return argument(arch, call, index, value, known=known)
    return "*"
