"""What is asked about: a FILTER of the command line, read from wherever it stands."""

from __future__ import annotations

import os
import stat
import sys
from typing import TYPE_CHECKING

from troth import abi
from troth._value import Value
from troth.errors import ParseError, RequestError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Final

    from troth.bpf import Program
    from troth.policy import Policy

FORMATS: Final = ("bpf", "oci")  # of a file's content
_MOST: Final = 4 << 20  # bytes; Docker's profile has some 17,000


class Subject(Value):
    """A filter and where it is from: `programs`, the oldest first, or the `policy` that was written down.

    `arches` are those that it is asked about unless others are named, the machine's first; `big_endian` is the order
    in which it reads a call's arguments. `notes` say what was passed over in reading it, a line each.
    """

    __slots__ = ("origin", "programs", "policy", "arches", "big_endian", "notes")
    origin: str
    programs: tuple[Program, ...]
    policy: Policy | None
    arches: tuple[str, ...]
    big_endian: bool
    notes: tuple[str, ...]
    _defaults = {"programs": (), "policy": None, "notes": ()}

    @property
    def meaning(self) -> tuple[Program, ...] | Policy:
        """What proofs are about."""
        return self.programs if self.policy is None else self.policy


def read(
    source: str | os.PathLike[str],
    as_: str | None = None,
    *,
    arches: Iterable[str] | None = None,
    caps: Iterable[str] = (),
    kernel: str | None = None,
    runtime: str = "",
    big_endian: bool | None = None,
) -> Subject:
    """Read a filter.

    `source` is a file, whose format is found by its content unless `as_` names it (`bpf` or `oci`), `-` for standard
    input, `pid:N` for the filters of a process, or `pledge:"PROMISES"`. `arches` names the machine, then the other
    architectures that count; `caps`, `kernel` and `runtime` are for containers' profiles (`oci.resolve`);
    `big_endian` is the byte order of programs that do not show it.

    Raises:
        ParseError: the content is not what its format says.
        RequestError: a source, format or architecture that does not exist; a process without a filter.
        UnsupportedError: a process whose filters may not be read, or that the kernel does not keep.
    """
    text = os.fspath(source)
    wanted = None if arches is None else tuple(arches)
    for name in wanted or ():
        _known(name)
    if as_ is not None and as_ not in FORMATS:
        raise RequestError(f"unknown format `{as_}`", hint="one of " + " ".join(FORMATS))
    if text.startswith("pid:"):
        from troth.formats.live import process

        running = process(text.removeprefix("pid:"))
        return running.replace(arches=wanted) if wanted else running
    if text.startswith("pledge:"):
        return _pledge(text, wanted)
    data = _standard_input() if text == "-" else _content(text)
    where = "standard input" if text == "-" else text
    form = as_ or ("oci" if data.lstrip()[:1] in (b"{", b"[", b'"') else "bpf")
    if form == "oci":
        from troth.formats import oci

        try:
            found = oci.resolve(data, arches=wanted, caps=caps, kernel=kernel, runtime=runtime)
        except ParseError as error:
            raise ParseError(f"{where}: {error.where}", error.problem, hint=error.hint) from None
        order = abi.arch(next(iter(found.policy.sections))).big_endian
        return Subject(where, (), found.policy, tuple(found.policy.sections), order, found.notes)
    return _program(where, data, wanted, big_endian)


def _known(arch: str) -> None:
    try:
        abi.arch(arch)
    except KeyError:
        hint = nearest(arch, abi.ARCHES) or "one of " + " ".join(abi.ARCHES)
        raise RequestError(f"unknown architecture `{arch}`", hint=hint) from None


def _standard_input() -> bytes:
    return _bounded("standard input", sys.stdin.buffer.read(_MOST + 1))


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(_MOST + 1) if stat.S_ISREG(mode) or stat.S_ISFIFO(mode) else None
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or str(error)
        hint = 'FILTER is a file, `-`, `pid:N` or `pledge:"PROMISES"`' if isinstance(error, FileNotFoundError) else ""
        raise RequestError(f"{path}: {problem.lower()}", hint=hint) from None
    if data is None:
        raise RequestError(f"{path}: is not a file")
    return _bounded(path, data)


def _bounded(where: str, data: bytes) -> bytes:
    if len(data) > _MOST:
        raise ParseError(where, f"has more than {_MOST >> 20} MiB, which no filter has")
    if not data:
        raise ParseError(where, "is empty")
    return data


def _pledge(text: str, wanted: tuple[str, ...] | None) -> Subject:
    """The filter of some promises, on a kernel that has all that promises can use."""
    from troth.abi import landlock
    from troth.kernel.probe import Kernel
    from troth.promises.parse import parse
    from troth.sandbox.apply import identity
    from troth.sandbox.plan import Request, judged_arches, plan

    promises = text.removeprefix("pledge:").strip()
    if promises[:1] == promises[-1:] and promises[:1] in ("'", '"') and len(promises) > 1:
        promises = promises[1:-1]
    held = parse(promises)
    arches = wanted or judged_arches(abi.native().name, held)
    for name in arches:
        if name not in abi.ARCHES:
            raise RequestError(f"there are no promises for {name}", hint="one of " + " ".join(abi.ARCHES))
    newest = len(landlock.FS_BY_ABI) - 1
    kernel = Kernel("newest", arches[0], newest, 0, True, frozenset(), frozenset(), None, False, False, ())
    decided = plan(Request(held, None, identity(), arches), kernel)
    told = f"as on a kernel with Landlock ABI {newest}, which judges what is opened; for process {os.getpid()}"
    return Subject(f'pledge:"{promises}"', (), decided.policy(), arches, abi.arch(arches[0]).big_endian, (told,))


def _program(where: str, data: bytes, wanted: tuple[str, ...] | None, big_endian: bool | None) -> Subject:
    from troth.formats.raw import decode

    program, order = decode(data, where, big_endian)
    if wanted:
        asked = wanted
    else:
        native = abi.native()
        foreign = [arch.name for arch in abi.ARCHES.values() if arch.big_endian == order]
        asked = (native.name, *native.companions) if native.big_endian == order else tuple(foreign)
    return Subject(where, (program,), None, asked, order)
