"""What this process has given up so far.

The kernel enforces; this only remembers, so that a wider request is an error as in pledge(2) instead
of a silent no-op. A forked child inherits it, as it inherits the filters. A new program does not: it
finds itself confined by what is in force, and remembers from there.
"""

from __future__ import annotations

import _thread
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from troth.policy import Policy
    from troth.sandbox.plan import Ruleset


class State:
    """The one record of this process; `lock` is held while it is read and changed.

    `held` are the promises still kept, None before the first pledge; `held_exec` the same for
    execpromises. `unveiled` are the paths collected so far; `veil` the committed ones, None while
    no veil is in force; `locked` whether unveil() is over. `violation` is the filter's answer so far,
    `ruleset` the last Landlock domain, `policy` the last filter's.
    """

    def __init__(self) -> None:
        self.lock = _thread.allocate_lock()
        self.held: int | None = None
        self.held_exec: int | None = None
        self.unveiled: dict[str, str] = {}
        self.veil: tuple[tuple[str, str], ...] | None = None
        self.locked = False
        self.violation: int | None = None
        self.ruleset: Ruleset | None = None
        self.policy: Policy | None = None


STATE: Final = State()


def _renew_lock() -> None:
    """A fork may happen while another thread holds the lock; that thread is not in the child."""
    STATE.lock = _thread.allocate_lock()


os.register_at_fork(after_in_child=_renew_lock)
