"""The ELF reader on files of which every byte is known, and on what is no ELF file or lies about itself."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest
from elf_files import BUILD_ID, CODE, DATA, MACHINES, TAGS, shared

from troth.elf import image
from troth.elf.frames import Frame
from troth.elf.reader import parse, read
from troth.errors import ParseError, RequestError

WITH_RELOCATIONS = [name for name in MACHINES if name != "ppc"]
SECTIONS = pytest.mark.parametrize("sections", [True, False], ids=["with sections", "without sections"])
WORK, OLD, CHOOSE, START = CODE, CODE + 0x10, CODE + 0x20, CODE + 0x30


@pytest.mark.parametrize("arch", MACHINES)
@SECTIONS
def test_a_file_says_what_it_is(arch: str, sections: bool) -> None:
    elf = parse(shared(arch, sections=sections).data)
    assert elf.arch == arch
    assert elf.image.bits == MACHINES[arch][1]
    assert elf.image.kind == "shared"
    assert elf.image.entry == WORK
    assert elf.soname == "libmade.so.1"
    assert elf.needed == ("libout.so.3",)
    assert elf.build_id == BUILD_ID.hex()
    assert elf.interpreter == ""


@pytest.mark.parametrize("arch", MACHINES)
@SECTIONS
def test_symbols_have_their_versions(arch: str, sections: bool) -> None:
    elf = parse(shared(arch, sections=sections).data)
    found = [(one.name, one.version, one.default, one.address, one.kind) for one in elf.exports]
    assert found == [
        ("work", "MADE_2", True, WORK, "function"),
        ("work", "MADE_1", False, OLD, "function"),
        ("choose", "MADE_2", True, CHOOSE, "ifunc"),
    ]
    assert [(one.name, one.version, one.library) for one in elf.imports] == [("outside", "OUT_1", "libout.so.3")]
    assert all(one.is_function for one in (*elf.exports, *elf.imports))


@pytest.mark.parametrize("arch", WITH_RELOCATIONS)
@SECTIONS
def test_relocations_say_what_the_loader_writes(arch: str, sections: bool) -> None:
    elf = parse(shared(arch, sections=sections).data)
    word = elf.image.word_size
    assert elf.relocations.pointers == {DATA: WORK, DATA + word: OLD}
    assert elf.relocations.resolvers == {DATA + 3 * word: CHOOSE}
    assert list(elf.relocations.slots) == [DATA + 2 * word]
    assert elf.relocations.slots[DATA + 2 * word].symbol.name == "outside"


def test_relocations_of_an_architecture_without_a_table_are_left_out_but_relr_is_the_same_everywhere() -> None:
    found = parse(shared("ppc").data).relocations
    assert (list(found.pointers), found.slots, found.resolvers) == ([DATA + 4], {}, {})


@pytest.mark.parametrize("arch", MACHINES)
def test_functions_start_where_the_unwinding_tables_say(arch: str) -> None:
    assert parse(shared(arch).data).frames == (Frame(WORK, 0x10), Frame(OLD, 0x10), Frame(CHOOSE, 0x10))


@pytest.mark.parametrize("arch", MACHINES)
def test_what_runs_before_main_is_the_single_function_and_then_the_array(arch: str) -> None:
    assert parse(shared(arch).data).initialisers == (START, START)


def test_code_is_what_sections_call_code_or_else_what_segments_execute() -> None:
    assert parse(shared().data).image.code == ((CODE, CODE + 0x40),)
    bare = parse(shared(sections=False).data).image
    assert bare.code == ((0, CODE + 0x40),)
    assert bare.is_code(CODE + 0x3F)
    assert not bare.is_code(CODE + 0x40)


def test_sections_that_contradict_the_segments_are_not_used() -> None:
    data = bytearray(shared().data)
    (table,) = struct.unpack_from("<Q", data, 40)
    struct.pack_into("<Q", data, table + 64 + 24, 0x123)  # the offset of .text
    elf = parse(bytes(data))
    assert elf.image.sections == ()
    assert len(elf.exports) == 3


def test_memory_is_read_where_the_file_has_bytes_and_is_zero_behind() -> None:
    memory = parse(shared().data).image
    assert memory.read(CODE, 4) == b"\xc3" * 4
    segment = memory.segment(DATA)
    assert segment is not None
    end = segment.address + segment.file_size
    assert memory.word(end + 8) == 0
    with pytest.raises(ParseError, match="a thing is at address 0x1ff0, which the file has no bytes for"):
        memory.read(DATA - 16, 8, "a thing")
    with pytest.raises(ParseError, match=r"a thing has 64 bytes at address \S+, of which 8 are there"):
        memory.read(end - 8, 64, "a thing")


def test_what_a_terminal_would_obey_in_a_name_is_shown_as_an_escape() -> None:
    data = shared().data.replace(b"\0outside\0", b"\0out\x1b[0m\0")
    assert [one.name for one in parse(data).imports] == [r"out\x1b[0m"]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "is empty"),
        (b"#!/bin/sh\n", "is not an ELF file"),
        (b"\x7fELF", "has an ELF header of no known class and byte order"),
        (b"\x7fELF\x03\x01" + bytes(60), "has an ELF header of no known class and byte order"),
        (b"\x7fELF\x02\x01" + bytes(20), "is cut short: the ELF header is at 0x0 of 0x1a bytes"),
    ],
)
def test_what_is_no_elf_file_is_said_so(data: bytes, problem: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse(data, "given")
    assert str(caught.value) == f"given: {problem}"


@pytest.mark.parametrize(
    ("offset", "letter", "value", "problem"),
    [
        (16, "H", 1, "is an object file that is not linked"),
        (16, "H", 4, "is a core dump"),
        (16, "H", 77, "has the unknown ELF type 77"),
        (54, "H", 55, "has program headers of 55 bytes"),
        (56, "H", 0xFFFF, "has 65535 program headers; the kernel loads no file with as many"),
        (56, "H", 0, "has no segment to load"),
        (32, "Q", 1 << 63, "is cut short: a program header is at 0x8000000000000000"),
        (40, "Q", 1 << 63, "is cut short: a section header is at 0x8000000000000000"),
        (58, "H", 1, "has section headers of 1 bytes"),
        (64 + 32, "Q", 1 << 62, "is cut short: a segment ends at 0x4000000000000000"),
        (64 + 40, "Q", 1 << 62, "has segments that overlap at 0x2000"),
        (64 + 40, "Q", 1, "has a segment at 0x0 that does not fit into memory"),
    ],
)
def test_a_header_that_cannot_be_is_said_so(offset: int, letter: str, value: int, problem: str) -> None:
    data = bytearray(shared().data)
    struct.pack_into("<" + letter, data, offset, value)
    with pytest.raises(ParseError) as caught:
        parse(bytes(data), "given")
    assert str(caught.value).startswith(f"given: {problem}")


def test_a_count_of_sections_beyond_all_files_is_refused() -> None:
    data = bytearray(shared().data)
    (table,) = struct.unpack_from("<Q", data, 40)
    struct.pack_into("<H", data, 60, 0)  # the count is the size of the first section
    struct.pack_into("<Q", data, table + 32, 1 << 40)
    with pytest.raises(ParseError, match="has 1099511627776 sections; more than 20000 are not read"):
        parse(bytes(data))


@pytest.mark.parametrize(
    ("part", "what"),
    [("symbols", "5 dynamic symbols"), ("relocations", r"\d relocations"), ("frames", "3 functions")],
)
def test_tables_with_more_records_than_any_file_has_are_not_read(
    part: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    elf = parse(shared().data)
    assert elf.dynamic  # has more entries than what is asked for
    if part == "relocations":
        assert elf.symbols
    monkeypatch.setattr(image, "MOST_RECORDS", 2)
    with pytest.raises(ParseError, match=f"has {what}; more than 2 are not read"):
        getattr(elf, part)


def test_segments_may_not_map_a_part_of_the_file_again_and_again() -> None:
    size = 1 << 20
    header = bytearray(shared().data[:64])
    struct.pack_into("<Q", header, 40, 0)
    struct.pack_into("<H", header, 56, 1000)
    rows = b"".join(struct.pack("<IIQQQQQQ", 1, 5, 0, at << 24, at << 24, size, size, 4096) for at in range(1000))
    with pytest.raises(ParseError, match="again and again"):
        parse(bytes(header + rows).ljust(size, b"\0"))


def test_names_that_are_parts_of_one_long_name_are_refused() -> None:
    # A table of symbols each of whose names starts one byte later: read naively, a hundred megabytes.
    made = shared(sections=False)
    count, length, address, old = 4000, 30_000, 0x10000, len(made.data)
    table = b"".join(struct.pack("<IBBHQQ", at + 1, 0x12, 0, 1, CODE, 1) for at in range(count))
    data = bytearray(made.data + table + b"\0" + b"n" * length + b"\0")
    for tag, value in (("SYMTAB", address), ("STRTAB", address + len(table)), ("STRSZ", length + 2)):
        place = data.index(struct.pack("<Q", TAGS[tag]), made.places["dynamic"])
        struct.pack_into("<Q", data, place + 8, value)
    place = data.index(struct.pack("<Q", TAGS["VERSYM"]), made.places["dynamic"])
    struct.pack_into("<Q", data, place, 0x12345)  # a tag that nobody knows
    struct.pack_into("<I", data, made.places["HASH"] + 4, count)
    added = len(data) - old
    # In the place of the segment of the unwinding table.
    struct.pack_into("<IIQQQQQQ", data, 64 + 4 * 56, 1, 4, old, address, address, added, added, 8)
    with pytest.raises(ParseError, match="has names that are parts of one another"):
        _ = parse(bytes(data)).symbols


def test_what_is_not_a_file_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no such file or directory"):
        read(str(tmp_path / "absent"))
    with pytest.raises(RequestError, match="is a"):
        read(str(tmp_path))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RequestError, match="is not a file"):  # and nobody waits for a writer
        read(str(tmp_path / "pipe"))
