"""The facts of the probe are true: probed again, a libc does what is written of it, for root and for everyone else.

A sample of the functions, of one glibc and one musl; `troth libc probe LIBC --check` is the same for all.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from children import in_child
from conftest import needs

from troth.kernel import process
from troth.libc.apt import FetchError
from troth.libc.identify import Found, resolve
from troth.libc.probe.build import has_compiler
from troth.libc.probe.compare import differences
from troth.libc.probe.facts import probe_facts
from troth.libc.probe.probing import probe
from troth.libc.probe.text import dump

SAMPLES = {
    "debian:bookworm": (
        "(start)", "(exit)", "(abort)", "(handler)", "fopen", "fclose", "printf", "open", "stat", "fstat", "faccessat",
        "opendir", "readdir", "fchmodat", "closefrom", "select", "isatty", "tcgetattr", "tcsetattr", "arc4random",
        "getcwd", "socket", "if_nametoindex", "nanosleep", "fork", "wait", "execvp", "malloc", "dlopen", "shm_open",
    ),
    "debian:bookworm/musl": ("(start)", "(exit)", "(abort)", "fopen", "printf", "open", "stat", "faccessat", "opendir",
                             "isatty", "nanosleep", "fork", "getcwd", "posix_fallocate"),
}  # fmt: skip
NOBODY = 65534


def found(name: str) -> Found:
    """A libc of a suite, or a skip where the probe cannot be had."""
    try:
        libc = resolve(name)
    except FetchError as error:
        needs(None, f"{name} from a Debian mirror: {error}")
        raise
    needs(has_compiler(libc.libc, libc.arch), f"a compiler for {libc.libc}")
    return libc


@pytest.mark.parametrize("name", SAMPLES)
def test_a_libc_does_what_is_written_of_it(name: str) -> None:
    libc = found(name)
    known = probe_facts(libc.name, libc.arch)
    assert not differences(known, probe(libc, functions=SAMPLES[name]), SAMPLES[name])


def test_somebody_who_is_not_root_sees_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    needs(os.geteuid() == 0, "root")
    needs(has_compiler("glibc", "x86_64"), "gcc")
    libc = resolve("/")  # which everybody can read

    def look() -> str:
        process.set_dumpable(dumpable=True)  # as a process is that did not just change its user
        found = probe(libc, functions=("access", "fork", "open", "setuid", "chown", "getifaddrs"))
        alone = {name: case for name, case in found.cases.items() if name != ("setuid", "with threads")}
        return dump(found.replace(cases=alone))  # whether that waits for a thread is for the two to make out

    with tempfile.TemporaryDirectory() as cache:
        Path(cache).chmod(0o777)
        monkeypatch.setenv("TROTH_CACHE", cache)
        as_root = look()  # here, so that all modules are loaded, which that user might not be able to
        assert in_child(look, unprivileged=True) == as_root


def troth(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "troth", "libc", "probe", *args], capture_output=True, text=True, check=False
    )


def test_the_verb_tells_a_function_and_checks_it(tmp_path: Path) -> None:
    libc = found("debian:bookworm")
    told = json.loads(troth(libc.root, "-f", "creat", "--format", "json").stdout)
    assert [case["calls"] for case in told["cases"]] == [["creat(*, 0o640)"]]
    assert {refusal["outcome"] for refusal in told["cases"][0]["refusals"]} == {"fails"}
    same = troth(libc.root, "-f", "creat", "--check")
    assert (same.returncode, same.stdout) == (0, "")


def test_a_libc_that_differs_from_its_facts_is_told(tmp_path: Path) -> None:
    libc = found("debian:bookworm")
    now = probe(libc, functions=("creat",))
    case = now.cases["creat", ""]
    changed = now.cases["creat", ""].replace(calls=(case.calls[0].replace(name="openat"),))
    lines = differences(now, type(now)(now.build, now.arch, now.origin, now.absent, {("creat", ""): changed}))
    assert "-  creat(*, 0o640)" in lines


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("/", "-f", "fopne"), "the closest is `fopen`"),
        (("/nonexistent",), "no such file or directory"),
        (("glibc-1.0",), "no root"),
    ],
)
def test_a_mistake_is_told_without_a_traceback(args: tuple[str, ...], message: str) -> None:
    needs(shutil.which("gcc"), "gcc")
    done = troth(*args)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_nothing_is_written_when_the_probe_fails(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    done = troth(str(tmp_path / "root"), "-o", str(tmp_path / "facts.txt"))
    assert done.returncode == 2
    assert [path.name for path in tmp_path.iterdir()] == ["root"]
