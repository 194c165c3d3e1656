"""Programs as bytes: arrays of `struct sock_filter`, in either byte order."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from troth.bpf import Program, byte_order, verify
from troth.errors import ParseError

if TYPE_CHECKING:
    from typing import Final

_SIZE: Final = 8
_HINTS: Final = {
    b"\x7fELF": "this is an ELF file; a filter is the bare array of instructions",
    b"\x1f\x8b": "this is compressed with gzip",
}


def decode(data: bytes, where: str, big_endian: bool | None = None) -> tuple[Program, bool]:
    """Read a program, and say whether it is for a big-endian machine.

    Only one byte order makes a valid program; `big_endian` insists on one of them.

    Raises:
        ParseError: the bytes are no program that the kernel would load.
    """
    hint = next((told for magic, told in _HINTS.items() if data.startswith(magic)), "")
    try:
        order = byte_order(data) if big_endian is None else big_endian
        # In neither order valid: told as of this machine's.
        found = Program.from_bytes(data, big_endian=sys.byteorder == "big" if order is None else order)
        verify(found)
    except ParseError as error:
        raise ParseError(f"{where}: {error.where}", error.problem, hint=hint or error.hint) from None
    assert order is not None
    return found, order
