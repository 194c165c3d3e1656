"""Constants of the kernel's headers by name, with each architecture's own value.

O_* differ on arm, ppc and mips, terminal ioctls on ppc and mips, SO_*, errno and signals on
mips. `_flags.py` holds them as text (generated from the uapi headers); a group is read when
one of its names is first asked for.
"""

from __future__ import annotations

from troth.abi._flags import BY_ARCH, COMMON

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_common: Final[dict[str, dict[str, int]]] = {}
_own: Final[dict[str, dict[str, int]]] = {}


def _read(text: str) -> dict[str, int]:
    pairs = [line.split() for line in text.splitlines() if line and line[0] != "#"]
    return {name: int(number, 0) for name, number in pairs}


def _group(key: str) -> dict[str, int]:
    found = _common.get(key)
    if found is None:
        found = _common[key] = _read(COMMON.get(key, ""))
    return found


def _apart(arch_name: str) -> dict[str, int]:
    found = _own.get(arch_name)
    if found is None:
        found = _own[arch_name] = _read(BY_ARCH[arch_name])
    return found


def value(name: str, arch_name: str) -> int:
    """Give the value of a constant on an architecture.

    >>> value("O_DIRECTORY", "x86_64"), value("O_DIRECTORY", "arm")
    (65536, 16384)

    Raises:
        KeyError: no such architecture, or no such constant there.
    """
    found = _apart(arch_name).get(name)
    return _group(name[:2])[name] if found is None else found


def names(prefix: str, arch_name: str) -> dict[str, int]:
    """Give the constants of an architecture whose names start with a prefix, by name.

    >>> names("RENAME_", "s390x")
    {'RENAME_EXCHANGE': 2, 'RENAME_NOREPLACE': 1, 'RENAME_WHITEOUT': 4}

    Raises:
        KeyError: no such architecture.
    """
    found = {name: number for name, number in _apart(arch_name).items() if name.startswith(prefix)}
    for key in COMMON:
        if key.startswith(prefix[:2]):
            found = {name: number for name, number in _group(key).items() if name.startswith(prefix)} | found
    return dict(sorted(found.items()))
