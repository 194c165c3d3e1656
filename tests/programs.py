"""Programs for `troth run` to run, and `troth run` itself, as this user or as nobody."""

from __future__ import annotations

import atexit
import os
import select  # noqa: F401  # loaded before the fork: nobody may not read the interpreter's files
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from children import become_nobody
from conftest import needs

import troth.cli.app
import troth.cli.run
import troth.cli.run_command
import troth.kernel.notify
import troth.promises.explain
import troth.sandbox.front
import troth.sandbox.supervise  # noqa: F401  # as above
from troth import abi
from troth.cli import main
from troth.kernel import landlock
from troth.kernel.process import set_dumpable

TROTH = [sys.executable, "-m", "troth"]

# What mkdir(3) calls here, as a report begins: younger architectures have only the call that takes a directory.
MKDIR = "mkdir(" if "mkdir" in abi.numbers(abi.native().name) else "mkdirat(0xffffff9c, "

# Where libc makes sockets by socketcall(2), whose domain no filter sees: there `inet`, `unix` and `route` alone make
# none, and ENOSYS is the answer whether they are promised or not (docs/limits.md).
SOCKETCALL = abi.native().name == "s390x"

# What a run is told about wherever there is no Landlock (test_by_kernel.py says that it is).
NO_LANDLOCK_NOTES = (
    "` cannot open the files of libc: without Landlock only `rpath` opens files\n",
    " through /proc, which only Landlock closes\n",
)

_cache: dict[tuple[str, tuple[str, ...]], str] = {}
_directory = ""


class Outcome(NamedTuple):
    """What a command did: its exit status and what it wrote, without what is said of every run on this kernel."""

    status: int
    out: str
    err: str


def directory() -> str:
    """A directory for this test run that everybody can read."""
    global _directory
    if not _directory:
        _directory = tempfile.mkdtemp(prefix="troth-programs-")
        os.chmod(_directory, 0o755)
        atexit.register(shutil.rmtree, _directory, ignore_errors=True)
    return _directory


def compiled(source: str, *flags: str) -> str:
    """The path of a C program, compiled once; skips where there is no compiler for it."""
    key = (source, flags)
    if key not in _cache:
        needs(shutil.which("gcc"), "gcc is not installed")
        path = os.path.join(directory(), f"program{len(_cache)}")
        command = ["gcc", "-O1", "-w", "-x", "c", "-o", path, "-", *flags]
        done = subprocess.run(command, input=source, text=True, capture_output=True, check=False)
        needs(not done.returncode, f"gcc {' '.join(flags)} cannot build: {done.stderr.strip().splitlines()[-1:]}")
        _cache[key] = path
    return _cache[key]


def script(name: str, text: str, mode: int = 0o755) -> str:
    """The path of a new file with this text."""
    path = os.path.join(directory(), name)
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, mode)
    return path


def troth_run(
    *args: str | bytes,
    stdin: bytes = b"",
    unprivileged: bool = False,
    env: Mapping[str, str] | None = None,
    prepare: Callable[[], object] | None = None,
) -> Outcome:
    """`troth run ARGS` in a forked child, which can be nobody; `prepare` is called in it first."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(stdin)
        given.seek(0)
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            try:
                for number, file in enumerate((given, out, err)):
                    os.dup2(file.fileno(), number)
                if env is not None:
                    os.environ.clear()
                    os.environ.update(env)
                if prepare is not None:
                    prepare()
                if unprivileged:
                    become_nobody()
                    set_dumpable(dumpable=True)  # as after the execve(2) that an unprivileged user comes from
                sys.argv = ["troth", "run", *map(os.fsdecode, args)]
                main()
            finally:
                os._exit(99)
        _, status = os.waitpid(pid, 0)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode("utf-8", "backslashreplace"))
        return Outcome(os.waitstatus_to_exitcode(status), texts[0], without_notes(texts[1]))


def without_notes(said: str) -> str:
    """What troth said, without the notes that every run gets on a kernel that has no Landlock."""
    if landlock.abi():
        return said
    return "".join(line for line in said.splitlines(keepends=True) if not line.endswith(NO_LANDLOCK_NOTES))


def needs_early() -> None:
    """Before execve(2) a program can be confined without `exec` only where Landlock limits it to that program."""
    needs(landlock.abi(), "Landlock")


def troth_process(*args: str, **options: object) -> subprocess.Popen[bytes]:
    """`troth run ARGS` as a process of its own, as a user starts it."""
    return subprocess.Popen([*TROTH, "run", *args], **options)  # type: ignore[call-overload,no-any-return]  # passed on


def children_of(pid: int) -> Sequence[int]:
    """The direct children of a process."""
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(word) for word in file.read().split()]
