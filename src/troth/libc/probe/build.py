"""Compile the probe: once for glibc, once for musl, by the host's compilers, and kept for the next time.

The program for glibc asks for nothing that its first release lacks, so the host's own headers and linker serve for
every glibc: all functions are looked up when it runs, and its entry point is our own (`source/start_glibc.S`).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from troth.errors import RequestError

SOURCE = Path(str(files("troth.libc.probe"))) / "source"

_FLAGS = ("-O1", "-Wall", "-Wextra", "-Werror", "-fno-stack-protector", "-fno-builtin", "-U_FORTIFY_SOURCE")
# What libpthread, librt and so on have in old releases; later ones keep empty libraries of these names.
_OLD = ("libpthread.so.0", "libdl.so.2", "librt.so.1", "libutil.so.1", "libresolv.so.2", "libm.so.6")
_PARTS = tuple(f"-l:{name}" for name in _OLD)


class Kind(NamedTuple):
    """How to compile for a libc on an architecture, and what to install for that."""

    compiler: str
    flags: tuple[str, ...]
    libraries: tuple[str, ...]
    entry: str
    package: str


_GLIBC = ("-nostartfiles",)
_MUSL = ("-idirafter", "/usr/include", "-idirafter", "/usr/include/x86_64-linux-gnu")  # the kernel's headers

KINDS = {
    ("glibc", "x86_64"): Kind("gcc", (*_GLIBC, "-fPIE", "-pie"), _PARTS, "start_glibc.S", "gcc and libc6-dev"),
    ("glibc", "i386"): Kind("gcc", (*_GLIBC, "-m32", "-no-pie"), _PARTS, "start_glibc.S", "gcc-multilib"),
    ("musl", "x86_64"): Kind("musl-gcc", _MUSL, (), "", "musl-tools"),
}


def probe(libc: str, arch: str) -> Path:
    """Give the probe for a libc ("glibc" or "musl") of an architecture.

    Raises:
        RequestError: there is no compiler for it here, or no such probe.
    """
    kind = KINDS.get((libc, arch))
    if kind is None:
        known = ", ".join(f"{name} on {of}" for name, of in KINDS)
        raise RequestError(f"{libc} on {arch} cannot be probed", hint=f"there are probes for {known}")
    sources = sorted(SOURCE.glob("*.c")) + ([SOURCE / kind.entry] if kind.entry else [])
    command = (kind.compiler, *_FLAGS, *kind.flags)
    return _compiled(f"probe-{libc}-{arch}", command, sources, ("-Wl,--no-as-needed", *kind.libraries), kind.package)


def command() -> Path:
    """Give the one program that the probe can start.

    Raises:
        RequestError: there is no compiler.
    """
    return _compiled("command", ("gcc", "-nostdlib", "-static"), [SOURCE / "command.S"], (), "gcc")


def _compiled(
    name: str, command: tuple[str, ...], sources: list[Path], libraries: tuple[str, ...], package: str
) -> Path:
    found = hashlib.sha256(repr((command, libraries)).encode())
    for path in [*sources, SOURCE / "probe.h"]:
        found.update(path.read_bytes())
    target = cache_directory() / f"{name}-{found.hexdigest()[:16]}"
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as directory:
        made = Path(directory) / name
        try:
            subprocess.run([*command, "-o", made, *sources, *libraries], check=True, capture_output=True, text=True)
        except FileNotFoundError:
            raise RequestError(
                f"the probe needs `{command[0]}`, which is not here", hint=f"install {package}"
            ) from None
        except subprocess.CalledProcessError as error:
            first = next((line for line in error.stderr.splitlines() if "error" in line), error.stderr[-200:])
            raise RequestError(f"the probe does not compile: {first}", hint=f"install {package}") from None
        made.replace(target)
    return target


def cache_directory() -> Path:
    """Where compiled probes are kept."""
    base = os.environ.get("TROTH_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "troth"
    return Path(base) / "probe"


def has_compiler(libc: str, arch: str) -> bool:
    """Whether the compiler for a probe is here; its libraries may still be missing."""
    return (libc, arch) in KINDS and shutil.which(KINDS[libc, arch].compiler) is not None
