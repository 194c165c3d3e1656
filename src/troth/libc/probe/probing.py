"""Probe the C library of a root: compile the probe for it, run it in a box, give the facts."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

from troth.errors import RequestError, nearest
from troth.libc.probe import build
from troth.libc.probe.box import Box
from troth.libc.probe.facts import ProbeFacts
from troth.libc.probe.session import Session
from troth.libc.probe.survey import survey

if TYPE_CHECKING:
    from troth.libc.identify import Found

Told = Callable[[float, str], None]


def probe(found: Found, *, functions: Collection[str] = (), told: Told | None = None) -> ProbeFacts:
    """Run the probe with a libc, and give what it saw; `functions` are those to probe, all by default.

    `told` hears how much is done, of 100.

    Raises:
        RequestError: the libc has no root here, no such probe can be compiled, no box can be made, or a name is no
            function of the probe.

    Needs Linux 5.19, and user namespaces.
    """
    if not found.root:
        raise RequestError(
            f"{found.origin or found.name}: cannot be probed, since there is no root with it here",
            hint="name a root directory, or a suite such as debian:trixie",
        )
    if told:
        told(0.0, "compiling the probe")
    box = Box(Path(found.root), build.probe(found.libc, found.arch), build.command())
    if functions:
        _check(functions, box, found.arch)
    what = f"probing {found.name}"

    def progress(done: int, total: int) -> None:
        if told:
            told(100.0 * done / max(total, 1), what)

    progress(0, 1)
    seen = survey(box, found.arch, wanted=lambda entry: not functions or entry.function in functions, progress=progress)
    return ProbeFacts(found.name, found.arch, _origin(found), seen.absent, seen.cases)


def _check(functions: Collection[str], box: Box, arch: str) -> None:
    with Session(box, arch) as session:
        known = {entry.function for entry in session.entries}
    for name in functions:
        if name not in known:
            hint = nearest(name, known)
            raise RequestError(f"`{name}` is no function of the probe", hint=hint)


def _origin(found: Found) -> dict[str, str]:
    """What the facts say of where they are from."""
    package = f"{found.package.name} {found.package.version}" if found.package else ""
    told = {
        "package": package,
        "package-sha256": found.package.sha256 if found.package else "",
        "sha256": found.sha256,
        "build-id": found.build_id,
        "kernel": os.uname().release.partition("-")[0],
    }
    return {key: value for key, value in told.items() if value}
