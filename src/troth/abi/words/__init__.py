"""Words for numbers: answers, arguments, system calls, architectures; and the numbers of words.

Everything that troth prints about a filter, and everything that is typed in, goes through here:

- `answer` and `answer_value`: the 32 bits that a filter returns, `ERRNO(EPERM)`;
- `argument`, `mask` and `constant`: `O_WRONLY|O_CREAT`, as `_table` says which argument has which names;
- `call_number` and `arch`: names of calls and architectures, with the nearest name in the error.

Words are exact: read back, they give the number that they were made from.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import lru_cache

from troth import abi
from troth.abi import flags, seccomp
from troth.abi.words._table import ARGUMENTS, DIRECTORIES, OCTAL, OWN, VOCABULARIES
from troth.errors import ParseError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Final

__all__ = ("answer", "answer_value", "arch", "arch_words", "argument", "call_number", "constant", "mask", "nearest")

_U32: Final = 0xFFFFFFFF
_U64: Final = 0xFFFFFFFFFFFFFFFF
_NARROW: Final = frozenset({"i32", "u32"})
_WHATEVER_ARCH: Final = "x86_64"  # errnos and most constants are the same on all but mips

# The action bits of an answer and its word; `TRACE` and `TRAP` alone mean data 0.
_ACTIONS: Final = {value: name.upper() for value, name in seccomp.ACTIONS.items()}
_BY_WORD: Final = {word: value for value, word in _ACTIONS.items()} | {"KILL": seccomp.RET_KILL_THREAD}


def answer(raw: int, arch: str = _WHATEVER_ARCH) -> str:
    """Name a filter's 32-bit answer; an action that no kernel defines is given as the number it is.

    The kernel kills the process for such a number.

    >>> answer(0x7FFF0000), answer(0x00050001), answer(0x7FF00007), answer(0x80000000)
    ('ALLOW', 'ERRNO(EPERM)', 'TRACE(7)', 'KILL_PROCESS')
    >>> answer(0x12340000)
    '0x12340000'

    Raises:
        KeyError: no such architecture.
    """
    word = _ACTIONS.get(raw & seccomp.ACTION_MASK)
    if word is None:
        return f"{raw:#x}"
    data = raw & 0xFFFF
    if word == "ERRNO":
        return f"ERRNO({_errnos(arch).get(data, data)})"
    return f"{word}({data})" if data else word


def answer_value(text: str, arch: str = _WHATEVER_ARCH) -> int:
    """Give the 32-bit answer of its words: what `answer` gives, in any case, or a number.

    >>> hex(answer_value("errno(EPERM)")), hex(answer_value("kill")), hex(answer_value("0x7ff00007"))
    ('0x50001', '0x0', '0x7ff00007')

    Raises:
        ParseError: the text is neither; the hint has the nearest word.
    """
    word, bracket, rest = text.strip().partition("(")
    word = word.strip().upper().removeprefix("SECCOMP_RET_")
    if word[:1].isdigit():
        raw = _integer(text.strip(), text)
        if not 0 <= raw <= _U32:
            raise ParseError(text, "an answer has 32 bits")
        return raw
    if word not in _BY_WORD:
        raise ParseError(text, f"unknown answer `{word}`", hint=nearest(word, _BY_WORD, "answer"))
    if not bracket:
        if word == "ERRNO":
            raise ParseError(text, "`ERRNO` needs an error number", hint="write `ERRNO(EPERM)`")
        return _BY_WORD[word]
    inside, closing, after = rest.partition(")")
    if not closing or after.strip():
        raise ParseError(text, "the bracket does not close the answer", hint=f"write `{word}({inside or 1})`")
    data = constant(inside.strip().upper() if not inside.strip()[:1].isdigit() else inside.strip(), arch)
    if not 0 <= data <= 0xFFFF:
        raise ParseError(text, f"the data of an answer has 16 bits, {data} does not fit")
    return _BY_WORD[word] | data


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


def mask(arch: str, call: str, index: int, value: int, *, known: Mapping[int, int] | None = None) -> str:
    """Name the bits that a condition looks at; more than half of them are named by what is left out.

    >>> mask("x86_64", "openat", 2, 0o103), mask("x86_64", "socket", 1, 0xF)
    ('O_ACCMODE|O_CREAT', 'SOCK_TYPE_MASK')
    >>> mask("x86_64", "mprotect", 2, 0xFFFFFFFFFFFFFFFC)
    '~(PROT_READ|PROT_WRITE)'
    """
    name, kind, vocabulary = _subject(arch, call, index, known)
    full = _U32 if kind in _NARROW or value <= _U32 else _U64
    value &= _U64
    if value == full or not vocabulary:
        return _number(value, octal=(call, name) in OCTAL)
    if (full == _U64 and value.bit_count() > 32) or (full == _U32 and value <= _U32 and value.bit_count() > 16):
        inside = _mask_words(arch, vocabulary, full & ~value, octal=(call, name) in OCTAL)
        return f"~({inside})" if "|" in inside else f"~{inside}"
    return _mask_words(arch, vocabulary, value, octal=(call, name) in OCTAL)


def constant(text: str, arch: str) -> int:
    """Give the value of a number, a name, names joined by `|`, or the complement (`~`) of these.

    Numbers are Python's, or C's octal (`0644`). A negative value stays negative: who knows the width cuts it.

    >>> constant("O_WRONLY|0o100", "x86_64"), constant("AT_FDCWD", "arm"), constant("~(R_OK|W_OK)", "s390x")
    (65, -100, -7)

    Raises:
        ParseError: a part is neither; the hint has the nearest name.
        KeyError: no such architecture.
    """
    abi.ARCHES[arch]
    inner = text.strip()
    if inner.startswith("~"):
        rest = inner[1:].strip()
        if rest.startswith("(") and rest.endswith(")"):
            rest = rest[1:-1]
        return ~_union(rest, text, arch)
    return _union(inner, text, arch)


def call_number(arch: str, name: str) -> int:
    """Give the number of a system call.

    >>> call_number("aarch64", "openat")
    56

    Raises:
        ParseError: there is none of that name; the hint has the nearest.
        KeyError: no such architecture.
    """
    numbers = abi.numbers(arch)
    if name in numbers:
        return numbers[name]
    other = [other for other in abi.ARCHES if name in abi.numbers(other)]
    if other:
        raise ParseError(name, f"{arch} has no system call `{name}`", hint=f"{' '.join(other)} have it")
    raise ParseError(name, f"unknown system call `{name}`", hint=nearest(name, numbers, "system call"))


def arch(name: str) -> abi.Arch:
    """Give the architecture of a name.

    Raises:
        ParseError: troth has no table for it; the hint has the nearest name, or all.
    """
    if name in abi.ARCHES:
        return abi.ARCHES[name]
    hint = nearest(name, abi.ARCHES, "architecture") or f"known are {' '.join(abi.ARCHES)}"
    raise ParseError(name, f"unknown architecture `{name}`", hint=hint)


def arch_words(audit: int) -> str:
    """Name an AUDIT_ARCH_* value: by our architecture's name, by the header's, or as a number.

    x86_64 and x32 share a value, which is called by the first's name.

    >>> arch_words(0xC000003E), arch_words(0x80000008), arch_words(5)
    ('x86_64', 'AUDIT_ARCH_MIPS64', '0x5')
    """
    return _audit_names().get(audit, f"{audit:#x}")


@lru_cache(maxsize=1)
def _audit_names() -> dict[int, str]:
    header = {value: name for name, value in flags.names("AUDIT_ARCH_", _WHATEVER_ARCH).items()}
    return header | {known.audit: known.name for known in reversed(abi.ARCHES.values())}


@lru_cache(maxsize=16)
def _errnos(arch: str) -> dict[int, str]:
    return dict(_select(arch, "E* -EPOLL* -EFD_* -EMT_* -EWOULDBLOCK -EDEADLOCK"))


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
                if any((known[place] ^ _value(wanted, arch)) & width == 0 for wanted in values):
                    return name, kind, vocabulary
    return name, kind, ""


def _select(arch: str, pattern: str) -> list[tuple[int, str]]:
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
                pairs = [(word, _value(word, arch))]
            except KeyError:
                continue  # this architecture lacks it
        for name, value in pairs:
            if not any(fnmatchcase(name, bad) for bad in refused):
                taken.setdefault(value, name)
    return list(taken.items())


Fields = list[tuple[int, str, dict[int, str]]]


@lru_cache(maxsize=512)
def _read(arch: str, vocabulary: str) -> tuple[Fields, list[tuple[int, str]]]:
    """A vocabulary on an architecture: fields (mask, its name, names of values), flags with the widest first."""
    pattern, fields = VOCABULARIES[vocabulary]
    found: Fields = []
    for mask_text, names in fields:
        bits = constant(mask_text, arch) & _U64
        word = "" if mask_text[0].isdigit() else mask_text
        found.append((bits, word, {value & bits: name for value, name in _select(arch, names)}))
    flag_names = [(value, name) for value, name in _select(arch, pattern) if value > 0]
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


def _value(name: str, arch: str) -> int:
    try:
        return flags.value(name, arch)
    except KeyError:
        return OWN[name]


def _integer(text: str, whole: str) -> int:
    try:
        sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text)
        if not digits.isascii() or not digits[:1].isdigit() or len(digits) > 70:
            raise ValueError(text)
        if len(digits) > 1 and digits[0] == "0" and digits.isdigit():
            return sign * int(digits, 8)
        return sign * int(digits, 0)
    except ValueError:
        raise ParseError(whole, f"`{text}` is not a number") from None


def _union(text: str, whole: str, arch: str) -> int:
    value = 0
    for part in text.split("|"):
        part = part.strip()
        if part[:1].isdigit() or part.startswith("-"):
            value |= _integer(part, whole)
            continue
        try:
            value |= _value(part, arch)
        except KeyError:
            known = flags.names(part[:1], arch) if part else {}
            hint = nearest(part, [*known, *OWN], "constant") if part else "write a number or a name"
            raise ParseError(whole, f"unknown constant `{part}`", hint=hint) from None
    return value


def nearest(word: str, known: Iterable[str], what: str) -> str:
    """Hint at the known word that is nearest to an unknown one; empty when none is near.

    >>> nearest("opennat", ["open", "openat"], "system call")
    'the closest system call is `openat`'
    """
    import difflib  # slow to import, and only a mistake needs it

    close = difflib.get_close_matches(word[:60], list(known), n=1)
    return f"the closest {what} is `{close[0]}`" if close else ""
