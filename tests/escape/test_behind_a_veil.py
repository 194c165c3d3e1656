"""Ways out of a veil: other names, other calls, other processes' views of the files that it hides."""

# Attempts of several steps are tuples; in loops they bind what they try as defaults of a lambda.
# mypy: disable-error-code="func-returns-value,misc"

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import stat
import struct
from collections.abc import Callable, Iterator

import pytest
from children import become_nobody, in_child
from conftest import needs
from escape.attempts import attempt, call, dumpable, forked, grounds, listing

import troth
from troth.errors import IncreaseError, UnsupportedError
from troth.kernel import landlock

AT_FDCWD, AT_EMPTY_PATH, AT_SYMLINK_FOLLOW = -100, 0x1000, 0x400
ALL = "stdio rpath wpath cpath dpath fattr chown flock proc exec"
HERE = ""
REFUSED = {"kill", "eacces", "eperm", "exdev", "enosys", "enotsup", "ebadf"}


@pytest.fixture(autouse=True)
def place() -> Iterator[None]:
    """`in` will be unveiled, `out` not; what is in `out` has to stay as it is."""
    global HERE
    needs(landlock.abi(), "Landlock")
    with grounds() as HERE:
        os.symlink(f"{HERE}/out/file", f"{HERE}/in/way")
        os.symlink("../out", f"{HERE}/in/up")
        before = listing(f"{HERE}/out")
        yield
        assert listing(f"{HERE}/out") == before, "the attempt left a trace"


def path(name: str = "out/file") -> bytes:
    return f"{HERE}/{name}".encode()


def veiled(
    work: Callable[[], object],
    promises: str = ALL,
    letters: str = "rwxc",
    prepare: Callable[[], object] | None = None,
) -> str:
    return attempt(promises, work, veil={f"{HERE}/in": letters}, prepare=prepare)


OTHER_NAMES: dict[str, Callable[[], object]] = {
    "its own": lambda: os.open(path(), os.O_RDONLY),
    "a symbolic link inside": lambda: os.open(path("in/way"), os.O_RDONLY),
    "a symbolic link to its directory": lambda: os.open(path("in/up/file"), os.O_RDONLY),
    "a symbolic link made now": lambda: (os.symlink(path(), path("in/new")), os.open(path("in/new"), os.O_RDONLY)),
    "dots from inside": lambda: os.open(path("in/sub/../../out/file"), os.O_RDONLY),
    "dots from a descriptor inside": lambda: call(
        "openat", os.open(path("in"), os.O_RDONLY), b"../out/file", os.O_RDONLY
    ),
    "the current directory": lambda: (os.chdir(path("out")), os.open(b"file", os.O_RDONLY)),
    "a descriptor without rights": lambda: call("openat", os.open(path("out"), os.O_PATH), b"file", os.O_RDONLY),
    "fchdir": lambda: (os.fchdir(os.open(path("out"), os.O_PATH)), os.open(b"file", os.O_RDONLY)),
    "/proc/self/root": lambda: os.open(b"/proc/self/root" + path(), os.O_RDONLY),
    "/proc/self/cwd": lambda: (os.chdir(path("out")), os.open(b"/proc/self/cwd/file", os.O_RDONLY)),
    "/proc/self/fd": lambda: os.open(b"/proc/self/fd/%d" % os.open(path(), os.O_PATH), os.O_RDONLY),
    "/proc/self/fd of its directory": lambda: os.open(
        b"/proc/self/fd/%d/file" % os.open(path("out"), os.O_PATH), os.O_RDONLY
    ),
    "/dev/fd": lambda: os.open(b"/dev/fd/%d" % os.open(path(), os.O_PATH), os.O_RDONLY),
    "/proc/thread-self": lambda: os.open(b"/proc/thread-self/root" + path(), os.O_RDONLY),
    "the parent's root": lambda: os.open(b"/proc/%d/root" % os.getppid() + path(), os.O_RDONLY),
    "openat2 in root": lambda: call(
        "openat2", os.open(HERE, os.O_PATH), b"/out/file", struct.pack("QQQ", 0, 0, 0x10), 24
    ),
    "openat2 beneath": lambda: call(
        "openat2", os.open(path("out"), os.O_PATH), b"file", struct.pack("QQQ", 0, 0, 0x08), 24
    ),
    "openat2 to write": lambda: call("openat2", AT_FDCWD, path(), struct.pack("QQQ", os.O_RDWR | os.O_TRUNC, 0, 0), 24),
    "a handle": lambda: call(
        "name_to_handle_at", AT_FDCWD, path(), struct.pack("Ii128x", 128, 0), ctypes.byref(ctypes.c_int()), 0
    ),
    "a detached mount": lambda: call("open_tree", AT_FDCWD, path("out"), 1),
    "a mount": lambda: call("mount", path("out"), path("in/sub"), 0, 4096, 0),
    "a moved mount": lambda: call("move_mount", AT_FDCWD, path("out"), AT_FDCWD, path("in/sub"), 0),
    "another root": lambda: call("chroot", path("out")),
    "another root, pivoted": lambda: call("pivot_root", path("out"), path("out")),
    "a mount namespace": lambda: call("unshare", 0x00020000),
    "a user namespace": lambda: call("unshare", 0x10000000 | 0x00020000),
    "a user namespace by clone": lambda: call("clone", 0x10000000 | 0x00020000 | 17, 0, 0, 0, 0),
    "another's namespace": lambda: call("setns", os.open(b"/proc/self/ns/mnt", os.O_RDONLY), 0),
    "a program outside": lambda: os.execv("/bin/true", ["true"]),
    "listing it": lambda: os.listdir(path("out")),
    "truncate": lambda: os.truncate(path(), 0),
    "truncate by a link": lambda: os.truncate(path("in/way"), 0),
    "unlink": lambda: os.unlink(path()),
    "rmdir": lambda: os.rmdir(path("out/dir")),
    "mkdir": lambda: os.mkdir(path("out/new")),
    "mknod": lambda: os.mknod(path("out/new"), stat.S_IFREG | 0o600),
    "mkfifo by a descriptor": lambda: call("mknodat", os.open(path("out"), os.O_PATH), b"new", stat.S_IFIFO | 0o600, 0),
    "an unnamed file": lambda: os.open(path("out"), os.O_TMPFILE | os.O_RDWR, 0o600),
    "a watch": lambda: call("inotify_init1", 0),
    "a watch of everything": lambda: call("fanotify_init", 0x200, 0),
    "a lock": lambda: call("flock", os.open(path(), os.O_PATH), 1),
}


@pytest.mark.parametrize("name", OTHER_NAMES)
def test_what_is_not_unveiled_is_not_reached_by(name: str) -> None:
    assert veiled(OTHER_NAMES[name]) in REFUSED


@pytest.mark.parametrize("name", [name for name in OTHER_NAMES if "/proc" in name or "root" in name or "fd" in name])
def test_unveiling_proc_is_not_unveiling_the_machine(name: str) -> None:
    assert attempt(ALL, OTHER_NAMES[name], veil={f"{HERE}/in": "rwxc", "/proc": "rwxc", "/dev": "rw"}) in REFUSED


MOVES: dict[str, Callable[[], object]] = {
    "link in": lambda: os.link(path(), path("in/new")),
    "link in by a descriptor": lambda: call(
        "linkat", os.open(path(), os.O_PATH), b"", AT_FDCWD, path("in/new"), AT_EMPTY_PATH
    ),
    "link in by a magic link": lambda: call(
        "linkat",
        AT_FDCWD,
        b"/proc/self/fd/%d" % os.open(path(), os.O_PATH),
        AT_FDCWD,
        path("in/new"),
        AT_SYMLINK_FOLLOW,
    ),
    "link out": lambda: os.link(path("in/file"), path("out/new")),
    "rename in": lambda: os.rename(path(), path("in/new")),
    "rename in over": lambda: os.rename(path(), path("in/file")),
    "rename out": lambda: os.rename(path("in/file"), path("out/new")),
    "rename out over": lambda: os.rename(path("in/file"), path()),
    "rename a directory in": lambda: os.rename(path("out/dir"), path("in/new")),
    "rename a directory out": lambda: os.rename(path("in/sub"), path("out/new")),
    "exchange": lambda: call("renameat2", AT_FDCWD, path("in/file"), AT_FDCWD, path(), 2),
    "exchange directories": lambda: call("renameat2", AT_FDCWD, path("in/sub"), AT_FDCWD, path("out/dir"), 2),
    "rename below outside": lambda: os.rename(path(), path("out/other")),
    "rename the unveiled directory itself": lambda: os.rename(path("in"), path("gone")),
    "replace the unveiled directory": lambda: call("renameat2", AT_FDCWD, path("in"), AT_FDCWD, path("out"), 2),
    "whiteout": lambda: call("renameat2", AT_FDCWD, path("in/file"), AT_FDCWD, path("in/new"), 4),
}


@pytest.mark.parametrize("name", MOVES)
def test_nothing_crosses_the_veil_by(name: str) -> None:
    assert veiled(MOVES[name]) in REFUSED
    assert os.path.exists(path("in/file")), "it is still inside"


def test_a_file_gains_no_right_by_moving_inside() -> None:
    rules = {f"{HERE}/in": "rc", f"{HERE}/in/sub": "rwxc"}
    assert attempt(ALL, lambda: os.rename(path("in/file"), path("in/sub/more")), veil=rules) == "exdev"
    assert attempt(ALL, lambda: os.link(path("in/file"), path("in/sub/more")), veil=rules) == "exdev"
    assert (
        attempt(ALL, lambda: call("renameat2", AT_FDCWD, path("in/file"), AT_FDCWD, path("in/sub/deep"), 2), veil=rules)
        in REFUSED
    )


def test_a_hidden_file_inside_an_unveiled_directory_stays_hidden() -> None:
    rules = {f"{HERE}/in": "rwc", f"{HERE}/in/sub": ""}
    tricks: dict[str, Callable[[], object]] = {
        "open": lambda: os.open(path("in/sub/deep"), os.O_RDONLY),
        "rename its directory": lambda: os.rename(path("in/sub"), path("in/other")),
        "rename it": lambda: os.rename(path("in/sub/deep"), path("in/deep")),
        "link it": lambda: os.link(path("in/sub/deep"), path("in/deep")),
        "exchange": lambda: call("renameat2", AT_FDCWD, path("in/sub"), AT_FDCWD, path("in/file"), 2),
        "by a link": lambda: (os.symlink("sub/deep", path("in/l")), os.open(path("in/l"), os.O_RDONLY)),
        "remove it": lambda: os.unlink(path("in/sub/deep")),
    }
    for name, work in tricks.items():
        assert attempt(ALL, work, veil=rules) in REFUSED, name
        assert os.path.exists(path("in/sub/deep")), name


ATTRIBUTES: dict[str, Callable[[bytes, int], object]] = {
    "chmod": lambda name, _: call("chmod", name, 0o777),
    "fchmodat": lambda name, _: call("fchmodat", AT_FDCWD, name, 0o777),
    "fchmodat2": lambda name, _: call("fchmodat2", AT_FDCWD, name, 0o777, 0),
    "fchmodat2 of a descriptor": lambda _, fd: call("fchmodat2", fd, b"", 0o777, AT_EMPTY_PATH),
    "fchmod": lambda _, fd: call("fchmod", fd, 0o777),
    "chmod by a magic link": lambda _, fd: call("chmod", b"/proc/self/fd/%d" % fd, 0o777),
    "chown": lambda name, _: call("chown", name, -1, -1),
    "lchown": lambda name, _: call("lchown", name, -1, -1),
    "fchownat": lambda name, _: call("fchownat", AT_FDCWD, name, -1, -1, 0),
    "fchownat of a descriptor": lambda _, fd: call("fchownat", fd, b"", -1, -1, AT_EMPTY_PATH),
    "fchown": lambda _, fd: call("fchown", fd, -1, -1),
    "utime": lambda name, _: call("utime", name, 0),
    "utimes": lambda name, _: call("utimes", name, 0),
    "futimesat": lambda name, _: call("futimesat", AT_FDCWD, name, 0),
    "utimensat": lambda name, _: call("utimensat", AT_FDCWD, name, 0, 0),
    "utimensat of a descriptor": lambda _, fd: call("utimensat", fd, b"", 0, AT_EMPTY_PATH),
    "utimensat without a path": lambda _, fd: call("utimensat", fd, 0, 0, 0),
    "setxattr": lambda name, _: call("setxattr", name, b"user.x", b"x", 1, 0),
    "lsetxattr": lambda name, _: call("lsetxattr", name, b"user.x", b"x", 1, 0),
    "fsetxattr": lambda _, fd: call("fsetxattr", fd, b"user.x", b"x", 1, 0),
    "setxattrat": lambda name, _: call("setxattrat", AT_FDCWD, name, 0, b"user.x", struct.pack("QII", 0, 0, 0), 16),
    "setxattrat of a descriptor": lambda _, fd: call(
        "setxattrat", fd, b"", AT_EMPTY_PATH, b"user.x", struct.pack("QII", 0, 0, 0), 16
    ),
    "removexattr": lambda name, _: call("removexattr", name, b"user.y"),
    "removexattrat": lambda name, _: call("removexattrat", AT_FDCWD, name, 0, b"user.y"),
    "file_setattr": lambda name, _: call("file_setattr", AT_FDCWD, name, b"\0" * 24, 24, 0),
    "file_setattr of a descriptor": lambda _, fd: call("file_setattr", fd, b"", b"\0" * 24, 24, AT_EMPTY_PATH),
}


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_no_attribute_outside_changes_by(name: str) -> None:
    work = ATTRIBUTES[name]
    now = os.stat(path()).st_mtime_ns, os.listxattr(path())
    for at in (
        lambda: work(path(), os.open(path(), os.O_PATH)),
        lambda: work(path("in/way"), os.open(path("in/way"), os.O_PATH)),
    ):
        assert veiled(at) in REFUSED
    assert (os.stat(path()).st_mtime_ns, os.listxattr(path())) == now


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_a_veil_without_a_pledge_keeps_attributes_too(name: str) -> None:
    now = os.stat(path()).st_mtime_ns, os.listxattr(path())

    def confined() -> str:
        dumpable()
        troth.unveil(f"{HERE}/in", "rwc")
        troth.unveil(None, None)
        with contextlib.suppress(OSError):
            ATTRIBUTES[name](path(), os.open(path(), os.O_PATH))
            return "ok"
        return "refused"

    assert in_child(confined, unprivileged=True) == "refused"
    assert (os.stat(path()).st_mtime_ns, os.listxattr(path())) == now


def test_a_veil_without_a_pledge_holds_in_a_namespace_of_ones_own() -> None:
    def confined() -> list[str]:
        dumpable()
        troth.unveil(f"{HERE}/in", "rwc")
        troth.unveil(None, None)
        got = []
        steps: tuple[Callable[[], object], ...] = (
            lambda: call("unshare", 0x10000000 | 0x00020000),
            lambda: call("mount", path("out"), path("in/sub"), 0, 4096, 0),
            lambda: call("chroot", path("out")),
            lambda: os.open(b"/file", os.O_RDONLY),
            lambda: os.open(path(), os.O_RDONLY),
            lambda: os.open(path("in/sub/file"), os.O_RDONLY),
        )
        for work in steps:
            try:
                got.append(str(work() is not None))
            except OSError as error:
                got.append(str(error.errno))
        return got

    assert "True" not in in_child(confined, unprivileged=True)[3:]


def test_descriptors_from_before_reach_only_themselves() -> None:
    held: list[int] = []

    def prepare() -> None:
        held[:] = [os.open(path("out"), os.O_RDONLY), os.open(HERE, os.O_RDONLY)]

    for below in (
        lambda: call("openat", held[0], b"file", os.O_RDONLY),
        lambda: call("openat", held[1], b"out/file", os.O_RDONLY),
        lambda: (os.fchdir(held[0]), os.open(b"file", os.O_RDONLY)),
        lambda: os.open(b"/proc/self/fd/%d/file" % held[0], os.O_RDONLY),
        lambda: os.unlink("file", dir_fd=held[0]),
        lambda: os.rename("file", "other", src_dir_fd=held[0], dst_dir_fd=held[0]),
        lambda: os.link("file", path("in/new"), src_dir_fd=held[0]),
        lambda: os.mkdir("new", dir_fd=held[0]),
    ):
        assert veiled(below, prepare=prepare) in REFUSED


def test_a_directory_that_is_sent_in_opens_nothing() -> None:
    ends: list[socket.socket] = []

    def prepare() -> None:
        ends[:] = socket.socketpair()
        socket.send_fds(ends[0], [b"x"], [os.open(path("out"), os.O_RDONLY)])

    def work() -> None:
        _, fds, _, _ = socket.recv_fds(ends[1], 1, 1)
        call("openat", fds[0], b"file", os.O_RDONLY)

    assert veiled(work, "stdio rpath wpath cpath recvfd", prepare=prepare) == "eacces"
    assert veiled(work, "stdio rpath wpath cpath", prepare=prepare) == "kill"


def test_children_and_their_children_stay_behind_the_veil() -> None:
    def work() -> str:
        return forked(lambda: os._exit(0 if forked(lambda: os.open(path(), os.O_RDONLY)) == "eacces" else 1))

    assert veiled(work) == "ok"


def test_a_file_made_inside_reaches_outside_by_no_other_name() -> None:
    def work() -> None:
        fd = os.open(path("in/new"), os.O_RDWR | os.O_CREAT, 0o600)
        call("linkat", AT_FDCWD, b"/proc/self/fd/%d" % fd, AT_FDCWD, path("out/new"), AT_SYMLINK_FOLLOW)

    assert veiled(work) in REFUSED


def test_a_socket_file_is_not_made_outside() -> None:
    assert (
        veiled(lambda: socket.socketpair()[0].bind(os.fsdecode(path("out/new"))), "stdio rpath wpath cpath inet")
        in REFUSED
    )


def test_unix_sockets_outside_are_not_reached_or_the_veil_is_refused() -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(f"{HERE}/out-socket")
        os.chmod(f"{HERE}/out-socket", 0o777)
        one.listen(1)

        def work() -> None:
            socket.socket(socket.AF_UNIX).connect(f"{HERE}/out-socket")

        assert veiled(work, "stdio rpath wpath") in REFUSED
        if landlock.abi() < 9:
            with pytest.raises(UnsupportedError):
                veiled(work, "stdio rpath unix")
        else:
            assert veiled(work, "stdio rpath unix") == "eacces"


def test_the_veil_cannot_be_lifted_by_another() -> None:
    def work() -> None:
        with pytest.raises(IncreaseError):
            troth.unveil("/", "rwxc")
        fd = landlock.create_ruleset((1 << 13) - 1)
        landlock.add_path_rule(fd, os.open("/", os.O_PATH), 1 << 2 | 1 << 3)
        landlock.restrict_self(fd)
        os.open(path(), os.O_RDONLY)

    assert veiled(work) == "eacces"


def test_an_unveil_between_fork_and_pledge_binds_the_child_alone() -> None:
    def confined() -> str:
        troth.unveil(f"{HERE}/in", "r")
        inside = forked(lambda: (troth.pledge("stdio rpath"), os.open(path(), os.O_RDONLY)))
        outside = "ok" if os.open(path(), os.O_RDONLY) else ""
        troth.pledge("stdio rpath")
        try:
            os.open(path(), os.O_RDONLY)
        except PermissionError:
            return f"{inside} {outside} eacces"
        return "open"

    assert in_child(confined, unprivileged=True) == "eacces ok eacces"


def test_root_does_not_get_out_either() -> None:
    needs(os.getuid() == 0, "root")

    def confined(work: Callable[[], object]) -> str:
        troth.unveil(f"{HERE}/in", "rwxc")
        troth.pledge(ALL + " id")
        try:
            work()
        except OSError as error:
            return "refused" if error.errno != 2 else "not there"
        return "ok"

    for name in (
        "a handle",
        "a mount",
        "another root",
        "a mount namespace",
        "/proc/self/root",
        "the parent's root",
        "a detached mount",
    ):
        answer = forked(lambda name=name: os._exit(0 if confined(OTHER_NAMES[name]) == "refused" else 7))
        assert answer in ("ok", "kill"), name


def test_becoming_another_user_does_not_lift_a_veil() -> None:
    needs(os.getuid() == 0, "root")

    def confined() -> None:
        troth.unveil(f"{HERE}/in", "r")
        troth.pledge("stdio rpath id")
        become_nobody()
        os.open(path(), os.O_RDONLY)

    assert forked(confined) == "eacces"
