"""What was known at a time: the tables without what came later, to see how the design ages.

A promise has to hold under a C library that nobody has seen yet. That can be tried with the ones
that exist: plan with the tables as they could have been on an old day, run on a new system.
"""

from __future__ import annotations

from troth._value import Value
from troth.abi import landlock
from troth.abi.since import VALUES, as_numbers
from troth.errors import RequestError
from troth.promises._releases import RELEASED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_FIRST: Final = "5.10"  # the facts of `abi.since` begin here


class Knowledge(Value):
    """The kernel and the C library that the tables may know; None for all there is.

    `linux` ("5.10") takes away system calls, values of arguments and Landlock rights that came with a
    later kernel. `libc` ("glibc-2.31", "musl-1.2.2") takes away the entries that exist because of what a
    C library released later does. `landlock` is the newest Landlock ABI to use instead of the one
    that came with `linux`: Linux 5.10 had none.

    Raises:
        RequestError: the version is not one, or older than the facts (Linux 5.10, glibc 2.31, musl 1.1.13).

    >>> Knowledge("5.10", "glibc-2.31").landlock_abi
    0
    >>> Knowledge.parse("linux-6.1,glibc-2.36")
    Knowledge(linux='6.1', libc='glibc-2.36', landlock=None)
    """

    __slots__ = ("linux", "libc", "landlock")
    linux: str | None
    libc: str | None
    landlock: int | None
    _defaults = {"linux": None, "libc": None, "landlock": None}

    @classmethod
    def parse(cls, text: str) -> Knowledge:
        """Read `linux-X.Y`, a C library and `landlock-N`, each at most once, separated by commas.

        Raises:
            RequestError: a part is none of these, or comes twice.
        """
        found: dict[str, str] = {}
        for part in text.split(","):
            name, _, version = part.strip().partition("-")
            kind = "libc" if name in ("glibc", "musl") else name
            if kind not in cls.__slots__ or not version or kind in found:
                raise RequestError(
                    f"unknown or repeated part {part!r} of {text!r}",
                    hint="write what may be known, as in linux-5.10,glibc-2.31",
                )
            found[kind] = part.strip() if kind == "libc" else version
        number = found.get("landlock")
        if number is not None and not number.isdecimal():
            raise RequestError(f"Landlock ABI {number!r} is not a number")
        return cls(found.get("linux"), found.get("libc"), None if number is None else int(number))

    def _check(self) -> None:
        if self.linux is not None:
            if not all(part.isdecimal() for part in self.linux.split(".")) or "." not in self.linux:
                raise RequestError(f"{self.linux!r} is not a version of Linux", hint="write it as in 5.10")
            if as_numbers(self.linux) < as_numbers(_FIRST):
                raise RequestError(f"Linux {self.linux} is before what is recorded", hint=f"{_FIRST} is the oldest")
        if self.libc is not None and self.libc not in RELEASED:
            raise RequestError(f"unknown C library {self.libc!r}", hint="known are " + " ".join(RELEASED))
        if self.landlock is not None and not 0 <= self.landlock <= landlock.NEWEST_ABI:
            raise RequestError(f"no Landlock ABI {self.landlock}", hint=f"0 to {landlock.NEWEST_ABI} are known")

    @property
    def landlock_abi(self) -> int:
        """The newest Landlock ABI that is known; 0 for none."""
        if self.landlock is not None:
            return self.landlock
        return max((abi for abi, since in landlock.KERNEL.items() if self.has(since)), default=0)

    def has(self, since: str) -> bool:
        """Whether what came with this kernel is known; an empty version came with the first."""
        return self.linux is None or as_numbers(since) <= as_numbers(self.linux)

    def has_value(self, name: str) -> bool:
        """Whether this value of an argument is known."""
        return self.has(VALUES.get(name, ""))

    def met(self, libc: str) -> bool:
        """Whether what this C library does could be known; an empty one is no particular one."""
        return self.libc is None or not libc or RELEASED[libc] <= RELEASED[self.libc]


EVERYTHING_KNOWN: Final = Knowledge()
