"""What troth raises.

TrothError
├── RequestError (ValueError)            the caller asked for something that has no meaning
│   ├── UnknownPromiseError              a word that is not a promise
│   ├── IncreaseError (PermissionError)  promises or paths wider than those already given up
│   ├── PathError                        an unveil path or permission that cannot be used
│   └── ParseError                       a document that is not what its format says
├── UnsupportedError                     the kernel cannot enforce what was asked; nothing was done
├── EnforcementError (OSError)           the kernel refused a step; says what is in force already
├── PledgeViolation (PermissionError)    the program did what it had promised not to
└── BugError                             troth is wrong; please report

Every error carries its facts as fields and derives the message from them; `hint`, when not
empty, says what to do. `str(error)` is one line, without the hint.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def nearest(word: str, known: Iterable[str], what: str = "") -> str:
    """Hint at the known word that is closest to an unknown one; empty when none is near.

    >>> nearest("opennat", ["open", "openat"], "system call")
    'the closest system call is `openat`'
    """
    close = closest(word, known)
    return f"the closest {what and f'{what} '}is `{close}`" if close else ""


def closest(word: str, known: Iterable[str]) -> str:
    """The known word that is closest to an unknown one; empty when none is near."""
    import difflib  # slow to import, and only a mistake needs it

    return "".join(difflib.get_close_matches(word[:60], list(known), n=1))


class TrothError(Exception):
    """Base of everything that troth raises on purpose."""

    hint: str = ""

    def __reduce__(self) -> tuple[object, ...]:
        # Errors cross process boundaries; their constructors take facts, not the message that pickle has.
        facts = dict(self.__dict__)
        if isinstance(self, OSError):
            facts["errno"] = self.errno
        return (_restore, (type(self), self.args, facts))


def _restore(kind: type[TrothError], args: tuple[object, ...], facts: dict[str, object]) -> TrothError:
    error: TrothError
    if issubclass(kind, OSError):
        system = OSError.__new__(kind, *args)
        OSError.__init__(system, *args)
        system.errno = facts.pop("errno")  # type: ignore[assignment]  # an int, put there by __reduce__
        error = system
    else:
        error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(facts)
    return error


class RequestError(TrothError, ValueError):
    """A request that has no meaning, whatever the kernel; nothing was changed."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UnknownPromiseError(RequestError):
    """A word given to pledge() is not a promise.

    `word` is what was given; `close` is the nearest promise, or empty.
    """

    def __init__(self, word: str, *, known: Iterable[str]) -> None:
        self.word = word
        self.close = closest(word, known)
        hint = f"the closest promise is `{self.close}`" if self.close else ""
        super().__init__(f"unknown promise `{word}`", hint=hint)


class IncreaseError(RequestError, PermissionError):
    """Something wider was asked for than what is still held (EPERM in pledge(2))."""

    def __init__(self, what: str, *, asked: Sequence[str], held: Sequence[str], hint: str = "") -> None:
        self.asked = tuple(asked)
        self.held = tuple(held)
        words = " ".join(asked)
        super().__init__(f"{what} cannot grow: `{words}` was given up before", hint=hint)
        self.errno = 1  # EPERM, as pledge(2) answers


class PathError(RequestError):
    """An unveil path or its permissions cannot be used; `path` and `permissions` as given."""

    def __init__(self, path: str, permissions: str, problem: str, *, hint: str = "") -> None:
        self.path = path
        self.permissions = permissions
        self.problem = problem
        super().__init__(f"unveil {path!r}: {problem}", hint=hint)


class ParseError(RequestError):
    """A document is not what its format says; `where` is the path or position of the fault."""

    def __init__(self, where: str, problem: str, *, hint: str = "") -> None:
        self.where = where
        self.problem = problem
        super().__init__(f"{where}: {problem}", hint=hint)


class UnsupportedError(TrothError):
    """This kernel cannot enforce what was asked. Nothing was enforced.

    `feature` is what is missing, `needs` what would have it, `have` what was found.
    """

    def __init__(self, feature: str, *, needs: str, have: str, hint: str = "") -> None:
        self.feature = feature
        self.needs = needs
        self.have = have
        self.hint = hint
        super().__init__(f"{feature}: needs {needs}; here: {have}")


class EnforcementError(TrothError, OSError):
    """The kernel refused a step of the enforcement.

    `call` is the system call, `errno` its answer, `in_force` what was already irrevocably
    enforced when it failed (empty when nothing was).
    """

    def __init__(self, call: str, errno: int, *, in_force: Sequence[str] = (), hint: str = "") -> None:
        import os

        self.call = call
        self.in_force = tuple(in_force)
        self.hint = hint
        state = f"in force: {', '.join(in_force)}" if in_force else "nothing is in force"
        OSError.__init__(self, errno, f"{call}: {os.strerror(errno)}; {state}")

    def __str__(self) -> str:
        return str(self.args[1])


class PledgeViolation(TrothError, PermissionError):
    """The program tried what it had promised not to do; the kernel would have refused.

    `operation` is what was tried, `missing` the promises that would have allowed it.
    """

    def __init__(self, operation: str, *, missing: Sequence[str], hint: str = "") -> None:
        self.operation = operation
        self.missing = tuple(missing)
        self.hint = hint
        promise = "` or `".join(missing)
        needs = f"needs promise `{promise}`" if missing else "no promise allows it"
        PermissionError.__init__(self, 1, f"{operation}: {needs}")

    def __str__(self) -> str:
        return str(self.args[1])


class BugError(TrothError):
    """Something that cannot happen, happened."""

    def __init__(self, message: str) -> None:
        super().__init__(f"BUG(troth): {message}; please report this")
