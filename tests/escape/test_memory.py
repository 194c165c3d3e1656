"""Memory that executes, by every call that makes some; code that runs returns 42."""

# Attempts in loops bind what they try as defaults of a lambda.
# mypy: disable-error-code="misc"

from __future__ import annotations

import ctypes
import mmap
import os
import tempfile
from collections.abc import Callable

import pytest
from escape.attempts import LIBC, attempt, call

R, W, X = mmap.PROT_READ, mmap.PROT_WRITE, mmap.PROT_EXEC
SHARED, PRIVATE, ANONYMOUS = mmap.MAP_SHARED, mmap.MAP_PRIVATE, mmap.MAP_ANONYMOUS
CODE = b"\xb8\x2a\0\0\0\xc3"  # mov $42, %eax; ret
HELD: list[int] = []


def mapping(prot: int, flags: int, fd: int = -1) -> int:
    return call("mmap", 0, 4096, prot, flags, fd, 0)


def file() -> None:
    fd, name = tempfile.mkstemp()
    os.unlink(name)
    os.write(fd, CODE.ljust(4096, b"\0"))
    HELD[:] = [fd]


def segment() -> None:
    shm = call("shmget", 0, 4096, 0o600)
    HELD[:] = [shm, call("shmat", shm, 0, 0)]
    call("shmctl", shm, 0, 0)


def page() -> None:
    HELD[:] = [mapping(R | W, PRIVATE | ANONYMOUS)]


MAKING: dict[str, tuple[Callable[[], object], Callable[[], object] | None]] = {
    "anonymous": (lambda: mapping(R | W | X, PRIVATE | ANONYMOUS), None),
    "anonymous, executable only": (lambda: mapping(X, PRIVATE | ANONYMOUS), None),
    "anonymous and shared": (lambda: mapping(R | X, SHARED | ANONYMOUS), None),
    "with garbage above": (lambda: mapping(X | 1 << 32, PRIVATE | ANONYMOUS), None),
    "growing down": (lambda: mapping(X | 0x01000000, PRIVATE | ANONYMOUS | 0x100), None),
    "mprotect": (lambda: call("mprotect", HELD[0], 4096, R | X), page),
    "mprotect, growing": (lambda: call("mprotect", HELD[0], 4096, X | 0x02000000), page),
    "pkey_mprotect": (lambda: call("pkey_mprotect", HELD[0], 4096, R | X, -1), page),
    "a file, shared": (lambda: mapping(R | X, SHARED, HELD[0]), file),
    "a file, shared and validated": (lambda: mapping(R | X, 3, HELD[0]), file),
    "a file, writable": (lambda: mapping(R | W | X, PRIVATE, HELD[0]), file),
    "a file and anonymous": (lambda: mapping(R | X, PRIVATE | ANONYMOUS, HELD[0]), file),
    "a file, read first": (lambda: call("mprotect", mapping(R, PRIVATE, HELD[0]), 4096, R | X), file),
    "a shared segment": (lambda: call("shmat", HELD[0], 0, 0o100000), segment),
    "a shared segment, changed": (lambda: call("mprotect", HELD[1], 4096, R | X), segment),
    "remapped pages": (lambda: call("remap_file_pages", HELD[0], 4096, X, 0, 0), page),
    "an old binary's layout": (lambda: call("personality", 0x0400000), None),
    "an old binary's layout, kept": (lambda: call("personality", 0x0400000 | 0xFF00000000), None),
    "a moved program": (lambda: call("prctl", 35, 13, 0, 0, 0), None),  # PR_SET_MM
    "a vdso": (lambda: call("arch_prctl", 0x2003, 0x10000), None),
    "segments": (lambda: call("modify_ldt", 1, bytes(16), 16), None),
    "a user fault": (lambda: call("userfaultfd", 1), None),
    "a secret": (lambda: call("memfd_secret", 0), None),
    "another process": (lambda: call("process_vm_writev", os.getpid(), 0, 0, 0, 0, 0), None),
}  # fmt: skip


@pytest.mark.parametrize("name", MAKING)
@pytest.mark.parametrize("promises", ["stdio", "stdio exec", "stdio rpath wpath cpath proc exec sysvipc"])
def test_no_memory_becomes_executable_by(name: str, promises: str) -> None:
    work, prepare = MAKING[name]
    if name == "remapped pages":
        assert attempt(promises, work, prepare=prepare) == "einval"  # the kernel takes no protection there
        return
    assert attempt(promises, work, prepare=prepare) in {"kill", "eperm", "eacces", "enosys", "einval"} - (
        {"einval"} if "map" in name else set()
    )


def test_under_exec_a_file_is_mapped_to_execute_but_never_to_write_too() -> None:
    def grown() -> object:
        return call("mprotect", mapping(R | X, PRIVATE, HELD[0]), 4096, R | W | X)

    def turned() -> object:
        where = mapping(R | X, PRIVATE, HELD[0])
        call("mprotect", where, 4096, R | W)
        ctypes.memmove(where, CODE, len(CODE))
        return call("mprotect", where, 4096, R | X)

    assert attempt("stdio exec", lambda: mapping(R | X, PRIVATE, HELD[0]), prepare=file) == "ok"
    assert attempt("stdio", lambda: mapping(R | X, PRIVATE, HELD[0]), prepare=file) == "eperm"
    for trick in (grown, turned):
        assert attempt("stdio exec", trick, prepare=file) in ("kill", "eacces", "eperm")


def test_memory_that_grows_or_moves_stays_what_it_was() -> None:
    def moved() -> str:
        where = call("mremap", HELD[0], 4096, 8192, 1, 0)
        ctypes.memmove(where, CODE, len(CODE))
        ctypes.CFUNCTYPE(ctypes.c_int)(where)()
        return "ok"

    def heap() -> str:
        LIBC.sbrk.restype = ctypes.c_void_p
        where = LIBC.sbrk(8192)
        ctypes.memmove(where, CODE, len(CODE))
        ctypes.CFUNCTYPE(ctypes.c_int)(where)()
        return "ok"

    def shadow() -> str:
        where = call("map_shadow_stack", 0, 4096, 0)
        ctypes.CFUNCTYPE(ctypes.c_int)(where)()
        return "ok"

    assert attempt("stdio", moved, prepare=page) == "sigsegv"
    assert attempt("stdio", heap) == "sigsegv"
    assert attempt("stdio", shadow) in ("enotsup", "enosys", "sigsegv")


def test_a_file_in_memory_takes_a_promise() -> None:
    for promises in ("stdio", "stdio exec", "stdio rpath exec", "stdio rpath wpath", "stdio rpath wpath exec"):
        assert attempt(promises, lambda: call("memfd_create", b"x", 0)) == "enosys"
    # Who may write files may have one in memory, but it executes no more than those do.
    assert attempt("stdio rpath wpath cpath", lambda: mapping(R | X, PRIVATE, call("memfd_create", b"x", 0))) == "eperm"
    assert (
        attempt("stdio rpath wpath cpath", lambda: call("execveat", call("memfd_create", b"x", 0), b"", 0, 0, 0x1000))
        == "kill"
    )


def test_without_exec_no_descriptor_is_a_program() -> None:
    def program() -> None:
        HELD[:] = [os.open("/bin/true", os.O_RDONLY)]

    for flags in (0x1000, 0x1100):
        assert (
            attempt(
                "stdio rpath prot_exec proc",
                lambda flags=flags: call("execveat", HELD[0], b"", 0, 0, flags),
                prepare=program,
            )
            == "kill"
        )
    assert attempt("stdio rpath prot_exec proc", lambda: call("execve", b"/proc/self/fd/0", 0, 0)) == "kill"


def test_execution_by_a_handler_frame_reaches_no_call_that_was_refused() -> None:
    # A forged frame moves every register, which changes what is called but not what is judged.
    assert attempt("stdio", lambda: call("rt_sigreturn")) in ("sigsegv", "sigill", "sigbus", "kill")
    assert attempt("stdio", lambda: call("restart_syscall")) == "eintr"


def test_prot_exec_is_what_allows_it() -> None:
    def run() -> str:
        where = mapping(R | W | X, PRIVATE | ANONYMOUS)
        ctypes.memmove(where, CODE, len(CODE))
        return str(ctypes.CFUNCTYPE(ctypes.c_int)(where)())

    if os.uname().machine == "x86_64":
        assert attempt("stdio prot_exec", run) == "42"
