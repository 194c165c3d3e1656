"""libseccomp's architectures: its names and tokens, and what of each a filter compares."""

from __future__ import annotations

from troth import abi
from troth._value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final


class Arch(Value):
    """One architecture of libseccomp.

    `name` is its name there and `token` its number, `ours` the name in `troth.abi`. `bits` are compared of an
    argument: on an architecture of 32 bits, and on x32 and n32, only the lower half is, and the upper half of
    the number that it is compared with is dropped. `base` is where its numbers start. With `multiplexed`, calls
    may be behind socketcall(2) and ipc(2).
    """

    __slots__ = ("name", "token", "ours", "bits", "base", "multiplexed")
    name: str
    token: int
    ours: str
    bits: int
    base: int
    multiplexed: bool
    _defaults = {"base": 0, "multiplexed": False}

    @property
    def audit(self) -> int:
        """The AUDIT_ARCH_* value that the kernel shows to a filter; the token but for x32."""
        return abi.arch(self.ours).audit

    @property
    def big_endian(self) -> bool:
        """The byte order."""
        return abi.arch(self.ours).big_endian


# Tokens are AUDIT_ARCH_* values, but that of x32, which has none of its own: there the 64-bit mark is left out.
_TABLE: Final = (
    Arch("x86",         0x40000003, "i386",        32, multiplexed=True),
    Arch("x86_64",      0xC000003E, "x86_64",      64),
    Arch("x32",         0x4000003E, "x32",         32, base=0x40000000),
    Arch("arm",         0x40000028, "arm",         32),
    Arch("aarch64",     0xC00000B7, "aarch64",     64),
    Arch("loongarch64", 0xC0000102, "loongarch64", 64),
    Arch("m68k",        0x00000004, "m68k",        32, multiplexed=True),
    Arch("mips",        0x00000008, "mips",        32, base=4000, multiplexed=True),
    Arch("mipsel",      0x40000008, "mipsel",      32, base=4000, multiplexed=True),
    Arch("mips64",      0x80000008, "mips64",      64, base=5000),
    Arch("mipsel64",    0xC0000008, "mips64el",    64, base=5000),
    Arch("mips64n32",   0xA0000008, "mips64n32",   32, base=6000),
    Arch("mipsel64n32", 0xE0000008, "mipsel64n32", 32, base=6000),
    Arch("parisc",      0x0000000F, "parisc",      32),
    Arch("parisc64",    0x8000000F, "parisc64",    64),
    Arch("ppc",         0x00000014, "ppc",         32, multiplexed=True),
    Arch("ppc64",       0x80000015, "ppc64",       64, multiplexed=True),
    Arch("ppc64le",     0xC0000015, "ppc64le",     64, multiplexed=True),
    Arch("s390",        0x00000016, "s390",        32, multiplexed=True),
    Arch("s390x",       0x80000016, "s390x",       64, multiplexed=True),
    Arch("riscv64",     0xC00000F3, "riscv64",     64),
    Arch("sh",          0x4000002A, "sh",          32, multiplexed=True),
    Arch("sheb",        0x0000002A, "sheb",        32, multiplexed=True),
)  # fmt: skip

BY_NAME: Final = {arch.name: arch for arch in _TABLE}
BY_TOKEN: Final = {arch.token: arch for arch in _TABLE}
_BY_OURS: Final = {arch.ours: arch for arch in _TABLE}


def native() -> Arch:
    """The architecture of this interpreter.

    Raises:
        troth.UnsupportedError: there is no table for it.
    """
    return _BY_OURS[abi.native().name]


def find(token: int) -> Arch | None:
    """The architecture of a token, of which 0 means the native one; None for a number that is none."""
    return BY_TOKEN.get(token) if token else native()


def signed(token: int) -> int:
    """A token as the binding's constants have it: the same bits in a C `int`."""
    return token - (1 << 32) if token >> 31 else token
