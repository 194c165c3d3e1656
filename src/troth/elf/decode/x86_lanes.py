"""Numbers that travel by the vector registers of x86, in lanes of 32 bits.

Compilers fill a record by packing several arguments into one vector and storing that; a number of a system call may be
among them. Each lane of xmm0 to xmm15 counts as a register of its own; half a number of 64 bits is not told apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from troth.elf.decode.steps import COPY, LOSE, SET, STORE

if TYPE_CHECKING:
    from troth.elf.decode.steps import Step

__all__ = ["MOVES", "lanes", "lost_lanes"]

_LANES: Final = 4
_FIRST: Final = 100  # number of the first lane of xmm0
# The names of instructions that move lanes, and how many a store of theirs moves.
_WHOLE: Final = dict.fromkeys(["movaps", "movups", "movdqa", "movdqu", "movapd", "movupd"], _LANES)
_STORED: Final = {**_WHOLE, "movq": 2, "movd": 1}
MOVES: Final = (*_STORED, "punpckldq", "punpcklqdq", "pxor")


def _lane(register: str) -> int | None:
    """The first lane of a vector register; None for another register."""
    if register[1:3] != "mm" or register[0] not in "xy" or not register[3:].isdigit():
        return None
    number = int(register[3:])
    return _FIRST + _LANES * number if number < 16 else None


def lost_lanes(register: str) -> list[int]:
    """The lanes of a vector register; none for another register."""
    first = _lane(register)
    return [] if first is None else [first + lane for lane in range(_LANES)]


def lanes(
    name: str, target: str, source: str, general: tuple[int, int] | None, place: tuple[int, int] | None
) -> list[Step] | None:
    """The steps of one of `MOVES`; None where it moves no lanes that are followed.

    `target` and `source` are registers, empty for memory. `general` is the number and width of the source where that
    is a general register, `place` the memory that the instruction uses.
    """
    to, origin = _lane(target), _lane(source)
    if to is None:
        if origin is None or place is None or target:
            return None
        return [(STORE, place[0], place[1] + 4 * lane, origin + lane, 32) for lane in range(_STORED.get(name, 0))]
    if name in ("movd", "movq") and general is not None:
        register, bits = general
        rest: Step = (SET, to + 1, 0) if bits == 32 else (LOSE, to + 1)
        return [(COPY, to, register, bits), rest, (SET, to + 2, 0), (SET, to + 3, 0)]
    if origin is None:
        return None
    if name == "pxor" and to == origin:
        return [(SET, to + lane, 0) for lane in range(_LANES)]
    if name in _WHOLE:
        return [(COPY, to + lane, origin + lane, 32) for lane in range(_LANES)]
    if name == "punpcklqdq":
        return [(COPY, to + 2, origin, 32), (COPY, to + 3, origin + 1, 32)]
    if name == "punpckldq":
        # From the last to the first, so that none is overwritten before it is read.
        return [(COPY, to + 3, origin + 1, 32), (COPY, to + 2, to + 1, 32), (COPY, to + 1, origin, 32)]
    return None
