"""Run programs under each libc, behind what each method makes of what it can know under the oldest.

A program survives when its status, its output and the files it leaves are those of the same program under the same libc
without a filter. What fails is tried once more, since one run can differ from another; which calls are to blame is then
asked by watching, and tried by allowing them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import functools
import os
import platform
import re
import signal
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple, TypeVar

from children import in_child
from matrix import inside, roots, test_libcs
from matrix.libc_programs import FILES, packages_of
from matrix.roots import Libc
from matrix.test_libcs import Cell

import troth
from bench.harness import progress
from bench.survival.methods import ARCH, METHODS, Method, widened, width
from bench.survival.mixed import mix
from bench.survival.outcomes import Failure, Line, Outcomes, ordered
from bench.survival.watch import everything, installed, watch
from tools import debroot
from troth.abi.seccomp import ACTION_MASK, RET_ERRNO
from troth.kernel import process, procfs
from troth.policy import Policy
from troth.promises.knowledge import Knowledge

T = TypeVar("T")

SLOWER = 4  # a program that takes so many times as long as unconfined hangs,
PATIENCE_S = (5, 30)  # after so long in any case, at its first and its second try
QUIET_RUNS = 3  # after so many runs without a call that is new, what was seen counts as all
MOST_RUNS = 15
MOST_CALLS = 100  # that may be missing from a filter before its mending is given up

_KILLED = 128 + 31  # SIGSYS
_SAID = re.compile(r"\[\d+\]: (\w+)\(.*\): (?:needs promise|no promise)")


@dataclass(frozen=True)
class Setup:
    """The programs of one kind of libc, as cells of the matrix: late and early ones, by name; files and places."""

    name: str
    places: Mapping[Libc, Path]
    late: Mapping[str, Cell]
    early: Mapping[str, Cell]
    files: Mapping[str, str | bytes]

    @property
    def oldest(self) -> Libc:
        """The libc that filters are made with."""
        return next(iter(self.places))


def glibc(libcs: Sequence[Libc] = roots.GLIBCS, names: Iterable[str] | None = None) -> Setup:
    """Each suite's own builds, with the promises that they need under the oldest glibc.

    Raises:
        FetchError: a root cannot be made.
    """
    late, early = (
        _named(test_libcs.cells_of(libcs[0], missing=False, early=how, nobody=True), names) for how in (False, True)
    )
    places = {libc: roots.root_of(libc, packages_of(libc)) for libc in libcs}
    return Setup("glibc", places, late, early, FILES)


def glibc_alone(scratch: Path, names: Iterable[str] | None = None) -> Setup:
    """The oldest suite's builds with nothing but the C library of the later ones; the roots are made in `scratch`.

    Raises:
        FetchError: a root cannot be made.
    """
    setup = glibc(roots.GLIBCS[:1], names)
    base = setup.places[setup.oldest]
    found = dict(setup.places)
    for libc in roots.GLIBCS[1:]:
        package = "libc6/experimental" if libc.suites == ("experimental",) else "libc6"
        (deb,) = debroot.Archive.first(libc.suites, libc.arch).fetch([package], exact=True)
        found[libc] = scratch / str(libc)
        mix(base, deb, found[libc])
    return dataclasses.replace(setup, name="glibc alone", places=found)


def musl() -> Setup:
    """Our own programs and busybox, built once for the oldest musl.

    Raises:
        FetchError: a root cannot be made.
    """
    late, early = (
        [*test_libcs.musl_cells(missing=False, early=how), *test_libcs.busybox_cells(missing=False, early=how)]
        for how in (False, True)
    )
    files = {**test_libcs.musl_files(), **test_libcs.busybox_files()}
    return Setup("musl", {libc: roots.root_of(libc, ()) for libc in roots.MUSLS}, _named(late), _named(early), files)


def _named(cells: Iterable[Cell], names: Iterable[str] | None = None) -> dict[str, Cell]:
    wanted = None if names is None else set(names)
    return {cell.name: cell for cell in cells if wanted is None or cell.name in wanted}


class Subject:
    """One program under the libcs of a set-up: runs it, unconfined, behind a filter or by `troth run`."""

    def __init__(self, setup: Setup, name: str) -> None:
        self._setup = setup
        self.name = name
        self._plain: dict[Libc, inside.Result] = {}
        self._refused: dict[str, tuple[str, ...]] = {}  # under the oldest libc, by method
        self._took_s: list[float] = []  # unconfined

    def _run(
        self,
        libc: Libc,
        confine: Callable[[], None] | None = None,
        *,
        cell: Cell | None = None,
        patience_s: float = PATIENCE_S[0],
    ) -> inside.Result:
        program = cell or self._setup.late[self.name]
        return _and_its_children(
            lambda: inside.run(
                program.argv,
                self._setup.places[libc],
                files=self._setup.files,
                troth=cell.arguments if cell else None,
                nobody=program.nobody,
                keys=program.keys,
                request=program.request,
                confine=confine,
                limit_s=min(inside.LIMIT_S, patience_s + SLOWER * max(self._took_s, default=inside.LIMIT_S)),
            )
        )

    def plain(self, libc: Libc) -> inside.Result:
        """What it does unconfined."""
        if libc not in self._plain:
            begin = time.monotonic()
            self._plain[libc] = self._run(libc)
            self._took_s.append(time.monotonic() - begin)
        return self._plain[libc]

    def does_something(self, libc: Libc) -> bool:
        """Whether there is anything to compare with; it has more than one try."""
        for _ in PATIENCE_S:
            done = self.plain(libc)
            if done.status <= 1 and (done.out or done.files != inside.left(self._setup.files)):
                return True
            del self._plain[libc]
        return False

    def _same(self, libc: Libc, done: inside.Result) -> bool:
        plain = self.plain(libc)
        return (done.status, done.out, done.files) == (plain.status, plain.out, plain.files)

    def calls(self) -> frozenset[str]:
        """The calls that it makes under the oldest libc: of as many runs as it takes until nothing new comes."""
        found: set[str] = set()
        quiet = 0
        for _ in range(MOST_RUNS):
            _, made = watch(
                everything(ARCH), lambda confine: self._run(self._setup.oldest, confine, patience_s=inside.LIMIT_S)
            )
            new = {refused.call for refused in made} - found
            found |= new
            quiet = 0 if new else quiet + 1
            if quiet == QUIET_RUNS:
                break
        return frozenset(found)

    def behind(self, policy: Policy, libc: Libc) -> inside.Result | None:
        """What it does differently behind a policy, None when it works; it has more than one try."""
        confine = installed(policy)
        return self._tried(libc, lambda patience_s: self._run(libc, confine, patience_s=patience_s))

    def pledged(self, method: Method, libc: Libc) -> inside.Result | None:
        """What it does differently under `troth run`, None when it works; it has more than one try."""
        cell = _as_of(self._setup, method, self.name)
        return self._tried(libc, lambda patience_s: self._run(libc, cell=cell, patience_s=patience_s))

    def _tried(self, libc: Libc, once: Callable[[float], inside.Result]) -> inside.Result | None:
        for patience_s in PATIENCE_S:
            done = once(patience_s)
            if self._same(libc, done):
                return None
        return done

    def refused(self, policy: Policy, libc: Libc) -> tuple[str, ...]:
        """The calls that a policy refuses to it, in the order in which they came."""
        _, found = watch(policy, lambda confine: self._run(libc, confine, patience_s=PATIENCE_S[-1]))
        return tuple(dict.fromkeys(refused.call for refused in found))

    def blame(self, method: Method, policy: Policy, libc: Libc) -> Failure:
        """Say why it fails behind a policy: the calls that were not refused to it under the oldest libc.

        They are allowed until it works, since one refusal can hide the next. Where refused calls fail and do not kill,
        only those are kept that it does not work without.
        """
        kills = policy.unknown & ACTION_MASK != RET_ERRNO
        if method.key not in self._refused:
            self._refused[method.key] = self.refused(policy, self._setup.oldest)
        before = self._refused[method.key] if libc != self._setup.oldest else ()
        calls: list[str] = []
        mended = False
        while not mended and len(calls) < MOST_CALLS:
            now = [call for call in self.refused(widened(policy, calls), libc) if call not in calls]
            new = [call for call in now if call not in before] or now
            if not new:
                break
            calls += new
            mended = self.behind(widened(policy, calls), libc) is None
        if mended and not kills:
            calls = self._needed(policy, calls, libc)
        return Failure(method.key, str(libc), self.name, "killed" if kills else "differs", tuple(calls), mended)

    def _needed(self, policy: Policy, calls: list[str], libc: Libc) -> list[str]:
        """Of calls that a policy lacks, those without which the program does not work."""
        needed = calls
        for call in calls:
            fewer = [other for other in needed if other != call]
            if self._same(libc, self._run(libc, installed(widened(policy, fewer)))):
                needed = fewer
        return needed


def _and_its_children(run: Callable[[], T]) -> T:
    """Run something in a process of its own, and end what it leaves behind, daemons too.

    A daemon whose calls are refused may not notice that it should go, and spin.
    """

    def work() -> T:
        process.set_child_subreaper(reaper=True)
        result = run()
        with contextlib.suppress(ChildProcessError):
            while True:
                if not os.waitpid(-1, os.WNOHANG)[0]:
                    _kill_children()
        return result

    return in_child(work)


def _kill_children() -> None:
    for name in filter(str.isdecimal, os.listdir("/proc")):
        if procfs.status(int(name)).get("PPid") == str(os.getpid()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(name), signal.SIGKILL)


class Tried(NamedTuple):
    """What came of one program: the calls that it was seen to make, and what failed; or where it cannot be compared."""

    calls: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()
    absent: str = ""


def try_program(name: str, *, setup: Setup, methods: Sequence[Method]) -> Tried:
    """Run one program by all methods under all libcs."""
    subject = Subject(setup, name)
    for libc in setup.places:
        if not subject.does_something(libc):
            return Tried(absent=str(libc))
    calls = subject.calls()
    failures: list[Failure] = []
    for method in methods:
        policy = method.policy(calls) if method.policy else None
        for libc in setup.places:
            done = subject.behind(policy, libc) if policy else subject.pledged(method, libc)
            if done is None:
                continue
            failures.append(subject.blame(method, policy, libc) if policy else _said(method, libc, name, done))
            if libc == setup.oldest:  # there is nothing to survive
                break
    return Tried(tuple(sorted(calls)), tuple(failures))


def _said(method: Method, libc: Libc, name: str, done: inside.Result) -> Failure:
    """What `troth run` says that it stopped a program for."""
    calls = tuple(dict.fromkeys(_SAID.findall(done.err)))
    how = "killed" if calls or done.status == _KILLED else "differs"
    return Failure(method.key, str(libc), name, how, calls)


def widths(setup: Setup, seen: Mapping[str, Sequence[str]], methods: Sequence[Method]) -> dict[str, int]:
    """How many calls are allowed by what a method makes: the median of the programs."""
    found = {}
    for method in methods:
        policies = (
            method.policy(frozenset(calls)) if method.policy else _pledge(setup, method, name)
            for name, calls in seen.items()
        )
        found[method.key] = round(statistics.median(map(width, policies)))
    return found


def _pledge(setup: Setup, method: Method, name: str) -> Policy:
    """The policy of the filter that `troth run` makes of a program's promises."""
    cell = _as_of(setup, method, name)
    veil = [(path, permissions) for path, _, permissions in (word.rpartition(":") for word in cell.veil)]
    knowledge = Knowledge.parse(cell.as_of) if cell.as_of else None
    return troth.plan(cell.promises, unveil=veil, arch=ARCH, knowledge=knowledge).policy()


def _as_of(setup: Setup, method: Method, name: str) -> Cell:
    """A program as a method of troth confines it."""
    cell = (setup.early if method.early else setup.late)[name]
    as_of = method.as_of.format(libc=setup.oldest)
    return cell._replace(as_of=as_of, veil=cell.veil if method.veiled else ())


def run(setup: Setup, methods: Sequence[Method] = METHODS) -> Line:
    """Run all programs of a set-up, two at a time."""
    found: dict[str, Tried] = {}
    names = [*setup.late][::-1]  # the table has what takes long at its end
    with ProcessPoolExecutor(min(2, os.cpu_count() or 1), mp_context=get_context("fork")) as pool:
        work = functools.partial(try_program, setup=setup, methods=methods)
        for name, tried in zip(names, pool.map(work, names), strict=True):
            progress(f"{setup.name}: {len(found) + 1} of {len(setup.late)} ({name})")
            found[name] = tried
    progress("")
    libcs = tuple(map(str, setup.places))
    compared = {name: found[name] for name in setup.late if not found[name].absent}
    seen = {name: tried.calls for name, tried in compared.items()}
    return Line(
        setup.name,
        libcs,
        tuple(compared),
        widths(setup, seen, methods),
        seen,
        ordered(
            (failure for tried in compared.values() for failure in tried.failures),
            [method.key for method in methods],
            libcs,
        ),
        {name: tried.absent for name, tried in found.items() if tried.absent},
    )


def run_all() -> Outcomes:
    """The whole experiment.

    Raises:
        FetchError: a root cannot be made.
    """
    about = {
        "date": f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}",
        "troth": troth.__version__,
        "linux": platform.release().partition("-")[0],
        "python": platform.python_version(),
    }
    lines = [run(glibc())]
    (debroot.cache_directory() / "mixed").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=debroot.cache_directory() / "mixed") as scratch:
        lines.append(run(glibc_alone(Path(scratch))))
    lines.append(run(musl()))
    return Outcomes(about, tuple(lines))
