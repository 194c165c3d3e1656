"""What is in a guest: a Debian root with Python and pytest, and on top of it the project and its tests."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from matrix.initrd import Archive

HERE: Final = Path(__file__).resolve().parent
PROJECT: Final = HERE.parents[1]

# Copied from the environment that runs this: pure Python, so the same in each guest, and the same version as here.
_MODULES: Final = ("pytest", "pluggy", "iniconfig", "packaging", "pygments", "click")
_SITE: Final = "usr/lib/python3/dist-packages"

# What no test in a guest asks for; unpacking takes the guest's time.
_WITHOUT: Final = (
    "usr/share/doc*", "usr/share/man*", "usr/share/locale", "usr/share/info", "usr/share/i18n", "usr/share/zoneinfo",
    "usr/share/bash-completion", "usr/share/lintian", "usr/share/perl*", "usr/share/gcc*", "usr/share/terminfo",
    "var/lib/dpkg", "var/cache", "boot", "usr/lib/udev", "usr/lib/*/gconv", "usr/lib/*/perl*", "usr/lib/*/libperl*",
    "usr/bin/perl*", "usr/lib/python3*/test", "usr/lib/python3*/idlelib", "usr/lib/python3*/config-*",
    "usr/libexec/gcc/*/*/lto1", "usr/bin/*lto-dump*", "usr/lib/gcc/*/*/*san*", "usr/lib/*/*san.so*", "usr/bin/*gp-*",
    "usr/lib/*/libgprofng*", "usr/bin/*gprofng*", "usr/libx32*", "libx32", "usr/lib/gcc/*/*/x32*",
)  # fmt: skip
_DIRECTORIES: Final = ("dev", "proc", "sys", "tmp", "root", "run", "mnt", "srv", "home")


class Plan(NamedTuple):
    """What a guest does: for each session a user (`root` or `nobody`) and the arguments of pytest."""

    sessions: tuple[tuple[str, tuple[str, ...]], ...]
    environment: dict[str, str]


def base(root: Path, name: str, cache: Path, *, compiler: Path, extra: Sequence[tuple[Path, str]] = ()) -> Path:
    """Give the archive of a root with pytest, made once for what the root and pytest are now.

    `extra` are other trees and where in the guest they go. Python's modules are compiled here, by the Python of the
    amd64 root `compiler`, since in the guest that takes ten times as long.
    """
    key = hashlib.sha256(repr((HERE.joinpath("image.py").read_bytes(), _versions())).encode())
    for tree in (root, compiler, *(tree for tree, _ in extra)):
        key.update(f"{tree} {tree.stat().st_mtime_ns}".encode())
    target = cache / f"{name}-{key.hexdigest()[:16]}.cpio"
    if target.exists():
        return target
    cache.mkdir(parents=True, exist_ok=True)
    for old in cache.glob(f"{name}-*.cpio"):
        old.unlink()
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        site = Path(scratch, "site")
        for module in _MODULES:
            _copy_distribution(module, site)
        partial = Path(scratch, "cpio")
        with partial.open("wb") as stream, Archive(stream) as archive:
            for directory in _DIRECTORIES:
                archive.directory(directory, 0o1777 if directory == "tmp" else 0o755)
            archive.character_device("dev/console", 5, 1, 0o600)
            archive.character_device("dev/null", 1, 3, 0o666)
            _add_compiled(archive, compiler, site, _SITE)
            archive.tree(str(site), f"{_SITE}/")
            for library in root.glob("usr/lib/python3.*"):
                _add_compiled(archive, compiler, library, str(library.relative_to(root)))
            if (root / "usr/lib32/ld-linux.so.2").exists():  # which a script of its package links
                archive.link("usr/lib/ld-linux.so.2", "../lib32/ld-linux.so.2")
            archive.tree(str(root), without=_WITHOUT)
            for tree, where in extra:
                archive.tree(str(tree), where, without=_WITHOUT)
        partial.rename(target)
    return target


def project(target: Path, plan: Plan, *, compiler: Path) -> None:
    """Write the archive of /init, the package, the tests and the plan."""
    with tempfile.TemporaryDirectory() as scratch, target.open("wb") as stream, Archive(stream) as archive:
        archive.file("init", HERE.joinpath("init.py").read_bytes(), 0o755)
        for source, where in (
            ("src/troth", f"{_SITE}/troth"),
            ("tests", "troth/tests"),
            ("examples", "troth/examples"),
        ):
            copy = Path(scratch, os.path.basename(source))
            shutil.copytree(PROJECT / source, copy, ignore=shutil.ignore_patterns("__pycache__", "snapshots"))
            if source != "tests":  # pytest compiles those itself, with more in their assertions
                _add_compiled(archive, compiler, copy, where)
            archive.tree(str(copy), f"{where}/")
        archive.file("troth/pyproject.toml", PROJECT.joinpath("pyproject.toml").read_bytes())
        archive.file("troth/plan.json", json.dumps(plan._asdict()).encode())


def _versions() -> list[str]:
    return [f"{module} {importlib.metadata.version(module)}" for module in _MODULES]


def _copy_distribution(name: str, target: Path) -> None:
    """Copy what pip installed for a distribution, as far as it lies among the modules."""
    for path in importlib.metadata.files(name) or ():
        if ".." not in path.parts and path.suffix != ".pyc":
            copy = target.joinpath(path)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(str(path.locate()), copy)


def _add_compiled(archive: Archive, compiler: Path, directory: Path, where: str) -> None:
    """Add the compiled form of all modules beneath `directory`, which are `where` in the guest."""
    (python,) = compiler.glob("usr/bin/python3.?*")
    loader, libraries = compiler / "lib64/ld-linux-x86-64.so.2", compiler / "usr/lib/x86_64-linux-gnu"
    with tempfile.TemporaryDirectory() as prefix:
        options = ["-B", "-X", f"pycache_prefix={prefix}", "-m", "compileall", "-q"]
        # Not checked against its source: the times of files are not kept.
        options += ["--invalidation-mode=unchecked-hash", "-s", str(directory), "-p", f"/{where}", str(directory)]
        command = [str(loader), "--library-path", str(libraries), str(python), *options]
        environment = {"PYTHONHOME": str(compiler / "usr"), "LC_ALL": "C.UTF-8"}
        subprocess.run(command, env=environment, check=False, stdout=subprocess.DEVNULL)
        written = Path(f"{prefix}{directory}")
        for compiled in written.rglob("*.pyc"):
            place = compiled.relative_to(written)
            archive.file(f"{where}/{place.parent}/__pycache__/{place.name}", compiled.read_bytes())
