"""The facts of a build as text that shows in a diff what changed, and back.

    build: glibc-2.36                      what was read: the build, its package, each file and its build-id
    ...
    = 3k2fa brk futex mmap                 a set of calls, named by its content
    = 9x0ce 3k2fa + mprotect munmap        another set and some more
    > own openat | more futex | failure 9x0ce | groups locks
      open open64 __open64@@2.34           the functions of which this is true

`more` is what a function can call in the ordinary course besides its `own` calls; a word that is not a call's name is
a set's. A name stands for the default definition in the oldest version that the build has (`version:`), `@` shows
another one, `@@` another one that is the default. Functions that call nothing are in the last row, whose line is only
`>`. Sets are sorted by size, rows by what they say, names by name.
"""

from __future__ import annotations

import hashlib
import textwrap
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from troth._value import Value
from troth.errors import BugError, ParseError, RequestError, nearest
from troth.libc.reach.reached import CLASSES, Reached

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["Origin", "ReachFacts", "builds", "dump", "load", "reach_facts"]

_DIRECTORY: Final = Path(__file__).parent.parent / "data" / "reach"
_WIDTH: Final = 120
_PREFIX: Final = "GLIBC_"
_DIGITS: Final = "0123456789abcdefghjkmnpqrstvwxyz"  # of a set's name, which starts with a digit: no call's does
_SMALL: Final = 6  # calls: a set that is not larger is written where it is used
_HEAD: Final = (
    "# What the functions of a libc can call, read from its code. Made by tools/gen_atlas.py; not to be edited.\n"
)


class Origin(Value):
    """What facts were read from.

    `package` is the name and version of a distribution's package with `sha256` of its file, empty for files that came
    without. `files` maps the names of the files, the libc's first, to their build-ids. `sites` is how many places enter
    the kernel, and `open_sites` those of which the call is not known.
    """

    __slots__ = ("build", "arch", "package", "sha256", "files", "sites", "open_sites")
    build: str
    arch: str
    package: str
    sha256: str
    files: dict[str, str]
    sites: int
    open_sites: tuple[str, ...]

    def __hash__(self) -> int:
        return hash((self.build, self.arch))


class ReachFacts(Value):
    """What each function of a build can call. `functions` has them by `name@version`, the default also by its name."""

    __slots__ = ("origin", "functions")
    origin: Origin
    functions: Mapping[str, Reached]

    def __hash__(self) -> int:
        return hash(self.origin)

    def function(self, name: str) -> Reached:
        """One function, by its name or as `name@version`.

        Raises:
            RequestError: this libc has no such function.
        """
        wanted = name.replace("@@", "@")
        if wanted not in self.functions:
            raise RequestError(
                f"{self.origin.build} on {self.origin.arch} has no function `{name}`",
                hint=nearest(wanted, self.functions, "function"),
            )
        return self.functions[wanted]


def builds() -> tuple[tuple[str, str], ...]:
    """The builds and architectures that facts are at hand for, oldest first, glibc before musl."""
    found = []
    for file in _DIRECTORY.iterdir() if _DIRECTORY.is_dir() else ():
        if file.name.endswith(".txt"):
            build, _, arch = file.name.removesuffix(".txt").rpartition(".")
            found.append((build, arch))
    return tuple(sorted(found, key=lambda one: (_order(one[0]), one[1])))


def _order(build: str) -> tuple[str, list[int]]:
    name, _, version = build.partition("-")
    return name, [int(part) if part.isdigit() else 0 for part in version.split(".")]


@lru_cache(maxsize=64)
def reach_facts(build: str, arch: str) -> ReachFacts:
    """The committed facts of a build, such as `glibc-2.36`, on an architecture.

    Raises:
        RequestError: there are none.
    """
    known = builds()
    if (build, arch) not in known:
        there = [one for one, its_arch in known if its_arch == arch]
        hint = nearest(build, there, "build") or ("one of " + " ".join(there) if there else "")
        raise RequestError(f"nothing is known of {build} on {arch}", hint=hint)
    name = f"{build}.{arch}.txt"
    return load((_DIRECTORY / name).read_text(), name)


def dump(origin: Origin, functions: Iterable[Reached]) -> str:
    """Write facts as text; the same facts are always the same text."""
    some = list(functions)
    base, _ = Counter(one.version for one in some if one.default).most_common(1)[0] if some else ("", 0)
    lines = [f"build: {origin.build}", f"arch: {origin.arch}"]
    if origin.package:
        lines += [f"package: {origin.package}", f"sha256: {origin.sha256}"]
    libc, *others = origin.files.items()
    lines.append(f"build-id: {libc[1]}")
    lines += [f"file: {name} {build_id}".rstrip() for name, build_id in (libc, *others)]
    lines += [f"sites: {origin.sites}", *(f"open: {site}" for site in origin.open_sites), f"version: {base}", ""]
    rows: dict[str, list[str]] = {}
    sets = _Sets()
    for one in some:
        own = one.calls["own"]
        parts = {
            "own": " ".join(sorted(own)),
            "more": sets.words(one.calls["ordinary"] - own),
            **{name: sets.words(one.calls[name]) for name in CLASSES[2:]},
            "groups": " ".join(one.groups),
        }
        text = " | ".join(f"{name} {words}" for name, words in parts.items() if words)
        rows.setdefault(text, []).append(_written(one, base))
    lines += sets.lines()
    for text in sorted(rows, key=lambda text: (not text, text)):
        lines += ["", f"> {text}".rstrip()]
        names = " ".join(sorted(rows[text]))
        lines += textwrap.wrap(
            names, _WIDTH, initial_indent="  ", subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
        )
    return _HEAD + "\n".join(lines) + "\n"


def _written(one: Reached, base: str) -> str:
    if one.version == base and one.default:
        return one.name
    version = one.version.removeprefix(_PREFIX)
    if not version:
        return one.name if not base else f"{one.name}@@"
    return f"{one.name}{'@@' if one.default else '@'}{version}"


class _Sets:
    """The sets of a text, each named by its content."""

    def __init__(self) -> None:
        self._names: dict[frozenset[str], str] = {}

    def words(self, calls: frozenset[str]) -> str:
        """A set where it is used: its calls if they are few, else its name."""
        if len(calls) <= _SMALL:
            return " ".join(sorted(calls))
        if calls not in self._names:
            number = int.from_bytes(hashlib.sha256(" ".join(sorted(calls)).encode()).digest()[:8], "big")
            name = str(number % 10)
            number //= 10
            for _ in range(4):
                name += _DIGITS[number % 32]
                number //= 32
            if name in self._names.values():
                raise BugError(f"two sets of calls are called {name}")
            self._names[calls] = name
        return self._names[calls]

    def lines(self) -> Iterator[str]:
        """The sets, each as the largest smaller one that it has all of, and the rest."""
        ordered = sorted(self._names, key=lambda calls: (len(calls), sorted(calls)))
        for at, calls in enumerate(ordered):
            inner = max((one for one in ordered[:at] if one < calls), key=len, default=frozenset[str]())
            start = f"{self._names[inner]} + " if inner else ""
            yield f"= {self._names[calls]} {start}{' '.join(sorted(calls - inner))}"


def load(text: str, where: str = "facts") -> ReachFacts:
    """Read facts.

    Raises:
        ParseError: the text is not what `dump` writes.
    """
    reader = _Reader(where)
    for number, line in enumerate(text.splitlines(), 1):
        try:
            reader.line(line)
        except (KeyError, ValueError) as error:
            raise ParseError(f"{where}:{number}", f"means nothing: {error}") from None
    return reader.facts()


class _Reader:
    def __init__(self, where: str) -> None:
        self._where = where
        self._head: dict[str, list[str]] = {}
        self._sets: dict[str, frozenset[str]] = {}
        self._row: tuple[dict[str, frozenset[str]], tuple[str, ...]] | None = None
        self._functions: dict[str, Reached] = {}

    def line(self, line: str) -> None:
        """Take one line."""
        if not line or line.startswith("#"):
            return
        if line.startswith("= "):
            name, *words = line[2:].split(" ")
            self._sets[name] = self._calls([word for word in words if word != "+"])
        elif line.startswith(">"):
            self._row = self._meaning(line[1:].strip())
        elif line.startswith("  "):
            for word in line.split():
                self._add(word)
        else:
            key, separator, value = line.partition(": ")
            if not separator and not line.endswith(":"):
                raise ValueError(line)
            self._head.setdefault(key.rstrip(":"), []).append(value)

    def _calls(self, words: Iterable[str]) -> frozenset[str]:
        found: set[str] = set()
        for word in words:
            if word[0].isdigit():
                found |= self._sets[word]
            else:
                found.add(word)
        return frozenset(found)

    def _meaning(self, text: str) -> tuple[dict[str, frozenset[str]], tuple[str, ...]]:
        parts = {}
        for part in text.split(" | ") if text else ():
            name, _, words = part.partition(" ")
            parts[name] = words.split()
        groups = tuple(parts.pop("groups", ()))
        more = self._calls(parts.pop("more", ()))
        calls = {name: self._calls(parts.pop(name, ())) for name in CLASSES if name != "ordinary"}
        calls["ordinary"] = calls["own"] | more
        if parts:
            raise ValueError(next(iter(parts)))
        return calls, groups

    def _add(self, word: str) -> None:
        if self._row is None:
            raise ValueError(word)
        name, _, version = word.partition("@")
        default = not version or version.startswith("@")
        version = version.removeprefix("@")
        if "@" not in word:
            version = self._head["version"][0]
        elif version:
            version = version if version.startswith("GCC") else _PREFIX + version
        calls, groups = self._row
        found = Reached(name, version, default, calls, groups)
        self._functions[found.key] = found
        if default:
            self._functions[name] = found

    def facts(self) -> ReachFacts:
        """All that was read."""
        head = self._head
        for key in ("build", "arch", "sites", "version"):
            if key not in head:
                raise ParseError(self._where, f"has no line `{key}:`")
        files = {line.partition(" ")[0]: line.partition(" ")[2] for line in head.get("file", ())}
        origin = Origin(
            head["build"][0],
            head["arch"][0],
            "".join(head.get("package", ())),
            "".join(head.get("sha256", ())),
            files,
            int(head["sites"][0]),
            tuple(head.get("open", ())),
        )
        return ReachFacts(origin, self._functions)
