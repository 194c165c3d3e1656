"""The symbols of an ELF file: what it defines for others, what it needs of them, and in which versions."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from troth.elf.dynamic import TABLES
from troth.errors import ParseError

if TYPE_CHECKING:
    from troth.elf.dynamic import Dynamic
    from troth.elf.image import Image

_KINDS: Final = {0: "untyped", 1: "object", 2: "function", 3: "section", 4: "file", 5: "common", 6: "tls", 10: "ifunc"}
_BINDINGS: Final = {0: "local", 1: "global", 2: "weak", 10: "unique"}
_UNDEFINED, ABSOLUTE = 0, 0xFFF1
_HIDDEN: Final = 0x8000
_MOST_VERSIONS: Final = 0x7FFF  # their numbers have 15 bits


class Symbol(NamedTuple):
    """One symbol.

    `kind` is `function`, `object`, `ifunc` (its address is a function that chooses the function) or another. `version`
    is that of the definition, or the one that is asked of `library` (a program may have a copy of a library's variable,
    which has both); `default` says whether who links today gets this definition of several (`name@@version`). `section`
    is the number of the section that it is in, 0 when undefined.
    """

    name: str
    address: int
    size: int
    kind: str
    binding: str
    section: int
    version: str = ""
    default: bool = True
    library: str = ""

    @property
    def defined(self) -> bool:
        """Whether the file has it, rather than needs it."""
        return self.section != _UNDEFINED

    @property
    def is_function(self) -> bool:
        """Whether it can be called."""
        return self.kind in ("function", "ifunc")


class _Version(NamedTuple):
    name: str
    library: str


_UNVERSIONED: Final = _Version("", "")
_NO_VERSIONS: Final[Mapping[int, _Version]] = {}


def dynamic_symbols(image: Image, dynamic: Dynamic) -> tuple[Symbol, ...]:
    """The symbols that the loader sees, in the order of their numbers; the first is nothing.

    Raises:
        ParseError: the tables are cut short or contradict one another.
    """
    if not dynamic.has("SYMTAB"):
        return ()
    entry = _layout(image)
    count = image.counted(_count(image, dynamic, entry.size), "dynamic symbols")
    table = image.read(dynamic.get("SYMTAB"), count * entry.size, "the table of dynamic symbols")
    if not dynamic.has("VERSYM"):
        return tuple(_symbols(image, table, dynamic.strings()))
    versions = _definitions(image, dynamic) | _needs(image, dynamic)
    numbers = image.read(dynamic.get("VERSYM"), count * 2, "the table VERSYM")
    return tuple(_symbols(image, table, dynamic.strings(), struct.unpack(f"{image.order}{count}H", numbers), versions))


def linker_symbols(image: Image) -> tuple[Symbol, ...]:
    """The symbols that `strip` removes: also those of functions that are not exported. Often empty.

    Raises:
        ParseError: the table is not in the file.
    """
    for section in image.sections:
        if section.kind != "SHT_SYMTAB" or section.link >= len(image.sections):
            continue
        strings = image.sections[section.link]
        end = section.offset + section.size
        if max(end, strings.offset + strings.size) > len(image.data):
            raise ParseError(image.where, "is cut short: its table of symbols ends after the file")
        image.counted(section.size // _layout(image).size, "symbols")
        table = image.data[section.offset : end - section.size % _layout(image).size]
        return tuple(_symbols(image, table, (strings.offset, strings.offset + strings.size)))
    return ()


def _layout(image: Image) -> struct.Struct:
    return struct.Struct(image.order + ("IBBHQQ" if image.bits == 64 else "IIIBBH"))


def _symbols(
    image: Image,
    table: bytes,
    strings: tuple[int, int],
    numbers: Iterable[int] = (),
    versions: Mapping[int, _Version] = _NO_VERSIONS,
) -> Iterator[Symbol]:
    """The symbols of a table; `numbers` has those of their versions."""
    start, end = strings
    wide = image.bits == 64
    names = {0: ""}
    for row, number in zip(_layout(image).iter_unpack(table), chain(numbers, repeat(0)), strict=False):
        if wide:
            at, info, _, section, address, size = row
        else:
            at, address, size, info, _, section = row
        name = names.get(at)
        if name is None:
            name = names[at] = image.name(start + at, end, "the name of a symbol")
        kind, binding = _KINDS.get(info & 15, "other"), _BINDINGS.get(info >> 4, "other")
        version, library = versions.get(number & ~_HIDDEN, _UNVERSIONED)
        default = section != _UNDEFINED and not number & _HIDDEN and not library
        yield Symbol(name, address, size, kind, binding, section, version, default, library)


def _count(image: Image, dynamic: Dynamic, size: int) -> int:
    """How many dynamic symbols there are, which no tag says: the tables for looking them up do."""
    address = dynamic.get("SYMTAB")
    for section in image.sections:
        if section.kind == "SHT_DYNSYM" and section.address == address:
            return section.size // size
    if dynamic.has("HASH"):
        # Here alone is a table of 32-bit words that has words of 64 bits on some architectures.
        wide = image.machine in ("EM_S390", "EM_ALPHA") and image.bits == 64
        words = image.read(dynamic.get("HASH"), 16 if wide else 8, "the hash table")
        return int(struct.unpack(image.order + ("QQ" if wide else "II"), words)[1])
    count = _count_by_hash(image, dynamic) if dynamic.has("GNU_HASH") else 0
    if count:
        return count
    # No symbol is looked up here, so no table counts those that are needed; they end where the next table begins.
    start, end = image.offset(address, "the table of dynamic symbols")
    following = [dynamic.get(tag) for tag in TABLES if dynamic.has(tag) and dynamic.get(tag) > address]
    return min([end - start, *(at - address for at in following)]) // size


def _count_by_hash(image: Image, dynamic: Dynamic) -> int:
    """The number after the last symbol that GNU's hash table finds; 0 when it finds none."""
    at = dynamic.get("GNU_HASH")
    buckets, first, blooms, _ = struct.unpack(image.order + "4I", image.read(at, 16, "the hash table"))
    at += 16 + blooms * image.word_size
    image.counted(buckets, "heads of symbols")
    last = max(struct.unpack(f"{image.order}{buckets}I", image.read(at, buckets * 4, "the hash table")), default=0)
    if last < first or not last:
        return 0
    chain = at + buckets * 4 + (last - first) * 4
    start, end = image.offset(chain, "the hash table")
    for count, place in enumerate(range(start, end - 3, 4), 1):  # the last of a chain has the lowest bit set
        if image.data[place + (3 if image.big_endian else 0)] & 1:
            return int(last) + image.counted(count, "dynamic symbols")
    raise ParseError(image.where, "has a hash table that does not end")


def _definitions(image: Image, dynamic: Dynamic) -> dict[int, _Version]:
    """The versions that are defined, by number; that of the file itself, which is no symbol's, is left out."""
    found = {}
    for at in _chain(image, dynamic, "VERDEF", image.structs.Elf_Verdef, "vd_next"):
        entry = image.record(image.structs.Elf_Verdef, at, "a version")
        if entry.vd_cnt and not entry.vd_flags & 1:
            name = image.record(image.structs.Elf_Verdaux, at + entry.vd_aux, "the name of a version").vda_name
            found[entry.vd_ndx & ~_HIDDEN] = _Version(dynamic.string(name, "a version"), "")
    return found


def _needs(image: Image, dynamic: Dynamic) -> dict[int, _Version]:
    """The versions that are asked of libraries, by number."""
    found = {}
    left = _MOST_VERSIONS
    for at in _chain(image, dynamic, "VERNEED", image.structs.Elf_Verneed, "vn_next"):
        entry = image.record(image.structs.Elf_Verneed, at, "a needed version")
        library = dynamic.string(entry.vn_file, "a library")
        at += entry.vn_aux
        for _ in range(entry.vn_cnt):
            one = image.record(image.structs.Elf_Vernaux, at, "a needed version")
            found[one.vna_other & ~_HIDDEN] = _Version(dynamic.string(one.vna_name, "a version"), library)
            at += one.vna_next
            left -= 1
            if left < 0:
                raise ParseError(image.where, "needs more versions than there are numbers for")
            if not one.vna_next:
                break
    return found


def _chain(image: Image, dynamic: Dynamic, tag: str, layout: Any, following: str) -> list[int]:
    """The offsets of records of which each says how far the next is."""
    if not dynamic.has(tag):
        return []
    at, _ = image.offset(dynamic.get(tag), f"the table {tag}")
    found = []
    for _ in range(min(dynamic.get(f"{tag}NUM"), _MOST_VERSIONS)):
        found.append(at)
        step = image.record(layout, at, f"an entry of {tag}")[following]
        if not step:
            break
        at += step
    return found
