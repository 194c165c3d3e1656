"""What one function of a libc can call."""

from __future__ import annotations

from typing import Final

from troth._value import Value

__all__ = ["CLASSES", "PRIVATE", "Reached"]

CLASSES: Final = ("own", "ordinary", "failure", "cancel", "child")
PRIVATE: Final = "GLIBC_PRIVATE"  # the version of what only the libc's own files may call


class Reached(Value):
    """What one function can call.

    `calls` has for each class the names of system calls: `own` are those of the function itself and of the helpers
    that are nobody else's group; `ordinary` all that it can make when nothing fails; `failure`, `cancel` and `child`
    what it can make besides: when the program aborts, when its thread is cancelled, in a process or thread that it
    starts. `groups` are the shared parts of the libc that it leans on.
    """

    __slots__ = ("name", "version", "default", "calls", "groups")
    name: str
    version: str
    default: bool
    calls: dict[str, frozenset[str]]
    groups: tuple[str, ...]

    def __hash__(self) -> int:
        return hash((self.name, self.version))

    @property
    def key(self) -> str:
        """The name, with the version where there is one."""
        return f"{self.name}@{self.version}" if self.version else self.name
