"""The article's experiment under every libc: the filter leaks by what the libc of the day calls, promises do not."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from conftest import needs
from matrix import roots
from matrix.libc_programs import packages_of
from matrix.test_libcs import root_for
from programs import directory, script, troth_run

from examples import fragility

# What goes through a filter that denies open(2): everything with glibc from 2.26, and creat(2) by itself; with musl
# only who asks for openat(2). The last way makes the system call itself.
LEAKS = {
    "glibc": {
        **dict.fromkeys(
            ("open", "fopen", "freopen", "openat", "opendir", "scandir", "mkstemp", "fopen-w", "dlopen"), "openat"
        ),
        "creat": "creat",
        "syscall": "refused",
    },
    "musl": {
        **dict.fromkeys(
            ("open", "fopen", "freopen", "opendir", "scandir", "creat", "mkstemp", "fopen-w", "dlopen", "syscall"),
            "refused",
        ),
        "openat": "openat",
    },
}

LIBCS = pytest.mark.parametrize("libc", [*roots.GLIBCS, *roots.MUSLS], ids=str)


def built(libc: roots.Libc, source: Path = fragility.SOURCE) -> Path:
    """The program, or another, linked to a libc and asking for the loader in its root."""
    root = root_for(libc, () if libc.name == "musl" else packages_of(libc))
    needs(shutil.which("gcc"), "gcc is not installed")
    needs(libc.name != "musl" or shutil.which("musl-gcc"), "musl-gcc is not installed (package musl-tools)")
    program = Path(directory(), f"{source.stem}-{libc}")
    if not program.exists():
        fragility.build(fragility.rooted(str(libc), root), program.parent, program.name, source)
    loader = next(path for path in ("lib/ld-musl-x86_64.so.1", "lib64/ld-linux-x86-64.so.2") if (root / path).exists())
    assert os.fsencode(root.resolve() / loader) in program.read_bytes()
    return program


@LIBCS
def test_a_filter_on_one_call_stops_what_the_libc_happens_to_call(libc: roots.Libc) -> None:
    found = fragility.results(built(libc), Path(directory()))
    assert found["filter"] == LEAKS[libc.name]
    assert set(found[fragility.WITHOUT].values()) == {"refused"}
    assert set(found[fragility.WITH].values()) == {"works"}


@pytest.mark.parametrize("early", [False, True], ids=["late", "early"])
@pytest.mark.parametrize("name", ["glibc", "musl"])
def test_a_promise_means_the_same_to_nobody(name: str, early: bool) -> None:
    """With the host's own: the roots may be where nobody can look."""
    here = {libc.name.split()[0]: libc for libc in fragility.host()}
    needs(name in here, f"nothing here builds for {name}")
    program = fragility.build(here[name], Path(directory()), f"fragile-host-{name}")
    fragility.results(program, Path(directory()))  # which makes the library
    file = script("content", "content\n", 0o644)
    outcomes = {}
    for promises in (fragility.WITHOUT, fragility.WITH):
        with tempfile.TemporaryDirectory(dir=directory()) as scratch:
            os.chmod(scratch, 0o777)
            words = (*(["--early"] if early else []), "-p", promises, "--", str(program), file, scratch)
            done = troth_run(*words, str(Path(directory(), "library.so")), unprivileged=True)
        outcomes[promises] = (done.status, {line.split()[1] for line in done.out.splitlines()})
    assert outcomes[fragility.WITHOUT] == (0, {"refused"})
    assert outcomes[fragility.WITH] == (0, {"works"})


def test_the_python_version_leaks_and_keeps_its_promises(tmp_path: Path) -> None:
    example = [sys.executable, str(Path(fragility.HERE, "fragile.py"))]

    def told(*arguments: str) -> set[str]:
        done = subprocess.run([*example, *arguments], capture_output=True, text=True, check=False, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return {line.split(": ")[1].split(" (")[0] for line in done.stdout.splitlines()}

    needs(platform.libc_ver()[0] == "glibc" and platform.machine() == "x86_64", "an interpreter of glibc on x86_64")
    assert told() == {"works"}
    assert told("--pledge", "stdio") == {"refused"}
    assert told("--pledge", "stdio rpath wpath cpath") == {"works"}


def test_the_readme_shows_what_is_found_here() -> None:
    """Each cell that it shows, for libcs that the tests above run."""
    text = Path(fragility.HERE).parents[1].joinpath("README.md").read_text("utf-8")
    shown = text.split(fragility.CAPTIONS["filter"] + "\n")[1].split(f"\n{fragility.CAPTIONS[fragility.WITHOUT]}")[0]
    head, *rows = (re.split(" {2,}", line.strip()) for line in shown.splitlines() if line.strip() != "...")
    assert set(head) <= {f"{libc.name} {libc.version}" for libc in (*roots.GLIBCS, *roots.MUSLS)}
    assert rows
    for way, *cells in rows:
        said = [LEAKS[name.split()[0]][way] for name in head]
        assert cells == [call if call == "refused" else f"by {call}" for call in said]


def test_a_root_without_a_libc_is_named(tmp_path: Path) -> None:
    with pytest.raises(fragility.BuildError, match="neither ld-linux"):
        fragility.rooted("empty", tmp_path)
