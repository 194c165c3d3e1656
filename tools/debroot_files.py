"""Unpack packages into a root: links that work from anywhere, and the files that maintainer scripts would write."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tools.gen_abi_packages import FetchError

__all__ = ["finish", "unpack"]

# Links into /usr, as in each suite from bookworm on; older packages unpack through them.
_MERGED: Final = ("bin", "sbin", "lib", "lib64", "lib32", "libx32")
_DIRECTORIES: Final = (
    "etc",
    "proc",
    "sys",
    "dev",
    "tmp",
    "root",
    "run",
    "var",
    "usr/bin",
    "usr/sbin",
    "usr/lib",
    "work",
)

# No maintainer script runs in a root, so what programs ask for at their start is written here.
_FILES: Final = (
    ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"),
    ("etc/group", "root:x:0:\nnogroup:x:65534:\n"),
    ("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n"),
    ("etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"),
    ("etc/resolv.conf", "nameserver 127.0.0.1\n"),  # nothing outside the machine is asked
)

# The links of update-alternatives and of postinst scripts that programs are started by: the link, and what it leads to
# (the first that is there).
_ALTERNATIVES: Final = (
    ("usr/bin/awk", ("mawk", "gawk")),
    ("usr/bin/vi", ("vim.basic", "vim.tiny")),
    ("usr/bin/vim", ("vim.basic", "vim.tiny")),
    ("usr/bin/nc", ("nc.openbsd", "nc.traditional")),
    ("usr/bin/pager", ("less", "more")),
    ("usr/bin/convert", ("convert-im6.q16", "convert-im7.q16")),
    ("usr/bin/sh", ("dash",)),  # a diversion in bullseye
    ("usr/bin/which", ("which.debianutils",)),
)


def unpack(debs: Sequence[Path], target: Path) -> None:
    """Unpack packages one over the other, with the directories and links that a merged /usr has.

    Raises:
        FetchError: a package is damaged, or the disk is full.
    """
    for name in (*_DIRECTORIES, *(f"usr/{name}" for name in _MERGED)):
        (target / name).mkdir(parents=True, exist_ok=True)
    for name in _MERGED:
        if not (target / name).is_symlink():
            (target / name).symlink_to(f"usr/{name}")
    (target / "tmp").chmod(0o1777)
    for deb in debs:
        # Through tar, since dpkg-deb would put a directory in the place of a link.
        packed = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE)
        command = ["tar", "-x", "--keep-directory-symlink", "--no-same-owner", "-C", str(target)]
        done = subprocess.run(command, stdin=packed.stdout, capture_output=True, text=True, check=False)
        if packed.stdout:
            packed.stdout.close()
        if packed.wait() or done.returncode:
            hint = "; hint: free some space, or set TROTH_CACHE" if "No space left" in done.stderr else ""
            raise FetchError(f"{deb.name}: {done.stderr.strip() or 'damaged: remove it from the cache'}{hint}")


def finish(target: Path) -> None:
    """Make absolute links relative, so that a root can be used from outside, and write what no script wrote."""
    for where, directories, files in os.walk(target):
        for name in (*directories, *files):
            path = os.path.join(where, name)
            if os.path.islink(path) and os.readlink(path).startswith("/"):
                inside = f"{target}{os.readlink(path)}"
                os.unlink(path)
                os.symlink(os.path.relpath(inside, os.path.realpath(where)), path)
    for name, text in _FILES:
        if not (target / name).exists():
            (target / name).write_text(text)
    for name, candidates in _ALTERNATIVES:
        link = target / name
        found = next((candidate for candidate in candidates if (link.parent / candidate).exists()), None)
        if found and not os.path.lexists(link):
            link.symlink_to(found)
    _link_java(target)


def _link_java(target: Path) -> None:
    """Link the JVM that is there, whatever its version; its package's script would do that."""
    link = target / "usr/bin/java"
    found = sorted(target.glob("usr/lib/jvm/java-*-openjdk-*/bin/java"))
    if found and not os.path.lexists(link):
        link.symlink_to(os.path.relpath(found[-1], link.parent))
