"""What the running kernel answers: filters installed in children of a small C program, verdicts read as errnos.

An errno has room for 12 bits and an answer has 32, so a program is asked three times: each time with all its returns
led to a tail that answers another part of what would have been returned. Everything before the returns runs as it is.
"""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from oracle.generate import ended
from programs import compiled

from troth.abi.seccomp import RET_ERRNO, RET_KILL_THREAD
from troth.bpf import Call, Program
from troth.bpf.program import AND, RET_A

Job = tuple[Program, list[Call]]

SYSCALL, INT80 = 0, 1

# Outcomes that are no results; what is trapped is TRAPPED plus its data.
KILLED_THREAD = -(1 << 63)
KILLED_PROCESS = KILLED_THREAD + 1
TRAPPED = KILLED_THREAD + 0x10000

_PARTS = (0, 11, 22)  # the first bit of each part
_PART = 0x7FF
_RSH, _OR = 0x74, 0x44
_LOW = 0xFFFFFFFF
_CALL, _PAIR, _WORD = struct.Struct("=8Q"), struct.Struct("=II"), struct.Struct("=I")


class Door(NamedTuple):
    """A way into the kernel: how `referee.c` is compiled, its entry, and what the kernel calls the architecture."""

    name: str
    flags: tuple[str, ...]
    entry: int
    audit: int
    bits: int  # of an argument


DOORS = (
    Door("syscall", (), SYSCALL, 0xC000003E, 64),
    # A 64-bit program can enter as a 32-bit one; filters see all bits of its registers then.
    Door("int 0x80 of a 64-bit program", (), INT80, 0x40000003, 64),
    Door("int 0x80 of a 32-bit program", ("-m32",), INT80, 0x40000003, 32),
)


def telling(program: Program, shift: int) -> Program:
    """The program, with 11 bits of each answer as the errno that it answers."""
    return ended(program, ((_RSH, 0, 0, shift), (AND, 0, 0, _PART), (_OR, 0, 0, RET_ERRNO), (RET_A, 0, 0, 0)))


class Referee:
    """The running kernel behind one door."""

    def __init__(self, door: Door) -> None:
        self.door = door
        source = Path(__file__).with_name("referee.c").read_text()
        self._command = compiled(source, *door.flags)
        self.ip = struct.unpack("=2Q", self._run(b""))[door.entry]

    def call(self, nr: int, args: tuple[int, ...]) -> Call:
        """The call as the kernel shows it to a filter when it comes through this door."""
        mask = (1 << self.door.bits) - 1
        return Call(self.door.audit, nr & _LOW, tuple(value & mask for value in args), self.ip)

    def answers(self, jobs: Iterable[Job]) -> list[list[int]]:
        """What each program answers to each of its calls, all 32 bits."""
        thirds = [([telling(program, shift)], calls) for program, calls in jobs for shift in _PARTS]
        said = self.outcomes(thirds)
        return [[_whole(*parts) for parts in zip(*said[at : at + 3], strict=True)] for at in range(0, len(said), 3)]

    def outcomes(self, stacks: Iterable[tuple[list[Program], list[Call]]]) -> list[list[int]]:
        """What becomes of calls under stacks of filters, oldest first: results, errnos negated, or `KILLED_THREAD`..."""
        asked, counts = bytearray(), []
        for programs, calls in stacks:
            counts.append(len(calls))
            asked += _PAIR.pack(len(programs), len(calls))
            for program in programs:
                asked += _WORD.pack(len(program)) + program.to_bytes()
            for call in calls:
                asked += _CALL.pack(self.door.entry, call.nr, *call.args)
        said = iter(struct.unpack(f"={sum(counts)}q", self._run(bytes(asked))[16:]))
        return [[next(said) for _ in range(count)] for count in counts]

    def _run(self, given: bytes) -> bytes:
        done = subprocess.run([self._command], input=given, capture_output=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{self.door.name}: status {done.returncode}: {done.stderr.decode()}")
        return done.stdout


def _whole(*parts: int) -> int:
    """The answer of which these parts were told; a division by zero ends the program with 0, which kills."""
    if KILLED_THREAD in parts:
        if {*parts} != {KILLED_THREAD}:
            raise RuntimeError(f"killed for one part of an answer only: {parts}")
        return RET_KILL_THREAD
    if not all(0 <= -part <= _PART for part in parts):
        raise RuntimeError(f"these are no errnos: {parts}")
    return sum(-part << shift for part, shift in zip(parts, _PARTS, strict=True))
