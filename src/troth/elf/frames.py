"""Where functions start and end, as the tables for unwinding the stack say; even stripped files have them.

musl is built without, and so is code written by hand; what is not here may be a function nevertheless.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from troth.errors import ParseError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from troth.elf.image import Image

# How a pointer is written (DW_EH_PE_* of the LSB): its format in the low half, what it is relative to in the high one.
_OMITTED: Final = 0xFF
_FORMATS: Final = {0x2: "H", 0x3: "I", 0x4: "Q", 0xA: "h", 0xB: "i", 0xC: "q"}
_WHOLE, _HERE, _TABLE, _INDIRECT = 0x00, 0x10, 0x30, 0x80
_LONGEST_HEAD: Final = 64  # of which the rest says how to unwind, which is not asked here
_RECORD: Final = "a function's record"


class Frame(NamedTuple):
    """The addresses of one function's code, or of a part that a compiler moved away."""

    start: int
    size: int


def frames(image: Image) -> tuple[Frame, ...]:
    """The functions of the unwinding tables, by address; none when there are no tables.

    Raises:
        ParseError: the tables are not what they should be.
    """
    return _Tables(image).frames()


class _Tables:
    """The unwinding tables of one file, and how the records of each of their heads are written."""

    def __init__(self, image: Image) -> None:
        self._image = image
        self._mask = (1 << image.bits) - 1
        self._words = struct.Struct(image.order + "II")
        self._heads: dict[int, tuple[struct.Struct, int]] = {}

    def frames(self) -> tuple[Frame, ...]:
        image = self._image
        found: dict[int, int] = {}
        records: Iterator[int] = iter(())
        tables = image.parts("PT_GNU_EH_FRAME")
        if tables:
            records = self._indexed(tables[0][0], tables[0][2])
        else:
            for section in image.sections:
                if section.name == ".eh_frame" and section.loaded:
                    records = self._listed(section.address, section.size)
        for count, record in enumerate(records, 1):
            start, size = self._function(record)
            found[start] = max(size, found.get(start, 0))
            image.counted(count, "functions")
        return tuple(Frame(*one) for one in sorted(found.items()))

    def _indexed(self, address: int, size: int) -> Iterator[int]:
        """The addresses of the functions' records, from the table that finds them by the function's address."""
        image = self._image
        head = image.read(address, min(size, 4), "the table of functions")
        if len(head) < 4 or head[0] != 1:
            raise ParseError(image.where, "has a table of functions of an unknown version")
        _, records_written, count_written, table_written = head
        if _OMITTED in (count_written, table_written):
            return
        at = address + 4
        if records_written != _OMITTED:
            at += self._layout(records_written, 1).size
        layout = self._layout(count_written, 1)
        (count,) = layout.unpack(image.read(at, layout.size, "the table of functions"))
        layout = self._layout(table_written, 2)
        table = image.read(at + self._layout(count_written, 1).size, count * layout.size, "the table of functions")
        if table_written & 0x70 not in (_WHOLE, _TABLE):
            raise self._unknown(table_written)
        base = address if table_written & 0x70 == _TABLE else 0
        for _, record in layout.iter_unpack(table):
            yield (base + record) & self._mask

    def _listed(self, address: int, size: int) -> Iterator[int]:
        """The addresses of the functions' records, from the list of all records."""
        end = address + size
        while address + 4 <= end:
            length, back, body = self._opening(address)
            if not length:
                return
            if back:
                yield address
            address = body + length

    def _function(self, record: int) -> tuple[int, int]:
        """The start and size of the function of a record."""
        image = self._image
        length, back, body = self._opening(record)
        if length < 4 or not back:
            raise ParseError(image.where, f"has no function's record at {record:#x}, where its table says")
        known = self._heads.get(body - back)
        if known is None:
            known = self._heads[body - back] = self._head(body - back)
        layout, base = known
        start, size = layout.unpack(image.read(body + 4, layout.size, _RECORD))
        start = (start + (body + 4 if base == _HERE else 0)) & self._mask
        if image.segment(start) is None:
            raise ParseError(image.where, f"has a function's record for {start:#x}, where nothing is loaded")
        return start, size & self._mask

    def _head(self, head: int) -> tuple[struct.Struct, int]:
        """How the records that share a head are written: start and size, and what the start is relative to."""
        image = self._image
        length, back, body = self._opening(head)
        if length < 5 or back:
            raise ParseError(image.where, f"has no head of functions' records at {head:#x}")
        content = image.read(body + 4, min(length - 4, _LONGEST_HEAD), "the head of functions' records")
        version, (features, _, rest) = content[0], content[1:].partition(b"\0")
        written = _WHOLE
        if features.startswith(b"z"):
            place = _skip(rest, 0, 2)  # alignments of code and data
            place = place + 1 if version == 1 else _skip(rest, place, 1)  # the register of the return address
            place = _skip(rest, place, 1)  # the length of what follows
            for feature in features[1:]:
                here = rest[place] if place < len(rest) else _OMITTED
                if feature == ord("R"):
                    written = here
                    break
                if feature == ord("P"):
                    place += 1 + self._layout(here & ~_INDIRECT, 1).size
                elif feature == ord("L"):
                    place += 1
        base = written & 0x70
        if base not in (_WHOLE, _HERE):
            raise self._unknown(written)
        return self._layout(written, 2), base

    def _opening(self, address: int) -> tuple[int, int, int]:
        """The length of a record, how far back its head is (0 in a head), and the address of that word."""
        image = self._image
        place, end = image.offset(address, _RECORD)
        if place + 8 <= end:
            length, back = self._words.unpack_from(image.data, place)
            if length != 0xFFFFFFFF:
                return length, back, address + 4
        elif image.data[place : place + 4] == b"\0\0\0\0":  # the end of the list, at the end of the segment
            return 0, 0, address + 4
        length = int.from_bytes(image.read(address + 4, 8, _RECORD), "big" if image.big_endian else "little")
        _, back = self._words.unpack(image.read(address + 8, 8, _RECORD))
        return length, back, address + 12

    def _layout(self, written: int, count: int) -> struct.Struct:
        """The layout of pointers that are written in a way."""
        kind = written & 0x0F
        letter = ("Q" if self._image.bits == 64 else "I") if kind == 0 else _FORMATS.get(kind)
        if letter is None or written & _INDIRECT:
            raise self._unknown(written)
        return struct.Struct(self._image.order + letter * count)

    def _unknown(self, written: int) -> ParseError:
        return ParseError(self._image.where, f"has functions' records with addresses written as {written:#x}")


def _skip(data: bytes, at: int, count: int) -> int:
    """The place after some numbers of variable length."""
    while count and at < len(data):
        count -= data[at] < 0x80
        at += 1
    return at
