"""Make the roots of the libc matrix in a process of its own, while tests that need none run: fetching them takes minutes.

Who needs a root that is being made waits for it. What cannot be fetched is told by the test that needs it.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from matrix import roots
from matrix.guest import die_with_parent
from matrix.libc_programs import packages_of

from tools.debroot import FetchError

_NICE: Final = 5
_TESTS: Final = Path(__file__).resolve().parent.parent


def start() -> subprocess.Popen[bytes]:
    """Start the process; it ends when all is made, and with the tests."""
    path = os.pathsep.join((str(_TESTS), str(_TESTS.parent)))
    return subprocess.Popen(
        [sys.executable, "-m", "matrix.ahead"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": path},
        preexec_fn=die_with_parent,
    )


def main() -> None:
    """Make them, in the order in which they are asked for."""
    os.nice(_NICE)
    for libc in (*roots.GLIBCS, roots.I386, *roots.MUSLS):
        with contextlib.suppress(FetchError):
            roots.root_of(libc, packages_of(libc) if libc.name == "glibc" else ())


if __name__ == "__main__":
    main()
