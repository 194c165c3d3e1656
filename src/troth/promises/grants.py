"""Promises and a veil to Landlock rights: interpret the tables of `_paths`."""

from __future__ import annotations

from troth._value import Value
from troth.abi import landlock
from troth.errors import PathError
from troth.promises._paths import EVERYWHERE, FILES, SINCE, VEIL, WITHOUT_RPATH
from troth.promises._words import DNS, EXEC, INET, RPATH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Final

    from troth.promises.knowledge import Knowledge

_bits: Final[dict[str, int]] = {}

DNS_PORT: Final = 53


class Grant(Value):
    """Rights beneath one path. `required`: a path that is not there is the caller's error."""

    __slots__ = ("path", "rights", "required")
    path: str
    rights: int
    required: bool
    _defaults = {"required": False}


def rights(names: str) -> int:
    """The bits of Landlock file system rights, given by name."""
    bits = _bits.get(names)
    if bits is None:
        bits = 0
        for name in names.split():
            bits |= landlock.FS[name]
        _bits[names] = bits
    return bits


def everywhere(promises: int) -> int:
    """The rights on any path that these promises pay for."""
    total = 0
    for names, needs, also in EVERYWHERE:
        if promises & needs and also & promises == also:
            total |= rights(names)
    return total


def veil_rights(permissions: str) -> int:
    """The rights that unveil(2) permissions stand for."""
    total = 0
    for letter in permissions:
        total |= rights(VEIL[letter])
    return total


def check_permissions(path: str, permissions: str) -> None:
    """Refuse what is not a set of unveil(2) letters.

    Raises:
        PathError: a letter is unknown or given twice.
    """
    for letter in permissions:
        if letter not in VEIL:
            raise PathError(
                path, permissions, f"unknown permission `{letter}`", hint="permissions are letters of `rwxc`"
            )
        if permissions.count(letter) > 1:
            raise PathError(path, permissions, f"permission `{letter}` is given twice", hint="name each letter once")


def path_grants(
    promises: int,
    veil: Iterable[tuple[str, str]] | None,
    *,
    loads: bool = False,
    knowledge: Knowledge | None = None,
) -> tuple[Grant, ...]:
    """Where these promises reach: with no veil everywhere, else beneath the veil's paths.

    `loads` adds what a program loader reads, for a process that has yet to load itself; `knowledge`
    leaves out what was not known.

    A veil rule gives only what the promises pay for; the files that libc opens come on top.
    An executable beneath a veil's `x` is readable even without `rpath`, as executing needs both.
    """
    paid = everywhere(promises)
    if veil is None:
        found = [Grant("/", paid)] if paid else []
        base = paid
    else:
        base = 0
        payable = paid | (rights(VEIL["x"]) if promises & EXEC else 0)
        found = []
        for path, permissions in veil:
            granted = veil_rights(permissions) & (payable if "x" in permissions else paid)
            found.append(Grant(path, granted, True))
    files = FILES if veil is not None or promises & RPATH else (*FILES, WITHOUT_RPATH)
    for needs, permissions, paths in files:
        if promises & needs or (loads and needs == EXEC and permissions == "r"):
            granted = veil_rights(permissions)
            if granted & ~base & ~rights("RESOLVE_UNIX"):
                found += [
                    Grant(path, granted)
                    for path in paths.split()
                    if knowledge is None or knowledge.met(SINCE.get(path, ""))
                ]
    return tuple(found)


def ports(promises: int) -> tuple[tuple[int, int], ...] | None:
    """TCP ports that these promises reach, with their rights; None is every port.

    Sockets are made by the filter's leave only, but one may be inherited or received.
    """
    if promises & INET:
        return None
    return ((DNS_PORT, landlock.NET["CONNECT_TCP"]),) if promises & DNS else ()
