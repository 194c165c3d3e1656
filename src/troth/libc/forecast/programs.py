"""What programs say of themselves: the functions that they import, their C library, and the runtime inside of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from troth.elf.reader import read

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Final

# What compilers leave in what they make: Go's build information, and rustc's line in `.comment`.
_RUNTIMES: Final = (
    ("go", re.compile(rb"\xff Go buildinf:.{0,64}?go(\d+\.\d+(?:\.\d+)?)", re.DOTALL)),
    ("go", re.compile(rb"\bgo(1\.\d+(?:\.\d+)?)\0*(?=\0)")),
    ("rust", re.compile(rb"rustc version (\d+\.\d+\.\d+)")),
)
_GO: Final = b"\xff Go buildinf:"


class Told(NamedTuple):
    """What some programs say: the functions that they import, their architecture (empty if they differ).

    A function is named with the version of it that is asked for, if one is (`fstat@GLIBC_2.33`). `needs` has the
    versions that each program asks its C library for, `musl` the path of musl's loader where one asks for that,
    `runtimes` are runtimes with their versions, `static` the programs that have their C library inside.
    """

    imports: frozenset[str]
    needs: dict[str, tuple[str, ...]]
    arch: str
    musl: str
    runtimes: tuple[tuple[str, str], ...]
    static: tuple[str, ...]


def told(paths: Iterable[str]) -> Told:
    """Read programs and libraries.

    Raises:
        RequestError: one cannot be read.
        ParseError: one is not a linked ELF file.
    """
    imports: set[str] = set()
    needs: dict[str, tuple[str, ...]] = {}
    arches: set[str] = set()
    runtimes: dict[str, str] = {}
    musl = ""
    static: list[str] = []
    for path in paths:
        elf = read(path)
        imports |= {f"{symbol.name}@{symbol.version}" if symbol.version else symbol.name for symbol in elf.imports}
        needs[path] = tuple({symbol.version: None for symbol in elf.imports if symbol.version.startswith("GLIBC_")})
        arches.add(elf.arch)
        if "ld-musl" in elf.interpreter:
            musl = elf.interpreter
        if not elf.needed:
            static.append(path)
        runtimes |= _runtimes(elf.image.data)
    arch = arches.pop() if len(arches) == 1 else ""
    return Told(frozenset(imports), needs, arch, musl, tuple(sorted(runtimes.items())), tuple(static))


def _runtimes(data: bytes) -> dict[str, str]:
    """The runtimes whose marks are in a file.

    >>> _runtimes(b"...rustc version 1.63.0 (4b91a6ea7 2022-08-08)...")
    {'rust': '1.63.0'}
    """
    found: dict[str, str] = {}
    for name, pattern in _RUNTIMES:
        if name in found or (name == "go" and _GO not in data):
            continue
        match = pattern.search(data)
        if match is not None:
            found[name] = match[1].decode()
    return found
