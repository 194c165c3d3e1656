"""Read the tables of recorded facts: one fact a line, in columns that two spaces or more keep apart.

Everything that a row says is checked here, so that a slip of the pen is told with its line and not found years later.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

from troth import abi
from troth.errors import ParseError
from troth.libc.probe import text
from troth.libc.probe.facts import Seen

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import NoReturn

OUTCOMES = ("same", "other", "fails", "aborts", "hangs")
TWIN = Seen("twin")  # in place of what is called then: the call with 32-bit times

FAILS = "!"  # in place of calls: none, and the function fails

# A function and its variant; a variant is empty where the plain function is meant.
Name = tuple[str, str]


class State(NamedTuple):
    """From a version on, these functions make these calls, until the next state of the topic; or fail without."""

    maker: str
    since: str
    arch: str
    source: str
    functions: tuple[Name, ...]
    calls: tuple[Seen, ...]
    fails: bool


class Fate(NamedTuple):
    """What becomes of functions when a call is refused; `errno` is `ENOSYS` or `any`."""

    maker: str
    since: str
    errno: str
    outcome: str
    source: str
    call: Seen
    functions: tuple[Name, ...]
    then: tuple[Seen, ...]


class Form(NamedTuple):
    """What becomes of a call on architectures: `arch` names them, or says `absent`, `ipc` or `socketcall`."""

    arch: str
    source: str
    call: Seen
    becomes: Seen | None


class Twin(NamedTuple):
    """A value of an argument that gives no more power than another one of the same call."""

    since: str
    source: str
    call: str
    role: str
    value: str
    as_: str


class ReadError(ParseError):
    """A row of the recorded facts that says nothing."""


@lru_cache(maxsize=2048)
def version_key(version: str) -> tuple[int, ...]:
    """Order versions of anything: 2.6 < 2.6.11 < 6.9 < 6.10, and 1.1.1 < 1.1.1d.

    >>> version_key("1.1.1c") < version_key("1.1.1d") < version_key("1.1.2")
    True
    """
    found = []
    for digits, letter in re.findall(r"(\d+)|([a-z])", version):
        found.append(int(digits) if digits else ord(letter) - ord("a") + 1)
    return tuple(found)


@lru_cache(maxsize=1)
def states() -> tuple[tuple[State, ...], ...]:
    """All topics: the states of the same functions, in order."""
    topics: dict[tuple[str, tuple[Name, ...]], list[list[State]]] = {}
    for name in ("timeline", "timeline-runtimes"):
        for where, cells in _rows(name, 6):
            maker, since, arch, source, functions, calls = cells
            _check_arch(where, arch)
            made = () if calls == FAILS else _calls(where, calls)
            state = State(maker, since, arch, source, _names(where, functions), made, calls == FAILS)
            runs = topics.setdefault((maker, state.functions), [])
            if not runs or version_key(since) < version_key(runs[-1][-1].since):
                runs.append([])
            runs[-1].append(state)
    return tuple(tuple(run) for runs in topics.values() for run in runs)


@lru_cache(maxsize=1)
def fates() -> tuple[Fate, ...]:
    """What becomes of functions when a call is refused."""
    found = []
    for where, cells in _rows("timeline-refused", 8):
        maker, since, errno, outcome, source, call, functions, then = cells
        if errno not in ("ENOSYS", "any") or outcome not in OUTCOMES:
            _bad(where, f"`{errno} {outcome}` is no refusal and its outcome")
        calls = (TWIN,) if then == "twin" else _calls(where, then)
        refused = Seen(call) if "*" in call else _call(where, call)
        found.append(Fate(maker, since, errno, outcome, source, refused, _names(where, functions), calls))
    return tuple(found)


@lru_cache(maxsize=1)
def forms() -> dict[str, tuple[Form, ...]]:
    """What becomes of calls on other architectures, by the call's name."""
    found: dict[str, tuple[Form, ...]] = {}
    for where, cells in _rows("timeline-arches", 4):
        arch, source, call, becomes = cells
        if arch not in ("absent", "ipc", "socketcall"):
            _check_arch(where, arch)
        form = Form(arch, source, _call(where, call), None if becomes == "-" else _call(where, becomes))
        found[form.call.name] = (*found.get(form.call.name, ()), form)
    return found


@lru_cache(maxsize=1)
def twins() -> tuple[Twin, ...]:
    """Values of arguments that give no more power than another one."""
    return tuple(Twin(*cells) for _, cells in _rows("timeline-twins", 6))


def fits(arch: str, on: str) -> int:
    """Whether a row is about an architecture: 0 if not, else the more the more particular the row is.

    >>> fits("all", "arm"), fits("32-bit", "arm"), fits("x86", "arm"), fits("i386,arm", "arm")
    (1, 2, 0, 3)
    """
    if arch == "all":
        return 1
    if arch in ("64-bit", "32-bit"):
        return 2 if f"{abi.arch(on).bits}-bit" == arch and on != "x32" else 0
    if arch == "x86":
        return 3 if on in ("x86_64", "i386", "x32") else 0
    return 3 if on in arch.split(",") else 0


def _rows(name: str, columns: int) -> Iterator[tuple[str, list[str]]]:
    path = f"data/{name}.txt"
    content = files("troth.libc").joinpath(path).read_text("utf-8")
    for number, line in enumerate(content.splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        cells = re.split(r" {2,}", line)
        where = f"{path}, line {number}"
        if len(cells) != columns or not all(cells):
            _bad(where, f"has {len(cells)} columns where {columns} belong")
        yield where, cells


def _names(where: str, functions: str) -> tuple[Name, ...]:
    """`stat (malloc)/arenas`, or names with spaces in parentheses, as (function, variant)."""
    found = []
    for word in re.findall(r"\([^()]*\)\S*|\S+", functions):
        function, _, variant = word.partition("/")
        if not function:
            _bad(where, f"`{word}` names no function")
        found.append((function, variant))
    return tuple(found)


def _calls(where: str, calls: str) -> tuple[Seen, ...]:
    return () if calls == "-" else tuple(_call(where, part) for part in calls.split("; "))


def _call(where: str, words: str) -> Seen:
    try:
        found = text.call(words)
    except ValueError as error:
        _bad(where, str(error))
    if not any(found.name in abi.numbers(arch) for arch in abi.ARCHES):
        _bad(where, f"no architecture has a call `{found.name}`")
    return found


def _check_arch(where: str, arch: str) -> None:
    if arch not in ("all", "64-bit", "32-bit", "x86") and not set(arch.split(",")) <= set(abi.ARCHES):
        _bad(where, f"`{arch}` is no architecture")


def _bad(where: str, problem: str) -> NoReturn:
    raise ReadError(where, problem)
