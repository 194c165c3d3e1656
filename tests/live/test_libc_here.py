"""The libc of this machine: what it says of itself is what is found, in its root, its file and an image made of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import needs

from troth.libc.identify import Found, resolve


@pytest.fixture(scope="module")
def here() -> Found:
    """What this machine has."""
    needs(_version(), "an interpreter that glibc runs")
    needs(find_spec("msgspec"), "msgspec is not installed")
    return resolve("/")


def _version() -> str:
    try:
        return (os.confstr("CS_GNU_LIBC_VERSION") or "").removeprefix("glibc ")
    except ValueError:
        return ""


def test_its_version_is_what_confstr_says(here: Found) -> None:
    assert (here.libc, here.version) == ("glibc", _version())


def test_its_package_is_what_dpkg_says(here: Found) -> None:
    needs(shutil.which("dpkg-query"), "dpkg")
    query = ["dpkg-query", "--show", "--showformat", "${Version}", f"libc6:{_dpkg_arch()}"]
    assert here.package is not None
    assert here.package.version == subprocess.run(query, capture_output=True, text=True, check=True).stdout


def _dpkg_arch() -> str:
    return subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True).stdout.strip()


def test_its_files_are_those_that_this_interpreter_has_loaded(here: Found) -> None:
    lines = Path("/proc/self/maps").read_text().splitlines()
    loaded = {os.path.realpath(line.split(maxsplit=5)[-1]) for line in lines if "/" in line}
    assert {os.path.realpath(path) for path in here.objects[:2]} <= loaded


def test_its_own_file_says_the_same(here: Found) -> None:
    alone = resolve(here.objects[0])
    assert (alone.name, alone.arch, alone.identity) == (here.name, here.arch, here.identity)


@pytest.mark.parametrize("pack", ["", "--gzip"])
def test_an_image_that_tar_made_of_it_has_the_same(
    here: Found, pack: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TROTH_CACHE", str(tmp_path / "cache"))
    layer = tmp_path / "layer.tar"
    links = [path for path in ("/lib", "/lib64", "/bin") if os.path.islink(path)]
    command = ["tar", *([pack] if pack else []), "-cf", str(layer), "-C", "/", *here.objects, *links]
    subprocess.run(command, check=True, capture_output=True)
    (tmp_path / "manifest.json").write_text(json.dumps([{"Layers": ["layer.tar"]}]))
    image = tmp_path / "image.tar"
    command = ["tar", "-cf", str(image), "-C", str(tmp_path), "manifest.json", "layer.tar"]
    subprocess.run(command, check=True)
    found = resolve(str(image))
    assert (found.name, found.arch, found.identity) == (here.name, here.arch, here.identity)
    for mine, theirs in zip(found.objects, here.objects, strict=True):
        assert Path(mine).read_bytes() == Path(theirs).read_bytes()
