"""The emulator against the simulator of libseccomp's own tests, on the opcodes that the simulator knows.

The simulator is in no package of Debian, but in its source package, which apt fetches and verifies.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from random import Random

import pytest
from conftest import needs
from oracle import generate

from tools.debroot import Archive, FetchError, cache_directory
from troth import abi
from troth.abi.seccomp import RET_ALLOW, RET_ERRNO, RET_KILL_PROCESS, RET_KILL_THREAD, RET_LOG, RET_TRACE, RET_TRAP
from troth.bpf import Call, Program, Verdict, emulate
from troth.bpf.program import AND, JA, JEQ, JGE, JGT, LD_ABS, RET_K
from troth.libc.apt import KEYRINGS, mirror

SUITE = "bookworm"
PROGRAMS, CALLS = 120, 8
ARCHES = {"x86_64": "x86_64", "i386": "x86", "aarch64": "aarch64"}
OR = 0x44
ANSWERS = (
    RET_ALLOW,
    RET_LOG,
    RET_ERRNO | 1,
    RET_ERRNO | 4095,
    RET_TRACE | 7,
    RET_TRAP,
    RET_KILL_THREAD,
    RET_KILL_PROCESS,
)
# Not the instruction pointer, which the simulator leaves at 0.
OFFSETS = (0, 4, *range(16, 64, 4))


def source(directory: Path) -> Path:
    """The tree of libseccomp's source package, unpacked.

    Raises:
        FetchError: it cannot be had.
    """
    lists = directory / "lists" / "partial"
    lists.mkdir(parents=True)
    keyring = next((path for path in KEYRINGS if Path(path).exists()), "")
    options = "check-valid-until=no" + (f" signed-by={keyring}" if keyring else "")
    (directory / "sources.list").write_text(f"deb-src [{options}] {mirror()} {SUITE} main\n")
    own = ("-o", f"Dir::Etc::sourcelist={directory}/sources.list", "-o", f"Dir::State::lists={directory}/lists")
    archive = Archive(SUITE, "amd64")
    archive.apt("apt-get", "-qq", *own, "update", cwd=directory)
    archive.apt("apt-get", "-qq", *own, "source", "--download-only", "libseccomp", cwd=directory)
    tarball = next(directory.glob("libseccomp_*.orig.tar.gz"))
    subprocess.run(["tar", "xzf", tarball.name], cwd=directory, check=True)
    return next(path for path in directory.glob("libseccomp-*") if path.is_dir())


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The simulator, built once and kept."""
    kept = cache_directory() / "scmp_bpf_sim"
    if not kept.exists():
        needs(shutil.which("gcc"), "gcc is not installed")
        directory = tmp_path_factory.mktemp("libseccomp")
        try:
            tree = source(directory)
        except FetchError as error:
            needs(False, f"libseccomp's source package: {error}")
        # What configure would make of it; the simulator needs nothing else of it.
        header = (tree / "include/seccomp.h.in").read_text()
        for name in ("MAJOR", "MINOR", "MICRO"):
            header = header.replace(f"@VERSION_{name}@", "0")
        (tree / "include/seccomp.h").write_text(header)
        built = directory / "scmp_bpf_sim"
        files = ("tools/scmp_bpf_sim.c", "tools/util.c")
        subprocess.run(["gcc", "-w", "-O1", "-Iinclude", "-o", str(built), *files], cwd=tree, check=True)
        shutil.copy(built, kept.with_suffix(f".{os.getpid()}"))
        kept.with_suffix(f".{os.getpid()}").rename(kept)
    return str(kept)


def program(random: Random) -> Program:
    """A random program of loads, masks, comparisons and constant answers."""
    insns: list[tuple[int, int, int, int]] = []
    size = random.randrange(4, 60)
    for place in range(size):
        room = size - 1 - place
        kind = random.randrange(10)
        if kind < 4:
            insns.append((LD_ABS, 0, 0, random.choice(OFFSETS)))
        elif kind < 5:
            insns.append((random.choice((AND, OR)), 0, 0, generate.word(random)))
        elif kind < 9:
            yes, no = (random.randrange(min(room, 5) + 1) for _ in range(2))
            insns.append((random.choice((JEQ, JGT, JGE)), yes, no, generate.word(random)))
        elif random.randrange(2):
            insns.append((JA, 0, 0, random.randrange(min(room, 5) + 1)))
        else:
            insns.append((RET_K, 0, 0, random.choice(ANSWERS)))
    return Program((*insns, (RET_K, 0, 0, random.choice(ANSWERS))))


def spelled(verdict: Verdict) -> str:
    """A verdict in the simulator's words."""
    words = {"kill_thread": "KILL", "errno": f"ERRNO({verdict.data})", "trace": f"TRACE({verdict.data})"}
    return words.get(verdict.action, verdict.action.upper())


@pytest.mark.parametrize("arch", ARCHES)
def test_emulator_and_simulator_give_the_same_answers(arch: str, simulator: str, tmp_path: Path) -> None:
    random = Random(arch)
    file = tmp_path / "filter"
    for _ in range(PROGRAMS // len(ARCHES)):
        some = program(random)
        file.write_bytes(some.to_bytes())
        for _ in range(CALLS):
            call = Call(abi.arch(arch).audit, random.randrange(1 << 31), generate.arguments(random))
            numbers = [word for index, value in enumerate(call.args) for word in (f"-{index}", str(value))]
            command = [simulator, "-f", str(file), "-a", ARCHES[arch], "-s", str(call.nr), *numbers]
            said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
            assert said == spelled(emulate(some, call, big_endian=False)), f"{some.to_bytes().hex()} {call}"
