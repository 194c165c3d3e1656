"""Numbers and names of system calls as libseccomp counts them, with a negative one for what is not there."""

from __future__ import annotations

from troth import abi, errors
from troth.abi import others
from troth.abi.multiplex import IPC, SOCKETCALL
from troth.compat._arches import BY_NAME
from troth.compat._pseudo import OURS, PSEUDO

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from troth.compat._arches import Arch

UNKNOWN: Final = -1  # __NR_SCMP_ERROR

# Which number of which multiplexer: socketcall(2) and ipc(2), by the name of the call behind it.
BEHIND: Final = {name: ("socketcall", call) for call, name in SOCKETCALL.items()} | {
    name: ("ipc", call) for call, name in IPC.items()
}


_ours_by_name: Final[dict[str, int]] = {}
_by_number: Final[dict[int, str]] = {}


def number(arch: Arch, name: str) -> int:
    """Give the number of a call; a negative one when it is behind another or not there, -1 for no name at all."""
    if arch.multiplexed and name in BEHIND:
        return PSEUDO[name]
    found = others.numbers(arch.ours).get(name)
    return pseudo(name) if found is None else found


def name_of(arch: Arch, nr: int) -> str | None:
    """Give the name of a number, of a negative one too; None when it has none on this architecture.

    Where numbers start at a base, the same without it is taken as well.
    """
    if nr >= 0:
        names = others.names(arch.ours)
        return names.get(nr) or names.get(nr + arch.base)
    name = _named(nr)
    # What has a number of its own there has no pseudo number; what is behind a multiplexer may have both.
    if name is None or number(arch, name) != nr:
        return None
    return name


def multiplexer(arch: Arch, name: str) -> tuple[int, int] | None:
    """The number of socketcall(2) or ipc(2) and that of the call there, where the architecture has it so."""
    if not arch.multiplexed or name not in BEHIND:
        return None
    through, call = BEHIND[name]
    return others.numbers(arch.ours)[through], call


def pseudo(name: str) -> int:
    """The negative number of a call that an architecture lacks; -1 when no architecture has it."""
    found = PSEUDO.get(name)
    return _ours().get(name, UNKNOWN) if found is None else found


def _ours() -> dict[str, int]:
    """Names that some architecture has and libseccomp has no pseudo number for, with one of ours."""
    if not _ours_by_name:
        try:
            every = {name for arch in BY_NAME.values() for name in others.numbers(arch.ours)}
        except ImportError:  # under a filter nothing may be opened any more: then these names are unknown
            return {}
        _ours_by_name.update({name: OURS - index for index, name in enumerate(sorted(every - PSEUDO.keys()))})
    return _ours_by_name


def _named(nr: int) -> str | None:
    """The name of a pseudo number, of libseccomp's or of ours."""
    if not _by_number:
        _by_number.update({nr: name for name, nr in (PSEUDO | _ours()).items()})
    return _by_number.get(nr)


def nearest(name: str) -> str:
    """A hint for a name that nothing has: the closest one that something has."""
    try:
        close = errors.nearest(name, [*PSEUDO, *abi.numbers("x86_64")])
    except ImportError:  # under a filter nothing may be opened any more
        close = ""
    return f"no system call `{name}`" + (close and f"; {close}")
