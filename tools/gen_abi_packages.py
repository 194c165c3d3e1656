"""Fetch Debian packages with apt, without root and without touching the host's own apt.

apt gets directories of its own (`Dir`), an empty dpkg status and a list of suites; the mirror is
read from the host's configuration at run time and written nowhere else.
apt verifies signatures and hashes as it always does.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from troth.libc.apt import KEYRINGS, FetchError, mirror

SUITES = ("bookworm", "trixie", "trixie-backports", "sid", "experimental")


@dataclass(frozen=True)
class Package:
    """One version of one package, as the archive names it."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def newer(a: str, b: str) -> int:
    """Compare two Debian versions as dpkg does: -1, 0 or 1."""
    for operator, answer in (("lt", -1), ("gt", 1)):
        if subprocess.run(["dpkg", "--compare-versions", a, operator, b], check=False).returncode == 0:
            return answer
    return 0


def _run(command: list[str], env: dict[str, str]) -> str:
    try:
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise FetchError(
            f"{command[0]} is not installed; hint: packages are fetched by Debian's apt and dpkg"
        ) from None
    if done.returncode:
        raise FetchError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


class Archive:
    """The Debian archive as of one `apt-get update`.

    `apt` runs with a private `Dir` below the cache directory; downloaded packages are kept there.
    """

    def __init__(self, cache: Path) -> None:
        self.packages = cache / "packages"
        self._dir = cache / "apt"
        parts = (f"etc/apt/{part}.d" for part in ("sources.list", "preferences", "apt.conf"))
        for sub in (*parts, "state/lists/partial", "cache/archives/partial"):
            (self._dir / sub).mkdir(parents=True, exist_ok=True)
        self.packages.mkdir(parents=True, exist_ok=True)
        (self._dir / "status").touch()
        uri = mirror()
        keyring = next((path for path in KEYRINGS if Path(path).exists()), "")
        # Freshness is not asked for: a mirror that stands still is as good for this as today's,
        # and the versions used are recorded in what is generated.
        options = "check-valid-until=no" + (f" signed-by={keyring}" if keyring else "")
        sources = "".join(f"deb [{options}] {uri} {suite} main\n" for suite in SUITES)
        (self._dir / "etc/apt/sources.list").write_text(sources)
        config = self._dir / "apt.conf"
        config.write_text(
            f'Dir "{self._dir}/";\nDir::State "state/";\nDir::State::status "{self._dir}/status";\n'
            f'Dir::Cache "cache/";\nDir::Etc "etc/apt/";\nDir::Etc::trustedparts "/etc/apt/trusted.gpg.d/";\n'
            'APT::Architecture "amd64";\n'
            'APT::Architectures { "amd64"; };\nAPT::Sandbox::User "root";\nAcquire::Languages "none";\n'
        )
        self._env = dict(os.environ, APT_CONFIG=str(config), LC_ALL="C")
        _run(["apt-get", "-q", "update"], self._env)

    def versions(self, name: str) -> list[str]:
        """Every version the suites have, newest first."""
        lines = _run(["apt-cache", "madison", name], self._env).splitlines()
        found = {line.split("|")[1].strip() for line in lines if line.split("|")[0].strip() == name}
        return sorted(found, key=functools.cmp_to_key(newer), reverse=True)

    def names(self, prefix: str) -> list[str]:
        """Every package whose name starts with `prefix`."""
        return _run(["apt-cache", "pkgnames", prefix], self._env).split()

    def cached(self, package: Package) -> Path | None:
        """The .deb of a package, when it was fetched before."""
        version = package.version.replace(":", "%3a")
        return next(iter(self.packages.glob(f"{package.name}_{version}_*.deb")), None)

    def fetch(self, package: Package) -> Path:
        """Give the .deb of a package; from the cache when it was fetched before.

        Raises:
            FetchError: the archive does not have it.
        """
        kept = self.cached(package)
        if kept is None:
            with tempfile.TemporaryDirectory(dir=self.packages) as fresh:
                command = ["apt-get", "-q", "download", f"{package.name}={package.version}"]
                done = subprocess.run(command, env=self._env, cwd=fresh, capture_output=True, text=True, check=False)
                if done.returncode:
                    raise FetchError(f"{package}: {done.stderr.strip()}")
                deb = next(Path(fresh).glob("*.deb"))
                kept = Path(shutil.move(deb, self.packages / deb.name))
        return kept


def extract(deb: Path, destination: Path, members: list[str]) -> None:
    """Unpack the members of a package that match these patterns."""
    destination.mkdir(parents=True, exist_ok=True)
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE) as packed:
        unpack = ["tar", "-x", "-C", str(destination), "--wildcards", *members]
        done = subprocess.run(unpack, stdin=packed.stdout, capture_output=True, text=True, check=False)
    if done.returncode or packed.returncode:
        raise FetchError(f"{deb.name}: {done.stderr.strip()}")


def extract_source(deb: Path, destination: Path, members: list[str]) -> None:
    """Unpack from the kernel's sources, a tar file inside a linux-source package, what matches."""
    destination.mkdir(parents=True, exist_ok=True)
    unpack = """dpkg-deb --fsys-tarfile "$1" | tar -xO --wildcards '*.tar.xz' | xz -dcT0 |
                tar -x -C "$2" --strip-components=1 --wildcards "${@:3}" """
    command = ["bash", "-o", "pipefail", "-c", unpack, "extract", str(deb), str(destination)]
    done = subprocess.run([*command, *members], capture_output=True, text=True, check=False)
    if done.returncode:
        raise FetchError(f"{deb.name}: {done.stderr.strip()}")
