"""Errors carry their facts, say them in one line, and survive the way between processes."""

from __future__ import annotations

import errno
import pickle

import pytest

from troth.errors import (
    BugError,
    EnforcementError,
    IncreaseError,
    ParseError,
    PathError,
    PledgeViolation,
    RequestError,
    TrothError,
    UnknownPromiseError,
    UnsupportedError,
)

ERRORS: list[tuple[TrothError, str]] = [
    (RequestError("no", hint="do"), "no"),
    (UnknownPromiseError("rpaht", known=["rpath"]), "unknown promise `rpaht`"),
    (IncreaseError("promises", asked=["inet"], held=["stdio"]), "promises cannot grow: `inet` was given up before"),
    (PathError("/a\nb", "r", "does not exist"), "unveil '/a\\nb': does not exist"),
    (ParseError("byte 8", "odd"), "byte 8: odd"),
    (UnsupportedError("unveil", needs="Landlock", have="none"), "unveil: needs Landlock; here: none"),
    (EnforcementError("seccomp", errno.EINVAL), "seccomp: Invalid argument; nothing is in force"),
    (EnforcementError("seccomp", 1, in_force=["landlock"]), "seccomp: Operation not permitted; in force: landlock"),
    (PledgeViolation("open", missing=["rpath"]), "open: needs promise `rpath`"),
    (PledgeViolation("mount", missing=[]), "mount: no promise allows it"),
    (BugError("odd"), "BUG(troth): odd; please report this"),
]


@pytest.mark.parametrize(("error", "message"), ERRORS, ids=[type(error).__name__ for error, _ in ERRORS])
def test_an_error_says_its_facts_in_one_line_and_survives_pickling(error: TrothError, message: str) -> None:
    assert str(error) == message
    assert "\n" not in message
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == message
    assert copy.__dict__ == error.__dict__
    assert getattr(copy, "errno", None) == getattr(error, "errno", None)


def test_errors_are_what_callers_without_troth_would_catch() -> None:
    assert isinstance(IncreaseError("x", asked=[], held=[]), PermissionError)
    assert IncreaseError("x", asked=[], held=[]).errno == errno.EPERM
    assert isinstance(RequestError("x"), ValueError)
    assert isinstance(EnforcementError("seccomp", 1), OSError)
    assert isinstance(PledgeViolation("open", missing=[]), PermissionError)
