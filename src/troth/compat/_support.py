"""What the kernel can do, as far as libseccomp's API levels tell it apart; and the process's listener.

Each thing is asked once, and never again when a level was forced: under a filter the kernel may not be asked
any more.
"""

from __future__ import annotations

from troth.abi.seccomp import RET_KILL_PROCESS, RET_LOG, RET_USER_NOTIF
from troth.errors import EnforcementError
from troth.kernel.notify import Listener
from troth.kernel.seccomp import FLAGS, action_available, flag_known

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

# seccomp_api_get(3): from which level on each is there. The flags are those of `kernel.seccomp.FLAGS`.
LEVELS: Final = {
    "tsync": 2,
    "log": 3,
    "action log": 3,
    "action kill_process": 3,
    "spec_allow": 4,
    "new_listener": 5,
    "action user_notif": 5,
    "tsync_esrch": 6,
    "wait_killable_recv": 7,
}
HIGHEST: Final = 7

ACTIONS: Final = {
    RET_LOG: "action log",
    RET_KILL_PROCESS: "action kill_process",
    RET_USER_NOTIF: "action user_notif",
}

_state: Final[dict[str, bool]] = {}
_level: Final[list[int]] = []
_listeners: Final[dict[int, Listener]] = {}
_own: Final[list[int]] = []


def has(feature: str) -> bool:
    """Whether a feature of `LEVELS` is there; what cannot be asked is not."""
    if feature not in _state:
        _state[feature] = _asked(feature)
    return _state[feature]


def _asked(feature: str) -> bool:
    try:
        for action, name in ACTIONS.items():
            if name == feature:
                return action_available(action)
        return flag_known(FLAGS[feature])
    except EnforcementError:
        return False


def level() -> int:
    """The highest level of which everything, and of those below, is there; at least 1."""
    if not _level:
        found = 1
        while found < HIGHEST and all(has(name) for name, needed in LEVELS.items() if needed == found + 1):
            found += 1
        _level.append(found)
    return _level[0]


def force(wanted: int) -> None:
    """Take the kernel to be of a level, whatever it is."""
    _state.update({name: needed <= wanted for name, needed in LEVELS.items()})
    _level[:] = [wanted]


def own_listener() -> int:
    """The descriptor that loading a filter with NOTIFY gave this process; -1 before that."""
    return _own[0] if _own else -1


def keep_listener(fd: int) -> None:
    """Remember the process's listener; the kernel gives a process no second one."""
    _own[:] = [fd]


def listener(fd: int) -> Listener:
    """A listener on a descriptor; its owner closes it.

    Raises:
        EnforcementError: the kernel has no notifications.
    """
    found = _listeners.get(fd)
    if found is None:
        found = _listeners[fd] = Listener(fd)
    return found
