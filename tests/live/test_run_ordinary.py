"""Ordinary programs under `troth run` with their promises, and without one of them; small enough for every machine.

`TROTH_TEST_ROOT` is a directory with another Debian, whose programs and C library are run instead of this system's.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import shutil
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from conftest import needs
from programs import SOCKETCALL, Outcome, troth_run

import troth
from troth import abi
from troth.sandbox.machine import TRACEABLE

ROOT = os.environ.get("TROTH_TEST_ROOT", "/")
HERE = f"/tmp/troth-ordinary-{os.getuid()}"  # as the programs see it


class Ordinary(NamedTuple):
    """A command line with its promises, what it writes, and a promise without which it does not succeed."""

    promises: str
    command: tuple[str, ...]
    out: str
    needed: str
    stdin: str = ""


PROGRAMS = {
    "echo": Ordinary("stdio", ("/bin/echo", "hello"), "hello\n", "stdio"),
    "cat": Ordinary("stdio rpath", ("/bin/cat", f"{HERE}/file"), "text\n", "rpath"),
    "sort": Ordinary("stdio rpath", ("/usr/bin/sort", "-"), "a\nb\nc\n", "stdio", "c\na\nb\n"),
    "wc": Ordinary("stdio rpath", ("/usr/bin/wc", "-l", f"{HERE}/file"), f"1 {HERE}/file\n", "rpath"),
    "sed": Ordinary("stdio rpath", ("/bin/sed", "s/a/b/"), "bbc\n", "stdio", "abc\n"),
    "grep": Ordinary("stdio rpath", ("/bin/grep", "-c", "t", f"{HERE}/file"), "1\n", "rpath"),
    "ls": Ordinary("stdio rpath", ("/bin/ls", f"{HERE}/file"), f"{HERE}/file\n", "stdio"),
    "mkdir and rmdir": Ordinary("stdio rpath cpath proc exec", ("/bin/sh", "-c", f"mkdir {HERE}/new && rmdir {HERE}/new && echo done"), "done\n", "cpath"),
    "cp, mv, touch and rm": Ordinary("stdio rpath wpath cpath fattr proc exec", ("/bin/sh", "-c", f"cp -p {HERE}/file {HERE}/new && touch {HERE}/new && mv {HERE}/new {HERE}/new.2 && cat {HERE}/new.2 && rm {HERE}/new.2"), "text\n", "cpath"),
    "a pipeline": Ordinary("stdio rpath proc exec", ("/bin/sh", "-c", "echo b a | tr ' ' '\\n' | sort | head -n 1"), "a\n", "proc"),
    "a shell's arithmetic": Ordinary("stdio rpath", ("/bin/sh", "-c", "i=0; while [ $i -lt 3 ]; do i=$((i + 1)); done; echo $i"), "3\n", "stdio"),
    "expansion and redirection": Ordinary("stdio rpath wpath cpath proc exec", ("/bin/sh", "-c", f"echo text > {HERE}/new; read a < {HERE}/new; rm {HERE}/new; echo $a"), "text\n", "wpath"),
    # -B: where a root's Python has not compiled its modules, it would write them. prot_exec: when a thread ends, glibc before 2.34 loads libgcc_s.
    "python3": Ordinary("stdio rpath prot_exec", ("/usr/bin/python3", "-B", "-c", "import json, threading; t = threading.Thread(target=print, args=(json.dumps([1]),)); t.start(); t.join()"), "[1]\n", "rpath"),
    "python3 with files and children": Ordinary("stdio rpath wpath cpath proc exec", ("/usr/bin/python3", "-B", "-c", "import subprocess, tempfile; f = tempfile.TemporaryFile(); f.write(b'x'); print(subprocess.run(['/bin/echo', 'child'], capture_output=True, text=True).stdout, end='')"), "child\n", "proc"),
    "python3 with a server": Ordinary("stdio rpath inet unix route recvfd" if SOCKETCALL else "stdio rpath inet", ("/usr/bin/python3", "-B", "-c", "import socket; s = socket.create_server(('127.0.0.1', 0)); c = socket.create_connection(s.getsockname()); p, _ = s.accept(); p.sendall(b'x'); print(c.recv(1))"), "b'x'\n", "inet"),
}  # fmt: skip

if ROOT != "/":  # all of troth is loaded before the root changes: afterwards its files are out of reach
    for _module in pkgutil.walk_packages(troth.__path__, "troth."):
        if not _module.name.endswith("__main__"):
            try:
                importlib.import_module(_module.name)
            except ModuleNotFoundError as error:  # of what reads machine code, which nothing that is run here does
                if error.name not in ("capstone", "elftools", "iced_x86", "msgspec"):
                    raise

# What a program needs besides for the sake of its loader when it is confined from its start.
LOADER = {"rpath", "prot_exec", "exec"}
LATE = abi.native().name in TRACEABLE


@pytest.fixture
def place() -> Iterator[None]:
    """A directory with a file that they read; what they make in it is gone afterwards."""
    here = f"{ROOT}{HERE}"
    shutil.rmtree(here, ignore_errors=True)
    os.mkdir(here)
    os.chmod(here, 0o777)
    with open(f"{here}/file", "w") as file:
        file.write("text\n")
    os.chmod(f"{here}/file", 0o666)
    yield
    assert os.listdir(here) == ["file"]
    shutil.rmtree(here)


def enter() -> None:
    if ROOT != "/":
        os.chroot(ROOT)
    os.chdir("/")


def started(promises: set[str], program: Ordinary, *, early: bool, unprivileged: bool) -> Outcome:
    arguments = (*(("--early",) if early else ()), "-p", " ".join(sorted(promises)), "--", *program.command)
    return troth_run(*arguments, stdin=program.stdin.encode(), unprivileged=unprivileged, prepare=enter)


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("name", PROGRAMS)
def test_it_does_its_work_with_its_promises_and_not_without_one(name: str, unprivileged: bool) -> None:
    program = PROGRAMS[name]
    needs(os.path.exists(f"{ROOT}{program.command[0]}"), f"{program.command[0]} is not installed")
    held = set(program.promises.split()) | (set() if LATE else LOADER)
    done = started(held, program, early=False, unprivileged=unprivileged)
    assert done == (0, program.out, "") if LATE else done[:2] == (0, program.out), done
    if LATE or program.needed not in LOADER:
        refused = started(held - {program.needed}, program, early=False, unprivileged=unprivileged)
        assert refused.out != program.out, refused


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("name", PROGRAMS)
def test_it_does_its_work_confined_from_its_start(name: str) -> None:
    program = PROGRAMS[name]
    needs(os.path.exists(f"{ROOT}{program.command[0]}"), f"{program.command[0]} is not installed")
    held = set(program.promises.split()) | LOADER
    assert started(held, program, early=True, unprivileged=True) == (0, program.out, "")
    if program.needed not in LOADER:
        refused = started(held - {program.needed}, program, early=True, unprivileged=True)
        assert refused.out != program.out, refused


def test_where_no_program_can_be_stopped_it_is_confined_from_its_start_and_that_is_said() -> None:
    done = troth_run("-p", "stdio rpath prot_exec exec", "--", "/bin/echo", "hello")
    note = f"troth: note: the program is confined from its start, as with --early: troth cannot trace on `{abi.native().name}`\n"
    assert done == (0, "hello\n", "" if LATE else note)
