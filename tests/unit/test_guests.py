"""The parts of the kernel matrix that need no kernel: the archive, the console's lines, the tables."""

from __future__ import annotations

import io
import re

import pytest
from matrix.guest import read
from matrix.init import line
from matrix.initrd import Archive
from matrix.kernels import GUESTS
from matrix.lacks import LACKS, WRONGS, excuse, stale
from matrix.machines import MACHINES

from tools.kernels import FLAVOURS, Package, unpacked

UP = line({"up": 1.0, "machine": "x86_64"})
DONE = line({"done": True})
PASSED = line({"test": "a.py::b", "user": "root", "outcome": "passed", "why": "", "seconds": 0.1})


def test_what_a_guest_tells_is_read_among_what_its_kernel_says() -> None:
    told = read(f"boot\n{UP}\n.{PASSED}\n[ 1.0] noise\n{DONE}\n", "", 2.0)
    assert told.complaint == ""
    assert told.facts["machine"] == "x86_64"
    assert [(test.name, test.user, test.outcome) for test in told.tests] == [("a.py::b", "root", "passed")]


def test_a_line_that_arrived_damaged_is_a_complaint() -> None:
    told = read(f"{UP}\n{PASSED.replace('passed', 'passe[ 1.0]d')}\n{DONE}\n", "", 2.0)
    assert (told.tests, told.complaint) == ((), "1 lines arrived damaged")


def test_a_guest_that_does_not_finish_is_a_complaint_with_its_last_words() -> None:
    told = read(f"{UP}\n{PASSED}\nKernel panic\n", "not done after 9 s", 9.0)
    assert told.complaint.startswith("not done after 9 s; the guest did not finish")
    assert told.complaint.endswith("Kernel panic\n")


def test_an_archive_holds_each_name_once_and_directories_before_what_is_in_them() -> None:
    stream = io.BytesIO()
    with Archive(stream) as archive:
        archive.file("a/b/file", b"first")
        archive.file("a/b/file", b"second")
        archive.link("a/link", "b/file")
        archive.character_device("dev/null", 1, 3, 0o666)
    data = stream.getvalue()
    assert len(data) % 512 == 0
    names, at = [], 0
    while True:
        fields = [int(data[at + 6 + 8 * n : at + 14 + 8 * n], 16) for n in range(13)]
        assert (data[at : at + 6], at % 4) == (b"070701", 0)
        name = data[at + 110 : at + 110 + fields[11] - 1].decode()
        start = at + (110 + fields[11] + 3 & ~3)
        names.append((name, fields[1], data[start : start + fields[6]], tuple(fields[9:11])))
        if name == "TRAILER!!!":
            break
        at = start + (fields[6] + 3 & ~3)
    assert names == [
        ("a", 0o40755, b"", (0, 0)),
        ("a/b", 0o40755, b"", (0, 0)),
        ("a/b/file", 0o100644, b"first", (0, 0)),
        ("a/link", 0o120777, b"b/file", (0, 0)),
        ("dev", 0o40755, b"", (0, 0)),
        ("dev/null", 0o20666, b"", (1, 3)),
        ("TRAILER!!!", 0, b"", (0, 0)),
    ]


def test_every_guest_has_a_machine_and_a_kernel_package() -> None:
    assert {guest.arch for guest in GUESTS.values()} == set(MACHINES) == set(FLAVOURS)
    assert all(MACHINES[arch].flavour == flavour for arch, flavour in FLAVOURS.items())


def test_the_everyday_guests_are_the_ends_and_both_byte_orders() -> None:
    everyday = {guest.name for guest in GUESTS.values() if guest.everyday}
    assert {"amd64-5.10", "amd64-6.1", "amd64-6.12", "amd64-7.0", "amd64-7.3", "arm64-6.12", "s390x-7.2"} == everyday


@pytest.mark.parametrize("row", [*LACKS, *WRONGS], ids=lambda row: row[0])
def test_a_row_holds_for_some_guest_and_says_why(row: tuple[str, str, object]) -> None:
    assert re.compile(row[0])
    assert row[1]
    assert any(row[2](guest, user) for guest in GUESTS.values() for user in ("root", "nobody"))  # type: ignore[operator]  # its test


def test_a_skip_is_excused_only_where_its_row_holds() -> None:
    assert excuse("Landlock", GUESTS["amd64-5.10"], "root")
    assert excuse("Landlock", GUESTS["amd64-6.1"], "root") is None
    assert excuse("root", GUESTS["amd64-6.1"], "root") is None
    assert excuse("the weather", GUESTS["amd64-5.10"], "root") is None
    assert "Landlock" in stale([("go is not installed", "root")], GUESTS["amd64-5.10"])


def test_the_newest_package_of_a_series_is_the_one_with_the_higher_version() -> None:
    names = ("linux-binary-7.3-cloud-amd64", "linux-binary-7.3.4+deb13-cloud-amd64")
    assert max((Package(name, "") for name in names), key=lambda package: package.release).name == names[1]
    assert (
        Package("linux-image-5.10.0-32-cloud-amd64", "").release
        > Package("linux-image-5.10.0-9-cloud-amd64", "").release
    )


def test_the_kernel_is_found_in_a_packed_image() -> None:
    import lzma

    kernel = b"\x7fELF" + bytes(100)
    packed = lzma.compress(kernel, format=lzma.FORMAT_XZ)
    assert unpacked(b"MZ" + b"\xfd7zXZ\0" + b"garbage" + packed + b"tail") == kernel
