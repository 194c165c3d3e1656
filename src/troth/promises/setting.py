"""What the meaning of promises depends on besides the promises: who asks, and who else decides."""

from __future__ import annotations

from troth._value import Value


class Identity(Value):
    """What stands for SELF, UID and GIDS: process id, effective user, groups one is in."""

    __slots__ = ("pid", "uid", "gids")
    pid: int
    uid: int
    gids: tuple[int, ...]


class Setting(Value):
    """What else decides, beside the filter.

    `judged`: Landlock decides about opened objects; `truncate_judged`: about truncation too;
    `scoped`: it confines signals to this process; `unix_judged`: it decides which unix sockets
    resolve; `veiled`: an unveil is in force, so path forms that Landlock does not see are refused.
    """

    __slots__ = ("judged", "truncate_judged", "scoped", "unix_judged", "veiled")
    judged: bool
    truncate_judged: bool
    scoped: bool
    unix_judged: bool
    veiled: bool
    _defaults = {"judged": False, "truncate_judged": False, "scoped": False, "unix_judged": False, "veiled": False}

    def flags(self, *, main: bool) -> dict[str, bool]:
        """For each `when` of a row, also the empty one, whether such rows count here.

        `main` says whether this is for the program's own architecture.
        """
        return {
            "": True,
            "judged": self.judged,
            "truncate_judged": self.truncate_judged,
            "scoped": self.scoped,
            "unix_judged": self.unix_judged,
            "unveiled": not self.veiled,
            "main": main,
        }
