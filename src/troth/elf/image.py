"""The memory that an ELF file describes: its headers, its segments, and the bytes at an address.

The loader goes by the program headers alone, so they decide here too. Section headers are an index that tools leave
in the file: they are used where they agree with the segments, and a file without them is read all the same.
"""

from __future__ import annotations

import io
import os
import stat
import struct
from bisect import bisect_right
from itertools import pairwise
from typing import Any, Final, NamedTuple

from elftools.common.utils import struct_parse
from elftools.elf.structs import ELFStructs

from troth.abi import others
from troth.errors import ParseError, RequestError

MAGIC: Final = b"\x7fELF"
MOST: Final = 1 << 30  # bytes of a file; the largest shared objects have a tenth of it

MOST_RECORDS: Final = 2_000_000  # of one table: what a browser has, and half a GiB of the reader's memory

_KINDS: Final = {"ET_EXEC": "program", "ET_DYN": "shared"}
# load_elf_phdrs of fs/binfmt_elf.c @v6.18 refuses a longer table.
_MOST_PROGRAM_HEADERS: Final = 65536
_MOST_SECTIONS: Final = 20_000  # a linked file has less than a hundred; each costs the reader some microseconds
_PAGE: Final = 65536  # the largest page of any architecture: segments may share one of the file
_LONGEST_NAME: Final = 1 << 15  # of a symbol; C++ writes whole types into it
_NAMES_OF_FILE: Final = 8  # times the file: no linker makes names overlap so much

_WRITE, _EXECUTE = 0x2, 0x1
_SHF_ALLOC, _SHF_EXECINSTR = 0x2, 0x4
_X32: Final = (0x4000003E, "x32")  # EM_X86_64 in a file of 32 bits; calls of x32 have x86_64's AUDIT_ARCH value


class Segment(NamedTuple):
    """A part of the file and the memory that it becomes; memory beyond `file_size` is zero."""

    address: int
    size: int
    offset: int
    file_size: int
    writable: bool
    executable: bool


class Section(NamedTuple):
    """A section as its header has it; `kind` is the name of its type, or the number of one without a name."""

    name: str
    kind: str
    address: int
    size: int
    offset: int
    loaded: bool
    executable: bool
    link: int
    info: int
    entry_size: int


class Image:
    """A linked ELF file: a program or a shared object.

    `where` is what errors call it. `arch` is troth's name of the architecture, empty for one without. `kind` is
    `program` (at fixed addresses) or `shared`, which a position-independent program is too. `segments` are in the
    order of their addresses and do not overlap; `sections` may be empty; `code` are the ranges of addresses that hold
    instructions.
    """

    def __init__(self, data: bytes, where: str) -> None:
        """Read the headers.

        Raises:
            ParseError: it is not a linked ELF file, it is cut short, or its headers contradict one another.
        """
        self.where = where
        self.data = data
        if not data.startswith(MAGIC):
            raise ParseError(where, "is empty" if not data else "is not an ELF file")
        if len(data) < 20 or data[4] not in (1, 2) or data[5] not in (1, 2):
            raise ParseError(where, "has an ELF header of no known class and byte order")
        self.bits = 32 * data[4]
        self.big_endian = data[5] == 2
        self.order = ">" if self.big_endian else "<"
        self.word_size = self.bits // 8
        self.structs = ELFStructs(little_endian=not self.big_endian, elfclass=self.bits)
        self.structs.create_basic_structs()
        header = self.record(self.structs.Elf_Ehdr, 0, "the ELF header")
        self.structs.create_advanced_structs(header.e_type, header.e_machine, header.e_ident.EI_OSABI)
        if header.e_type not in _KINDS:
            what = {"ET_REL": "an object file that is not linked", "ET_CORE": "a core dump"}.get(header.e_type)
            raise ParseError(where, f"is {what}" if what else f"has the unknown ELF type {header.e_type}")
        self.kind = _KINDS[header.e_type]
        self.machine = str(header.e_machine)
        self.arch = self._arch_name()
        self.entry: int = header.e_entry
        headers = self._program_headers(header)
        self.segments = self._segments([one for one in headers if one.p_type == "PT_LOAD"])
        self._starts = [segment.address for segment in self.segments]
        self._others: dict[str, list[tuple[int, int, int]]] = {}
        for one in headers:
            self._others.setdefault(str(one.p_type), []).append((one.p_vaddr, one.p_offset, one.p_filesz))
        self._names_left = _NAMES_OF_FILE * len(data)
        self.sections = self._sections(header)
        self.code = self._code()
        self._code_starts = [start for start, _ in self.code]

    def parts(self, kind: str) -> list[tuple[int, int, int]]:
        """The address, file offset and size in the file of each program header of a kind, such as `PT_NOTE`."""
        return self._others.get(kind, [])

    def record(self, layout: Any, offset: int, what: str) -> Any:
        """One record of the file, laid out as one of `structs`; `what` names it in an error.

        Raises:
            ParseError: the file ends before.
        """
        if not 0 <= offset <= len(self.data) - layout.sizeof():
            raise ParseError(self.where, f"is cut short: {what} is at {offset:#x} of {len(self.data):#x} bytes")
        return struct_parse(layout, io.BytesIO(self.data[offset : offset + layout.sizeof()]))

    def counted(self, count: int, what: str) -> int:
        """A number of records, which is not more than is read.

        Raises:
            ParseError: it is.
        """
        if count > MOST_RECORDS:
            raise ParseError(self.where, f"has {count} {what}; more than {MOST_RECORDS} are not read")
        return count

    def segment(self, address: int) -> Segment | None:
        """The segment that an address lies in."""
        place = bisect_right(self._starts, address) - 1
        if place >= 0 and address < self.segments[place].address + self.segments[place].size:
            return self.segments[place]
        return None

    def offset(self, address: int, what: str) -> tuple[int, int]:
        """Where in the file the byte at an address is, and where the bytes end that follow it in memory.

        Raises:
            ParseError: the file has no byte for this address.
        """
        segment = self.segment(address)
        if segment is None or address >= segment.address + segment.file_size:
            raise ParseError(self.where, f"{what} is at address {address:#x}, which the file has no bytes for")
        return segment.offset + address - segment.address, segment.offset + segment.file_size

    def read(self, address: int, size: int, what: str = "what is read") -> bytes:
        """The bytes at an address.

        Raises:
            ParseError: the file does not have them all.
        """
        if size == 0:
            return b""
        start, end = self.offset(address, what)
        if size < 0 or start + size > end:
            raise ParseError(
                self.where, f"{what} has {size} bytes at address {address:#x}, of which {end - start} are there"
            )
        return self.data[start : start + size]

    def word(self, address: int) -> int:
        """The pointer-sized word at an address, as the file has it; 0 where the memory starts as zeros.

        Raises:
            ParseError: no segment has the address.
        """
        segment = self.segment(address)
        if segment is not None and address - segment.address >= segment.file_size:
            return 0
        return int.from_bytes(self.read(address, self.word_size, "a word"), "big" if self.big_endian else "little")

    def text(self, address: int) -> str:
        """The string at an address, up to its NUL.

        Raises:
            ParseError: it does not end, or is longer than names are.
        """
        start, end = self.offset(address, "a string")
        return self._text(start, end, "a string")

    def name(self, start: int, end: int, what: str) -> str:
        """A name in a table of names, which ends at the offset `end` of the file.

        Raises:
            ParseError: it does not end there, or the file's names are parts of one another.
        """
        found = self._text(start, end, what)
        self._names_left -= len(found)
        if self._names_left < 0:
            raise ParseError(self.where, "has names that are parts of one another, over and over")
        return found

    def _text(self, start: int, end: int, what: str) -> str:
        stop = self.data.find(b"\0", start, min(end, start + _LONGEST_NAME)) if 0 <= start < end else -1
        if stop < 0:
            raise ParseError(self.where, f"{what} at {start:#x} does not end where its table does")
        found = self.data[start:stop].decode("utf-8", "backslashreplace")
        # What a terminal would obey is shown, as an escape.
        return found if found.isprintable() else found.encode("unicode_escape").decode("ascii")

    def is_code(self, address: int) -> bool:
        """Whether instructions are at an address."""
        place = bisect_right(self._code_starts, address) - 1
        return place >= 0 and address < self.code[place][1]

    def _arch_name(self) -> str:
        """The architecture with this machine, class and byte order; AUDIT_ARCH values are made of just these."""
        (machine,) = struct.unpack_from(self.order + "H", self.data, 18)
        audit = machine | (0x80000000 if self.bits == 64 else 0) | (0 if self.big_endian else 0x40000000)
        if audit == _X32[0]:
            return _X32[1]
        name = others.name_of(audit)
        return "" if name.startswith("0x") else name

    def _program_headers(self, header: Any) -> list[Any]:
        layout = self.structs.Elf_Phdr
        count, size = header.e_phnum, header.e_phentsize
        if count and size != layout.sizeof():
            raise ParseError(self.where, f"has program headers of {size} bytes; they have {layout.sizeof()}")
        if count * size > _MOST_PROGRAM_HEADERS:
            raise ParseError(self.where, f"has {count} program headers; the kernel loads no file with as many")
        return [self.record(layout, header.e_phoff + at * size, "a program header") for at in range(count)]

    def _segments(self, headers: list[Any]) -> tuple[Segment, ...]:
        found = []
        for one in headers:
            if one.p_offset + one.p_filesz > len(self.data):
                end = one.p_offset + one.p_filesz
                raise ParseError(self.where, f"is cut short: a segment ends at {end:#x} of {len(self.data):#x} bytes")
            if one.p_filesz > one.p_memsz or one.p_vaddr + one.p_memsz > 1 << self.bits:
                raise ParseError(self.where, f"has a segment at {one.p_vaddr:#x} that does not fit into memory")
            if one.p_memsz:
                writable, executable = bool(one.p_flags & _WRITE), bool(one.p_flags & _EXECUTE)
                found.append(Segment(one.p_vaddr, one.p_memsz, one.p_offset, one.p_filesz, writable, executable))
        if not found:
            raise ParseError(self.where, "has no segment to load", hint="debug information alone has no code")
        found.sort()
        for one, following in pairwise(found):
            if one.address + one.size > following.address:
                raise ParseError(self.where, f"has segments that overlap at {following.address:#x}")
        # Linkers let neighbours share a page of the file; to map one part again and again only costs a reader time.
        if sum(one.file_size for one in found) > len(self.data) + len(found) * _PAGE:
            raise ParseError(self.where, "has segments that map the same part of the file again and again")
        return tuple(found)

    def _sections(self, header: Any) -> tuple[Section, ...]:
        layout = self.structs.Elf_Shdr
        if not header.e_shoff:
            return ()
        if header.e_shentsize != layout.sizeof():
            raise ParseError(
                self.where, f"has section headers of {header.e_shentsize} bytes; they have {layout.sizeof()}"
            )
        first = self.record(layout, header.e_shoff, "a section header")
        count = header.e_shnum or first.sh_size  # more than fit into 16 bits
        names = first.sh_link if header.e_shstrndx == 0xFFFF else header.e_shstrndx
        if count > _MOST_SECTIONS:
            raise ParseError(self.where, f"has {count} sections; more than {_MOST_SECTIONS} are not read")
        size = layout.sizeof()
        raw = [self.record(layout, header.e_shoff + at * size, "a section header") for at in range(count)]
        table = raw[names] if names < count else None
        found = []
        for one in raw:
            loaded = bool(one.sh_flags & _SHF_ALLOC)
            if loaded and not self._agrees(one):
                return ()
            name = self._section_name(table, one.sh_name)
            executable = bool(one.sh_flags & _SHF_EXECINSTR)
            found.append(
                Section(
                    name, str(one.sh_type), one.sh_addr, one.sh_size, one.sh_offset, loaded, executable,
                    one.sh_link, one.sh_info, one.sh_entsize,
                )
            )  # fmt: skip
        return tuple(found)

    def _agrees(self, section: Any) -> bool:
        """Whether a segment has the bytes of a section, where its header says."""
        if section.sh_type == "SHT_NOBITS" or not section.sh_size:
            return True
        segment = self.segment(section.sh_addr)
        if segment is None:
            return False
        at = section.sh_addr - segment.address
        return bool(section.sh_offset == segment.offset + at and at + section.sh_size <= segment.file_size)

    def _section_name(self, table: Any, at: int) -> str:
        if table is None or table.sh_type != "SHT_STRTAB" or table.sh_offset + table.sh_size > len(self.data):
            return ""
        return self.name(table.sh_offset + at, table.sh_offset + table.sh_size, "a section's name")

    def _code(self) -> tuple[tuple[int, int], ...]:
        found = [
            (one.address, one.address + one.size)
            for one in self.sections
            if one.loaded and one.executable and one.kind == "SHT_PROGBITS" and one.size
        ]
        if not found:
            found = [(one.address, one.address + one.file_size) for one in self.segments if one.executable]
        merged: list[tuple[int, int]] = []
        for start, end in sorted(found):
            if merged and start < merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((start, end))
        return tuple(merged)


def read_file(path: str) -> bytes:
    """The content of a file, which has to be a regular one of a bearable size.

    Raises:
        RequestError: it cannot be read.
    """
    try:
        # Opening a pipe without a writer waits; opening a device can have effects.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        with open(fd, "rb") as file:
            about = os.fstat(fd)
            if not stat.S_ISREG(about.st_mode):
                raise RequestError(f"{path}: is not a file")
            if about.st_size > MOST:
                raise RequestError(f"{path}: has more than {MOST >> 20} MiB")
            return file.read(MOST)
    except (OSError, ValueError) as error:
        if isinstance(error, RequestError):
            raise
        raise RequestError(f"{path}: {(getattr(error, 'strerror', None) or str(error)).lower()}") from None
