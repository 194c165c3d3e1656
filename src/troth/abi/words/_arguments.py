"""Words for the arguments of system calls: flags, enumerations, and flags around enumerations."""

from __future__ import annotations

from functools import lru_cache

from troth import abi
from troth.abi.words._constants import constant, select, value_of
from troth.abi.words._table import ARGUMENTS, DIRECTORIES, OCTAL, VOCABULARIES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final

    # Fields of a vocabulary: mask, its name, names of values.
    Fields = list[tuple[int, str, dict[int, str]]]

_U32: Final = 0xFFFFFFFF
_U64: Final = 0xFFFFFFFFFFFFFFFF
_NARROW: Final = frozenset({"i32", "u32"})


def argument(
    arch: str, call: str, index: int, value: int, *, known: Mapping[int, int] | None = None, within: int = _U64
) -> str:
    """Name the value of a call's argument (`index` 0 to 5): its flags, its enumeration, or a plain number.

    `known` has the values of other arguments of the same call, by index: an option's meaning may hang on its
    level. `within` is the mask through which the argument was looked at: a field outside it has no word.
    An architecture or call without tables has plain numbers.

    >>> argument("x86_64", "openat", 2, 0x100000042)
    'O_RDWR|O_CREAT|0x100000000'
    >>> argument("x86_64", "mmap", 3, 0x22), argument("x86_64", "openat", 0, 0xFFFFFF9C)
    ('MAP_PRIVATE|MAP_ANONYMOUS', 'AT_FDCWD')
    >>> argument("x86_64", "openat", 2, 0, within=0o3), argument("x86_64", "openat", 2, 0, within=0o100)
    ('O_RDONLY', '0')
    """
    name, kind, vocabulary = _subject(arch, call, index, known)
    value &= _U64
    if vocabulary:
        fields, flag_names = _read(arch, vocabulary)
        return _decompose(value, within, fields, flag_names, kind=kind, octal=(call, name) in OCTAL)
    return _plain(value, kind, octal=(call, name) in OCTAL)


def mask(
    arch: str, call: str, index: int, value: int, *, known: Mapping[int, int] | None = None, width: int = 0
) -> str:
    """Name the bits that a condition looks at; more than half of them are named by what is left out.

    `width` is how many bits there are, 32 or 64; by default as many as the kernel reads, or 64 when `value` has more.

    >>> mask("x86_64", "openat", 2, 0o103), mask("x86_64", "socket", 1, 0xF)
    ('O_ACCMODE|O_CREAT', 'SOCK_TYPE_MASK')
    >>> mask("x86_64", "mprotect", 2, 0xFFFFFFFFFFFFFFFC), mask("x86_64", "mprotect", 2, 0xFFFFFFFC, width=32)
    ('~(PROT_READ|PROT_WRITE)', '~(PROT_READ|PROT_WRITE)')
    """
    name, kind, vocabulary = _subject(arch, call, index, known)
    width = width or (32 if kind in _NARROW and value <= _U32 else 64)
    full = (1 << width) - 1
    octal = (call, name) in OCTAL
    value &= _U64
    if value == full or not vocabulary:
        return _number(value, octal=octal)
    if value.bit_count() > width // 2:
        inside = _mask_words(arch, vocabulary, full & ~value, octal=octal)
        return f"~({inside})" if "|" in inside else f"~{inside}"
    return _mask_words(arch, vocabulary, value, octal=octal)


def has_words(arch: str, call: str, index: int, *, known: Mapping[int, int] | None = None) -> bool:
    """Whether an argument speaks a vocabulary, so that `argument` gives more than a number.

    >>> has_words("x86_64", "openat", 2), has_words("x86_64", "read", 2)
    (True, False)
    """
    return bool(_subject(arch, call, index, known)[2])


@lru_cache(maxsize=4096)
def _rows(arch: str, call: str, index: int) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    """The argument's name, its kind, and its vocabularies with what each hangs on."""
    try:
        args = abi.syscall(arch, call).args
    except KeyError:
        return "", "u64", ()
    if not 0 <= index < len(args):
        return "", "u64", ()
    name, kind = args[index]
    if name in DIRECTORIES:
        return name, kind, (("dirfd", ""),)
    found = [
        (vocabulary, when)
        for calls, names, vocabulary, when in ARGUMENTS
        if name in names.split() and call in calls.split()
    ]
    return name, kind, tuple(found)


def _subject(arch: str, call: str, index: int, known: Mapping[int, int] | None) -> tuple[str, str, str]:
    """The argument's name, its kind and the vocabulary that holds here, or an empty one."""
    name, kind, rows = _rows(arch, call, index)
    for vocabulary, when in rows:
        if not when:
            return name, kind, vocabulary
        other, *values = when.split()
        for place, (argument_name, other_kind) in enumerate(abi.syscall(arch, call).args if known else ()):
            if argument_name == other and known and place in known:
                width = _U32 if other_kind in _NARROW else _U64
                if any((known[place] ^ value_of(wanted, arch)) & width == 0 for wanted in values):
                    return name, kind, vocabulary
    return name, kind, ""


@lru_cache(maxsize=512)
def _read(arch: str, vocabulary: str) -> tuple[Fields, list[tuple[int, str]]]:
    """A vocabulary on an architecture: fields (mask, its name, names of values), flags with the widest first."""
    pattern, fields = VOCABULARIES[vocabulary]
    found: Fields = []
    for mask_text, names in fields:
        bits = constant(mask_text, arch) & _U64
        word = "" if mask_text[0].isdigit() else mask_text
        found.append((bits, word, {value & bits: name for value, name in select(arch, names)}))
    flag_names = [(value, name) for value, name in select(arch, pattern) if value > 0]
    return found, sorted(flag_names, key=lambda pair: (-pair[0].bit_count(), pair[0]))


def _decompose(
    value: int, within: int, fields: Fields, flag_names: list[tuple[int, str]], *, kind: str, octal: bool
) -> str:
    if value in (_U32, _U64):
        return _plain(value, kind, octal=octal)  # asks for, or says, nothing in particular: personality(0xffffffff)
    rest = value
    parts: list[tuple[int, str]] = []
    for bits, _, names in fields:
        if bits == _U64:
            exact = _enumerated(value, names, narrow=kind in _NARROW)
            if exact and (value or within in (_U64, _U32)):
                return exact
        elif bits & within == bits and (name := names.get(rest & bits)):
            parts.append((-1, name))
            rest &= ~bits
    for bits, name in flag_names:
        if bits & rest == bits:
            parts.append((bits, name))
            rest &= ~bits
    if not flag_names and not parts:
        return _plain(value, kind, octal=octal)
    words = [name for _, name in sorted(parts, key=lambda part: part[0])]
    if rest or not words:
        words.append(_number(rest, octal=octal))
    return "|".join(words)


def _enumerated(value: int, names: dict[int, str], *, narrow: bool) -> str:
    if value in names:
        return names[value]
    # The kernel looks at 32 bits of a narrow argument; -100 is then written with or without its upper half.
    if narrow and 0x80000000 <= value <= _U32:
        return names.get(value | 0xFFFFFFFF00000000, "")
    return ""


def _mask_words(arch: str, vocabulary: str, value: int, *, octal: bool) -> str:
    fields, flag_names = _read(arch, vocabulary)
    masks = [(bits, word) for bits, word, _ in fields if word and bits != _U64]
    both = sorted(masks + flag_names, key=lambda pair: (-pair[0].bit_count(), pair[0]))
    return _decompose(value, 0, [], both, kind="u64", octal=octal)


def _plain(value: int, kind: str, *, octal: bool) -> str:
    if kind == "i64" and value >> 63:
        return str(value - (1 << 64))
    if kind == "i32" and 0x80000000 <= value <= _U32:
        return str(value - (1 << 32))
    if kind in ("i32", "i64") and value >= 0xFFFFFFFF80000000:
        return str(value - (1 << 64))
    return f"{value:#x}" if kind == "ptr" and value else _number(value, octal=octal)


def _number(value: int, *, octal: bool = False) -> str:
    """A number as people read it: small ones in decimal, large ones in hexadecimal, permissions in octal."""
    if octal and value <= 0o7777:
        return f"{value:#o}" if value else "0"
    return str(value) if value < 1024 else f"{value:#x}"
