"""Constants by name, on any architecture, and the nearest name to one that is none."""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import lru_cache

from troth import abi
from troth.abi import flags, others
from troth.abi.words._table import OWN
from troth.errors import ParseError, nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

WHATEVER_ARCH: Final = "x86_64"  # errnos and most constants are the same on all but mips

ARCHES: Final = abi.ARCHES | others.ARCHES
# Architectures without tables of their own, and those whose constants, or at least errnos, hold there too:
# the other byte order of the same headers; asm-generic/errno.h and arch/mips/include/uapi/asm/errno.h.
_SAME_CONSTANTS: Final = {"mips64": "mips64el", "ppc64": "ppc64le"}
_SAME_ERRNOS: Final = {
    "mips": "mips64el", "mipsel": "mips64el", "mips64": "mips64el", "mips64n32": "mips64el", "mipsel64n32": "mips64el",
    "m68k": "x86_64", "ppc": "ppc64le", "ppc64": "ppc64le", "s390": "s390x", "sh": "x86_64", "sheb": "x86_64",
}  # fmt: skip


def constant(text: str, arch: str) -> int:
    """Give the value of a number, a name, names joined by `|`, or the complement (`~`) of these.

    Numbers are Python's, or C's octal (`0644`). A negative value stays negative: who knows the width cuts it.

    >>> constant("O_WRONLY|0o100", "x86_64"), constant("AT_FDCWD", "arm"), constant("~(R_OK|W_OK)", "s390x")
    (65, -100, -7)

    Raises:
        ParseError: a part is neither; the hint has the nearest name.
        KeyError: no such architecture.
    """
    ARCHES[arch]
    inner = text.strip()
    if inner.startswith("~"):
        rest = inner[1:].strip()
        if rest.startswith("(") and rest.endswith(")"):
            rest = rest[1:-1]
        return ~_union(rest, text, arch)
    return _union(inner, text, arch)


@lru_cache(maxsize=16)
def errnos(arch: str) -> dict[int, str]:
    ARCHES[arch]
    source = arch if arch in abi.ARCHES else _SAME_ERRNOS.get(arch, "")
    return dict(select(source, "E* -EPOLL* -EFD_* -EMT_* -EWOULDBLOCK -EDEADLOCK")) if source else {}


def errno_name(value: int, arch: str) -> str:
    """Name an errno; one that the architecture lacks is given as the number it is.

    >>> errno_name(38, "x86_64"), errno_name(4000, "x86_64")
    ('ENOSYS', '4000')
    """
    return errnos(arch).get(value, str(value))


def select(arch: str, pattern: str) -> list[tuple[int, str]]:
    """The names of a pattern with their values, the first of each value only."""
    taken: dict[int, str] = {}
    refused = [word[1:] for word in pattern.split() if word.startswith("-")]
    for word in pattern.split():
        if word.startswith("-"):
            continue
        if "*" in word:
            every = flags.names(word.partition("*")[0], arch) | {
                name: value for name, value in OWN.items() if fnmatchcase(name, word)
            }
            pairs = [(name, value) for name, value in every.items() if fnmatchcase(name, word)]
        else:
            try:
                pairs = [(word, value_of(word, arch))]
            except KeyError:
                continue  # this architecture lacks it
        for name, value in pairs:
            if not any(fnmatchcase(name, bad) for bad in refused):
                taken.setdefault(value, name)
    return list(taken.items())


def value_of(name: str, arch: str) -> int:
    """The value of one name; KeyError when there is none, or none is known on that architecture."""
    if name in OWN:
        return OWN[name]
    if arch not in abi.ARCHES:
        if name.startswith("AUDIT_ARCH_"):
            arch = WHATEVER_ARCH
        elif name in errnos(arch).values():
            arch = _SAME_ERRNOS[arch]
        else:
            arch = _SAME_CONSTANTS[arch]
    return flags.value(name, arch)


def _union(text: str, whole: str, arch: str) -> int:
    value = 0
    for part in text.split("|"):
        part = part.strip()
        if part[:1].isdigit() or part.startswith("-"):
            value |= integer(part, whole)
            continue
        try:
            value |= value_of(part, arch)
        except KeyError:
            if arch not in abi.ARCHES and arch not in _SAME_CONSTANTS:
                raise ParseError(
                    short(whole), f"the value of `{short(part)}` on {arch} is not known", hint="write it"
                ) from None
            known = flags.names(part[:1], _SAME_CONSTANTS.get(arch, arch)) if part else {}
            hint = nearest(part, [*known, *OWN], "constant") if part else "write a number or a name"
            raise ParseError(short(whole), f"unknown constant `{short(part)}`", hint=hint) from None
    return value


def integer(text: str, whole: str) -> int:
    try:
        sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text)
        if not digits.isascii() or not digits[:1].isdigit() or len(digits) > 70:
            raise ValueError(text)
        if len(digits) > 1 and digits[0] == "0" and digits.isdigit():
            return sign * int(digits, 8)
        return sign * int(digits, 0)
    except ValueError:
        raise ParseError(short(whole), f"`{short(text)}` is not a number") from None


def short(text: str) -> str:
    """A text as a message may show it: hostile input is cut."""
    return text if len(text) <= 60 else text[:57] + "..."
