"""What `troth libc show` and `troth libc diff` print of the facts at hand, and how they refuse."""

from __future__ import annotations

import json

import pytest

from troth.cli import call, dispatch


def printed(capfd: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    status = call(lambda: dispatch(["libc", *args]))
    out, err = capfd.readouterr()
    return status, out, err


def test_show_tells_a_function_in_every_libc_and_joins_those_that_are_alike(capfd: pytest.CaptureFixture[str]) -> None:
    status, out, _ = printed(capfd, "show", "open", "--arch", "x86_64")
    assert status == 0
    assert [line.split() for line in out.splitlines()] == [
        ["open", "(x86_64)"],
        ["glibc-2.31", "to", "2.44", "openat"],
        ["musl-1.2.2", "to", "1.2.6", "fcntl,", "open"],
    ]


def test_show_tells_the_classes_of_one_libc_apart(capfd: pytest.CaptureFixture[str]) -> None:
    status, out, _ = printed(capfd, "show", "posix_spawn", "--libc", "glibc-2.36", "--arch", "x86_64")
    assert status == 0
    assert out.splitlines()[0] == "posix_spawn@GLIBC_2.15 in glibc-2.36 (x86_64)"
    rows: dict[str, str] = {}
    title = ""
    for line in out.splitlines()[1:]:
        title = line[2:18].strip() or title
        rows[title] = rows.get(title, "") + line[18:]
    assert "clone3" in rows["itself"]
    assert "dup2" in rows["in its child"]
    assert "tgkill" in rows["when it aborts"]
    assert "locks" in rows["leans on"]


def test_show_knows_a_function_that_makes_no_call(capfd: pytest.CaptureFixture[str]) -> None:
    status, out, _ = printed(capfd, "show", "strlen", "--libc", "musl-1.2.5", "--arch", "x86_64")
    assert (status, out) == (0, "strlen in musl-1.2.5 (x86_64)\n  itself           no system call\n")


def test_show_as_json_is_the_same(capfd: pytest.CaptureFixture[str]) -> None:
    status, out, _ = printed(
        capfd, "show", "__xstat@GLIBC_2.2.5", "--libc", "glibc-2.36", "--arch", "x86_64", "--format", "json"
    )
    said = json.loads(out)
    assert (status, said["libc"], said["version"], said["calls"]["own"]) == (0, "glibc-2.36", "GLIBC_2.2.5", ["stat"])


def test_diff_tells_functions_by_what_changed_and_parts_once(capfd: pytest.CaptureFixture[str]) -> None:
    status, out, _ = printed(capfd, "diff", "glibc-2.31", "glibc-2.36", "--arch", "x86_64")
    assert status == 1
    lines = out.splitlines()
    assert lines[0] == "glibc-2.31 to glibc-2.36 (x86_64)"
    assert lines[lines.index("  __select, select") + 1].strip() == "-select, +pselect6"
    assert sum(line.startswith("  malloc:") for line in lines) == 1
    assert "+getrandom" in next(line for line in lines if line.startswith("  malloc:"))


def test_diff_of_a_libc_with_itself_is_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    status, out, _ = printed(capfd, "diff", "musl-1.2.5", "musl-1.2.5", "--arch", "x86_64")
    assert (status, out) == (0, "musl-1.2.5 to musl-1.2.5 (x86_64)\n  no function makes other system calls\n")


def test_diff_as_json_has_the_rows(capfd: pytest.CaptureFixture[str]) -> None:
    status, out, _ = printed(capfd, "diff", "musl-1.2.3", "musl-1.2.5", "--arch", "x86_64", "--format", "json")
    rows = json.loads(out)["changes"]
    assert status == 1
    assert any("getaddrinfo" in row["functions"] and "recvmsg" in row["gained"] for row in rows)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("show", "fopenn"), "the closest function is `fopen`"),
        (("show", "fopenn", "--libc", "glibc-2.36", "--arch", "x86_64"), "the closest function is `fopen`"),
        (("show", "open", "--arch", "x86-64"), "the closest" ),
        (("show", "open", "--why", "openat"), "name it with --libc"),
        (("show", "open", "--libc", "glibc-9.99", "--arch", "x86_64"), "nothing is known of glibc-9.99"),
        (("show", "open", "--libc", "/nowhere"), "no such file"),
        (("diff", "glibc-2.36", "glibc-2.36x"), "there is no libc `glibc-2.36x`"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_a_remedy(capfd: pytest.CaptureFixture[str], args: tuple[str, ...], said: str) -> None:
    status, out, err = printed(capfd, *args)
    assert (status, out) == (2, "")
    assert said in err
    assert "Traceback" not in err
