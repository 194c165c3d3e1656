"""pledge(): what each promise allows and what its absence forbids, asked of the running kernel.

Each row of `OPERATIONS` is one thing a program does, the least promises it takes, and what happens
without one of them: `eacces`, `eperm` and so on for a soft refusal, `kill` for a violation.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import mmap
import os
import resource
import signal
import socket
import struct
import subprocess
import tempfile
import termios
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from children import Died, in_child
from programs import SOCKETCALL

import troth
from troth import abi
from troth.kernel import landlock

LIBC = ctypes.CDLL(None, use_errno=True)
NR = abi.numbers(abi.native().name)


def call(name: str, *args: int | bytes | None) -> int:
    """One raw system call; raises OSError."""
    LIBC.syscall.restype = ctypes.c_long
    if name == "clone" and abi.native().name == "s390x":
        args = (args[1], args[0], *args[2:])  # its kernel takes the stack first
    values = [arg if isinstance(arg, (bytes, type(None))) else ctypes.c_long(arg) for arg in args]
    result: int = LIBC.syscall(ctypes.c_long(NR[name]), *values)
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def outcome(work: Callable[[], object], promises: str, **options: object) -> str:
    """What happens when `work` runs under these promises: `ok`, an errno's name, or `kill`."""

    def confined() -> str:
        global SIBLING
        back, there = os.pipe()
        SIBLING = os.fork()
        if SIBLING == 0:
            os.close(there)
            os.read(back, 1)  # until the confined process is gone
            os._exit(0)
        troth.pledge(promises, **options)  # type: ignore[arg-type]  # passed on as given
        try:
            work()
        except subprocess.CalledProcessError as error:
            return "kill" if error.returncode == -signal.SIGSYS else str(error)
        except OSError as error:
            return errno.errorcode[error.errno or 0].lower()
        return "ok"

    for name in os.listdir(HERE):
        if name not in ("file", "link"):
            path = f"{HERE}/{name}"
            os.rmdir(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)
    try:
        return in_child(confined, unprivileged=True)
    except Died as death:
        return "kill" if death.signum == signal.SIGSYS else f"signal {death.signum}"


@pytest.fixture(scope="module")
def place() -> Iterator[str]:
    """A directory that anybody may write, with a file in it."""
    with tempfile.TemporaryDirectory() as where:
        os.chmod(where, 0o777)
        with open(f"{where}/file", "w") as stream:
            stream.write("text")
        os.chmod(f"{where}/file", 0o666)
        os.symlink("file", f"{where}/link")
        yield where


HERE = ""
SIBLING = 0  # another process of the same user, outside the confinement


@pytest.fixture(autouse=True)
def in_place(place: str) -> None:
    global HERE
    HERE = place
    with open(f"{HERE}/file", "w") as stream:
        stream.write("text")


def opening(flags: int, name: str = "file", mode: int = 0o644) -> Callable[[], object]:
    return lambda: os.close(os.open(f"{HERE}/{name}", flags, mode))


def tcp(*, connect: bool = False) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as one:
        if connect:  # to one that listens: the refusal of a closed port gets lost on QEMU's s390x
            with socket.create_server(("127.0.0.1", 0)) as server:
                one.connect(server.getsockname())


def child_process() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def executable_memory() -> None:
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC).close()


def send_descriptor() -> None:
    one, two = socket.socketpair()
    with one, two:
        socket.send_fds(one, [b"x"], [0])


def receive_message() -> None:
    one, two = socket.socketpair()
    with one, two:
        one.send(b"x")
        two.recvmsg(1)


def self_limit() -> None:
    resource.prlimit(0, resource.RLIMIT_NOFILE, resource.getrlimit(resource.RLIMIT_NOFILE))


def run_true() -> None:
    subprocess.run(["/bin/true"], check=True)


SOCKETS = {"inet socket", "inet connect", "unix socket", "send a descriptor", "receive a message", "netlink socket"}

# operation, promises it takes, what happens when one of them is missing
OPERATIONS: list[tuple[str, Callable[[], object], str, dict[str, str]]] = [
    ("open to read", opening(os.O_RDONLY), "stdio rpath", {"rpath": "eacces"}),
    ("open to write", opening(os.O_WRONLY), "stdio wpath", {"wpath": "eacces"}),
    ("open to read and write", opening(os.O_RDWR), "stdio rpath wpath", {"wpath": "eacces", "rpath": "eacces"}),
    ("create to write", opening(os.O_WRONLY | os.O_CREAT, "new"), "stdio wpath cpath", {"wpath": "eacces", "cpath": "eacces"}),
    ("create to read", opening(os.O_RDONLY | os.O_CREAT, "new"), "stdio rpath cpath", {"rpath": "eacces", "cpath": "eacces"}),
    ("empty while opening to read", opening(os.O_RDONLY | os.O_TRUNC), "stdio rpath wpath", {"wpath": "eacces"}),
    ("unnamed temporary file", lambda: os.close(os.open(HERE, os.O_TMPFILE | os.O_RDWR, 0o600)), "stdio rpath wpath cpath", {"cpath": "kill"}),
    ("list a directory", lambda: os.listdir(HERE), "stdio rpath", {"rpath": "eacces"}),
    ("stat", lambda: os.stat(f"{HERE}/file"), "stdio rpath", {"rpath": "eacces"}),
    ("read a link", lambda: os.readlink(f"{HERE}/link"), "stdio rpath", {"rpath": "eacces"}),
    ("change directory", lambda: os.chdir(HERE), "stdio rpath", {"rpath": "kill"}),
    ("truncate by path", lambda: os.truncate(f"{HERE}/file", 4), "stdio wpath", {"wpath": "kill"}),
    ("make a directory", lambda: os.mkdir(f"{HERE}/dir"), "stdio cpath", {"cpath": "kill"}),
    ("make a link", lambda: os.symlink("x", f"{HERE}/l"), "stdio cpath", {"cpath": "kill"}),
    ("hard link", lambda: os.link(f"{HERE}/file", f"{HERE}/hard"), "stdio rpath cpath", {"cpath": "kill"}),
    ("rename", lambda: os.rename(f"{HERE}/link", f"{HERE}/link"), "stdio rpath cpath", {"cpath": "kill", "rpath": "kill"}),
    ("make a fifo", lambda: os.mkfifo(f"{HERE}/fifo"), "stdio dpath", {"dpath": "kill"}),
    ("lock", lambda: fcntl.flock(0, fcntl.LOCK_SH | fcntl.LOCK_NB), "stdio flock", {"flock": "kill"}),
    ("inet socket", tcp, "stdio inet", {"inet": "kill"}),
    ("inet connect", lambda: tcp(connect=True), "stdio inet", {"inet": "kill"}),
    ("unix socket", lambda: socket.socket(socket.AF_UNIX).close(), "stdio unix", {"unix": "kill"}),
    ("fork", child_process, "stdio proc", {"proc": "kill"}),
    ("signal another process", lambda: os.kill(SIBLING, 0), "stdio proc", {"proc": "kill"}),
    ("start a program", run_true, "stdio rpath proc exec", {"exec": "kill", "proc": "kill"}),
    ("executable memory", executable_memory, "stdio prot_exec", {"prot_exec": "kill"}),
    ("set the clock", lambda: time.clock_settime(time.CLOCK_REALTIME, 0.0), "stdio settime", {"settime": "kill"}),
    ("become another user", lambda: os.setuid(1), "stdio id", {"id": "kill"}),
    ("send a descriptor", send_descriptor, "stdio sendfd", {"sendfd": "kill"}),
    ("receive a message", receive_message, "stdio recvfd", {"recvfd": "kill"}),
    ("set a limit", self_limit, "stdio proc", {"proc": "eperm"}),
    ("netlink socket", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).close(), "stdio route", {"route": "kill"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "work", "promises", "without"), OPERATIONS, ids=[row[0] for row in OPERATIONS])
def test_an_operation_works_with_its_promises_and_not_without_one(
    name: str, work: Callable[[], object], promises: str, without: dict[str, str]
) -> None:
    if SOCKETCALL and name in SOCKETS:
        fewer = (" ".join(kept for kept in promises.split() if kept != word) for word in without)
        assert {outcome(work, words) for words in (promises, *fewer)} == {"enosys"}
        assert outcome(work, "stdio inet unix route recvfd sendfd") == "ok"
        return
    if name == "executable memory" and abi.native().name == "s390x":
        without = {"prot_exec": "ok"}  # mmap takes its arguments behind a pointer there (docs/limits.md)
    # Nobody may set the clock or become another user; the filter lets him ask.
    expected = "eperm" if name in ("set the clock", "become another user") else "ok"
    assert outcome(work, promises) == expected
    for word, refused in without.items():
        rest = " ".join(kept for kept in promises.split() if kept != word)
        assert outcome(work, rest) == refused, f"without {word}"


@pytest.mark.parametrize(("name", "work", "promises", "without"), OPERATIONS, ids=[row[0] for row in OPERATIONS])
def test_in_errno_mode_nothing_dies(
    name: str, work: Callable[[], object], promises: str, without: dict[str, str]
) -> None:
    for word, refused in without.items():
        rest = " ".join(kept for kept in promises.split() if kept != word)
        assert outcome(work, rest, violation="errno") in (refused, "eperm")
        assert outcome(work, rest + " error") in (refused, "eperm")


def test_what_was_refused_left_nothing_behind() -> None:
    for promises in ("stdio rpath", "stdio wpath", "stdio cpath", "stdio rpath wpath"):
        assert outcome(opening(os.O_WRONLY | os.O_CREAT, "left"), promises) == "eacces"
    assert not os.path.exists(f"{HERE}/left")


def test_a_file_is_not_emptied_by_opening_it_to_read() -> None:
    assert outcome(opening(os.O_RDONLY | os.O_TRUNC), "stdio rpath cpath") == "eacces"
    with open(f"{HERE}/file") as stream:
        assert stream.read() == "text"


# The holes of other ports: each is refused under the promises named.
def _sendto_fast_open() -> None:
    with socket.socket() as one:
        one.sendto(b"x", 0x20000000, ("127.0.0.1", 1))


def _signal_by(name: str) -> Callable[[], object]:
    def send() -> None:
        other = SIBLING
        info = struct.pack("iiii112x", signal.SIGCONT, 0, -1, 0)
        match name:
            case "tkill":
                call("tkill", other, 0)
            case "tgkill":
                call("tgkill", other, other, 0)
            case "rt_sigqueueinfo":
                call("rt_sigqueueinfo", other, 0, info)
            case "rt_tgsigqueueinfo":
                call("rt_tgsigqueueinfo", other, other, 0, info)

    return send


HOLES: list[tuple[str, Callable[[], object], str, set[str]]] = [
    ("sendto with an address", lambda: socket.socketpair()[0].sendto(b"x", "/nowhere"), "stdio", {"kill"}),
    ("sendto with MSG_FASTOPEN", lambda: socket.socketpair()[0].send(b"x", 0x20000000), "stdio", {"kill"}),
    ("tkill of another", _signal_by("tkill"), "stdio", {"eperm", "kill"}),
    ("tgkill of another", _signal_by("tgkill"), "stdio", {"kill"}),
    ("rt_sigqueueinfo of another", _signal_by("rt_sigqueueinfo"), "stdio", {"kill"}),
    ("rt_tgsigqueueinfo of another", _signal_by("rt_tgsigqueueinfo"), "stdio", {"kill"}),
    ("pidfd of another", lambda: os.pidfd_open(SIBLING), "stdio", {"enosys"}),
    ("limits of another", lambda: resource.prlimit(SIBLING, resource.RLIMIT_NOFILE), "stdio proc", {"eperm"}),
    ("own limits under stdio", lambda: resource.prlimit(0, resource.RLIMIT_NOFILE, (64, 64)), "stdio", {"eperm"}),
    ("TIOCSTI", lambda: fcntl.ioctl(0, 0x5412, b"x"), "stdio tty rpath wpath", {"kill"}),
    ("TIOCLINUX", lambda: fcntl.ioctl(0, 0x541C, b"x"), "stdio tty rpath wpath", {"kill"}),
    ("personality", lambda: call("personality", 0x0400000), "stdio proc exec", {"eperm"}),
    ("user namespace by unshare", lambda: call("unshare", 0x10000000), "stdio proc", {"eperm"}),
    ("user namespace by clone", lambda: call("clone", 0x10000000 | 17, 0, 0, 0, 0), "stdio proc exec", {"kill"}),
    ("clone3", lambda: call("clone3", 0, 0), "stdio proc", {"enosys"}),
    ("io_uring", lambda: call("io_uring_setup", 1, 0), "stdio rpath wpath cpath inet", {"enosys"}),
    ("System V executable memory", lambda: call("shmat", 0, 0, 0o100000), "stdio sysvipc", {"kill"}),
    ("System V memory", lambda: call("shmget", 0, 4096, 0o600), "stdio", {"kill"}),
    ("a set-user-ID file by open", opening(os.O_WRONLY | os.O_CREAT, "suid", 0o4755), "stdio wpath cpath", {"eperm"}),
    ("a set-user-ID file by chmod", lambda: os.chmod(f"{HERE}/file", 0o4755), "stdio rpath fattr", {"eperm"}),
    ("chmod of an O_PATH descriptor", lambda: call("fchmodat2", os.open(f"{HERE}/file", os.O_PATH), b"", 0o600, 0x1000), "stdio fattr", {"eperm"}),
    ("ptrace", lambda: call("ptrace", 16, SIBLING, 0, 0), "stdio proc exec", {"kill"}),
    ("mount", lambda: call("mount", b"x", b"/", b"tmpfs", 0, 0), "stdio rpath wpath cpath", {"kill"}),
    ("an unknown number", lambda: LIBC.syscall(ctypes.c_long(1023)) == -1 and (_ for _ in ()).throw(OSError(ctypes.get_errno(), "")), "stdio", {"enosys"}),
    ("an x32 number", lambda: LIBC.syscall(ctypes.c_long(0x40000000 + 39)) == -1 and (_ for _ in ()).throw(OSError(ctypes.get_errno(), "")), "stdio", {"enosys"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "work", "promises", "refused"), HOLES, ids=[row[0] for row in HOLES])
def test_a_hole_of_other_ports_is_closed(
    name: str, work: Callable[[], object], promises: str, refused: set[str]
) -> None:
    assert outcome(work, promises) in refused


def test_libc_finds_what_it_opens_by_itself_under_stdio() -> None:
    def work() -> None:
        for flags in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR | os.O_CREAT | os.O_TRUNC):
            os.close(os.open("/dev/null", flags, 0o666))
        for path in ("/usr/share/zoneinfo/UTC", "/etc/localtime"):
            if os.path.islink(path) or os.access(path, os.F_OK) is not None:
                with contextlib.suppress(FileNotFoundError):
                    os.close(os.open(path, os.O_RDONLY))

    assert outcome(work, "stdio") == ("ok" if landlock.abi() else "eacces")


def test_stdio_keeps_a_python_program_running() -> None:
    def work() -> None:
        results: list[int] = []
        thread = threading.Thread(target=lambda: results.append(sum(range(1000))))
        thread.start()
        thread.join()
        assert results == [499500]
        one, two = os.pipe()
        os.write(two, b"x")
        assert os.read(one, 1) == b"x"
        os.isatty(0)
        time.sleep(0.001)
        signal.signal(signal.SIGUSR1, lambda *_: results.append(1))
        os.kill(os.getpid(), signal.SIGUSR1)
        signal.raise_signal(signal.SIGUSR1)
        assert results[1:] == [1, 1]
        assert len(os.urandom(8)) == 8

    assert outcome(work, "stdio") == "ok"


def test_getting_a_terminal_setting_takes_tty() -> None:
    _leader, follower = os.openpty()

    def window() -> None:
        fcntl.ioctl(follower, termios.TIOCGWINSZ, b"\0" * 8)

    assert outcome(window, "stdio tty") == "ok"
    assert outcome(window, "stdio") == "enotty"
    os.close(_leader)
    os.close(follower)
