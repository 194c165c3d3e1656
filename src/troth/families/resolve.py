"""The families of one architecture: members that exist there, roles turned into arguments."""

from __future__ import annotations

from troth import abi
from troth.abi import flags
from troth.errors import BugError
from troth.families._table import FAMILIES, SOLITARY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final


class Resolved:
    """One member on one architecture.

    `roles` maps a role to its argument (0 to 5), `fixed` a role to the value it always has,
    `opaque` holds the roles behind a pointer.
    """

    __slots__ = ("nr", "name", "roles", "fixed", "opaque")

    def __init__(
        self, nr: int, name: str, roles: dict[str, int], fixed: dict[str, int], opaque: tuple[str, ...]
    ) -> None:
        self.nr = nr
        self.name = name
        self.roles = roles
        self.fixed = fixed
        self.opaque = opaque


_NOTHING: Final[dict[str, int]] = {}
_resolved: Final[dict[str, dict[str, list[Resolved]]]] = {}


def constant(text: str, arch: str) -> int:
    """The value of a number, a name, or names joined by `|`, on an architecture.

    >>> constant("O_WRONLY|0o100", "x86_64")
    65
    """
    value = 0
    for part in text.split("|"):
        value |= int(part, 0) if part[0].isdigit() or part[0] == "-" else flags.value(part, arch)
    return value


def resolve(arch: str) -> dict[str, list[Resolved]]:
    """Give every family's members on an architecture; families without members there are left out."""
    known = _resolved.get(arch)
    if known is not None:
        return known
    numbers = abi.numbers(arch)
    result: dict[str, list[Resolved]] = {}
    for name, _, members in FAMILIES:
        found: list[Resolved] = []
        for member in members:
            if isinstance(member, str):
                found += [
                    Resolved(numbers[call], call, _NOTHING, _NOTHING, ()) for call in member.split() if call in numbers
                ]
                continue
            call, roles, fixed, opaque, differs = member
            if call not in numbers:
                continue
            if arch in differs:
                roles_here, opaque_here = differs[arch]
                roles = roles_here if opaque_here else roles | roles_here
                opaque = opaque_here or opaque
            values = {role: constant(text, arch) for role, text in fixed.items()}
            found.append(Resolved(numbers[call], call, roles, values, tuple(opaque.split())))
        if found:
            result[name] = found
    _resolved[arch] = result
    return result


def family_of(name: str) -> str:
    """Name the family of a system call; empty for a solitary one.

    Raises:
        BugError: the call is in no table.
    """
    for family, _, members in FAMILIES:
        for member in members:
            if name in (member.split() if isinstance(member, str) else member[:1]):
                return family
    if name in SOLITARY:
        return ""
    raise BugError(f"system call {name} is in no family")
