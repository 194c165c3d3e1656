"""The facts of what functions reach: written and read back, compared, and what the committed ones say of history."""

from __future__ import annotations

import pytest

from troth.abi import others
from troth.errors import ParseError, RequestError
from troth.libc.reach.compare import compare, group_of
from troth.libc.reach.facts import Origin, ReachFacts, builds, dump, load, reach_facts
from troth.libc.reach.reached import CLASSES, Reached

COMMITTED = pytest.mark.parametrize(("build", "arch"), builds())
NOTHING = dict.fromkeys(CLASSES, frozenset[str]())


def function(
    name: str, own: str, *, version: str = "", default: bool = True, more: str = "", groups: str = ""
) -> Reached:
    calls = {**NOTHING, "own": frozenset(own.split()), "ordinary": frozenset(f"{own} {more}".split())}
    return Reached(name, version, default, calls, tuple(groups.split()))


def facts(*functions: Reached, build: str = "glibc-9.9") -> ReachFacts:
    origin = Origin(build, "x86_64", "libc6 9.9-1", "00ff", {"libc.so.6": "abcd", "ld.so": ""}, 7, ("libc.so.6+0x10",))
    return load(dump(origin, functions))


def test_facts_are_read_as_they_were_written() -> None:
    many = " ".join(f"call{number}" for number in range(20))
    some = (
        function("open", "openat", version="GLIBC_2.2.5", more="futex", groups="locks"),
        function("open", "open", version="GLIBC_2.1", default=False),
        function("thing", many, version="GLIBC_2.34"),
        function("strlen", "", version="GLIBC_2.2.5"),
        function("(start)", "brk"),
    )
    found = facts(*some)
    assert {one.key: one for one in found.functions.values()} == {one.key: one for one in some}
    assert found.functions["open"] == some[0]
    assert found.origin.package == "libc6 9.9-1"
    assert found.origin.files == {"libc.so.6": "abcd", "ld.so": ""}
    assert found.origin.open_sites == ("libc.so.6+0x10",)


def test_the_same_facts_are_the_same_text_in_whatever_order_they_come() -> None:
    some = [function("a", "read"), function("b", "write"), function("c", "read")]
    origin = facts(*some).origin
    assert dump(origin, some) == dump(origin, reversed(some))


@pytest.mark.parametrize("line", ["> own read | nonsense x", "  orphan", "nonsense", "= 1aaaa 9zzzz + read"])
def test_a_line_that_means_nothing_is_refused_with_its_number(line: str) -> None:
    with pytest.raises(ParseError) as caught:
        load(f"build: x\narch: x86_64\n{line}\n", "facts.txt")
    assert caught.value.where == "facts.txt:3"


def test_facts_without_their_heading_are_refused() -> None:
    with pytest.raises(ParseError, match="has no line `build:`"):
        load("arch: x86_64\n")


def test_an_unknown_build_and_an_unknown_function_name_what_is_near() -> None:
    with pytest.raises(RequestError) as caught:
        reach_facts("glibc-2.37", "x86_64")
    assert caught.value.hint == "the closest build is `glibc-2.43`"
    with pytest.raises(RequestError) as caught:
        reach_facts("glibc-2.36", "x86_64").function("fopenn")
    assert caught.value.hint == "the closest function is `fopen`"


def test_a_change_of_a_part_is_told_of_the_part_and_not_of_who_leans_on_it() -> None:
    old = facts(function("malloc", "brk"), function("opendir", "openat", more="brk", groups="malloc"))
    new = facts(
        function("malloc", "brk getrandom"), function("opendir", "openat", more="brk getrandom", groups="malloc")
    )
    found = compare(old, new)
    assert [(one.group, one.functions, one.gained) for one in found.changes] == [
        ("malloc", ("malloc",), ("getrandom",))
    ]
    assert [(one.group, one.lost, one.gained) for one in found.shared] == [("malloc", (), ("getrandom",))]


def test_functions_that_changed_alike_are_one_row_and_aliases_of_old_versions_are_told_when_they_differ() -> None:
    old = facts(
        function("pipe", "pipe", version="GLIBC_2.2.5"),
        function("__pipe", "pipe", version="GLIBC_2.2.5"),
        function("stat", "stat", version="GLIBC_2.2.5", default=False),
        function("stat", "newfstatat", version="GLIBC_2.33"),
    )
    new = facts(
        function("pipe", "pipe2", version="GLIBC_2.2.5"),
        function("__pipe", "pipe2", version="GLIBC_2.2.5"),
        function("stat", "statx", version="GLIBC_2.2.5", default=False),
        function("stat", "newfstatat", version="GLIBC_2.33"),
        function("fresh", "gettid", version="GLIBC_2.30"),
    )
    found = compare(old, new)
    assert [(one.functions, one.lost, one.gained) for one in found.changes] == [
        (("__pipe", "pipe"), ("pipe",), ("pipe2",)),
        (("stat@GLIBC_2.2.5",), ("stat",), ("statx",)),
    ]
    assert found.added == ("fresh",)
    assert found.removed == ()


def test_a_libc_does_not_differ_from_itself() -> None:
    one = reach_facts("musl-1.2.5", "x86_64")
    found = compare(one, one)
    assert (found.changes, found.shared, found.added, found.removed) == ((), (), (), ())


@pytest.mark.parametrize(
    ("name", "group"),
    [("malloc", "malloc"), ("fopen64", "stdio"), ("__nss_database_lookup", "name-service"), ("open", "")],
)
def test_a_way_into_a_part_is_known_by_its_name(name: str, group: str) -> None:
    assert group_of(name) == group


# What changed in history, by the function that made news. Older than 2.31 there is no build at hand.
HISTORY = [
    ("select", "glibc-2.31", "glibc-2.36", "select", "pselect6"),
    ("pipe", "glibc-2.31", "glibc-2.36", "pipe", "pipe2"),
    ("faccessat", "glibc-2.31", "glibc-2.36", "", "faccessat2"),
    ("posix_spawn", "glibc-2.31", "glibc-2.36", "", "clone3"),
    ("pthread_create", "glibc-2.31", "glibc-2.36", "", "clone3"),
    ("setuid", "glibc-2.31", "glibc-2.36", "", ""),
    ("fstat", "glibc-2.36", "glibc-2.41", "newfstatat", "fstat"),
    ("fchmodat", "glibc-2.36", "glibc-2.41", "", "fchmodat2"),
    ("posix_spawn", "glibc-2.36", "glibc-2.41", "wait4", "waitid"),
    ("open", "glibc-2.36", "glibc-2.44", "", ""),
    ("getaddrinfo", "musl-1.2.3", "musl-1.2.5", "recvfrom", "recvmsg sendmsg"),
    ("pwritev", "musl-1.2.5", "musl-1.2.6", "", "pwritev2"),
]


@pytest.mark.parametrize(("name", "old", "new", "lost", "gained"), HISTORY)
def test_what_made_news_is_in_the_facts(name: str, old: str, new: str, lost: str, gained: str) -> None:
    before, after = (reach_facts(build, "x86_64").function(name).calls["own"] for build in (old, new))
    assert set(lost.split()) <= before - after
    assert set(gained.split()) <= after - before
    if not lost and not gained:
        assert before == after


def test_programs_that_were_linked_long_ago_have_their_own_version() -> None:
    found = reach_facts("glibc-2.36", "x86_64")
    assert found.function("__xstat@GLIBC_2.2.5").calls["own"] == {"stat"}
    assert found.function("stat").calls["own"] == {"newfstatat"}


def test_what_runs_without_being_called_has_a_name_of_its_own() -> None:
    found = reach_facts("glibc-2.41", "x86_64")
    assert "rseq" in found.function("(thread)").calls["ordinary"]
    assert "exit_group" in found.function("(exit)").calls["ordinary"]
    assert {"mmap", "openat", "brk"} <= found.function("(start)").calls["ordinary"]
    assert "tgkill" in found.function("(abort)").calls["ordinary"]


@COMMITTED
def test_the_committed_facts_are_written_as_they_would_be_again(build: str, arch: str) -> None:
    found = reach_facts(build, arch)
    assert (found.origin.build, found.origin.arch) == (build, arch)
    assert found.origin.package
    assert len(found.origin.sha256) == 64
    text = dump(found.origin, {one.key: one for one in found.functions.values()}.values())
    assert load(text) == found


@COMMITTED
def test_nearly_every_site_is_resolved(build: str, arch: str) -> None:
    # Of glibc the handler of the signal that changes the ids of all threads, whose call is in a variable.
    open_sites = reach_facts(build, arch).origin.open_sites
    most = 6 if (build[:4], arch) == ("musl", "i386") else 1
    assert len(open_sites) <= most
    assert len(open_sites) <= (0 if build.startswith("musl") and arch != "i386" else most)


@COMMITTED
def test_classes_do_not_repeat_what_happens_anyway(build: str, arch: str) -> None:
    for one in reach_facts(build, arch).functions.values():
        assert one.calls["own"] <= one.calls["ordinary"]
        for name in CLASSES[2:]:
            assert one.calls[name].isdisjoint(one.calls["ordinary"])


@COMMITTED
def test_every_call_that_a_libc_makes_is_known(build: str, arch: str) -> None:
    known = others.numbers(arch)
    for one in reach_facts(build, arch).functions.values():
        for call in frozenset().union(*one.calls.values()):
            assert call.partition(":")[0] in known
