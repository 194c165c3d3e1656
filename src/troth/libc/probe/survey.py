"""Run all cases of the probe with a libc, and refuse each the calls it makes: gives the facts of that libc.

Each run is made again, and only what stays the same is kept, so that the facts are the same the next time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import NamedTuple, Self

from troth import abi
from troth.errors import RequestError
from troth.libc.probe.box import Box
from troth.libc.probe.facts import ERRNOS, Case, Refusal, Seen
from troth.libc.probe.session import NOTHING, Entry, Run, Session

_CHUNK = 16  # cases at a time: few enough that the processors are done at about the same time
_LIMIT_S = 0.3  # without a call; a libc's own waits in the cases take milliseconds, save that for a name server
_PATIENT_S = 1.5  # before it is said to hang
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
    with _Crew(box, arch, min(workers or os.cpu_count() or 1, len(chunks) or 1)) as crew:
        for found, lacking in crew.each(chunks):
            cases |= {(case.function, case.variant): case for case in found}
            absent |= lacking
            done += len(found) + len(lacking)
            progress(done, len(todo))
    absent -= {function for function, _ in cases}  # which lack only what one of their cases needs
    return Surveyed(cases, tuple(sorted(absent)))


_Some = tuple[list[Case], set[str]]


class _Crew:
    """Processes that survey, each with a box of its own; they are asked by pipes, which needs no semaphores."""

    def __init__(self, box: Box, arch: str, count: int) -> None:
        fork = get_context("fork")
        self._pipes: list[Connection] = []
        self._workers = []
        for _ in range(count):
            ours, theirs = fork.Pipe()
            self._pipes.append(ours)
            worker = fork.Process(target=_work, args=(theirs, tuple(self._pipes), box, arch), daemon=True)
            worker.start()
            theirs.close()
            self._workers.append(worker)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for pipe in self._pipes:
            pipe.close()
        for worker in self._workers:
            worker.join()

    def each(self, chunks: Sequence[Sequence[Entry]]) -> Iterator[_Some]:
        """What each of the chunks came to, as it is done.

        Raises:
            RequestError: a worker could not make its box, or was killed.
        """
        left = list(reversed(chunks))
        busy = 0
        for pipe in self._pipes:
            if left:
                pipe.send(left.pop())
                busy += 1
        while busy:
            for ready in wait(self._pipes):
                pipe = next(one for one in self._pipes if one is ready)
                try:
                    answer = pipe.recv()
                except EOFError:
                    raise RequestError(
                        "a process of the probe was killed", hint="look whether memory ran out"
                    ) from None
                if isinstance(answer, Exception):
                    raise answer
                if left:
                    pipe.send(left.pop())
                else:
                    busy -= 1
                yield answer


def _work(pipe: Connection, others: Sequence[Connection], box: Box, arch: str) -> None:
    for other in others:
        other.close()  # the parent's ends, or nobody sees when it closes them
    try:
        with Session(box, arch) as session:
            while True:
                pipe.send(_survey_some(session, arch, pipe.recv()))
    except (EOFError, BrokenPipeError):
        pass  # nothing more to do, or nobody waits for it
    except Exception as error:
        pipe.send(error)


def _survey_some(session: Session, arch: str, some: Sequence[Entry]) -> _Some:
    cases = []
    absent = set()
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
            whole = self._refused(name, _named(name))
            refusals += whole
            alike = [call for call in every if call.name == name]
            again = any(then.name == name for refusal in whole for then in refusal.calls)
            if len(alike) == 1 and not again:
                continue
            # With other arguments the same call may be the way out: each of them is refused alone too.
            for one in alike:
                for known, alone in zip(whole, self._refused(str(one), _just(one)), strict=True):
                    if alone.outcome != known.outcome or (alone.outcome == "same" and alone.calls != known.calls):
                        particular.append(alone)
        return Case(
            self._entry.function, self._entry.variant, base.result, every, (*refusals, *particular), base.elsewhere
        )

    def _refused(self, call: str, which: Callable[[Seen], bool]) -> list[Refusal]:
        """What comes of each errno. Where only some hang, they may just have been slow, and are tried again."""
        tried = [self._refusal(call, which, errno) for errno in ERRNOS]
        slow = [refusal.outcome == "hangs" for refusal in tried]
        if any(slow) and not all(slow):
            self._hung.clear()
            tried = [self._refusal(call, which, one.errno) if one.outcome == "hangs" else one for one in tried]
        return tried

    def _refusal(self, call: str, which: Callable[[Seen], bool], errno: str) -> Refusal:
        number = self._errnos[errno]
        run = self._steady(lambda seen: number if which(seen) else 0, call.partition("(")[0], errno)
        base = self._base
        new = tuple(seen for seen in run.own + run.elsewhere if seen not in self._usual)
        if not call.startswith("futex"):  # of which another form is a way out, and no luck
            new = tuple(seen for seen in new if not _is_luck(seen))
        if run.result == "hangs" or (run.loose and not base.loose):
            outcome, result, new = "hangs", "", ()
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
            run = self._session.run(self._entry.number, refuse, limit=_LIMIT_S)
            if run.result == "hangs":
                # Where it was waited for in vain with another errno, it is not waited for again.
                if call not in self._hung:
                    run = self._session.run(self._entry.number, refuse, limit=_PATIENT_S)
                if run.result == "hangs":
                    self._hung.add(call)
                    return run
            if run.absent:
                return run
            if expected and run.result == expected and not run.elsewhere and set(run.own) <= self._usual:
                return run  # what nearly every call does that is refused: it is not chance
            same = steady.setdefault((run.result, run.loose), [])
            same.append(run)
            if len(same) == (4 if run.races else 2):
                break
        return _common(max(steady.values(), key=len))


def _named(name: str) -> Callable[[Seen], bool]:
    return lambda call: call.name == name


def _just(one: Seen) -> Callable[[Seen], bool]:
    return lambda call: call == one


def _common(runs: Sequence[Run]) -> Run:
    first = runs[0]
    every = set(first.own + first.elsewhere).intersection(*(run.own + run.elsewhere for run in runs[1:]))
    if first.elsewhere:
        every = {call for call in every if not _is_luck(call)}
    return first._replace(
        own=tuple(call for call in first.own if call in every),
        elsewhere=tuple(call for call in first.elsewhere if call in every),
    )


def _is_luck(call: Seen) -> bool:
    """Whether it is the wait for a lock, or its end, that one task is spared when it comes later than another."""
    return call.name.startswith("futex") and call.args[1].split("|")[0] in ("FUTEX_WAIT", "FUTEX_WAKE")
