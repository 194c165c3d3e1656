"""Run all cases of the probe with a libc, and refuse each the calls it makes: gives the facts of that libc.

Each run is made again, and only what stays the same is kept, so that the facts are the same the next time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import NamedTuple

from troth import abi
from troth.libc.probe.box import Box
from troth.libc.probe.facts import ERRNOS, Case, Refusal, Seen
from troth.libc.probe.session import NOTHING, Entry, Run, Session

_CHUNK = 24  # cases to a box: few enough that the processors are done at about the same time
_LIMIT_S = 0.5  # for one run; a libc's own waits in the cases take milliseconds
_PATIENT_S = 2.5  # before it is said to hang
_TRIES = 7

Progress = Callable[[int, int], None]


class Surveyed(NamedTuple):
    """What was found: the cases, and the functions that the libc lacks."""

    cases: dict[tuple[str, str], Case]
    absent: tuple[str, ...]


def survey(
    box: Box,
    arch: str,
    *,
    wanted: Callable[[Entry], bool] = lambda entry: True,
    workers: int = 0,
    progress: Progress = lambda done, total: None,
) -> Surveyed:
    """Run the cases that are `wanted`, refuse them their calls, and give the facts.

    Raises:
        RequestError: no box can be made here.
    """
    with Session(box, arch) as session:
        todo = [entry for entry in session.entries if wanted(entry)]
    chunks = [todo[start : start + _CHUNK] for start in range(0, len(todo), _CHUNK)]
    cases: dict[tuple[str, str], Case] = {}
    absent: set[str] = set()
    done = 0
    with ProcessPoolExecutor(workers or os.cpu_count() or 1, mp_context=get_context("fork")) as pool:
        futures = [pool.submit(_survey_some, box, arch, chunk) for chunk in chunks]
        for future in as_completed(futures):
            found, lacking = future.result()
            cases |= {(case.function, case.variant): case for case in found}
            absent |= lacking
            done += len(found)
            progress(done, len(todo))
    return Surveyed(cases, tuple(sorted(absent)))


def _survey_some(box: Box, arch: str, some: Sequence[Entry]) -> tuple[list[Case], set[str]]:
    cases = []
    absent = set()
    with Session(box, arch) as session:
        for entry in some:
            case = _Study(session, arch, entry).case()
            if case is None:
                absent.add(entry.function)
            else:
                cases.append(case)
    return cases, absent


class _Study:
    """One case: its run, and its runs with a call refused."""

    def __init__(self, session: Session, arch: str, entry: Entry) -> None:
        self._session = session
        self._entry = entry
        self._hung: set[str] = set()
        self._errnos = {name: abi.words.constant(name, arch) for name in ERRNOS}

    def case(self) -> Case | None:
        """The facts of it; None when the libc lacks the function."""
        base = self._steady(None)
        if base.absent:
            return None
        self._base = base
        every = base.own + base.elsewhere
        self._usual = frozenset(every)
        refusals: list[Refusal] = []
        particular: list[Refusal] = []
        for name in dict.fromkeys(call.name for call in every):
            whole = [self._refusal(name, _named(name), errno) for errno in ERRNOS]
            refusals += whole
            alike = [call for call in every if call.name == name]
            again = any(then.name == name for refusal in whole for then in refusal.calls)
            if len(alike) == 1 and not again:
                continue
            # With other arguments the same call may be the way out: each of them is refused alone too.
            for one in alike:
                for known, errno in zip(whole, ERRNOS, strict=True):
                    alone = self._refusal(str(one), _just(one), errno)
                    if alone.outcome != known.outcome or (alone.outcome == "same" and alone.calls != known.calls):
                        particular.append(alone)
        return Case(
            self._entry.function, self._entry.variant, base.result, every, (*refusals, *particular), base.elsewhere
        )

    def _refusal(self, call: str, which: Callable[[Seen], bool], errno: str) -> Refusal:
        number = self._errnos[errno]
        run = self._steady(lambda seen: number if which(seen) else 0, call.partition("(")[0], errno)
        base = self._base
        new = tuple(seen for seen in run.own + run.elsewhere if seen not in self._usual)
        if base.elsewhere:
            new = tuple(seen for seen in new if seen.name != "futex")  # tasks that race wait, or need not
        if run.result == "hangs" or (run.loose and not base.loose):
            outcome, result = "hangs", ""
        elif run.result == base.result:
            outcome, result = "same", ""
        elif run.ended:
            outcome, result = "aborts", run.result
        elif run.result == NOTHING or run.result.startswith("E"):
            outcome, result = "fails", run.result
        else:
            outcome, result = "other", run.result
        return Refusal(call, errno, outcome, result, new)

    def _steady(self, refuse: Callable[[Seen], int] | None, call: str = "", expected: str = "") -> Run:
        """A run as it is each time: the same result, and the calls that all runs made.

        Two runs will do, unless tasks race: then it takes four to leave out what only happens to some.
        """
        steady: dict[tuple[str, bool], list[Run]] = {}
        for _ in range(_TRIES):
            run = self._session.run(self._entry.number, refuse, _LIMIT_S)
            if run.result == "hangs":
                # Where it was waited for in vain with another errno, it is not waited for again.
                if call not in self._hung:
                    run = self._session.run(self._entry.number, refuse, _PATIENT_S)
                if run.result == "hangs":
                    self._hung.add(call)
                    return run
            if run.absent:
                return run
            if expected and run.result == expected and not run.elsewhere and set(run.own) <= self._usual:
                return run  # what nearly every call does that is refused: it is not chance
            same = steady.setdefault((run.result, run.loose), [])
            same.append(run)
            if len(same) == (4 if run.elsewhere else 2):
                break
        return _common(max(steady.values(), key=len))


def _named(name: str) -> Callable[[Seen], bool]:
    return lambda call: call.name == name


def _just(one: Seen) -> Callable[[Seen], bool]:
    return lambda call: call == one


def _common(runs: Sequence[Run]) -> Run:
    first = runs[0]
    every = set(first.own + first.elsewhere).intersection(*(run.own + run.elsewhere for run in runs[1:]))
    return first._replace(
        own=tuple(call for call in first.own if call in every),
        elsewhere=tuple(call for call in first.elsewhere if call in every),
    )
