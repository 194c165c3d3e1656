"""`troth.run`: subprocess.run(), with promises."""

from __future__ import annotations

import marshal
import os
import pickle
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import troth
from troth.errors import BugError, RequestError, TrothError, UnsupportedError
from troth.sandbox.find import ProgramError
from troth.sandbox.front import Order, environment, order
from troth.sandbox.report import Feature

# What the helper is: the standard library and this package, whatever else the caller's interpreter finds.
_HELPER = (
    "import sys; sys.path.insert(0, sys.argv[1]); from troth.sandbox.helper import main; main(*map(int, sys.argv[2:]))"
)
_PATH = os.path.dirname(os.path.dirname(os.path.abspath(troth.__file__)))
_SHELL = "/bin/sh"

Argument = str | bytes | os.PathLike[str] | os.PathLike[bytes]


class Completed(subprocess.CompletedProcess[Any]):
    """A CompletedProcess of a program that was confined.

    `notes` say what was not as asked (the program was confined early although `late` was wanted), `missing`
    what `allow_degraded` left out.
    """

    notes: tuple[str, ...] = ()
    missing: tuple[Feature, ...] = ()


def run(
    args: Argument | Sequence[Argument],
    *,
    promises: str | Iterable[str],
    unveil: Iterable[tuple[str, str]] = (),
    violation: str = "kill",
    late: bool = True,
    allow_degraded: bool = False,
    input: Any = None,  # noqa: A002  # as in subprocess
    capture_output: bool = False,
    timeout: float | None = None,
    check: bool = False,
    **popen: Any,
) -> Completed:
    """Run a program that is held to promises, and wait for it: as subprocess.run(), which see.

    `promises` are words of pledge(2); `unveil` are pairs of a path and its permissions, and with one of them
    everything else is gone. What was not promised ends the process (`violation="kill"`) and is named on its
    standard error, or fails with EPERM (`"errno"`). The program is confined when its loader is done, or with
    `late=False` before.

    All other arguments are those of subprocess.run() and subprocess.Popen, with their meaning for the
    program. A program that dies of a signal, also of a violation (SIGSYS or SIGKILL), has the negative number of it
    as `returncode`. On a timeout the program is killed.

    Raises:
        UnknownPromiseError, RequestError, PathError: as pledge() and unveil().
        UnsupportedError: this kernel cannot enforce it, or there is no interpreter to start the program with.
        EnforcementError: the kernel refused a step; the program has not run.
        OSError: there is no such program, or it cannot be executed (FileNotFoundError, PermissionError).
        subprocess.TimeoutExpired, subprocess.CalledProcessError: as subprocess.run().

    Needs Linux 4.14 (seccomp); Landlock (5.13) for `unveil`.
    """
    if input is not None:
        if popen.get("stdin") is not None:
            raise ValueError("stdin and input arguments may not both be used")
        popen["stdin"] = subprocess.PIPE
    if capture_output:
        if popen.get("stdout") is not None or popen.get("stderr") is not None:
            raise ValueError("stdout and stderr arguments may not be used with capture_output")
        popen["stdout"] = popen["stderr"] = subprocess.PIPE
    if not sys.executable:
        raise UnsupportedError("troth.run", needs="the path of the Python interpreter", have="sys.executable is empty")
    wanted = order(
        _words(args, shell=popen.pop("shell", False)),
        promises=promises,
        unveil=unveil,
        violation=violation,
        late=late,
        allow_degraded=allow_degraded,
        executable=os.fsdecode(popen.pop("executable", None) or ""),
        env=_environment(popen.pop("env", None)),
    )
    with _Helper(wanted, popen) as helper:
        process = helper.process
        try:
            stdout, stderr = process.communicate(input, timeout=timeout)
        except subprocess.TimeoutExpired as expired:
            process.kill()
            process.wait()
            raise subprocess.TimeoutExpired(args, expired.timeout, expired.output, expired.stderr) from None
        except BaseException:
            process.kill()
            raise
        notes, missing = helper.answer()
    completed = Completed(args, process.returncode, stdout, stderr)
    completed.notes, completed.missing = notes, missing
    if check:
        completed.check_returncode()
    return completed


def _words(args: Argument | Sequence[Argument], *, shell: bool) -> list[str]:
    """The words of a command, as subprocess reads its first argument."""
    given = [args] if isinstance(args, (str, bytes, os.PathLike)) else args
    words = [os.fsdecode(word) for word in given]
    if shell:
        words = [_SHELL, "-c", *words]
    for word in words:
        if "\0" in word:
            raise RequestError(f"an argument cannot hold a NUL byte: {word!r}")
    return words


def _environment(env: Mapping[Any, Any] | None) -> dict[bytes, bytes]:
    return environment() if env is None else {os.fsencode(key): os.fsencode(value) for key, value in env.items()}


class _Helper:
    """The process between, from its start to its end; see `troth.sandbox.helper`."""

    def __init__(self, wanted: Order, popen: dict[str, Any]) -> None:
        orders, ordered = os.pipe()
        self._answers, answers = os.pipe()
        self._program = wanted.executable or wanted.argv[0]
        command = [sys.executable, "-I", "-S", "-c", _HELPER, _PATH, str(orders), str(answers)]
        passed = (*popen.pop("pass_fds", ()), orders, answers)
        try:
            self.process = subprocess.Popen(command, pass_fds=passed, **popen)
        except BaseException:
            os.close(ordered)
            os.close(self._answers)
            raise
        finally:
            os.close(orders)
            os.close(answers)
        fields = [getattr(wanted, name) for name in wanted.__slots__]
        try:
            with open(ordered, "wb") as pipe:
                pipe.write(marshal.dumps(fields))
        except BrokenPipeError:  # it was killed; how it ended says so
            pass

    def __enter__(self) -> _Helper:
        self.process.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        try:
            self.process.__exit__(*error)
        finally:
            os.close(self._answers)

    def answer(self) -> tuple[tuple[str, ...], tuple[Feature, ...]]:
        """What it told about the start, after it has ended: notes and what is missing, or the error it met.

        Raises:
            OSError: there is no such program, or it cannot be executed.
            TrothError: it could not be confined.
        """
        with open(self._answers, "rb", closefd=False) as pipe:
            data = pipe.read()
        if not data:
            if self.process.returncode < 0:  # somebody killed it before the program was there
                return (), ()
            raise BugError(f"the helper ended with status {self.process.returncode} and said nothing")
        if data[:1] == b"s":
            notes, features = marshal.loads(data[1:])
            return tuple(notes), tuple(Feature(*feature) for feature in features)
        error = pickle.loads(data[1:])
        assert isinstance(error, TrothError)
        if isinstance(error, ProgramError):
            raise OSError(error.errno, os.strerror(error.errno), self._program) from error
        raise error
