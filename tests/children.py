"""Run code in a forked child, because what a sandbox does to a process cannot be undone.

`in_child(f)` gives what `f` returned, or raises what it raised; a child that dies of a signal
raises `Died`. The child may become an unprivileged user first, because that is who uses troth.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
NOBODY = 65534


class Died(Exception):
    """The child was ended by a signal."""

    def __init__(self, signum: int) -> None:
        self.signum = signum
        super().__init__(f"child died of {signal.Signals(signum).name}")


class Raised(Exception):
    """The child raised something that cannot be pickled; the text is its traceback."""


def become_nobody() -> None:
    """Give up root for good; without root there is nothing to give up."""
    if os.getuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)


def in_child(work: Callable[[], T], *, unprivileged: bool = False) -> T:
    """Run `work` in a forked child and hand over its result or its exception."""
    back, there = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(back)
            if unprivileged:
                become_nobody()
            try:
                answer: tuple[bool, object] = (True, work())
            except BaseException as error:
                traceback.clear_frames(error.__traceback__)
                answer = (False, error)
            try:
                data = pickle.dumps(answer)
                pickle.loads(data)
            except Exception:
                data = pickle.dumps((False, Raised(repr(answer[1]))))
            while data:
                data = data[os.write(there, data) :]
            status = 0
        finally:
            os._exit(status)
    os.close(there)
    with os.fdopen(back, "rb") as pipe:
        data = pipe.read()
    _, wait_status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(wait_status):
        raise Died(os.WTERMSIG(wait_status))
    good, value = pickle.loads(data)
    if good:
        return value  # type: ignore[no-any-return]  # the child's own result, pickled
    raise value
