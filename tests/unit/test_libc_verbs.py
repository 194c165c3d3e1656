"""What `troth libc list` and `troth libc fetch` print, and how they end where they cannot."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from libc_files import docker_files, glibc, layer, plant, saved

from troth.cli import call, dispatch
from troth.libc.identify import fetched, fetched_directory
from troth.libc.known import Known, known

LIBC = "usr/lib/x86_64-linux-gnu/libc.so.6"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TROTH_CACHE", str(tmp_path_factory.mktemp("cache")))


def troth(*arguments: str) -> int:
    return call(lambda: dispatch(["libc", *arguments]))


def test_fetch_says_which_libc_a_root_has(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plant(
        tmp_path,
        {LIBC: glibc("2.77"), "var/lib/dpkg/status": b"Package: libc6\nVersion: 2.77-1\nArchitecture: amd64\n"},
    )
    assert troth("fetch", str(tmp_path)) == 0
    assert capsys.readouterr().out.splitlines() == [
        "glibc-2.77 x86_64",
        "  build-id  000102030405060708090a0b0c0d0e0f10111213",
        "  package   libc6 2.77-1",
        f"  root      {tmp_path}",
        f"  {tmp_path}/{LIBC}",
    ]


def test_fetch_gives_the_same_as_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = str(saved(tmp_path / "image.tar", docker_files([layer({LIBC: glibc("2.77")})])))
    assert troth("fetch", image, "--format", "json") == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told) == ["name", "arch", "build_id", "sha256", "package", "origin", "root", "objects", "facts"]
    assert (told["name"], told["origin"], told["package"], told["facts"]) == ("glibc-2.77", image, None, [])
    assert Path(told["objects"][0]).read_bytes() == glibc("2.77")


def test_fetch_of_a_build_that_is_not_here_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert troth("fetch", "glibc-2.20", "--arch", "i386") == 0
    told = capsys.readouterr()
    assert told.out == "glibc-2.20 i386\n"
    assert told.err == "note: its files are not here; name a suite, a root or an image that has it\n"


def test_list_has_the_builds_with_facts_and_those_that_were_fetched(capsys: pytest.CaptureFixture[str]) -> None:
    root = plant(fetched_directory() / "made-amd64-0", {LIBC: glibc("2.77")})
    assert troth("list", "--format", "json") == 0
    rows = json.loads(capsys.readouterr().out)
    with_facts = {(row["name"], row["arch"], tuple(row["facts"])) for row in rows if row["facts"]}
    assert with_facts == {(one.name, one.arch, one.kinds) for one in known()}
    (row,) = [row for row in rows if row["root"]]
    assert (row["name"], row["arch"], row["root"], row["facts"]) == ("glibc-2.77", "x86_64", str(root), [])
    assert [row["name"] for row in rows] == sorted((row["name"] for row in rows), key=_age)
    assert troth("list", "--arch", "x86_64") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[[line.split()[0] for line in lines].index("glibc-2.77")].split()[1:] == [
        "x86_64",
        "000102030405",
        str(root),
    ]
    assert all(line.split()[1] == "x86_64" for line in lines)


def _age(name: str) -> tuple[str, list[int]]:
    libc, _, version = name.partition("-")
    return libc, [int(part) for part in version.split(".")]


def test_a_build_that_two_suites_have_is_listed_with_its_facts_for_both(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Known("glibc-2.77", "x86_64", ("reach",), bytes(range(20)).hex())
    monkeypatch.setattr("troth.cli.libc.list.known", lambda: (one,))
    for suite in ("first", "second"):
        plant(fetched_directory() / f"{suite}-amd64-0", {LIBC: glibc("2.77")})
    plant(fetched_directory() / "third-amd64-0", {LIBC: glibc("2.78")})
    assert troth("list", "--format", "json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["name"], row["facts"]) for row in rows] == [
        ("glibc-2.77", ["reach"]),
        ("glibc-2.77", ["reach"]),
        ("glibc-2.78", []),
    ]


def test_what_is_known_of_a_fetched_root_is_written_down_until_it_is_removed() -> None:
    root = plant(fetched_directory() / "made-amd64-0", {LIBC: glibc("2.77")})
    first = list(fetched())
    note = root.with_name("made-amd64-0.json")
    assert json.loads(note.read_text())["name"] == "glibc-2.77"
    (root / LIBC).write_bytes(b"is not read again")
    assert list(fetched()) == first
    note.write_text('{"name": "written by another version"}')
    assert list(fetched()) == []
    shutil.rmtree(root)
    assert list(fetched()) == []


def test_a_fetched_root_that_is_damaged_is_left_out_of_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    plant(fetched_directory() / "made-amd64-0", {LIBC: b"\x7fELF"})
    plant(fetched_directory() / "made-amd64-1.partial", {LIBC: glibc()})
    assert troth("list", "--format", "json") == 0
    assert not [row for row in json.loads(capsys.readouterr().out) if row["root"]]


@pytest.mark.parametrize(
    ("arguments", "problem", "hint"),
    [
        (("fetch",), "missing argument `LIBC`", "`troth libc fetch --help` tells more"),
        (("nosuch",), "no such command `nosuch`", "`troth libc --help` tells more"),
        (("fetch", "nosuch"), "there is no libc `nosuch`", "a libc is named as `glibc-2.36`"),
        (("fetch", "debian:trixie", "--arch", "vax"), "unknown architecture `vax`", "one of x86_64"),
    ],
)
def test_a_mistake_is_told_in_two_lines(
    arguments: tuple[str, ...], problem: str, hint: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert troth(*arguments) == 2
    told = capfd.readouterr()
    first, second = told.err.splitlines()
    assert (told.out, first) == ("", f"troth: error: {problem}")
    assert second.startswith(f"hint: {hint}")


def test_the_group_lists_its_verbs(capsys: pytest.CaptureFixture[str]) -> None:
    assert troth("--help") == 0
    told = capsys.readouterr().out
    assert "list" in told
    assert "fetch" in told
