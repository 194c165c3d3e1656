"""The words of pledge(2), one bit each; what they buy is in `_table` (calls) and `_paths` (files)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

# The words, in OpenBSD's order (pledge(2), OpenBSD 7.9), one bit each.
WORDS: Final = (
    "stdio", "rpath", "wpath", "cpath", "dpath", "fattr", "chown", "flock", "inet", "unix", "dns", "mcast",
    "getpw", "proc", "id", "exec", "prot_exec", "settime", "unveil", "tty", "vminfo", "ps", "route", "wroute",
    "sendfd", "recvfd", "audio", "bpf", "disklabel", "drm", "pf", "tape", "video", "vmm", "error",
    # Extension: System V and POSIX message IPC. No OpenBSD promise opens it; Linux programs (databases,
    # fakeroot, X clients) still live on it, and without a word of its own nobody could run them.
    "sysvipc",
)  # fmt: skip

BIT: Final = {word: 1 << position for position, word in enumerate(WORDS)}
EVERYTHING: Final = (1 << len(WORDS)) - 1

(
    STDIO, RPATH, WPATH, CPATH, DPATH, FATTR, CHOWN, FLOCK, INET, UNIX, DNS, MCAST,
    GETPW, PROC, ID, EXEC, PROT_EXEC, SETTIME, UNVEIL, TTY, VMINFO, PS, ROUTE, WROUTE,
    SENDFD, RECVFD, AUDIO, BPF, DISKLABEL, DRM, PF, TAPE, VIDEO, VMM, ERROR,
    SYSVIPC,
) = BIT.values()  # fmt: skip

ALWAYS: Final = EVERYTHING + 1  # held by every process, whatever it promised

# Words that name OpenBSD devices: accepted so that ported programs start; they grant nothing here.
MEANINGLESS: Final = AUDIO | BPF | DISKLABEL | DRM | PF | TAPE | VIDEO | VMM

# Words that never were, or no longer are, promises; with what to say instead.
REMOVED: Final = {
    "tmppath": "OpenBSD 7.9 removed it: unveil `/tmp` with `rwc` and promise `rpath wpath cpath`",
    "thread": "threads are part of `stdio`",
    "yield": "it was an experiment and is gone from OpenBSD",
}

# Promises whose files libc opens on its own account (promises/_paths.py); Landlock says which.
LIBC_FILES: Final = STDIO | EXEC | DNS | GETPW | TTY | PS | VMINFO
