"""Roots of Debian's packages: what goes wrong is said with a hint, and what nobody uses any more is removed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import needs

from tools import debroot
from troth.libc.cache import locked, made_whole

TOOL = Path(debroot.__file__)
SUITE = "trixie"


def needs_apt() -> None:
    needs(all(map(shutil.which, ("apt-get", "dpkg-deb"))), "apt and dpkg fetch the packages")


def test_an_unknown_package_is_named_with_a_hint() -> None:
    needs_apt()
    try:
        archive = debroot.Archive(SUITE, "amd64")
    except debroot.FetchError as error:
        needs(False, f"no index: {error}")
        raise
    with pytest.raises(debroot.FetchError, match=r"trixie/amd64: .*no-such-program") as caught:
        archive.fetch(["no-such-program"])
    assert caught.value.hint.startswith("look the name up")


def test_an_unknown_package_ends_the_command_with_one_line(tmp_path: Path) -> None:
    needs_apt()
    command = [sys.executable, str(TOOL), SUITE, str(tmp_path / "root"), "no-such-program"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("debroot: "), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert not (tmp_path / "root").exists()


def test_without_apt_the_error_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TROTH_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(debroot.FetchError, match="apt-get is not installed") as caught:
        debroot.root(["coreutils"], [SUITE])
    assert "apt" in caught.value.hint


def test_a_root_that_nobody_asked_for_lately_is_removed(tmp_path: Path) -> None:
    past = time.time() - 10 * 86400
    for name in ("used", "unused", "superseded", "young"):
        (tmp_path / name / "usr").mkdir(parents=True)
        if name != "young":
            os.utime(tmp_path / name, (past, past))
    (tmp_path / "1.stamp").write_text(f"{SUITE} used\n")
    (tmp_path / "2.stamp").write_text(f"{SUITE} unused\n")
    os.utime(tmp_path / "2.stamp", (past, past))
    assert sorted(debroot.prune(tmp_path)) == ["superseded", "unused"]
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix != ".lock") == ["1.stamp", "used", "young"]


def test_a_root_that_another_process_is_making_or_has_just_got_is_not_removed(tmp_path: Path) -> None:
    past = time.time() - 10 * 86400
    got = tmp_path / "got"
    with made_whole(got):
        pass
    os.utime(got, (past, past))
    with made_whole(got):  # what a request does for a root that is there, before it writes the request down
        pass
    making = tmp_path / "making.partial"
    making.mkdir()
    os.utime(making, (past, past))  # as unpacking a package does
    with locked(tmp_path / "making.lock"):
        assert debroot.prune(tmp_path) == []
    assert debroot.prune(tmp_path) == ["making.partial"]
    assert got.is_dir()


def test_packages_that_were_fetched_before_are_given_again() -> None:
    needs_apt()
    try:
        first, again = (debroot.Archive(SUITE, "amd64").fetch(["musl"], exact=True) for _ in range(2))
    except debroot.FetchError as error:
        needs(False, f"no package of {SUITE}: {error}")
        raise
    assert [path.name.partition("_")[0] for path in first] == ["musl"]
    assert all(path.exists() for path in first)
    assert again == first
