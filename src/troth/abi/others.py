"""Architectures that filters are written for, and that troth makes no promises on.

They have what a filter needs: the AUDIT_ARCH_* value, the byte order, and the names and numbers of system
calls (`_others_<name>.py`, generated). What their calls' arguments are is not known here.
"""

from __future__ import annotations

from troth import abi
from troth.abi import Arch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

# linux/audit.h; the names are those of libseccomp. n32's registers are 64 bits wide.
ARCHES: Final = {
    "m68k":        Arch("m68k",        0x00000004, 32, big_endian=True),
    "mips":        Arch("mips",        0x00000008, 32, big_endian=True),
    "mipsel":      Arch("mipsel",      0x40000008, 32),
    "mips64":      Arch("mips64",      0x80000008, 64, big_endian=True),
    "mips64n32":   Arch("mips64n32",   0xA0000008, 64, big_endian=True),
    "mipsel64n32": Arch("mipsel64n32", 0xE0000008, 64),
    "parisc":      Arch("parisc",      0x0000000F, 32, big_endian=True),
    "parisc64":    Arch("parisc64",    0x8000000F, 64, big_endian=True),
    "ppc":         Arch("ppc",         0x00000014, 32, big_endian=True),
    "ppc64":       Arch("ppc64",       0x80000015, 64, big_endian=True),
    "s390":        Arch("s390",        0x00000016, 32, big_endian=True),
    "sh":          Arch("sh",          0x4000002A, 32),
    "sheb":        Arch("sheb",        0x0000002A, 32, big_endian=True),
}  # fmt: skip

# Two byte orders have one table.
_SHARED: Final = {"mipsel": "mips", "mipsel64n32": "mips64n32", "sheb": "sh"}
_ELSEWHERE: Final = {"mips64": "mips64el", "ppc64": "ppc64le"}

_numbers: Final[dict[str, dict[str, int]]] = {}
_names: Final[dict[str, dict[int, str]]] = {}


def numbers(arch_name: str) -> dict[str, int]:
    """Give the number of every name of an architecture, here or in `abi.ARCHES`; shared, not to be changed.

    >>> numbers("ppc")["openat"], numbers("x86_64")["openat"]
    (286, 257)

    Raises:
        KeyError: no such architecture.
    """
    if arch_name in abi.ARCHES or arch_name in _ELSEWHERE:
        return abi.numbers(_ELSEWHERE.get(arch_name, arch_name))
    ARCHES[arch_name]  # only names of ours become names of modules
    table = _SHARED.get(arch_name, arch_name)
    found = _numbers.get(table)
    if found is None:
        rows = __import__(f"troth.abi._others_{table}", fromlist=("CALLS",)).CALLS
        found = _numbers[table] = {name: nr for nr, name in rows}
    return found


def names(arch_name: str) -> dict[int, str]:
    """Give the name of every number of an architecture, here or in `abi.ARCHES`; shared, not to be changed.

    Raises:
        KeyError: no such architecture.
    """
    found = _names.get(arch_name)
    if found is None:
        found = _names[arch_name] = {nr: name for name, nr in numbers(arch_name).items()}
    return found


def name_of(audit: int, nr: int = 0) -> str:
    """Name the architecture that a call is of, here or in `abi.ARCHES`; the value itself when it has no name.

    >>> name_of(0x00000004), name_of(0x12345678)
    ('m68k', '0x12345678')
    """
    found = (name for name, arch in ARCHES.items() if arch.audit == audit)
    return abi.name_of(audit, nr) or next(found, f"{audit:#010x}")
