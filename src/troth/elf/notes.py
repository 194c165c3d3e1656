"""Notes that tools leave in an ELF file, such as the identity of its build."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from troth.elf.image import Image

_BUILD_ID: Final = 3  # NT_GNU_BUILD_ID
_LONGEST_ID: Final = 64  # bytes; linkers make 8 to 32
_MOST_NOTES: Final = 1 << 16  # bytes of a segment of notes that are read; they have some hundred


class Note(NamedTuple):
    """One note: whose it is, its type, and its content."""

    owner: str
    kind: int
    content: bytes


def notes(image: Image) -> Iterator[Note]:
    """The notes of the segments that are made of them; one that is cut short ends them."""
    for _, offset, size in image.parts("PT_NOTE"):
        data = image.data[offset : offset + min(size, _MOST_NOTES)]
        at = 0
        while at + 12 <= len(data):
            name, content, kind = struct.unpack_from(image.order + "III", data, at)
            start = at + 12 + _aligned(name)
            if start + content > len(data):
                break
            yield Note(
                data[at + 12 : at + 12 + name].rstrip(b"\0").decode("latin-1"), kind, data[start : start + content]
            )
            at = start + _aligned(content)


def build_id(image: Image) -> str:
    """What the linker named the build, in hexadecimal digits; empty when it did not."""
    for note in notes(image):
        if note.owner == "GNU" and note.kind == _BUILD_ID and 0 < len(note.content) <= _LONGEST_ID:
            return note.content.hex()
    return ""


def _aligned(size: int) -> int:
    return (size + 3) & ~3
