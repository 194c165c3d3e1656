"""Promise strings, as pledge(2) takes them."""

from __future__ import annotations

from troth.errors import RequestError, UnknownPromiseError
from troth.promises._words import BIT, REMOVED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def parse(promises: str | Iterable[str]) -> int:
    """Turn words, separated by spaces, into a set of promises (a bit mask).

    An empty string promises everything away.

    Raises:
        UnknownPromiseError: a word is not a promise.
        RequestError: a word is given twice, was removed from pledge(2), or is not text.
    """
    if isinstance(promises, str):
        given = promises.split(" ")
    else:
        try:
            given = list(promises)
        except TypeError:
            given = [promises]  # type: ignore[list-item]  # refused below, with its value
    mask = 0
    for word in given:
        if not isinstance(word, str):
            raise RequestError(f"a promise is a word, not {word!r}", hint='write pledge("stdio rpath")')
        if not word and isinstance(promises, str):
            continue  # one or more spaces separate words
        bit = BIT.get(word)
        if bit is None:
            if word in REMOVED:
                raise RequestError(f"promise `{word}` does not exist", hint=REMOVED[word])
            raise UnknownPromiseError(word, known=BIT)
        if mask & bit:
            raise RequestError(f"promise `{word}` is given twice", hint="name each promise once")
        mask |= bit
    return mask


def words(mask: int) -> tuple[str, ...]:
    """The words of a set of promises, in the order of the table.

    >>> words(parse("rpath stdio"))
    ('stdio', 'rpath')
    """
    return tuple(word for word, bit in BIT.items() if mask & bit)
