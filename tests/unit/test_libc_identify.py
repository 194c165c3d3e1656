"""Which libc something has: names, suites, directories and files, and what has none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from children import in_child
from libc_files import docker_files, glibc, layer, musl, plant

from troth import abi
from troth.errors import ParseError, RequestError
from troth.libc.identify import resolve
from troth.libc.known import known
from troth.libc.roots import Directory, follow

LIBC = "usr/lib/x86_64-linux-gnu/libc.so.6"
LOADER = "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TROTH_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.mark.parametrize("name", ["glibc-2.36", "glibc-2.15", "musl-1.1.13", "glibc-2.3.6"])
def test_a_build_is_known_by_its_name(name: str) -> None:
    found = resolve(name, arch="aarch64")
    assert (found.name, f"{found.libc}-{found.version}", found.arch) == (name, name, "aarch64")
    assert (found.objects, found.identity) == ((), "")
    assert resolve(name).arch == abi.native().name


def test_a_root_has_the_libc_with_its_loader_and_its_parts(tmp_path: Path) -> None:
    threads = "usr/lib/x86_64-linux-gnu/libpthread-2.31.so"
    plant(
        tmp_path,
        {
            "lib": "usr/lib",
            "usr/lib/x86_64-linux-gnu/libc-2.31.so": glibc("2.31"),
            LIBC: "libc-2.31.so",
            LOADER: b"\x7fELF",
            threads: b"\x7fELF",
            "usr/lib/x86_64-linux-gnu/libpthread.so.0": "libpthread-2.31.so",
        },
    )
    found = resolve(str(tmp_path))
    assert (found.name, found.arch, found.root) == ("glibc-2.31", "x86_64", str(tmp_path))
    expected = ["usr/lib/x86_64-linux-gnu/libc-2.31.so", LOADER, threads]
    assert [os.path.relpath(path, tmp_path) for path in found.objects] == expected
    assert found.identity == found.build_id == bytes(range(20)).hex()


def test_a_root_of_musl_has_it_by_its_loader(tmp_path: Path) -> None:
    plant(tmp_path, {"usr/lib/libc.so": musl("1.2.3"), "lib/ld-musl-x86_64.so.1": "../usr/lib/libc.so"})
    found = resolve(str(tmp_path))
    assert found.name == "musl-1.2.3"
    assert found.objects == (str(tmp_path / "usr/lib/libc.so"),)


@pytest.mark.parametrize(
    "files",
    [
        {"lib64": "usr/lib64", "usr/lib64/libc.so.6": glibc("2.42")},
        {"lib": "usr/lib", "usr/lib/libc.so.6": glibc("2.42")},
        {"lib/x86_64-linux-gnu/libc.so.6": glibc("2.42"), "lib64/ld-linux-x86-64.so.2": "/lib/nowhere"},
        {
            "nix/store/0abc-glibc-2.42-5/lib/libc.so.6": glibc("2.42"),
            "nix/store/0abc-bash-5/lib/libc.so.6": glibc("2.1"),
        },
        {"gnu/store/0abc-glibc-2.42/lib/libc.so.6": glibc("2.42")},
        {"usr/libx32/libc.so.6": glibc("2.42", "x32")},
        {"lib/libc.so.6.1": glibc("2.42")},
    ],
    ids=["lib64", "usr", "multiarch", "nix", "guix", "x32", "libc6.1"],
)
def test_roots_of_all_kinds_have_their_libc_found(tmp_path: Path, files: dict[str, bytes | str]) -> None:
    assert resolve(str(plant(tmp_path, files))).name == "glibc-2.42"


def test_an_absolute_link_stays_in_its_root(tmp_path: Path) -> None:
    plant(tmp_path, {"real/libc.so.6": glibc("2.41"), "lib64/libc.so.6": "/real/libc.so.6"})
    assert resolve(str(tmp_path)).objects == (str(tmp_path / "real/libc.so.6"),)


@pytest.mark.parametrize(
    "target", ["../outside/libc.so.6", "../../../../../../outside/libc.so.6", "{}/outside/libc.so.6"]
)
def test_a_link_out_of_a_root_finds_nothing_outside(tmp_path: Path, target: str) -> None:
    plant(tmp_path, {"outside/libc.so.6": glibc()})
    root = plant(tmp_path / "root", {"lib/libc.so.6": target.format(tmp_path)})
    with pytest.raises(RequestError, match="has no C library"):
        resolve(str(root))


def test_a_directory_that_is_a_link_out_of_a_root_is_not_looked_into(tmp_path: Path) -> None:
    plant(tmp_path, {"outside/libc.so.6": glibc()})
    root = plant(tmp_path / "root", {"lib": "../outside", "usr/lib": f"{tmp_path}/outside"})
    with pytest.raises(RequestError, match="has no C library"):
        resolve(str(root))


def test_links_in_a_circle_are_said_so(tmp_path: Path) -> None:
    plant(tmp_path, {"lib/a": "b", "lib/b": "a", "lib/libc.so.6": "a"})
    with pytest.raises(ParseError, match=r"has links that lead in a circle, at /lib/libc\.so\.6"):
        resolve(str(tmp_path))


def test_paths_are_followed_as_a_confined_process_follows_them(tmp_path: Path) -> None:
    tree = Directory(str(plant(tmp_path, {"a/b/file": b"", "a/up": "../../../a/b", "top": "/a", "chain": "top/up"})))
    assert follow(tree, "chain/file") == "a/b/file"
    assert follow(tree, "a/up/../../../..") == ""
    assert follow(tree, "../../a/./b//file") == "a/b/file"


def test_of_several_libcs_the_one_of_the_shell_is_meant(tmp_path: Path) -> None:
    loader = b"/lib/ld-musl-x86_64.so.1\0"
    shell = _with_interpreter(glibc(), loader)
    plant(tmp_path, {LIBC: glibc(), "lib/ld-musl-x86_64.so.1": musl()})
    assert resolve(str(tmp_path)).libc in ("glibc", "musl")
    plant(tmp_path, {"bin/sh": shell})
    assert resolve(str(tmp_path)).name == "musl-1.2.5"


def test_of_several_architectures_the_one_that_is_asked_for_is_meant(tmp_path: Path) -> None:
    plant(tmp_path, {LIBC: glibc("2.41"), "usr/lib/i386-linux-gnu/libc.so.6": glibc("2.41", "i386")})
    assert resolve(str(tmp_path), arch="i386").arch == "i386"
    assert resolve(str(tmp_path), arch="x86_64").arch == "x86_64"
    with pytest.raises(RequestError, match="has no C library for s390x") as caught:
        resolve(str(tmp_path), arch="s390x")
    assert caught.value.hint == "it has glibc-2.41 for i386, glibc-2.41 for x86_64"


def test_the_package_is_the_one_that_dpkg_or_apk_recorded(tmp_path: Path) -> None:
    status = (
        "Package: libc-bin\nArchitecture: amd64\nVersion: 2.36-9\n\n"
        "Package: libc6\nStatus: install ok installed\nArchitecture: i386\nVersion: 2.36-7\n\n"
        "Package: libc6\nArchitecture: amd64\nVersion: 2.36-9+deb12u4\nDescription: GNU C Library\n more\n"
    )
    root = plant(tmp_path / "debian", {LIBC: glibc(), "var/lib/dpkg/status": status.encode()})
    package = resolve(str(root)).package
    assert package is not None
    assert (package.name, package.version, package.sha256) == ("libc6", "2.36-9+deb12u4", "")
    installed = b"P:musl\nV:1.2.5-r0\nA:x86_64\n\nP:busybox\nV:1\nA:x86_64\n"
    root = plant(tmp_path / "alpine", {"lib/ld-musl-x86_64.so.1": musl(), "lib/apk/db/installed": installed})
    package = resolve(str(root)).package
    assert package is not None
    assert (package.name, package.version) == ("musl", "1.2.5-r0")


def test_a_library_s_own_file_is_enough(tmp_path: Path) -> None:
    plant(tmp_path, {"x": glibc("2.31", "aarch64")})
    found = resolve(str(tmp_path / "x"))
    assert (found.name, found.arch, found.objects) == ("glibc-2.31", "aarch64", (str(tmp_path / "x"),))
    with pytest.raises(RequestError, match="is for aarch64, not for x86_64"):
        resolve(str(tmp_path / "x"), arch="x86_64")


@pytest.mark.parametrize(
    ("text", "problem", "hint"),
    [
        ("nosuch", "there is no libc `nosuch`", "a libc is named as"),
        ("glibc-", "there is no libc `glibc-`", "a libc is named as"),
        ("/no/such", "/no/such: no such file or directory", "a libc is named as"),
        ("debian:", "`` is no suite of Debian", "such as debian:trixie"),
        ("debian:../../etc", "`../../etc` is no suite of Debian", "such as debian:trixie"),
        ("debian:trixie/mus", "`mus` is no libc of Debian's", "the closest is `musl`"),
    ],
)
def test_what_names_no_libc_is_said_so(text: str, problem: str, hint: str) -> None:
    with pytest.raises(RequestError) as caught:
        resolve(text)
    assert str(caught.value) == problem
    assert caught.value.hint.startswith(hint)


def test_an_architecture_that_is_none_is_said_so() -> None:
    with pytest.raises(RequestError, match="unknown architecture `vax`"):
        resolve("glibc-2.36", arch="vax")
    with pytest.raises(RequestError, match="Debian has no architecture `x32`"):
        resolve("debian:trixie", arch="x32")


def test_what_has_no_libc_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="has no C library") as caught:
        resolve(str(tmp_path))
    assert caught.value.hint == "it is empty"
    plant(tmp_path, {"bin/static": glibc(), "lib/libc.so.6": b"\x7fELF/* cut */"[:4]})
    with pytest.raises(ParseError, match=r"lib/libc\.so\.6: has an ELF header of no known class"):
        resolve(str(tmp_path))
    plant(tmp_path, {"other": b"#!/bin/sh\n", "void": b"", "elf": glibc().replace(b"GNU C", b"NEU D")})
    with pytest.raises(ParseError, match="is neither a libc nor an image"):
        resolve(str(tmp_path / "other"))
    with pytest.raises(ParseError, match="is empty"):
        resolve(str(tmp_path / "void"))
    with pytest.raises(RequestError, match="is not a C library that is known here"):
        resolve(str(tmp_path / "elf"))


def _open_to_all(directory: Path) -> None:
    """Let a child in that is another user when this one is root."""
    for path in (directory, *directory.parents):
        if path == directory or path.name.startswith("pytest-"):
            path.chmod(0o755)


def test_what_may_not_be_read_is_said_so(tmp_path: Path) -> None:
    root = plant(tmp_path / "root", {LIBC: glibc()})
    file = plant(tmp_path, {"libc": glibc()}) / "libc"
    _open_to_all(tmp_path)
    for place in (root, file):
        place.chmod(0)
        with pytest.raises(RequestError, match=f"{place}: permission denied"):
            in_child(lambda place=place: resolve(str(place)), unprivileged=True)  # type: ignore[misc]
        place.chmod(0o700)


def test_a_layer_of_a_directory_that_may_not_be_read_is_said_so(tmp_path: Path) -> None:
    image = plant(tmp_path, docker_files([layer({LIBC: glibc()})]))
    _open_to_all(tmp_path)
    (image / "0/layer.tar").chmod(0)
    with pytest.raises(RequestError, match=r"0/layer\.tar: permission denied"):
        in_child(lambda: resolve(str(image)), unprivileged=True)


def test_a_linker_script_with_a_library_s_name_is_passed_over(tmp_path: Path) -> None:
    plant(tmp_path, {"usr/lib/libc.so": b"/* GNU ld script */ GROUP ( /lib/libc.so.6 )", "lib/libc.so.6": glibc()})
    assert resolve(str(tmp_path)).objects == (str(tmp_path / "lib/libc.so.6"),)


def test_builds_with_facts_are_listed_by_age_with_their_kinds(tmp_path: Path) -> None:
    plant(
        tmp_path,
        {
            "reach/glibc-2.4.x86_64.txt": b"# facts\nbuild glibc-2.4 x86_64\nbuild-id 00ff\n\nbuild-id beef\n",
            "probe/glibc-2.4.x86_64.txt": b"build glibc-2.4 x86_64\n",
            "probe/glibc-2.31.i386.txt": b"",
            "probe/README": b"",
        },
    )
    found = [(one.name, one.arch, one.kinds, one.build_id) for one in known(tmp_path)]
    assert found == [("glibc-2.4", "x86_64", ("reach", "probe"), "00ff"), ("glibc-2.31", "i386", ("probe",), "")]


def _with_interpreter(data: bytes, loader: bytes) -> bytes:
    """A program that asks for a loader: the note's program header becomes one of PT_INTERP."""
    changed = bytearray(data + loader)
    row = 64 + 3 * 56
    changed[row : row + 4] = (3).to_bytes(4, "little")
    changed[row + 8 : row + 16] = len(data).to_bytes(8, "little")
    changed[row + 32 : row + 40] = len(loader).to_bytes(8, "little")
    return bytes(changed)
