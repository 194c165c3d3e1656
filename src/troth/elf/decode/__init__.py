"""Machine code as the little that an analysis needs of it, whichever disassembler reads it.

* `steps`: the two forms that code is given in: marks of a whole section, steps of a few blocks;
* `x86`: x86_64 and i386 by iced-x86, the fast one;
* `x86_capstone`: the same by capstone, where iced-x86 has no build;
* `x86_registers`, `x86_lanes`: what both know of registers;
* `arm64`: aarch64 by capstone.

Disassemblers are imported when a decoder is asked for: few verbs need one.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from troth.errors import RequestError, UnsupportedError

if TYPE_CHECKING:
    from typing import Final

    from troth.elf.decode.steps import Decoder

__all__ = ["decoder"]

# For each architecture the modules that can read its code, the best first, and the library that each needs.
_READERS: Final = {
    "x86_64": (("troth.elf.decode.x86", "iced_x86"), ("troth.elf.decode.x86_capstone", "capstone")),
    "i386": (("troth.elf.decode.x86", "iced_x86"), ("troth.elf.decode.x86_capstone", "capstone")),
    "aarch64": (("troth.elf.decode.arm64", "capstone"),),
}


def decoder(arch: str, library: str | None = None) -> Decoder:
    """Give what reads the code of an architecture: by the best library that is installed, or by the one named.

    Raises:
        RequestError: no code of this architecture can be read.
        UnsupportedError: no library that could is installed.
    """
    if arch not in _READERS:
        raise RequestError(f"the code of {arch} cannot be read", hint="one of " + " ".join(_READERS))
    wanted = [(module, needs) for module, needs in _READERS[arch] if library in (None, needs)]
    for module, needs in wanted:
        try:
            import_module(needs)
        except ImportError:
            continue
        made: Decoder = import_module(module).Reader(arch)
        return made
    raise UnsupportedError(
        f"reading the code of {arch}",
        needs=" or ".join(needs for _, needs in _READERS[arch]),
        have="neither is installed" if len(wanted) > 1 else "it is not installed",
        hint="`pip install 'troth[atlas]'` installs what is needed",
    )
