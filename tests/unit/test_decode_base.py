"""Code of i386 counts addresses from a base in a register; both decoders follow it, and agree."""

from __future__ import annotations

import pytest

from troth.elf.decode import decoder
from troth.elf.decode.steps import MARK_NAME

AT, GOT = 0x1000, 0x9000
BASE_IN_ESI = bytes.fromhex("e800000000 81c6") + (GOT - AT - 5).to_bytes(4, "little")  # call the next; add esi, ...


def names(code: str, library: str) -> list[int]:
    """Which addresses the code names, by what it adds to the base."""
    marks = decoder("i386", library).scan(BASE_IN_ESI + bytes.fromhex(code), AT, GOT, {AT})
    return [to - GOT for _, _, kind, to in marks if kind == MARK_NAME]


@pytest.mark.parametrize("library", ["iced_x86", "capstone"])
@pytest.mark.parametrize(
    ("code", "named"),
    [
        # lea eax, [esi+16]
        ("8d8610000000", [16]),
        # mov [esp+8], esi; mov edi, [esp+8]; lea eax, [edi+16]
        ("89742408 8b7c2408 8d8710000000", [16]),
        # the same with `push eax` between the two moves, which then mean different places
        ("89742408 50 8b7c2408 8d8710000000", []),
        ("89742408 50 8b7c240c 8d8710000000", [16]),
        # ... and with `add esp, 4` after it
        ("89742408 50 83c404 8b7c2408 8d8710000000", [16]),
        # ... and with an epilogue, of another way, before it: `pop eax; ret`
        ("89742408 58 c3 8b7c2408 8d8710000000", [16]),
        # mov [esp+edx], esi, which may be any place; mov edi, [esp]; lea eax, [edi+16]
        ("893414 8b3c24 8d8710000000", []),
        # lea esi, [esi+0] in three lengths, which fill a place and name nothing; lea eax, [esi+16]
        ("8d7600 8d742600 2e8db42600000000 8d8610000000", [16]),
        # lea esi, [esi+16], which is no base any more; lea eax, [esi+16]
        ("8d7610 8d8610000000", [16]),
    ],
)
def test_the_base_is_followed(code: str, named: list[int], library: str) -> None:
    assert names(code, library) == named
