"""What the probe saw is within what the code can reach, for every build that has both kinds of facts."""

from __future__ import annotations

import pytest

from troth.libc.crosscheck import EXPLAINED, crosscheck, explains
from troth.libc.probe import facts as probed
from troth.libc.probe.facts import Case, ProbeFacts, Refusal, Seen, probe_facts
from troth.libc.reach import facts as reached
from troth.libc.reach.facts import Origin, ReachFacts, reach_facts
from troth.libc.reach.reached import Reached

BOTH = sorted({*probed.builds()} & {*reached.builds()})
CLASSES = ("own", "ordinary", "failure", "cancel", "child")


def test_there_are_builds_with_both_kinds_of_facts() -> None:
    assert len(BOTH) >= 9


@pytest.mark.parametrize(("build", "arch"), BOTH)
def test_what_was_seen_is_within_reach_or_its_reason_is_known(build: str, arch: str) -> None:
    checked = crosscheck(probe_facts(build, arch), reach_facts(build, arch))
    assert checked.pairs > 1200
    assert checked.recall >= 0.99
    assert [miss for miss in checked.misses if not miss.why] == []
    assert set(checked.unknown) <= {"(handler)"}


def test_every_explanation_is_needed() -> None:
    misses = [
        (build, miss)
        for build, arch in BOTH
        for miss in crosscheck(probe_facts(build, arch), reach_facts(build, arch)).misses
    ]
    idle = [
        row for row in EXPLAINED if not any(explains(row, build, miss.function, miss.call) for build, miss in misses)
    ]
    assert idle == []


def reach(*calls: str, groups: tuple[str, ...] = ()) -> Reached:
    by_class = {name: frozenset(calls if name == "ordinary" else ()) for name in CLASSES}
    return Reached("f", "GLIBC_2.2.5", True, by_class, groups)


def check(case: Case, **functions: Reached) -> list[str]:
    facts = ProbeFacts("glibc-9.9", "x86_64", {}, (), {(case.function, case.variant): case})
    origin = Origin("glibc-9.9", "x86_64", "", "", {}, 0, ())
    named = {name.replace("_thread_", "(thread)"): function for name, function in functions.items()}
    return [miss.call for miss in crosscheck(facts, ReachFacts(origin, named)).misses]


def test_a_call_that_is_seen_only_after_a_refusal_has_to_be_within_reach_too() -> None:
    case = Case("f", "", "ok", (Seen("a"),), (Refusal("a", "ENOSYS", "same", "", (Seen("b"),)),))
    assert check(case, f=reach("a")) == ["b"]
    assert check(case, f=reach("a", "b")) == []


def test_what_a_thread_does_is_within_reach_of_who_can_start_one() -> None:
    case = Case("f", "", "ok", (Seen("a"), Seen("rseq")), (), (Seen("rseq"),))
    assert check(case, f=reach("a"), _thread_=reach("rseq")) == ["rseq"]
    assert check(case, f=reach("a", groups=("thread-start",)), _thread_=reach("rseq")) == []
