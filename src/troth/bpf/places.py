"""The words of a call's data by name: `nr`, `arch`, `ip.lo`, `args[2].hi`; struct seccomp_data of linux/seccomp.h.

Which word holds the upper half of a 64-bit field is the byte order's.
"""

from __future__ import annotations

from troth.bpf.program import DATA_SIZE, OFFSET_ARCH, OFFSET_ARGS, OFFSET_IP, OFFSET_NR
from troth.errors import ParseError


def word(offset: int) -> tuple[str, int, int]:
    """Say what the word at an offset is: `nr`, `arch`, `ip` or `args`, the argument's index, and 0 or 1.

    The last is 0 for the first word in memory of a 64-bit field and 1 for the second; `is_high` tells which half.
    """
    if offset == OFFSET_NR:
        return "nr", 0, 0
    if offset == OFFSET_ARCH:
        return "arch", 0, 0
    if offset < OFFSET_ARGS:
        return "ip", 0, (offset - OFFSET_IP) // 4
    return "args", (offset - OFFSET_ARGS) // 8, (offset - OFFSET_ARGS) // 4 % 2


def is_high(offset: int, *, big_endian: bool) -> bool:
    """Whether the word at an offset is the upper half of a 64-bit field."""
    return offset >= OFFSET_IP and (offset // 4 % 2 == 1) != big_endian


def name_of(offset: int, *, big_endian: bool) -> str:
    """Name the word at an offset; one that is no word is given as the number it is.

    >>> name_of(16, big_endian=False), name_of(16, big_endian=True), name_of(4, big_endian=False)
    ('args[0].lo', 'args[0].hi', 'arch')
    """
    if offset % 4 or not 0 <= offset < DATA_SIZE:
        return str(offset)
    field, index, _ = word(offset)
    half = ".hi" if is_high(offset, big_endian=big_endian) else ".lo"
    return {"nr": "nr", "arch": "arch", "ip": f"ip{half}", "args": f"args[{index}]{half}"}[field]


def argument(index: int, *, high: bool, big_endian: bool) -> int:
    """Give the offset of one half of an argument.

    >>> argument(2, high=True, big_endian=False)
    36
    """
    return OFFSET_ARGS + 8 * index + 4 * (high != big_endian)


def offset_of(name: str, *, big_endian: bool) -> int:
    """Give the offset of a word by its name.

    >>> offset_of("args[2].lo", big_endian=False), offset_of("ip.hi", big_endian=True)
    (32, 8)

    Raises:
        ParseError: there is no such word.
    """
    for offset in range(0, DATA_SIZE, 4):
        if name_of(offset, big_endian=big_endian) == name:
            return offset
    hint = "there are nr, arch, ip.lo, ip.hi and args[0].lo to args[5].hi"
    if name in ("ip", *(f"args[{index}]" for index in range(6))):
        raise ParseError(name, f"`{name}` has 64 bits, a word 32", hint=f"write `{name}.lo` or `{name}.hi`")
    raise ParseError(name, f"a call's data have no word `{name[:60]}`", hint=hint)
