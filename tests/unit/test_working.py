"""Who waits at a terminal is told that there is work; nobody else is."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

WORK = (
    "import sys, time; from troth.cli.working import Working\nwith Working('proving'): time.sleep(float(sys.argv[1]))"
)


DOWNLOAD = WORK.replace("Working('proving'):", "Working('proving') as told: told(45.4, 'Retrieving file 1 of 3');")


def told(seconds: float, work: str = WORK) -> bytes:
    """What a terminal on standard error gets."""
    master, slave = pty.openpty()
    try:
        env = os.environ | {"TERM": "xterm"}
        subprocess.run([sys.executable, "-c", work, str(seconds)], stderr=slave, env=env, check=True)
        os.set_blocking(master, False)
        try:
            return os.read(master, 65536)
        except BlockingIOError:
            return b""
    finally:
        os.close(slave)
        os.close(master)


def test_work_that_takes_long_is_told_at_a_terminal() -> None:
    assert b"proving" in told(2)


def test_how_much_is_done_is_told_at_a_terminal() -> None:
    assert b"proving: retrieving file 1 of 3, 45 %" in told(4, DOWNLOAD)


def test_what_looks_like_colours_is_told_as_it_is() -> None:
    assert b"proving a[/b][red].json" in told(4, WORK.replace("proving", "proving a[/b][red].json"))


def test_work_that_is_done_at_once_is_not_told() -> None:
    assert told(0) == b""
    assert told(0, DOWNLOAD) == b""


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_is_told_where_standard_error_is_no_terminal(fails: bool) -> None:
    work = WORK.replace("time.sleep(float(sys.argv[1]))", "1 / 0") if fails else WORK
    done = subprocess.run([sys.executable, "-c", work, "1"], capture_output=True, check=False)
    assert b"proving" not in done.stderr.replace(b"Working('proving')", b"")
    assert done.returncode == (1 if fails else 0)
