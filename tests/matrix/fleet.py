"""Get what a guest is made of and boot it: a kernel, a root, the project, and which tests it runs."""

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path
from typing import Final

from matrix import guest, image
from matrix.kernels import Guest
from matrix.machines import MACHINES

from tools import debroot, kernels

# Where a guest's programs come from: the first suite that the mirror has whole for the architecture.
SUITES: Final = ("trixie", "forky", "sid")
_PACKAGES: Final = (
    "python3", "coreutils", "dash", "bash", "sed", "grep", "mawk", "findutils", "util-linux", "mount", "procps",
    "login", "passwd", "tar", "gzip",
)  # fmt: skip
# What the tests compile their programs with; not where only filters and tables are asked.
_COMPILER: Final = ("gcc", "libc6-dev", "musl-tools", "busybox-static")
_COMPILER_32: Final = ("gcc-multilib",)
# What runs while a guest's modules are compiled: a Python for this machine.
_HERE: Final = "amd64"

# What each choice of the table of guests runs, as arguments of pytest: as root, and as nobody.
_ORDINARY: Final = ("-q", "--tb=short", "-p", "no:cacheprovider", "-o", "addopts=")
_KERNEL: Final = tuple(
    f"tests/live/test_kernel_{part}.py" for part in ("probe", "seccomp", "notify", "filters", "landlock", "process")
)
_FILTERS: Final = (*_KERNEL, "tests/live/test_by_kernel.py", "tests/live/test_pledge_state.py")
CHOICES: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    # Filters, tables and pledge(): where programs cannot be started confined late, or take too long.
    "filters": (
        (*_FILTERS, "tests/live/test_pledge.py", "tests/escape/test_closed_holes.py"),
        ("tests/live/test_kernel_probe.py", "tests/live/test_by_kernel.py"),
    ),
    # What depends on the kernel: the above, veils, signals, starting programs.
    "main": (
        (
            *_FILTERS,
            "tests/live/test_pledge.py::test_an_operation_works_with_its_promises_and_not_without_one",
            "tests/live/test_unveil.py",
            "tests/live/test_run_ordinary.py",
            "tests/live/test_run_refusals.py",
            "tests/live/test_run_violations.py",
            "tests/escape/test_closed_holes.py",
            "tests/escape/test_signals.py",
        ),
        ("tests/live/test_kernel_probe.py", "tests/live/test_by_kernel.py", "tests/live/test_run_ordinary.py"),
    ),
    "all": (("tests/live", "tests/escape"), ("tests/live",)),
}

# Seconds for one guest, with room for a machine that is ten times as slow as the one that this was written on.
TIMEOUT: Final = {"filters": 1800.0, "main": 1800.0, "all": 9000.0}


class Absent(Exception):
    """Something that a guest is made of cannot be had here; the message says what and why."""


class Fleet:
    """The guests of one run; what they share is fetched and made once, by whoever comes first."""

    def __init__(self) -> None:
        self._cache = debroot.cache_directory() / "guests"
        self._making = threading.Lock()

    def boot(self, what: Guest, *, everything: bool) -> guest.Boot:
        """Boot one guest and run its tests; those for every day unless `everything`.

        Raises:
            Absent: a kernel or a root cannot be fetched.
        """
        chosen = "main" if what.chosen == "all" and not everything else what.chosen
        try:
            with self._making:
                kernel = kernels.fetch(what.series, what.arch)
                base, compiler = self._base(what.arch, with_compiler=what.chosen != "filters")
        except debroot.FetchError as error:
            raise Absent(str(error)) from error
        as_root, as_nobody = CHOICES[chosen]
        plan = image.Plan(
            sessions=(("root", (*_ORDINARY, *as_root)), ("nobody", (*_ORDINARY, *as_nobody))),
            environment={"TROTH_GUEST": what.name},
        )
        with tempfile.TemporaryDirectory(dir=self._cache) as scratch:
            project = Path(scratch, "project.cpio")
            image.project(project, plan, compiler=compiler)
            told = guest.boot(MACHINES[what.arch], kernel, [base, project], timeout=TIMEOUT[chosen])
        if kept := os.environ.get("TROTH_MATRIX_LOGS"):
            Path(kept, f"{what.name}.log").write_text(told.console)
        return told

    def _base(self, arch: str, *, with_compiler: bool) -> tuple[Path, Path]:
        """The archive of a root, and the root whose Python compiled it."""
        packages: tuple[str, ...] = _PACKAGES
        if with_compiler:
            packages += _COMPILER + (_COMPILER_32 if arch == "amd64" else ())
        root = debroot.root(packages, SUITES, arch)
        compiler = root.path if arch == _HERE else debroot.root(_PACKAGES, (root.suite,), _HERE).path
        return image.base(root.path, arch, self._cache, compiler=compiler), compiler
