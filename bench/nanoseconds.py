"""What a call costs under a filter on the running kernel; x86_64 only."""

from __future__ import annotations

import struct
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from bench.harness import pinned
from troth.bpf import Program

ROUNDS, BATCHES, SIZE = 7, 40, 2000


def measure(
    filters: Sequence[Program | None], calls: Sequence[tuple[int, tuple[int, ...]]], *, rounds: int = ROUNDS
) -> list[list[float]]:
    """Nanoseconds of each call under each filter (None for no filter): the median over rounds of the best batch."""
    asked = struct.pack("=5I", len(filters), len(calls), rounds, BATCHES, SIZE)
    for nr, args in calls:
        asked += struct.pack("=7Q", nr, *(value % (1 << 64) for value in args), *(0,) * (6 - len(args)))
    for program in filters:
        asked += struct.pack("=I", 0) if program is None else struct.pack("=I", len(program)) + program.to_bytes()
    with tempfile.TemporaryDirectory() as directory:
        command = Path(directory) / "nanoseconds"
        source = Path(__file__).with_name("nanoseconds.c")
        subprocess.run(["gcc", "-O2", "-o", str(command), str(source)], check=True)
        with pinned():
            done = subprocess.run([str(command)], input=asked, capture_output=True, check=True)
    found = iter([median(map(float, line.split())) for line in done.stdout.decode().splitlines()])
    return [[next(found) for _ in calls] for _ in filters]
