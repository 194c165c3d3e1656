"""Promise strings."""

from __future__ import annotations

import pytest

from troth.errors import RequestError, UnknownPromiseError
from troth.promises._words import BIT, MEANINGLESS, WORDS
from troth.promises.parse import parse, words


def test_all_thirty_five_words_of_openbsd_are_known() -> None:
    openbsd = (
        "audio bpf chown cpath disklabel dns dpath drm error exec fattr flock getpw id inet mcast pf proc prot_exec ps "
        "recvfd route rpath sendfd settime stdio tape tty unix unveil video vminfo vmm wpath wroute"
    ).split()
    assert len(openbsd) == 35
    assert set(openbsd) <= set(WORDS)


@pytest.mark.parametrize("text", ["stdio rpath", "rpath stdio", "  stdio   rpath "])
def test_one_or_more_spaces_separate_words(text: str) -> None:
    assert words(parse(text)) == ("stdio", "rpath")


def test_words_may_come_as_a_list() -> None:
    assert parse(["stdio", "rpath"]) == parse("stdio rpath")


def test_an_empty_string_promises_everything_away() -> None:
    assert parse("") == 0


def test_an_unknown_word_is_shown_with_the_closest_promise() -> None:
    with pytest.raises(UnknownPromiseError) as caught:
        parse("stdio rpaht")
    assert str(caught.value) == "unknown promise `rpaht`"
    assert caught.value.hint == "the closest promise is `rpath`"


def test_a_word_given_twice_is_an_error() -> None:
    with pytest.raises(RequestError, match="`stdio` is given twice"):
        parse("stdio rpath stdio")


def test_tmppath_is_gone_as_in_openbsd_7_9() -> None:
    with pytest.raises(RequestError, match="`tmppath` does not exist") as caught:
        parse("stdio tmppath")
    assert "/tmp" in caught.value.hint


@pytest.mark.parametrize("bad", [3, None, ["stdio", 3], [b"stdio"]])
def test_what_is_not_text_is_refused(bad: object) -> None:
    with pytest.raises(RequestError):
        parse(bad)  # type: ignore[arg-type]  # what a caller without types may do


@pytest.mark.parametrize("text", ["stdio\nrpath", "stdio\trpath", "STDIO", "stdio,rpath", "\udcff"])
def test_only_spaces_separate_and_only_lower_case_counts(text: str) -> None:
    with pytest.raises(UnknownPromiseError):
        parse(text)


def test_words_without_a_meaning_here_grant_nothing() -> None:
    from troth.promises._paths import EVERYWHERE, FILES
    from troth.promises._table import ROWS

    assert [row for row in ROWS if row[1] & MEANINGLESS] == []
    assert [row for row in (*EVERYWHERE, *FILES) if isinstance(row[1], int) and row[1] & MEANINGLESS] == []
    assert [row for row in FILES if row[0] & MEANINGLESS] == []


def test_each_word_has_a_bit_of_its_own() -> None:
    assert len(set(BIT.values())) == len(WORDS)
