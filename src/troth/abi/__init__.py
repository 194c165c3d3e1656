"""What the kernel is: architectures, system call tables, constants, Landlock's versions.

`_<arch>.py` and `_flags.py` are generated (`tools/gen_abi.py`); the rest reads them.

- here: `ARCHES`, `native`, and the tables by number and by name;
- `others`: architectures that only filters are written for;
- `flags`: constants of the kernel's headers, per architecture;
- `landlock`: access rights and what each ABI added;
- `multiplex`: calls behind one number, and twins with 64-bit times.

Nothing here asks the running kernel, save `native()`.
"""

from __future__ import annotations

import os
import sys

from troth._value import Value
from troth.errors import UnsupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    Rows = tuple[tuple[int, str, str, str], ...]

__all__ = ("ARCHES", "Arch", "Syscall", "X32_BIT", "arch", "name_of", "names", "native", "numbers", "syscall", "table")


class Arch(Value):
    """An architecture as a filter sees it.

    `audit` is its AUDIT_ARCH_* value, `bits` the width of a register (x32's are 64 bits wide),
    `nr_mask_bit` the bit that is set in all its numbers, `companions` the other
    architectures of this package whose calls a kernel of this one also takes.
    """

    __slots__ = ("name", "audit", "bits", "big_endian", "nr_mask_bit", "companions")
    name: str
    audit: int
    bits: int
    big_endian: bool
    nr_mask_bit: int
    companions: tuple[str, ...]
    _defaults = {"big_endian": False, "nr_mask_bit": 0, "companions": ()}


class Syscall(Value):
    """One system call of one architecture; `args` are (name, kind) as the kernel declares them.

    `since` is the kernel version with which the call appeared. For calls older than the
    architecture it is the call's own; a kernel that lacks the architecture is not asked.
    A kind is `i32 u32 i64 u64 ptr`. A number that is reserved without a call has no arguments.
    """

    __slots__ = ("nr", "name", "since", "args")
    nr: int
    name: str
    since: str
    args: tuple[tuple[str, str], ...]


# The audit values are AUDIT_ARCH_* of linux/audit.h: machine | 0x80000000 (64-bit) | 0x40000000 (little-endian).
ARCHES: Final = {
    "x86_64":      Arch("x86_64",      0xC000003E, 64, companions=("i386", "x32")),
    "x32":         Arch("x32",         0xC000003E, 64, nr_mask_bit=0x40000000),
    "i386":        Arch("i386",        0x40000003, 32),
    "aarch64":     Arch("aarch64",     0xC00000B7, 64, companions=("arm",)),
    "arm":         Arch("arm",         0x40000028, 32),
    "riscv64":     Arch("riscv64",     0xC00000F3, 64),
    "ppc64le":     Arch("ppc64le",     0xC0000015, 64),
    "s390x":       Arch("s390x",       0x80000016, 64, big_endian=True),
    "loongarch64": Arch("loongarch64", 0xC0000102, 64),
    "mips64el":    Arch("mips64el",    0xC0000008, 64),
}  # fmt: skip

# What tells a call of x32 from one of x86_64, which have one AUDIT_ARCH value: __X32_SYSCALL_BIT of
# arch/x86/include/uapi/asm/unistd.h.
X32_BIT: Final = 0x40000000

# uname(2) names the kernel's machine; a 32-bit interpreter speaks another architecture to it.
_MACHINES: Final = {
    "x86_64": ("x86_64", "i386"), "i686": ("", "i386"), "i586": ("", "i386"), "i386": ("", "i386"),
    "aarch64": ("aarch64", "arm"), "armv8l": ("aarch64", "arm"), "armv7l": ("", "arm"), "armv6l": ("", "arm"),
    "riscv64": ("riscv64", ""), "ppc64le": ("ppc64le", ""), "s390x": ("s390x", ""), "loongarch64": ("loongarch64", ""),
    "mips64": ("mips64el", ""),
}  # fmt: skip

_tables: Final[dict[str, Rows]] = {}
_numbers: Final[dict[str, dict[str, int]]] = {}
_names: Final[dict[str, dict[int, str]]] = {}


def name_of(audit: int, nr: int = 0) -> str:
    """Name the architecture that a call is of, of `ARCHES`; empty when it is none of them.

    >>> name_of(0xC000003E, 0x40000001)
    'x32'
    """
    for name, found in ARCHES.items():
        if found.audit == audit and found.nr_mask_bit == (nr & twin_bit(found)):
            return name
    return ""


def twin_bit(arch: Arch) -> int:
    """The bit of a number that tells an architecture from another with the same AUDIT_ARCH value; 0 without such."""
    return X32_BIT if arch.name in ("x86_64", "x32") else 0


def native() -> Arch:
    """Give the architecture whose system calls this interpreter makes.

    Raises:
        UnsupportedError: there is no table for it.
    """
    machine = os.uname().machine
    wide, narrow = _MACHINES.get(machine, ("", ""))
    name = wide if sys.maxsize > 0xFFFFFFFF else narrow
    if name == "i386" and getattr(sys.implementation, "_multiarch", "").endswith("x32"):
        name = "x32"
    if not name or ARCHES[name].big_endian != (sys.byteorder == "big"):
        have = f"{machine}, {'64' if sys.maxsize > 0xFFFFFFFF else '32'}-bit {sys.byteorder}-endian"
        raise UnsupportedError("system call table", needs="one of " + " ".join(ARCHES), have=have)
    return ARCHES[name]


def arch(name: str) -> Arch:
    """Give an architecture, of `ARCHES` or of `others.ARCHES`.

    >>> arch("m68k").big_endian
    True

    Raises:
        KeyError: no such architecture.
    """
    found = ARCHES.get(name)
    if found is None:
        from troth.abi import others

        found = others.ARCHES[name]
    return found


def table(arch_name: str) -> Rows:
    """Give the rows (number, name, since, arguments) of an architecture, by number.

    Raises:
        KeyError: no such architecture.
    """
    rows = _tables.get(arch_name)
    if rows is None:
        ARCHES[arch_name]  # only names of ours become names of modules
        rows = _tables[arch_name] = __import__(f"troth.abi._{arch_name}", fromlist=("SYSCALLS",)).SYSCALLS
    return rows


def numbers(arch_name: str) -> dict[str, int]:
    """Give the number of every name of an architecture; shared, not to be changed.

    Raises:
        KeyError: no such architecture.
    """
    found = _numbers.get(arch_name)
    if found is None:
        found = _numbers[arch_name] = {row[1]: row[0] for row in table(arch_name)}
    return found


def names(arch_name: str) -> dict[int, str]:
    """Give the name of every number of an architecture; shared, not to be changed.

    Raises:
        KeyError: no such architecture.
    """
    found = _names.get(arch_name)
    if found is None:
        found = _names[arch_name] = {row[0]: row[1] for row in table(arch_name)}
    return found


def syscall(arch_name: str, name_or_nr: str | int) -> Syscall:
    """Give one system call, by name or by number.

    >>> syscall("s390x", "clone").args[0]        # elsewhere the flags come first
    ('newsp', 'u64')
    >>> syscall("x86_64", 437)
    Syscall(nr=437, name='openat2', since='5.6', args=(('dfd', 'i32'), ('filename', 'ptr'), ('how', 'ptr'), ('usize', 'u64')))

    Raises:
        KeyError: no such architecture, or no such call there.
    """
    column = 1 if isinstance(name_or_nr, str) else 0
    for row in table(arch_name):
        if row[column] == name_or_nr:
            nr, name, since, args = row
            pairs = tuple((word.split(":")[0], word.split(":")[1]) for word in args.split())
            return Syscall(nr, name, since, pairs)
    raise KeyError(name_or_nr)
