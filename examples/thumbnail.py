#!/usr/bin/env python3
"""Shrink an image that may be hostile: parse it in a child that can do nothing but compute.

    python3 examples/thumbnail.py IN.ppm OUT.ppm

Parsers of pictures, fonts and archives are where a file turns into somebody else's program. Here
the parser runs in a forked child that has promised `stdio` and nothing more: it has the bytes of
the image, which the parent read for it, and a pipe for its answer. It cannot open or change a
file, start a program or use the network, whatever the image makes of it.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

import troth

WIDTH = 64


class ParserError(Exception):
    """The child did what it had promised not to, or failed; the message says which."""


def confined(work: Callable[[bytes], bytes], data: bytes) -> bytes:
    """Give `work(data)`, computed in a child that is pledged to `stdio`.

    Raises:
        ParserError: the child ended without an answer.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        try:
            troth.pledge("stdio")
            with os.fdopen(writing, "wb") as answer:
                answer.write(work(data))
            os._exit(0)
        except Exception as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        finally:
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        result = answer.read()
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status == -signal.SIGSYS:
        raise ParserError("the parser did what it had promised not to, and was killed")
    if status:
        raise ParserError("the parser failed" if status > 0 else f"the parser died of signal {-status}")
    return result


def shrink(image: bytes) -> bytes:
    """A binary PPM image, made about WIDTH pixels wide by leaving out pixels.

    >>> shrink(b"P6 128 2 255\\n" + bytes(128 * 2 * 3))[:13]
    b'P6 64 1 255\\n\\x00'
    """
    fields: list[bytes] = []
    at = 0
    while len(fields) < 4:  # the kind, width, height, greatest value; comments between them
        while image[at : at + 1].isspace():
            at += 1
        if image[at : at + 1] == b"#":
            at = image.index(b"\n", at)
            continue
        start = at
        while at < len(image) and not image[at : at + 1].isspace():
            at += 1
        fields.append(image[start:at])
    if fields[0] != b"P6" or fields[3] != b"255":
        raise ValueError("not a binary PPM image of 8 bits")
    width, height = int(fields[1]), int(fields[2])
    pixels = image[at + 1 :]
    if width < 1 or height < 1 or len(pixels) < 3 * width * height:
        raise ValueError("the image ends before its last pixel")
    step = max(1, width // WIDTH)
    lines = []
    for y in range(0, height, step):
        line = pixels[3 * width * y : 3 * width * (y + 1)]
        lines.append(b"".join(line[3 * x : 3 * x + 3] for x in range(0, width, step)))
    return b"P6 %d %d 255\n" % (len(lines[0]) // 3, len(lines)) + b"".join(lines)


def main() -> int:
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    with open(sys.argv[1], "rb") as stream:
        image = stream.read()
    try:
        small = confined(shrink, image)
    except ParserError as error:
        print(f"{sys.argv[1]}: {error}", file=sys.stderr)
        return 1
    with open(sys.argv[2], "wb") as stream:
        stream.write(small)
    return 0


if __name__ == "__main__":
    sys.exit(main())
