"""The ELF reader against readelf, on programs and libraries that were linked in every way that is at hand."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import needs

from troth.elf.reader import Elf, parse, read

SOURCE = r"""
#include <stdio.h>
#include <string.h>
static void before(void) { putchar('b'); }
static void first(void) { puts("first"); }
static int second(int x) { return x + 1; }
__attribute__((section(".init_array"), used)) static void (*const started)(void) = before;
void (*functions[])(void) = { first, (void (*)(void))second, before };
const char *names[] = { "one", "two", "three" };
void *outside[] = { (void *)puts, (void *)memcpy, stdout_address };
int main(int argc, char **argv) { functions[argc & 1](); return (int)strlen(names[argc % 3]); }
""".replace(", stdout_address", "")

# How a file is linked: its name here, and the compiler's command.
WAYS = {
    "pie": ["gcc"],
    "at fixed addresses": ["gcc", "-no-pie"],
    "static": ["gcc", "-static"],
    "static pie": ["gcc", "-static-pie"],
    "shared": ["gcc", "-shared", "-fPIC", "-Wl,-soname,libx.so.1"],
    "relr": ["gcc", "-Wl,-z,pack-relative-relocs"],
    "old hash": ["gcc", "-Wl,--hash-style=sysv", "-Wl,--build-id=none"],
    "new hash": ["gcc", "-Wl,--hash-style=gnu"],
    "bound at start": ["gcc", "-Wl,-z,now", "-Wl,-z,noseparate-code"],
    "stripped": ["gcc", "-s"],
    "32 bits": ["gcc", "-m32"],
    "32 bits at fixed addresses": ["gcc", "-m32", "-no-pie"],
    "32 bits shared": ["gcc", "-m32", "-shared", "-fPIC"],
    "32 bits static": ["gcc", "-m32", "-static"],
    "musl": ["musl-gcc"],
    "musl static": ["musl-gcc", "-static"],
}
REAL = ("libc.so.6", "libm.so.6", "ld-linux")


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    needs(shutil.which("readelf") and shutil.which("gcc"), "readelf and gcc, of Debian's binutils and gcc")
    path = tmp_path_factory.mktemp("elf")
    (path / "x.c").write_text(SOURCE)
    return path


def linked(directory: Path, way: str) -> Path:
    target = directory / way.replace(" ", "-")
    if not target.exists():
        command = [*WAYS[way], "-O1", "-w", "-o", str(target), str(directory / "x.c")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        needs(done.returncode == 0, f"{' '.join(WAYS[way])} works: {done.stderr[-200:]}")
    return target


def real(name: str) -> Path:
    for line in Path("/proc/self/maps").read_text().splitlines():
        path = Path(line.split(maxsplit=5)[-1])
        if path.name.startswith(name) and path.exists():
            return path
    needs(False, f"this interpreter is linked with {name}")
    raise AssertionError


def readelf(path: Path, *options: str) -> str:
    command = ["readelf", "-W", *options, str(path)]
    # Its status is also 1 for a file whose debug information is elsewhere and is not here.
    return subprocess.run(command, capture_output=True, text=True, check=False, env={"LC_ALL": "C"}).stdout


FILES = pytest.mark.parametrize("file", [*WAYS, *REAL])


def both(directory: Path, file: str) -> tuple[Path, Elf]:
    path = linked(directory, file) if file in WAYS else real(file)
    return path, read(str(path))


@FILES
def test_symbols_and_versions_are_those_of_readelf(directory: Path, file: str) -> None:
    path, elf = both(directory, file)
    expected, versions = set(), set()
    for line in readelf(path, "--dyn-syms").splitlines():
        fields = line.split()
        if len(fields) < 8 or not re.fullmatch(r"[0-9]+:", fields[0]) or fields[4] == "LOCAL":
            continue
        name, _, version = fields[7].partition("@")
        if fields[6] == "ABS" and not version:  # what a version is called, of which readelf says no version
            versions.add(name)
            continue
        size = int(fields[2], 0)
        expected.add((name, version.lstrip("@"), version.startswith("@"), int(fields[1], 16), size, fields[6] != "UND"))
    found = {
        (one.name, one.version, one.default and bool(one.version), one.address, one.size, one.defined)
        for one in (*elf.exports, *elf.imports)
        if one.name not in versions
    }
    assert found == expected


@FILES
def test_names_of_libraries_and_of_the_build_are_those_of_readelf(directory: Path, file: str) -> None:
    path, elf = both(directory, file)
    tags = readelf(path, "-d")
    assert list(elf.needed) == re.findall(r"Shared library: \[(.*)\]", tags)
    assert elf.soname == "".join(re.findall(r"Library soname: \[(.*)\]", tags))
    assert elf.build_id == "".join(re.findall(r"Build ID: ([0-9a-f]+)", readelf(path, "-n")))
    assert elf.interpreter == "".join(re.findall(r"program interpreter: (.*)\]", readelf(path, "-l")))


@FILES
def test_relocations_are_those_of_readelf(directory: Path, file: str) -> None:
    path, elf = both(directory, file)
    pointers: dict[int, int] = {}
    slots: dict[int, str] = {}
    resolvers: dict[int, int] = {}
    inplace = elf.image.bits == 32
    text = readelf(path, "-r")
    for line in text.splitlines():
        fields = line.split()
        if len(fields) == 1 and re.fullmatch(r"[0-9a-f]{8,16}", fields[0]):  # RELR
            pointers[int(fields[0], 16)] = elf.image.word(int(fields[0], 16))
        if len(fields) < 3 or not fields[2].startswith("R_"):
            continue
        address, kind = int(fields[0], 16), re.sub("R_(X86_64|386)_", "", fields[2])
        if kind == "RELATIVE":
            pointers[address] = elf.image.word(address) if inplace else int(fields[3], 16)
        elif kind.startswith("IRELATIV"):
            resolvers[address] = elf.image.word(address) if inplace else int(fields[3], 16)
        elif kind in ("64", "32", "GLOB_DAT", "JUMP_SLOT", "JUMP_SLO", "JMP_SLOT"):
            slots[address] = fields[4].partition("@")[0]
    assert {at: slot.symbol.name for at, slot in elf.relocations.slots.items()} == slots
    by_symbol = {at for at, slot in elf.relocations.slots.items() if slot.symbol.defined}
    assert {at: to for at, to in elf.relocations.pointers.items() if at not in by_symbol} == pointers
    assert {at: to for at, to in elf.relocations.resolvers.items() if at not in by_symbol} == resolvers
    for at in by_symbol & elf.relocations.pointers.keys():
        slot = elf.relocations.slots[at]
        assert elf.relocations.pointers[at] == slot.symbol.address + slot.addend


@FILES
def test_functions_of_the_unwinding_tables_are_those_of_readelf(directory: Path, file: str) -> None:
    path, elf = both(directory, file)
    expected: dict[int, int] = {}
    table = readelf(path, "--debug-dump=frames").partition("Contents of the .debug_frame")[0]
    for start, end in re.findall(r" FDE .*pc=([0-9a-f]+)\.\.([0-9a-f]+)", table):
        size = int(end, 16) - int(start, 16)
        expected[int(start, 16)] = max(size, expected.get(int(start, 16), 0))
    assert expected, "readelf lists none"
    assert dict(elf.frames) == expected


@FILES
def test_code_is_what_readelf_calls_executable(directory: Path, file: str) -> None:
    path, elf = both(directory, file)
    inside = 0
    row = re.compile(r"\] +(\S+) +PROGBITS +([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+) +[0-9a-f]+ +(\S*X\S*)")
    for _, address, _, size, _ in row.findall(readelf(path, "-S")):
        start, end = int(address, 16), int(address, 16) + int(size, 16)
        assert elf.image.is_code(start)
        assert elf.image.is_code(end - 1)
        inside += end - start
    assert inside == sum(end - start for start, end in elf.image.code)


@FILES
def test_without_section_headers_the_loader_s_facts_are_the_same(directory: Path, file: str) -> None:
    path, elf = both(directory, file)
    data = bytearray(path.read_bytes())
    places = {64: (40, 8, 60, 4), 32: (32, 4, 48, 4)}[elf.image.bits]
    for at, size in (places[:2], places[2:]):  # as sstrip leaves it: no table, no entries
        data[at : at + size] = bytes(size)
    bare = parse(bytes(data), "bare")
    assert bare.symbols == elf.symbols
    assert (bare.needed, bare.soname, bare.build_id, bare.interpreter) == (
        elf.needed, elf.soname, elf.build_id, elf.interpreter,
    )  # fmt: skip
    if elf.dynamic:
        assert bare.relocations == elf.relocations
        assert bare.initialisers == elf.initialisers
    if elf.image.parts("PT_GNU_EH_FRAME"):
        assert bare.frames == elf.frames
    assert all(bare.image.is_code(start) and bare.image.is_code(end - 1) for start, end in elf.image.code)


def test_functions_before_main_are_found_in_each_kind_of_program(directory: Path) -> None:
    for way in ("pie", "at fixed addresses", "static", "static pie", "relr", "32 bits", "musl static"):
        elf = read(str(linked(directory, way)))
        (before,) = [one.address for one in elf.linker_symbols if one.name == "before"]
        assert before in elf.initialisers, way


def test_symbols_that_strip_removes_are_those_of_readelf(directory: Path) -> None:
    path = linked(directory, "pie")
    rows = [line.split() for line in readelf(path, "--syms").partition(".symtab")[2].splitlines()]
    expected = {(row[7], int(row[1], 16)) for row in rows if len(row) >= 8 and row[3] == "FUNC"}
    found = {(one.name, one.address) for one in read(str(path)).linker_symbols if one.kind == "function"}
    assert found == expected
    assert read(str(linked(directory, "stripped"))).linker_symbols == ()
