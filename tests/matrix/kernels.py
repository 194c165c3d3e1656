"""The guests: which kernel of Debian runs on which machine, and what it is known to offer.

Measured, not derived from troth's own tables: `test_kernels.py` compares what `troth doctor` finds in each guest with
the row, so a wrong row and a wrong doctor both show. How to add one: docs/how-to/add-a-kernel.md.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Guest(NamedTuple):
    """A kernel on a machine.

    `arch` is Debian's name of the architecture, `series` the kernel's (the newest package of it is taken), `landlock`
    its ABI (0 for none), `errata` the bits of fixed Landlock defects that it has at least (a later package of the same
    series may have more), `wait_killable` whether filters know WAIT_KILLABLE_RECV, `chosen` which tests run: see
    `fleet.CHOICES`, `everyday` whether `make test` boots it, `libc` whose programs it runs (`roots.py`; "" for the
    guests' usual ones): the newest is all that the guest has, the oldest lies in a directory of its own, since its
    Python is too old for troth.
    """

    arch: str
    series: str
    landlock: int
    errata: int
    wait_killable: bool
    chosen: str
    everyday: bool = False
    libc: str = ""

    @property
    def name(self) -> str:
        """As in the names of tests: `amd64-6.1`."""
        return f"{self.arch}-{self.series}{self.libc and f'-{self.libc}'}"

    @property
    def version(self) -> tuple[int, ...]:
        """The series as numbers that compare."""
        return tuple(int(part) for part in self.series.split("."))


GUESTS: Final = {
    guest.name: guest
    for guest in (
        #      arch      series  landlock errata  killable chosen     everyday
        Guest("amd64",   "5.10", 0,       0b0000, False,   "all",     True),    # the last without WAIT_KILLABLE_RECV
        Guest("amd64",   "6.1",  2,       0b0000, True,    "all",     True),    # truncation is not Landlock's yet
        Guest("amd64",   "6.12", 6,       0b1111, True,    "all",     True),    # signals and abstract sockets are
        Guest("amd64",   "6.16", 7,       0b0011, True,    "main"),
        Guest("amd64",   "6.17", 7,       0b0011, True,    "main"),
        Guest("amd64",   "6.18", 7,       0b0111, True,    "main"),
        Guest("amd64",   "6.19", 7,       0b0111, True,    "main"),
        Guest("amd64",   "7.0",  8,       0b0111, True,    "all",     True),    # a restriction reaches all threads
        Guest("amd64",   "7.1",  9,       0b0111, True,    "main"),             # paths of unix sockets are Landlock's
        Guest("amd64",   "7.2",  10,      0b1111, True,    "main"),
        Guest("amd64",   "7.3",  11,      0b1111, True,    "all",     True),
        Guest("arm64",   "5.10", 0,       0b0000, False,   "main"),
        Guest("arm64",   "6.12", 6,       0b1111, True,    "all",     True),
        Guest("arm64",   "7.3",  11,      0b1111, True,    "main"),
        Guest("s390x",   "6.1",  2,       0b0000, True,    "early"),
        Guest("s390x",   "7.2",  10,      0b1111, True,    "early",   True),    # big-endian
        Guest("armhf",   "7.2",  10,      0b1111, True,    "filters"),          # 32 bits
        Guest("riscv64", "7.2",  10,      0b1111, True,    "filters"),
        Guest("ppc64el", "6.1",  2,       0b0000, True,    "filters"),
        Guest("ppc64el", "7.2",  10,      0b1111, True,    "filters"),
        # Each end of one with the other end of the other.
        Guest("amd64",   "5.10", 0,       0b0000, False,   "newest libc", libc="glibc-2.44"),
        Guest("amd64",   "7.3",  11,      0b1111, True,    "oldest libc", libc="glibc-2.31"),
    )
}  # fmt: skip
