"""Which C library something has: a name, a Debian suite, a root directory, a saved image, or the library's own file.

    resolve("glibc-2.36")           a build by its name; its files only if they were fetched
    resolve("debian:trixie")        fetched when it is not there
    resolve("/")                    what this machine has
    resolve("image.tar")            what an image has

A library says itself which it is: glibc in its banner, musl in the usage of its loader. The build-id tells builds
apart.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from troth import abi
from troth._value import Value
from troth.elf.image import MAGIC, read_file
from troth.elf.reader import Elf
from troth.elf.reader import parse as parse_elf
from troth.errors import ParseError, RequestError
from troth.libc import fetch
from troth.libc.apt import ARCHES, Told
from troth.libc.archives import open_image
from troth.libc.cache import cache_directory, made_whole
from troth.libc.roots import Directory, Tree, follow, library_directories
from troth.libc.unpack import RECORDS

FORMS: Final = "`glibc-2.36`, `musl-1.2.5`, `debian:trixie`, a root directory, a saved image, or a libc's own file"
_NAME: Final = re.compile(r"(glibc|musl)-([0-9]+(?:\.[0-9]+){1,3})")
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
_SHELL: Final = "bin/sh"
_OWNERS: Final = ("libc6", "glibc", "musl", "libc6-i386", "libc6-x32")
_MOST_RECORDS: Final = 64 << 20


class Package(NamedTuple):
    """A package of a distribution; `sha256` is of its file, empty when that is not known."""

    name: str
    version: str
    sha256: str


class Build(NamedTuple):
    """Which library a file is."""

    libc: str
    version: str
    arch: str
    build_id: str
    sha256: str


class Found(Value):
    """A C library, as somebody named it.

    `name` is such as `glibc-2.36`. `objects` are its files on this machine, the libc first, then its loader and its
    other parts; empty when only its name is known. `build_id` is the linker's; without one (some musls), `sha256` of
    the first file is what tells it apart. `root` is the directory that its programs see as `/`, empty when there is
    none. `origin` is what it was named as, `package` the one that it comes in, None when nobody recorded that.
    """

    __slots__ = ("name", "libc", "version", "arch", "objects", "build_id", "sha256", "root", "origin", "package")
    name: str
    libc: str
    version: str
    arch: str
    objects: tuple[str, ...]
    build_id: str
    sha256: str
    root: str
    origin: str
    package: Package | None
    _defaults = {"objects": (), "build_id": "", "sha256": "", "root": "", "origin": "", "package": None}

    @property
    def identity(self) -> str:
        """What tells this build from every other; empty when only the name is known."""
        return self.build_id or (f"sha256-{self.sha256}" if self.sha256 else "")


def resolve(text: str, *, arch: str = "", told: Told | None = None) -> Found:
    """Find the libc that somebody named; `arch` chooses among several, by default this machine's.

    Raises:
        RequestError: it names nothing, something without a libc, or one of another architecture.
        ParseError: a file or an image is not what it should be.
        FetchError: a suite cannot be fetched.
    """
    if arch and arch not in abi.ARCHES:
        raise RequestError(f"unknown architecture `{arch}`", hint="one of " + " ".join(abi.ARCHES))
    if named := _NAME.fullmatch(text):
        return _named(text, named[1], named[2], arch or abi.native().name)
    if text.startswith(fetch.PREFIX):
        wanted = fetch.parse(text, arch)
        found = _in_directory(str(fetch.fetch(wanted, told=told)), wanted.arch, wanted.libc)
        return found.replace(origin=text)
    if not os.path.lexists(text):
        hint = f"a libc is named as {FORMS}"
        raise RequestError(
            f"there is no libc `{text}`" if "/" not in text else f"{text}: no such file or directory", hint=hint
        )
    with open_image(text, arch) as image:
        if image is not None:
            return _in_image(image, arch, text)
    if os.path.isdir(text):
        return _in_directory(text, arch)
    return _in_file(text, arch)


def fetched() -> Iterator[Found]:
    """The libcs that were fetched, by the names of their directories; what is damaged is left out."""
    directory = fetch.libcs_directory()
    names = sorted(os.listdir(directory)) if directory.is_dir() else []
    for name in names:
        path = directory / name
        if path.is_dir() and path.suffix != ".partial":
            try:
                yield _in_directory(str(path), "")
            except RequestError:
                continue


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


def _named(text: str, libc: str, version: str, arch: str) -> Found:
    for one in fetched():
        if (one.name, one.arch) == (text, arch):
            return one.replace(origin=text)
    return Found(text, libc, version, arch, origin=text)


class _Candidate(NamedTuple):
    directory: str
    path: str
    build: Build


def _in_directory(path: str, arch: str, libc: str = "") -> Found:
    tree = Directory(path)
    chosen = _chosen(tree, arch, libc)
    objects = tuple(os.path.join(path, one) for one in _objects(tree, chosen))
    return _found(chosen.build, objects, os.path.abspath(path), path, _package(tree, chosen.build))


def _in_image(tree: Tree, arch: str, text: str) -> Found:
    """The libc of an image, whose files are written to a directory of their own in the cache."""
    chosen = _chosen(tree, arch)
    contents = tree.contents(dict.fromkeys(_objects(tree, chosen)))
    digest = hashlib.sha256()
    for path, data in sorted(contents.items()):
        digest.update(f"{path}\0{hashlib.sha256(data).hexdigest()}\n".encode())
    target = cache_directory() / "images" / digest.hexdigest()[:24]
    with made_whole(target) as empty:
        if empty is not None:
            for path, data in contents.items():  # a path of the tree has no `..` in it
                (empty / path).parent.mkdir(parents=True, exist_ok=True)
                (empty / path).write_bytes(data)
                (empty / path).chmod(0o755)
    objects = tuple(str(target / path) for path in contents)
    return _found(chosen.build, objects, "", text, _package(tree, chosen.build))


def _in_file(path: str, arch: str) -> Found:
    data = read_file(path)
    if not data.startswith(MAGIC):
        problem = "is empty" if not data else "is neither a libc nor an image of a container"
        raise ParseError(path, problem, hint=f"a libc is named as {FORMS}")
    build = identify(parse_elf(data, path))
    if build is None:
        raise RequestError(f"{path}: is not a C library that is known here", hint="glibc and musl are")
    if arch and build.arch != arch:
        raise RequestError(f"{path}: is for {build.arch}, not for {arch}")
    return _found(build, (path,), "", path, None)


def _found(build: Build, objects: tuple[str, ...], root: str, origin: str, package: Package | None) -> Found:
    name = f"{build.libc}-{build.version}"
    return Found(
        name, build.libc, build.version, build.arch, objects, build.build_id, build.sha256, root, origin, package
    )  # fmt: skip


def _chosen(tree: Tree, arch: str, libc: str = "") -> _Candidate:
    """The libc of a tree: of several, the one that its shell uses, else this machine's."""
    found = [one for one in _candidates(tree) if not libc or one.build.libc == libc]
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
            build = identify(parse_elf(data, f"{tree.where}: /{path}"))
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
        loader = parse_elf(tree.contents((path,))[path], path).interpreter
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
