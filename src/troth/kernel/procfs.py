"""What /proc says about another process; every reader gives an empty answer when it is gone."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_MOST: Final = 16384  # a status file is some 1,500 bytes


def _read(path: str) -> bytes:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(fd, _MOST)
    except OSError:
        return b""
    finally:
        os.close(fd)


def name(pid: int) -> str:
    """The command name of a process, at most 15 bytes as the kernel keeps it; empty when unknown."""
    return os.fsdecode(_read(f"/proc/{pid}/comm").removesuffix(b"\n"))


def status(pid: int) -> dict[str, str]:
    """The fields of /proc/PID/status, for a process or a thread."""
    fields = {}
    for line in _read(f"/proc/{pid}/status").decode("ascii", "replace").splitlines():
        key, colon, value = line.partition(":")
        if colon:
            fields[key] = value.strip()
    return fields


def signal_set(fields: dict[str, str], key: str) -> int:
    """One of the signal masks in a status: `SigBlk`, `SigIgn` or `SigCgt`; bit n is signal n + 1."""
    try:
        return int(fields.get(key, "0"), 16)
    except ValueError:
        return 0


def present() -> bool:
    """Whether there is a /proc at all."""
    return os.access("/proc/self/status", os.F_OK)


def threads(pid: int) -> set[int]:
    """The ids of a process's threads, dead ones that nobody waited for included."""
    try:
        return {int(name) for name in os.listdir(f"/proc/{pid}/task")}
    except OSError:
        return set()


def auxiliary_vector(pid: int) -> bytes:
    """What the kernel told the program at its start: pairs of native words, see getauxval(3)."""
    return _read(f"/proc/{pid}/auxv")


def environment() -> dict[bytes, bytes] | None:
    """The environment this process was started with, before anything changed it; None when it cannot be told."""
    try:
        with open("/proc/self/environ", "rb", buffering=0) as file:
            data = file.read()
    except OSError:
        return None
    found: dict[bytes, bytes] = {}
    for entry in data.split(b"\0"):
        key, equals, value = entry.partition(b"=")
        if equals:
            found.setdefault(key, value)
    return found
