"""Saved images: layers one over the other, and everything that a hostile or damaged archive can try."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest
from conftest import needs
from libc_files import docker_files, glibc, layer, layout_files, musl, plant, saved

from troth.errors import ParseError, RequestError
from troth.libc import layers, packed
from troth.libc.archives import open_image
from troth.libc.identify import resolve

LIBC = "usr/lib/x86_64-linux-gnu/libc.so.6"
BASE = layer({"lib": "usr/lib", "bin/sh": b"#!", LIBC: glibc("2.31"), "etc/motd": b"hello", "etc/more/deep": b""})


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    path = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("TROTH_CACHE", str(path))
    return path


def paths(files: dict[str, bytes], where: Path) -> dict[str, str]:
    """All paths of an image, with their kinds."""
    found, left = {}, [""]
    with open_image(str(saved(where / "image.tar", files)), "", lambda _: False) as tree:
        assert tree is not None
        while left:
            path = left.pop()
            for name in tree.names(path):
                below = f"{path}/{name}".lstrip("/")
                found[below] = tree.kind(below)
                left.append(below)
    return found


def test_the_libc_of_what_docker_saved_is_found_and_kept(tmp_path: Path, cache: Path) -> None:
    image = saved(tmp_path / "image.tar", docker_files([BASE, layer({LIBC: glibc("2.36")})]))
    found = resolve(str(image))
    assert (found.name, found.arch, found.root) == ("glibc-2.36", "x86_64", "")
    (path,) = found.objects
    assert path.startswith(str(cache / "images"))
    assert Path(path).read_bytes() == glibc("2.36")
    assert resolve(str(image)).objects == found.objects


@pytest.mark.parametrize("form", ["archive", "directory"])
@pytest.mark.parametrize("packed", [True, False])
def test_an_oci_layout_is_read_as_an_archive_and_as_a_directory(tmp_path: Path, form: str, packed: bool) -> None:
    files = layout_files({"amd64": [BASE, layer({LIBC: glibc("2.41")})]}, packed=packed)
    place = saved(tmp_path / "image", files) if form == "archive" else plant(tmp_path / "image", files)
    assert resolve(str(place)).name == "glibc-2.41"


def test_an_image_for_several_architectures_needs_one_to_be_named(tmp_path: Path) -> None:
    files = layout_files({"amd64": [BASE], "arm64": [layer({"lib/ld-musl-aarch64.so.1": musl(arch="aarch64")})]})
    image = str(saved(tmp_path / "image.tar", files))
    assert resolve(image, arch="aarch64").name == "musl-1.2.5"
    assert resolve(image, arch="x86_64").name == "glibc-2.31"
    with pytest.raises(RequestError, match="has images for 2 architectures") as caught:
        resolve(image)
    assert caught.value.hint == "choose one: aarch64 x86_64"
    with pytest.raises(RequestError, match="has no image for s390x") as caught:
        resolve(image, arch="s390x")
    assert caught.value.hint == "it has those for aarch64 x86_64"


@pytest.mark.parametrize("with_platform", [True, False])
def test_an_image_with_two_tags_is_one_and_of_two_images_the_tags_are_told(tmp_path: Path, with_platform: bool) -> None:
    def tagged(files: dict[str, bytes], tag: str) -> dict[str, object]:
        entry: dict[str, object] = json.loads(files["index.json"])["manifests"][0]
        return entry | {"annotations": {"org.opencontainers.image.ref.name": tag}}

    one, other = layout_files({"amd64": [BASE]}), layout_files({"amd64": [BASE, layer({LIBC: glibc("2.36")})]})
    twice = {"manifests": [tagged(one, "1.0"), tagged(one, "latest")]}
    image = saved(tmp_path / "one.tar", one | {"index.json": json.dumps(twice).encode()})
    assert resolve(str(image)).name == "glibc-2.31"

    entries = [tagged(one, "1.0"), tagged(other, "2.0")]
    if not with_platform:
        for entry in entries:
            del entry["platform"]
    image = saved(tmp_path / "two.tar", one | other | {"index.json": json.dumps({"manifests": entries}).encode()})
    with pytest.raises(RequestError, match="has 2 images") as caught:
        resolve(str(image))
    assert caught.value.hint == "save one of 1.0 2.0"


def test_an_index_within_an_index_is_followed_and_not_for_ever(tmp_path: Path) -> None:
    files = layout_files({"amd64": [BASE]})
    inner = files["index.json"]

    def nest(index: bytes) -> bytes:
        import hashlib

        digest = hashlib.sha256(index).hexdigest()
        files[f"blobs/sha256/{digest}"] = index
        kind = "application/vnd.oci.image.index.v1+json"
        return json.dumps({"manifests": [{"digest": f"sha256:{digest}", "mediaType": kind}]}).encode()

    files["index.json"] = nest(inner)
    assert resolve(str(saved(tmp_path / "image.tar", files))).name == "glibc-2.31"
    for _ in range(5):
        files["index.json"] = nest(files["index.json"])
    with pytest.raises(ParseError, match="has an index within an index"):
        resolve(str(saved(tmp_path / "image.tar", files)))


@pytest.mark.parametrize("keeps", [True, False], ids=["kept", "read again"])
def test_contents_are_the_same_whether_or_not_they_were_kept(tmp_path: Path, keeps: bool) -> None:
    twice = layer({"a": b"first", "b": b"other"})[:-10240] + layer({"a": b"second"})
    files = docker_files([BASE, twice, layer({"b": b"upper"}, links={"c": "etc/motd"})])
    with open_image(str(saved(tmp_path / "image.tar", files)), "", lambda _: keeps) as tree:
        assert tree is not None
        assert tree.contents(["a", "b", "c", LIBC]) == {
            "a": b"second",
            "b": b"upper",
            "c": b"hello",
            LIBC: glibc("2.31"),
        }


def test_a_search_of_an_image_reads_each_layer_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = LIBC.removesuffix("libc.so.6")
    files: dict[str, bytes | str | None] = {
        LIBC: "libc-2.31.so",
        f"{directory}libc-2.31.so": glibc("2.31"),
        f"{directory}ld-linux-x86-64.so.2": "ld-2.31.so",
        f"{directory}ld-2.31.so": b"\x7fELF",
        f"{directory}libpthread.so.0": "libpthread-2.31.so",
        f"{directory}libpthread-2.31.so": b"\x7fELF",
        "bin/sh": "dash",
        "bin/dash": glibc(),
        "var/lib/dpkg/status": b"Package: libc6",
        "var/lib/dpkg/status.d/libc6": b"",
        "lib/apk/db/installed": b"",
    }
    read = []

    def members(file: IO[bytes], where: str) -> Iterator[packed.Member]:
        read.append(where)
        return packed.members(file, where)

    monkeypatch.setattr(layers, "members", members)
    found = resolve(str(saved(tmp_path / "image.tar", docker_files([layer(files)]))))
    assert [Path(path).name for path in found.objects] == ["libc-2.31.so", "ld-2.31.so", "libpthread-2.31.so"]
    assert len(read) == 1


def test_whiteouts_take_away_what_is_below_and_nothing_of_their_own_layer(tmp_path: Path) -> None:
    upper = layer(
        {"etc/.wh.motd": b"", "etc/motd2": b"", "etc/more/.wh..wh..opq": b"", "etc/more/new": b"", "lib2": None}
    )
    found = paths(docker_files([BASE, upper]), tmp_path)
    assert "etc/motd" not in found
    assert "etc/more/deep" not in found
    assert {"etc/motd2": "file", "etc/more/new": "file", "lib2": "directory"}.items() <= found.items()


def test_a_whiteout_of_a_directory_takes_away_all_that_is_in_it(tmp_path: Path) -> None:
    image = saved(tmp_path / "image.tar", docker_files([BASE, layer({"usr/lib/.wh.x86_64-linux-gnu": b""})]))
    with pytest.raises(RequestError, match="has no C library"):
        resolve(str(image))


def test_a_file_in_the_place_of_a_directory_takes_all_away_that_was_in_it(tmp_path: Path) -> None:
    found = paths(docker_files([BASE, layer({"etc": b"a file now"})]), tmp_path)
    assert found["etc"] == "file"
    assert not [path for path in found if path.startswith("etc/")]


def test_a_directory_that_is_listed_again_keeps_what_is_in_it(tmp_path: Path) -> None:
    assert "etc/motd" in paths(docker_files([BASE, layer({"etc": None, "./usr/": None})]), tmp_path)


def test_a_hard_link_is_a_file_of_its_own_layer_or_of_one_below(tmp_path: Path) -> None:
    linked = layer({"keep": b""}, links={"lib64/libc.so.6": LIBC})
    image = saved(tmp_path / "image.tar", docker_files([BASE, linked, layer({"usr/lib/.wh.x86_64-linux-gnu": b""})]))
    assert resolve(str(image)).name == "glibc-2.31"


@pytest.mark.parametrize("name", ["../../../tmp/evil", "etc/../../evil", "./../evil", "a/b/../../../../evil"])
def test_a_member_that_leads_out_is_refused_and_nothing_is_written(tmp_path: Path, cache: Path, name: str) -> None:
    image = saved(tmp_path / "image.tar", docker_files([BASE, layer({name: glibc()})]))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ParseError, match="has a member that leads out of the image"):
        resolve(str(image))
    assert sorted(tmp_path.rglob("*")) == before
    assert list(cache.rglob("*")) == []


def test_a_hard_link_that_leads_out_is_refused(tmp_path: Path) -> None:
    image = saved(tmp_path / "image.tar", docker_files([layer({}, links={LIBC: "../../../../etc/passwd"})]))
    with pytest.raises(ParseError, match=r"leads out of the image: .*, a link to '\.\./\.\./\.\./\.\./etc/passwd'"):
        resolve(str(image))


@pytest.mark.parametrize("target", ["/outside/libc.so.6", "../../../../../../outside/libc.so.6"])
def test_a_link_that_leads_out_finds_nothing_outside(tmp_path: Path, cache: Path, target: str) -> None:
    image = saved(tmp_path / "image.tar", docker_files([layer({LIBC: target})]))
    with pytest.raises(RequestError, match="has no C library"):
        resolve(str(image))
    assert list(cache.rglob("*")) == []


def test_an_absolute_name_is_within_the_image(tmp_path: Path, cache: Path) -> None:
    image = saved(tmp_path / "image.tar", docker_files([layer({"/" + LIBC: glibc()})]))
    (path,) = resolve(str(image)).objects
    assert Path(path).is_relative_to(cache)


def test_a_library_goes_where_its_links_lead_and_not_through_them(tmp_path: Path, cache: Path) -> None:
    # The directory of the library is a link to the top of the machine; what is written stays in the cache.
    image = saved(tmp_path / "image.tar", docker_files([layer({"usr/lib": "/", "libc.so.6": glibc()})]))
    (path,) = resolve(str(image)).objects
    assert Path(path).is_relative_to(cache)
    assert Path(path).name == "libc.so.6"


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        (docker_files([]), "has an image without layers"),
        (layout_files({"amd64": []}), "has an image without layers"),
        (layout_files({}), "has no images"),
        ({"manifest.json": b"[]"}, "has no images"),
        ({"manifest.json": b"[{}, {}]"}, "has 2 images"),
        ({"manifest.json": b'[{"Layers": null}]'}, "has an image without layers"),
        (
            {"manifest.json": b'[{"Layers": ["gone/layer.tar"]}]'},
            "has no layer 'gone/layer.tar', which its manifest names",
        ),
        ({"manifest.json": b'[{"Layers": ["../../etc/passwd"]}]'}, r"has no layer '\.\./\.\./etc/passwd'"),
        ({"manifest.json": b'{"Layers": []}'}, r"manifest\.json is not what it should be: expected `array`"),
        ({"manifest.json": b"["}, r"manifest\.json is not what it should be"),
        ({"manifest.json": b"\xff"}, r"manifest\.json is not what it should be"),
        ({"manifest.json": b"[" * 100_000}, r"manifest\.json is not what it should be"),
        ({"oci-layout": b"{}", "index.json": b"{}"}, r"index\.json is not what it should be: object missing"),
        (
            {"oci-layout": b"{}", "index.json": b'{"manifests": [{"digest": "sha256:../../../etc/passwd"}]}'},
            "has a digest that is none",
        ),
        (
            {"oci-layout": b"{}", "index.json": b'{"manifests": [{"digest": "sha256:00ff"}]}'},
            "has no content for the digest sha256:00ff, which it names",
        ),
    ],
)
@pytest.mark.parametrize("form", ["archive", "directory"])
def test_documents_that_are_not_what_they_should_be_are_said_so(
    tmp_path: Path, files: dict[str, bytes], problem: str, form: str
) -> None:
    place = saved(tmp_path / "image", files) if form == "archive" else plant(tmp_path / "image", files)
    with pytest.raises(RequestError, match=problem):
        resolve(str(place))


def test_a_layer_or_a_document_with_another_hash_than_is_said_is_refused(tmp_path: Path) -> None:
    files = layout_files({"amd64": [BASE]}, packed=False)
    (name,) = [name for name, data in files.items() if data == BASE]
    changed = files | {name: BASE.replace(b"hello", b"HELLO")}
    with pytest.raises(ParseError, match=r"has a layer [0-9a-f]{12} whose content has the sha256 [0-9a-f]{12}"):
        resolve(str(saved(tmp_path / "image.tar", changed)))
    (name,) = [name for name, data in files.items() if b'"layers"' in data]
    changed = files | {name: files[name] + b" "}
    with pytest.raises(ParseError, match="has other content than its name says"):
        resolve(str(saved(tmp_path / "image.tar", changed)))


def test_a_store_s_file_that_is_a_link_out_of_its_directory_is_not_read(tmp_path: Path) -> None:
    plant(tmp_path, {"secret.tar": BASE})
    manifest = json.dumps([{"Layers": ["layer.tar"]}]).encode()
    image = plant(tmp_path / "image", {"manifest.json": manifest, "layer.tar": "../secret.tar"})
    with pytest.raises(ParseError, match=r"has no layer 'layer\.tar'"):
        resolve(str(image))


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_packed_layers_and_packed_archives_are_read(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    image = saved(tmp_path / "image.tar", docker_files([pack(BASE)]))
    assert resolve(str(image)).name == "glibc-2.31"
    image.write_bytes(pack(image.read_bytes()))
    assert resolve(str(image)).name == "glibc-2.31"


def test_layers_that_zstd_packed_are_read_where_it_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs(shutil.which("zstd"), "zstd, of Debian's zstd")
    data = subprocess.run(["zstd", "-q"], input=BASE, capture_output=True, check=True).stdout
    image = saved(tmp_path / "image.tar", docker_files([data]))
    assert resolve(str(image)).name == "glibc-2.31"
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RequestError, match="is packed by zstd, which is not installed"):
        resolve(str(image))


@pytest.mark.parametrize("cut", [100, 700, 5000])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress])
def test_a_layer_that_is_cut_short_is_said_so(tmp_path: Path, cut: int, pack: Callable[[bytes], bytes]) -> None:
    data = pack(BASE)
    image = saved(tmp_path / "image.tar", docker_files([data[: min(cut, len(data) // 2)]]))
    with pytest.raises(RequestError, match=r"has a layer that is damaged|has no C library"):
        resolve(str(image))


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_an_archive_that_is_cut_short_is_said_so(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    image = saved(tmp_path / "image.tar", docker_files([BASE]))
    data = image.read_bytes()
    whole = pack(data[: data.index(b"GNU C Library")])  # what follows is not missed
    for length in range(0, len(whole), len(whole) // 23):
        image.write_bytes(whole[:length])
        with pytest.raises(RequestError):
            resolve(str(image))


def test_what_unpacks_to_no_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "MOST_UNPACKED", 1 << 20)
    big = layer({"zeros": bytes(2 << 20)})
    image = saved(tmp_path / "image.tar", docker_files([gzip.compress(big)]))
    with pytest.raises(ParseError, match="unpacks to more than"):
        resolve(str(image))
    image.write_bytes(gzip.compress(big))
    with pytest.raises(ParseError, match="unpacks to more than"):
        resolve(str(image))


def test_a_member_s_header_that_is_too_long_is_refused(tmp_path: Path) -> None:
    image = saved(tmp_path / "image.tar", docker_files([gzip.compress(layer({"n" * (3 << 20): b""}))]))
    with pytest.raises(ParseError, match="a member's header is too long"):
        resolve(str(image))


def test_what_is_no_image_is_none(tmp_path: Path) -> None:
    plant(tmp_path, {"text": b"hello", "plain.tar": layer({"a": b""}), "directory/file": b""})
    for name in ("text", "plain.tar", "directory"):
        with open_image(str(tmp_path / name), "", lambda _: False) as image:
            assert image is None
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RequestError, match="is neither a file nor a directory"):
        resolve(str(tmp_path / "pipe"))
