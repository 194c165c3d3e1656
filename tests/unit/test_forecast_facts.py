"""The recorded facts: what the tables say is sayable, in order, and becomes what functions do on a system."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from troth import abi
from troth.errors import RequestError
from troth.libc.forecast import model, recorded, systems, tables
from troth.libc.forecast.tables import ReadError, version_key
from troth.libc.forecast.values import as_call
from troth.libc.probe.facts import Seen, probe_facts
from troth.policy.arguments import arguments, named

TABLES = ["timeline", "timeline-arches", "timeline-refused", "timeline-runtimes", "timeline-twins"]


def calls_of(system: str, function: str, variant: str = "") -> set[str]:
    """The names of the calls that a function of a C library, or of what else makes calls, makes on a system."""
    done = model.doings(systems.parse(system))
    found = [doing for (_, name, kind), doing in done.items() if name == function and variant in ("", kind)]
    assert found, f"{function} is not known on {system}"
    return {call.name for doing in found for call in doing.calls}


@pytest.mark.parametrize("name", TABLES)
def test_columns_of_a_block_stand_below_each_other(name: str) -> None:
    text = files("troth.libc").joinpath(f"data/{name}.txt").read_text("utf-8")
    for block in text.split("\n\n"):
        rows = [line for line in block.splitlines() if line and not line.startswith("#")]
        starts = {tuple(m.start() for m in re.finditer(r"(?<=  )\S", row))[:3] for row in rows}
        assert len(starts) <= 1, f"{name}: {rows[0]}"


def test_states_of_functions_follow_each_other() -> None:
    for topic in tables.states():
        keys = [version_key(state.since) for state in topic]
        assert keys == sorted(keys), topic[0]


def test_every_call_of_the_tables_is_one_that_a_filter_can_be_asked() -> None:
    calls = [call for topic in tables.states() for state in topic for call in state.calls]
    calls += [call for row in tables.fates() for call in row.then if row.then != (tables.TWIN,)]
    for call in calls:
        for arch in ("x86_64", "aarch64", "arm", "i386"):
            here = recorded.on_arch(call, arch, "glibc")
            if here is not None and here.name in abi.numbers(arch):
                assert as_call(here, arch) is not None


def test_a_forms_call_has_what_becomes_of_it_on_every_architecture_that_libcs_are_on() -> None:
    for name, some in tables.forms().items():
        for arch in ("aarch64", "riscv64", "loongarch64", "arm", "i386", "ppc64le", "s390x", "x86_64"):
            here = recorded.on_arch(Seen(name, some[0].call.args), arch, "glibc")
            assert here is None or here.name in abi.numbers(arch), f"{name} on {arch} becomes {here}"


def test_a_twin_is_a_value_of_an_argument_that_the_call_has() -> None:
    for twin in tables.twins():
        nr = abi.numbers("x86_64")[twin.call]
        assert named(arguments("x86_64", nr), twin.role) is not None


def test_a_recorded_refusal_is_of_a_function_that_is_recorded_or_seen() -> None:
    known = {name for topic in tables.states() for state in topic for name in state.functions}
    for row in tables.fates():
        for name in row.functions:
            assert name == recorded.EVERY or name in known, name


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("glibc  2.15  all  known  open", "5 columns"),
        ("glibc  2.15  all  known  open  opan(*)", "no architecture has a call `opan`"),
        ("glibc  2.15  vax  known  open  open(*)", "`vax` is no architecture"),
        ("glibc  2.15  all  known  open  open(*", "is no call"),
        ("glibc  2.15  all  known  /x  open(*)", "names no function"),
    ],
)
def test_a_slip_of_the_pen_is_told_with_its_line(row: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Fake:
        def joinpath(self, path: str) -> Fake:
            return self

        def read_text(self, encoding: str) -> str:
            return f"# a table\n{row}\n"

    monkeypatch.setattr(tables, "files", lambda package: Fake())
    with pytest.raises(ReadError, match="line 2: .*" + re.escape(told)):
        tables.states.__wrapped__()


# What was measured of builds, and what changed between those that were.
@pytest.mark.parametrize(
    ("function", "variant", "system", "calls"),
    [
        ("fopen64", "", "glibc-2.25,x86_64", "open"),
        ("fopen64", "", "glibc-2.26,x86_64", "openat"),
        ("lstat", "", "glibc-2.32,x86_64", "lstat"),
        ("lstat", "", "glibc-2.33,x86_64", "newfstatat"),
        ("lstat", "", "glibc-2.36,aarch64", "newfstatat"),
        ("lstat", "", "glibc-2.36,loongarch64", "statx"),
        ("lstat", "", "glibc-2.32,arm", "lstat64"),
        ("lstat", "", "glibc-2.33,arm", "statx"),
        ("__lxstat", "", "glibc-2.44,x86_64", "lstat"),
        ("pipe", "", "glibc-2.34,x86_64", "pipe"),
        ("pipe", "", "glibc-2.34,riscv64", "pipe2"),
        ("rename", "", "musl-1.2.5,riscv64", "renameat2"),
        ("semop", "", "glibc-2.30,x86_64", "semop"),
        ("semop", "", "glibc-2.31,x86_64", "semtimedop"),
        ("semop", "", "glibc-2.31,i386", "ipc"),
        ("pthread_create", "", "glibc-2.37,aarch64", "clone mmap mprotect"),
        ("pthread_create", "", "glibc-2.38,aarch64", "clone3 rt_sigprocmask"),
        ("clock_gettime", "", "glibc-2.30,arm", "clock_gettime"),
        ("clock_gettime", "", "glibc-2.31,arm", "clock_gettime64"),
        ("pwrite", "", "musl-1.2.6,x86_64", "pwritev2"),
        ("fs::metadata", "", "glibc-2.36,rust-1.39,x86_64", "stat"),
        ("fs::metadata", "", "glibc-2.36,rust-1.40,x86_64", "statx"),
        ("getuid", "", "glibc-2.36,arm", "getuid32"),
        ("posix_fadvise", "", "glibc-2.36,arm", "arm_fadvise64_64"),
    ],
)
def test_functions_call_what_they_are_recorded_to_call(function: str, variant: str, system: str, calls: str) -> None:
    assert calls_of(system, function, variant) >= set(calls.split())


def test_what_was_seen_of_a_build_is_moved_to_versions_without_one() -> None:
    seen = model._seen("glibc", "2.25", "x86_64")
    opened = [doing for (function, _), doing in seen.items() if function == "open"]
    assert opened
    for doing in opened:
        assert {call.name for call in doing.calls} == {"open"}
        assert any(words.startswith("recorded: glibc 2.15") for words in doing.evidence)
    flags = {call.args[1] for doing in opened for call in doing.calls}
    assert any("O_CREAT" in words for words in flags), "what is asked of the call stays"


def test_what_was_seen_of_the_very_build_is_left_as_it_is() -> None:
    for maker, version in (("glibc", "2.36"), ("musl", "1.2.5")):
        seen = model._seen(maker, version, "x86_64")
        own = [doing for doing in seen.values() if doing.evidence == (f"probe: {maker}-{version} on x86_64",)]
        assert {(doing.function, doing.variant) for doing in own} == set(probe_facts(f"{maker}-{version}").cases)
        for doing in own:
            assert doing.case is not None
            assert doing.calls == doing.case.calls


def test_the_nearest_build_is_the_older_of_two_that_are_as_near() -> None:
    builds = tuple(
        (f"glibc-{version}", arch) for version, arch in (("2.31", "x86_64"), ("2.36", "x86_64"), ("2.36", "arm"))
    )
    assert model.by_distance("glibc", "2.36", "x86_64", builds)[0] == ("glibc-2.36", "x86_64")
    assert model.by_distance("glibc", "2.30", "x86_64", builds)[0] == ("glibc-2.31", "x86_64")
    assert model.by_distance("glibc", "2.33", "x86_64", builds)[0] == ("glibc-2.31", "x86_64")
    assert model.by_distance("glibc", "2.34", "x86_64", builds)[0] == ("glibc-2.36", "x86_64")
    assert model.by_distance("glibc", "2.30", "arm", builds)[0] == ("glibc-2.36", "arm")
    assert model.by_distance("glibc", "2.30", "aarch64", builds)[0] == ("glibc-2.31", "x86_64")
    assert model.by_distance("bionic", "2022", "arm", builds) == []


@pytest.mark.parametrize(
    ("words", "told", "hint"),
    [
        ("gilbc-2.36", "unknown system `gilbc-2.36`", "glibc"),
        ("glibc", "unknown system `glibc`", "glibc-1.2"),
        ("glibc-2.14", "nothing is known of glibc 2.14", "2.15 to 2.44"),
        ("glibc-2.45", "nothing is known of glibc 2.45", "2.15 to 2.44"),
        ("musl-1.1.12", "nothing is known of musl 1.1.12", "1.1.13 to 1.2.6"),
        ("debian:trixi", "unknown release `debian:trixi`", "trixie"),
        ("glibc-2.36,musl-1.2.5", "names both", ""),
        ("x86_64,aarch64", "names both", ""),
    ],
)
def test_a_system_that_is_none_is_told_with_what_there_is(words: str, told: str, hint: str) -> None:
    with pytest.raises(RequestError, match=re.escape(told)) as raised:
        systems.parse(words)
    assert hint in raised.value.hint


@pytest.mark.parametrize(
    ("words", "as_"),
    [
        ("glibc-2.36-9+deb12u7", "glibc-2.36,"),
        ("glibc-2.36.1", "glibc-2.36,"),
        ("debian:bookworm", "glibc-2.36,linux-6.1,"),
        ("arm64", "aarch64"),
        ("linux-6.1.0-50-cloud-amd64", "linux-6.1,"),
        ("cpython-3.13", "python-3.13,"),
    ],
)
def test_a_system_is_understood_as_people_write_it(words: str, as_: str) -> None:
    assert str(systems.parse(words)) == as_


def test_every_release_that_facts_reach_to_can_be_asked() -> None:
    assert systems.releases("glibc")[0] == "2.15"
    assert systems.releases("glibc")[-1] == "2.44"
    assert systems.releases("musl")[0] == "1.1.13"
    for maker in ("glibc", "musl"):
        for version in systems.releases(maker):
            assert model.doings(systems.parse(f"{maker}-{version},x86_64"))


def test_the_upper_half_of_a_negative_int_is_as_the_libc_leaves_it() -> None:
    call = Seen("openat", ("AT_FDCWD", "*", "O_RDONLY"))
    low, full = 0xFFFFFF9C, 0xFFFFFFFFFFFFFF9C
    for arch, libc, value in [
        ("x86_64", "glibc-2.26", full),
        ("x86_64", "glibc-2.27", low),
        ("x86_64", "musl-1.2.5", full),
        ("aarch64", "glibc-2.36", full),
        ("arm", "glibc-2.36", low),
    ]:
        asked = as_call(call, arch, libc)
        assert asked is not None
        assert asked.args[0] == value


def test_a_function_that_was_only_read_is_judged_by_the_one_call_that_it_wraps() -> None:
    assert calls_of("glibc-2.36,x86_64", "inotify_rm_watch") == {"inotify_rm_watch"}
    assert len(model.doings(systems.parse("glibc-2.36,x86_64"))) > 500


def test_a_function_is_not_there_before_its_symbol_is() -> None:
    for version, there in (("2.35", False), ("2.36", True)):
        functions = {function for _, function, _ in model.doings(systems.parse(f"glibc-{version},x86_64"))}
        assert ("process_madvise" in functions) is there
        assert "fchmodat" in functions
