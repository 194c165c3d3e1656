#!/usr/bin/env python3
"""Record which system calls ordinary programs make, with which arguments: bench/calls.json.

    python bench/record_calls.py

Each workload runs under strace(1) with all its children. Kept are its ten most frequent calls, and of each the
combinations of arguments that make up most of it; addresses, sizes and descriptors are recorded as 0, since the
filters that are measured do not ask for them.
"""

from __future__ import annotations

import json
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from troth import abi

CALLS = Path(__file__).with_name("calls.json")
MOST_CALLS = 10
MOST_ARGUMENTS = 4  # combinations kept of one call

_PYTHON = "import asyncio, json, ssl, sqlite3, subprocess; subprocess.run(['true']); print(json.dumps([1]))"
_SQL = (
    "create table t(a, b); " + " ".join(f"insert into t values({n}, '{n}');" for n in range(100)) + " select * from t;"
)
_C = "int main(void) { return 0; }"

_GIT = (
    "cp -r {} work && cd work && git init -q . && git add -A && "
    "git -c user.name=a -c user.email=a commit -qm a && git log --stat"
)
_SERVER = (
    "redis-server --port 0 --unixsocket s --save '' > log & sleep 1; "
    "redis-benchmark -s s -n 3000 -t set,get -q; redis-cli -s s shutdown nosave; wait"
)

# What runs in an empty directory; `{}` is a directory with some files to work on.
WORKLOADS = (
    ("an interpreter", ("/usr/bin/python3", "-c", _PYTHON)),
    ("a compiler", ("sh", "-c", f"echo '{_C}' > a.c && gcc -O2 -o a a.c && ./a")),
    ("git", ("sh", "-c", _GIT)),
    ("a database", ("sqlite3", "data.db", _SQL)),
    ("an archiver", ("sh", "-c", "tar czf a.tar.gz -C {} . && tar xzf a.tar.gz")),
    ("a server", ("sh", "-c", _SERVER)),
)

_LINE = re.compile(r"^\d+ +(?:<\.\.\. )?(\w+)\((.*?)(?:\) += .*| <unfinished \.\.\.>)$")


def _numbers(name: str, text: str) -> tuple[int, ...] | None:
    """The arguments of a line of strace, addresses, sizes and descriptors as 0; None when it shows something else."""
    try:
        kinds = abi.syscall("x86_64", name).args
        values = [int(field, 0) for field in text.split(",") if field.strip()]
    except (KeyError, ValueError):
        return None
    kept = [
        "flags" in argument or "prot" in argument or (kind in ("i32", "u32") and not argument.endswith("fd"))
        for argument, kind in kinds
    ]
    return tuple(value if keep else 0 for value, keep in zip(values, kept, strict=False))


def record(command: tuple[str, ...], material: Path) -> Counter[tuple[str, tuple[int, ...]]]:
    """Run a command and count its calls with their arguments."""
    found: Counter[tuple[str, tuple[int, ...]]] = Counter()
    with tempfile.TemporaryDirectory() as directory:
        log = Path(directory) / "log"
        work = Path(directory) / "work"
        work.mkdir()
        argv = [word.replace("{}", str(material)) for word in command]
        strace = ["strace", "-f", "-qqq", "--signal=none", "-e", "raw=all", "-o", str(log), "--", *argv]
        subprocess.run(strace, cwd=work, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        for line in log.read_text().splitlines():
            match = _LINE.match(line)
            args = _numbers(*match.groups()) if match else None
            if match and args is not None:
                found[match[1], args] += 1
    return found


def _lines(recorded: dict[str, object]) -> str:
    """JSON with a line for each call."""
    return re.sub(r"\n {5,}", " ", json.dumps(recorded, indent=1)) + "\n"


def main() -> None:
    """Run all workloads and write the file."""
    material = Path(__file__).resolve().parent.parent / "src"
    recorded = {}
    for label, command in WORKLOADS:
        counts = record(command, material)
        names: Counter[str] = Counter()
        for (name, _), count in counts.items():
            names[name] += count
        calls = []
        for name, count in names.most_common(MOST_CALLS):
            kinds = [(args, n) for (called, args), n in counts.most_common() if called == name][:MOST_ARGUMENTS]
            calls.append({"name": name, "count": count, "arguments": [[n, *args] for args, n in kinds]})
        recorded[label] = {"total": sum(names.values()), "calls": calls}
    version = subprocess.run(["strace", "--version"], capture_output=True, text=True, check=True).stdout.split("\n")[0]
    about = f"Made by bench/record_calls.py with {version} on Linux {platform.release().partition('-')[0]} (x86_64)."
    CALLS.write_text(_lines({"about": about, "workloads": recorded}))


if __name__ == "__main__":
    missing = [name for name in ("strace", "gcc", "git", "sqlite3", "redis-server") if not shutil.which(name)]
    if missing:
        sys.exit(f"not installed: {', '.join(missing)}")
    main()
