"""Which C library a tree of files has, or a file is.

A library says itself which it is: glibc in its banner, musl in the usage of its loader.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from troth import abi
from troth.elf.image import MAGIC
from troth.elf.reader import Elf, parse
from troth.errors import ParseError, RequestError
from troth.libc.apt import ARCHES
from troth.libc.found import Package
from troth.libc.roots import Tree, follow, library_directories
from troth.libc.unpack import RECORDS

_BANNER: Final = re.compile(rb"GNU C Library \(([^)\n]{1,200})\) [a-z ]*release version ([0-9][0-9.]*[0-9])")
_MUSL: Final = re.compile(rb"musl libc \([^)\n]{1,40}\)\n")
# The first string of its section has other bytes before it.
_MUSL_VERSION: Final = re.compile(rb"(?<![0-9.])([01]\.[0-9]+\.[0-9]+)(?:-git[^\0]{0,60})?\0")
# The files of a libc, by their names as programs need them; the first is the libc. Before 2.34, glibc's threads are in
# a file of their own, and so are others of its parts to this day.
_MAIN: Final = {"glibc": re.compile(r"libc\.so\.6(\.1)?"), "musl": re.compile(r"ld-musl-.*\.so\.1|libc\.so")}
_PARTS: Final = (
    "libpthread.so.0",
    "librt.so.1",
    "libdl.so.2",
    "libm.so.6",
    "libresolv.so.2",
    "libanl.so.1",
    "libutil.so.1",
    "libnss_files.so.2",
    "libnss_dns.so.2",
    "libnss_compat.so.2",
)
# Whose contents a search asks for, by their last names; links to them have others.
_ASKED: Final = re.compile(
    r"(lib(c|pthread|rt|dl|m|resolv|anl|util|nss_(files|dns|compat))|ld(64)?)[-.].*|[a-z]{0,3}sh|busybox|status|installed"
)
_SHELL: Final = "bin/sh"
_OWNERS: Final = ("libc6", "glibc", "musl", "libc6-i386", "libc6-x32")
_MOST_RECORDS: Final = 64 << 20


class Build(NamedTuple):
    """Which library a file is."""

    libc: str
    version: str
    arch: str
    build_id: str
    sha256: str


class Library(NamedTuple):
    """The libc of a tree: the paths of its files, the libc first, and the package that it comes in."""

    build: Build
    paths: list[str]
    package: Package | None


def search(tree: Tree, arch: str = "") -> Library:
    """Find the libc of a tree: of several, the one that its shell uses, else this machine's.

    Raises:
        RequestError: it has none, or none for the architecture.
        ParseError: a file with a libc's name is not an ELF file that can be read, or links lead in a circle.
    """
    chosen = _chosen(tree, arch)
    return Library(chosen.build, _objects(tree, chosen), _package(tree, chosen.build))


def identify(elf: Elf) -> Build | None:
    """Which libc a file is; None when it is none that is known."""
    data = elf.image.data
    digest = hashlib.sha256(data).hexdigest()
    if banner := _BANNER.search(data):
        return Build("glibc", banner[2].decode(), elf.arch, elf.build_id, digest)
    if usage := _MUSL.search(data):
        # The version is a string of its own, near.
        found = min(_MUSL_VERSION.finditer(data), key=lambda one: abs(one.start() - usage.start()), default=None)
        if found:
            return Build("musl", found[1].decode(), elf.arch, elf.build_id, digest)
    return None


def is_asked_for(path: str) -> bool:
    """Whether a search may ask for the content of a file; one that is not told of here costs time."""
    return _ASKED.fullmatch(path.rpartition("/")[2]) is not None or path.startswith(f"{RECORDS}/")


class _Candidate(NamedTuple):
    directory: str
    path: str
    build: Build


def _chosen(tree: Tree, arch: str) -> _Candidate:
    """The libc of a tree: of several, the one that its shell uses, else this machine's."""
    found = list(_candidates(tree))
    if not found:
        hint = "a static program has its libc inside itself" if tree.names("") else "it is empty"
        raise RequestError(f"{tree.where}: has no C library", hint=hint)
    fitting = [one for one in found if one.build.arch == arch] if arch else found
    if not fitting:
        has = ", ".join(sorted({f"{one.build.libc}-{one.build.version} for {one.build.arch}" for one in found}))
        raise RequestError(f"{tree.where}: has no C library for {arch}", hint=f"it has {has}")
    loader = _shell_loader(tree)
    native = abi.native().name

    def rank(one: _Candidate) -> tuple[bool, bool]:
        used = loader in (one.path, *(_objects(tree, one)))
        return (not used, one.build.arch != native)

    return min(fitting, key=rank) if len(fitting) > 1 else fitting[0]


def _candidates(tree: Tree) -> Iterator[_Candidate]:
    seen = set()
    for directory in library_directories(tree):
        for name in tree.names(directory):
            libc = next((libc for libc, pattern in _MAIN.items() if pattern.fullmatch(name)), "")
            path = follow(tree, f"{directory}/{name}") if libc else ""
            if not path or path in seen or tree.kind(path) != "file":
                continue
            seen.add(path)
            data = tree.contents((path,))[path]
            if not data.startswith(MAGIC):  # a linker's script
                continue
            build = identify(parse(data, f"{tree.where}: /{path}"))
            if build is not None and build.libc == libc and build.arch:
                yield _Candidate(directory, path, build)


def _objects(tree: Tree, chosen: _Candidate) -> list[str]:
    """The paths of the files of a libc, links followed."""
    found = [chosen.path]
    if chosen.build.libc == "glibc":
        names = [name for name in tree.names(chosen.directory) if re.fullmatch(r"ld(64)?(-linux.*)?\.so\.[0-9]", name)]
        for name in (*names, *_PARTS):
            path = follow(tree, f"{chosen.directory}/{name}")
            if tree.kind(path) == "file" and path not in found:
                found.append(path)
    return found


def _shell_loader(tree: Tree) -> str:
    """The path of the loader that the shell of a tree asks for; empty without one."""
    path = follow(tree, _SHELL)
    if tree.kind(path) != "file":
        return ""
    try:
        loader = parse(tree.contents((path,))[path], path).interpreter
    except ParseError:
        return ""
    return follow(tree, loader) if loader else ""


def _package(tree: Tree, build: Build) -> Package | None:
    """The package that a libc comes in, as dpkg or apk recorded it."""
    paths = [follow(tree, path) for path in ("var/lib/dpkg/status", "lib/apk/db/installed")]
    records = follow(tree, RECORDS)
    paths += [f"{records}/{name}" for name in tree.names(records) if name in _OWNERS]
    for data in tree.contents(path for path in paths if tree.kind(path) == "file").values():
        for fields in _stanzas(data[:_MOST_RECORDS].decode("utf-8", "replace").split("\n\n")):
            name = fields.get("Package") or fields.get("P", "")
            version = fields.get("Version") or fields.get("V", "")
            if name in _OWNERS and build.version in version and _is_for(fields, build.arch):
                return Package(name, version, fields.get("SHA256", ""))
    return None


def _is_for(fields: dict[str, str], arch: str) -> bool:
    said = fields.get("Architecture") or fields.get("A", "")
    return said in (ARCHES.get(arch), arch, {"i386": "x86", "arm": "armv7"}.get(arch))


def _stanzas(texts: Iterable[str]) -> Iterator[dict[str, str]]:
    for text in texts:
        if "libc" in text or "musl" in text:
            lines = (line.partition(":") for line in text.splitlines() if not line.startswith(" "))
            yield {key: value.strip() for key, _, value in lines}
