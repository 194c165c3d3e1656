"""`troth.run`: subprocess.run() with promises, for each thing that people use subprocess.run() for."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest
from conftest import needs
from programs import compiled, directory, needs_early, script, without_notes

import troth
from troth.kernel import landlock

FORBIDDEN = "/tmp/troth-must-not-exist"


def test_output_is_captured_as_text_or_bytes() -> None:
    done = troth.run(["/bin/echo", "hello"], promises="stdio", capture_output=True, text=True)
    assert (done.args, done.returncode, done.stdout, done.stderr) == (["/bin/echo", "hello"], 0, "hello\n", "")
    assert isinstance(done, subprocess.CompletedProcess)
    assert (without_notes("".join(f"{note}\n" for note in done.notes)), done.missing) == ("", ())
    assert (
        troth.run([b"/bin/echo", Path("/x"), "\udcff"], promises="stdio", stdout=subprocess.PIPE).stdout == b"/x \xff\n"
    )


def test_input_passes_through() -> None:
    data = os.urandom(500_000)
    assert troth.run("/bin/cat", promises="stdio", input=data, capture_output=True).stdout == data
    assert troth.run("/bin/cat", promises="stdio", stdin=subprocess.DEVNULL, capture_output=True).stdout == b""


@pytest.mark.parametrize("late", [True, False], ids=["late", "early"])
def test_a_violation_is_a_death_by_signal_and_is_named(late: bool) -> None:
    if not late:
        needs_early()
    done = troth.run(["/bin/mkdir", FORBIDDEN], promises="stdio", late=late, capture_output=True, text=True)
    assert done.returncode == -signal.SIGSYS
    assert done.stderr.startswith("mkdir[")
    assert done.stderr.endswith("): needs promise `cpath`\n")
    done = troth.run(
        ["/bin/mkdir", FORBIDDEN], promises="stdio", late=late, violation="errno", capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "Operation not permitted" in done.stderr


def test_a_veil_hides_the_rest() -> None:
    needs(landlock.abi(), "Landlock")
    visible = script("visible", "seen\n", 0o644)
    done = troth.run(
        ["/bin/cat", visible, "/etc/passwd"],
        promises="stdio rpath",
        unveil=[(directory(), "r")],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (1, "seen\n")
    assert done.stderr.removeprefix("/bin/") == "cat: /etc/passwd: Permission denied\n"  # coreutils 9.6 tells its name


@pytest.mark.parametrize("status", [0, 1, 3, 125, 127, 255])
def test_the_exit_status_is_the_return_code(status: int) -> None:
    assert troth.run(["/bin/sh", "-c", f"exit {status}"], promises="stdio rpath").returncode == status


@pytest.mark.parametrize("signum", [1, 2, 6, 9, 11, 13, 15])
def test_a_signal_is_a_negative_return_code(signum: int) -> None:
    assert troth.run(["/bin/sh", "-c", f"kill -{signum} $$"], promises="stdio rpath").returncode == -signum


def test_check_raises_for_a_failure() -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        troth.run(["/bin/sh", "-c", "echo out; exit 3"], promises="stdio rpath", check=True, capture_output=True)
    assert (caught.value.returncode, caught.value.output) == (3, b"out\n")
    assert caught.value.cmd == ["/bin/sh", "-c", "echo out; exit 3"]


def test_a_timeout_kills_the_program() -> None:
    command = ["/bin/sh", "-c", "echo $$; exec sleep 1000"]
    with tempfile.TemporaryFile() as file:
        for timeout in (1, 4, 16, 64):  # on a slow machine the first may be over before the program runs
            with pytest.raises(subprocess.TimeoutExpired) as caught:
                troth.run(command, promises="stdio rpath proc exec", timeout=timeout, stdout=file)
            assert caught.value.cmd == command
            file.seek(0)
            said = file.read()
            if said:
                break
    # The helper was killed, and its death killed the program: it is gone, or about to be.
    try:
        pidfd = os.pidfd_open(int(said))
    except ProcessLookupError:
        return
    try:
        assert select.select([pidfd], [], [], 60)[0]
    finally:
        os.close(pidfd)


def test_what_cannot_be_run_raises_as_subprocess_does() -> None:
    cases: list[tuple[Any, type[OSError]]] = [
        (["/absent/program"], FileNotFoundError),
        (["absent-program"], FileNotFoundError),
        (["/etc/passwd"], PermissionError),
        (["/etc"], PermissionError),
        ([script("not-a-program", "\0\1\2")], OSError),
    ]
    for args, kind in cases:
        with pytest.raises(kind) as ours:
            troth.run(args, promises="stdio")
        with pytest.raises(kind) as theirs:
            subprocess.run(args, check=False)
        assert (ours.value.errno, ours.value.filename) == (theirs.value.errno, theirs.value.filename)


def test_a_request_without_meaning_raises_before_anything_starts() -> None:
    with pytest.raises(troth.UnknownPromiseError):
        troth.run(["true"], promises="stdi")
    with pytest.raises(troth.PathError):
        troth.run(["true"], promises="stdio", unveil=[("/absent/x", "r")])
    with pytest.raises(troth.RequestError):
        troth.run(["true"], promises="stdio", violation="explain")
    with pytest.raises(troth.RequestError):
        troth.run([], promises="stdio")
    with pytest.raises(troth.RequestError):
        troth.run(["true", "a\0b"], promises="stdio")
    with pytest.raises(ValueError, match="may not both be used"):
        troth.run(["true"], promises="stdio", input=b"", stdin=subprocess.PIPE)


def test_environment_directory_and_shell_are_the_programs() -> None:
    done = troth.run(
        ["/usr/bin/env"],
        promises="stdio",
        env={"A": "1", "PYTHONHOME": "/absent", "LD_PRELOAD": ""},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "A=1\nPYTHONHOME=/absent\nLD_PRELOAD=\n"
    assert (
        troth.run(["/bin/pwd", "-P"], promises="stdio rpath", cwd="/usr", capture_output=True, text=True).stdout
        == "/usr\n"
    )
    assert (
        troth.run("echo $0 $((6 * 7))", promises="stdio rpath", shell=True, capture_output=True, text=True).stdout
        == "/bin/sh 42\n"
    )
    assert (
        troth.run(
            ["zero"], executable="/usr/bin/printenv", promises="stdio", env={"B": "2"}, capture_output=True, text=True
        ).stdout
        == "B=2\n"
    )
    os.environ["TROTH_TEST_VARIABLE"] = "inherited"
    try:
        assert (
            troth.run(["printenv", "TROTH_TEST_VARIABLE"], promises="stdio", capture_output=True, text=True).stdout
            == "inherited\n"
        )
    finally:
        del os.environ["TROTH_TEST_VARIABLE"]


def test_descriptors_that_are_passed_arrive_and_no_others_do() -> None:
    read, write = os.pipe()
    try:
        code = "import os, sys; sys.stdout.write(' '.join(sorted(os.listdir('/proc/self/fd'), key=int)))"
        done = troth.run(
            [sys.executable, "-I", "-S", "-c", code],
            promises="stdio rpath",
            pass_fds=(write,),
            capture_output=True,
            text=True,
            check=True,
        )
        listed = [int(word) for word in done.stdout.split()]
        assert set(listed) - {0, 1, 2, write} == {min(set(range(3, 20)) - {write})}  # the directory that is read
    finally:
        os.close(read)
        os.close(write)


def test_it_works_from_any_thread_and_from_several_at_once() -> None:
    results: list[str] = []

    def work(number: int) -> None:
        results.append(
            troth.run(["/bin/echo", str(number)], promises="stdio", capture_output=True, text=True).stdout.strip()
        )

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [str(number) for number in range(8)]


def test_a_program_of_another_session_is_started_there() -> None:
    done = troth.run(
        ["/bin/sh", "-c", "read a b c d group session rest < /proc/self/stat; echo $a $group $session"],
        promises="stdio rpath",
        start_new_session=True,
        capture_output=True,
        text=True,
    )
    pid, group, session = map(int, done.stdout.split())
    assert group == session != os.getsid(0)
    assert pid != session  # the helper leads it


def test_an_error_from_the_kernel_crosses_over() -> None:
    needs(landlock.abi(), "Landlock")
    # A kernel that has everything refuses little; a descriptor limit that leaves no room is one way.
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    def starve() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (7, hard))

    with pytest.raises((troth.TrothError, OSError)) as caught:
        troth.run(["/bin/true"], promises="stdio rpath", unveil=[("/usr", "r")], preexec_fn=starve)
    assert "Too many open files" in str(caught.value)
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (soft, hard)


def test_the_program_is_what_it_says() -> None:
    program = compiled('#include <stdio.h>\nint main(int c, char **v) { printf("%s %d\\n", v[0], c); return 0; }')
    assert troth.run([program, "x"], promises="stdio", capture_output=True, text=True).stdout == f"{program} 2\n"
