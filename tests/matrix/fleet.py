"""Get what a guest is made of and boot it: a kernel, a root, the project, and which tests it runs."""

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path
from typing import Final

from matrix import guest, image, roots
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

# What each choice of the table of guests runs, as arguments of pytest: as root, and as nobody. Nobody runs little for
# every day, because most tests become nobody by themselves.
_ORDINARY: Final = ("-q", "--tb=short", "-p", "no:cacheprovider", "-o", "addopts=")
_PARTS: Final = ("probe", "seccomp", "notify", "filters", "landlock", "landlock_net", "process")
_FILTERS: Final = (
    *(f"tests/live/test_kernel_{part}.py" for part in _PARTS),
    "tests/live/test_by_kernel.py",
    "tests/live/test_pledge_state.py",
    "tests/live/test_pledge.py::test_an_operation_works_with_its_promises_and_not_without_one",
)
_UNVEIL: Final = (
    "tests/live/test_unveil.py",
    "tests/live/test_unveil_mistakes.py",
    "--deselect=tests/live/test_unveil.py::test_ten_thousand_paths_are_unveiled",
)
# As nobody they run in the session of nobody.
_PROGRAMS: Final = (
    "tests/live/test_run_ordinary.py",
    "--deselect=tests/live/test_run_ordinary.py::test_it_does_its_work_with_its_promises_and_not_without_one[unprivileged",
)
_SPOT_CHECK: Final = ("tests/live/test_kernel_probe.py", "tests/live/test_by_kernel.py")
CHOICES: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    # Filters, tables and pledge().
    "filters": (_FILTERS, _SPOT_CHECK),
    # Also veils, and programs that are started confined; troth cannot trace there, so they are from their start.
    "early": ((*_FILTERS, *_UNVEIL, *_PROGRAMS), _SPOT_CHECK),
    # What depends on the kernel: the above, signals, programs that are confined at their entry point.
    "main": (
        (
            *_FILTERS,
            *_UNVEIL,
            *_PROGRAMS,
            "tests/live/test_run_refusals.py",
            "tests/live/test_run_violations.py",
            "tests/escape/test_closed_holes.py",
            "tests/escape/test_signals.py",
        ),
        (
            *_SPOT_CHECK,
            "tests/live/test_run_ordinary.py",
            "--deselect=tests/live/test_run_ordinary.py::test_it_does_its_work_confined_from_its_start",  # by itself
        ),
    ),
    "newest libc": (
        ("tests/live/test_run_ordinary.py", *_SPOT_CHECK),
        ("tests/live/test_run_ordinary.py", *_SPOT_CHECK),
    ),
    "oldest libc": (("tests/live/test_run_ordinary.py", *_SPOT_CHECK), _SPOT_CHECK),  # to enter a root takes root
    "all": (("tests/live", "tests/escape"), ("tests/live",)),
}

# Seconds for one guest, with room for a machine that is ten times as slow as the one that this was written on.
_TIMEOUT: Final = 1800.0
_TIMEOUT_ALL: Final = 9000.0

_OLD_ROOT: Final = "/srv/old"


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
                base, compiler = self._base(what)
        except debroot.FetchError as error:
            raise Absent(str(error)) from error
        as_root, as_nobody = CHOICES[chosen]
        plan = image.Plan(
            sessions=(("root", (*_ORDINARY, *as_root)), ("nobody", (*_ORDINARY, *as_nobody))),
            environment={"TROTH_GUEST": what.name}
            | ({"TROTH_TEST_ROOT": _OLD_ROOT} if what.chosen == "oldest libc" else {}),
        )
        with tempfile.TemporaryDirectory(dir=self._cache) as scratch:
            project = Path(scratch, "project.cpio")
            image.project(project, plan, compiler=compiler)
            told = guest.boot(
                MACHINES[what.arch], kernel, [base, project], timeout=_TIMEOUT_ALL if chosen == "all" else _TIMEOUT
            )
        if kept := os.environ.get("TROTH_MATRIX_LOGS"):
            Path(kept).mkdir(parents=True, exist_ok=True)
            Path(kept, f"{what.name}.log").write_text(told.console)
        return told

    def _base(self, what: Guest) -> tuple[Path, Path]:
        """The archive of a guest's root, and the root whose Python compiled it."""
        packages: tuple[str, ...] = _PACKAGES
        if what.chosen not in ("filters", "newest libc", "oldest libc"):
            packages += _COMPILER + (_COMPILER_32 if what.arch == "amd64" else ())
        if what.chosen == "newest libc":
            newest = roots.root_of(_libc(what), packages)
            return image.base(newest, what.name, self._cache, compiler=newest), newest
        root = debroot.root(packages, SUITES, what.arch)
        compiler = root.path if what.arch == _HERE else debroot.root(_PACKAGES, (root.suite,), _HERE).path
        extra = []
        if what.chosen == "oldest libc":
            extra = [(roots.root_of(_libc(what), _PACKAGES), f"{_OLD_ROOT[1:]}/")]
        name = f"{what.arch}-{'with' if len(packages) > len(_PACKAGES) else 'without'}-compiler{'-and-old' if extra else ''}"
        return image.base(root.path, name, self._cache, compiler=compiler, extra=extra), compiler


def _libc(what: Guest) -> roots.Libc:
    return next(libc for libc in roots.GLIBCS if str(libc) == what.libc)
