"""landlock(7): every right refuses and grants what its name says; rulesets, rules and flags that are wrong are refused."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from conftest import needs
from kernel_programs import alone, attempt, errno_of, fork, refused_as_unknown

from troth.abi.landlock import (
    FILE_RIGHTS,
    FS,
    FS_BY_ABI,
    NET,
    NET_BY_ABI,
    NEWEST_ABI,
    RESTRICT_FLAGS,
    SCOPE_BY_ABI,
)
from troth.kernel import landlock, process

ABI = landlock.abi()
ROOT = os.geteuid() == 0
ALL_FS = FS_BY_ABI[ABI]
O_PATH = os.O_PATH | os.O_CLOEXEC

pytestmark = pytest.mark.usefixtures("with_landlock")


@pytest.fixture
def with_landlock() -> None:
    needs(ABI, "Landlock")


@pytest.fixture
def tree() -> Iterator[str]:
    """A directory for everybody: file, prog, empty/, here/file, there/."""
    with tempfile.TemporaryDirectory() as top:
        os.chmod(top, 0o777)
        for name in ("empty", "here", "there"):
            os.mkdir(f"{top}/{name}")
            os.chmod(f"{top}/{name}", 0o777)
        for name in ("file", "here/file"):
            with open(f"{top}/{name}", "w") as file:
                file.write("text")
            os.chmod(f"{top}/{name}", 0o666)
        with open("/bin/true", "rb") as source, open(f"{top}/prog", "wb") as copy:
            copy.write(source.read())
        os.chmod(f"{top}/prog", 0o755)
        yield top


def restrict(handled_fs: int, *rules: tuple[str, int], flags: int = 0) -> None:
    """Handle these rights, with rules for paths, and put that in force."""
    fd = landlock.create_ruleset(handled_fs)
    for path, rights in rules:
        path_fd = os.open(path, O_PATH)
        landlock.add_path_rule(fd, path_fd, rights)
        os.close(path_fd)
    process.set_no_new_privs()
    landlock.restrict_self(fd, flags)
    os.close(fd)


def execute(path: str) -> int:
    """How starting a program ends: its errno as status, or 0."""

    def work() -> None:
        try:
            os.execv(path, [path])
        except OSError as error:
            os._exit(error.errno or 1)

    return os.waitstatus_to_exitcode(os.waitpid(fork(work), 0)[1])


def bind_socket(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(path)


def ask_device(path: str) -> None:
    """An ioctl of a device, which fails with ENOTTY where it is not refused."""
    fd = os.open(path, os.O_RDWR)
    try:
        fcntl.ioctl(fd, 0x5401, bytes(64))
    except OSError as error:
        if error.errno != errno.ENOTTY:
            raise
    finally:
        os.close(fd)


OPERATIONS: dict[str, Callable[[str], object]] = {
    "WRITE_FILE": lambda top: os.open(f"{top}/file", os.O_WRONLY),
    "READ_FILE": lambda top: os.open(f"{top}/file", os.O_RDONLY),
    "READ_DIR": lambda top: os.listdir(f"{top}/empty"),
    "REMOVE_DIR": lambda top: os.rmdir(f"{top}/empty"),
    "REMOVE_FILE": lambda top: os.unlink(f"{top}/file"),
    "MAKE_CHAR": lambda top: os.mknod(f"{top}/new", stat.S_IFCHR | 0o600, os.makedev(1, 3)),
    "MAKE_DIR": lambda top: os.mkdir(f"{top}/new"),
    "MAKE_REG": lambda top: os.mknod(f"{top}/new", stat.S_IFREG | 0o600),
    "MAKE_SOCK": lambda top: bind_socket(f"{top}/new"),
    "MAKE_FIFO": lambda top: os.mkfifo(f"{top}/new"),
    "MAKE_BLOCK": lambda top: os.mknod(f"{top}/new", stat.S_IFBLK | 0o600, os.makedev(7, 200)),
    "MAKE_SYM": lambda top: os.symlink("file", f"{top}/new"),
    "TRUNCATE": lambda top: os.truncate(f"{top}/file", 0),
}


@pytest.mark.parametrize("right", OPERATIONS)
def test_a_right_is_refused_when_handled_and_granted_by_a_rule(right: str, tree: str, unprivileged: bool) -> None:
    bit = FS[right]
    if refused_as_unknown(bit):
        return
    operate = OPERATIONS[right]

    def outcome(rights: int) -> int:
        def work() -> int:
            restrict(bit, *[(tree, rights)] if rights else [])
            return attempt(lambda: operate(tree))

        return alone(work, unprivileged=unprivileged)

    assert outcome(0) == errno.EACCES
    if right in ("MAKE_CHAR", "MAKE_BLOCK") and not (ROOT and not unprivileged):
        assert outcome(bit) == errno.EPERM  # only root makes devices; the order of checks shows that Landlock passed
    else:
        assert outcome(bit) == 0


def test_execute_is_refused_when_handled_and_granted_by_a_rule(tree: str, unprivileged: bool) -> None:
    def outcome(*rules: tuple[str, int]) -> int:
        def work() -> int:
            restrict(FS["EXECUTE"], ("/usr", FS["EXECUTE"]), ("/lib", FS["EXECUTE"]), *rules)
            return execute(f"{tree}/prog")

        return alone(work, unprivileged=unprivileged)

    assert outcome() == errno.EACCES
    assert outcome((f"{tree}/prog", FS["EXECUTE"])) == 0


def test_refer_is_refused_unless_both_directories_have_it(tree: str, unprivileged: bool) -> None:
    if refused_as_unknown(FS["REFER"]):
        return

    def outcome(*rules: tuple[str, int]) -> int:
        def work() -> int:
            restrict(FS["REFER"], *rules)
            return attempt(lambda: os.rename(f"{tree}/here/file", f"{tree}/there/file"))

        return alone(work, unprivileged=unprivileged)

    assert outcome() == errno.EXDEV
    assert outcome((f"{tree}/here", FS["REFER"])) == errno.EXDEV
    assert outcome((f"{tree}/here", FS["REFER"]), (f"{tree}/there", FS["REFER"])) == 0


def test_refer_is_refused_even_when_not_handled(tree: str) -> None:
    def work() -> int:
        restrict(FS["READ_FILE"])
        return attempt(lambda: os.rename(f"{tree}/here/file", f"{tree}/there/file"))

    assert alone(work) == errno.EXDEV


def test_ioctl_of_a_device_is_refused_when_handled_and_granted_by_a_rule(unprivileged: bool) -> None:
    if refused_as_unknown(FS["IOCTL_DEV"]):
        return

    def outcome(*rules: tuple[str, int]) -> int:
        def work() -> int:
            restrict(FS["IOCTL_DEV"], *rules)
            return attempt(lambda: ask_device("/dev/null"))

        return alone(work, unprivileged=unprivileged)

    assert outcome() == errno.EACCES
    assert outcome(("/dev/null", FS["IOCTL_DEV"])) == 0


def test_connecting_to_a_socket_file_is_refused_when_handled_and_granted_by_a_rule(tree: str) -> None:
    if refused_as_unknown(FS["RESOLVE_UNIX"]):
        return
    server = socket.socket(socket.AF_UNIX)
    server.bind(f"{tree}/socket")
    server.listen()

    def outcome(*rules: tuple[str, int]) -> int:
        def work() -> int:
            restrict(FS["RESOLVE_UNIX"], *rules)
            with socket.socket(socket.AF_UNIX) as client:
                return attempt(lambda: client.connect(f"{tree}/socket"))

        return alone(work)

    with server:
        assert outcome() == errno.EACCES
        assert outcome((tree, FS["RESOLVE_UNIX"])) == 0


def test_every_right_of_this_abi_has_a_test() -> None:
    elsewhere = {"EXECUTE", "REFER", "IOCTL_DEV", "RESOLVE_UNIX"}
    assert set(OPERATIONS) | elsewhere >= {name for name, bit in FS.items() if bit & ALL_FS}


def test_everything_of_this_abi_is_accepted_together(unprivileged: bool) -> None:
    def work() -> None:
        fd = landlock.create_ruleset(ALL_FS, NET_BY_ABI[ABI], SCOPE_BY_ABI[ABI])
        process.set_no_new_privs()
        landlock.restrict_self(fd)

    alone(work, unprivileged=unprivileged)


def test_rights_unknown_to_the_abi_are_einval() -> None:
    assert errno_of(lambda: landlock.create_ruleset(1 << 60)) == errno.EINVAL
    if ABI >= 4:
        assert errno_of(lambda: landlock.create_ruleset(0, 1 << 60)) == errno.EINVAL
    if ABI >= 6:
        assert errno_of(lambda: landlock.create_ruleset(0, 0, 1 << 60)) == errno.EINVAL
    if ABI < NEWEST_ABI:
        newer = FS_BY_ABI[NEWEST_ABI] & ~ALL_FS
        assert not newer or errno_of(lambda: landlock.create_ruleset(newer)) == errno.EINVAL


def test_quiet_rights_are_a_field_of_abi_10() -> None:
    def work() -> int:
        return errno_of(lambda: landlock.create_ruleset(FS["READ_FILE"], quiet_fs=FS["READ_FILE"]))

    assert alone(work) == (0 if ABI >= 10 else errno.E2BIG)


def test_a_quiet_rule_is_a_flag_of_abi_10_for_a_ruleset_with_quiet_rights(tree: str) -> None:
    def work(quiet: int) -> int:
        fd = landlock.create_ruleset(FS["READ_FILE"], quiet_fs=quiet)
        path = os.open(tree, O_PATH)
        return errno_of(lambda: landlock.add_path_rule(fd, path, FS["READ_FILE"], quiet=True))

    assert alone(lambda: work(0)) == errno.EINVAL
    if ABI >= 10:
        assert alone(lambda: work(FS["READ_FILE"])) == 0


def test_a_ruleset_that_handles_nothing_is_enomsg() -> None:
    assert errno_of(lambda: landlock.create_ruleset(0)) == errno.ENOMSG


def test_a_ruleset_closes_on_exec() -> None:
    fd = landlock.create_ruleset(FS["READ_FILE"])
    assert not os.get_inheritable(fd)
    os.close(fd)


def test_wrong_rules_are_refused(tree: str) -> None:
    def work() -> dict[str, int]:
        ruleset = landlock.create_ruleset(ALL_FS & ~FS["MAKE_DIR"], NET_BY_ABI[ABI])
        directory, file = os.open(tree, O_PATH), os.open(f"{tree}/file", O_PATH)
        pipe, _ = os.pipe()
        read, read_dir = FS["READ_FILE"], FS["READ_DIR"]
        return {
            "not handled": errno_of(lambda: landlock.add_path_rule(ruleset, directory, FS["MAKE_DIR"])),
            "no rights": errno_of(lambda: landlock.add_path_rule(ruleset, directory, 0)),
            "a file's directory right": errno_of(lambda: landlock.add_path_rule(ruleset, file, read_dir)),
            "all rights of a file": errno_of(lambda: landlock.add_path_rule(ruleset, file, FILE_RIGHTS & ALL_FS)),
            "a pipe": errno_of(lambda: landlock.add_path_rule(ruleset, pipe, read)),
            "no such path": errno_of(lambda: landlock.add_path_rule(ruleset, 999, read)),
            "no such ruleset": errno_of(lambda: landlock.add_path_rule(999, directory, read)),
            "not a ruleset": errno_of(lambda: landlock.add_path_rule(pipe, directory, read)),
        }

    assert alone(work) == {
        "not handled": errno.EINVAL,
        "no rights": errno.ENOMSG,
        "a file's directory right": errno.EINVAL,
        "all rights of a file": 0,
        "a pipe": errno.EBADFD,
        "no such path": errno.EBADF,
        "no such ruleset": errno.EBADF,
        "not a ruleset": errno.EBADFD,
    }


def test_wrong_ports_are_refused() -> None:
    if refused_as_unknown(net=NET["BIND_TCP"]):
        return

    def work() -> list[int]:
        ruleset = landlock.create_ruleset(0, NET["BIND_TCP"])
        wrong = [(80, NET["CONNECT_TCP"]), (65536, NET["BIND_TCP"]), (80, 0)]
        return [errno_of(partial(landlock.add_port_rule, ruleset, port, rights)) for port, rights in wrong]

    assert alone(work) == [errno.EINVAL, errno.EINVAL, errno.ENOMSG]


def test_an_unprivileged_user_needs_no_new_privs() -> None:
    needs(not process.get_no_new_privs(), "a process without no_new_privs")

    def work() -> int:
        fd = landlock.create_ruleset(FS["READ_FILE"])
        return errno_of(lambda: landlock.restrict_self(fd))

    assert alone(work, unprivileged=True) == errno.EPERM


def test_the_17th_layer_is_e2big(unprivileged: bool) -> None:
    def work() -> tuple[int, int]:
        fd = landlock.create_ruleset(FS["MAKE_BLOCK"])
        process.set_no_new_privs()
        for layer in range(1, 100):
            if number := errno_of(lambda: landlock.restrict_self(fd)):
                return layer, number
        return 0, 0

    assert alone(work, unprivileged=unprivileged) == (17, errno.E2BIG)


def test_errata_are_a_mask_that_can_be_asked() -> None:
    assert landlock.errata() >= 0


@pytest.mark.parametrize("flag", RESTRICT_FLAGS)
def test_a_flag_is_accepted_from_its_abi_on(flag: str, unprivileged: bool) -> None:
    bit, since = RESTRICT_FLAGS[flag]

    def work() -> int:
        fd = landlock.create_ruleset(FS["MAKE_BLOCK"])
        process.set_no_new_privs()
        return errno_of(lambda: landlock.restrict_self(fd, bit))

    assert alone(work, unprivileged=unprivileged) == (0 if since <= ABI else errno.EINVAL)


def test_the_flags_are_those_of_the_table() -> None:
    assert {
        name.removeprefix("RESTRICT_SELF_"): value
        for name, value in vars(landlock).items()
        if name.startswith("RESTRICT_SELF_")
    } == {name: bit for name, (bit, _) in RESTRICT_FLAGS.items()}


def test_logging_of_subdomains_is_turned_off_without_a_ruleset() -> None:

    def work() -> tuple[int, int]:
        process.set_no_new_privs()
        off = landlock.RESTRICT_SELF_LOG_SUBDOMAINS_OFF
        return errno_of(lambda: landlock.restrict_self(-1, off)), errno_of(lambda: landlock.restrict_self(-1))

    assert alone(work) == (0 if ABI >= 7 else errno.EINVAL, errno.EBADF)


@pytest.mark.parametrize("tsync", [False, True])
def test_a_domain_reaches_other_threads_with_tsync_alone(tsync: bool, tree: str) -> None:
    def work() -> tuple[int, int]:
        go = threading.Event()
        found: list[int] = []

        def other() -> None:
            go.wait()
            found.append(attempt(lambda: os.open(f"{tree}/file", os.O_RDONLY)))

        thread = threading.Thread(target=other)
        thread.start()
        flags = landlock.RESTRICT_SELF_TSYNC if tsync else 0
        number = errno_of(lambda: restrict(FS["READ_FILE"], flags=flags))
        go.set()
        thread.join()
        return number, found[0]

    if tsync and ABI < 8:
        assert alone(work) == (errno.EINVAL, 0)
    else:
        assert alone(work) == (0, errno.EACCES if tsync else 0)


def test_no_new_privs_comes_with_the_domain() -> None:
    def work() -> tuple[int, bool]:
        fd = landlock.create_ruleset(FS["READ_FILE"])
        number = errno_of(lambda: landlock.restrict_self(fd, landlock.RESTRICT_SELF_NO_NEW_PRIVS))
        return number, process.get_no_new_privs()

    number, bound = alone(work, unprivileged=True)
    assert (number == 0) == (ABI >= 11)
    assert bound == (ABI >= 11 or process.get_no_new_privs())
