"""namespaces(7) and mount(2), as far as a box for untried programs needs them."""

from __future__ import annotations

import os

from troth.kernel._call import syscall

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

NEWNS: Final = 0x00020000
NEWUTS: Final = 0x04000000
NEWIPC: Final = 0x08000000
NEWUSER: Final = 0x10000000
NEWPID: Final = 0x20000000
NEWNET: Final = 0x40000000

MS_RDONLY: Final = 1
MS_REMOUNT: Final = 32
MS_BIND: Final = 4096
MS_REC: Final = 16384
MS_PRIVATE: Final = 1 << 18


def unshare(flags: int) -> None:
    """Leave the namespaces that the flags name for new ones; a new pid namespace is the next child's.

    Raises:
        EnforcementError: EPERM when this user may not make them; ENOSPC when there are too many.

    User namespaces of unprivileged users need Linux 3.8.
    """
    syscall("unshare", flags)


def new_user(flags: int = 0) -> None:
    """Become root of a new user namespace, in which there is nobody else, and leave the other namespaces of `flags`.

    Raises:
        EnforcementError: as for `unshare`.
        OSError: the ids could not be mapped.
    """
    user, group = os.geteuid(), os.getegid()
    unshare(NEWUSER | flags)
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
        with open(f"/proc/self/{name}", "w") as stream:
            stream.write(text)


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    """Mount, bind, or change the flags of what is mounted.

    Raises:
        EnforcementError: the kernel refuses.
    """
    names = [os.fsencode(text) + b"\0" if text else None for text in (source, target, kind)]
    syscall("mount", *names, flags, os.fsencode(data) + b"\0" if data else None)
