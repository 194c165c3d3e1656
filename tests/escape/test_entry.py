"""Other doors into the kernel: numbers that mean something else there, arguments with garbage in their upper half."""

# Attempts in loops bind what they try as defaults of a lambda.
# mypy: disable-error-code="misc"

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from collections.abc import Callable

import pytest
from children import become_nobody
from conftest import needs
from escape.attempts import LIBC, NR, UPPER, X86, attempt, build, call, grounds, listing, raw

import troth
from troth import abi

pytestmark = pytest.mark.skipif(not X86, reason="these are the doors of x86_64")

PAGE = 65536
READ_WRITE, ALL_THREE = 3, 7
PRIVATE_ANONYMOUS_LOW = 0x62  # MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT
I386 = abi.numbers("i386")
WHOLE = "stdio rpath wpath cpath dpath fattr chown flock inet unix proc id tty sendfd recvfd"  # all that has no i386 section


class Gates:
    """The C functions, and memory below 4 GiB for what 32-bit code points at."""

    def __init__(self) -> None:
        self.c = ctypes.CDLL(build("gates.c", "-shared", "-fPIC", "-mno-red-zone"))
        self.c.int80.restype = self.c.far32.restype = ctypes.c_long
        LIBC.mmap.restype = ctypes.c_void_p
        length = ctypes.c_size_t(PAGE)
        self.low = LIBC.mmap(None, length, ALL_THREE, PRIVATE_ANONYMOUS_LOW, -1, ctypes.c_long(0))
        self._used = 0
        self._code = ctypes.c_void_p(self.low + PAGE // 2)
        self.c.far32_prepare(self._code)

    def put(self, data: bytes) -> int:
        """Copy bytes below 4 GiB and give their address."""
        where: int = self.low + self._used
        ctypes.memmove(where, data + b"\0", len(data) + 1)
        self._used += (len(data) + 16) & ~7
        return where

    def int80(self, name: str, *args: int) -> int:
        """A system call as a 32-bit program makes it."""
        padded = [ctypes.c_long(arg) for arg in (I386[name], *args, *(0,) * (6 - len(args)))]
        return self._result(self.c.int80(*padded))

    def far32(self, name: str, *args: int) -> int:
        """The same, made by 32-bit code that is jumped to."""
        padded = [ctypes.c_long(arg) for arg in (I386[name], *args, *(0,) * (3 - len(args)))]
        return self._result(self.c.far32(self._code, ctypes.c_void_p(self.low + PAGE - 64), *padded))

    @staticmethod
    def _result(result: int) -> int:
        if -4096 < result < 0:
            raise OSError(-result, os.strerror(-result))
        return result


@pytest.fixture(scope="module")
def gates() -> Gates:
    gates = Gates()
    needs(
        attempt(None, lambda: gates.int80("getpid")) == "ok",
        "a kernel that runs 32-bit programs (CONFIG_IA32_EMULATION)",
    )
    return gates


@pytest.fixture(scope="module")
def far(gates: Gates) -> None:
    needs(attempt(None, lambda: gates.far32("getpid")) == "ok", "a processor that can jump to 32-bit code and back")


def test_without_a_pledge_the_door_of_32_bit_programs_is_open(gates: Gates) -> None:
    assert attempt(None, lambda: str(gates.int80("getpid") == os.getpid())) == "True"


@pytest.mark.usefixtures("far")
def test_without_a_pledge_the_door_of_32_bit_code_is_open(gates: Gates) -> None:
    assert attempt(None, lambda: str(gates.far32("getpid") == os.getpid())) == "True"


@pytest.mark.parametrize(
    "name",
    ["getpid", "exit", "fork", "open", "creat", "unlink", "kill", "mount", "ptrace", "socketcall", "ipc", "clone"],
)
@pytest.mark.parametrize("door", ["int80", "far32"])
def test_no_32_bit_call_is_made_where_no_program_can_be_started(
    request: pytest.FixtureRequest, gates: Gates, door: str, name: str
) -> None:
    if door == "far32":
        request.getfixturevalue("far")
    assert attempt(WHOLE, lambda: getattr(gates, door)(name, 0, 0, 0)) == "kill"


def test_the_number_of_write_is_not_stdio_when_it_means_open_or_unlink(gates: Gates) -> None:
    # 5 is fstat and 10 mprotect on x86_64, open and unlink on i386; 8 is lseek and creat.
    with grounds() as top:
        before = listing(top)
        assert (NR["fstat"], NR["mprotect"], NR["lseek"]) == (I386["open"], I386["unlink"], I386["creat"])
        path = gates.put(f"{top}/out/file".encode())
        for promises, refused in (("stdio", "kill"), ("stdio exec", "eacces")):
            assert attempt(promises, lambda: gates.int80("open", path, os.O_RDWR, 0)) == refused
        for promises in ("stdio", "stdio exec"):
            assert attempt(promises, lambda: gates.int80("unlink", path)) == "kill"
            assert attempt(promises, lambda: gates.int80("creat", path, 0o777)) in ("kill", "eacces")
        assert listing(top) == before


I386_ONLY: list[tuple[str, tuple[int, ...], str, str]] = [
    ("vm86old", (0,), "stdio exec", "kill"),
    ("modify_ldt", (1, 0, 0), "stdio exec", "kill"),
    ("ptrace", (0, 0, 0, 0), "stdio exec proc", "kill"),
    ("mount", (0, 0, 0, 0, 0), "stdio exec", "kill"),
    ("umount", (0,), "stdio exec", "kill"),
    ("iopl", (3,), "stdio exec", "kill"),
    ("ioperm", (0, 1, 1), "stdio exec", "kill"),
    ("fork", (), "stdio exec", "kill"),
    ("vfork", (), "stdio exec", "kill"),
    ("clone", (0x10000011, 0, 0, 0, 0), "stdio exec proc", "kill"),
    ("clone3", (0, 0), "stdio exec proc", "enosys"),
    ("waitpid", (-1, 0, 0), "exec", "kill"),
    ("unshare", (0x10000000,), "stdio exec", "eperm"),
    ("personality", (0x0400000,), "stdio exec", "eperm"),
    ("truncate64", (0, 0, 0), "stdio exec", "kill"),
    ("setuid", (0,), "stdio exec", "kill"),
    ("setuid32", (0,), "stdio exec", "kill"),
    ("setresuid32", (0, 0, 0), "stdio exec", "kill"),
    ("chown32", (0, 0, 0), "stdio exec", "kill"),
    ("stime", (0,), "stdio exec", "kill"),
    ("clock_settime64", (0, 0), "stdio exec", "kill"),
    ("socket", (2, 1, 0), "stdio exec", "kill"),
    ("shmat", (0, 0, 0o100000), "stdio exec sysvipc", "kill"),
    ("ipc", (21, 0, 0o100000, 0, 0), "stdio exec sysvipc", "kill"),
    ("ipc", (21 | 1 << 16, 0, 0o100000, 0, 0), "stdio exec sysvipc", "kill"),
    ("ipc", (24, 0, 0, 0, 0), "stdio exec", "kill"),
    ("io_uring_setup", (1, 0), "stdio exec", "enosys"),
    ("bpf", (0, 0, 0), "stdio exec", "kill"),
    ("keyctl", (0, 0), "stdio exec", "enosys"),
    ("userfaultfd", (0,), "stdio exec", "enosys"),
    ("process_vm_writev", (1, 0, 0, 0, 0, 0), "stdio exec proc", "kill"),
    ("prlimit64", (1, 7, 0, 0), "stdio exec proc", "eperm"),
    ("tkill", (1, 9), "exec", "kill"),
    ("fcntl64", (0, 8, 1), "stdio exec", "kill"),
    ("fcntl", (0, 8, 1), "stdio exec", "kill"),
    ("ioctl", (0, 0x5412, 0), "stdio exec tty rpath wpath", "kill"),
    ("mprotect", (0, 0, 5), "stdio exec", "kill"),
    ("pkey_mprotect", (0, 0, 4, -1), "stdio exec", "kill"),
    ("setns", (0, 0), "stdio exec", "kill"),
    ("seccomp", (1, 8, 0), "stdio exec", "einval"),
    ("open_by_handle_at", (0, 0, 0), "stdio exec rpath", "kill"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "args", "promises", "refused"), I386_ONLY, ids=[f"{row[0]}-{row[2]}" for row in I386_ONLY]
)
def test_a_32_bit_call_needs_the_promise_of_its_64_bit_twin(
    gates: Gates, name: str, args: tuple[int, ...], promises: str, refused: str
) -> None:
    answer = attempt(promises, lambda: gates.int80(name, *args))
    # Where libc asks on its own account an errno is as good: nothing becomes executable, nobody is written to.
    soft = {"mprotect": "eacces", "pkey_mprotect": "eacces", "process_vm_writev": "eperm"}
    assert answer in (refused, soft.get(name))


def test_32_bit_mmap2_gives_no_executable_memory(gates: Gates) -> None:
    anonymous = 0x22
    assert attempt("stdio exec", lambda: gates.int80("mmap2", 0, 4096, ALL_THREE, anonymous, -1, 0)) == "kill"
    assert attempt("stdio exec", lambda: gates.int80("mmap2", 0, 4096, READ_WRITE, anonymous, -1, 0)) == "ok"


def test_signals_by_32_bit_calls_stay_at_home(gates: Gates) -> None:
    for name, args in (("kill", (1, 0)), ("kill", (-1, 0)), ("tgkill", (1, 1, 0)), ("rt_sigqueueinfo", (1, 0, 0))):
        assert attempt("stdio exec", lambda name=name, args=args: gates.int80(name, *args)) == "kill"


# x32: the same architecture to seccomp, other numbers.
X32 = abi.numbers("x32")


@pytest.mark.parametrize(
    "name", ["getpid", "open", "openat", "execve", "ptrace", "mmap", "ioctl", "rt_sigaction", "kill", "writev"]
)
@pytest.mark.parametrize("promises", ["stdio", "stdio rpath wpath cpath exec proc inet"])
def test_no_x32_number_is_a_call(name: str, promises: str) -> None:
    assert X32[name] & 0x40000000
    assert attempt(promises, lambda: raw(X32[name], 0, 0, 0, 0, 0, 0)) == "enosys"
    assert attempt(promises, lambda: raw(NR["getpid"] | 0x40000000)) == "enosys"


@pytest.mark.parametrize("number", [-1, 0x3FFFFFFF, 0x7FFFFFFF, -0x80000000, 340, 1 << 20])
def test_a_number_nobody_knows_is_no_call(number: int) -> None:
    assert attempt("stdio rpath exec proc", lambda: raw(number, 0, 0, 0, 0, 0, 0)) == "enosys"


def test_the_upper_half_of_a_number_does_not_count_for_filter_or_kernel() -> None:
    assert attempt("stdio", lambda: raw(NR["ptrace"] | UPPER, 0, 0, 0, 0)) == "kill"


# The kernel's `int` is the lower half of the register: garbage above it neither helps nor harms.
def _path() -> bytes:
    return b"/etc/hostname"


GARBAGE: list[tuple[str, Callable[[], object], str, str]] = [
    ("openat to write", lambda: call("openat", -100, _path(), os.O_RDWR | UPPER, 0), "stdio rpath", "eacces"),
    ("open to create", lambda: call("open", b"/tmp/upper", os.O_CREAT | os.O_WRONLY | UPPER, 0o600), "stdio rpath wpath", "eacces"),
    ("open with mode bits", lambda: call("open", b"/tmp/upper", os.O_CREAT | os.O_WRONLY | UPPER, 0o4755 | UPPER), "stdio wpath cpath", "eperm"),
    ("socket", lambda: call("socket", 16 | UPPER, 3 | UPPER, 12 | UPPER), "stdio route", "kill"),
    ("kill", lambda: call("kill", 1 | UPPER, 0), "stdio", "kill"),
    ("ioctl", lambda: call("ioctl", 0, 0x5412 | UPPER, b"x"), "stdio tty", "kill"),
    ("fcntl", lambda: call("fcntl", 0, 8 | UPPER, 1), "stdio", "kill"),
    ("mprotect", lambda: call("mprotect", 0, 0, 4 | UPPER), "stdio", "kill"),
    ("mmap", lambda: call("mmap", 0, 4096, 4 | UPPER, 0x22 | UPPER, -1, 0), "stdio", "kill"),
    ("prctl", lambda: call("prctl", 35 | UPPER, 0, 0, 0, 0), "stdio", "einval"),
    ("clone", lambda: call("clone", 0x10000011 | UPPER, 0, 0, 0, 0), "stdio proc", "kill"),
    ("unshare", lambda: call("unshare", 0x10000100 | UPPER), "stdio", "eperm"),
    ("unshare of nothing but garbage", lambda: call("unshare", 0x100 | UPPER), "stdio", "einval"),
    ("seccomp", lambda: call("seccomp", 1 | UPPER, 8 | UPPER, 0), "stdio", "einval"),
    ("sendto", lambda: call("sendto", 0, 0, 0, 0, UPPER, 16), "stdio", "kill"),
    ("prlimit", lambda: call("prlimit64", UPPER, 7, UPPER, 0), "stdio", "eperm"),
    ("renameat2", lambda: call("renameat2", -100, b"/tmp/x", -100, b"/tmp/y", 4 | UPPER), "stdio rpath cpath", "kill"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "work", "promises", "refused"), GARBAGE, ids=[row[0] for row in GARBAGE])
def test_garbage_in_the_upper_half_changes_nothing(
    name: str, work: Callable[[], object], promises: str, refused: str
) -> None:
    assert attempt(promises, work) == refused
    assert not os.path.exists("/tmp/upper")


def test_a_negative_pid_with_a_clean_upper_half_is_still_a_group() -> None:
    assert attempt("stdio", lambda: call("kill", 0xFFFFFFFF, 0)) == "kill"


@pytest.mark.parametrize("promises", ["stdio", "stdio rpath proc exec"])
def test_a_32_bit_program_is_held_by_the_same_promises(promises: str) -> None:
    program = build(
        "opener.c", "-m32", "-static", "-nostdlib", "-nostdinc", "-fno-pie", "-no-pie", "-fno-stack-protector"
    )
    with grounds() as top:
        before = listing(top)
        pid = os.fork()
        if pid == 0:
            try:
                become_nobody()
                troth.pledge(f"{promises} rpath exec" if "exec" not in promises else promises)
                os.execv(program, [program, f"{top}/out/file", f"{top}/out/new"])
            finally:
                os._exit(255)
        _, status = os.waitpid(pid, 0)
        assert os.waitstatus_to_exitcode(status) in (0b11, -signal.SIGSYS)
        assert listing(top) == before


def test_a_32_bit_program_cannot_run_where_exec_was_not_promised() -> None:
    program = build(
        "opener.c", "-m32", "-static", "-nostdlib", "-nostdinc", "-fno-pie", "-no-pie", "-fno-stack-protector"
    )
    done = subprocess.run([program, "/nonexistent/a", "/nonexistent/b"])
    assert done.returncode == 0b11, "the program itself works"
    assert attempt("stdio rpath wpath cpath proc", lambda: os.execv(program, [program])) == "kill"
