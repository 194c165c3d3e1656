"""The same promises hold under every libc at hand: each program works under them, and without one of them does not.

Every program runs under every libc as nobody, confined at its entry point. As root and confined before it starts
(`--early`) they run under the oldest, the host's own, the newest and i386's, since what a loader does differs with its
age and architecture only; as the other two pairs of user and moment under the newest, since what users may does not
differ between them. `make test-matrix` (TROTH_MATRIX=all) runs each pair under each libc. One test is one root; its
cells run two at a time, and all red ones are reported at once.
"""

from __future__ import annotations

import functools
import os
import platform
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import pytest
from conftest import needs
from matrix import busybox, inside, musl_programs, roots
from matrix.libc_programs import FILES, ON_I386, PACKAGES, PROGRAMS, Program, also, packages_of

from tools.debroot import FetchError

# What the loader of a program that is confined before it starts asks for; to map a file, `exec` is enough too.
_LOADER = ("rpath",)
_MAPS = ("exec", "prot_exec")
_LOADED = ("/usr:rx", "/etc:r")


class Cell(NamedTuple):
    """One program under one libc, as this user or as nobody.

    `missing` is empty where every promise is held, `veil` where every path is in reach; `as_of` is what the tables may
    know, if not all.
    """

    name: str
    argv: tuple[str, ...]
    promises: str
    missing: str
    veil: tuple[str, ...]
    early: bool
    nobody: bool
    violation: str = "kill"
    as_of: str = ""
    keys: tuple[tuple[str, str], ...] = ()
    request: inside.Request | None = None

    @property
    def arguments(self) -> tuple[str, ...]:
        """What `troth run` is told."""
        held = [word for word in self.promises.split() if word != self.missing]
        paths = (word for path in self.veil for word in ("-v", path))
        how = (*(("--early",) if self.early else ()), *(("--as-of", self.as_of) if self.as_of else ()))
        return (*how, "--on-violation", self.violation, "-p", " ".join(held), *paths)


@functools.cache
def root_for(libc: roots.Libc, packages: tuple[str, ...]) -> Path:
    """The root of a libc; skips, outside CI, where it cannot be had."""
    needs(platform.machine() == "x86_64", "the libcs are x86_64's")
    needs(all(map(shutil.which, ("apt-get", "dpkg-deb", "tar"))), "apt, dpkg and tar make the roots")
    needs(inside.can_enter(), "neither root nor a user namespace: no root can be entered")
    try:
        return roots.root_of(libc, packages)
    except FetchError as error:
        needs(False, f"no root of {libc}: {error}")
        raise


def judge(cell: Cell, root: Path, files: Mapping[str, str | bytes]) -> str:
    """Run a cell and the same program unconfined; what is wrong, or nothing."""
    run = functools.partial(
        inside.run, cell.argv, root, files=files, nobody=cell.nobody, keys=cell.keys, request=cell.request
    )
    plain = run(troth=None)
    if plain.status > 1 or not (plain.out or plain.files != inside.left(files)):
        return f"{cell.name}: does nothing unconfined: {plain.status} {plain.err[-300:]}"
    done = run(troth=cell.arguments)
    same = (done.status, done.out, done.files) == (plain.status, plain.out, plain.files)
    if cell.missing and (done.out, done.files) == (plain.out, plain.files):
        return f"{cell.name}: works without `{cell.missing}`"
    if cell.violation == "errno" and done.status >= 128:
        return f"{cell.name}: ended by a signal where `{cell.missing}` is an errno: {done.status} {done.err[-300:]}"
    if not cell.missing and not same:
        return f"{cell.name} ({cell.promises}): {plain[:2]} became {done.status, done.out}: {done.err[-300:]}"
    return ""


def red_cells(cells: Sequence[Cell], root: Path, files: Mapping[str, str | bytes] = FILES) -> dict[str, str]:
    """Run cells, two at a time; gives what is wrong, by the cell's name."""
    with ProcessPoolExecutor(min(2, os.cpu_count() or 1), mp_context=get_context("fork")) as pool:
        work: Callable[[Cell], str] = functools.partial(judge, root=root, files=files)
        complaints = pool.map(work, cells)
        return {cell.name: complaint for cell, complaint in zip(cells, complaints, strict=True) if complaint}


def check(cells: Sequence[Cell], root: Path, files: Mapping[str, str | bytes]) -> None:
    """Run cells; all that is wrong is told at once."""
    red = red_cells(cells, root, files)
    assert not red, "\n".join(red.values())


def promises_of(program: Program, libc: roots.Libc, *, early: bool = False) -> str:
    """What a program is held to under a libc."""
    more = also(program, str(libc)).promises.split()
    return _held((*program.promises.split(), *more), early=early)


def _held(words: Sequence[str], *, early: bool) -> str:
    """Promises, each once, which is all that troth takes."""
    if early:
        words = (*words, *_LOADER, *(() if set(_MAPS) & set(words) else _MAPS[1:]))
    return " ".join(dict.fromkeys(words))


def veil_of(program: Program, libc: roots.Libc, *, early: bool = False) -> tuple[str, ...]:
    """The paths that a program reaches under a libc; none is named where it has no veil.

    None has one that holds `unix`: a veil of unix socket paths needs Landlock ABI 9, and the matrix runs on older kernels.
    """
    if "unix" in promises_of(program, libc).split():
        return ()
    more = also(program, str(libc)).veil.split()
    veil = {path.partition(":")[0]: path for path in (*program.veil.split(), *more)}
    if early and veil:  # of two for one path the loader's is the wider
        veil |= {path.partition(":")[0]: path for path in _LOADED}
    return tuple(veil.values())


def cells_of(libc: roots.Libc, *, missing: bool, early: bool, nobody: bool) -> list[Cell]:
    """Every program, or on i386 some."""
    return [
        Cell(
            program.name,
            program.argv,
            promises_of(program, libc, early=early),
            (also(program, str(libc)).missing or program.missing) if missing else "",
            veil_of(program, libc, early=early),
            early,
            nobody,
            keys=program.keys,
            request=program.request,
        )
        for program in PROGRAMS
        if libc.arch == "amd64" or program.name in ON_I386
    ]


# Those that are run with `--on-violation errno` too.
TOLD_BY_ERRNO = (
    "cat", "sort", "cp", "mv", "rm", "mkdir", "truncate", "timeout", "grep", "sed -i", "find", "dash pipeline", "tar", "gzip",
    "perl", "python3 threads", "python3 spawn", "sqlite3", "less",
)  # fmt: skip

# The pairs of moment (early) and user (nobody) that `EVERY` does not run.
OTHER_PAIRS = ((True, False), (False, False), (True, True))
EVERY = pytest.mark.parametrize("libc", [*roots.GLIBCS, roots.I386], ids=str)
OTHERWISE = pytest.mark.parametrize(
    ("libc", "early", "nobody"),
    [
        (libc, early, nobody)
        for libc in (*roots.GLIBCS, roots.I386)
        for early, nobody in OTHER_PAIRS
        if os.environ.get("TROTH_MATRIX") == "all"
        or libc is roots.GLIBCS[-1]
        or ((early, nobody) == (True, False) and libc in (roots.GLIBCS[0], roots.GLIBCS[1], roots.I386))
    ],
    ids=lambda value: str(value),
)
MUSL = pytest.mark.parametrize("libc", roots.MUSLS, ids=str)


def test_there_are_enough_programs() -> None:
    assert len({program.name for program in PROGRAMS}) == len(PROGRAMS) >= 60
    assert len(ON_I386) >= 60
    assert all(program.missing in program.promises.split() for program in PROGRAMS)
    assert PACKAGES


@EVERY
def test_a_root_has_the_libc_that_it_says(libc: roots.Libc) -> None:
    root = root_for(libc, packages_of(libc))
    assert roots.version_of(root, libc) == libc.version
    assert roots.word_size_of(root) == (32 if libc.arch == "i386" else 64)


@EVERY
def test_programs_work_under_their_promises(libc: roots.Libc) -> None:
    cells = cells_of(libc, missing=False, early=False, nobody=True)
    check(cells, root_for(libc, packages_of(libc)), FILES)


@EVERY
def test_programs_fail_without_the_promise_that_they_need(libc: roots.Libc) -> None:
    cells = cells_of(libc, missing=True, early=False, nobody=True)
    check(cells, root_for(libc, packages_of(libc)), FILES)


@EVERY
def test_programs_get_an_errno_in_the_place_of_the_promise_that_they_need(libc: roots.Libc) -> None:
    cells = [cell for cell in cells_of(libc, missing=True, early=False, nobody=True) if cell.name in TOLD_BY_ERRNO]
    check([cell._replace(violation="errno") for cell in cells], root_for(libc, packages_of(libc)), FILES)


@EVERY
def test_readers_do_not_reach_their_input_behind_a_veil_without_it(libc: roots.Libc) -> None:
    root = root_for(libc, packages_of(libc))
    readers = ("cat", "sort", "sha256sum", "grep", "gzip", "perl", "python3 script")
    for cell in cells_of(libc, missing=False, early=False, nobody=True):
        if cell.name in readers:
            done = inside.run(
                cell.argv, root, files=FILES, troth=cell._replace(veil=("/usr:r",)).arguments, nobody=True
            )
            assert done.status not in (0, 128 + signal.SIGSYS), (cell.name, done)
            assert "Permission denied" in done.err, (cell.name, done)


@OTHERWISE
def test_programs_work_as_root_and_when_confined_before_they_start(libc: roots.Libc, early: bool, nobody: bool) -> None:
    cells = cells_of(libc, missing=False, early=early, nobody=nobody)
    check(cells, root_for(libc, packages_of(libc)), FILES)


@functools.cache
def musl_files() -> dict[str, str | bytes]:
    """The programs, built once by the host's musl-gcc, beside the files that they use."""
    needs(shutil.which("musl-gcc"), "musl-gcc is not installed (package musl-tools)")
    files: dict[str, str | bytes] = {"words": FILES["words"]}
    for source in musl_programs.MUSL_PROGRAMS:
        with tempfile.NamedTemporaryFile() as built:
            command = ["musl-gcc", "-O1", "-w", "-x", "c", "-o", built.name, "-"]
            subprocess.run(command, input=musl_programs.text_of(source), text=True, check=True)
            files[source.name] = Path(built.name).read_bytes()
    return files


@functools.cache
def busybox_files() -> dict[str, str | bytes]:
    """busybox, built once, beside the files that it works on."""
    needs(shutil.which("make") and shutil.which("gcc"), "make and gcc build busybox")
    try:
        return {"words": FILES["words"], "busybox": busybox.build()}
    except FetchError as error:
        needs(False, f"no source of busybox: {error}")
        raise


def musl_cells(*, missing: bool, early: bool = False, nobody: bool = True) -> list[Cell]:
    """Our own programs; without a promise, those that need one."""
    return [
        Cell(
            source.name,
            (f"/work/{source.name}",),
            _held(source.promises.split(), early=early),
            source.missing if missing else "",
            (),
            early,
            nobody,
        )
        for source in musl_programs.MUSL_PROGRAMS
        if source.missing or not missing
    ]


def busybox_cells(*, missing: bool, early: bool = False, nobody: bool = True) -> list[Cell]:
    """The applets of busybox."""
    return [
        Cell(
            applet.name,
            applet.argv,
            _held(applet.promises.split(), early=early),
            applet.missing if missing else "",
            tuple(applet.veil.split()) if not early else (),  # the loader's veil is that of the programs of glibc
            early,
            nobody,
            keys=applet.keys,
        )
        for applet in busybox.APPLETS
    ]


@MUSL
@pytest.mark.parametrize("early", [False, True], ids=["late", "early"])
@pytest.mark.parametrize("nobody", [False, True], ids=["root", "nobody"])
def test_musl_programs_work_under_their_promises(libc: roots.Libc, early: bool, nobody: bool) -> None:
    root = root_for(libc, ())
    assert roots.version_of(root, libc) == libc.version
    check(musl_cells(missing=False, early=early, nobody=nobody), root, musl_files())
    check(busybox_cells(missing=False, early=early, nobody=nobody), root, busybox_files())


@MUSL
@pytest.mark.parametrize("violation", ["kill", "errno"])
def test_musl_programs_fail_without_the_promise_that_they_need(libc: roots.Libc, violation: str) -> None:
    root = root_for(libc, ())
    for cells, files in ((musl_cells(missing=True), musl_files()), (busybox_cells(missing=True), busybox_files())):
        check([cell._replace(violation=violation) for cell in cells], root, files)
