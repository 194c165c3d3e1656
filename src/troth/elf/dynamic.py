"""What an ELF file tells the loader: the libraries it needs, and where its tables are."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from troth.elf.image import Image

# Tags of elf.h that are read here; the others are left out.
_TAGS: Final = {
    1: "NEEDED", 2: "PLTRELSZ", 3: "PLTGOT", 4: "HASH", 5: "STRTAB", 6: "SYMTAB", 7: "RELA", 8: "RELASZ", 10: "STRSZ",
    12: "INIT", 13: "FINI", 14: "SONAME", 15: "RPATH", 17: "REL", 18: "RELSZ", 20: "PLTREL", 23: "JMPREL",
    25: "INIT_ARRAY", 26: "FINI_ARRAY", 27: "INIT_ARRAYSZ", 28: "FINI_ARRAYSZ", 29: "RUNPATH",
    32: "PREINIT_ARRAY", 33: "PREINIT_ARRAYSZ", 35: "RELRSZ", 36: "RELR",
    0x6FFFFEF5: "GNU_HASH", 0x6FFFFFF0: "VERSYM", 0x6FFFFFFC: "VERDEF", 0x6FFFFFFD: "VERDEFNUM",
    0x6FFFFFFE: "VERNEED", 0x6FFFFFFF: "VERNEEDNUM",
}  # fmt: skip
TABLES: Final = (
    "HASH", "STRTAB", "SYMTAB", "RELA", "REL", "JMPREL", "RELR", "GNU_HASH", "VERSYM", "VERDEF", "VERNEED",
)  # fmt: skip


class Dynamic:
    """The entries of the dynamic section, by tag; empty for a file that no loader prepares."""

    def __init__(self, image: Image) -> None:
        """Read them.

        Raises:
            ParseError: the section is not in the file.
        """
        self._image = image
        self._values: dict[str, list[int]] = {}
        for address, _, size in image.parts("PT_DYNAMIC")[:1]:
            entry = struct.Struct(image.order + ("qQ" if image.bits == 64 else "iI"))
            image.counted(size // entry.size, "dynamic entries")
            table = image.read(address, size - size % entry.size, "the dynamic section")
            for tag, value in entry.iter_unpack(table):
                if tag == 0:
                    break
                if tag in _TAGS:
                    self._values.setdefault(_TAGS[tag], []).append(value)

    def __bool__(self) -> bool:
        return bool(self._values)

    def get(self, tag: str, default: int = 0) -> int:
        """The value of a tag that stands once."""
        return self._values.get(tag, [default])[0]

    def has(self, tag: str) -> bool:
        """Whether a tag is there."""
        return tag in self._values

    def names(self, tag: str) -> tuple[str, ...]:
        """The strings that a tag names, such as each NEEDED library.

        Raises:
            ParseError: one is not in the table of strings.
        """
        return tuple(self.string(value, tag) for value in self._values.get(tag, ()))

    def string(self, at: int, what: str) -> str:
        """A string of the table of strings.

        Raises:
            ParseError: it is not in the table.
        """
        start, end = self.strings()
        return self._image.name(start + at, end, f"the name of {what}")

    def strings(self) -> tuple[int, int]:
        """Where in the file the table of strings starts and ends.

        Raises:
            ParseError: there is none.
        """
        start, end = self._image.offset(self.get("STRTAB"), "the table of strings")
        return start, min(end, start + self.get("STRSZ", end - start))

    def table(self, tag: str, size_tag: str, entry: int) -> bytes:
        """A table of records of `entry` bytes; empty when there is none.

        Raises:
            ParseError: it is not in the file.
        """
        if not self.has(tag):
            return b""
        size = self.get(size_tag)
        return self._image.read(self.get(tag), size - size % entry, f"the table {tag}")
