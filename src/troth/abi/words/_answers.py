"""Words for what a filter answers."""

from __future__ import annotations

from troth.abi import seccomp
from troth.abi.words._constants import WHATEVER_ARCH, constant, errnos, integer, short
from troth.errors import ParseError, nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_U32: Final = 0xFFFFFFFF

# The action bits of an answer and its word; `TRACE` and `TRAP` alone mean data 0.
_ACTIONS: Final = {value: name.upper() for value, name in seccomp.ACTIONS.items()}
_BY_WORD: Final = {word: value for value, word in _ACTIONS.items()} | {"KILL": seccomp.RET_KILL_THREAD}


def answer(raw: int, arch: str = WHATEVER_ARCH) -> str:
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
        return f"ERRNO({errnos(arch).get(data, data)})"
    return f"{word}({data})" if data else word


def answer_value(text: str, arch: str = WHATEVER_ARCH) -> int:
    """Give the 32-bit answer of its words: what `answer` gives, in any case, or a number.

    >>> hex(answer_value("errno(EPERM)")), hex(answer_value("kill")), hex(answer_value("0x7ff00007"))
    ('0x50001', '0x0', '0x7ff00007')

    Raises:
        ParseError: the text is neither; the hint has the nearest word.
    """
    word, bracket, rest = text.strip().partition("(")
    word = word.strip().upper().removeprefix("SECCOMP_RET_")
    if word[:1].isdigit():
        raw = integer(text.strip(), text)
        if not 0 <= raw <= _U32:
            raise ParseError(short(text), "an answer has 32 bits")
        return raw
    if word not in _BY_WORD:
        raise ParseError(short(text), f"unknown answer `{short(word)}`", hint=nearest(word, _BY_WORD, "answer"))
    if not bracket:
        if word == "ERRNO":
            raise ParseError(short(text), "`ERRNO` needs an error number", hint="write `ERRNO(EPERM)`")
        return _BY_WORD[word]
    inside, closing, after = rest.partition(")")
    if not closing or after.strip():
        raise ParseError(
            short(text), "the bracket does not close the answer", hint=f"write `{word}({short(inside) or 1})`"
        )
    data = constant(inside.strip().upper() if not inside.strip()[:1].isdigit() else inside.strip(), arch)
    if not 0 <= data <= 0xFFFF:
        raise ParseError(short(text), f"the data of an answer has 16 bits, {data} does not fit")
    return _BY_WORD[word] | data
