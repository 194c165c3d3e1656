"""System calls and architectures by name and by number."""

from __future__ import annotations

from functools import lru_cache

from troth import abi
from troth.abi import flags, others
from troth.abi.words._constants import ARCHES, WHATEVER_ARCH, short
from troth.errors import ParseError, nearest


def call_number(arch: str, name: str) -> int:
    """Give the number of a system call.

    >>> call_number("aarch64", "openat")
    56

    Raises:
        ParseError: there is none of that name; the hint has the nearest.
        KeyError: no such architecture.
    """
    numbers = others.numbers(arch)
    if name in numbers:
        return numbers[name]
    other = [other for other in ARCHES if name in others.numbers(other)]
    if other:
        raise ParseError(short(name), f"{arch} has no system call `{short(name)}`", hint=f"{' '.join(other)} have it")
    raise ParseError(short(name), f"unknown system call `{short(name)}`", hint=nearest(name, numbers, "system call"))


def call_name(arch: str, number: int) -> str:
    """Name the system call of a number; empty when there is none.

    >>> call_name("x86_64", 257), call_name("x86_64", 9999)
    ('openat', '')

    Raises:
        KeyError: no such architecture.
    """
    return others.names(arch).get(number, "")


def arch(name: str) -> abi.Arch:
    """Give the architecture of a name.

    Raises:
        ParseError: troth has no table for it; the hint has the nearest name, or all.
    """
    if name in ARCHES:
        return ARCHES[name]
    hint = nearest(name, ARCHES, "architecture") or f"known are {' '.join(ARCHES)}"
    raise ParseError(short(name), f"unknown architecture `{short(name)}`", hint=hint)


def arch_words(audit: int) -> str:
    """Name an AUDIT_ARCH_* value: by our architecture's name, by the header's, or as a number.

    x86_64 and x32 share a value, which is called by the first's name.

    >>> arch_words(0xC000003E), arch_words(0xC0009026), arch_words(6)
    ('x86_64', 'AUDIT_ARCH_ALPHA', '0x6')
    """
    return _audit_names().get(audit, f"{audit:#x}")


def arches(audit: int) -> tuple[abi.Arch, ...]:
    """Give the architectures that an AUDIT_ARCH_* value stands for; none, one, or two.

    >>> [found.name for found in arches(0xC000003E)]
    ['x86_64', 'x32']
    """
    return tuple(known for known in ARCHES.values() if known.audit == audit)


@lru_cache(maxsize=1)
def _audit_names() -> dict[int, str]:
    header = {value: name for name, value in flags.names("AUDIT_ARCH_", WHATEVER_ARCH).items()}
    return header | {known.audit: known.name for known in reversed(ARCHES.values())}
