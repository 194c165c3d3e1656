#!/usr/bin/env python3
"""Get the programs and packages that troth is measured against.

    python bench/peers.py            install what is missing, then say what is there

Debian's packages are installed with apt (as root); PyPI's each into a directory of its own below
`$TROTH_CACHE` or `~/.cache/troth`, so that they share neither an environment nor troth's. Nothing else
in the project needs them: a benchmark without its peer says so in its row.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools import debroot

CACHE = Path(os.environ.get("TROTH_CACHE") or Path.home() / ".cache/troth") / "bench"

# Looked for and not measured, with the reason; part of the report, so that nobody looks twice.
ABSENT = (
    ("pypledge (PyPI)", "calls OpenBSD's pledge(2) in libc; raises OSError on Linux"),
    ("openbsd (PyPI)", "a library for OpenBSD, by its own description"),
    ("pledge (PyPI)", "design by contract; no sandbox"),
    ("tensor-goat/sandbox", "not in PyPI"),
    (
        "mephi42-seccomp (PyPI)",
        "libseccomp's own binding again; pip finds no version for this interpreter, so Debian's is measured",
    ),
    ("pledge for Linux (jart)", "in no registry; 2.3 ms where `true` takes 0.9 when measured elsewhere"),
    ("landrun, nsjail, minijail", "no packages of Debian 12"),
    (
        "minijail's filter compiler",
        "Debian's later package has it inside `minijail0` only, which gives no program away",
    ),
    (
        "angr (PyPI)",
        "9.2.213 does not load beside what pip installs for it (bitstring 5.0, pycparser 3.12); tools made of it take "
        "minutes for a libc, by their authors' word",
    ),
    ("seccompiler, kafel", "in no registry of packages that is used here"),
)


@dataclass(frozen=True)
class Peer:
    """Something to compare with: `debian` or `pypi` is the package, `find` tells where it is."""

    name: str
    find: Callable[[], str]
    debian: str = ""
    pypi: str = ""

    @property
    def why_not(self) -> str:
        """Why it cannot be measured; empty when it can."""
        if self.find():
            return ""
        kind, package = ("Debian's", self.debian) if self.debian else ("PyPI's", self.pypi)
        return f"not installed ({kind} `{package}`; `python bench/peers.py` installs it)"

    @property
    def version(self) -> str:
        """The version that is installed."""
        if self.debian:
            asked = subprocess.run(["dpkg-query", "-W", "-f=${Version}", self.debian], capture_output=True, text=True)
            return asked.stdout.strip()
        found = sorted((CACHE / self.pypi).glob("*.dist-info"))
        named = [path for path in found if path.name.lower().startswith(self.pypi.replace("-", "_"))]
        return named[0].name.removesuffix(".dist-info").partition("-")[2] if named else ""


def _program(name: str) -> Callable[[], str]:
    return lambda: shutil.which(name) or ""


def _package(name: str, module: str) -> Callable[[], str]:
    return lambda: str(CACHE / name) if any((CACHE / name).glob(f"{module}*")) else ""


def _debian_binding() -> str:
    """A directory with Debian's `seccomp` extension module alone, if this interpreter can load it.

    Only that file is linked there: the rest of Debian's packages would be found too.
    """
    file = Path("/usr/lib/python3/dist-packages") / f"seccomp{sysconfig.get_config_var('EXT_SUFFIX')}"
    if not file.exists():
        return ""
    link = CACHE / "python3-seccomp" / file.name
    if not link.exists():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(file)
    return str(link.parent)


PEERS = {
    peer.name: peer
    for peer in (
        Peer("bubblewrap", _program("bwrap"), debian="bubblewrap"),
        Peer("firejail", _program("firejail"), debian="firejail"),
        Peer("libseccomp", _debian_binding, debian="python3-seccomp"),
        Peer("pyseccomp", _package("pyseccomp", "pyseccomp"), pypi="pyseccomp"),
        Peer("seccompy", _package("seccompy", "seccompy"), pypi="seccompy"),
        Peer("py-landlock", _package("py-landlock", "py_landlock"), pypi="py-landlock"),
        Peer("sandlock", _package("sandlock", "sandlock"), pypi="sandlock"),
        Peer("nono-py", _package("nono-py", "nono_py"), pypi="nono-py"),
    )
}


# gVisor's filter compiler is a Go package; Debian has it, and a Go that is young enough, from this suite on.
GVISOR_SUITES = ("trixie",)
GVISOR = CACHE / "gvisor"


def gvisor_command() -> tuple[str, ...]:
    """The program that compiles filters with gVisor's package; empty when it is not built."""
    return (str(GVISOR / "compile"),) if (GVISOR / "compile").exists() else ()


def gvisor_version() -> str:
    """The version of the package that it was built from."""
    version = GVISOR / "version"
    return version.read_text().strip() if version.exists() else ""


def build_gvisor() -> str:
    """Get the package and the compiler of its language, and build `gvisor.go` with them; says what went wrong."""
    try:
        made = debroot.root(("golang-gvisor-gvisor-dev", "golang-go"), GVISOR_SUITES)
    except debroot.FetchError as error:
        return str(error)
    go = next(made.path.glob("usr/lib/go-*/bin/go"))
    env = {
        **os.environ,
        "GOROOT": str(go.parent.parent),
        "GO111MODULE": "off",
        "GOPATH": str(made.path / "usr/share/gocode"),
        "GOCACHE": str(GVISOR / "cache"),
        "GOTOOLCHAIN": "local",
        "CGO_ENABLED": "0",
    }
    GVISOR.mkdir(parents=True, exist_ok=True)
    source = Path(__file__).with_name("gvisor.go")
    command = [str(go), "build", "-o", str(GVISOR / "compile"), str(source)]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    if done.returncode:
        return done.stderr.strip().splitlines()[-1]
    debs = debroot.Archive(made.suite, "amd64").fetch(("golang-gvisor-gvisor-dev",), exact=True)
    (GVISOR / "version").write_text(debs[0].name.split("_")[1] + "\n")
    return ""


def _install_debian(peers: list[Peer]) -> str:
    if os.getuid() != 0 or not shutil.which("apt-get"):
        return "needs root and apt-get: " + " ".join(peer.debian for peer in peers)
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "-y", "--no-install-recommends", *(peer.debian for peer in peers)]):
        done = subprocess.run(["apt-get", "-qq", *command], env=env, capture_output=True, text=True)
        if done.returncode:
            return done.stderr.strip().splitlines()[-1]
    return ""


def _install_pypi(peer: Peer) -> str:
    command = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--target"]
    done = subprocess.run([*command, str(CACHE / peer.pypi), peer.pypi], capture_output=True, text=True)
    return done.stderr.strip().splitlines()[-1] if done.returncode else ""


def main() -> int:
    """Install what is missing; 1 when something still is."""
    problems = {}
    debian = [peer for peer in PEERS.values() if peer.debian and not peer.find()]
    if debian and (problem := _install_debian(debian)):
        problems.update(dict.fromkeys((peer.name for peer in debian), problem))
    for peer in PEERS.values():
        if peer.pypi and not peer.find() and (problem := _install_pypi(peer)):
            problems[peer.name] = problem
    built = gvisor_version() if gvisor_command() else build_gvisor() or gvisor_version()
    print(f"{'gVisor':<12} {built}")
    for peer in PEERS.values():
        print(f"{peer.name:<12} {peer.version if peer.find() else problems.get(peer.name) or peer.why_not}")
    return int(any(not peer.find() for peer in PEERS.values()))


if __name__ == "__main__":
    sys.exit(main())
