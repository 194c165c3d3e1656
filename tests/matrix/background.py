"""Boot guests in a process of its own, which goes on while other tests run.

A process, because those tests fork, which a process with threads must not do lightly; with less priority than theirs.
What a guest told, or why it did not boot, is a file in a directory; the process ends when all have, and with the tests.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from matrix.fleet import Absent, Fleet
from matrix.guest import Boot, Test, die_with_parent
from matrix.kernels import GUESTS, Guest

_AT_ONCE: Final = 2
_NICE: Final = 5
_TESTS: Final = Path(__file__).resolve().parent.parent


class Boots:
    """The process, from its start to its end, and what each guest told until now."""

    def __init__(self, guests: Iterable[Guest], *, everything: bool) -> None:
        self.guests = tuple(guests)
        self._directory = tempfile.mkdtemp(prefix="troth-boots-")
        self._log = Path(self._directory, "log")
        command = [sys.executable, "-m", "matrix.background", self._directory, "all" if everything else "everyday"]
        path = os.pathsep.join((str(_TESTS), str(_TESTS.parent)))
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*command, *(guest.name for guest in self.guests)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": path},
                preexec_fn=die_with_parent,
            )

    def wait(self, guest: Guest) -> Boot:
        """What a guest told, once it has.

        Raises:
            Absent: something that it is made of cannot be had here.
            RuntimeError: the process ended without a word on it.
        """
        answer = Path(self._directory, f"{guest.name}.json")
        while not answer.exists():
            if self._process.poll() is not None and not answer.exists():
                raise RuntimeError(f"{guest.name} was not booted:\n{self._log.read_text()[-3000:]}")
            time.sleep(0.2)
        told = json.loads(answer.read_text())
        if why := told.get("absent"):
            raise Absent(why)
        if why := told.get("error"):
            raise RuntimeError(why)
        return Boot(**told["boot"] | {"tests": tuple(Test(*test) for test in told["boot"]["tests"])})

    def end(self) -> None:
        """Stop what still runs, machines too, and forget what was told."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        self._process.wait()
        shutil.rmtree(self._directory, ignore_errors=True)


def _boot(fleet: Fleet, guest: Guest, directory: Path, *, everything: bool) -> None:
    told: dict[str, object]
    try:
        told = {"boot": fleet.boot(guest, everything=everything)._asdict()}
    except Absent as error:
        told = {"absent": str(error)}
    except Exception:
        told = {"error": traceback.format_exc()}
    fresh = directory / f"{guest.name}.fresh"
    fresh.write_text(json.dumps(told))
    fresh.rename(directory / f"{guest.name}.json")


def main() -> None:
    """Boot the guests of the command line: the directory, `all` or `everyday` tests, names."""
    directory, which, *names = sys.argv[1:]
    os.nice(_NICE)
    fleet = Fleet()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for name in names:
            pool.submit(_boot, fleet, GUESTS[name], Path(directory), everything=which == "all")


if __name__ == "__main__":
    main()
