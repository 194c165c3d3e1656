#!/usr/bin/python3
"""The first process of a guest: mount what programs expect, run the tests as root and as nobody, tell, power off.

What is to be done is in /troth/plan.json (`guest.Plan`); what came out goes to the console, a line of JSON for each
test, marked and summed so that a line that a message of the kernel was written into is not believed.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import platform
import socket
import struct
import subprocess
import sys
import time
import traceback
import zlib
from collections.abc import Callable
from typing import Any

MARK = "@@troth"
PROJECT = "/troth"
NOBODY = 65534

_MOUNTS = (
    ("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev"), ("devpts", "/dev/pts"), ("tmpfs", "/dev/shm"),
    ("tmpfs", "/tmp"), ("tmpfs", "/run"), ("securityfs", "/sys/kernel/security"),
)  # fmt: skip
_FILES = {
    "/etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/sh\n",
    "/etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "/etc/hosts": "127.0.0.1 localhost\n",
    "/etc/hostname": "guest\n",
    "/etc/shadow": "root:*:20000:0:99999:7:::\n",
}
_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
    "TERM": "dumb",
}
_REBOOT_MAGIC = (0xFEE1DEAD, 672274793)
_POWER_OFF = 0x4321FEDC  # linux/reboot.h
_SIOCSIFFLAGS, _IFF_UP_RUNNING = 0x8914, 0x41


def line(record: dict[str, Any]) -> str:
    """One record as it goes over the console."""
    text = json.dumps(record)
    return f"{MARK} {zlib.crc32(text.encode()):08x} {text}"


def mount(kind: str, where: str) -> None:
    """Mount a file system of the kernel's own."""
    libc = ctypes.CDLL(None, use_errno=True)
    os.makedirs(where, exist_ok=True)
    if libc.mount(kind.encode(), where.encode(), kind.encode(), 0, None):
        raise OSError(ctypes.get_errno(), f"mount {kind}", where)


def furnish() -> None:
    """Mount, raise the loopback interface, and write the few files of /etc that a package's scripts would have."""
    for kind, where in _MOUNTS:
        mount(kind, where)
    for name, target in (("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        with contextlib.suppress(FileExistsError):
            os.symlink(target, f"/dev/{name}")
    os.chmod("/tmp", 0o1777)
    os.chmod("/dev/shm", 0o1777)
    for path, text in _FILES.items():
        with open(path, "w") as stream:
            stream.write(text)
    os.chmod("/etc/shadow", 0o600)
    for path in ("/usr/share/zoneinfo", "/usr/lib/locale"):  # what libc opens files in, which no package was asked for
        os.makedirs(path, exist_ok=True)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as raised:
        fcntl.ioctl(raised, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP_RUNNING))
    os.environ.clear()
    os.environ.update(_ENVIRONMENT)


class Reporter:
    """A plugin of pytest: tells what became of each test as soon as it is known."""

    def __init__(self, user: str, tell: Callable[[dict[str, Any]], None]) -> None:
        self._user = user
        self._tell = tell

    def pytest_collection_modifyitems(self, config: Any, items: list[Any]) -> None:
        """Nobody cannot become nobody: leave out the variants that would be the same test again."""
        if self._user != "root":
            again = [
                item for item in items if getattr(item, "callspec", None) and item.callspec.params.get("unprivileged")
            ]
            items[:] = [item for item in items if item not in again]
            config.hook.pytest_deselected(items=again)

    def pytest_collectreport(self, report: Any) -> None:
        """Tell of files that cannot be read."""
        if report.failed or report.skipped:
            self._report(report, "failed" if report.failed else "skipped", 0.0)

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Tell of a test that ran, or of a part of one that did not go well."""
        if report.when == "call" or report.outcome != "passed":
            self._report(report, report.outcome, report.duration)

    def _report(self, report: Any, outcome: str, seconds: float) -> None:
        why = ""
        if outcome == "skipped":
            why = (
                report.longrepr[2].removeprefix("Skipped: ")
                if isinstance(report.longrepr, tuple)
                else str(report.longrepr)
            )
        elif outcome != "passed":
            why = report.longreprtext[-3000:]
        record = {
            "test": report.nodeid,
            "user": self._user,
            "outcome": outcome,
            "why": why,
            "seconds": round(seconds, 2),
        }
        self._tell(record)


def as_user(user: str, work: Callable[[], int]) -> int:
    """Do something in a child, reap whatever is orphaned meanwhile, and give the child's exit status."""
    child = os.fork()
    if child == 0:
        status = 70
        try:
            os.setsid()
            if user == "nobody":
                os.environ["HOME"] = "/nonexistent"
                os.setgroups([])
                os.setresgid(NOBODY, NOBODY, NOBODY)
                os.setresuid(NOBODY, NOBODY, NOBODY)
                # As after the execve(2) that an unprivileged program comes from.
                ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE
            status = work()
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    while True:
        pid, status = os.wait()
        if pid == child:
            return os.waitstatus_to_exitcode(status)


def doctor() -> dict[str, Any]:
    """What `troth doctor` says here."""
    done = subprocess.run(
        [sys.executable, "-m", "troth", "doctor", "--format", "json"], capture_output=True, text=True, check=False
    )
    try:
        report = json.loads(done.stdout)
    except ValueError:
        report = {"error": done.stdout + done.stderr}
    return {**report, "status": done.returncode}


def main() -> None:
    """Carry out the plan."""
    furnish()
    console = os.dup(1)

    def tell(record: dict[str, Any]) -> None:
        data = (line(record) + "\n").encode()
        while data:
            data = data[os.write(console, data) :]

    with open(f"{PROJECT}/plan.json") as stream:
        plan = json.load(stream)
    os.chdir(PROJECT)
    os.environ.update(plan["environment"])
    libc = "-".join(platform.libc_ver())
    tell({"up": time.monotonic(), "machine": os.uname().machine, "python": platform.python_version(), "libc": libc})
    if root := plan["environment"].get("TROTH_TEST_ROOT"):  # another Debian, which has no mounts yet
        for kind, where in _MOUNTS:
            if where in ("/proc", "/dev", "/tmp"):
                mount(kind, root + where)
        os.chmod(f"{root}/tmp", 0o1777)
    for user, arguments in plan["sessions"]:

        def session(user: str = user, arguments: list[str] = arguments) -> int:
            import pytest

            tell({"doctor": doctor(), "user": user})
            status = int(pytest.main(arguments, plugins=[Reporter(user, tell)]))
            tell({"ended": user, "status": status, "seconds": round(time.monotonic(), 2)})
            return 0

        if status := as_user(user, session):
            tell({"died": user, "status": status})
    tell({"done": True})


if __name__ == "__main__":
    try:
        main()
    except BaseException:
        traceback.print_exc()
    os.sync()
    ctypes.CDLL(None).reboot(_POWER_OFF)
