"""unveil(): what a veil lets through and what it hides, asked of the running kernel."""

from __future__ import annotations

import errno
import os
import tempfile
import threading
from collections.abc import Callable, Iterator

import pytest
from children import in_child
from conftest import needs

import troth
from troth.errors import IncreaseError, UnsupportedError
from troth.kernel import landlock

ALL = "stdio rpath wpath cpath dpath fattr proc exec"


@pytest.fixture
def tree() -> Iterator[str]:
    """in/{file,sub/deep}, out/file: anybody may write everywhere."""
    needs(landlock.abi(), "Landlock")
    with tempfile.TemporaryDirectory() as top:
        for directory in ("", "/in", "/in/sub", "/out"):
            os.makedirs(top + directory, exist_ok=True)
            os.chmod(top + directory, 0o777)
        for name in ("/in/file", "/in/sub/deep", "/out/file"):
            with open(top + name, "w") as stream:
                stream.write("text")
            os.chmod(top + name, 0o666)
        yield top


def veiled(rules: dict[str, str], work: Callable[[], object], promises: str = ALL) -> str:
    """`ok`, or the errno's name that `work` got behind a veil of these rules."""

    def confined() -> str:
        for path, permissions in rules.items():
            troth.unveil(path, permissions)
        troth.pledge(promises)
        try:
            work()
        except OSError as error:
            return errno.errorcode[error.errno or 0].lower()
        return "ok"

    return in_child(confined, unprivileged=True)


def reading(path: str) -> Callable[[], object]:
    return lambda: os.close(os.open(path, os.O_RDONLY))


def writing(path: str) -> Callable[[], object]:
    return lambda: os.close(os.open(path, os.O_WRONLY))


def making(path: str) -> Callable[[], object]:
    return lambda: os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o644))


def test_what_is_unveiled_is_reachable_and_the_rest_is_not(tree: str) -> None:
    rules = {f"{tree}/in": "r"}
    assert veiled(rules, reading(f"{tree}/in/file")) == "ok"
    assert veiled(rules, reading(f"{tree}/in/sub/deep")) == "ok"
    assert veiled(rules, lambda: os.listdir(f"{tree}/in")) == "ok"
    assert veiled(rules, reading(f"{tree}/out/file")) == "eacces"
    assert veiled(rules, lambda: os.listdir(f"{tree}/out")) == "eacces"
    assert veiled(rules, lambda: os.listdir(tree)) == "eacces"
    assert veiled(rules, reading("/etc/passwd")) == "eacces"


# permission letters, what they allow inside, what they do not
OPERATIONS: list[tuple[str, Callable[[str], Callable[[], object]], str]] = [
    ("r", lambda top: reading(f"{top}/in/file"), "read"),
    ("w", lambda top: writing(f"{top}/in/file"), "write"),
    ("w", lambda top: lambda: os.truncate(f"{top}/in/file", 1), "truncate"),
    ("wc", lambda top: making(f"{top}/in/new"), "create"),
    ("c", lambda top: lambda: os.mkdir(f"{top}/in/dir"), "make a directory"),
    ("c", lambda top: lambda: os.symlink("x", f"{top}/in/link"), "make a link"),
    ("c", lambda top: lambda: os.mkfifo(f"{top}/in/fifo"), "make a fifo"),
    ("c", lambda top: lambda: os.unlink(f"{top}/in/file"), "remove"),
    ("c", lambda top: lambda: os.rmdir(f"{top}/in/empty"), "remove a directory"),
    ("c", lambda top: lambda: os.rename(f"{top}/in/file", f"{top}/in/moved"), "rename"),
    ("c", lambda top: lambda: os.rename(f"{top}/in/file", f"{top}/in/sub/moved"), "rename across directories"),
    ("c", lambda top: lambda: os.link(f"{top}/in/file", f"{top}/in/sub/hard"), "link across directories"),
]


@pytest.mark.parametrize(("letters", "work", "name"), OPERATIONS, ids=[row[2] for row in OPERATIONS])
def test_each_permission_opens_its_operations_and_no_other_does(
    tree: str, letters: str, work: Callable[[str], Callable[[], object]], name: str
) -> None:
    os.mkdir(f"{tree}/in/empty")
    os.chmod(f"{tree}/in/empty", 0o777)
    others = "".join(letter for letter in "rwxc" if letter not in letters)
    if letters == "r":
        others = others.replace("x", "")  # executing takes reading
    assert veiled({f"{tree}/in": others}, work(tree)) in ("eacces", "exdev"), f"with {others}"
    # Before ABI 3 truncating is not Landlock's, and a veil refuses it.
    reached = "eacces" if name == "truncate" and landlock.abi() < 3 else "ok"
    assert veiled({f"{tree}/in": letters}, work(tree)) == reached, f"with {letters}"


@pytest.mark.parametrize(("letters", "work", "name"), OPERATIONS, ids=[row[2] for row in OPERATIONS])
def test_no_permission_opens_anything_outside(
    tree: str, letters: str, work: Callable[[str], Callable[[], object]], name: str
) -> None:
    os.mkdir(f"{tree}/in/empty")
    os.chmod(f"{tree}/in/empty", 0o777)
    assert veiled({f"{tree}/out": "rwxc"}, work(tree)) in ("eacces", "exdev")


def test_executing_takes_x_and_x_reads(tree: str) -> None:
    def run() -> None:
        pid = os.fork()
        if pid == 0:
            try:
                os.execv(f"{tree}/in/prog", ["prog"])
            except OSError as error:
                os._exit(error.errno or 1)
        _, status = os.waitpid(pid, 0)
        if status:
            raise OSError(os.waitstatus_to_exitcode(status), "")

    with open("/bin/true", "rb") as source, open(f"{tree}/in/prog", "wb") as target:
        target.write(source.read())
    os.chmod(f"{tree}/in/prog", 0o755)
    assert veiled({f"{tree}/in": "rx"}, run) == "ok"
    assert veiled({f"{tree}/in": "x"}, run) == "ok"
    assert veiled({f"{tree}/in": "rwc"}, run) == "eacces"


PATH_ATTRIBUTES: list[tuple[str, Callable[[str], object]]] = [
    ("chmod", lambda path: os.chmod(path, 0o600)),
    ("chown", lambda path: os.chown(path, -1, -1)),
    ("lchown", lambda path: os.lchown(path, -1, -1)),
    ("utime", lambda path: os.utime(path)),
    ("setxattr", lambda path: os.setxattr(path, "user.x", b"1")),
    ("removexattr", lambda path: os.removexattr(path, "user.x")),
]


@pytest.mark.parametrize(("name", "work"), PATH_ATTRIBUTES, ids=[row[0] for row in PATH_ATTRIBUTES])
def test_attributes_are_not_changed_by_path_behind_a_veil(tree: str, name: str, work: Callable[[str], object]) -> None:
    assert veiled({f"{tree}/in": "rwc"}, lambda: work(f"{tree}/out/file")) == "eperm"
    assert veiled({f"{tree}/in": "rwc"}, lambda: work(f"{tree}/in/file")) == "eperm"


def test_attributes_are_changed_by_descriptor_behind_a_veil(tree: str) -> None:
    def work() -> None:
        fd = os.open(f"{tree}/in/mine", os.O_RDWR | os.O_CREAT, 0o644)
        os.fchmod(fd, 0o600)
        os.fchown(fd, -1, -1)
        os.utime(fd)

    assert veiled({f"{tree}/in": "rwc"}, work) == "ok"


def test_an_o_path_descriptor_is_no_way_around(tree: str) -> None:
    def by(fd_path: str) -> Callable[[], object]:
        return lambda: os.chmod(fd_path.format(os.open(f"{tree}/out/file", os.O_PATH)), 0o600)

    assert veiled({f"{tree}/in": "r"}, by("/proc/self/fd/{}")) == "eperm"
    assert (
        veiled(
            {f"{tree}/in": "r"}, lambda: os.open(f"/proc/self/fd/{os.open(f'{tree}/out/file', os.O_PATH)}", os.O_RDONLY)
        )
        == "eacces"
    )


def test_a_narrower_path_inside_a_wider_one_is_narrower(tree: str) -> None:
    rules = {tree: "rw", f"{tree}/in": "r"}
    assert veiled(rules, writing(f"{tree}/out/file")) == "ok"
    assert veiled(rules, reading(f"{tree}/in/file")) == "ok"
    assert veiled(rules, writing(f"{tree}/in/file")) == "eacces"
    assert veiled(rules, lambda: os.listdir(tree)) == "ok"


def test_a_path_with_no_permissions_is_hidden_inside_an_unveiled_one(tree: str) -> None:
    rules = {tree: "rwc", f"{tree}/in/sub": ""}
    assert veiled(rules, reading(f"{tree}/out/file")) == "ok"
    assert veiled(rules, making(f"{tree}/out/new")) == "ok"
    assert veiled(rules, reading(f"{tree}/in/file")) == "ok"
    assert veiled(rules, reading(f"{tree}/in/sub/deep")) == "eacces"
    # The snapshot errs on the side of refusing: what is beside the hidden path is there, its directory is not.
    assert veiled(rules, lambda: os.listdir(f"{tree}/in")) == "eacces"
    assert veiled(rules, making(f"{tree}/in/new")) == "eacces"


def test_a_wider_path_inside_a_narrower_one_is_wider(tree: str) -> None:
    rules = {tree: "r", f"{tree}/in": "rwc"}
    assert veiled(rules, making(f"{tree}/in/new")) == "ok"
    assert veiled(rules, making(f"{tree}/out/new")) == "eacces"


def test_a_file_that_was_replaced_is_no_longer_unveiled(tree: str) -> None:
    def work() -> None:
        os.rename(f"{tree}/in/sub/deep", f"{tree}/in/sub/other")
        os.rename(f"{tree}/in/sub/other", f"{tree}/in/sub/deep")
        os.close(os.open(f"{tree}/in/sub/deep", os.O_RDONLY))  # the same file under its name again
        os.close(os.open(f"{tree}/in/sub/fresh", os.O_WRONLY | os.O_CREAT, 0o644))
        os.rename(f"{tree}/in/sub/fresh", f"{tree}/in/sub/deep")
        os.close(os.open(f"{tree}/in/sub/deep", os.O_RDONLY))

    assert veiled({f"{tree}/in/sub": "wc", f"{tree}/in/sub/deep": "rwc"}, work) == "eacces"


def test_descriptors_from_before_the_veil_keep_working(tree: str) -> None:
    fd = os.open(f"{tree}/out/file", os.O_RDWR)
    directory = os.open(f"{tree}/out", os.O_RDONLY)

    def work() -> None:
        os.read(fd, 1)
        os.write(fd, b"x")
        os.listdir(directory)

    assert veiled({f"{tree}/in": "r"}, work) == "ok"
    assert veiled({f"{tree}/in": "r"}, lambda: os.open("file", os.O_RDONLY, dir_fd=directory)) == "eacces"
    os.close(fd)
    os.close(directory)


def test_a_veil_gives_only_what_the_promises_pay_for(tree: str) -> None:
    assert veiled({tree: "rwxc"}, reading(f"{tree}/in/file"), "stdio wpath") == "eacces"
    assert veiled({tree: "rwxc"}, writing(f"{tree}/in/file"), "stdio rpath") == "eacces"


def test_symbolic_links_in_the_argument_are_followed(tree: str) -> None:
    os.symlink(f"{tree}/in", f"{tree}/alias")
    assert veiled({f"{tree}/alias": "r"}, reading(f"{tree}/in/file")) == "ok"


def test_a_symbolic_link_does_not_lead_out(tree: str) -> None:
    os.symlink(f"{tree}/out/file", f"{tree}/in/way")
    assert veiled({f"{tree}/in": "r"}, reading(f"{tree}/in/way")) == "eacces"


def test_unveil_alone_confines_paths_and_nothing_else(tree: str) -> None:
    def work() -> str:
        troth.unveil(f"{tree}/in", "rwc")
        troth.unveil(None, None)
        os.close(os.open(f"{tree}/in/file", os.O_RDONLY))
        import socket

        socket.socket().close()
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
        for refused in (reading(f"{tree}/out/file"), lambda: os.chmod(f"{tree}/out/file", 0o600)):
            with pytest.raises(PermissionError):
                refused()
        return "ok"

    assert in_child(work, unprivileged=True) == "ok"


def test_unveil_after_the_commit_is_refused(tree: str) -> None:
    def work() -> None:
        troth.unveil(f"{tree}/in", "r")
        troth.unveil(None, None)
        troth.unveil(f"{tree}/out", "r")

    with pytest.raises(IncreaseError) as caught:
        in_child(work, unprivileged=True)
    assert caught.value.errno == errno.EPERM


def test_a_pledge_with_unveil_leaves_the_veil_open(tree: str) -> None:
    def work() -> str:
        troth.pledge("stdio rpath unveil")
        os.close(os.open(f"{tree}/out/file", os.O_RDONLY))
        troth.unveil(f"{tree}/in", "r")
        os.close(os.open(f"{tree}/out/file", os.O_RDONLY))  # collected, not in force
        troth.pledge("stdio rpath")
        os.close(os.open(f"{tree}/in/file", os.O_RDONLY))
        with pytest.raises(PermissionError):
            os.open(f"{tree}/out/file", os.O_RDONLY)
        return "ok"

    assert in_child(work, unprivileged=True) == "ok"


@pytest.mark.parametrize("promises", ["stdio unveil", "stdio wpath unveil"])
def test_unveil_needs_no_other_promise_to_look_its_paths_up(tree: str, promises: str) -> None:
    def work() -> str:
        troth.pledge(promises)
        troth.unveil(f"{tree}/in", "rw")
        report = troth.pledge(" ".join(word for word in promises.split() if word != "unveil"))
        assert report.veil == ((f"{tree}/in", "rw"),)
        return report.status

    assert in_child(work, unprivileged=True) == "full"


def test_a_later_call_replaces_the_permissions_of_a_path(tree: str) -> None:
    def work() -> str:
        troth.unveil(f"{tree}/in", "rwc")
        troth.unveil(f"{tree}/in", "r")
        troth.pledge("stdio rpath wpath cpath")
        os.close(os.open(f"{tree}/in/file", os.O_RDONLY))
        with pytest.raises(PermissionError):
            os.open(f"{tree}/in/file", os.O_WRONLY)
        return "ok"

    assert in_child(work, unprivileged=True) == "ok"


def test_a_veil_outlives_further_pledges(tree: str) -> None:
    def work() -> str:
        troth.unveil(f"{tree}/in", "r")
        troth.pledge("stdio rpath wpath")
        troth.pledge("stdio rpath")
        os.close(os.open(f"{tree}/in/file", os.O_RDONLY))
        with pytest.raises(PermissionError):
            os.open(f"{tree}/out/file", os.O_RDONLY)
        return "ok"

    assert in_child(work, unprivileged=True) == "ok"


def test_more_threads_than_landlock_reaches_are_never_half_veiled(tree: str) -> None:
    def work() -> str:
        done = threading.Event()
        thread = threading.Thread(target=done.wait)
        thread.start()
        troth.unveil(f"{tree}/in", "r")
        try:
            troth.pledge("stdio rpath")
        except UnsupportedError as error:
            assert "threads" in error.feature
            os.close(os.open(f"{tree}/out/file", os.O_RDONLY))  # nothing is in force
            return "refused"
        finally:
            done.set()
            thread.join()
        with pytest.raises(PermissionError):
            os.open(f"{tree}/out/file", os.O_RDONLY)
        return "enforced"

    assert in_child(work, unprivileged=True) == ("enforced" if landlock.abi() >= 8 else "refused")


def test_unix_sockets_under_a_veil_need_a_kernel_that_judges_them(tree: str) -> None:
    def work() -> str:
        troth.unveil(f"{tree}/in", "r")
        report = troth.pledge("stdio rpath unix", allow_degraded=True)
        return report.status

    def strict() -> str:
        troth.unveil(f"{tree}/in", "r")
        with pytest.raises(UnsupportedError) as caught:
            troth.pledge("stdio rpath unix")
        return caught.value.feature

    if landlock.abi() >= 9:
        assert in_child(work) == "full"
    else:
        assert in_child(work) == "partial"
        assert in_child(strict) == "unveil of unix socket paths"


def test_a_missing_path_is_carried_by_an_unveiled_directory(tree: str) -> None:
    rules = {f"{tree}/in": "rwc", f"{tree}/in/later": "rwc"}
    assert veiled(rules, making(f"{tree}/in/later")) == "ok"


@pytest.mark.parametrize("name", ["new\nline", b"\xff\xfe".decode(errors="surrogateescape"), "spa ce", "ünïcode"])
def test_any_byte_may_be_in_a_path(tree: str, name: str) -> None:
    path = os.path.join(tree, name)
    with open(path, "w") as stream:
        stream.write("text")
    os.chmod(path, 0o666)
    assert veiled({path: "r"}, reading(path)) == "ok"
    assert veiled({path: "r"}, reading(f"{tree}/in/file")) == "eacces"


def test_ten_thousand_paths_are_unveiled(tree: str) -> None:
    paths = []
    for number in range(10_000):
        path = f"{tree}/in/n{number}"
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o666))
        paths.append(path)
    rules = dict.fromkeys(paths, "r")
    assert veiled(rules, reading(paths[-1])) == "ok"
    assert veiled(rules, reading(f"{tree}/in/file")) == "eacces"


def test_a_veil_without_landlock_is_unsupported(tree: str) -> None:
    from troth import abi
    from troth.bpf import Program
    from troth.kernel import process, seccomp

    numbers = abi.numbers(abi.native().name)
    refuse = Program(
        (
            (0x20, 0, 0, 0),
            (0x35, 0, 2, numbers["landlock_create_ruleset"]),
            (0x35, 1, 0, numbers["landlock_restrict_self"] + 1),
            (0x06, 0, 0, 0x00050000 | errno.ENOSYS),
            (0x06, 0, 0, 0x7FFF0000),
        )
    )

    def work() -> str:
        process.set_no_new_privs()
        seccomp.set_mode_filter(refuse.to_bytes())
        troth.unveil(f"{tree}/in", "r")
        with pytest.raises(UnsupportedError, match="Landlock") as caught:
            troth.pledge("stdio rpath")
        assert caught.value.feature == "unveil"
        os.close(os.open(f"{tree}/out/file", os.O_RDONLY))  # nothing is in force
        report = troth.pledge("stdio rpath", allow_degraded=True)
        assert report.status == "partial"
        assert [feature.name for feature in report.missing] == ["unveil"]
        assert report.veil is None
        return "ok"

    assert in_child(work) == "ok"
