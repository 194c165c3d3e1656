"""Which C library something has: a name, a Debian suite, a root directory, a saved image, or the library's own file.

resolve("glibc-2.36")           a build by its name; its files only if they were fetched
resolve("debian:trixie")        fetched when it is not there
resolve("/")                    what this machine has
resolve("image.tar")            what an image has
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from troth import abi
from troth.errors import ParseError, RequestError
from troth.libc.cache import cache_directory, made_whole
from troth.libc.found import Found, Package, remember, remembered

if TYPE_CHECKING:
    from troth.libc.apt import Told
    from troth.libc.layers import Layers
    from troth.libc.search import Build

# What reads ELF files and images takes long to import, and a build that is known by its name needs neither.

__all__ = ["FORMS", "Found", "Package", "fetched", "resolve"]

FORMS: Final = "`glibc-2.36`, `musl-1.2.5`, `debian:trixie`, a root directory, a saved image, or a libc's own file"
_NAME: Final = re.compile(r"(glibc|musl)-([0-9]+(?:\.[0-9]+){1,3})")
_SUITES: Final = "debian:"


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
    if text.startswith(_SUITES):
        return _in_suite(text, arch, told)
    if not os.path.lexists(text):
        problem = f"{text}: no such file or directory" if "/" in text else f"there is no libc `{text}`"
        raise RequestError(problem, hint=f"a libc is named as {FORMS}")
    from troth.libc.archives import open_image
    from troth.libc.search import is_asked_for

    with open_image(text, arch, is_asked_for) as image:
        if image is not None:
            return _in_image(image, arch, text)
    return _in_directory(text, arch) if os.path.isdir(text) else _in_file(text, arch)


def fetched() -> Iterator[Found]:
    """The libcs that were fetched, by the names of their directories; what is damaged is left out."""
    directory = fetched_directory()
    for name in sorted(os.listdir(directory)) if directory.is_dir() else ():
        path = directory / name
        if path.is_dir() and path.suffix != ".partial":
            try:
                yield _in_fetched(path)
            except RequestError:
                continue


def fetched_directory() -> Path:
    """Where fetched libcs are kept."""
    return cache_directory() / "libcs"


def _named(text: str, libc: str, version: str, arch: str) -> Found:
    for one in fetched():
        if (one.name, one.arch) == (text, arch):
            return one.replace(origin=text)
    return Found(text, libc, version, arch, origin=text)


def _in_suite(text: str, arch: str, told: Told | None) -> Found:
    from troth.libc import fetch

    root = fetch.fetch(fetch.parse(text.removeprefix(_SUITES), arch), fetched_directory(), told=told)
    return _in_fetched(root).replace(origin=text)


def _in_fetched(root: Path) -> Found:
    """What a fetched root has, which is looked for once."""
    note = root.with_name(f"{root.name}.json")
    found = remembered(note)
    if found is None:
        found = _in_directory(str(root), "")
        remember(found, note)
    return found


def _in_directory(path: str, arch: str) -> Found:
    from troth.libc.roots import Directory
    from troth.libc.search import search

    library = search(Directory(path), arch)
    objects = tuple(os.path.join(path, one) for one in library.paths)
    return _found(library.build, objects, os.path.abspath(path), path, library.package)


def _in_image(tree: Layers, arch: str, text: str) -> Found:
    """The libc of an image, whose files are written to a directory of their own in the cache."""
    import hashlib

    from troth.libc.search import search

    library = search(tree, arch)
    contents = tree.contents(dict.fromkeys(library.paths))
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
    objects = tuple(str(target / path) for path in library.paths)
    return _found(library.build, objects, "", text, library.package)


def _in_file(path: str, arch: str) -> Found:
    from troth.elf.image import MAGIC, read_file
    from troth.elf.reader import parse
    from troth.libc.search import identify

    data = read_file(path)
    if not data.startswith(MAGIC):
        problem = "is empty" if not data else "is neither a libc nor an image of a container"
        raise ParseError(path, problem, hint=f"a libc is named as {FORMS}")
    build = identify(parse(data, path))
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
