"""How an operation fails: with an errno, as libseccomp's functions do."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")


class LibraryError(Exception):
    """An operation that changed nothing; `errno` is positive, `why` says what was wrong with which value."""

    def __init__(self, errno: int, why: str) -> None:
        self.errno = errno
        self.why = why
        super().__init__(errno, why)

    def as_runtime_error(self) -> RuntimeError:
        """The error that the binding raises, word for word; the reason is a note to it."""
        error = RuntimeError(f"Library error (errno = {-self.errno})")
        error.add_note(self.why)
        return error

    def as_value_error(self, message: str) -> ValueError:
        """The error that the binding raises for EINVAL in some places."""
        error = ValueError(message)
        error.add_note(self.why)
        return error


def told(operation: Callable[P, T]) -> Callable[P, T]:
    """Let a function of the binding raise its errors as the binding does."""

    @wraps(operation)
    def telling(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return operation(*args, **kwargs)
        except LibraryError as error:
            raise error.as_runtime_error() from error.__cause__

    return telling
