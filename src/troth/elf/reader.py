"""An ELF file, read as far as it is asked for.

    libc = read("/lib/x86_64-linux-gnu/libc.so.6")
    libc.build_id, libc.needed, libc.exports, libc.relocations.pointers, libc.frames

Each part is read when it is first asked for; a fault in one does not hide the others.
"""

from __future__ import annotations

import struct
from functools import cached_property

from troth.elf.dynamic import Dynamic
from troth.elf.frames import Frame, frames
from troth.elf.image import Image, read_file
from troth.elf.notes import build_id
from troth.elf.relocations import Relocations, relocations
from troth.elf.symbols import Symbol, dynamic_symbols, linker_symbols


class Elf:
    """A program or a shared object. Every property raises ParseError where the file is not what it should be."""

    def __init__(self, image: Image) -> None:
        self.image = image

    @property
    def where(self) -> str:
        """What errors call the file."""
        return self.image.where

    @property
    def arch(self) -> str:
        """Troth's name of the architecture; empty for one that it has no name for."""
        return self.image.arch

    @cached_property
    def build_id(self) -> str:
        """What the linker named the build; empty when it did not."""
        return build_id(self.image)

    @cached_property
    def dynamic(self) -> Dynamic:
        """What the loader is told."""
        return Dynamic(self.image)

    @cached_property
    def needed(self) -> tuple[str, ...]:
        """The libraries that are loaded with it."""
        return self.dynamic.names("NEEDED")

    @cached_property
    def soname(self) -> str:
        """The name by which others need it; empty for most programs."""
        return "".join(self.dynamic.names("SONAME")[:1])

    @cached_property
    def interpreter(self) -> str:
        """The loader that it asks for; empty for a static program, and for most libraries."""
        for _, offset, size in self.image.parts("PT_INTERP")[:1]:
            return self.image.name(offset, min(offset + size, len(self.image.data)), "the loader's name")
        return ""

    @cached_property
    def symbols(self) -> tuple[Symbol, ...]:
        """The symbols that the loader sees, with their versions; relocations name them by their place."""
        return dynamic_symbols(self.image, self.dynamic)

    @cached_property
    def linker_symbols(self) -> tuple[Symbol, ...]:
        """The symbols of the file before it was stripped; empty when it is."""
        return linker_symbols(self.image)

    @cached_property
    def exports(self) -> tuple[Symbol, ...]:
        """What it defines for others: each version of a symbol is one."""
        return tuple(one for one in self.symbols if one.name and one.defined and one.binding != "local")

    @cached_property
    def imports(self) -> tuple[Symbol, ...]:
        """What it needs of others, with the versions that it asks for."""
        return tuple(one for one in self.symbols if one.name and not one.defined)

    @cached_property
    def relocations(self) -> Relocations:
        """What the loader writes into its memory."""
        return relocations(self.image, self.dynamic, self.symbols)

    @cached_property
    def frames(self) -> tuple[Frame, ...]:
        """The functions of its unwinding tables."""
        return frames(self.image)

    @cached_property
    def initialisers(self) -> tuple[int, ...]:
        """The addresses of the functions that run before `main`, in their order."""
        return self._called("PREINIT_ARRAY", "") + self._called("INIT_ARRAY", "INIT")

    @cached_property
    def finalisers(self) -> tuple[int, ...]:
        """The addresses of the functions that run at exit."""
        return self._called("FINI_ARRAY", "FINI")

    def _called(self, array: str, single: str) -> tuple[int, ...]:
        image, dynamic = self.image, self.dynamic
        found = [dynamic.get(single)] if single and dynamic.get(single) else []
        tables = [(dynamic.get(array), dynamic.get(f"{array}SZ"))]
        if not dynamic:  # a static program finds them between two symbols; only sections tell where
            tables = [(one.address, one.size) for one in image.sections if one.kind == f"SHT_{array}"]
        for start, size in tables:
            image.counted(size // image.word_size, "functions to call")
            words = image.read(start, size - size % image.word_size, f"the table {array}")
            for at, (word,) in enumerate(struct.iter_unpack(image.order + ("Q" if image.bits == 64 else "I"), words)):
                address = self.relocations.pointers.get(start + at * image.word_size, word)
                if address and image.segment(address) is not None:  # 0 and -1 end lists of old
                    found.append(address)
        return tuple(found)


def read(path: str) -> Elf:
    """Open an ELF file.

    Raises:
        RequestError: it cannot be read.
        ParseError: it is not a linked ELF file, or its headers are not what they should be.
    """
    return parse(read_file(path), path)


def parse(data: bytes, where: str = "the file") -> Elf:
    """Take bytes for an ELF file; `where` is what errors call it.

    Raises:
        ParseError: it is not a linked ELF file, or its headers are not what they should be.
    """
    return Elf(Image(data, where))
