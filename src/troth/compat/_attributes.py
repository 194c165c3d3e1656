"""A filter's attributes and actions: what each may be, and what it needs of the kernel."""

from __future__ import annotations

from errno import EACCES, EINVAL, EOPNOTSUPP

from troth.abi.seccomp import RET_ALLOW, RET_ERRNO, RET_KILL_THREAD, RET_TRACE, RET_TRAP
from troth.compat import _support
from troth.compat._error import LibraryError
from troth.compat._types import KILL, NOTIFY, Attr

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_MAX_ERRNO: Final = 4095

# What an attribute is before it is set, and which support of the kernel setting it needs.
ATTRIBUTES: Final = {
    Attr.ACT_DEFAULT: (0, None),
    Attr.ACT_BADARCH: (KILL, None),
    Attr.CTL_NNP: (1, None),
    Attr.CTL_TSYNC: (0, "tsync"),
    Attr.API_TSKIP: (0, None),
    Attr.CTL_LOG: (0, "log"),
    Attr.CTL_SSB: (0, "spec_allow"),
    Attr.CTL_OPTIMIZE: (1, None),
    Attr.API_SYSRAWRC: (0, None),
    Attr.CTL_WAITKILL: (0, None),
}


def checked(attr: int, value: int, *, notifies: bool) -> int:
    """The value, unsigned, that an attribute gets; `notifies` says whether a rule has the action NOTIFY.

    Raises:
        LibraryError: EACCES, it can only be read; EOPNOTSUPP, no such value, or not with this kernel; EINVAL, not
            together with what the filter has.
    """
    if attr == Attr.ACT_DEFAULT:
        raise LibraryError(EACCES, "the default action is given when the filter is made, or reset")
    if attr == Attr.ACT_BADARCH:
        return value & 0xFFFFFFFF
    if attr == Attr.CTL_OPTIMIZE:
        if value not in (1, 2):
            raise LibraryError(EOPNOTSUPP, f"no optimisation has the number {value}: 1 is by priority, 2 a tree")
        return value
    needs = ATTRIBUTES[attr][1]
    if needs is not None and not _support.has(needs):
        raise LibraryError(EOPNOTSUPP, f"the kernel does not know the flag {needs}")
    if attr == Attr.CTL_TSYNC and value and notifies and not _support.has("tsync_esrch"):
        raise LibraryError(EINVAL, "the kernel cannot load a filter that notifies on all threads")
    return int(value != 0)


def check_action(action: int, *, on_all_threads: int) -> None:
    """Refuse what is no action for a rule; `on_all_threads` is the attribute CTL_TSYNC.

    Raises:
        LibraryError: EINVAL.
    """
    if not is_action(action):
        raise LibraryError(EINVAL, f"{action:#x} is no action, or none that the kernel knows")
    if action == NOTIFY and on_all_threads and not _support.has("tsync_esrch"):
        raise LibraryError(EINVAL, "the kernel cannot load a filter that notifies on all threads")


def is_action(action: int) -> bool:
    """Whether an unsigned number is an action, with a valid errno, that the kernel knows."""
    if action & 0xFFFF0000 == RET_ERRNO:
        return action & 0xFFFF < _MAX_ERRNO
    if action & 0xFFFF0000 == RET_TRACE or action in (RET_KILL_THREAD, RET_TRAP, RET_ALLOW):
        return True
    needs = _support.ACTIONS.get(action)
    return needs is not None and _support.has(needs)
