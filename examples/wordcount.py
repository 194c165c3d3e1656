#!/usr/bin/env python3
"""Count the words of a file under a filter that was written for libseccomp's Python binding.

    python3 examples/wordcount.py FILE

Only the import was changed. The file is opened first; then the filter is loaded, and what is left is reading, writing
to the standard streams, memory, and ending.
"""

from __future__ import annotations

import errno
import os
import sys

# import seccomp
import troth.compat.seccomp as seccomp

ALLOWED = """
    read close fstat newfstatat statx lseek ioctl fcntl brk mmap mmap2 munmap mremap madvise futex
    rt_sigaction rt_sigprocmask rt_sigreturn sigreturn exit exit_group getrandom
"""


def confine() -> None:
    """Let the process read what it has open, and write to its standard streams."""
    f = seccomp.SyscallFilter(defaction=seccomp.ERRNO(errno.EPERM))
    for name in ALLOWED.split():
        f.add_rule(seccomp.ALLOW, name)
    for stream in (sys.stdout, sys.stderr):
        f.add_rule(seccomp.ALLOW, "write", seccomp.Arg(0, seccomp.EQ, stream.fileno()))
    f.load()


def main() -> int:
    """Count, and show that nothing else can be opened any more."""
    with open(sys.argv[1], encoding="utf-8") as file:
        confine()
        words = sum(len(line.split()) for line in file)
    print(f"{words} words")
    try:
        os.open("/etc/hostname", os.O_RDONLY)
    except PermissionError:
        print("and nothing else can be opened")
    return 0


if __name__ == "__main__":
    sys.exit(main())
