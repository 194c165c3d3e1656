#!/usr/bin/env python3
"""The demonstration in Python: deny open(2), then open a file all the same.

    python examples/fragile/fragile.py                   behind a filter that answers EPERM to open(2)
    python examples/fragile/fragile.py --pledge WORDS    pledged to these promises instead

Prints for each way whether it worked. Nothing in it calls open(2) by itself: which system call it is, the interpreter's
C library decides.
"""

from __future__ import annotations

import argparse
import errno
import os
import struct
import sys
import tempfile
from collections.abc import Callable

import troth
from troth import abi
from troth.kernel import process, seccomp

LD_W_ABS, JEQ_K, RET_K = 0x20, 0x15, 0x06  # linux/bpf_common.h
RET_ERRNO, RET_ALLOW, RET_KILL_PROCESS = 0x00050000, 0x7FFF0000, 0x80000000  # linux/seccomp.h
NR, ARCH = 0, 4  # struct seccomp_data


def deny_open() -> None:
    """The filter that anybody might write: open(2) fails with EPERM, everything else is allowed.

    Raises:
        SystemExit: this architecture has no open(2): there is nothing to deny, and nothing is denied.
    """
    native = abi.native()
    number = abi.numbers(native.name).get("open")
    if number is None:
        sys.exit(f"fragile: {native.name} has no system call `open`: the filter would deny nothing")
    program = (
        (LD_W_ABS, 0, 0, ARCH),
        (JEQ_K, 1, 0, native.audit),
        (RET_K, 0, 0, RET_KILL_PROCESS),
        (LD_W_ABS, 0, 0, NR),
        (JEQ_K, 0, 1, number),
        (RET_K, 0, 0, RET_ERRNO | errno.EPERM),
        (RET_K, 0, 0, RET_ALLOW),
    )
    process.set_no_new_privs()
    seccomp.set_mode_filter(b"".join(struct.pack("HBBI", *instruction) for instruction in program))


def main() -> int:
    """Confine this process, try each way, print how it went."""
    parser = argparse.ArgumentParser(description="Deny open(2), then open a file all the same.")
    parser.add_argument("--pledge", metavar="WORDS", help="pledge to these promises instead of the filter")
    promises = parser.parse_args().pledge
    with tempfile.TemporaryDirectory() as directory:
        pid = os.fork()  # the child is confined, the parent has to clean up
        if not pid:
            os._exit(try_all(directory, promises))
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def try_all(directory: str, promises: str | None) -> int:
    """Try each way to open something in a directory, behind the filter or pledged."""
    file = os.path.join(directory, "file")
    with open(file, "w") as stream:
        stream.write("content\n")
    if promises is None:
        deny_open()
    else:
        troth.pledge(promises, violation="errno")
    ways: dict[str, Callable[[], object]] = {
        "open": lambda: open(file).close(),
        "os.open": lambda: os.open(file, os.O_RDONLY),
        "os.listdir": lambda: os.listdir(directory),
        "open for writing": lambda: open(os.path.join(directory, "new"), "w").close(),
        "tempfile": lambda: tempfile.TemporaryFile(dir=directory).close(),
    }
    for name, way in ways.items():
        try:
            way()
        except OSError as error:
            print(f"{name}: refused ({error.strerror})")
        else:
            print(f"{name}: works")
    sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
