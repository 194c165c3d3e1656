"""What a program file is: its architecture, and the files that starting it executes."""

from __future__ import annotations

import os
import stat
import struct

from troth._value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

SHELL: Final = "/bin/sh"

# e_machine and class to the architecture whose system calls the program makes.
_ARCHES: Final = {
    (62, 2): "x86_64",
    (62, 1): "x32",
    (3, 1): "i386",
    (183, 2): "aarch64",
    (40, 1): "arm",
    (243, 2): "riscv64",
    (21, 2): "ppc64le",
    (22, 2): "s390x",
    (258, 2): "loongarch64",
    (8, 2): "mips64el",
}
_PT_INTERP: Final = 3
_HEAD: Final = 1024
_MAX_FOLLOWED: Final = 5  # scripts that are interpreters of scripts: execve(2) follows no more
_MAX_PATH: Final = 4096
# Offsets in an ELF header and in a program header, by class: e_phoff, e_phentsize; p_offset, p_filesz.
_ELF: Final = {1: ("I", 28, 42, 4, 16), 2: ("Q", 32, 54, 8, 32)}


class Image(Value):
    """What execve(2) of a file would run.

    `kind` is `elf`, `text` (a script that names no interpreter, which the shell runs) or `other`
    (what only the kernel can tell, or what could not be read). `arch` is the architecture of the
    program that gets to run, empty when unknown; `programs` are all files that are executed on the
    way: scripts, their interpreters, and the loader of the last one. `dynamic` says whether there is
    a loader, `readable` whether all of them may be read by this process, which tracing needs.
    """

    __slots__ = ("kind", "arch", "programs", "dynamic", "readable")
    kind: str
    arch: str
    programs: tuple[str, ...]
    dynamic: bool
    readable: bool


def read_image(path: str) -> Image:
    """Look at a program file, and at what it needs to be started. Never fails: see `Image.kind`."""
    programs: list[str] = []
    kind = "elf"
    for _ in range(_MAX_FOLLOWED + 1):
        programs.append(path)
        fd = _open(path)
        if fd < 0:
            return Image("other", "", tuple(programs), False, os.access(path, os.R_OK) or not os.path.exists(path))
        try:
            head = os.pread(fd, _HEAD, 0)
            if head.startswith(b"\x7fELF"):
                arch, loader = _elf(fd, head)
                if loader:
                    programs.append(loader)
                return Image(kind, arch, tuple(programs), bool(loader), True)
        except OSError:
            head = b"\0"
        finally:
            os.close(fd)
        if head.startswith(b"#!"):
            words = head[2:].split(b"\n", 1)[0].split(None, 1)
            if not words:
                break
            path = os.fsdecode(words[0])
        elif kind == "elf" and looks_like_text(head):
            kind, path = "text", SHELL
        else:
            break
    return Image("other", "", tuple(programs), False, True)


def looks_like_text(head: bytes) -> bool:
    """Whether a shell would take a file that begins so for a script: no NUL byte before the first line's end."""
    return b"\0" not in head.split(b"\n", 1)[0] and not head.startswith(b"\x7fELF")


def _open(path: str) -> int:
    """Open a regular file for reading, -1 for anything else: opening a device or a pipe can have effects."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return -1
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except (OSError, ValueError):
        return -1


def _elf(fd: int, head: bytes) -> tuple[str, str]:
    """The architecture and the loader of an ELF file; either is empty when there is none."""
    if len(head) < 20 or head[4] not in _ELF or head[5] not in (1, 2):
        return "", ""
    order = "<" if head[5] == 1 else ">"
    (machine,) = struct.unpack_from(order + "H", head, 18)
    arch = _ARCHES.get((machine, head[4]), "")
    letter, at_table, at_shape, at_offset, at_length = _ELF[head[4]]
    try:
        (table,) = struct.unpack_from(order + letter, head, at_table)
        size, count = struct.unpack_from(order + "HH", head, at_shape)
        headers = os.pread(fd, size * count, table)
        for at in range(0, size * count, size or 1):
            if struct.unpack_from(order + "I", headers, at)[0] == _PT_INTERP:
                (start,) = struct.unpack_from(order + letter, headers, at + at_offset)
                (length,) = struct.unpack_from(order + letter, headers, at + at_length)
                return arch, os.fsdecode(os.pread(fd, min(length, _MAX_PATH), start).rstrip(b"\0"))
    except (struct.error, OSError, OverflowError):  # a cut or twisted file: the kernel will say
        pass
    return arch, ""
