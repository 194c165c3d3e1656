"""Ask the running kernel what it can enforce, by questions that change nothing."""

from __future__ import annotations

import os
from errno import EFAULT, EINVAL, ENOSYS
from struct import Struct

from troth import abi
from troth._value import Value
from troth.errors import EnforcementError
from troth.kernel import landlock, process, seccomp
from troth.kernel._call import ask, buffer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final, TypeVar

    T = TypeVar("T")

# What every kernel with filters answers; those before 4.14 cannot be asked.
BASE_ACTIONS: Final = frozenset({"kill_thread", "trap", "errno", "trace", "allow"})

_LSM_ID_LANDLOCK: Final = 110  # linux/lsm.h
_MOST_LSMS: Final = 64
_U32: Final = Struct("=I")
_U64: Final = Struct("=Q")


class Kernel(Value):
    """What the running kernel can do for this process, as far as it could be asked.

    `release` is uname's, for messages only; `arch` the native architecture's name; `landlock_abi` and
    `landlock_errata` are 0 without Landlock; `seccomp` says whether filters can be installed, `actions`
    and `flags` what they can use (names as in `seccomp.ACTIONS` and `seccomp.FLAGS`), `notif_sizes` how
    large notifications are, None without them; `no_new_privs` and `filtered` are the state of
    the calling thread; `blocked` are the calls that an existing filter refuses, so that
    what they would offer counts as absent.
    """

    __slots__ = (
        "release",
        "arch",
        "landlock_abi",
        "landlock_errata",
        "seccomp",
        "actions",
        "flags",
        "notif_sizes",
        "no_new_privs",
        "filtered",
        "blocked",
    )
    release: str
    arch: str
    landlock_abi: int
    landlock_errata: int
    seccomp: bool
    actions: frozenset[str]
    flags: frozenset[str]
    notif_sizes: tuple[int, int, int] | None
    no_new_privs: bool
    filtered: bool
    blocked: tuple[str, ...]


def probe() -> Kernel:
    """Ask this kernel what it can enforce, here and now.

    No version is compared: each feature is asked for. Works unprivileged, without /proc, and under a filter
    that refuses the questions with an errno; one that kills cannot be asked.
    """
    asked = _Questions()
    filtered = asked.mode() != seccomp.MODE_DISABLED
    usable = asked.filters_usable(filtered=filtered)
    landlock_abi = asked.landlock_abi(filtered=filtered)
    return Kernel(
        release=os.uname().release,
        arch=abi.native().name,
        landlock_abi=landlock_abi,
        landlock_errata=asked.of("landlock_create_ruleset", landlock.errata, 0) if landlock_abi else 0,
        seccomp=usable,
        actions=asked.actions() if usable else frozenset(),
        flags=asked.flags() if usable else frozenset(),
        notif_sizes=asked.of("seccomp", seccomp.notif_sizes, None, unknown=(EINVAL,)) if usable else None,
        no_new_privs=asked.of("prctl", process.get_no_new_privs, False),
        filtered=filtered,
        blocked=tuple(sorted(asked.blocked)),
    )


class _Questions:
    """One round of questions; `blocked` collects the calls that were refused."""

    __slots__ = ("blocked",)

    def __init__(self) -> None:
        self.blocked: set[str] = set()

    def of(
        self, call: str, question: Callable[..., T], otherwise: T, *arguments: int, unknown: tuple[int, ...] = ()
    ) -> T:
        """Give the answer; `otherwise` when the kernel does not know the question or a filter refuses it."""
        try:
            return question(*arguments)
        except EnforcementError as error:
            if error.errno not in unknown:
                self.blocked.add(call)
            return otherwise

    def mode(self) -> int:
        """Give the seccomp mode; what refuses to tell is a filter."""
        try:
            return process.get_seccomp()
        except EnforcementError as error:
            if error.errno == EINVAL:  # built without seccomp
                return seccomp.MODE_DISABLED
            self.blocked.add("prctl")
            return seccomp.MODE_FILTER

    def filters_usable(self, *, filtered: bool) -> bool:
        """Whether a filter could be added; the kernel gets as far as reading the program, which is nowhere."""
        answer = ask("seccomp", seccomp.SET_MODE_FILTER, 0, None)
        if answer == -EFAULT:
            return True
        # A kernel without seccomp(2), or without filters, says ENOSYS or EINVAL; one that runs a filter has both.
        if filtered or answer not in (-ENOSYS, -EINVAL):
            self.blocked.add("seccomp")
        return False

    def landlock_abi(self, *, filtered: bool) -> int:
        """Give the ABI, 0 for none; under a filter that says ENOSYS the list of LSMs may tell better."""
        version = self.of("landlock_create_ruleset", landlock.abi, 0)
        if version == 0 and filtered and _landlock_is_loaded():
            self.blocked.add("landlock_create_ruleset")
        return version

    def actions(self) -> frozenset[str]:
        """Give the names of the actions that filters can answer."""
        available = seccomp.action_available
        known = {n for n, a in seccomp.ACTIONS.items() if self.of("seccomp", available, False, a, unknown=(EINVAL,))}
        return BASE_ACTIONS | known

    def flags(self) -> frozenset[str]:
        """Give the names of the flags that a filter can be added with."""
        return frozenset(n for n, f in seccomp.FLAGS.items() if self.of("seccomp", seccomp.flag_known, False, f))


def _landlock_is_loaded() -> bool:
    """Whether Landlock is among the security modules, by lsm_list_modules(2); False before Linux 6.8."""
    ids = buffer(8 * _MOST_LSMS)
    count = ask("lsm_list_modules", ids, buffer(_U32.size, _U32.pack(len(ids))), 0)
    return count > 0 and _LSM_ID_LANDLOCK in {number for (number,) in _U64.iter_unpack(ids.raw[: 8 * count])}
