"""Find the program that a command names, as execvp(3) does, and say what is wrong when there is none."""

from __future__ import annotations

import errno
import os
import stat

from troth.errors import TrothError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final

NOT_FOUND: Final = 127  # the exit statuses of env(1)
NOT_EXECUTABLE: Final = 126


class ProgramError(TrothError):
    """There is no such program, or it cannot be executed; nothing was started.

    `errno` is what execve(2) said or would say, `status` the exit status for it.
    """

    def __init__(self, message: str, error: int, *, hint: str = "") -> None:
        self.errno = error
        self.status = NOT_FOUND if error == errno.ENOENT else NOT_EXECUTABLE
        self.hint = hint
        super().__init__(message)


def find_program(name: str, env: Mapping[bytes, bytes]) -> str:
    """Give the path of the program that `name` is: itself if it has a slash, else the first in PATH.

    Raises:
        ProgramError: there is none, or none that may be executed.
    """
    if not name:
        raise ProgramError("no program: its name is empty", errno.ENOENT)
    if "/" in name:
        problem = _problem(name)
        if problem:
            raise cannot_run(name, problem)
        return name
    path = os.fsdecode(env.get(b"PATH", os.fsencode(os.defpath)))
    denied = ""
    for directory in path.split(os.pathsep):
        candidate = os.path.join(directory or ".", name)
        problem = _problem(candidate)
        if not problem:
            return candidate
        if problem == errno.EACCES:
            denied = denied or candidate
    if denied:
        raise cannot_run(denied, errno.EACCES)
    raise ProgramError(f"no program {name!r} in PATH", errno.ENOENT, hint=f"PATH is {path!r}")


def _problem(path: str) -> int:
    """Why a path is no program: an errno, or 0."""
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        # execvp(3) goes on after these as after a missing file.
        return (
            errno.ENOENT
            if error.errno in (errno.ENOTDIR, errno.ESTALE, errno.ENODEV, errno.ETIMEDOUT)
            else error.errno or 0
        )
    except ValueError:  # a NUL byte
        return errno.ENOENT
    if not stat.S_ISREG(mode) or not os.access(path, os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        return errno.EACCES
    return 0


def cannot_run(path: str, error: int) -> ProgramError:
    """The error for a path that execve(2) refuses with this errno."""
    if os.path.isdir(path):
        return ProgramError(f"{path!r} is a directory", errno.EACCES)
    if error == errno.ENOENT:
        if os.path.exists(path):
            return ProgramError(f"{path!r} cannot start: what it names as its interpreter or loader is missing", error)
        return ProgramError(f"no program {path!r}", error)
    if error == errno.EACCES:
        if not os.path.exists(path):
            return ProgramError(f"{path!r} cannot be reached: permission denied", error)
        hint = (
            ""
            if os.access(path, os.X_OK)
            else f"`chmod +x {path}` would make it so"
            if os.access(path, os.W_OK)
            else ""
        )
        return ProgramError(f"{path!r} is not executable", error, hint=hint)
    return ProgramError(f"{path!r} cannot be executed: {os.strerror(error).lower()}", error)
