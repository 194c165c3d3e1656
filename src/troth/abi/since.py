"""Since when the kernel has had what the tables name, as far as it is younger than Linux 5.10.

The tables of system calls say it for calls (`abi.Syscall.since`), `abi.landlock` for access rights; this one says it
for the values of arguments. What is not listed was there by 5.10, whose headers tests/matrix/test_frozen.py compares.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

# prctl(2), fcntl(2), unix(7), and the release notes of the kernel.
VALUES: Final = {
    "PR_SET_VMA":         "5.17",
    "PR_SET_MDWE":        "6.3",
    "PR_GET_MDWE":        "6.3",
    "PR_GET_AUXV":        "6.4",
    "SO_PASSPIDFD":       "6.5",
    "ARCH_SHSTK_ENABLE":  "6.6",
    "ARCH_SHSTK_DISABLE": "6.6",
    "ARCH_SHSTK_LOCK":    "6.6",
    "ARCH_SHSTK_STATUS":  "6.6",
    "F_DUPFD_QUERY":      "6.10",
    "F_CREATED_QUERY":    "6.12",
}  # fmt: skip


def as_numbers(version: str) -> tuple[int, ...]:
    """Order versions: 2.6 < 2.6.11 < 6.9 < 6.10; an empty one is before all.

    >>> as_numbers("6.9") < as_numbers("6.10")
    True
    """
    return tuple(map(int, version.split("."))) if version else ()
