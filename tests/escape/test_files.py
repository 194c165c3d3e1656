"""Every way to open, make, change or remove a file that was not promised; nothing may come of it."""

# Attempts in loops bind what they try as defaults of a lambda.
# mypy: disable-error-code="misc"

from __future__ import annotations

import ctypes
import os
import socket
import stat
import struct
from collections.abc import Callable, Iterator

import pytest
from escape.attempts import INSTEAD, NR, attempt, call, grounds, listing

from troth.kernel import landlock

AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
AT_SYMLINK_FOLLOW = 0x400
O_PATH, O_TMPFILE = os.O_PATH, os.O_TMPFILE
HERE = ""
# The answers of filter and Landlock, and those of a kernel that does not even get as far as asking them.
SOFT = {"eacces", "eperm", "enosys", "enotsup", "einval", "eisdir", "efault", "exdev"}


@pytest.fixture(autouse=True)
def place() -> Iterator[None]:
    """All attempts go at the same tree, which has to be the same afterwards."""
    global HERE
    with grounds() as HERE:
        before = listing(HERE)
        yield
        assert listing(HERE) == before, "the attempt left a trace"


def path(name: str = "out/file") -> bytes:
    return f"{HERE}/{name}".encode()


def how(flags: int, mode: int = 0, resolve: int = 0) -> bytes:
    """struct open_how"""
    return struct.pack("QQQ", flags, mode, resolve)


def openat2(name: str, flags: int, mode: int = 0, resolve: int = 0, at: int = AT_FDCWD) -> int:
    return call("openat2", at, path(name), how(flags, mode, resolve), 24)


# What opens with more than was promised, under every set that lacks something.
OPENING: dict[str, Callable[[], object]] = {
    "open to write": lambda: call("open", path(), os.O_WRONLY),
    "open to read and write": lambda: call("open", path(), os.O_RDWR),
    "open with access mode 3": lambda: call("open", path(), 3),
    "open to read and empty": lambda: call("open", path(), os.O_RDONLY | os.O_TRUNC),
    "open a directory to write": lambda: call("open", path("out"), os.O_RDWR | os.O_DIRECTORY),
    "openat to write": lambda: call("openat", AT_FDCWD, path(), os.O_WRONLY),
    "openat to append": lambda: call("openat", AT_FDCWD, path(), os.O_WRONLY | os.O_APPEND),
    "openat without a path": lambda: call("openat", AT_FDCWD, None, os.O_WRONLY | os.O_CREAT, 0o600),
    "creat": lambda: call("creat", path(), 0o600),
    "creat anew": lambda: call("creat", path("out/new"), 0o600),
    "openat2 to write": lambda: openat2("out/file", os.O_WRONLY),
    "openat2 to empty": lambda: openat2("out/file", os.O_RDONLY | os.O_TRUNC),
    "openat2 to create": lambda: openat2("out/new", os.O_RDONLY | os.O_CREAT, 0o600),
    "openat2 beneath": lambda: openat2("out/file", os.O_RDWR, 0, 0x08 | 0x10),
    "O_PATH, then again to write": lambda: call("open", b"/proc/self/fd/%d" % call("open", path(), O_PATH), os.O_RDWR),
    "O_CREAT with O_DIRECTORY": lambda: call("open", path("out/new"), os.O_CREAT | os.O_DIRECTORY | os.O_WRONLY, 0o700),
    "unnamed file": lambda: call("open", path("out"), O_TMPFILE | os.O_RDWR, 0o600),
    "unnamed file, half the flag": lambda: call("open", path("out"), 0o20000000 | os.O_RDWR, 0o600),
    "truncate": lambda: call("truncate", path(), 0),
    "rename": lambda: call("rename", path(), path("out/new")),
    "renameat2": lambda: call("renameat2", AT_FDCWD, path(), AT_FDCWD, path("out/dir"), 2),
    "link": lambda: call("link", path(), path("out/new")),
    "linkat": lambda: call("linkat", AT_FDCWD, path(), AT_FDCWD, path("out/new"), AT_SYMLINK_FOLLOW),
    "symlink": lambda: call("symlink", b"x", path("out/new")),
    "unlink": lambda: call("unlink", path()),
    "unlinkat of a directory": lambda: call("unlinkat", AT_FDCWD, path("out/dir"), 0x200),
    "rmdir": lambda: call("rmdir", path("out/dir")),
    "mkdir": lambda: call("mkdir", path("out/new"), 0o700),
    "mkdirat": lambda: call("mkdirat", AT_FDCWD, path("out/new"), 0o700),
    "mknod": lambda: call("mknod", path("out/new"), stat.S_IFREG | 0o600, 0),
    "mknodat of a fifo": lambda: call("mknodat", AT_FDCWD, path("out/new"), stat.S_IFIFO | 0o600, 0),
    "chmod": lambda: call("chmod", path(), 0o777),
    "fchmodat": lambda: call("fchmodat", AT_FDCWD, path(), 0o777),
    "fchmodat2": lambda: call("fchmodat2", AT_FDCWD, path(), 0o777, 0),
    "setxattr": lambda: call("setxattr", path(), b"user.x", b"x", 1, 0),
    "lsetxattr": lambda: call("lsetxattr", path(), b"user.x", b"x", 1, 0),
    "setxattrat": lambda: call("setxattrat", AT_FDCWD, path(), 0, b"user.x", struct.pack("QII", 0, 0, 0), 16),
    "removexattr": lambda: call("removexattr", path(), b"user.x"),
    "file_setattr": lambda: call("file_setattr", AT_FDCWD, path(), b"\0" * 24, 24, 0),
    "utime": lambda: call("utime", path(), 0),
    "utimensat": lambda: call("utimensat", AT_FDCWD, path(), 0, 0),
    "chown": lambda: call("chown", path(), -1, -1),
    "lchown": lambda: call("lchown", path(), -1, -1),
    "fchownat": lambda: call("fchownat", AT_FDCWD, path(), -1, -1, 0),
    "fchownat of the current directory": lambda: call("fchownat", AT_FDCWD, b"", -1, -1, AT_EMPTY_PATH),
    "name_to_handle_at": lambda: call(
        "name_to_handle_at", AT_FDCWD, path(), struct.pack("Ii128x", 128, 0), ctypes.byref(ctypes.c_int()), 0
    ),
    "open_by_handle_at": lambda: call("open_by_handle_at", AT_FDCWD, struct.pack("Ii128x", 8, 1), os.O_RDONLY),
    "chroot": lambda: call("chroot", path("out")),
    "fanotify": lambda: call("fanotify_init", 0x200, 0),
    "swapon": lambda: call("swapon", path(), 0),
    "acct": lambda: call("acct", path()),
    "quotactl": lambda: call("quotactl", 0x800002, path(), 0, 0),
    "mount": lambda: call("mount", path("in"), path("out"), 0, 4096, 0),
    "open_tree": lambda: call("open_tree", AT_FDCWD, path("out"), 1),
    "unix socket file": lambda: socket.socketpair()[0].bind(f"{HERE}/out/new"),
}


@pytest.mark.parametrize("name", OPENING)
@pytest.mark.parametrize("promises", ["stdio", "stdio rpath"])
def test_who_may_at_most_read_changes_nothing(name: str, promises: str) -> None:
    assert attempt(promises, OPENING[name]) in {"kill", *SOFT}


@pytest.mark.parametrize("name", OPENING)
def test_in_errno_mode_the_answer_is_an_errno_and_nothing_changes(name: str) -> None:
    assert attempt("stdio rpath", OPENING[name], violation="errno") in SOFT


READING: dict[str, Callable[[], object]] = {
    "open": lambda: call("open", path(), os.O_RDONLY),
    "openat": lambda: call("openat", AT_FDCWD, path(), os.O_RDONLY),
    "openat2": lambda: openat2("out/file", os.O_RDONLY),
    "openat2 in root": lambda: call("openat2", AT_FDCWD, path(), how(0, 0, 0x10), 24),
    "O_PATH, then by its number": lambda: call("open", b"/proc/self/fd/%d" % call("open", path(), O_PATH), os.O_RDONLY),
    "O_PATH of the directory, then below": lambda: call(
        "openat", call("open", path("out"), O_PATH), b"file", os.O_RDONLY
    ),
    "fchdir to an O_PATH, then below": lambda: (
        call("fchdir", call("open", path("out"), O_PATH)),
        call("open", b"file", os.O_RDONLY),
    ),
    "by /proc/self/root": lambda: call("open", b"/proc/self/root" + path(), os.O_RDONLY),
    "by /proc/self/cwd": lambda: call("open", b"/proc/self/cwd" + b"/../" * 8 + path(), os.O_RDONLY),
    "by /proc/thread-self/root": lambda: call("open", b"/proc/thread-self/root" + path(), os.O_RDONLY),
    "through an unnamed O_PATH link": lambda: call(
        "openat", call("open", b"/proc/self/root", O_PATH), path()[1:], os.O_RDONLY
    ),
    "open_tree": lambda: call("openat", call("open_tree", AT_FDCWD, path("out"), 0), b"file", os.O_RDONLY),
    "getdents of a directory": lambda: os.listdir(f"{HERE}/out"),
    "getdents of an O_PATH": lambda: call("getdents64", call("open", path("out"), O_PATH), b"\0" * 1024, 1024),
    "read of an O_PATH": lambda: os.read(call("open", path(), O_PATH), 1),
    "mmap of an O_PATH": lambda: call("mmap", 0, 4096, 1, 2, call("open", path(), O_PATH), 0),
    "sendfile of an O_PATH": lambda: call("sendfile", 1, call("open", path(), O_PATH), 0, 4),
    "copy_file_range of an O_PATH": lambda: call("copy_file_range", call("open", path(), O_PATH), 0, 1, 0, 4, 0),
    "another one's memory": lambda: call("open", b"/proc/%d/mem" % os.getppid(), os.O_RDONLY),
    "readlink": lambda: os.readlink("/proc/self/exe"),
    "getxattr": lambda: os.getxattr(f"{HERE}/out/file", "user.x"),
    "listxattrat": lambda: call("listxattrat", AT_FDCWD, path(), 0, b"\0" * 64, 64),
    "inotify": lambda: call("inotify_init1", 0),
    "cachestat": lambda: call("cachestat", 0, struct.pack("QQ", 0, 0), ctypes.create_string_buffer(64), 0),
    "uselib": lambda: call("uselib", path()),
    "execve": lambda: os.execv("/bin/true", ["true"]),
}


@pytest.mark.parametrize(
    ("promises", "name"),
    [
        (promises, name)
        for promises in ("stdio", "stdio cpath wpath dns getpw tty", "stdio exec")
        for name in READING
        if (promises, name) != ("stdio exec", "execve")  # which is what `exec` is for
    ],
)
def test_who_may_not_read_reads_nothing(name: str, promises: str) -> None:
    assert attempt(promises, READING[name]) in {"kill", "eacces", "ebadf", "enosys"}


@pytest.mark.parametrize(
    "promises", ["stdio rpath", "stdio wpath", "stdio cpath", "stdio rpath wpath", "stdio fattr", "stdio dpath"]
)
def test_no_set_user_id_file_comes_to_be(promises: str) -> None:
    for mode in (0o4755, 0o2755, 0o1777, 0o7777):
        assert attempt(promises, lambda mode=mode: call("open", path("out/new"), os.O_CREAT | os.O_WRONLY, mode)) in {
            "kill",
            "eacces",
            "eperm",
        }
        assert attempt(promises, lambda mode=mode: call("mknod", path("out/new"), stat.S_IFIFO | mode, 0)) in {
            "kill",
            "eperm",
        }
        assert attempt(f"{promises}", lambda mode=mode: call("fchmod", 0, mode)) in {"kill", "eperm"}


@pytest.mark.parametrize("name", ["chmod", "fchmodat", "fchmodat2"])
def test_fattr_sets_no_set_user_id_bit_by_any_call(name: str) -> None:
    args = {"chmod": (path(),), "fchmodat": (AT_FDCWD, path()), "fchmodat2": (AT_FDCWD, path())}[name]
    flags = () if name == "chmod" else (0,)
    for mode in (0o4777, 0o2777, 0o1777):
        assert attempt("stdio rpath fattr", lambda mode=mode: call(name, *args, mode, *flags)) == "eperm"


def test_fattr_gives_no_file_away_and_chown_is_its_own_promise() -> None:
    for name, args, flags in (
        ("chown", (path(),), ()),
        ("lchown", (path(),), ()),
        ("fchownat", (AT_FDCWD, path()), (0,)),
    ):
        for owner in ((0, -1), (-1, 0), (1, 1)):

            def give(
                name: str = name,
                args: tuple[object, ...] = args,
                owner: tuple[int, int] = owner,
                flags: tuple[int, ...] = flags,
            ) -> None:
                call(name, *args, *owner, *flags)

            assert attempt("stdio rpath fattr", give) == "eperm"
            assert attempt("stdio rpath wpath cpath", give) == "kill"


def test_an_o_path_descriptor_changes_no_attribute_under_fattr_alone() -> None:
    def fd() -> int:
        return call("open", path(), O_PATH)

    assert attempt("stdio fattr", lambda: call("fchmod", fd(), 0o777)) == "ebadf"
    assert attempt("stdio fattr", lambda: call("fchmodat2", fd(), b"", 0o777, AT_EMPTY_PATH)) == "eperm"
    assert attempt("stdio fattr", lambda: call("fchownat", fd(), b"", -1, -1, AT_EMPTY_PATH)) == "eperm"
    assert attempt("stdio fattr", lambda: call("utimensat", fd(), b"", 0, AT_EMPTY_PATH)) == "eperm"
    assert attempt("stdio fattr", lambda: call("utimensat", fd(), 0, 0, 0)) == "ebadf"
    assert attempt("stdio fattr", lambda: call("fsetxattr", fd(), b"user.x", b"x", 1, 0)) == "ebadf"


def test_an_unnamed_file_gets_no_name_without_cpath() -> None:
    def work() -> None:
        fd = call("open", path("out"), O_TMPFILE | os.O_RDWR, 0o600)
        call("linkat", AT_FDCWD, b"/proc/self/fd/%d" % fd, AT_FDCWD, path("out/new"), AT_SYMLINK_FOLLOW)

    def hidden() -> None:
        fd = openat2("out", O_TMPFILE | os.O_RDWR, 0o600)
        call("linkat", AT_FDCWD, b"/proc/self/fd/%d" % fd, AT_FDCWD, path("out/new"), AT_SYMLINK_FOLLOW)

    assert attempt("stdio rpath wpath", work) == "kill"
    judged = landlock.abi() >= 3  # else openat2 answers ENOSYS
    assert attempt("stdio rpath wpath", hidden) == ("kill" if judged else "enosys")
    assert attempt("stdio rpath cpath", hidden) == ("eacces" if judged else "enosys")


def test_what_was_opened_before_gives_no_more_than_it_had() -> None:
    held: list[int] = []

    def prepare() -> None:
        held[:] = [os.open(HERE, os.O_RDONLY), os.open(f"{HERE}/out/file", os.O_RDONLY)]

    below: dict[str, Callable[[], object]] = {
        "read below": lambda: call("openat", held[0], b"out/file", os.O_RDONLY),
        "write below": lambda: call("openat", held[0], b"out/file", os.O_WRONLY),
        "create below": lambda: call("openat", held[0], b"out/new", os.O_WRONLY | os.O_CREAT, 0o600),
        "go there": lambda: (call("fchdir", held[0]), call("open", b"out/file", os.O_RDONLY)),
        "go up": lambda: call("openat", held[0], b"../../etc/passwd", os.O_RDONLY),
        "remove below": lambda: call("unlinkat", held[0], b"out/file", 0),
        "write to the one for reading": lambda: os.write(held[1], b"x"),
        "empty the one for reading": lambda: os.ftruncate(held[1], 0),
        "open it again to write": lambda: call("open", b"/proc/self/fd/%d" % held[1], os.O_RDWR),
        "open it again by /dev": lambda: call("open", b"/dev/fd/%d" % held[1], os.O_RDWR),
        "map it to write": lambda: call("mmap", 0, 4096, 3, 1, held[1], 0),
        "change its mode": lambda: os.fchmod(held[1], 0o777),
        "change its owner": lambda: os.fchown(held[1], -1, -1),
        "lock it": lambda: call("flock", held[1], 1),
        "clone it": lambda: call("ioctl", held[1], 0x40049409, held[1]),
    }
    for name, work in below.items():
        assert attempt("stdio", work, prepare=prepare) in {"kill", "ebadf", *SOFT}, name


@pytest.mark.parametrize("promises", ["stdio rpath cpath", "stdio rpath", "stdio cpath"])
def test_a_file_that_exists_is_neither_written_nor_emptied_through_o_creat(promises: str) -> None:
    for flags in (
        os.O_WRONLY | os.O_CREAT,
        os.O_RDWR | os.O_CREAT | os.O_TRUNC,
        os.O_CREAT | os.O_TRUNC,
        os.O_CREAT | os.O_APPEND | os.O_WRONLY,
    ):
        assert attempt(promises, lambda flags=flags: call("open", path(), flags, 0o600)) == "eacces"
        assert attempt(promises, lambda flags=flags: openat2("out/file", flags, 0o600)) in {"eacces", "enosys"}


def test_stdio_writes_to_no_device_but_the_null_device() -> None:
    for device in (
        b"/dev/tty",
        b"/dev/full",
        b"/dev/zero",
        b"/dev/urandom",
        b"/dev/ptmx",
        b"/dev/kmsg",
        b"/dev/shm/new",
    ):
        assert attempt("stdio", lambda device=device: call("open", device, os.O_WRONLY | os.O_CREAT, 0o600)) == "eacces"
    null = attempt("stdio", lambda: call("open", b"/dev/null", os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666))
    assert null == ("ok" if landlock.abi() else "eacces")


def test_libc_files_stop_at_their_own_directory() -> None:
    for target in (
        b"/usr/share/zoneinfo/../../../etc/passwd",
        b"/usr/lib/locale/../../../etc/passwd",
        b"/dev/null/../tty",
    ):
        assert attempt("stdio", lambda target=target: call("open", target, os.O_RDONLY)) in {"eacces", "enotdir"}
    assert attempt("stdio dns", lambda: call("open", b"/etc/passwd", os.O_RDONLY)) == "eacces"
    assert attempt("stdio getpw", lambda: call("open", b"/etc/shadow", os.O_RDONLY)) == "eacces"


def test_ps_reads_processes_and_nothing_through_them() -> None:
    own = attempt("stdio ps", lambda: call("open", b"/proc/self/stat", os.O_RDONLY))
    assert own == ("ok" if landlock.abi() else "eacces")
    for target in (b"/proc/self/root" + path(), b"/proc/self/cwd" + b"/.." * 8 + path(), b"/proc/1/root" + path()):
        assert attempt("stdio ps", lambda target=target: call("open", target, os.O_RDONLY)) == "eacces"
    assert attempt("stdio ps", lambda: call("open", b"/proc/self/mem", os.O_RDWR)) == "eacces"
    assert attempt("stdio ps", lambda: call("open", b"/proc/self/oom_score_adj", os.O_WRONLY)) == "eacces"


def test_every_opening_call_of_this_architecture_is_tried_here() -> None:
    assert {"openat", "openat2"} <= set(NR)
    assert {"open", "creat"} <= set(NR) | set(INSTEAD)
