"""The C libraries that troth is tested with and has facts of, and the suites of Debian that have or had each."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from troth.libc import identify
from troth.libc.apt import FetchError
from troth.libc.found import Found

__all__ = ["GLIBCS", "I386", "LIBCS", "MUSLS", "Libc", "found"]


class Libc(NamedTuple):
    """One libc: its name and version, the suites that have it, and Debian's name of the architecture.

    The first suite that is usable is taken.
    """

    name: str
    version: str
    suites: tuple[str, ...]
    arch: str = "amd64"

    def __str__(self) -> str:
        return self.build + ("" if self.arch == "amd64" else f"-{self.arch}")

    @property
    def build(self) -> str:
        """Its name and version, as facts are named by."""
        return f"{self.name}-{self.version}"


# Oldest first. The next libc is one more line here.
GLIBCS: Final = (
    Libc("glibc", "2.31", ("bullseye",)),
    Libc("glibc", "2.36", ("bookworm",)),
    Libc("glibc", "2.41", ("trixie",)),
    Libc("glibc", "2.43", ("forky", "sid")),
    Libc("glibc", "2.44", ("experimental",)),
)
MUSLS: Final = (
    Libc("musl", "1.2.2", ("bullseye",)),
    Libc("musl", "1.2.3", ("bookworm",)),
    Libc("musl", "1.2.5", ("trixie",)),
    Libc("musl", "1.2.6", ("forky", "sid")),
)
LIBCS: Final = (*GLIBCS, *MUSLS)

# The index for i386 is out of step with the rest in some suites: any that is whole will do.
I386: Final = Libc("glibc", "2.43", ("forky", "sid"), "i386")


def found(libc: Libc, arch: str) -> Found:
    """The files of a libc for one of troth's architectures, from the first suite that still has this version.

    Raises:
        FetchError: no suite has it now.
    """
    complaints = []
    for suite in libc.suites:
        suffix = "/musl" if libc.name == "musl" else ""
        try:
            here = identify.resolve(f"debian:{suite}{suffix}", arch=arch)
        except FetchError as error:
            complaints.append(str(error))
            continue
        if here.name == libc.build:
            return here
        complaints.append(f"{suite} has {here.name}")
    raise FetchError(f"{libc.build} for {arch}: {'; '.join(complaints)}")
