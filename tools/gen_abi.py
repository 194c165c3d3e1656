#!/usr/bin/env python3
"""Generate src/troth/abi/_*.py from Debian's packages of the kernel.

    python3 tools/gen_abi.py             from the newest kernel that the archive has
    python3 tools/gen_abi.py --check     from the versions recorded in the files; exit 1 when they differ

Needs apt, dpkg-deb, tar, xz and an x86 gcc; no root. Downloads about 180 MB once, into
`$TROTH_CACHE` or `~/.cache/troth`. What comes from where:

- linux-source: entry points (`syscall*.tbl`), arguments (SYSCALL_DEFINE), what no uapi header has;
- linux-libc-dev, of the same version: numbers and constants of every arch; of older series: who had which call;
- manpages-dev: syscalls(2), since when.

The parts: `gen_abi_packages` (apt), `gen_abi_arches` (where an arch's facts are), `gen_abi_source` and
`gen_abi_since` (reading), `gen_abi_tables`, `gen_abi_flags` and `gen_abi_others` (making the files).
"""

from __future__ import annotations

import argparse
import difflib
import functools
import gzip
import re
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools import gen_abi_flags, gen_abi_others, gen_abi_tables
from tools.gen_abi_arches import ARCHES
from tools.gen_abi_packages import Archive, Package, extract, extract_source, newer
from tools.gen_abi_since import parse_page
from troth.libc.apt import FetchError
from troth.libc.cache import cache_directory

TARGET = Path(__file__).resolve().parent.parent / "src/troth/abi"

# Of linux-source: everything that defines system calls or says how an arch is configured.
TREES = sorted({arch.tree for arch in ARCHES.values()})
SOURCES = [
    *(f"*/{directory}/*.c" for directory in ("kernel", "fs", "mm", "ipc", "net", "security", "block", "io_uring")),
    *(f"*/arch/{tree}/{what}" for tree in TREES for what in ("*.c", "Kconfig", "include/asm/*.h")),
    *("*/drivers/char/random.c", "*/drivers/pci/syscall.c", "*/init/*.c", "*/include/linux/*.h"),
    *("*/arch/*.tbl", "*/scripts/syscall.tbl"),
]


def recorded() -> dict[str, str]:
    """The packages that the committed files say they were made from: name to version."""
    first = (TARGET / "_flags.py").read_text().splitlines()[0]
    return dict(re.findall(r"(\S+) (\d\S*?)[,.]?(?= |$)", first.partition(" from ")[2]))


def newest(archive: Archive) -> list[Package]:
    """The newest kernel's sources, its headers, and the newest manual pages."""
    names = [name for name in archive.names("linux-source-") if re.fullmatch(r"linux-source-\d+\.\d+", name)]
    found = [(version, name) for name in names for version in archive.versions(name)]
    by_version = functools.cmp_to_key(newer)
    version, name = max(found, key=lambda item: by_version(item[0]))
    pages = archive.versions("manpages-dev")[0]
    return [Package(name, version), Package("linux-libc-dev", version), Package("manpages-dev", pages)]


def pinned(archive: Archive) -> tuple[list[Package], list[str]]:
    """The recorded versions; where the archive has dropped one, the newest of its series and a remark."""
    packages, remarks = [], []
    for name, version in recorded().items():
        have = archive.versions(name)
        if version not in have and not archive.cached(Package(name, version)):
            wanted = series(version)
            substitute = next((other for other in have if series(other) == wanted), None)
            if substitute is None:
                problem = f"{name} {version} is no longer in the archive, nor another {wanted}"
                raise FetchError(f"{problem}; it has {' '.join(have) or 'none'}")
            remarks.append(f"{name} {version} is no longer in the archive; compared with {substitute}")
            version = substitute
        packages.append(Package(name, version))
    return packages, remarks


def older_headers(archive: Archive, version: str) -> list[Package]:
    """linux-libc-dev of every older series that the archive has, the newest of each."""
    found: dict[str, str] = {}
    for other in archive.versions("linux-libc-dev"):
        found.setdefault(series(other), other)
    return [Package("linux-libc-dev", other) for name, other in found.items() if name != series(version)]


def series(version: str) -> str:
    """The first two numbers of a version: 7.3 of 7.3.4-1."""
    match = re.match(r"\d+\.\d+", version)
    return match.group() if match else version


def generate(archive: Archive, packages: list[Package], place: Path) -> dict[str, str]:
    """Make every file, as name: text, with `place` for what is unpacked."""
    source, headers, pages = packages
    extract_source(archive.fetch(source), place / "source", SOURCES)
    extract(archive.fetch(headers), place / "headers", ["./usr/*"])
    extract(archive.fetch(pages), place / "pages", ["*/man2/syscalls.2.gz"])
    page = parse_page(gzip.decompress(next((place / "pages").rglob("syscalls.2.gz")).read_bytes()).decode())
    older = {}
    for package in older_headers(archive, headers.version):
        print(f"{package} (which calls the series had)", file=sys.stderr)
        directory = place / series(package.version)
        extract(archive.fetch(package), directory, ["./usr/*"])
        older[series(package.version)] = directory / "usr/include"
    include = place / "headers/usr/include"
    made_from = ", ".join(map(str, packages))
    kernel = gen_abi_tables.Kernel(place / "source", include, page, older)
    files = {f"_{name}.py": gen_abi_tables.render(kernel.calls(name), name, made_from) for name in ARCHES}
    constants = {name: gen_abi_flags.Headers(name, include, place / "source").constants() for name in ARCHES}
    files["_flags.py"] = gen_abi_flags.render(constants, made_from)
    files |= gen_abi_others.files(place / "source", str(source), older)
    return files


def differences(files: dict[str, str], *, skip_origin: bool) -> list[str]:
    """A unified diff of the committed files against these; without the lines of origin when asked."""
    lines: list[str] = []
    for name, text in files.items():
        path = TARGET / name
        old = path.read_text().splitlines() if path.exists() else []
        new = text.splitlines()
        if skip_origin:
            old, new = old[1:], new[1:]
        lines += difflib.unified_diff(old, new, f"committed/{name}", f"generated/{name}", lineterm="", n=1)
    return lines


def main() -> int:
    """Generate, or compare; say on stderr from what."""
    parser = argparse.ArgumentParser(description="Generate src/troth/abi/_*.py from Debian's packages of the kernel.")
    parser.add_argument("--check", action="store_true", help="compare with the committed files instead of writing them")
    check = parser.parse_args().check
    place = Path(tempfile.mkdtemp(prefix="troth-abi-"))
    try:
        archive = Archive(cache_directory())
        packages, remarks = pinned(archive) if check else (newest(archive), [])
        for package in packages:
            print(package, file=sys.stderr)
        files = generate(archive, packages, place)
    except (FetchError, ValueError) as error:
        print(f"gen_abi: {error}", file=sys.stderr)
        return 2
    finally:
        shutil.rmtree(place)
    for remark in remarks:
        print(f"gen_abi: {remark}", file=sys.stderr)
    if not check:
        for name, text in files.items():
            (TARGET / name).write_text(text)
        return 0
    lines = differences(files, skip_origin=bool(remarks))
    if lines:
        print("\n".join(lines))
        return 1
    print(f"gen_abi: the {len(files)} files are as generated", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
