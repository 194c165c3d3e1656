"""How an operation fails: with an errno, as libseccomp's functions do."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import ParamSpec, TypeVar

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

    def telling(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return operation(*args, **kwargs)
        except LibraryError as error:
            raise error.as_runtime_error() from error.__cause__

    # What functools.wraps does, whose import takes longer than that of all this.
    telling.__name__, telling.__qualname__, telling.__doc__ = (
        operation.__name__,
        operation.__qualname__,
        operation.__doc__,
    )
    telling.__wrapped__ = operation  # type: ignore[attr-defined]  # what inspect and help() look at
    return telling
