"""The tree of files that the layers of a container image make; nothing is unpacked.

Each layer is a tar file. Its files take the place of those below; `.wh.NAME` takes NAME away, and `.wh..wh..opq` all
that is in its directory from below. Only what is asked for is read out of a layer, so nothing is ever written where a
member's name says, and a link that leads out finds nothing there.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Final, NamedTuple, Protocol

from troth.errors import ParseError
from troth.libc.packed import DAMAGED, Member, members, said
from troth.libc.roots import LARGEST

_MOST_MEMBERS: Final = 2_000_000
_MOST_KEPT: Final = 256 << 20  # bytes of contents
_WHITEOUT: Final = ".wh."
_OPAQUE: Final = ".wh..wh..opq"
_DIGESTS: Final = ("sha256", "sha512")


class Store(Protocol):
    """The files that an image is written as: those of a directory, or of a tar file."""

    where: str

    def has(self, name: str) -> bool:
        """Whether there is such a file."""

    def open(self, name: str) -> IO[bytes]:
        """Its content."""


class Layer(NamedTuple):
    """A layer's name in its store, and the digest that it must have, empty when nobody says."""

    name: str
    digest: str


class _Entry(NamedTuple):
    """What is at a path: its kind, the layer that has it, its path there, and what a link says."""

    kind: str
    layer: int
    path: str
    target: str = ""


class Layers:
    """The tree of an image; see `roots.Tree`."""

    def __init__(self, store: Store, layers: Iterable[Layer], keep: Callable[[str], bool]) -> None:
        """Read what is in the layers; the contents that `keep` says of a path are kept, not to read a layer twice.

        Raises:
            ParseError: a layer is damaged, is not what its digest says, or has a member that leads out of the image.
        """
        self.where = store.where
        self._store = store
        self._layers = tuple(layers)
        self._entries = {"": _Entry("directory", -1, "")}
        self._children: dict[str, set[str]] = {}
        self._members = 0
        self._keep = keep
        self._kept: dict[tuple[int, str], bytes] = {}
        self._room = _MOST_KEPT
        for number, layer in enumerate(self._layers):
            self._verify(layer)
            self._apply(number, layer)

    def kind(self, path: str) -> str:
        """See `roots.Tree`."""
        entry = self._entries.get(path)
        return entry.kind if entry else ""

    def link(self, path: str) -> str:
        """See `roots.Tree`."""
        return self._entries[path].target

    def names(self, path: str) -> list[str]:
        """See `roots.Tree`."""
        return sorted(self._children.get(path, ()))

    def contents(self, paths: Iterable[str]) -> dict[str, bytes]:
        """See `roots.Tree`; each layer is read once."""
        wanted: dict[int, dict[str, list[str]]] = {}
        found = {}
        for path in paths:
            entry = self._entries[path]
            kept = self._kept.get((entry.layer, entry.path))
            if kept is not None:
                found[path] = kept
            else:
                wanted.setdefault(entry.layer, {}).setdefault(entry.path, []).append(path)
        for number, here in wanted.items():
            for member in self._members_of(self._layers[number]):
                for path in here.get(_path(member.info.name) or "", ()):
                    if member.info.size > LARGEST:
                        raise ParseError(self.where, f"has a library of more than {LARGEST >> 20} MiB, /{path}")
                    found[path] = member.content()
        return found

    def _verify(self, layer: Layer) -> None:
        if not layer.digest:
            return
        kind, _, value = layer.digest.partition(":")
        if kind not in _DIGESTS:
            raise ParseError(self.where, f"has a layer with a digest of the unknown kind `{kind[:20]}`")
        try:
            with self._store.open(layer.name) as file:
                found = hashlib.file_digest(file, kind).hexdigest()  # type: ignore[arg-type]  # a file of bytes
        except DAMAGED as error:
            raise ParseError(self.where, f"has a layer that is damaged: {said(error)}") from None
        if found != value:
            problem = f"has a layer {value[:12]} whose content has the {kind} {found[:12]}"
            raise ParseError(self.where, problem, hint="the image is damaged or was changed; save it again")

    def _apply(self, number: int, layer: Layer) -> None:
        """Put a layer over those below; its whiteouts are for those, wherever in it they stand."""
        added: dict[str, _Entry] = {}
        for member in self._members_of(layer):
            self._members += 1
            if self._members > _MOST_MEMBERS:
                raise ParseError(self.where, f"has more than {_MOST_MEMBERS} files")
            path = _path(member.info.name)
            if path is None:
                raise ParseError(self.where, f"has a member that leads out of the image: {member.info.name!r}")
            directory, _, last = path.rpartition("/")
            if last == _OPAQUE:
                self._remove_below(directory)
            elif last.startswith(_WHITEOUT):
                self._remove(f"{directory}/{last.removeprefix(_WHITEOUT)}".lstrip("/"))
            elif path:
                added[path] = self._entry(number, path, member.info, added)
                if member.info.isreg() and member.info.size <= self._room and self._keep(path):
                    self._room -= member.info.size
                    self._kept[number, path] = member.content()
        for path, entry in added.items():
            self._add(path, entry)

    def _entry(self, number: int, path: str, member: tarfile.TarInfo, added: dict[str, _Entry]) -> _Entry:
        if member.isdir():
            return _Entry("directory", number, path)
        if member.issym():
            return _Entry("link", number, path, member.linkname)
        if member.islnk():  # another name of a file of this layer, or of one below
            target = _path(member.linkname)
            if target is None:
                said = f"{member.name!r}, a link to {member.linkname!r}"
                raise ParseError(self.where, f"has a member that leads out of the image: {said}")
            return added.get(target) or self._entries.get(target) or _Entry("other", number, path)
        return _Entry("file" if member.isreg() else "other", number, path)

    def _add(self, path: str, entry: _Entry) -> None:
        if entry.kind != "directory":
            self._remove_below(path)
        self._entries[path] = entry
        while path:
            directory, _, last = path.rpartition("/")
            children = self._children.setdefault(directory, set())
            if last in children:
                return
            children.add(last)
            if directory not in self._entries:  # one that no layer lists
                self._entries[directory] = _Entry("directory", entry.layer, directory)
            path = directory

    def _remove(self, path: str) -> None:
        self._remove_below(path)
        if path:
            self._entries.pop(path, None)
            directory, _, last = path.rpartition("/")
            self._children.get(directory, set()).discard(last)

    def _remove_below(self, path: str) -> None:
        left = [path]
        while left:
            directory = left.pop()
            for name in self._children.pop(directory, ()):
                inside = f"{directory}/{name}".lstrip("/")
                self._entries.pop(inside, None)
                left.append(inside)

    def _members_of(self, layer: Layer) -> Iterator[Member]:
        with self._store.open(layer.name) as file:
            yield from members(file, self.where)


def _path(name: str) -> str | None:
    """A member's name as a path of the tree; None when it leads out."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    return None if ".." in parts else "/".join(parts)
