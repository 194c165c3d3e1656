"""Debian's archive through apt, without root and without touching the host's own apt.

apt runs with a private state (an empty dpkg status, its own lists and cache) for one suite and one architecture. It
verifies the suite's signature and every hash as it always does, and goes on with a download that was interrupted.
The mirror is the one that the host itself uses; it is written nowhere else, and named in no message.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Final

from troth.errors import TrothError
from troth.libc.cache import cache_directory, locked

# Of the package debian-archive-keyring; without it, the keys that the host's apt trusts anyway.
KEYRINGS: Final = (
    "/usr/share/keyrings/debian-archive-keyring.pgp",
    "/usr/share/keyrings/debian-archive-keyring.gpg",
)
FRESH_S: Final = 86400  # how long an index is good
_SOURCE: Final = "source"

# Debian's names of architectures, by troth's.
ARCHES: Final = {
    "x86_64": "amd64",
    "i386": "i386",
    "aarch64": "arm64",
    "arm": "armhf",
    "riscv64": "riscv64",
    "ppc64le": "ppc64el",
    "s390x": "s390x",
    "loongarch64": "loong64",
    "mips64el": "mips64el",
}

# What apt says, and what to do then.
_RENAMED: Final = "look the name up in this suite; packages are renamed between suites"
_UNREACHABLE: Final = "the mirror of the host's apt sources cannot be reached from here"
_BETWEEN: Final = "the mirror is between two states for this suite; try again later, or another suite"
_HINTS: Final = (
    ("Unable to locate package", _RENAMED),
    ("has no installation candidate", _RENAMED),
    ("Temporary failure resolving", _UNREACHABLE),
    ("Could not resolve", _UNREACHABLE),
    ("Could not connect", _UNREACHABLE),
    ("Unable to connect", _UNREACHABLE),
    ("Connection timed out", _UNREACHABLE),
    ("No space left", "free some space, or set TROTH_CACHE to a directory with more"),
    ("unexpected size", _BETWEEN),
    ("Hash Sum mismatch", _BETWEEN),
    ("NO_PUBKEY", "Debian's suites are signed with the keys of debian-archive-keyring; TROTH_KEYRING names others"),
    ("is not signed", "the mirror does not serve what Debian signed; troth takes nothing else"),
    ("does not have a Release file", "name a suite of Debian, such as bookworm, trixie or sid"),
)

# What of apt's words is left out, which is where the mirror is.
_UNNAMED: Final = (
    (re.compile(r"^[EWN]: "), ""),
    (re.compile(r"'\S+://[^']*'|\S+://\S+"), "<mirror>"),
    (re.compile(r" ?\[IP: [^]]*\]"), ""),
    (re.compile(r"((?:onnect to|esolve|esolving) )'?[^\s']+'?(?: \([^)]*\))?"), r"\1<mirror>"),
)

Told = Callable[[float, str], None]  # how much of a download is done, of 100, and what is fetched


class FetchError(TrothError):
    """Something that is kept elsewhere cannot be had; nothing was changed."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def mirror() -> str:
    """The archive that the host itself uses for Debian's main component.

    Raises:
        FetchError: there is none.
    """
    command = ("apt-get", "indextargets", "--format", "$(REPO_URI)|$(COMPONENT)|$(LABEL)", "Created-By: Packages")
    for line in _run(command, dict(os.environ), None).splitlines():
        uri, component, label = line.split("|")
        # The label comes from the Release file; a host that has never updated has none.
        if component == "main" and label in ("Debian", "", "$(LABEL)") and uri.endswith("/debian/"):
            return uri
    raise FetchError(
        "the host's apt has no source for Debian's main component",
        hint="name a mirror of Debian with TROTH_MIRROR=URL",
    )


class Archive:
    """One suite for one architecture (Debian's name), or its sources (`arch` is "source"), as apt sees it.

    `TROTH_MIRROR` names another mirror than the host's, and `TROTH_KEYRING` the file of the keys that sign its suites,
    where these are not Debian's.

    Raises:
        FetchError: the mirror does not have it, or not whole.
    """

    def __init__(self, suite: str, arch: str, *, told: Told | None = None) -> None:
        self._name = f"{suite}/{arch}"
        self._told = told
        other = other_mirror()
        self._top = cache_directory() / "apt" / f"{suite}-{arch}{other and f'-{other}'}"
        for part in ("sources.list.d", "preferences.d", "apt.conf.d"):
            (self._top / "etc/apt" / part).mkdir(parents=True, exist_ok=True)
        for part in ("state/lists/partial", "cache/archives/partial", "empty/partial"):
            (self._top / part).mkdir(parents=True, exist_ok=True)
        (self._top / "status").touch()
        self._packages = self._top / "cache/archives"
        self._env = dict(os.environ, APT_CONFIG=str(self._top / "apt.conf"), LC_ALL="C")
        with locked(self._top / "lock"):
            stamp = self._top / "updated"
            if stamp.exists() and time.time() - stamp.stat().st_mtime < FRESH_S:
                return
            self._configure(suite, arch)
            self.apt("apt-get", "-qq", "update")
            stamp.touch()

    @classmethod
    def first(cls, suites: Sequence[str], arch: str) -> Archive:
        """The first of several suites that the mirror has.

        Raises:
            FetchError: it has none.
        """
        complaints = []
        for suite in suites:
            try:
                return cls(suite, arch)
            except FetchError as error:
                complaints.append(error)
        raise all_of(complaints)

    def _configure(self, suite: str, arch: str) -> None:
        uri = os.environ.get("TROTH_MIRROR") or mirror()
        given = os.environ.get("TROTH_KEYRING", "")
        keyring = os.path.abspath(given) if given else next((path for path in KEYRINGS if Path(path).exists()), "")
        # Freshness is not asked for: a mirror that stands still is as good for this as today's.
        options = "check-valid-until=no" + (f" signed-by={keyring}" if keyring else "")
        suites = (suite, "sid") if suite == "experimental" else (suite,)  # which is not closed by itself
        kind, arch = ("deb-src", "amd64") if arch == _SOURCE else ("deb", arch)
        sources = "".join(f"{kind} [{options}] {uri} {name} main\n" for name in suites)
        (self._top / "etc/apt/sources.list").write_text(sources)
        # An index that cannot be fetched is an error, even where an old one could serve.
        (self._top / "apt.conf").write_text(
            f'Dir "{self._top}/";\nDir::State "state/";\nDir::State::status "{self._top}/status";\n'
            'Dir::Cache "cache/";\nDir::Etc "etc/apt/";\nDir::Etc::trustedparts "/etc/apt/trusted.gpg.d/";\n'
            f'APT::Architecture "{arch}";\nAPT::Architectures {{ "{arch}"; }};\nAPT::Sandbox::User "root";\n'
            'APT::Install-Recommends "false";\nAPT::Update::Error-Mode "any";\nAcquire::Languages "none";\n'
            'Acquire::Retries "3";\nAcquire::http::Timeout "30";\nAcquire::https::Timeout "30";\n'
            'Debug::NoLocking "true";\n' + (f'APT::Default-Release "{suite}";\n' if len(suites) > 1 else "")
        )

    def apt(self, *command: str, cwd: Path | None = None) -> str:
        """Run a command of apt's on this archive alone, and give what it says.

        Raises:
            FetchError: it fails; the mirror is not named.
        """
        return _run(command, self._env, cwd or self._packages, self._name, self._told)

    def names(self, prefix: str) -> list[str]:
        """Every package whose name starts with `prefix`."""
        return self.apt("apt-cache", "pkgnames", prefix).split()

    def fetch(self, packages: Sequence[str], *, exact: bool = False) -> list[Path]:
        """Give the .debs of packages, with what they depend on unless `exact`; kept ones are not fetched again.

        Raises:
            FetchError: the suite does not have them, or what they depend on.
        """
        wanted = ("download",) if exact else ("-y", "install")
        with locked(self._top / "lock"):
            # Told with an empty cache, and in an empty directory, since apt leaves out what it has: `install` in the
            # one, `download` in the other.
            empty = self._top / "empty"
            nothing = ("-o", f"Dir::Cache::archives={empty}")
            listing = self.apt("apt-get", "-qq", *nothing, *wanted, "--print-uris", *packages, cwd=empty)
            names = re.findall(r"^'[^']*' (\S+\.deb) [0-9]+", listing, re.MULTILINE)
            if not names:
                raise FetchError(f"{self._name}: apt names no package for {' '.join(packages)}")
            if not all((self._packages / name).exists() for name in names):
                self.apt("apt-get", "-qq", *wanted, *(() if exact else ("--download-only",)), *packages)
        return [self._packages / name for name in names]

    def fetch_source(self, package: str) -> list[Path]:
        """Give the files of a package's source; kept ones are not fetched again.

        Raises:
            FetchError: the suite does not have it.
        """
        wanted = ("apt-get", "-qq", "source", "--download-only")
        with locked(self._top / "lock"):
            listing = self.apt(*wanted, "--print-uris", package, cwd=self._top / "empty")
            names = re.findall(r"^'[^']*' (\S+) [0-9]+", listing, re.MULTILINE)
            if not names:
                raise FetchError(f"{self._name}: apt names no source for {package}")
            if not all((self._packages / name).exists() for name in names):
                self.apt(*wanted, package)
        return [self._packages / name for name in names]


def other_mirror() -> str:
    """What tells the mirror and the keys that were asked for from others; empty for the host's own."""
    given = [os.environ.get(name, "") for name in ("TROTH_MIRROR", "TROTH_KEYRING")]
    return hashlib.sha256(" ".join(given).encode()).hexdigest()[:8] if any(given) else ""


def all_of(complaints: Sequence[FetchError]) -> FetchError:
    """One error for several tries of which none worked."""
    return FetchError("; ".join(map(str, complaints)), hint=next((one.hint for one in complaints if one.hint), ""))


def _run(
    command: Sequence[str], env: dict[str, str], cwd: Path | None, what: str = "", told: Told | None = None
) -> str:
    """Run a command and give what it says; apt tells meanwhile how far a download is."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        reader, writer = os.pipe()
        extra = ("-o", f"APT::Status-Fd={writer}") if told and command[0] == "apt-get" else ()
        try:
            process = subprocess.Popen(
                (command[0], *extra, *command[1:]), env=env, cwd=cwd, stdout=out, stderr=err, pass_fds=(writer,)
            )
        except FileNotFoundError:
            os.close(reader)
            raise FetchError(
                f"{command[0]} is not installed",
                hint="packages are fetched and verified by Debian's apt, gpgv and dpkg",
            ) from None
        finally:
            os.close(writer)
        with open(reader, encoding="utf-8", errors="replace") as status:
            _tell(status, told)
        code = process.wait()
        out.seek(0)
        err.seek(0)
        said, complaint = out.read(), err.read()
    if code:
        hint = next((hint for words, hint in _HINTS if words in complaint), "")
        raise FetchError(f"{what or command[0]}: {_reason(complaint)}", hint=hint)
    return said


def _tell(status: IO[str], told: Told | None) -> None:
    for line in status:
        kind, *fields = line.rstrip("\n").split(":", 3)
        if told and kind == "dlstatus" and len(fields) == 3:
            told(float(fields[1] or 0), fields[2])


def _reason(complaint: str) -> str:
    """The line that says why apt failed, without the mirror's name."""
    lines = [line.strip() for line in complaint.splitlines() if line.strip()]
    reasons = [line for line in lines if "Failed to fetch" in line or "is not signed" in line or "Release file" in line]
    reason = (reasons or lines or ["failed"])[0 if reasons else -1]
    for pattern, instead in _UNNAMED:
        reason = pattern.sub(instead, reason)
    return reason
