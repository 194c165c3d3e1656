#!/usr/bin/env python3
"""Get what others shipped when glibc 2.31 was new, out of Debian's packages of that time: the files in `data`.

    python bench/survival/profiles.py            write them
    python bench/survival/profiles.py --check    say whether they are what the packages have

systemd's group is what systemd-analyze(1) of that package says; Docker's profile is the file that the package of its
sources has beside the code of the same content.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from tools.debroot import Archive, FetchError, root

DATA = Path(__file__).with_name("data")
SYSTEM_SERVICE = DATA / "system-service.txt"
DOCKER = DATA / "docker.json"

_SUITE = "bullseye"  # Debian 11, with glibc 2.31
_GROUP = "@system-service"
_PROFILE = "./usr/share/gocode/src/github.com/docker/docker/profiles/seccomp/default.json"
_SOURCES = "golang-github-docker-docker-dev"


def expand(listing: str, group: str) -> list[str]:
    """The calls of a group in what `systemd-analyze syscall-filter` prints, with the groups that it names followed.

    >>> expand("@a\\n    # All\\n    @b\\n    read\\n\\n@b\\n    write\\n", "@a")
    ['read', 'write']

    Raises:
        KeyError: a group that is not in the listing.
    """
    groups: dict[str, list[str]] = {}
    members: list[str] = []
    for line in listing.splitlines():
        words = line.partition("#")[0].split()
        if not words:
            continue
        if line.startswith("@"):
            members = groups.setdefault(words[0], [])
        elif line.startswith(" "):
            members.append(words[0])
    calls: set[str] = set()
    waiting, done = [group], set()
    while waiting:
        name = waiting.pop()
        done.add(name)
        for member in groups[name]:
            if not member.startswith("@"):
                calls.add(member)
            elif member not in done:
                waiting.append(member)
    return sorted(calls)


def system_service() -> str:
    """systemd's group, a call a line, under a header that says where it is from.

    Raises:
        FetchError: the package cannot be had.
    """
    from matrix import inside  # here: it loads all of troth

    path = root(("systemd",), (_SUITE,)).path
    (package,) = Archive(_SUITE, "amd64").fetch(["systemd"], exact=True)
    command = ("systemd-analyze", "syscall-filter", "--no-pager")
    done = inside.run(command, path, files={}, troth=None)
    if done.status:
        raise FetchError(f"systemd-analyze of {package.name} ended with status {done.status}: {done.err[-200:]}")
    text = re.sub(r"\x1b\[[0-9;]*m", "", done.out)
    return "\n".join(
        (
            f"# Calls of systemd's group {_GROUP}, as `systemd-analyze syscall-filter` lists them, with the groups",
            "# that it names followed. x86_64 does not have all of them.",
            f"# {_origin(package)}",
            *expand(text, _GROUP),
            "",
        )
    )


def docker() -> bytes:
    """Docker's default profile, as the package has it.

    Raises:
        FetchError: the package cannot be had.
    """
    (package,) = Archive(_SUITE, "amd64").fetch([_SOURCES], exact=True)
    with tempfile.TemporaryDirectory() as scratch:
        tar = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE, check=True).stdout
        subprocess.run(["tar", "-x", "-C", scratch, _PROFILE], input=tar, check=True)
        return Path(scratch, _PROFILE).read_bytes()


def _origin(package: Path) -> str:
    return f"{package.name}, sha256 {hashlib.sha256(package.read_bytes()).hexdigest()}"


def main() -> None:
    """Write the files, or compare them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; status 1 when a file differs")
    options = parser.parse_args()
    try:
        found = {SYSTEM_SERVICE: system_service().encode(), DOCKER: docker()}
    except FetchError as error:
        sys.exit(f"profiles: {error}")
    differing = [path for path, data in found.items() if not path.exists() or path.read_bytes() != data]
    if options.check:
        sys.exit(f"profiles: not what the packages have: {' '.join(map(str, differing))}" if differing else 0)
    for path in differing:
        path.write_bytes(found[path])


if __name__ == "__main__":
    main()
