"""The process that `troth.run` puts between itself and the program.

A fork of the caller would be cheaper, but the caller may have threads, whose locks a fork leaves as
they are. So the program is started by a fresh interpreter, which gets its orders through one pipe and
tells through another how it went; standard files, limits, groups and directories it simply inherits.
When it is killed, the program is too, and when the program dies of a signal, so does it.
"""

from __future__ import annotations

import gc
import marshal
import os

from troth.errors import BugError, TrothError
from troth.kernel import process
from troth.sandbox.front import Order, start
from troth.sandbox.signals import SIGKILL, Signals, default
from troth.sandbox.supervise import supervise

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final, NoReturn


_FAILED: Final = 125


def main(orders: int, answers: int) -> NoReturn:
    """Read an order, start the program, report, stay until it ends, and end as it did."""
    status = _FAILED << 8
    answered = False
    try:
        os.set_inheritable(orders, False)
        os.set_inheritable(answers, False)
        with open(orders, "rb") as pipe:
            wanted = Order(*marshal.load(pipe))
        gc.disable()
        with Signals() as signals:
            started = start(wanted, signals, dies_with_us=True)
            features = [(feature.name, feature.needs, feature.have) for feature in started.missing]
            tell(answers, b"s" + marshal.dumps((list(started.notes), features)))
            answered = True
            gc.enable()
            status = supervise(started.child, signals, missing=started.why, report=say)
    except Exception as error:
        if answered:
            say(f"troth: error: {error}")
        else:
            tell(answers, b"e" + pickled(error if isinstance(error, TrothError) else _bug(error)))
    if status & 0x7F:
        die_of(status & 0x7F)
    os._exit(status >> 8)


def _bug(error: Exception) -> BugError:
    return BugError(f"{type(error).__name__}: {error}")


def pickled(error: Exception) -> bytes:
    """An exception as bytes."""
    import pickle

    return pickle.dumps(error)


def tell(answers: int, data: bytes) -> None:
    """Say how the start went, once; the pipe's end tells that all is said."""
    try:
        while data:
            data = data[os.write(answers, data) :]
        os.close(answers)
    except OSError:  # nobody waits for it any more
        pass


def say(line: str) -> None:
    """A violation, on standard error, which is what the caller made it."""
    try:
        os.write(2, (line + "\n").encode("utf-8", "backslashreplace"))
    except OSError:
        pass


def die_of(signum: int) -> None:
    """End by the signal that ended the program, without leaving a second core file."""
    try:
        process.set_dumpable(dumpable=False)
        if signum != SIGKILL:
            default(signum)
        os.kill(os.getpid(), signum)
    except (TrothError, OSError, ValueError):
        pass
