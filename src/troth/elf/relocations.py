"""What the loader writes into a file's memory: pointers, addresses of symbols, and what resolvers choose.

The words of a table of functions are not in the file as such: each is a relocation. So is each slot through which code
calls a function of another file.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from troth.elf.symbols import ABSOLUTE
from troth.errors import ParseError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from troth.elf.dynamic import Dynamic
    from troth.elf.image import Image
    from troth.elf.symbols import Symbol

# Numbers of elf.h: a pointer into the file itself; a word that gets a symbol's address (in data; in the table of
# offsets; called through); a word that gets what a function returns. Those for parts of words or for threads' variables
# make no pointers. MIPS has a table of offsets of its own kind, and is not read.
_TYPES: Final = {
    "EM_X86_64":    {"relative": (8, 38),  "symbol": (1, 10, 6, 7),           "chosen": (37,)},
    "EM_386":       {"relative": (8,),     "symbol": (1, 6, 7),               "chosen": (42,)},
    "EM_AARCH64":   {"relative": (1027,),  "symbol": (257, 1025, 1026),       "chosen": (1032,)},
    "EM_ARM":       {"relative": (23,),    "symbol": (2, 21, 22),             "chosen": (160,)},
    "EM_RISCV":     {"relative": (3,),     "symbol": (1, 2, 5),               "chosen": (58,)},
    "EM_PPC64":     {"relative": (22,),    "symbol": (38, 20, 21),            "chosen": (248,)},
    "EM_S390":      {"relative": (12,),    "symbol": (22, 4, 10, 11),         "chosen": (61,)},
    "EM_LOONGARCH": {"relative": (3,),     "symbol": (1, 2, 5),               "chosen": (12,)},
}  # fmt: skip
# Of the above, those whose word in a file without addends is not an addend: slots of the table of offsets.
_SLOTS: Final = {"EM_386": (6, 7), "EM_ARM": (21, 22)}


class Slot(NamedTuple):
    """What a word gets: the address of a symbol, with something added."""

    symbol: Symbol
    addend: int


class Relocations(NamedTuple):
    """The words that the loader writes, by address.

    `pointers` has those that point into this file, also by way of a symbol that it defines (which another file's symbol
    of that name may replace). `slots` has those that get a symbol's address, wherever it is defined. `resolvers` has
    those that get what a function returns, with the address of that function.
    """

    pointers: dict[int, int]
    slots: dict[int, Slot]
    resolvers: dict[int, int]


class _Entry(NamedTuple):
    address: int
    symbol: int
    kind: int
    addend: int | None  # None where the word has it


def relocations(image: Image, dynamic: Dynamic, symbols: tuple[Symbol, ...]) -> Relocations:
    """Read the relocations.

    Raises:
        ParseError: a table is cut short, or names a symbol or an address that is not there.
    """
    found = Relocations({}, {}, {})
    mask = (1 << image.bits) - 1
    for count, address in enumerate(_relative(image, dynamic), 1):
        found.pointers[address] = image.word(address)
        image.counted(count, "relocations")
    types = {kind: what for what, kinds in _TYPES.get(image.machine, {}).items() for kind in kinds}
    for entry in _entries(image, dynamic):
        what = types.get(entry.kind)
        if what is None:
            continue
        if image.segment(entry.address) is None:
            raise ParseError(image.where, f"relocates a word at {entry.address:#x}, where nothing is loaded")
        addend = entry.addend
        if addend is None:
            addend = 0 if entry.kind in _SLOTS.get(image.machine, ()) else image.word(entry.address)
        if what == "relative":
            found.pointers[entry.address] = addend & mask
        elif what == "chosen":
            found.resolvers[entry.address] = addend & mask
        elif entry.symbol >= len(symbols):
            raise ParseError(image.where, f"relocates by symbol {entry.symbol} of {len(symbols)}")
        else:
            symbol = symbols[entry.symbol]
            found.slots[entry.address] = Slot(symbol, addend)
            if symbol.kind == "ifunc" and symbol.defined:
                found.resolvers[entry.address] = symbol.address
            elif symbol.defined and symbol.section != ABSOLUTE and symbol.kind != "tls":
                found.pointers[entry.address] = (symbol.address + addend) & mask
    return found


def _entries(image: Image, dynamic: Dynamic) -> Iterator[_Entry]:
    """The relocations of all tables but RELR's."""
    with_addend = struct.Struct(image.order + ("QQq" if image.bits == 64 else "IIi"))
    without = struct.Struct(image.order + ("QQ" if image.bits == 64 else "II"))
    tables = []
    if dynamic:
        plt = with_addend if dynamic.get("PLTREL", 7) == 7 else without  # the number of the tag RELA
        tables = [
            (with_addend, dynamic.table("RELA", "RELASZ", with_addend.size)),
            (without, dynamic.table("REL", "RELSZ", without.size)),
            (plt, dynamic.table("JMPREL", "PLTRELSZ", plt.size)),
        ]
    else:  # a static program relocates itself, between two symbols; only sections tell where
        for section in image.sections:
            if section.loaded and section.kind in ("SHT_RELA", "SHT_REL"):
                layout = with_addend if section.kind == "SHT_RELA" else without
                size = section.size - section.size % layout.size
                tables.append((layout, image.read(section.address, size, "a table of relocations")))
    image.counted(sum(len(table) // layout.size for layout, table in tables), "relocations")
    shift, mask = (32, 0xFFFFFFFF) if image.bits == 64 else (8, 0xFF)
    for layout, table in tables:
        for address, info, *addend in layout.iter_unpack(table):
            yield _Entry(address, info >> shift, info & mask, addend[0] if addend else None)


def _relative(image: Image, dynamic: Dynamic) -> Iterator[int]:
    """The addresses of the words that RELR makes pointers: an even word is one, an odd word says which follow.

    Raises:
        ParseError: the file has no bytes for one.
    """
    size = image.word_size
    table = dynamic.table("RELR", "RELRSZ", size)
    image.counted(len(table) // size, "relocations")
    at = 0
    for (word,) in struct.iter_unpack(image.order + ("Q" if image.bits == 64 else "I"), table):
        if not word & 1:
            image.offset(word, "a relocated word")
            yield word
            at = word + size
            continue
        bits = word >> 1
        while bits:
            lowest = bits & -bits
            place = at + (lowest.bit_length() - 1) * size
            image.offset(place, "a relocated word")
            yield place
            bits ^= lowest
        at += (image.bits - 1) * size
