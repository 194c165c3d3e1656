"""The command line: `troth VERB`, one module a verb, loaded when it is used.

`run` is what people wait for, so it is parsed by hand and loads no click, unless there is help to
print or a mistake to explain. What goes wrong is told in the same words for all verbs, here.
"""

from __future__ import annotations

import gc
import os
import sys

from troth.errors import BugError, RequestError, TrothError, UnsupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import NoReturn

USAGE = 2
UNSUPPORTED = 3
BUG = 70
FAILED = 125  # as env(1): troth itself could not do it
INTERRUPTED = 130


def main() -> NoReturn:
    """Run the command line of this process, and end it."""
    gc.disable()  # there is no garbage yet; a loop that makes some turns it on again
    status = call(lambda: dispatch(sys.argv[1:]))
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except OSError:  # nobody reads any more
        status = status or FAILED
    # Nothing here needs taking apart, and not doing it saves a tenth of the whole run.
    os._exit(status)


def dispatch(args: Sequence[str]) -> int:
    """Run one command line; gives its exit status.

    Raises:
        TrothError: it cannot be done.
    """
    if args and args[0] == "run":
        from troth.cli import run

        options = run.parse(args[1:])
        if options is not None:
            return run.run(options)
    from troth.cli.app import invoke

    return invoke(args)


def call(work: Callable[[], int]) -> int:
    """Do some work and give its exit status; what goes wrong is told on standard error."""
    try:
        return work()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BugError as error:
        complain(str(error))
        return BUG
    except UnsupportedError as error:
        complain(str(error), error.hint.replace("allow_degraded=True", "`--allow-degraded`"))
        return UNSUPPORTED
    except RequestError as error:
        complain(str(error), error.hint)
        return USAGE
    except TrothError as error:
        complain(str(error), error.hint)
        return int(getattr(error, "status", FAILED))
    except ModuleNotFoundError as error:
        if error.name not in ("click", "msgspec", "rich"):
            raise
        complain(f"this command needs {error.name}", f"pip install {error.name}; `troth run` works without it")
        return FAILED
    except OSError as error:
        complain(f"{error.strerror or error}".lower())
        return FAILED
    except Exception as error:
        import traceback

        say("".join(traceback.format_exception(error)).rstrip())
        complain(f"BUG(troth): {type(error).__name__}: {error}; please report this")
        return BUG


def complain(problem: str, hint: str = "") -> None:
    """Tell what is wrong, and what to do about it if that is known."""
    say(f"troth: error: {problem}")
    if hint:
        say(f"hint: {hint}")


def say(line: str) -> None:
    """Write a line to standard error, whatever it is made of, and whether or not anybody listens."""
    data = (line + "\n").encode(getattr(sys.stderr, "encoding", None) or "utf-8", "backslashreplace")
    try:
        while data:
            data = data[os.write(2, data) :]
    except OSError:
        pass
