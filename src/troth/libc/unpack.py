"""Packages unpacked into a directory that can be used from outside: no script runs, and links stay inside."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from troth.libc.apt import FetchError

# Links into /usr, as in each suite from bookworm on; older packages unpack through them.
_MERGED: Final = ("bin", "sbin", "lib", "lib64", "lib32", "libx32")
# Where an image that dpkg did not install lists its packages, one file each.
RECORDS: Final = "var/lib/dpkg/status.d"


def unpack(debs: Sequence[Path], target: Path) -> None:
    """Unpack packages one over the other, with the links that a merged /usr has, and make all links relative.

    Raises:
        FetchError: a package is damaged, or the disk is full.
    """
    for name in _MERGED:
        (target / "usr" / name).mkdir(parents=True, exist_ok=True)
        if not (target / name).is_symlink():
            (target / name).symlink_to(f"usr/{name}")
    for deb in debs:
        # Through tar, since dpkg-deb would put a directory in the place of a link.
        packed = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE)
        command = ["tar", "-x", "--keep-directory-symlink", "--no-same-owner", "-C", str(target)]
        done = subprocess.run(command, stdin=packed.stdout, capture_output=True, text=True, check=False)
        if packed.stdout:
            packed.stdout.close()
        if packed.wait() or done.returncode:
            full = "No space left" in done.stderr
            hint = "free some space, or set TROTH_CACHE to a directory with more" if full else ""
            raise FetchError(f"{deb.name}: {done.stderr.strip() or 'damaged: remove it from the cache'}", hint=hint)
    _relative_links(target)


def record(debs: Sequence[Path], target: Path) -> None:
    """Write down which packages a directory was made of, and their hashes.

    Raises:
        FetchError: a package is damaged.
    """
    directory = target / RECORDS
    directory.mkdir(parents=True, exist_ok=True)
    for deb in debs:
        done = subprocess.run(["dpkg-deb", "--field", str(deb)], capture_output=True, text=True, check=False)
        if done.returncode:
            raise FetchError(f"{deb.name}: {done.stderr.strip()}")
        digest = hashlib.sha256(deb.read_bytes()).hexdigest()
        (directory / deb.name.partition("_")[0]).write_text(f"{done.stdout.rstrip()}\nSHA256: {digest}\n")


def _relative_links(target: Path) -> None:
    for where, directories, files in os.walk(target):
        for name in (*directories, *files):
            path = os.path.join(where, name)
            if os.path.islink(path) and os.readlink(path).startswith("/"):
                inside = f"{target}{os.readlink(path)}"
                os.unlink(path)
                os.symlink(os.path.relpath(inside, os.path.realpath(where)), path)
