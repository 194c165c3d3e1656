"""Arguments of system calls by name: where they are, and how wide the kernel takes them."""

from __future__ import annotations

from troth import abi
from troth._value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

# Names of the manual pages, and what the kernel's sources call the same argument. A name stands for an argument
# when the call has exactly one of the kernel's names beside it.
ALIASES: Final = {
    # files
    "dirfd":       ("dfd", "fd"),
    "olddirfd":    ("olddfd",),
    "newdirfd":    ("newdfd",),
    "pathname":    ("filename", "name", "path", "fname", "dir_name"),
    "path":        ("filename", "pathname", "name"),
    "oldpath":     ("oldname", "old"),
    "newpath":     ("newname", "new"),
    "target":      ("dir_name", "oldname", "name"),
    "source":      ("dev_name",),
    "filesystemtype": ("type",),
    "mountflags":  ("flags",),
    "flags":       ("clone_flags", "unshare_flags", "flag", "semflg", "shmflg", "msgflg"),
    "pipefd":      ("fildes",),
    "oldfd":       ("fildes",),
    "owner":       ("user",),
    "request":     ("cmd",),
    "op":          ("cmd", "request", "option"),
    "cmd":         ("op", "request", "option"),
    "operation":   ("cmd", "op", "option", "request"),
    "size":        ("len", "count"),
    "length":      ("len", "len_in", "count"),
    "len":         ("count", "size", "len_in"),
    "count":       ("len", "size", "nbytes", "vlen"),
    "iovcnt":      ("vlen",),
    "offset":      ("off", "pos", "pgoff"),
    # memory
    "addr":        ("start", "uaddr", "shmaddr"),
    "advice":      ("behavior",),
    # processes and signals
    "signum":      ("sig",),
    "pid":         ("upid",),
    "idtype":      ("which",),
    "persona":     ("personality",),
    "clockid":     ("which_clock",),
    "nstype":      ("flags",),
    "sockfd":      ("fd",),
    "domain":      ("family",),
    "how":         ("cmd",),
    "futex_op":    ("op",),
    "uaddr":       ("addr",),
    "fd":          ("fildes", "ufd", "dfd"),
}  # fmt: skip

# Names that mean the same in every call.
_PLACES: Final = {f"{word}{index}": index for word in ("arg", "a") for index in range(6)}


class Argument(Value):
    """An argument of a call: `index` 0 to 5, `width` 32 or 64 bits, `signed`, the kernel's `name` or `arg0` to `arg5`.

    Index 6 is `ip`, the instruction pointer at the call.

    The width is that of the kernel's type: of an `int` it never sees the upper half. On a 32-bit architecture
    registers have no more. prctl(2) and keyctl(2) count their arguments from 1: what the kernel calls `arg2` there is
    `a1` here, and `arg2` is nothing, because half of the readers would take it for the wrong one.
    """

    __slots__ = ("index", "name", "width", "signed")
    index: int
    name: str
    width: int
    signed: bool


def arguments(arch: str, nr: int) -> tuple[Argument, ...]:
    """Give the six arguments of a call, and `ip`; those that the kernel does not declare are as wide as a register.

    >>> arguments("x86_64", 257)[2]
    Argument(index=2, name='flags', width=32, signed=True)

    Raises:
        KeyError: no such architecture.
    """
    bits = abi.arch(arch).bits
    declared = _declared(arch).get(nr, "").split()
    found = []
    for index in range(6):
        name, _, kind = declared[index].partition(":") if index < len(declared) else (f"arg{index}", "", "u64")
        if name in _PLACES and _PLACES[name] != index:
            name = f"a{index}"
        found.append(Argument(index, name, min(bits, 32 if kind in ("i32", "u32") else 64), kind in ("i32", "i64")))
    found.append(Argument(6, "ip", bits, False))
    return tuple(found)


def named(known: tuple[Argument, ...], name: str) -> Argument | None:
    """The argument that a name stands for: the kernel's own, `arg0` to `arg5` (`a0` to `a5`), or a manual page's."""
    own = [argument for argument in known if argument.name == name]
    if not own:
        own = [argument for argument in known if argument.name in ALIASES.get(name, ())]
    if len(own) == 1:
        return own[0]
    place = _PLACES.get(name)
    if place is None or (name.startswith("arg") and any(argument.name == f"a{argument.index}" for argument in known)):
        return None
    return known[place]


def sayable(known: tuple[Argument, ...]) -> list[str]:
    """All names by which these arguments can be called, the kernel's first."""
    own = [argument.name for argument in known]
    return own + [name for name in (*ALIASES, *_PLACES) if name not in own and named(known, name) is not None]


_tables: Final[dict[str, dict[int, str]]] = {}


def _declared(arch: str) -> dict[int, str]:
    found = _tables.get(arch)
    if found is None:
        rows = abi.table(arch) if arch in abi.ARCHES else ()
        found = _tables[arch] = {nr: args for nr, _, _, args in rows}
    return found
