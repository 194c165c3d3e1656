"""Holes that there once were, and what was killed although libc asks it on its own account."""

# Attempts of several steps are tuples.
# mypy: disable-error-code="func-returns-value"

from __future__ import annotations

import ctypes
import errno
import os
import socket
import stat
import struct
import subprocess

import pytest
from children import Died, in_child
from conftest import needs
from escape.attempts import X86, attempt, build, call, grounds, victim
from escape.test_entry import ALL_THREE, Gates

import troth
from troth.kernel import landlock

MSG_FASTOPEN = 0x20000000
CODE = b"\xb8\x2a\0\0\0\xc3"  # mov $42, %eax; ret
x86 = pytest.mark.skipif(not X86, reason="machine code of x86_64")


def poke(pid: int, address: int) -> str:
    fd = os.open(f"/proc/{pid}/mem", os.O_RDWR)
    os.pwrite(fd, b"changed!!", address)
    return "changed"


@pytest.mark.parametrize(
    "promises", ["stdio rpath wpath cpath inet unix proc", "stdio rpath wpath cpath inet unix proc exec"]
)
def test_another_process_is_not_written_to_through_proc_whatever_paths_are_promised(promises: str) -> None:
    needs(landlock.abi() >= 2, "Landlock ABI 2")
    with victim() as one:
        assert attempt(promises, lambda: poke(one.pid, one.address)) in ("eacces", "eperm")
        assert one.look()[1] == b"untouched"


@x86
def test_32_bit_mmap_gives_no_executable_memory() -> None:
    gates = Gates()

    def work() -> str:
        where = gates.int80("mmap", gates.put(struct.pack("6I", 0, 4096, ALL_THREE, 0x62, 0xFFFFFFFF, 0))) & 0xFFFFFFFF
        ctypes.memmove(where, CODE, len(CODE))
        return str(ctypes.CFUNCTYPE(ctypes.c_int)(where)())

    assert attempt("stdio exec", work) in ("enosys", "kill", "eperm")


@pytest.mark.parametrize("how", ["sendto", "sendmsg"])
def test_dns_opens_no_tcp_connection_by_fast_open(how: str) -> None:
    needs(landlock.abi() >= 4, "Landlock ABI 4")
    with socket.create_server(("127.0.0.1", 0)) as server:
        where = server.getsockname()

        def work() -> object:
            one = socket.socket()
            return (
                one.sendto(b"x", MSG_FASTOPEN, where)
                if how == "sendto"
                else one.sendmsg([b"x"], [], MSG_FASTOPEN, where)
            )

        assert attempt("stdio dns", work) != "ok"
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.parametrize("promises", ["stdio sendfd", "stdio unix", "stdio route"])
def test_an_inherited_socket_does_not_connect_by_fast_open(promises: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as one:
        where = server.getsockname()
        assert attempt(promises, lambda: one.sendmsg([b"x"], [], MSG_FASTOPEN, where)) != "ok"
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()


def test_dpath_makes_no_regular_file() -> None:
    with grounds() as top:
        assert attempt("stdio dpath wpath", lambda: os.open(f"{top}/out/new", os.O_CREAT | os.O_WRONLY, 0o600)) != "ok"
        assert attempt("stdio dpath", lambda: os.mknod(f"{top}/out/new", stat.S_IFREG | 0o600)) != "ok"
        assert attempt("stdio dpath", lambda: call("mknod", f"{top}/out/new".encode(), 0o600, 0)) != "ok"
        assert attempt("stdio dpath", lambda: os.open(f"{top}/out/new", os.O_CREAT, 0o600)) != "ok"
        assert not os.path.exists(f"{top}/out/new")


def test_extended_attributes_outside_a_veil_are_not_read() -> None:
    needs(landlock.abi(), "Landlock")
    with grounds() as top:
        try:
            os.setxattr(f"{top}/out/file", "user.x", b"hidden")
        except OSError as error:
            needs(error.errno != errno.ENOTSUP, "extended attributes of users in /tmp (tmpfs has them from Linux 6.6)")
            raise
        for promises in ("stdio rpath", "stdio rpath fattr"):
            assert (
                attempt(promises, lambda: os.getxattr(f"{top}/out/file", "user.x").decode(), veil={f"{top}/in": "r"})
                != "hidden"
            )


def test_where_another_process_keeps_its_locks_is_not_told() -> None:
    with victim() as one:

        def work() -> str:
            head, length = ctypes.c_ulong(), ctypes.c_ulong()
            call("get_robust_list", one.pid, ctypes.byref(head), ctypes.byref(length))
            return "told"

        assert attempt("stdio rpath wpath cpath inet unix proc", work) != "told"


# What is killed although libc or a runtime asks: a soft answer, or leave.
OWN_ACCOUNT = {
    "fpathconf": ("stdio", lambda: os.fpathconf(0, "PC_NAME_MAX")),
    "fstatfs": ("stdio", lambda: os.fstatvfs(0)),
    "listing a descriptor's attributes": ("stdio", lambda: os.listxattr(0)),
    "a new fcntl command": ("stdio", lambda: call("fcntl", 0, 1035, bytes(8))),
    "the index of an interface": ("stdio inet", lambda: socket.if_nametoindex("lo")),
    "comparing own descriptors": ("stdio", lambda: call("kcmp", os.getpid(), os.getpid(), 0, 0, 1)),
    "an unwinder's look at its own stack": ("stdio", lambda: call("process_vm_readv", os.getpid(), 0, 0, 0, 0, 0)),
    "a loader that protects what it mapped": ("stdio rpath exec", lambda: call("mprotect", 0, 0, 5)),
}  # fmt: skip


@pytest.mark.parametrize("name", OWN_ACCOUNT)
def test_what_libc_asks_on_its_own_account_does_not_kill(name: str) -> None:
    promises, work = OWN_ACCOUNT[name]
    assert attempt(promises, work) != "kill"


@x86
def test_a_32_bit_program_of_glibc_gets_its_inet_socket_or_an_errno() -> None:
    program = build("opens_socket.c", "-m32")

    def confined() -> int:
        troth.pledge("stdio rpath proc exec inet")
        return subprocess.run([program]).returncode

    try:
        assert in_child(confined, unprivileged=True) in (0, 1)
    except Died:
        raise AssertionError("killed") from None
