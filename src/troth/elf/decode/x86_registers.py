"""The general registers of x86, by the names that assemblers give their parts: our number, and the bits.

Of `ah` and its like, the second byte, nothing is known of the value: they have 0 bits.
"""

from __future__ import annotations

from typing import Final

REGISTERS: Final[dict[str, tuple[int, int]]] = {}
for _number, _name in enumerate(("ax", "cx", "dx", "bx", "sp", "bp", "si", "di")):
    _low = _name[0] + "l" if _number < 4 else _name + "l"
    REGISTERS.update({f"r{_name}": (_number, 64), f"e{_name}": (_number, 32), _name: (_number, 16), _low: (_number, 8)})
    if _number < 4:
        REGISTERS[_name[0] + "h"] = (_number, 0)
for _number in range(8, 16):
    for _bits, _end in ((64, ""), (32, "d"), (16, "w"), (8, "b")):
        REGISTERS[f"r{_number}{_end}"] = (_number, _bits)
