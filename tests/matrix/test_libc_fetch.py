"""Fetching a libc from a mirror: verified, kept, taken up where it broke off; and from mirrors that fail or lie."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import needs
from libc_files import glibc, musl
from matrix.mirror import Key, Mirror

from troth.libc.apt import FetchError
from troth.libc.identify import fetched, resolve

SUITE = "made"
LIBC = "usr/lib/x86_64-linux-gnu/libc.so.6"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    monkeypatch.setenv("TROTH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Key, Key]]:
    """The key that signs the suite, and one that nobody trusts."""
    needs(all(map(shutil.which, ("apt-get", "dpkg-deb", "gpg"))), "apt, dpkg and gnupg make and verify a suite")
    home = tmp_path_factory.mktemp("keys")
    made = Key(home / "own"), Key(home / "other")
    yield made
    for key in made:
        key.close()


@pytest.fixture
def mirror(tmp_path: Path, keys: tuple[Key, Key], cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    """A mirror with a glibc and a musl that are none."""
    (tmp_path / "mirror").mkdir()
    with Mirror(tmp_path / "mirror", keys[0]) as made:
        debs = [
            made.package("libc6", "2.77-1", {LIBC: glibc("2.77"), "usr/share/doc/large": bytes(300_000)}),
            made.package("musl", "1.2.77-1", {"lib/ld-musl-x86_64.so.1": musl("1.2.77")}),
        ]
        made.publish(SUITE, debs)
        monkeypatch.setenv("TROTH_MIRROR", made.url)
        monkeypatch.setenv("TROTH_KEYRING", str(keys[0].keyring))
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.delenv(name, raising=False)
        yield made


def deb(mirror: Mirror) -> Path:
    return mirror.files / "debian/pool/libc6_2.77-1_amd64.deb"


def refused(text: str = f"debian:{SUITE}") -> FetchError:
    """Fetch what cannot be had; nothing is left that could be taken for it."""
    with pytest.raises(FetchError) as caught:
        resolve(text, arch="x86_64")
    assert "127.0.0.1" not in str(caught.value), "the mirror is named"
    assert "\n" not in str(caught.value)
    assert list(fetched()) == []
    return caught.value


def test_a_suite_s_libcs_are_fetched_verified_and_kept(mirror: Mirror) -> None:
    found = resolve(f"debian:{SUITE}", arch="x86_64")
    assert (found.name, found.arch, found.origin) == ("glibc-2.77", "x86_64", "debian:made")
    assert Path(found.objects[0]).read_bytes() == glibc("2.77")
    assert found.package is not None
    assert (found.package.name, found.package.version) == ("libc6", "2.77-1")
    assert len(found.package.sha256) == 64
    assert resolve(f"debian:{SUITE}/musl", arch="x86_64").name == "musl-1.2.77"
    asked = len(mirror.asked)
    assert resolve(f"debian:{SUITE}", arch="x86_64") == found
    assert resolve("glibc-2.77", arch="x86_64").objects == found.objects
    assert len(mirror.asked) == asked, "what is there was asked for again"


def test_a_download_that_broke_off_goes_on_where_it_stopped(mirror: Mirror) -> None:
    mirror.break_at = 100_000
    assert resolve(f"debian:{SUITE}", arch="x86_64").name == "glibc-2.77"
    begins = [begin for path, begin in mirror.asked if path.endswith(deb(mirror).name)]
    assert begins[0] == 0
    assert begins[-1] == 100_000


def test_progress_is_told(mirror: Mirror) -> None:
    told: list[tuple[float, str]] = []
    resolve(f"debian:{SUITE}", arch="x86_64", told=lambda done, what: told.append((done, what)))
    assert all(0 <= done <= 100 for done, _ in told)
    assert told[-1] == (100.0, "unpacking 1 packages")


def test_a_package_with_another_content_than_the_index_says_is_refused(mirror: Mirror) -> None:
    data = deb(mirror).read_bytes()
    deb(mirror).write_bytes(data.replace(b"2.77.\n", b"2.78.\n"))
    error = refused()
    assert "Hash Sum mismatch" in str(error)
    assert error.hint.startswith("the mirror is between two states")


def test_a_package_of_another_size_is_refused(mirror: Mirror) -> None:
    deb(mirror).write_bytes(deb(mirror).read_bytes() + b"more")
    assert "size" in str(refused())


def test_an_index_that_was_changed_after_it_was_signed_is_refused(mirror: Mirror) -> None:
    index = mirror.files / f"debian/dists/{SUITE}/main/binary-amd64/Packages"
    index.write_text(index.read_text().replace("2.77", "2.78"))
    assert refused().hint


def test_a_suite_that_another_key_signed_is_refused(
    mirror: Mirror, keys: tuple[Key, Key], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TROTH_KEYRING", str(keys[1].keyring))
    assert "TROTH_KEYRING" in refused().hint


def test_a_suite_that_nobody_signed_is_refused(mirror: Mirror) -> None:
    (mirror.files / f"debian/dists/{SUITE}/InRelease").unlink()
    error = refused()
    assert "not signed" in str(error)
    assert "troth takes nothing else" in error.hint


def test_a_suite_that_the_mirror_does_not_have_is_said_so(mirror: Mirror) -> None:
    error = refused("debian:nosuch")
    assert "does not have a Release file" in str(error)
    assert error.hint == "name a suite of Debian, such as bookworm, trixie or sid"


def test_an_architecture_that_the_suite_does_not_have_is_said_so(mirror: Mirror) -> None:
    with pytest.raises(FetchError):
        resolve(f"debian:{SUITE}", arch="s390x")


def test_a_mirror_that_cannot_be_reached_is_said_so(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TROTH_MIRROR", "http://127.0.0.1:9/debian/")
    assert "cannot be reached" in refused().hint


def test_without_apt_the_error_says_what_is_missing(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FetchError, match="apt-get is not installed") as caught:
        resolve("debian:trixie", arch="x86_64")
    assert "apt" in caught.value.hint


def test_the_command_says_what_it_fetched_and_where(mirror: Mirror) -> None:
    done = troth("fetch", f"debian:{SUITE}", "--arch", "x86_64", "--format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert (told["name"], told["arch"], told["package"]["version"]) == ("glibc-2.77", "x86_64", "2.77-1")
    assert all(os.path.exists(path) for path in told["objects"])
    listed = json.loads(troth("list", "--format", "json").stdout)
    assert [row["root"] for row in listed if row["name"] == "glibc-2.77"] == [told["root"]]


def test_the_command_says_in_two_lines_what_it_could_not_fetch(mirror: Mirror) -> None:
    done = troth("fetch", "debian:nosuch", "--arch", "x86_64")
    assert done.returncode == 125
    assert done.stdout == ""
    problem, hint = done.stderr.splitlines()
    assert problem.startswith("troth: error: nosuch/amd64: ")
    assert hint.startswith("hint: ")


def troth(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "troth", "libc", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("text", "name"), [("debian:trixie", "glibc-2.41"), ("debian:trixie/musl", "musl-1.2.5")])
def test_a_suite_of_debian_is_fetched_from_the_mirror_of_this_machine(text: str, name: str) -> None:
    needs(all(map(shutil.which, ("apt-get", "dpkg-deb"))), "apt and dpkg fetch the packages")
    try:
        found = resolve(text, arch="x86_64")
    except FetchError as error:
        needs(False, f"no libc of trixie: {error}")
        raise
    assert (found.name, found.arch) == (name, "x86_64")
    assert found.build_id
    assert found.package is not None
    assert found.package.version.startswith(found.version)
    assert len(found.package.sha256) == 64
