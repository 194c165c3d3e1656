"""A call in words as the numbers that a filter sees: what is open gets a value that a program would have there."""

from __future__ import annotations

from functools import lru_cache

from troth import abi
from troth.abi import words
from troth.bpf.program import Call
from troth.errors import BugError, ParseError
from troth.libc.forecast.tables import version_key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from troth.libc.probe.facts import Seen

_DESCRIPTOR: Final = 3
_PROCESS: Final = 1000
_SIZE: Final = 0x1000
_POINTERS: Final = {64: 0x7FFD00001000, 32: 0x40001000}
_U32: Final = 0xFFFFFFFF
_U64: Final = 0xFFFFFFFFFFFFFFFF


def number_of(arch: str, name: str) -> int | None:
    """The number of a call; None where the architecture has no such call."""
    return abi.numbers(arch).get(name)


def as_call(seen: Seen, arch: str, libc: str = "") -> Call | None:
    """A call that a filter can be asked; None where the architecture has no such call.

    `libc` says how a negative `int` is passed, whose upper half a filter can see: glibc leaves it clear on x86_64
    since 2.27, others fill it with the sign.
    """
    nr = number_of(arch, seen.name)
    if nr is None:
        return None
    return Call(abi.arch(arch).audit, nr, _arguments(seen.name, seen.args, arch, _clears_sign(arch, libc)))


def _clears_sign(arch: str, libc: str) -> bool:
    kind, _, version = libc.partition("-")
    return arch == "x86_64" and kind == "glibc" and version_key(version) >= (2, 27)


@lru_cache(maxsize=8192)
def _arguments(name: str, args: tuple[str, ...], arch: str, clears: bool) -> tuple[int, ...]:
    kinds = [kind for _, kind in abi.syscall(arch, name).args]
    bits = abi.arch(arch).bits
    found = []
    for index, word in enumerate(args[:6]):
        kind = kinds[index] if index < len(kinds) else "u64"
        value = _value(word, kind, arch, bits)
        if bits == 32 or (value < 0 and kind in ("i32", "u32") and clears):
            value &= _U32
        found.append(value & _U64)
    return tuple(found)


def _value(word: str, kind: str, arch: str, bits: int) -> int:
    if word == "*":
        return _POINTERS[bits] if kind == "ptr" else 1 if kind in ("i32", "u32") else _SIZE
    if word == "fd":
        return _DESCRIPTOR
    if word == "pid":
        return _PROCESS
    try:
        return words.constant(word, arch)
    except ParseError as error:
        # What this architecture has no name for, it does not do: the plain value is what it does instead.
        parts = [part for part in word.split("|") if _has(part, arch)]
        if not parts and word[:1].isdigit():
            raise BugError(f"`{word}` in the facts is no value: {error}") from None
        return words.constant("|".join(parts), arch) if parts else 0


def _has(part: str, arch: str) -> bool:
    try:
        words.constant(part, arch)
    except ParseError:
        return False
    return True
