"""Enter a root, and run one program in it: confined by `troth run` as this user or as nobody, or not at all.

A root is entered by chroot(2) in mount and network namespaces of its own (and a user namespace, when not root), with
the host's /proc and /dev, a loopback interface that no other cell sees, a fresh /tmp, and one directory of the host at
/work, which the program's files are in.
"""

from __future__ import annotations

import ctypes
import encodings.idna  # noqa: F401  # connecting loads it late
import fcntl
import hashlib
import importlib
import os
import pkgutil
import pty
import select
import shutil
import signal
import socket
import struct
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from children import become_nobody

import troth
from troth.cli import main
from troth.kernel.process import set_dumpable

_CLONE_NEWNS, _CLONE_NEWUSER, _CLONE_NEWNET = 0x20000, 0x10000000, 0x40000000
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 0x40000
LIMIT_S = 300  # a program that hangs is ended, and its cell is red
_ENVIRONMENT = {
    "PATH": "/usr/bin:/usr/sbin",
    "HOME": "/work",
    "LANG": "C.UTF-8",
    "TMPDIR": "/tmp",
    "TZ": "UTC",
    "TERM": "vt100",
    "LESSHISTFILE": "-",
    "PYTHONDONTWRITEBYTECODE": "1",
}

# All of troth is loaded before the root changes: afterwards its files are out of reach.
for _module in pkgutil.walk_packages(troth.__path__, "troth."):
    if not _module.name.endswith("__main__"):
        importlib.import_module(_module.name)

_libc = ctypes.CDLL(None, use_errno=True)


class Request(NamedTuple):
    """What a server on a port of 127.0.0.1 is sent; it answers, closes, and is ended by SIGTERM."""

    port: int
    text: str


class Result(NamedTuple):
    """What a program did: its status (128 and the signal's number when one ended it), its output, the files it left."""

    status: int
    out: str
    err: str
    files: dict[str, str]


def _check(result: int) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _mount(source: str, target: str, kind: str | None, flags: int) -> None:
    _check(_libc.mount(source.encode(), target.encode(), kind and kind.encode(), flags, None))


def can_enter() -> bool:
    """Whether this user can enter a root here: root, or whoever may make user namespaces."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            _namespaces()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def _namespaces() -> None:
    uid, gid = os.getuid(), os.getgid()
    if uid == 0:
        _check(_libc.unshare(_CLONE_NEWNS | _CLONE_NEWNET))
    else:
        _check(_libc.unshare(_CLONE_NEWNS | _CLONE_NEWNET | _CLONE_NEWUSER))
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
        Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
    _mount("none", "/", None, _MS_REC | _MS_PRIVATE)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _IFF_UP))


def enter(root: Path, work: Path) -> None:
    """Make a root this process's /, for good, with `work` at /work.

    Raises:
        OSError: this user may not.
    """
    _namespaces()
    for name in ("proc", "dev"):
        _mount(f"/{name}", str(root / name), None, _MS_BIND | _MS_REC)
    _mount("tmp", str(root / "tmp"), "tmpfs", 0)
    os.chmod(root / "tmp", 0o1777)
    _mount(str(work), str(root / "work"), None, _MS_BIND)
    os.chroot(root)
    os.chdir("/work")


def run(
    argv: tuple[str, ...],
    root: Path,
    *,
    files: Mapping[str, str | bytes],
    troth: tuple[str, ...] | None,
    nobody: bool = False,
    keys: Sequence[tuple[str, str]] = (),
    request: Request | None = None,
    confine: Callable[[], None] | None = None,
    limit_s: float = LIMIT_S,
) -> Result:
    """Run a program in a root on a fresh copy of its files; `troth` are the arguments of `troth run`, None for none.

    Without `troth`, `confine` is called in the program's process right before execve(2). `keys` gives it a terminal:
    pairs of what has to appear and what is typed then. `request` makes it a server, whose answer is the output.
    """
    work = Path(tempfile.mkdtemp(prefix="troth-matrix-"))
    try:
        for name, text in files.items():
            if isinstance(text, bytes):  # a program
                (work / name).write_bytes(text)
                (work / name).chmod(0o755)
            else:
                (work / name).write_text(text)
        if nobody and os.getuid() == 0:
            for path in (work, *work.iterdir()):
                os.chown(path, 65534, 65534)

        def program() -> None:
            enter(root, work)
            if request:
                _ask_first(request)
            if nobody:
                become_nobody()
                set_dumpable(dumpable=True)  # as after the execve(2) that an unprivileged user comes from
            os.environ.clear()
            os.environ.update(_ENVIRONMENT)
            if troth is None:
                path = shutil.which(argv[0]) or argv[0]  # a filter may refuse what looking for it takes
                if confine is not None:
                    confine()
                os.execv(path, argv)
            sys.argv = ["troth", "run", *troth, "--", *argv]
            main()

        if keys:
            status, out, err = _on_terminal(program, keys, nobody=nobody, limit_s=limit_s)
        else:
            status, out, err = _in_child(program, limit_s)
        return Result(status, out, err, _listing(work))
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _listing(work: Path) -> dict[str, str]:
    return {
        str(path.relative_to(work)): _digest(path.read_bytes()) if path.is_file() else "/"
        for path in sorted(work.rglob("*"))
        if not path.is_symlink()
    }


def left(files: Mapping[str, str | bytes]) -> dict[str, str]:
    """What a program leaves that changes no file."""
    return {name: _digest(text if isinstance(text, bytes) else text.encode()) for name, text in sorted(files.items())}


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:12]


def _ask_first(request: Request) -> None:
    """Fork: the child returns, to become the server; the parent, in the same network, asks it, and ends as it does."""
    pid = os.fork()
    if pid == 0:
        return
    ended, status, answer = 0, 0, b""
    while not ended and not answer:
        ended, status = os.waitpid(pid, os.WNOHANG)
        try:
            with socket.create_connection(("127.0.0.1", request.port)) as connection:
                connection.sendall(request.text.encode())
                while data := connection.recv(4096):
                    answer += data
        except OSError:
            time.sleep(0.01)  # it does not listen yet
    if not ended:
        os.kill(pid, signal.SIGTERM)
        _, status = os.waitpid(pid, 0)
    os.write(1, answer)
    os._exit(_status(status))


def _become(program: Callable[[], None], descriptors: Sequence[int]) -> None:
    """In a forked child: put these descriptors in the place of the standard ones and call `program`; never returns."""
    try:
        for number, source in enumerate(descriptors):
            os.dup2(source, number)
        program()
    except BaseException as error:
        if isinstance(error, SystemExit):
            os._exit(error.code if isinstance(error.code, int) else 1)
        os.write(2, f"not started: {error!r}\n".encode())
    finally:
        os._exit(99)


def _status(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code


def _on_terminal(
    program: Callable[[], None], keys: Sequence[tuple[str, str]], *, nobody: bool, limit_s: float
) -> tuple[int, str, str]:
    """Call `program` in a forked child that has a terminal, and type; gives what appeared as output and as errors.

    The output is what the keys waited for, each as far as it appeared, since how a screen is drawn is a matter of time.
    """
    master, slave = pty.openpty()
    if nobody and os.getuid() == 0:
        os.fchown(slave, 65534, 65534)
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        os.close(master)
        _become(program, (slave, slave, slave))
    os.close(slave)
    screen, found, waiting = "", "", list(keys)
    end = time.monotonic() + limit_s
    while True:
        if not select.select([master], [], [], max(0, end - time.monotonic()))[0]:
            os.killpg(pid, signal.SIGKILL)
            break
        try:
            data = os.read(master, 65536)
        except OSError:  # its last user is gone
            break
        screen += data.decode("utf-8", "backslashreplace")
        while waiting and waiting[0][0] in screen:
            text, typed = waiting.pop(0)
            found += f"{text}\n"
            screen = screen.partition(text)[2]
            os.write(master, typed.encode())
    _, status = os.waitpid(pid, 0)
    os.close(master)
    return _status(status), found, screen


def _in_child(program: Callable[[], None], limit_s: float) -> tuple[int, str, str]:
    """Call `program` in a forked child that leads a session of its own, with its output in files."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            os.setsid()
            _become(program, (os.open("/dev/null", os.O_RDONLY), out.fileno(), err.fileno()))
        watched = os.pidfd_open(pid)
        select.select([watched], [], [], limit_s)
        os.killpg(pid, signal.SIGKILL)  # the program if it took too long, and servers that it left behind in any case
        os.close(watched)
        _, status = os.waitpid(pid, 0)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode("utf-8", "backslashreplace"))
        return _status(status), texts[0], texts[1]
