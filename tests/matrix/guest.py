"""Boot a kernel in an emulated machine, with the tests in its initramfs, and read what it tells.

Nothing of the host is touched and no root is needed: QEMU emulates the processor (no KVM), the initramfs is the only
file system, the serial line the only way out.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import shutil
import signal
import subprocess
import tempfile
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from matrix.init import MARK
from matrix.machines import Machine

# Quiet, because the console is the line that results come over; a panic (level 0) is still told, and ends QEMU.
_COMMAND_LINE: Final = (
    "loglevel=1 panic=-1 no_timer_check tsc=reliable mitigations=off nokaslr random.trust_cpu=on audit=0"
)
_MEMORY_MIB: Final = 2048
_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h
_libc = ctypes.CDLL(None)


class Test(NamedTuple):
    """What became of one test in a guest."""

    name: str
    user: str
    outcome: str
    why: str
    seconds: float


class Boot(NamedTuple):
    """What a guest told.

    `facts` are the guest's own (machine, python, libc), `doctors` what `troth doctor` said to each user, `tests` what
    became of the tests, `complaint` what kept the guest from telling everything ("" for nothing), `seconds` the wall
    time of QEMU, `console` everything on the serial line.
    """

    facts: dict[str, Any]
    doctors: dict[str, dict[str, Any]]
    tests: tuple[Test, ...]
    complaint: str
    seconds: float
    console: str


def boot(machine: Machine, kernel: Path, initrds: Sequence[Path], *, timeout: float) -> Boot:
    """Run a guest until it powers off, or for `timeout` seconds at most.

    Raises FileNotFoundError when QEMU is not installed.
    """
    with tempfile.TemporaryDirectory(prefix="troth-guest-") as scratch:
        initrd = f"{scratch}/initrd"
        with open(initrd, "wb") as out:
            for part in initrds:
                with open(part, "rb") as stream:
                    shutil.copyfileobj(stream, out)
        command = [*machine.qemu, "-accel", "tcg", "-m", str(_MEMORY_MIB), "-smp", "1"]
        command += ["-nodefaults", "-no-user-config", "-nographic", "-serial", "stdio", "-no-reboot"]
        command += ["-kernel", str(kernel), "-initrd", initrd, "-append", f"console={machine.console} {_COMMAND_LINE}"]
        started = time.monotonic()
        with open(f"{scratch}/console", "w+b") as console:
            late = ""
            try:
                subprocess.run(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=console,
                    stderr=subprocess.STDOUT,
                    timeout=timeout,
                    check=False,
                    preexec_fn=_modest,
                )
            except subprocess.TimeoutExpired:
                late = f"not done after {timeout:.0f} s"
            console.seek(0)
            text = console.read().decode(errors="replace").replace("\r", "")
        return read(text, late, time.monotonic() - started)


def die_with_parent() -> None:
    """In a child: end when the thread that started it does."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _modest() -> None:
    """Let what a person does meanwhile go first, end with the tests, and leave no core file."""
    os.nice(5)
    die_with_parent()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def read(console: str, late: str, seconds: float) -> Boot:
    """Understand what a guest wrote on its serial line."""
    records, spoilt = [], 0
    for line in console.splitlines():
        _, mark, rest = line.partition(MARK + " ")
        if mark:
            total, _, text = rest.partition(" ")
            if total == f"{zlib.crc32(text.encode()):08x}":
                records.append(json.loads(text))
            else:
                spoilt += 1
    tests = tuple(
        Test(r["test"], r["user"], r["outcome"], r["why"], float(r["seconds"])) for r in records if "test" in r
    )
    complaints = [late] if late else []
    complaints += [f"{spoilt} lines arrived damaged"] if spoilt else []
    complaints += [f"the session of {r['died']} ended with status {r['status']}" for r in records if "died" in r]
    if not any("done" in r for r in records):
        complaints.append("the guest did not finish; its last words:\n" + console[-3000:])
    return Boot(
        facts=next((r for r in records if "up" in r), {}),
        doctors={r["user"]: r["doctor"] for r in records if "doctor" in r},
        tests=tests,
        complaint="; ".join(complaints),
        seconds=seconds,
        console=console,
    )
