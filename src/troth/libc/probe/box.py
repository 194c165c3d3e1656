"""A box for the probe: namespaces of its own, and a root with a libc, a few fixed files, and nothing else.

Everything in it is the same on every machine, for root and for everyone else: one user, one address, no host's
configuration. Of the given root only the libraries are in it, and they cannot be written to.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import struct
from pathlib import Path
from typing import NamedTuple

from troth.errors import EnforcementError, RequestError
from troth.kernel import namespaces, process

CONTROL = 100  # the descriptor of the control socket; high, so that cases get those that programs get
_MOST_DESCRIPTORS = 1 << 20  # of one process: fs.nr_open as it is shipped

_LIBRARIES = ("lib", "lib32", "lib64", "libx32")
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_DIRECTORIES = (
    "bin",
    "dev/pts",
    "dev/shm",
    "etc",
    "home",
    "proc",
    "root",
    "run",
    "tmp",
    "usr",
    "var/run",
    "var/log",
    "work",
)

_DATABASES = "passwd group shadow gshadow services protocols networks rpc ethers netgroup aliases"
_FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/:/bin/sh\n",
    "etc/group": "root:x:0:\ndaemon:x:1:root\n",
    "etc/shadow": "root:*:1::::::\n",
    "etc/gshadow": "root:*::\n",
    "etc/hosts": "127.0.0.1 localhost\n::1 localhost\n127.0.0.1 box\n",
    "etc/resolv.conf": "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n",
    "etc/nsswitch.conf": "".join(f"{name}: files\n" for name in _DATABASES.split()) + "hosts: files dns\n",
    "etc/services": "http 80/tcp\ndomain 53/udp\n",
    "etc/protocols": "icmp 1 ICMP\ntcp 6 TCP\nudp 17 UDP\n",
    "etc/networks": "loopback 127.0.0.0\n",
    "etc/rpc": "portmapper 100000\n",
    "etc/ethers": "00:11:22:33:44:55 box\n",
    "etc/aliases": "postmaster: root\n",
    "etc/fstab": "none /proc proc defaults 0 0\n",
    "etc/mtab": "none /proc proc rw 0 0\n",
    "etc/shells": "/bin/sh\n",
    "etc/ttys": "",
    "etc/hostid": "abcd",
    "run/utmp": "",
    "var/log/wtmp": "",
}  # fmt: skip

_ENVIRONMENT = {"LC_ALL": "C", "PATH": "/bin", "TZ": "UTC0"}
_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1
_IFREQ = struct.Struct("16sh22x")
_REMOUNTABLE = os.ST_NOSUID | os.ST_NODEV | os.ST_NOEXEC


class Box(NamedTuple):
    """What goes into a box: the root with the libc, the probe, and the program that the probe starts."""

    root: Path
    probe: Path
    command: Path


class Opened(NamedTuple):
    """A box with the probe running in it: the process to wait for, the socket it obeys, the listener of its filter."""

    pid: int
    control: socket.socket
    listener: int


def open_box(box: Box, directory: Path) -> Opened:
    """Start the probe in a box; it ends when the control socket is closed.

    `directory` is an empty one that stays until then.

    Raises:
        RequestError: no box can be made here; the step that failed is told.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid == 0:
        try:
            ours.close()
            _shut_in(box, directory, theirs)
        except BaseException as error:  # a child never returns into its parent's code
            theirs.send(f"{type(error).__name__}: {error}".encode()[:4000])
        os._exit(1)
    theirs.close()
    words, descriptors, *_ = socket.recv_fds(ours, 4096, 1)
    if not descriptors:
        ours.close()
        os.waitpid(pid, 0)
        why = words.decode(errors="replace") or "the program ended at once"
        hint = "it needs user namespaces, and a kernel of 6.6 or later"
        raise RequestError(f"the probe cannot be shut in with {box.root}: {why}", hint=hint)
    return Opened(pid, ours, descriptors[0])


def _shut_in(box: Box, directory: Path, control: socket.socket) -> None:
    n = namespaces
    n.new_user(n.NEWNS | n.NEWPID | n.NEWNET | n.NEWIPC | n.NEWUTS)
    pid = os.fork()
    if pid:
        control.close()
        os.waitpid(pid, 0)
        os._exit(0)
    process.set_parent_death_signal(signal.SIGKILL)
    os.setsid()
    process.set_personality(process.ADDR_NO_RANDOMIZE)
    socket.sethostname("box")
    _raise_loopback()
    n.mount("none", "/", flags=n.MS_REC | n.MS_PRIVATE)
    _furnish(box, directory)
    null = os.open("/dev/null", os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.dup2(control.fileno(), CONTROL)
    os.closerange(3, CONTROL)
    os.closerange(CONTROL + 1, _MOST_DESCRIPTORS)  # what this process inherited itself
    os.chroot(directory)
    os.chdir("/")
    os.umask(0o022)
    for number in range(1, signal.NSIG):
        if number not in (signal.SIGKILL, signal.SIGSTOP) and signal.getsignal(number) is not None:
            signal.signal(number, signal.SIG_DFL)
    os.execve("/probe", ["/probe", "--serve", str(CONTROL)], _ENVIRONMENT)


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        name, flags = _IFREQ.unpack(fcntl.ioctl(any_socket, _SIOCGIFFLAGS, _IFREQ.pack(b"lo", 0)))
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, _IFREQ.pack(name, flags | _IFF_UP))


def _furnish(box: Box, top: Path) -> None:
    n = namespaces
    n.mount("box", str(top), "tmpfs", data="mode=0755")
    for name in _DIRECTORIES:
        (top / name).mkdir(parents=True, exist_ok=True)
    (top / "tmp").chmod(0o1777)
    for name, text in _FILES.items():
        (top / name).write_text(text)
    for name in _DEVICES:
        (top / "dev" / name).touch()
        n.mount(f"/dev/{name}", str(top / "dev" / name), flags=n.MS_BIND)
    for name in _LIBRARIES:
        _libraries(box.root, name, top)
        _libraries(box.root, f"usr/{name}", top)
    n.mount("shm", str(top / "dev/shm"), "tmpfs", data="mode=1777")
    n.mount("pts", str(top / "dev/pts"), "devpts", data="newinstance,ptmxmode=0666,mode=0620")
    (top / "dev/ptmx").symlink_to("pts/ptmx")
    try:
        n.mount("proc", str(top / "proc"), "proc")
    except EnforcementError:  # in a container parts of whose /proc are covered; then the outer one has to do
        n.mount("/proc", str(top / "proc"), flags=n.MS_BIND | n.MS_REC)
    shutil.copyfile(box.probe, top / "probe")
    shutil.copyfile(box.command, top / "bin/sh")
    shutil.copyfile(box.command, top / "bin/x")
    for name in ("probe", "bin/sh", "bin/x"):
        (top / name).chmod(0o755)


def _libraries(root: Path, name: str, top: Path) -> None:
    n = namespaces
    source, target = root / name, top / name
    if source.is_symlink():
        target.symlink_to(os.readlink(source))
    elif source.is_dir():
        target.mkdir()
        n.mount(str(source), str(target), flags=n.MS_BIND | n.MS_REC)
        kept = os.statvfs(source).f_flag & _REMOUNTABLE
        n.mount("none", str(target), flags=n.MS_BIND | n.MS_REMOUNT | n.MS_RDONLY | kept)
