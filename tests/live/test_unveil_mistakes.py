"""unveil() of what cannot be unveiled: one clear message, and nothing is in force."""

from __future__ import annotations

import os

import pytest
from children import in_child

import troth
from troth.errors import PathError, RequestError

BAD: list[tuple[str, str, str]] = [
    ("relative", "r", "is not an absolute path"),
    ("", "r", "is empty"),
    ("/no/such/path", "r", "does not exist"),
    ("/etc", "rq", "unknown permission `q`"),
    ("/etc", "rr", "given twice"),
    ("/etc/passwd/below", "r", "not a directory"),
    ("/a\0b", "r", "NUL"),
]


@pytest.mark.parametrize(("path", "permissions", "message"), BAD, ids=[row[2] for row in BAD])
def test_a_bad_unveil_says_what_is_wrong_and_changes_nothing(path: str, permissions: str, message: str) -> None:
    def work() -> str:
        with pytest.raises(PathError, match=message) as caught:
            troth.unveil(path, permissions)
        assert path in str(caught.value) or repr(path)[1:-1] in str(caught.value)
        os.close(os.open("/etc/passwd", os.O_RDONLY))
        return "ok"

    assert in_child(work) == "ok"


def test_one_none_is_a_mistake() -> None:
    with pytest.raises(RequestError, match="None twice"):
        troth.unveil("/etc", None)
    with pytest.raises(RequestError, match="None twice"):
        troth.unveil(None, "r")
