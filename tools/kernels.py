#!/usr/bin/env python3
"""Fetch one kernel of each series that Debian has, ready to be booted by QEMU.

    python tools/kernels.py                    the series that there are for amd64
    python tools/kernels.py 6.12 7.3           fetch these; prints their paths
    python tools/kernels.py --arch s390x 7.2

Packages come through apt with a state of its own (tools/debroot.py), verified; what is unpacked is kept in
`$TROTH_CACHE` or ~/.cache/troth. Nothing is installed.
"""

from __future__ import annotations

import argparse
import bz2
import functools
import lzma
import re
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools import debroot

# Oldest first: between them they have every series; of two that have the same, the later package wins.
SUITES: Final = ("bullseye", "bookworm", "trixie", "trixie-backports", "forky", "sid", "experimental")

# What the names of the kernel's packages end with.
FLAVOURS: Final = {
    "amd64": "cloud-amd64",
    "arm64": "cloud-arm64",
    "armhf": "armmp",
    "ppc64el": "powerpc64le",
    "riscv64": "riscv64",
    "s390x": "s390x",
}


class Package(NamedTuple):
    """A package with a kernel in it."""

    name: str
    suite: str

    @property
    def release(self) -> tuple[int, ...]:
        """The numbers of its version, which compare."""
        version = self.name.split("-", 2)[2].removesuffix("64").partition("+")[0]
        return tuple(int(part) for part in re.findall(r"[0-9]+", version))


@functools.cache
def catalogue(arch: str) -> dict[str, Package]:
    """Give the newest package of each series, oldest series first.

    A suite whose index the mirror does not have whole is left out. Since 6.19 the kernel itself is in linux-binary-*.

    Raises:
        debroot.FetchError: no suite can be read.
    """
    found: dict[str, Package] = {}
    complaints = []
    name = re.compile(rf"linux-(?:image|binary)-([0-9]+\.[0-9]+)[^-]*(?:-[0-9]+)?-{FLAVOURS[arch]}")
    for suite in SUITES:
        try:
            names = debroot.Archive(suite, arch).names("linux-")
        except debroot.FetchError as error:
            complaints.append(f"{suite}: {error}")
            continue
        for matched in filter(None, map(name.fullmatch, sorted(names))):
            series, package = matched[1], Package(matched[0], suite)
            better = (package.release, "binary" in package.name)
            if series not in found or better > (found[series].release, "binary" in found[series].name):
                found[series] = package
    if not found:
        raise debroot.FetchError(f"no suite has a kernel for {arch}: {'; '.join(complaints)}")
    return dict(sorted(found.items(), key=lambda item: [int(part) for part in item[0].split(".")]))


def fetch(series: str, arch: str = "amd64") -> Path:
    """Give the path of a kernel that QEMU can boot, from the cache if it is there.

    Raises:
        debroot.FetchError: there is no such kernel, or it cannot be fetched.
    """
    directory = debroot.cache_directory() / "kernels" / f"{arch}-{series}"
    kept = sorted(directory.glob("kernel-*"))
    if kept:
        return kept[-1]
    package = catalogue(arch).get(series)
    if package is None:
        raise debroot.FetchError(f"no suite has Linux {series} for {arch}; there are {', '.join(catalogue(arch))}")
    (deb,) = debroot.Archive(package.suite, arch).fetch([package.name], exact=True)
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        unpack = ["tar", "-x", "-C", scratch, "--wildcards", "--transform=s,.*/,,", "*/vmlinu[xz]*"]
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE) as packed:
            done = subprocess.run(unpack, stdin=packed.stdout, capture_output=True, text=True, check=False)
        if done.returncode or packed.returncode:
            raise debroot.FetchError(f"{deb.name}: {done.stderr.strip()}")
        (image,) = Path(scratch).iterdir()
        if arch == "amd64":  # boots without decompressing itself, which takes the emulator seconds
            image.write_bytes(unpacked(image.read_bytes()))
        target = directory / f"kernel-{package.name.split('-', 2)[2]}"
        image.rename(target)
    return target


def _zstd(data: bytes) -> bytes:
    return subprocess.run(["zstd", "-dcq"], input=data, capture_output=True, check=False).stdout


def _lz4(data: bytes) -> bytes:
    return subprocess.run(["lz4", "-dcq"], input=data, capture_output=True, check=False).stdout


# How a bzImage may be packed: the first bytes, and what unpacks it although something follows.
_PACKED: Final[tuple[tuple[bytes, Callable[[bytes], bytes]], ...]] = (
    (b"\xfd7zXZ\0", lambda data: lzma.LZMADecompressor().decompress(data)),
    (b"\x1f\x8b\x08", lambda data: zlib.decompressobj(31).decompress(data)),
    (b"\x28\xb5\x2f\xfd", _zstd),
    (b"BZh", lambda data: bz2.BZ2Decompressor().decompress(data)),
    (b"\x02\x21\x4c\x18", _lz4),
)


def unpacked(image: bytes) -> bytes:
    """Give the ELF file that is packed in a bzImage.

    Raises:
        debroot.FetchError: there is none.
    """
    for magic, unpack in _PACKED:
        for found in re.finditer(re.escape(magic), image):
            try:
                kernel = unpack(image[found.start() :])
            except (lzma.LZMAError, zlib.error, OSError, EOFError):
                continue  # the same bytes by chance
            if kernel.startswith(b"\x7fELF"):
                return kernel
    raise debroot.FetchError("there is no kernel in the image, or it is packed in a way that is not known here")


def main() -> None:
    """List or fetch."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("series", nargs="*", help="such as 6.12; lists what there is without one")
    parser.add_argument("--arch", choices=sorted(FLAVOURS), default="amd64", help="Debian's name of it")
    options = parser.parse_args()
    try:
        for series in options.series:
            print(fetch(series, options.arch))
        if not options.series:
            for series, package in catalogue(options.arch).items():
                print(f"{series:6} {package.suite:17} {package.name}")
    except debroot.FetchError as error:
        sys.exit(f"kernels: {error}")


if __name__ == "__main__":
    main()
