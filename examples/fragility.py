#!/usr/bin/env python3
"""One program, one filter, several C libraries: what a filter over system calls is worth, and what promises are.

    python examples/fragility.py [--root NAME=DIRECTORY]...

`fragile/fragile.c` opens files in eleven ways. It runs behind a filter that denies open(2), and the same program runs
under `troth run`, once without and once with the promises for it. It is built for the C libraries at hand: the host's,
musl where `musl-gcc` is, and those of root directories (`tools/debroot.py` makes them; a glibc needs its libc6-dev).
A way is `refused`, or the system call is named by which the file was opened all the same.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent / "fragile"
SOURCE = HERE / "fragile.c"
TROTH = [sys.executable, "-m", "troth", "run"]

# prot_exec is for dlopen(3): it loads code.
WITHOUT = "stdio prot_exec"
WITH = "stdio rpath wpath cpath prot_exec"

CAPTIONS = {
    "filter": "behind a filter that answers EPERM to open(2)",
    WITHOUT: f"the same program, pledged `{WITHOUT}`",
    WITH: f"... and pledged `{WITH}`",
}


class Libc(NamedTuple):
    """A C library: its name for people, and what links a program to it, without the source and the output."""

    name: str
    link: tuple[str, ...]


class BuildError(Exception):
    """The program cannot be built for a C library; the message says why."""


def host() -> list[Libc]:
    """The C libraries that programs are built with here: glibc, and musl where its compiler wrapper is."""
    found = []
    if shutil.which("gcc"):
        found.append(Libc(" ".join(platform.libc_ver()).strip() or "libc", ("gcc", "-ldl")))
    if shutil.which("musl-gcc"):
        loader = Path("/lib/ld-musl-x86_64.so.1")
        found.append(Libc(f"musl {musl_version(loader)}", ("musl-gcc", "-idirafter", "/usr/include", *_machine())))
    return found


def _machine() -> tuple[str, ...]:
    """Where Debian keeps the kernel's headers of this machine, which musl-gcc does not look at."""
    place = "/usr/include/x86_64-linux-gnu"
    return ("-idirafter", place) if os.path.isdir(place) else ()


def musl_version(loader: Path) -> str:
    """The version that musl's loader tells when it is run without a program."""
    if not loader.exists():
        return "(static)"
    told = subprocess.run([loader], capture_output=True, text=True, check=False).stderr
    version = re.search(r"Version (\S+)", told)
    return version[1] if version else "?"


def rooted(name: str, root: Path) -> Libc:
    """The C library of a root directory: a program is linked to it, and asks for its loader by its path there.

    Raises:
        BuildError: there is no loader in it.
    """
    root = root.resolve()
    musl = root / "lib/ld-musl-x86_64.so.1"
    if musl.exists():
        loader = f"-Wl,--dynamic-linker={musl}"
        return Libc(name, ("musl-gcc", "-idirafter", "/usr/include", *_machine(), loader))
    glibc = root / "lib64/ld-linux-x86-64.so.2"
    if not glibc.exists():
        raise BuildError(f"{root}: neither {glibc.name} nor {musl.name} is in it")
    libraries = root / "usr/lib/x86_64-linux-gnu"
    # Before glibc 2.34 threads and dlopen are in files of their own; who needs neither is not linked to them.
    return Libc(
        name,
        (
            *("gcc", f"--sysroot={root}", f"-B{libraries}/", f"-Wl,--dynamic-linker={glibc}"),
            *(f"-Wl,-rpath={root}/lib/x86_64-linux-gnu:{libraries}", "-Wl,--as-needed", "-ldl", "-lpthread"),
        ),
    )


def build(libc: Libc, place: Path, name: str, source: Path = SOURCE) -> Path:
    """Build the program, or another, for a C library; gives its path, which has this name.

    Raises:
        BuildError: the compiler says why not.
    """
    program = place / name
    compiler, *flags = libc.link
    command = [compiler, "-O1", "-o", str(program), str(source), *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"{libc.name}: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
    return program


def results(program: Path, place: Path) -> dict[str, dict[str, str]]:
    """Run the program in each confinement: how each way went, by caption's key and way."""
    library = place / "library.so"
    if not library.exists():
        command = ["gcc", "-shared", "-nostdlib", "-o", str(library), str(HERE / "library.c")]
        subprocess.run(command, check=True)
    found = {}
    for key in CAPTIONS:
        with tempfile.TemporaryDirectory(dir=place) as scratch:
            file = Path(scratch, "file")
            file.write_text("content\n")
            arguments = [str(file), scratch, str(library)]
            if key == "filter":
                command = [str(program), "--filter", *arguments]
            else:
                command = [*TROTH, "-p", key, "--", str(program), *arguments]
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BuildError(f"{' '.join(command)}: exit {done.returncode}: {done.stderr.strip()}")
        found[key] = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    return found


def table(key: str, names: Sequence[str], columns: Sequence[dict[str, str]]) -> list[str]:
    """The lines of one confinement: a row for each way (one for all if they went alike), a column each libc."""
    widths = [max(len(name), 11) for name in names]
    lines = [
        CAPTIONS[key],
        f"  {'':11}" + "".join(f"  {name:{width}}" for name, width in zip(names, widths, strict=True)),
    ]
    alike = all(len(set(column.values())) == 1 for column in columns)
    first = next(iter(columns[0]))
    for way in [first] if alike else columns[0]:
        cells = [column[way] for column in columns]
        label = f"all {len(columns[0])} ways" if alike else way
        shown = [cell if cell in ("refused", "works") else f"by {cell}" for cell in cells]
        lines.append(f"  {label:11}" + "".join(f"  {cell:{width}}" for cell, width in zip(shown, widths, strict=True)))
    return [line.rstrip() for line in lines]


def experiment(libcs: Sequence[Libc]) -> list[str]:
    """Build, run, and give the lines of all three tables.

    Raises:
        BuildError: one of them cannot be built or run.
    """
    with tempfile.TemporaryDirectory(prefix="troth-fragility-") as directory:
        place = Path(directory)
        found = [results(build(libc, place, f"fragile{index}"), place) for index, libc in enumerate(libcs)]
    names = [libc.name for libc in libcs]
    lines = []
    for key in CAPTIONS:
        lines += [*table(key, names, [columns[key] for columns in found]), ""]
    return lines[:-1]


def main() -> int:
    """Print the tables for the C libraries here, and those of the roots given."""
    parser = argparse.ArgumentParser(description="One program, one filter, several C libraries.")
    parser.add_argument("--root", action="append", default=[], metavar="NAME=DIRECTORY", help="a C library more")
    roots = parser.parse_args().root
    if platform.machine() != "x86_64":
        print("fragility: the demonstration's filter names x86_64's system calls", file=sys.stderr)
        return 1
    try:
        libcs = host()
        for given in roots:
            name, equals, directory = given.partition("=")
            if not equals:
                parser.error(f"--root {given!r}: write NAME=DIRECTORY")
            libcs.append(rooted(name, Path(directory)))
        if not libcs:
            print("fragility: no gcc, so nothing can be built", file=sys.stderr)
            return 1
        print("\n".join(experiment(libcs)))
    except BuildError as error:
        print(f"fragility: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
