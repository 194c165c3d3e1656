"""Laws of the ELF reader: damage is a ParseError and nothing else, soon; section headers are not needed."""

from __future__ import annotations

import contextlib
import struct
import time
from pathlib import Path

import pytest
from elf_files import MACHINES, shared
from hypothesis import given
from hypothesis import strategies as st

from troth.elf.reader import parse
from troth.errors import ParseError

PARTS = ("build_id", "needed", "soname", "interpreter", "symbols", "linker_symbols", "relocations", "frames",
         "initialisers", "finalisers")  # fmt: skip
FILES = {(arch, sections): shared(arch, sections=sections).data for arch in MACHINES for sections in (True, False)}
SECONDS = 2.0  # for a file of 8 KB, which takes some milliseconds

made = st.sampled_from(list(FILES.values()))
# Values that are wrong in a way that counts: near the ends of each width, and ordinary small ones.
words = st.one_of(
    st.sampled_from(
        [
            0,
            1,
            0x7F,
            0x80,
            0xFF,
            0x7FFF,
            0xFFFF,
            0x7FFFFFFF,
            0x80000000,
            0xFFFFFFFF,
            (1 << 63) - 1,
            1 << 63,
            (1 << 64) - 1,
        ]
    ),
    st.integers(0, 0x3000),
    st.integers(0, (1 << 64) - 1),
)


def read_all(data: bytes) -> None:
    """Read each part of a file; only a ParseError is an answer instead."""
    started = time.process_time()
    with contextlib.suppress(ParseError):
        elf = parse(data)
        for part in PARTS:
            with contextlib.suppress(ParseError):
                getattr(elf, part)
    assert time.process_time() - started < SECONDS


@given(data=made, changes=st.lists(st.tuples(st.integers(0, 8400), st.integers(0, 255)), min_size=1, max_size=8))
def test_flipped_bytes_are_read_or_refused(data: bytes, changes: list[tuple[int, int]]) -> None:
    changed = bytearray(data)
    for at, value in changes:
        changed[at % len(data)] = value
    read_all(bytes(changed))


@given(data=made, changes=st.lists(st.tuples(st.integers(0, 1100), words), min_size=1, max_size=3))
def test_absurd_words_are_read_or_refused(data: bytes, changes: list[tuple[int, int]]) -> None:
    # Where headers and tables are: the first KB, and the dynamic section at the end.
    changed = bytearray(data)
    for place, value in changes:
        at = place * 4 if place * 4 < 0x600 else 0x2000 + place * 4 - 0x600
        for size in (8, 4):
            if at + size <= len(data):
                changed[at : at + size] = (value & (1 << 8 * size) - 1).to_bytes(size, "little")
                break
    read_all(bytes(changed))


@given(data=made, length=st.integers(0, 8600))
def test_a_file_that_is_cut_short_is_refused_or_lacks_only_what_is_not_loaded(data: bytes, length: int) -> None:
    read_all(data[:length])


@given(rest=st.binary(max_size=300), kind=st.sampled_from([b"\1\1", b"\1\2", b"\2\1", b"\2\2"]))
def test_noise_behind_the_magic_number_is_refused(rest: bytes, kind: bytes) -> None:
    with pytest.raises(ParseError):
        parse(b"\x7fELF" + kind + rest)


@pytest.mark.parametrize("arch", MACHINES)
def test_all_is_read_without_section_headers_that_is_read_with_them(arch: str) -> None:
    with_them, without = (parse(FILES[arch, sections]) for sections in (True, False))
    for part in PARTS:
        assert getattr(with_them, part) == getattr(without, part), part


@given(changes=st.lists(st.tuples(st.integers(0, 1 << 24), words), min_size=1, max_size=4))
def test_a_real_library_with_absurd_words_is_read_or_refused(changes: list[tuple[int, int]]) -> None:
    real = _library()
    changed = bytearray(real)
    for at, value in changes:
        struct.pack_into("<Q", changed, at % min(len(real) - 8, 0x30000), value)  # where its tables are
    with contextlib.suppress(ParseError):
        elf = parse(bytes(changed))
        for part in PARTS:
            with contextlib.suppress(ParseError):
                getattr(elf, part)


def _library() -> bytes:
    """A library of this machine that has all tables, and is not large."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        path = line.split(maxsplit=5)[-1]
        if "/libm." in path or "/libm-" in path:
            return Path(path).read_bytes()
    return FILES["x86_64", True]
