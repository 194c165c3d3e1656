"""The images that other programs write are read: skopeo, whose library is podman's and buildah's too, in each form."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from conftest import needs
from libc_files import docker_files, glibc, layer, saved
from matrix import inside

from tools import debroot
from troth.errors import ParseError
from troth.libc.archives import open_image
from troth.libc.identify import resolve

LIBC = "usr/lib/x86_64-linux-gnu/libc.so.6"
LAYERS = (
    layer({"lib": "usr/lib", LIBC: glibc("2.31"), "etc/motd": b"hello", "etc/old/file": b""}),
    layer({"etc/.wh.motd": b"", "etc/old/.wh..wh..opq": b"", "etc/old/new": b"x"}),
    layer({LIBC: glibc("2.41")}),
)


@pytest.fixture(scope="module")
def skopeo() -> Path:
    """A root with it."""
    needs(inside.can_enter(), "neither root nor a user namespace: no root can be entered")
    try:
        return debroot.root(("skopeo",), ("trixie",)).path
    except debroot.FetchError as error:
        needs(False, f"no skopeo: {error}")
        raise


def copy(root: Path, work: Path, target: str, *options: str) -> Path:
    """Copy `image.tar` to another form; gives the file or directory."""
    done = subprocess.run(
        [
            "/usr/bin/skopeo",
            "--insecure-policy",
            "--tmpdir=/tmp",
            "copy",
            "-q",
            *options,
            "docker-archive:image.tar",
            target,
        ],
        preexec_fn=lambda: inside.enter(root, work),
        env={"PATH": "/usr/bin", "HOME": "/work"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return work / target.split(":")[1]


@pytest.mark.parametrize(
    ("target", "options"),
    [
        ("docker-archive:saved.tar:name:tag", ()),
        ("oci-archive:oci.tar:tag", ()),
        ("oci:layout:tag", ()),
        ("oci:layout:tag", ("--dest-compress-format", "zstd")),
        ("oci:layout:tag", ("--dest-oci-accept-uncompressed-layers",)),
    ],
    ids=["docker-archive", "oci-archive", "oci", "oci, zstd", "oci, not packed"],
)
def test_what_skopeo_writes_is_read(tmp_path: Path, skopeo: Path, target: str, options: tuple[str, ...]) -> None:
    saved(tmp_path / "image.tar", docker_files(list(LAYERS)))
    image = str(copy(skopeo, tmp_path, target, *options))
    assert resolve(image).name == "glibc-2.41"
    with open_image(image, "", lambda _: False) as tree:
        assert tree is not None
        assert tree.names("etc") == ["old"]
        assert tree.names("etc/old") == ["new"]


def test_the_form_that_no_other_program_reads_is_named(tmp_path: Path, skopeo: Path) -> None:
    saved(tmp_path / "image.tar", docker_files(list(LAYERS)))
    directory = copy(skopeo, tmp_path, "dir:directory")
    assert {"manifest.json", "version"} <= set(os.listdir(directory))
    with pytest.raises(ParseError, match="is of skopeo's own form") as caught:
        resolve(str(directory))
    assert caught.value.hint == "copy it to `oci:` or `docker-archive:`"
