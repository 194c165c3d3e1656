"""The examples do what they say, under the confinement that they put themselves in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from conftest import needs

from troth.kernel.probe import probe

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(autouse=True)
def able() -> None:
    """The examples are about promises and veils."""
    kernel = probe()
    needs(kernel.seccomp and kernel.landlock_abi, "seccomp and Landlock")


def run(*command: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        cwd=cwd,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def test_the_demo_goes_as_it_says(tmp_path: Path) -> None:
    needs(shutil.which("bash"), "bash, which connects by itself")
    done = run(str(EXAMPLES / "demo.py"), cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "steps went as described" in done.stdout


def test_the_file_server_serves_its_directory_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "private").write_text("private")
    site = tmp_path / "site"
    site.mkdir()
    (site / "page").write_text("public")
    (site / "way-out").symlink_to(tmp_path / "private")
    server = subprocess.Popen(
        [sys.executable, str(EXAMPLES / "fileserver.py"), str(site), "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert server.stdout is not None
        address = server.stdout.readline().split()[-1]
        assert fetched(address + "page") == (200, b"public")
        assert fetched(address)[0] == 200
        assert fetched(address + "missing")[0] == 404
        assert fetched(address + "way-out")[0] == 404
        assert server.poll() is None
    finally:
        server.kill()
        server.communicate()


def fetched(address: str) -> tuple[int, bytes]:
    """Status and body of a page."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(address, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_the_thumbnail_is_made_by_a_child_that_can_only_compute(tmp_path: Path) -> None:
    (tmp_path / "large.ppm").write_bytes(b"P6\n# black\n256 128\n255\n" + bytes(256 * 128 * 3))
    (tmp_path / "short.ppm").write_bytes(b"P6\n256 128\n255\n")
    assert run(str(EXAMPLES / "thumbnail.py"), "large.ppm", "small.ppm", cwd=tmp_path).returncode == 0
    assert (tmp_path / "small.ppm").read_bytes() == b"P6 64 32 255\n" + bytes(64 * 32 * 3)
    bad = run(str(EXAMPLES / "thumbnail.py"), "short.ppm", "none.ppm", cwd=tmp_path)
    assert bad.returncode == 1
    assert "the image ends before its last pixel" in bad.stderr
    assert not (tmp_path / "none.ppm").exists()


def test_a_parser_that_breaks_its_promise_is_killed_and_reported(tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    code = (
        "import os, thumbnail\n"
        "try:\n"
        "    thumbnail.confined(lambda image: os.unlink('precious') or b'', b'')\n"
        "except thumbnail.ParserError as error:\n"
        "    print(error)\n"
    )
    done = run("-c", code, cwd=tmp_path, PYTHONPATH=str(EXAMPLES))
    assert done.stdout == "the parser did what it had promised not to, and was killed\n", done.stderr
    assert (tmp_path / "precious").exists()
