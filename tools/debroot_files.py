"""What makes an unpacked root one that programs run in: the files that the scripts of packages would write."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

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


def finish(target: Path) -> None:
    """Write what no script wrote, where a package has not."""
    for name in _DIRECTORIES:
        (target / name).mkdir(parents=True, exist_ok=True)
    (target / "tmp").chmod(0o1777)
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
