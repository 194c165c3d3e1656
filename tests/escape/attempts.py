"""What the escape attempts share: one child that promises, tries, and tells; somebody outside to try it on.

An attempt answers `ok` when it got what it wanted, `kill` when the filter ended it, or the name of the
errno that it got, in lower case.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from functools import cache

from children import Died, become_nobody, in_child
from conftest import needs

import troth
from troth import abi

# All words that grant something and do not change what a refusal is.
EVERY = "stdio rpath wpath cpath dpath fattr chown flock inet mcast unix dns getpw proc exec id prot_exec settime tty vminfo ps route wroute sendfd recvfd sysvipc"
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.syscall.restype = ctypes.c_long
NR = abi.numbers(abi.native().name)
ELSEWHERE = frozenset(name for arch in abi.ARCHES for name in abi.numbers(arch))
X86 = abi.native().name == "x86_64"
PR_SET_DUMPABLE = 4
UPPER = 1 << 32  # a bit that an `int` argument does not have


def raw(number: int, *args: object) -> int:
    """One system call by its number; raises OSError."""
    values = [ctypes.c_long(arg) if isinstance(arg, int) else arg for arg in args]
    result: int = LIBC.syscall(ctypes.c_long(number), *values)
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


AT_FDCWD, AT_REMOVEDIR, AT_SYMLINK_NOFOLLOW = -100, 0x200, 0x100
CREAT_FLAGS = os.O_CREAT | os.O_WRONLY | os.O_TRUNC
# Calls that younger architectures (arm64, riscv64) do not have: what their libcs make instead.
INSTEAD: dict[str, Callable[..., tuple[object, ...]]] = {
    "open": lambda path, flags, mode=0: ("openat", AT_FDCWD, path, flags, mode),
    "creat": lambda path, mode: ("openat", AT_FDCWD, path, CREAT_FLAGS, mode),
    "mkdir": lambda path, mode: ("mkdirat", AT_FDCWD, path, mode),
    "mknod": lambda path, mode, device: ("mknodat", AT_FDCWD, path, mode, device),
    "rmdir": lambda path: ("unlinkat", AT_FDCWD, path, AT_REMOVEDIR),
    "unlink": lambda path: ("unlinkat", AT_FDCWD, path, 0),
    "rename": lambda old, new: ("renameat2", AT_FDCWD, old, AT_FDCWD, new, 0),
    "link": lambda old, new: ("linkat", AT_FDCWD, old, AT_FDCWD, new, 0),
    "symlink": lambda text, path: ("symlinkat", text, AT_FDCWD, path),
    "chmod": lambda path, mode: ("fchmodat", AT_FDCWD, path, mode),
    "chown": lambda path, uid, gid: ("fchownat", AT_FDCWD, path, uid, gid, 0),
    "lchown": lambda path, uid, gid: ("fchownat", AT_FDCWD, path, uid, gid, AT_SYMLINK_NOFOLLOW),
    "utime": lambda path, times: ("utimensat", AT_FDCWD, path, times, 0),
    "utimes": lambda path, times: ("utimensat", AT_FDCWD, path, times, 0),
    "futimesat": lambda at, path, times: ("utimensat", at, path, times, 0),
    "fork": lambda: ("clone", signal.SIGCHLD, 0, 0, 0, 0),
    "vfork": lambda: ("clone", 0x4100 | signal.SIGCHLD, 0, 0, 0, 0),  # CLONE_VM | CLONE_VFORK
}


def call(name: str, *args: object) -> int:
    """One system call by its name; raises OSError.

    Where the architecture does not have it, what libc makes instead there; where there is nothing instead,
    ENOSYS, which is what a kernel answers to a call that it does not have.
    """
    if name == "clone" and abi.native().name == "s390x":
        args = (args[1], args[0], *args[2:])  # its kernel takes the stack first
    if name in NR:
        return raw(NR[name], *args)
    if name in INSTEAD:
        return call(*INSTEAD[name](*args))  # type: ignore[arg-type]  # a name and its arguments
    if name in ELSEWHERE:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    raise KeyError(name)


def dumpable() -> None:
    """Changing the user took away the files in /proc/self, which an ordinary program has."""
    LIBC.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)


def attempt(
    promises: str | None,
    work: Callable[[], object],
    *,
    prepare: Callable[[], object] | None = None,
    veil: dict[str, str] | None = None,
    violation: str = "kill",
) -> str:
    """Prepare, then promise (unless None), then do `work`: `ok`, `kill` or the name of an errno."""

    def confined() -> str:
        signal.alarm(30)
        dumpable()
        if prepare is not None:
            prepare()
        for path, permissions in (veil or {}).items():
            troth.unveil(path, permissions)
        if promises is not None:
            troth.pledge(promises, violation=violation)
        try:
            result = work()
        except OSError as error:
            return errno.errorcode[error.errno or 0].lower()
        return result if isinstance(result, str) else "ok"

    try:
        return in_child(confined, unprivileged=True)
    except Died as death:
        return "kill" if death.signum == signal.SIGSYS else signal.Signals(death.signum).name.lower()


def forked(work: Callable[[], object]) -> str:
    """Do `work` in a child of this process, `kill` or errno as in `attempt`; for what takes `proc`."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except OSError as error:
            os._exit(error.errno or 255)
        except BaseException:
            os._exit(255)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        return "kill" if os.WTERMSIG(status) == signal.SIGSYS else signal.Signals(os.WTERMSIG(status)).name.lower()
    code = os.waitstatus_to_exitcode(status)
    return errno.errorcode.get(code, str(code)).lower() if code else "ok"


class Victim:
    """Another process of the same user, outside of every confinement; it notes the signals that it gets."""

    def __init__(self) -> None:
        self.memory = ctypes.create_string_buffer(b"untouched", 64)
        self.address = ctypes.addressof(self.memory)
        ask, self._ask = os.pipe()
        self._answer, answer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.close(self._ask)
                os.close(self._answer)
                os.setpgid(0, 0)
                become_nobody()
                dumpable()
                notes, note = os.pipe()
                os.set_blocking(note, False)
                os.set_blocking(notes, False)
                signal.set_wakeup_fd(note)
                for number in (
                    signal.SIGUSR1,
                    signal.SIGIO,
                    signal.SIGCONT,
                    signal.SIGTERM,
                    signal.SIGHUP,
                    signal.SIGURG,
                ):
                    signal.signal(number, lambda *_: None)
                os.write(answer, b"r" * 1)
                while os.read(ask, 1):
                    seen = b""
                    with contextlib.suppress(BlockingIOError):
                        seen = os.read(notes, 64)
                    os.write(answer, bytes([len(seen)]) + seen + self.memory.raw)
            finally:
                os._exit(0)
        os.close(ask)
        os.close(answer)
        assert os.read(self._answer, 1) == b"r"

    def look(self) -> tuple[bytes, bytes]:
        """The signals it got since the last look, and what its memory says."""
        os.write(self._ask, b"?")
        data = os.read(self._answer, 256)
        assert data, "the victim is gone"
        count = data[0]
        return data[1 : 1 + count], data[1 + count :].rstrip(b"\0")

    def end(self) -> None:
        os.close(self._ask)
        os.close(self._answer)
        os.waitpid(self.pid, 0)


@contextlib.contextmanager
def victim() -> Iterator[Victim]:
    found = Victim()
    try:
        yield found
    finally:
        found.end()


@contextlib.contextmanager
def grounds() -> Iterator[str]:
    """A directory that anybody may write: in/{file,sub/deep}, out/{file,dir}."""
    with tempfile.TemporaryDirectory() as top:
        for directory in ("", "/in", "/in/sub", "/out", "/out/dir"):
            os.makedirs(top + directory, exist_ok=True)
            os.chmod(top + directory, 0o777)
        for name in ("/in/file", "/in/sub/deep", "/out/file"):
            with open(top + name, "w") as stream:
                stream.write("text")
            os.chmod(top + name, 0o666)
        yield top


def listing(top: str) -> list[str]:
    """Everything beneath a directory, with sizes and modes: what no attempt may change."""
    found = []
    for where, directories, files in os.walk(top):
        for name in sorted(directories + files):
            status = os.lstat(f"{where}/{name}")
            found.append(
                f"{where.removeprefix(top)}/{name} {status.st_size if name in files else ''} {status.st_mode:o} {status.st_nlink}"
            )
    return sorted(found)


HERE = os.path.dirname(os.path.abspath(__file__))


@cache
def _workshop() -> tempfile.TemporaryDirectory[str]:
    where: tempfile.TemporaryDirectory[str] = tempfile.TemporaryDirectory()
    os.chmod(where.name, 0o755)
    return where


@cache
def build(source: str, *options: str) -> str:
    """Compile a C program that lies beside this file; skips where that cannot be done."""
    target = f"{_workshop().name}/{source}{''.join(options)}".replace(".c", "")
    try:
        done = subprocess.run(["gcc", "-O1", "-w", *options, f"{HERE}/{source}", "-o", target], capture_output=True)
    except FileNotFoundError:
        needs(False, "gcc")
        raise
    needs(done.returncode == 0, f"gcc {' '.join(options)}: {done.stderr.decode()}")
    return target
