"""What a program file is found to be, and the numbers that an injection uses."""

from __future__ import annotations

import os
import struct

import pytest
from programs import compiled, directory, script

from troth import abi
from troth.sandbox.image import SHELL, Image, looks_like_text, read_image
from troth.sandbox.machine import MACHINES, TRACEABLE, of_registers

EMPTY = "int main(void) { return 0; }"


@pytest.mark.parametrize(
    ("flags", "arch", "dynamic"),
    [((), "x86_64", True), (("-static",), "x86_64", False), (("-static-pie",), "x86_64", False), (("-m32",), "i386", True), (("-m32", "-static"), "i386", False)],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)  # fmt: skip
def test_an_elf_program_tells_its_architecture_and_its_loader(flags: tuple[str, ...], arch: str, dynamic: bool) -> None:
    if abi.native().name != "x86_64":
        pytest.skip("the compiler makes programs for another machine")
    path = compiled(EMPTY, *flags)
    image = read_image(path)
    assert (image.kind, image.arch, image.dynamic, image.readable) == ("elf", arch, dynamic, True)
    assert image.programs[0] == path
    assert len(image.programs) == 1 + dynamic
    assert all(os.path.exists(each) for each in image.programs)


def test_scripts_are_followed_to_the_program_that_runs() -> None:
    inner = script("inner", "#!/bin/sh -e\n")
    outer = script("outer", f"#! {inner} argument with spaces\n")
    image = read_image(outer)
    assert (image.kind, image.arch) == ("elf", abi.native().name)
    assert image.programs[:3] == (outer, inner, "/bin/sh")


def test_a_text_is_the_shells() -> None:
    path = script("text", "echo\n")
    image = read_image(path)
    assert (image.kind, image.arch, image.programs[:2]) == ("text", abi.native().name, (path, SHELL))


def test_scripts_that_run_each_other_come_to_an_end() -> None:
    first = os.path.join(directory(), "ring1")
    second = script("ring2", f"#!{first}\n")
    script("ring1", f"#!{second}\n")
    assert read_image(first).kind == "other"


@pytest.mark.parametrize(
    "data",
    [
        b"\x7fELF",
        b"\x7fELF\x02\x01\x01" + b"\0" * 9 + struct.pack("<HH", 2, 62),
        b"\x7fELF\x02\x01\x01" + b"\0" * 9 + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0, 2**63, 0, 0, 64, 56, 9, 0, 0, 0),
        b"\x7fELF\x02\x01\x01" + b"\0" * 9 + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0, 64, 0, 0, 64, 0, 65535, 0, 0, 0),
        b"\x7fELF\x07\x09",
        b"#!",
        b"#!   \n",
        b"\0\1\2",
        b"",
    ],
    ids=["magic", "cut", "table nowhere", "headers of no size", "no class", "no interpreter", "blank interpreter", "binary", "empty"],
)  # fmt: skip
def test_a_twisted_file_is_no_reason_to_fail(data: bytes) -> None:
    path = os.path.join(directory(), "twisted")
    with open(path, "wb") as file:
        file.write(data)
    image = read_image(path)
    assert isinstance(image, Image)
    assert image.programs[0] == path
    assert looks_like_text(b"words\n\0")
    assert not looks_like_text(b"wo\0rds\n")


def test_devices_and_pipes_are_not_opened() -> None:
    pipe = os.path.join(directory(), "fifo")
    os.mkfifo(pipe)
    for path in (pipe, "/dev/tty", directory(), "/absent"):
        assert read_image(path).kind == "other"


def test_the_numbers_of_a_machine_are_those_of_the_tables() -> None:
    for name, machine in MACHINES.items():
        for call in ("close", "seccomp", "landlock_restrict_self", "prctl"):
            assert machine.number_of(call) == abi.numbers(name)[call], (name, call)


def test_a_machine_is_known_by_the_length_of_its_registers() -> None:
    sizes = {"x86_64": 216, "i386": 68, "aarch64": 272}
    for native, names in TRACEABLE.items():
        for name in names:
            assert MACHINES[name].size == sizes[name]
            assert of_registers(native, sizes[name]) is MACHINES[name]
        assert of_registers(native, 72) is None  # a 32-bit program on aarch64
    assert of_registers("riscv64", 256) is None


def test_registers_survive_packing() -> None:
    for machine in MACHINES.values():
        numbers = [(index * 0x1111111111111111) & ((1 << machine.word * 8) - 1) for index in range(machine.words)]
        assert machine.unpack(machine.pack(numbers)) == numbers
        assert machine.unpack(machine.pack([-1, *numbers[1:]]))[0] == (1 << machine.word * 8) - 1
