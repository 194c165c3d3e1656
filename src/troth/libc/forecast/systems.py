"""What a forecast goes from and to: a C library, a kernel, an architecture, and runtimes with calls of their own.

glibc-2.36                    a C library; musl-1.2.5, bionic-2022
glibc-2.36,linux-6.1,aarch64  with a kernel, on an architecture
rust-1.40                     a runtime; go-1.23, python-3.13, libuv-1.45, jvm-17 ...
debian:bookworm               what a release of Debian has
no-vdso                       where the kernel's clocks need a system call
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING

from troth import abi
from troth._value import Value
from troth.errors import RequestError, nearest
from troth.libc.forecast.recorded import makers
from troth.libc.forecast.tables import states, version_key

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Final

LIBCS: Final = ("glibc", "musl", "bionic")

# The releases that facts reach from and to.
_GLIBC: Final = tuple(f"2.{minor}" for minor in range(15, 45))
_MUSL: Final = (
    *(f"1.1.{patch}" for patch in range(13, 25)),
    "1.2.0", "1.2.1", "1.2.2", "1.2.3", "1.2.4", "1.2.5", "1.2.6",
)  # fmt: skip

# What stable releases have for good; those that still move are looked up when they are asked for.
DEBIAN: Final = {
    "wheezy":   "glibc-2.13,linux-3.2",
    "jessie":   "glibc-2.19,linux-3.16",
    "stretch":  "glibc-2.24,linux-4.9",
    "buster":   "glibc-2.28,linux-4.19",
    "bullseye": "glibc-2.31,linux-5.10",
    "bookworm": "glibc-2.36,linux-6.1",
    "trixie":   "glibc-2.41,linux-6.12",
}  # fmt: skip

_ALIASES: Final = {
    "amd64": "x86_64", "x86-64": "x86_64", "arm64": "aarch64", "armhf": "arm", "i686": "i386", "ppc64el": "ppc64le",
}  # fmt: skip
_MAKERS: Final = {"cpython": "python", "java": "jvm", "node": "libuv", "kernel": "linux", "golang": "go"}


class System(Value):
    """What a program runs on.

    `libc` ("glibc-2.36") and `linux` ("6.1") are empty where nothing is said of them; `others` are runtimes with their
    versions; `vdso` is false where clocks need a system call.
    """

    __slots__ = ("libc", "linux", "arch", "others", "vdso")
    libc: str
    linux: str
    arch: str
    others: tuple[tuple[str, str], ...]
    vdso: bool
    _defaults = {"libc": "", "linux": "", "arch": "", "others": (), "vdso": True}

    @property
    def makers(self) -> tuple[tuple[str, str], ...]:
        """Everything that makes calls here, with its version: the C library, the kernel, and runtimes."""
        found = [(kind, version) for kind, _, version in [self.libc.partition("-")] if kind]
        return (*found, ("linux", self.linux or newest("linux")), *self.others)

    def __str__(self) -> str:
        linux = (f"linux-{self.linux}",) if self.linux else ()
        others = (f"{maker}-{version}" for maker, version in self.others)
        vdso = () if self.vdso else ("no-vdso",)
        return ",".join((*((self.libc,) if self.libc else ()), *others, *linux, self.arch, *vdso))

    def filled(self, other: System) -> System:
        """This system, with what `other` has where nothing is said here."""
        return self.replace(libc=self.libc or other.libc, linux=self.linux or other.linux, arch=self.arch or other.arch)


def parse(text: str) -> System:
    """Read a system; what is not named stays empty.

    >>> parse("glibc-2.36,linux-6.1").linux
    '6.1'

    Raises:
        RequestError: a part has no meaning, or is of a version that nothing is known of; the hint says what is.
    """
    libc = linux = arch = ""
    others: dict[str, str] = {}
    vdso = True
    for part in _parts(text):
        name = _ALIASES.get(part, part)
        if name in abi.ARCHES:
            arch = _once(arch, name, text)
            continue
        if name == "no-vdso":
            vdso = False
            continue
        maker, version = _maker(part)
        if maker in LIBCS:
            libc = _once(libc, f"{maker}-{_known(maker, version)}", text)
        elif maker == "linux":
            linux = _once(linux, ".".join(version.split(".")[:2]), text)
        else:
            _once(others.get(maker, ""), version, text)
            others[maker] = version
    return System(libc, linux, arch, tuple(sorted(others.items())), vdso)


def running() -> System:
    """The system that this runs on; the C library is empty where it does not say which it is."""
    kernel = ".".join(os.uname().release.split("-")[0].split(".")[:2])
    try:
        words = (os.confstr("CS_GNU_LIBC_VERSION") or "").split()
    except (ValueError, OSError):  # musl knows no such name
        words = []
    libc = f"glibc-{words[1]}" if len(words) == 2 and words[0] == "glibc" and words[1] in _GLIBC else ""
    return System(libc, kernel, abi.native().name)


@lru_cache(maxsize=32)
def releases(maker: str) -> tuple[str, ...]:
    """The versions of something between which a change can be told, oldest first."""
    if maker in ("glibc", "musl"):
        return _GLIBC if maker == "glibc" else _MUSL
    known = {state.since for topic in states() for state in topic if state.maker == maker}
    if maker == "linux":
        for arch in abi.ARCHES:
            known |= {row[2] for row in abi.table(arch) if version_key(row[2]) >= (3,)}
    return tuple(sorted(known, key=version_key))


def newest(maker: str) -> str:
    """The newest version that anything is recorded of."""
    return releases(maker)[-1]


def between(maker: str, old: str, new: str) -> tuple[str, ...]:
    """The versions after `old` up to `new`, in order; those before `old` from `new` on when that is the older one."""
    first, last = version_key(old), version_key(new)
    if first <= last:
        return tuple(dict.fromkeys((*(v for v in releases(maker) if first < version_key(v) <= last), new)))
    return tuple(v for v in reversed(releases(maker)) if last <= version_key(v) < first)


def _parts(text: str) -> Iterable[str]:
    for part in text.split(","):
        part = part.strip()
        distribution, colon, suite = part.partition(":")
        if not colon:
            yield part
            continue
        if distribution != "debian" or suite not in DEBIAN:
            hint = nearest(suite, DEBIAN, "release of Debian") or "known are debian:" + ", debian:".join(DEBIAN)
            raise RequestError(f"unknown release `{part}`", hint=hint)
        yield from DEBIAN[suite].split(",")


def _maker(part: str) -> tuple[str, str]:
    maker, _, version = part.partition("-")
    maker = _MAKERS.get(maker, maker)
    known = sorted({*LIBCS, *makers()})
    if maker not in known or not version[:1].isdigit():
        hint = nearest(maker, [*known, *abi.ARCHES]) if maker not in known else f"write a version, as in {maker}-1.2"
        raise RequestError(
            f"unknown system `{part}`", hint=hint or "write glibc-2.36, musl-1.2.5, linux-6.1, debian:trixie ..."
        )
    return maker, version


def _known(maker: str, version: str) -> str:
    """A version of a C library without what a distribution added to it."""
    version = version.partition("+")[0].partition("-")[0]
    some = releases(maker)
    if maker == "bionic":
        return version
    # 2.36.1 is 2.36 to what is recorded, as 2.36-9+deb12u7 is.
    found = next((known for known in some if version == known or version.startswith(known + ".")), "")
    if maker == "glibc" and found:
        return found
    if version not in some:
        raise RequestError(f"nothing is known of {maker} {version}", hint=f"known are {some[0]} to {some[-1]}")
    return version


def _once(before: str, now: str, text: str) -> str:
    if before:
        raise RequestError(f"`{text}` names both {before} and {now}")
    return now
