"""`troth run` with mistakes in it: one clear message, the right exit status, and never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from conftest import needs
from programs import TROTH, compiled, directory, needs_early, script, troth_run

from troth.kernel import landlock

HELLO = '#include <stdio.h>\nint main(void) { puts("main"); return 0; }\n'


@pytest.mark.parametrize(
    ("args", "status", "problem", "hint"),
    [
        ([], 2, "no promises: option `-p` is missing", 'say what the program may do, as in: troth run -p "stdio rpath" -- CMD'),
        (["--", "true"], 2, "no promises: option `-p` is missing", 'say what the program may do, as in: troth run -p "stdio rpath" -- CMD'),
        (["-p", "stdio"], 2, "no program to run", 'put it last, as in: troth run -p "stdio rpath" -- CMD'),
        (["-p", "stdio", "--"], 2, "no program to run", 'put it last, as in: troth run -p "stdio rpath" -- CMD'),
        (["-p"], 2, "option `-p` requires an argument", "`troth run --help` tells more"),
        (["-p", "stdio", "-x", "true"], 2, "no such option", "`troth run --help` tells more"),
        (["-p", "stdio", "--on-violation=explain", "true"], 2, "invalid value for `--on-violation`: `explain` is not one of `kill`, `errno`", "`troth run --help` tells more"),
        (["-p", "stdi", "true"], 2, "unknown promise `stdi`", "the closest promise is `stdio`"),
        (["-p", "stdio", "-p", "stdio", "true"], 2, "promise `stdio` is given twice", "name each promise once"),
        (["-p", "stdio", "-v", "/usr", "true"], 2, "unveil '/usr' has no permissions", "write PATH:PERMS, as in -v /srv:r"),
        (["-p", "stdio", "-v", "/usr:z", "true"], 2, "unveil '/usr': unknown permission `z`", "permissions are letters of `rwxc`"),
        (["-p", "stdio", "-v", "usr:r", "true"], 2, "unveil 'usr': is not an absolute path", f"the absolute path is {os.path.abspath('usr')!r}"),
        (["-p", "stdio", "-v", "/absent/x:r", "true"], 2, "unveil '/absent/x': does not exist", None),
        (["-p", "stdio", "-v", "/absent\n/\udcff:r", "true"], 2, r"unveil '/absent\n/\udcff': does not exist", None),
        (["-p", "stdio", "/absent/program"], 127, "no program '/absent/program'", ""),
        (["-p", "stdio", "a\nb"], 127, r"no program 'a\nb' in PATH", None),
        (["-p", "stdio", ""], 127, "no program: its name is empty", ""),
        (["-p", "stdio", "/etc"], 126, "'/etc' is a directory", ""),
        (["-p", "stdio", "/etc/passwd"], 126, "'/etc/passwd' is not executable", None),
        (["-p", "stdio", "/etc/passwd/x"], 127, "no program '/etc/passwd/x'", ""),
    ],
    ids=lambda value: " ".join(value).encode("unicode_escape").decode() if isinstance(value, list) else "",
)  # fmt: skip
def test_a_mistake_is_named_and_the_remedy_hinted(args: list[str], status: int, problem: str, hint: str | None) -> None:
    done = troth_run(*args)
    assert done.status == status
    assert done.out == ""
    lines = done.err.splitlines()
    # The end of a sentence of click's differs between its versions.
    assert lines[0].replace(": -x", "").replace(" `-x`", "") == f"troth: error: {problem}"
    if hint is not None:
        assert lines[1:] == ([f"hint: {hint}"] if hint else [])
    assert len(lines) <= 2
    assert "Traceback" not in done.err


def test_a_program_that_is_not_in_path_is_told_with_the_path() -> None:
    done = troth_run("-p", "stdio", "absent", env={"PATH": "/usr/bin:/bin"})
    assert done == (127, "", "troth: error: no program 'absent' in PATH\nhint: PATH is '/usr/bin:/bin'\n")


def test_path_is_searched_as_execvp_does() -> None:
    first = os.path.join(directory(), "first")
    second = os.path.join(directory(), "second")
    for place, mode in ((first, 0o644), (second, 0o755)):
        os.makedirs(place, exist_ok=True)
        script(os.path.join(place, "found"), f"#!/bin/sh\necho {place}\n", mode)
    os.makedirs(os.path.join(first, "hidden"), exist_ok=True)
    assert (
        troth_run("-p", "stdio rpath", "found", env={"PATH": f"/absent:/etc/passwd:{first}:{second}"}).out
        == f"{second}\n"
    )
    done = troth_run("-p", "stdio rpath", "found", env={"PATH": first})
    assert (done.status, done.err.splitlines()[0]) == (126, f"troth: error: '{first}/found' is not executable")
    assert troth_run("-p", "stdio rpath", "hidden", env={"PATH": first}).status == 126
    assert (
        troth_run("-p", "stdio rpath", "found", env={"PATH": ""}, prepare=lambda: os.chdir(second)).out == f"{second}\n"
    )
    assert troth_run("-p", "stdio", "echo", "default", env={}) == (0, "default\n", "")


def test_what_the_program_names_is_missing() -> None:
    path = script("lost", "#!/absent/interpreter\n")
    done = troth_run("-p", "stdio", path)
    assert done == (
        127,
        "",
        f"troth: error: {path!r} cannot start: what it names as its interpreter or loader is missing\n",
    )


@pytest.mark.parametrize("early", [(), ("--early",)], ids=["late", "early"])
def test_what_no_kernel_can_execute_is_not_executable(early: tuple[str, ...]) -> None:
    if early:
        needs_early()
    path = script("binary", "\x7fELF\x02\x01\x01 nonsense \0\0\0")
    done = troth_run(*early, "-p", "stdio", path)
    assert done == (126, "", f"troth: error: {path!r} cannot be executed: exec format error\n")
    path = script("data", "\0\1\2\3")
    assert troth_run(*early, "-p", "stdio", path).status == 126


def test_an_empty_file_is_a_script_that_does_nothing() -> None:
    assert troth_run("-p", "stdio rpath", script("empty", "")) == (0, "", "")


def test_a_program_that_may_not_be_read_is_confined_early() -> None:
    needs_early()
    program = compiled(HELLO, "-static")
    unreadable = os.path.join(directory(), "unreadable")
    with open(program, "rb") as source, open(unreadable, "wb") as target:
        target.write(source.read())
    os.chmod(unreadable, 0o111)
    done = troth_run("-p", "stdio", unreadable, unprivileged=True)
    assert done == (
        0,
        "main\n",
        "troth: note: the program is confined from its start, as with --early: its file may not be read\n",
    )
    assert troth_run("--early", "-p", "stdio", unreadable, unprivileged=True) == (0, "main\n", "")


@pytest.mark.parametrize(
    ("as_of", "problem"),
    [
        ("linux-5.4", "Linux 5.4 is before what is recorded"),
        ("glibc-3", "unknown C library 'glibc-3'"),
        ("yesterday", "unknown or repeated part 'yesterday' of 'yesterday'"),
    ],
)
def test_a_time_without_records_is_refused(as_of: str, problem: str) -> None:
    done = troth_run("--as-of", as_of, "-p", "stdio", "--", "true")
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(f"troth: error: {problem}\n")


def test_a_program_runs_under_what_was_known_before_it() -> None:
    path = script("old", "old news\n", 0o644)
    done = troth_run("--as-of", "linux-5.10,glibc-2.31", "-p", "stdio rpath", "--", "cat", path)
    assert (done.status, done.out) == (0, "old news\n")
    assert troth_run("--as-of=linux-5.10", "-p", "stdio", "--", "cat", path).status == 1


def test_a_program_that_may_not_be_executed_says_so_to_nobody() -> None:
    path = script("private", "#!/bin/sh\n", 0o600)
    done = troth_run("-p", "stdio", path, unprivileged=True)
    assert (done.status, done.out) == (126, "")
    # a hint follows where the one who asks owns the file
    assert done.err.startswith(f"troth: error: {path!r} is not executable\n")
    hidden = os.path.join(directory(), "closed")
    os.makedirs(hidden, mode=0o000, exist_ok=True)
    done = troth_run("-p", "stdio", os.path.join(hidden, "x"), unprivileged=True)
    assert done.status == 126


def test_an_unveiled_path_may_hold_a_newline_a_colon_and_any_byte() -> None:
    needs(landlock.abi(), "Landlock")
    place = os.path.join(os.fsencode(directory()), b"odd \n:\xff")
    os.makedirs(place, exist_ok=True)
    with open(os.path.join(place, b"file"), "w") as file:
        file.write("content\n")
    done = troth_run("-p", "stdio rpath", "-v", place + b":r", "--", "/bin/cat", os.path.join(place, b"file"))
    assert done == (0, "content\n", "")
    done = troth_run("-p", "stdio rpath", "-v", place + b":r", "--", "/bin/cat", "/etc/passwd")
    assert (done.status, done.out) == (1, "")


def test_nobody_listens_on_standard_error() -> None:
    def prepare() -> None:
        os.close(2)

    assert troth_run("-p", "stdi", "true", prepare=prepare) == (2, "", "")


def test_help_names_every_option_and_leads_with_examples() -> None:
    done = subprocess.run([*TROTH, "run", "--help"], capture_output=True, text=True, check=True)
    for word in (
        "Examples:",
        "-p, --promises",
        "-v, --unveil",
        "--on-violation",
        "kill",
        "errno",
        "--early",
        "--allow-degraded",
    ):
        assert word in done.stdout
    assert "explain" not in done.stdout


def test_an_unknown_verb_is_a_usage_error() -> None:
    done = subprocess.run([*TROTH, "rnu"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("troth: error: no such command `rnu`")


def test_the_ordinary_path_loads_no_click() -> None:
    code = (
        "import os, sys\n"
        "leave = os._exit\n"
        "def report(status):\n"
        "    print(*sorted({name.split('.')[0] for name in sys.modules} & {'click', 'rich', 're', 'enum', 'typing', 'dataclasses', 'inspect', 'logging', 'pathlib', 'subprocess', 'signal'}))\n"
        "    sys.stdout.flush()\n"
        "    leave(status)\n"
        "os._exit = report\n"
        "from troth.cli import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [
            sys.executable,
            "-S",
            "-c",
            f"import sys; sys.path[:0] = {sys.path!r}\n{code}",
            "run",
            "-p",
            "stdio",
            "--",
            "/bin/true",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "\n"
