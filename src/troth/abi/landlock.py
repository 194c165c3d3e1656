"""Landlock's access rights, and which ABI and kernel brought what (linux/landlock.h @v7.3).

A kernel keeps what earlier ABIs had, so everything here is cumulative, and the masks of an ABI
newer than the newest known are those of the newest known.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

# Name: (bit, ABI that brought it).
_FS: Final = {
    "EXECUTE":      (1 << 0,  1),
    "WRITE_FILE":   (1 << 1,  1),
    "READ_FILE":    (1 << 2,  1),
    "READ_DIR":     (1 << 3,  1),
    "REMOVE_DIR":   (1 << 4,  1),
    "REMOVE_FILE":  (1 << 5,  1),
    "MAKE_CHAR":    (1 << 6,  1),
    "MAKE_DIR":     (1 << 7,  1),
    "MAKE_REG":     (1 << 8,  1),
    "MAKE_SOCK":    (1 << 9,  1),
    "MAKE_FIFO":    (1 << 10, 1),
    "MAKE_BLOCK":   (1 << 11, 1),
    "MAKE_SYM":     (1 << 12, 1),
    "REFER":        (1 << 13, 2),    # before: refused, whatever the rules say
    "TRUNCATE":     (1 << 14, 3),    # before: allowed, whatever the rules say
    "IOCTL_DEV":    (1 << 15, 5),    # of devices opened after the restriction
    "RESOLVE_UNIX": (1 << 16, 9),    # connecting to, or sending to, a socket file
}  # fmt: skip
_NET: Final = {
    "BIND_TCP":         (1 << 0, 4),
    "CONNECT_TCP":      (1 << 1, 4),
    "BIND_UDP":         (1 << 2, 10),
    "CONNECT_SEND_UDP": (1 << 3, 10),
}  # fmt: skip
_SCOPE: Final = {
    "ABSTRACT_UNIX_SOCKET": (1 << 0, 6),
    "SIGNAL":               (1 << 1, 6),
}  # fmt: skip

# Flags of landlock_restrict_self(2): name to (bit, ABI that brought it).
RESTRICT_FLAGS: Final = {
    "LOG_SAME_EXEC_OFF":  (1 << 0, 7),
    "LOG_NEW_EXEC_ON":    (1 << 1, 7),
    "LOG_SUBDOMAINS_OFF": (1 << 2, 7),
    "TSYNC":              (1 << 3, 8),     # all threads of the process
    "NO_NEW_PRIVS":       (1 << 4, 11),
}  # fmt: skip

# The kernel that came with each ABI; 0 is no Landlock.
KERNEL: Final = {
    1: "5.13", 2: "5.19", 3: "6.2", 4: "6.7", 5: "6.10", 6: "6.12", 7: "6.15", 8: "7.0", 9: "7.1", 10: "7.2", 11: "7.3",
}  # fmt: skip
NEWEST_ABI: Final = 11

REFER_ABI: Final = 2
TRUNCATE_ABI: Final = 3
TCP_ABI: Final = 4
IOCTL_DEV_ABI: Final = 5
SCOPE_ABI: Final = 6
TSYNC_ABI: Final = 8
RESOLVE_UNIX_ABI: Final = 9
UDP_ABI: Final = 10

FS: Final = {name: bit for name, (bit, _) in _FS.items()}
NET: Final = {name: bit for name, (bit, _) in _NET.items()}
SCOPE: Final = {name: bit for name, (bit, _) in _SCOPE.items()}

# Rights that a rule for something else than a directory may have (security/landlock/fs.c:ACCESS_FILE @v7.3).
FILE_RIGHTS: Final = (
    FS["EXECUTE"] | FS["WRITE_FILE"] | FS["READ_FILE"] | FS["TRUNCATE"] | FS["IOCTL_DEV"] | FS["RESOLVE_UNIX"]
)
TCP: Final = NET["BIND_TCP"] | NET["CONNECT_TCP"]
UDP: Final = NET["BIND_UDP"] | NET["CONNECT_SEND_UDP"]


class Masks(tuple[int, ...]):
    """The rights of each ABI from 0; a newer ABI than the newest known has the newest's.

    >>> FS_BY_ABI[1] == (1 << 13) - 1, FS_BY_ABI[99] == FS_BY_ABI[NEWEST_ABI]
    (True, True)
    """

    __slots__ = ()

    def __getitem__(self, abi: int) -> int:  # type: ignore[override]  # slices have no meaning here
        if abi < 0:
            raise IndexError(f"no Landlock ABI {abi}")
        return tuple.__getitem__(self, min(abi, NEWEST_ABI))


def _masks(rights: dict[str, tuple[int, int]]) -> Masks:
    return Masks([sum(bit for bit, since in rights.values() if since <= abi) for abi in range(NEWEST_ABI + 1)])


FS_BY_ABI: Final = _masks(_FS)
NET_BY_ABI: Final = _masks(_NET)
SCOPE_BY_ABI: Final = _masks(_SCOPE)
