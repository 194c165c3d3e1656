"""ELF files made by hand, so that a test knows every byte: small shared objects of either class and byte order."""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

# machine: its number, and its relocations: a pointer into the file, a slot of a symbol, what a resolver chooses.
MACHINES: Final = {
    "x86_64": (62, 64, "<", (8, 6, 37)),
    "x32": (62, 32, "<", (8, 6, 37)),
    "i386": (3, 32, "<", (8, 6, 42)),
    "aarch64": (183, 64, "<", (1027, 1025, 1032)),
    "s390x": (22, 64, ">", (12, 10, 61)),
    "ppc": (20, 32, ">", (0, 0, 0)),
}
BUILD_ID: Final = bytes(range(20))
CODE, DATA = 0x1000, 0x2000  # where the two segments are, in the file and in memory
TAGS: Final = {
    "NEEDED": 1, "PLTRELSZ": 2, "HASH": 4, "STRTAB": 5, "SYMTAB": 6, "RELA": 7, "RELASZ": 8, "STRSZ": 10, "INIT": 12,
    "SONAME": 14, "REL": 17, "RELSZ": 18, "PLTREL": 20, "JMPREL": 23, "INIT_ARRAY": 25, "INIT_ARRAYSZ": 27,
    "RELRSZ": 35, "RELR": 36, "VERSYM": 0x6FFFFFF0, "VERDEF": 0x6FFFFFFC, "VERDEFNUM": 0x6FFFFFFD,
    "VERNEED": 0x6FFFFFFE, "VERNEEDNUM": 0x6FFFFFFF,
}  # fmt: skip


class Made(NamedTuple):
    """A file, and where in memory its parts are."""

    data: bytes
    places: dict[str, int]


class _Maker:
    def __init__(self, arch: str) -> None:
        self.machine, self.bits, self.order, self.relocations = MACHINES[arch]
        self.word = self.bits // 8
        self.data = bytearray()
        self.places: dict[str, int] = {}
        self.names = bytearray(b"\0")

    def pack(self, letters: str, *values: int) -> bytes:
        """Pack values; `W` is a word of the class, `w` a signed one."""
        wide = {"W": "Q", "w": "q"} if self.bits == 64 else {"W": "I", "w": "i"}
        return struct.pack(self.order + "".join(wide.get(letter, letter) for letter in letters), *values)

    def name(self, text: str) -> int:
        at = len(self.names)
        self.names += text.encode() + b"\0"
        return at

    def put(self, what: str, data: bytes) -> None:
        self.data += bytes(-len(self.data) % 8)
        self.places[what] = len(self.data)
        self.data += data

    def symbol(self, name: str, address: int, size: int, kind: int, section: int) -> bytes:
        at, info = self.name(name) if name else 0, 1 << 4 | kind
        if self.bits == 64:
            return self.pack("IBBHQQ", at, info, 0, section, address, size)
        return self.pack("IIIBBH", at, address, size, info, 0, section)

    def relocation(self, address: int, symbol: int, kind: int, addend: int | None) -> bytes:
        info = symbol << 32 | kind if self.bits == 64 else symbol << 8 | kind & 0xFF
        return self.pack("WW", address, info) + (b"" if addend is None else self.pack("w", addend))


def shared(arch: str = "x86_64", *, sections: bool = True) -> Made:
    """A library `libmade.so.1` that defines `work@@MADE_2`, `work@MADE_1` and `choose`, and needs `outside@OUT_1`.

    Its data starts with a pointer to `work` that a relocation makes, one that RELR makes, a slot for `outside`, and a
    word that a resolver chooses. Architectures with 32 bits have their addends in the words.
    """
    make = _Maker(arch)
    relative, slot, chosen = make.relocations
    inplace = make.bits == 32
    word = make.word
    make.data += bytes(0x200)  # for the headers
    work, old, resolver, starter = CODE, CODE + 0x10, CODE + 0x20, CODE + 0x30
    # Before the tables, since they hold the places of names.
    soname, needed = make.name("libmade.so.1"), make.name("libout.so.3")
    made_1, made_2, out_1 = make.name("MADE_1"), make.name("MADE_2"), make.name("OUT_1")
    symbols = [
        bytes(24 if make.bits == 64 else 16),
        make.symbol("outside", 0, 0, 2, 0),
        make.symbol("work", work, 0x10, 2, 1),
        make.symbol("work", old, 0x10, 2, 1),
        make.symbol("choose", resolver, 0x10, 10, 1),
    ]
    make.put("SYMTAB", b"".join(symbols))
    make.put("STRTAB", bytes(make.names))
    hash_word = "Q" if arch == "s390x" else "I"
    make.put("HASH", make.pack(hash_word * 3, 1, len(symbols), 0) + make.pack(hash_word * 5, *range(5)))
    make.put("VERSYM", make.pack("5H", 0, 4, 3, 0x8002, 3))
    # vd_version, vd_flags, vd_ndx, vd_cnt, vd_hash, vd_aux, vd_next; vda_name, vda_next
    definitions = ((1, 1, soname), (0, 2, made_1), (0, 3, made_2))
    table = b"".join(
        make.pack("HHHHIII", 1, flags, number, 1, 0, 20, 28 if number < 3 else 0) + make.pack("II", name, 0)
        for flags, number, name in definitions
    )
    make.put("VERDEF", table)
    make.put("VERNEED", make.pack("HHIII", 1, 1, needed, 16, 0) + make.pack("IHHII", 0, 0, 4, out_1, 0))
    rows = (
        (DATA, 0, relative, work),
        (DATA + 2 * word, 1, slot, 0),
        (DATA + 3 * word, 0, chosen, resolver),
    )
    make.put("RELA", b"".join(make.relocation(*row[:3], None if inplace else row[3]) for row in rows))
    make.put("RELR", make.pack("W", DATA + word))
    make.put("note", make.pack("III", 4, len(BUILD_ID), 3) + b"GNU\0" + BUILD_ID)
    # A head (version 1, `zR`, addresses relative to themselves in 4 bytes), then a record for each function.
    make.put("eh_frame", make.pack("II", 16, 0) + b"\x01zR\0\x01\x78\x10\x01\x1b" + bytes(3))
    base = make.places["eh_frame"]
    records = []
    for start in (work, old, resolver):
        at = len(make.data)
        records.append((start, at))
        make.data += make.pack("IIiII", 16, at + 4 - base, start - (at + 8), 0x10, 0)
    make.data += bytes(4)
    make.put("eh_frame_hdr", b"\x01\x1b\x03\x3b")
    header = make.places["eh_frame_hdr"]
    make.data += make.pack("iI", base - (header + 4), len(records))
    for start, at in records:
        make.data += make.pack("ii", start - header, at - header)
    header_size = len(make.data) - header
    assert len(make.data) <= CODE
    make.data += bytes(CODE - len(make.data))
    make.data += b"\xc3" * 0x40
    end_of_code = len(make.data)
    make.data += bytes(DATA - len(make.data))
    words = (work if inplace else 0, old, 0, resolver if inplace else 0, starter)
    make.data += make.pack("W" * len(words), *words)
    tags = {
        "SONAME": soname, "NEEDED": needed, "STRSZ": len(make.names), "VERDEFNUM": 3, "VERNEEDNUM": 1, "INIT": starter,
        "INIT_ARRAY": DATA + 4 * word, "INIT_ARRAYSZ": word, "RELRSZ": word,
        ("RELSZ" if inplace else "RELASZ"): len(rows) * (2 if inplace else 3) * word,
    }  # fmt: skip
    tags |= {name: at for name, at in make.places.items() if name in TAGS}
    if inplace:
        tags["REL"] = tags.pop("RELA")
    make.put("dynamic", b"".join(make.pack("WW", TAGS[tag], value) for tag, value in tags.items()) + bytes(2 * word))
    end = len(make.data)
    dynamic = make.places["dynamic"]
    segments = (
        (1, 5, 0, end_of_code, end_of_code),
        (1, 6, DATA, end - DATA, end - DATA + 0x100),
        (2, 6, dynamic, end - dynamic, end - dynamic),
        (4, 4, make.places["note"], 36, 36),
        (0x6474E550, 4, header, header_size, header_size),
    )
    section_table = _sections(make, end_of_code, end) if sections else b""
    place = len(make.data)
    make.data += section_table
    ident = b"\x7fELF" + bytes([make.bits // 32, 1 if make.order == "<" else 2, 1]) + bytes(9)
    size, entry = (64, 56) if make.bits == 64 else (52, 32)
    count = 4 if sections else 0
    make.data[:size] = ident + make.pack(
        "HHIWWWIHHHHHH", 3, make.machine, 1, work, size, place if sections else 0, 0,
        size, entry, len(segments), 64 if make.bits == 64 else 40, count, 3 if sections else 0,
    )  # fmt: skip
    for number, (kind, flags, at, in_file, in_memory) in enumerate(segments):
        start = size + number * entry
        if make.bits == 64:
            row = make.pack("IIQQQQQQ", kind, flags, at, at, at, in_file, in_memory, 4)
        else:
            row = make.pack("IIIIIIII", kind, at, at, at, in_file, in_memory, flags, 4)
        make.data[start : start + entry] = row
    return Made(bytes(make.data), make.places)


def _sections(make: _Maker, end_of_code: int, end: int) -> bytes:
    """Headers of the code and the dynamic symbols, and the names of sections, which are put into the file."""
    names = b"\0.text\0.dynsym\0.shstrtab\0"
    make.put("shstrtab", names)
    symbols = 5 * (24 if make.bits == 64 else 16)
    rows = (
        (0, 0, 0, 0, 0, 0),
        (1, 1, 6, CODE, CODE, end_of_code - CODE),
        (7, 11, 2, make.places["SYMTAB"], make.places["SYMTAB"], symbols),
        (15, 3, 0, 0, make.places["shstrtab"], len(names)),
    )
    make.data += bytes(-len(make.data) % 8)
    return b"".join(
        make.pack("IIWWWWIIWW", name, kind, flags, address, at, size, 0, 0, 1, 0)
        for name, kind, flags, address, at, size in rows
    )
