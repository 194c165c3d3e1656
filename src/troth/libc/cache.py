"""Where what was fetched, unpacked or worked out is kept: `$TROTH_CACHE`, else `~/.cache/troth`.

Everything there can be removed at any time, and is made again when it is needed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path


def cache_directory() -> Path:
    """The directory, which may not be there yet."""
    given = os.environ.get("TROTH_CACHE")
    return Path(given) if given else Path.home() / ".cache" / "troth"


@contextlib.contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Let one process at a time do what the lock file stands for; BlockingIOError when not to `wait`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield


@contextlib.contextmanager
def made_whole(target: Path) -> Iterator[Path | None]:
    """Make a directory that is there whole or not at all: gives one to fill, or None when another made it before.

    What an earlier try left half made is removed.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with locked(target.with_name(f"{target.name}.lock")):
        if target.exists():
            os.utime(target)  # somebody wants it still
            yield None
            return
        partial = target.with_name(f"{target.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(mode=0o755)
        try:
            yield partial
            os.utime(partial)  # what was unpacked may have given it a date of old, as of what nobody wants
            partial.rename(target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
