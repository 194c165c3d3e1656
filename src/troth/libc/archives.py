"""Container images that were saved: what `docker save` writes, and OCI layouts, as tar files or as directories."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import stat
import tarfile
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Final, TypeVar

import msgspec

from troth.errors import ParseError, RequestError
from troth.libc.layers import Layer, Layers, Store
from troth.libc.packed import DAMAGED, open_archive, said
from troth.libc.roots import Directory, follow

_MOST_DOCUMENT: Final = 8 << 20
_MOST_NESTED: Final = 4
_INDEXES: Final = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
# Go's names of architectures, which images have.
_ARCHES: Final = {
    "amd64": "x86_64",
    "386": "i386",
    "arm64": "aarch64",
    "arm": "arm",
    "riscv64": "riscv64",
    "ppc64le": "ppc64le",
    "s390x": "s390x",
    "loong64": "loongarch64",
    "mips64le": "mips64el",
}
T = TypeVar("T")


class _Platform(msgspec.Struct):
    architecture: str = ""
    os: str = ""
    variant: str = ""  # of arm, whose images for different ones stand side by side; the first is taken


class _Descriptor(msgspec.Struct):
    digest: str
    mediaType: str = ""  # noqa: N815  # the document's name
    platform: _Platform | None = None
    annotations: dict[str, str] | None = None

    @property
    def tag(self) -> str:
        """What the image is called, if anything: as containerd writes it, or as OCI's specification does."""
        said = self.annotations or {}
        return said.get("io.containerd.image.name") or said.get("org.opencontainers.image.ref.name", "")


class _Index(msgspec.Struct):
    manifests: list[_Descriptor]


class _Manifest(msgspec.Struct):
    layers: list[_Descriptor]


class _Saved(msgspec.Struct):
    """An image of `docker save`."""

    Layers: list[str] | None = None
    RepoTags: list[str] | None = None


@contextlib.contextmanager
def open_image(path: str, arch: str, keep: Callable[[str], bool]) -> Iterator[Layers | None]:
    """The tree of the image in an archive or in the directory of a layout; None for what is neither.

    Of an image for several architectures the one for `arch` is read (troth's name, or empty). `keep` says of which
    paths the contents will be asked for.

    Raises:
        RequestError: it cannot be read, has no image for the architecture, several images, or one without layers.
        ParseError: its documents or layers are not what they should be.
    """
    with _store(path) as store:
        if store is None:
            yield None
            return
        if store.has("oci-layout") and store.has("index.json"):
            layers = _of_layout(store, arch)
        elif store.has("manifest.json"):
            if store.has("version"):  # Docker's older file of that name is one for each layer, below a directory
                raise ParseError(path, "is of skopeo's own form, `dir:`", hint="copy it to `oci:` or `docker-archive:`")
            layers = _of_docker(store)
        else:
            yield None
            return
        if not layers:
            raise RequestError(f"{path}: has an image without layers")
        yield Layers(store, layers, keep)


def _of_docker(store: Store) -> list[Layer]:
    images = _document(store, "manifest.json", list[_Saved])
    if len(images) != 1:
        raise _too_many(store, len(images), (tag for image in images for tag in image.RepoTags or ()))
    names = images[0].Layers or []
    for name in names:
        if not store.has(name):
            raise ParseError(store.where, f"has no layer {name!r}, which its manifest names")
    return [Layer(name, "") for name in names]


def _of_layout(store: Store, arch: str) -> list[Layer]:
    index = _document(store, "index.json", _Index)
    for _ in range(_MOST_NESTED):
        chosen = _chosen(store, index.manifests, arch)
        name = _blob(store, chosen.digest)
        if chosen.mediaType not in _INDEXES:
            layers = _document(store, name, _Manifest, chosen.digest).layers
            return [Layer(_blob(store, layer.digest), layer.digest) for layer in layers]
        index = _document(store, name, _Index, chosen.digest)
    raise ParseError(store.where, "has an index within an index, over and over")


def _chosen(store: Store, manifests: list[_Descriptor], arch: str) -> _Descriptor:
    """The image that is meant, of those of an index."""
    # What signs or describes an image stands beside it, for the platform `unknown`.
    images = [one for one in manifests if one.platform is None or one.platform.os in ("linux", "")]
    arches = {_ARCHES.get(one.platform.architecture, ""): one for one in reversed(images) if one.platform}
    arches.pop("", None)
    if arch and arches and arch not in arches:
        raise RequestError(
            f"{store.where}: has no image for {arch}", hint=f"it has those for {' '.join(sorted(arches))}"
        )
    if not arch and len(arches) > 1:
        names = " ".join(sorted(arches))
        raise RequestError(f"{store.where}: has images for {len(arches)} architectures", hint=f"choose one: {names}")
    if arches:
        (first,) = [arches[arch]] if arch else arches.values()
        images = [one for one in images if one.platform == first.platform]
    different = {one.digest: one for one in images}  # an image with two tags is listed twice
    if len(different) != 1:
        raise _too_many(store, len(different), (one.tag for one in images if one.tag))
    return images[0]


def _too_many(store: Store, number: int, tags: Iterable[str]) -> RequestError:
    """What is said of several images, or none; of their tags the first eight."""
    some = " ".join(itertools.islice(tags, 8))
    return RequestError(
        f"{store.where}: has {number or 'no'} images", hint=f"save one of {some}" if some else "save one"
    )


def _blob(store: Store, digest: str) -> str:
    kind, _, value = digest.partition(":")
    if not (kind.isalnum() and value.isalnum()):
        raise ParseError(store.where, f"has a digest that is none: {digest[:80]!r}")
    name = f"blobs/{kind}/{value}"
    if not store.has(name):
        raise ParseError(store.where, f"has no content for the digest {kind}:{value[:12]}, which it names")
    return name


def _document(store: Store, name: str, kind: type[T], digest: str = "") -> T:
    try:
        with store.open(name) as file:
            data = file.read(_MOST_DOCUMENT + 1)
    except DAMAGED as error:
        raise ParseError(store.where, f"{name} cannot be read: {said(error)}") from None
    if len(data) > _MOST_DOCUMENT:
        raise ParseError(store.where, f"{name} has more than {_MOST_DOCUMENT >> 20} MiB")
    if digest.startswith("sha256:") and hashlib.sha256(data).hexdigest() != digest.partition(":")[2]:
        raise ParseError(store.where, f"{name} has other content than its name says")
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ParseError(store.where, f"{name} is not what it should be: {said(error)}") from None


class _Files:
    """A store in a directory, out of which no link leads."""

    def __init__(self, path: str) -> None:
        self.where = path
        self._tree = Directory(path)

    def has(self, name: str) -> bool:
        """See `Store`."""
        return self._tree.kind(follow(self._tree, name)) == "file"

    def open(self, name: str) -> IO[bytes]:
        """See `Store`."""
        path = os.path.join(self.where, follow(self._tree, name))
        try:
            return open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")
        except OSError as error:
            raise RequestError(f"{path}: {said(error)}") from None


class _Tar:
    """A store in a tar file; `docker save` of old has links in it, which lead to members."""

    def __init__(self, path: str, archive: tarfile.TarFile) -> None:
        self.where = path
        self._archive = archive
        self._names = {name.removeprefix("./"): name for name in archive.getnames()}

    def has(self, name: str) -> bool:
        """See `Store`."""
        return name in self._names

    def open(self, name: str) -> IO[bytes]:
        """See `Store`."""
        try:
            file = self._archive.extractfile(self._names[name])
        except KeyError:  # a link to what is not there
            file = None
        if file is None:
            raise ParseError(self.where, f"has no content for {name!r}")
        return file


@contextlib.contextmanager
def _store(path: str) -> Iterator[Store | None]:
    if os.path.isdir(path):
        yield _Files(path)
        return
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except (OSError, ValueError) as error:
        raise RequestError(f"{path}: {said(error)}") from None
    with contextlib.ExitStack() as opened:
        file = opened.enter_context(open(fd, "rb"))
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise RequestError(f"{path}: is neither a file nor a directory")
        store = None
        try:
            store = _Tar(path, opened.enter_context(open_archive(file, path)))
        except (tarfile.ReadError, tarfile.HeaderError):  # no tar file, packed or not
            pass
        except DAMAGED as error:
            raise ParseError(path, f"is damaged: {said(error)}") from None
        yield store
