"""A law of saved images: damage is an error that says so and nothing else, and nothing is written but to the cache."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from libc_files import docker_files, glibc, layer, layout_files

from troth.errors import RequestError
from troth.libc.identify import resolve

BASE = layer(
    {"lib": "usr/lib", "usr/lib/libc.so.6": glibc(), "etc/.wh.gone": b""}, links={"lib64/ld.so": "usr/lib/libc.so.6"}
)
IMAGES = (
    layer(docker_files([BASE])),
    layer(layout_files({"amd64": [BASE]})),
    layer(layout_files({"": [BASE]}, packed=False)),
)


@given(
    image=st.sampled_from(IMAGES),
    changes=st.lists(st.tuples(st.integers(0, 1 << 20), st.binary(min_size=1, max_size=12)), min_size=1, max_size=6),
)
def test_a_damaged_image_is_read_or_refused(image: bytes, changes: list[tuple[int, bytes]]) -> None:
    changed = bytearray(image)
    for at, new in changes:
        # Mostly where headers and documents are: at the start of blocks, and in the first of them.
        place = at % len(image) if at & 1 else (at % (len(image) // 512)) * 512 + at % 160
        changed[place : place + len(new)] = new
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "work", "image.tar")
        path.parent.mkdir()
        path.write_bytes(changed)
        before = dict(os.environ)
        os.environ["TROTH_CACHE"] = f"{directory}/cache"
        try:
            with contextlib.suppress(RequestError):
                resolve(str(path))
        finally:
            os.environ.clear()
            os.environ.update(before)
        written = [one for one in Path(directory).rglob("*") if not one.is_dir()]
        assert all(one == path or one.is_relative_to(Path(directory, "cache", "images")) for one in written)
