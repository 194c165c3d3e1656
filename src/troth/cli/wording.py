"""Calls, numbers and conditions as the verbs that read filters print them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from troth import abi
from troth.abi import others, words
from troth.policy.arguments import arguments
from troth.policy.describe import describe

if TYPE_CHECKING:
    from collections.abc import Iterable

    from troth.bpf import Call
    from troth.policy.expr import Expr

WIDTH = 110
# The numbers of x86_64 and of x32, under the AUDIT_ARCH value that they share.
NUMBERS = {
    "x86_64": ((0, abi.X32_BIT - 1), (2 * abi.X32_BIT, 3 * abi.X32_BIT - 1)),
    "x32": ((abi.X32_BIT, 2 * abi.X32_BIT - 1), (3 * abi.X32_BIT, 0xFFFFFFFF)),
}
NO_CALL = 0xFFFFFFFF  # a number without a name: its arguments are called arg0 to arg5


def is_known(arch: str) -> bool:
    """Whether an architecture has a name, and with it a table of calls."""
    return arch in abi.ARCHES or arch in others.ARCHES


def call_name(arch: str, nr: int) -> str:
    """A call's name, or its number."""
    name = others.names(arch).get(nr, "") if is_known(arch) else ""
    return name or str(nr if nr < 1 << 16 else hex(nr))


def condition(expr: Expr, arch: str, nr: int) -> str:
    """A condition in words."""
    return describe(expr, arch if is_known(arch) else "x86_64", nr if is_known(arch) else NO_CALL)


def call_words(call: Call) -> str:
    """A call as `troth ask` takes it, with names.

    >>> from troth.bpf import Call
    >>> call_words(Call(0xC000003E, 257, (0xFFFFFF9C, 0, 0o102)))
    'openat(AT_FDCWD, 0, O_RDWR|O_CREAT, 0)'
    """
    arch = others.name_of(call.arch, call.nr)
    name = call_name(arch, call.nr)
    count = len(call.args)
    if is_known(arch):
        count = sum(1 for known in arguments(arch, call.nr)[:6] if known.name != f"arg{known.index}")
    count = max(count, *(index + 1 for index, value in enumerate(call.args) if value), 0) if any(call.args) else count
    shown = []
    for index, value in enumerate(call.args[:count]):
        shown.append(words.argument(arch, name, index, value) if is_known(arch) else hex(value))
    return f"{name}({', '.join(shown)})" + (f" at {call.ip:#x}" if call.ip else "")


def span_words(spans: Iterable[tuple[int, int]], arch: str) -> list[str]:
    """Ranges of numbers: those with names by their names, then what is between them.

    >>> span_words(((0, 2), (600, 700)), "x86_64")
    ['read', 'write', 'open', '600 to 700']
    """
    names = others.names(arch) if is_known(arch) else {}
    found: list[str] = []
    rest: list[str] = []
    for first, last in spans:
        following = first
        for nr in [*sorted(nr for nr in names if first <= nr <= last), last + 1]:
            if following < nr:
                rest.append(range_words(following, nr - 1))
            if nr <= last:
                found.append(names[nr])
            following = nr + 1
    return found + rest


def wrapped(lead: str, text: str) -> list[str]:
    """A text after its lead, in lines of a bearable width that begin below the text.

    Lines end after commas and before `and` and `or`, so that a comparison stays whole.

    >>> wrapped("- ", "a < 3 or b == 4")
    ['- a < 3 or b == 4']
    """
    lines, line = [], lead
    for piece in re.split(r"(?<=,) | (?=(?:and|or) )", text):
        if len(line) > len(lead) and len(line) + 1 + len(piece) > WIDTH:
            lines.append(line)
            line = " " * len(lead)
        line += piece if len(line) == len(lead) else " " + piece
    return [*lines, line]


def range_words(first: int, last: int) -> str:
    """A range of numbers without names.

    >>> range_words(500, 0x3FFFFFFF)
    '500 to 0x3fffffff'
    """

    def number(value: int) -> str:
        return str(value) if value < 1 << 16 else hex(value)

    return number(first) if first == last else f"{number(first)} to {number(last)}"


def answer(raw: int, arch: str = "x86_64") -> str:
    """An answer in words, with the errno's name on this architecture."""
    return words.answer(raw, arch if arch in abi.ARCHES else "x86_64")
