"""A root in which only the C library is another: the programs of the oldest suite under the glibc of a later one."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tools import debroot


def mix(base: Path, libc: Path, target: Path) -> None:
    """Make a root of the files of `base`, with the package `libc` unpacked over them.

    The files are links to those of `base`, so what the package has is removed before it is written: those of `base`
    stay as they are.

    Raises:
        FetchError: the package is damaged, or the disk is full.
        OSError: `target` is not on the file system of `base`.
    """
    subprocess.run(["cp", "-al", str(base), str(target)], check=True)
    packed = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(libc)], stdout=subprocess.PIPE, check=True).stdout
    names = subprocess.run(["tar", "-t"], input=packed, stdout=subprocess.PIPE, check=True).stdout.decode().split("\n")
    for name in filter(None, names):
        path = target / name
        if (path.is_symlink() and not name.endswith("/")) or path.is_file():
            path.unlink()
    debroot.unpack([libc], target)
    debroot.finish(target)
