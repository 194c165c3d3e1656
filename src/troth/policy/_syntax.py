"""Text of call sets as a syntax tree: Python's, since the language is a subset of its expressions.

What people write differently is spelled as Python spells it first: `&&`, `||` and `!`, C's octal numbers,
`*` for any call, `@family`. Every character keeps the place where it stood, for the messages.
"""

from __future__ import annotations

import ast
import keyword
import re

from troth.errors import ParseError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

LONGEST: Final = 4096  # characters; a call set is typed by people
DEEPEST: Final = 60  # what reads the tree is recursive

# Letters that no text of ours may hold mark what is no Python name: one begins a family,
# another a word that Python reserves.
FAMILY: Final = "\u01c0"
RESERVED: Final = "\u01c3"
ANY_CALL: Final = FAMILY + RESERVED

_WORDS_OF_OURS: Final = ("and", "or", "not", "in")
_TOKEN: Final = re.compile(
    r"(?P<space>\s+)|(?P<number>\d\w*)|(?P<family>@\s*\w+)|(?P<word>[A-Za-z_]\w*)"
    r"|(?P<sign>\.\.\.|&&|\|\||<<|>>|[!=<>]=|[-+&|^~!<>=(){}\[\],*])",
    re.ASCII,
)


class Source:
    """One text, and its tree; `place` says where in it a node begins."""

    def __init__(self, text: str, what: str) -> None:
        self.text = text
        self.what = what
        if not text.strip():
            raise ParseError(what, "is empty", hint="for example `openat`, or `openat(flags & O_CREAT)`")
        if len(text) > LONGEST:
            raise ParseError(what, f"has {len(text)} characters; at most {LONGEST} are read")
        python, self._places = self._spelled()
        self._python = python
        try:
            self.tree = ast.parse(python, mode="eval").body
        except SyntaxError as error:
            raise self.error((error.offset or 1) - 1, _in_our_words(error.msg)) from None
        except (RecursionError, MemoryError, ValueError):
            raise ParseError(what, "is nested too deeply") from None
        if _depth(self.tree) > DEEPEST:
            raise ParseError(what, f"is nested more than {DEEPEST} deep")

    def error(self, where: ast.AST | int, problem: str, *, hint: str = "") -> ParseError:
        """An error at a node, or at a character of the Python text."""
        if isinstance(where, ast.AST):
            where = len(self._python.encode()[: getattr(where, "col_offset", 0)].decode())
        place = self._places[min(max(where, 0), len(self._places) - 1)]
        return ParseError(f"{self.what}, character {place + 1}", f"{problem} in `{self._near(place)}`", hint=hint)

    def piece(self, node: ast.AST) -> str:
        """The text of a node, as it was written."""
        line = self._python.encode()
        first = len(line[: getattr(node, "col_offset", 0)].decode())
        last = len(line[: getattr(node, "end_col_offset", 0)].decode())
        return self.text[self._places[first] : self._places[max(first, last - 1)] + 1].strip()

    def _near(self, place: int) -> str:
        text = self.text
        if len(text) <= 60:
            return text
        first = max(0, place - 20)
        return ("…" if first else "") + text[first : place + 40] + ("…" if place + 40 < len(text) else "")

    def _spelled(self) -> tuple[str, list[int]]:
        """The text as Python spells it, and for each of its characters the place in ours."""
        pieces: list[str] = []
        places: list[int] = []
        at = 0
        while at < len(self.text):
            token = _TOKEN.match(self.text, at)
            if token is None:
                raise ParseError(
                    f"{self.what}, character {at + 1}", f"unexpected {self.text[at]!r} in `{self._near(at)}`"
                )
            kind, word = token.lastgroup, token[0]
            spelled = _spell(kind, word)
            pieces.append(spelled)
            lead = len(spelled) - len(spelled.lstrip()) if kind != "space" else 0
            places += [min(at + max(i - lead, 0), token.end() - 1) for i in range(len(spelled))]
            at = token.end()
        # Python refuses a text that begins with a space.
        lead = len("".join(pieces)) - len("".join(pieces).lstrip())
        return "".join(pieces)[lead:], [*places[lead:], len(self.text)]


def _spell(kind: str | None, word: str) -> str:
    if kind == "space":
        return " " * len(word)
    if kind == "number":
        octal = re.fullmatch("0[0-7]+", word)
        return f" {int(word, 8):#o} " if octal else f" {word} "
    if kind == "family":
        return FAMILY + word[1:].strip()
    if kind == "word":
        return RESERVED + word if keyword.iskeyword(word) and word not in _WORDS_OF_OURS else word
    if word == "*":
        return f" {ANY_CALL} "
    return {"&&": " and ", "||": " or ", "!": " not "}.get(word, word)


def unmarked(name: str) -> str:
    """A name as it was written."""
    return name.removeprefix(RESERVED)


def shown(number: int) -> str:
    """A number for a message, however long."""
    return f"{number:#x}" if number.bit_length() <= 128 else f"a number of {number.bit_length()} bits"


def _depth(tree: ast.AST) -> int:
    level, depth = [tree], 0
    while level:
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        depth += 1
    return depth


def _in_our_words(message: str) -> str:
    if "assign" in message or "'=='" in message:
        return "`=` gives an argument by name, inside a call's parentheses only; a comparison is `==`"
    message = message.partition(". ")[0].partition(" (")[0]
    return message[:1].lower() + message[1:] if message else "invalid syntax"
