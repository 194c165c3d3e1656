"""What an upgrade breaks under a filter, and what mends it: filters of a few rules, and facts made by hand."""

from __future__ import annotations

import json

import pytest

from troth import abi, proof
from troth.abi.seccomp import RET_ALLOW
from troth.libc.forecast import model
from troth.libc.forecast.bypass import new_ways
from troth.libc.forecast.compare import Finding, Forecast, forecast
from troth.libc.forecast.judge import Judge, worst
from troth.libc.forecast.model import Doing
from troth.libc.forecast.sarif import document
from troth.libc.forecast.systems import System, parse
from troth.libc.probe import text
from troth.libc.probe.facts import Case
from troth.libc.reach.facts import reach_facts
from troth.policy import Policy
from troth.policy.build import build

EVERYTHING = "glibc-2.33,linux-6.6,x86_64"


def doing(case: str, *, maker: str = "glibc", version: str = "2.36") -> Doing:
    """A function, from facts in the notation of the probe."""
    facts = text.load(f"build {maker}-{version} x86_64\n\n{case}")
    (name, found) = next(iter(facts.cases.items()))
    assert isinstance(found, Case)
    return Doing(*name, maker, version, found.calls, found, ("by hand",))


def allowing(*calls: str, answer: str = "EPERM", **others: str) -> Policy:
    """A filter that allows calls, some of them under a condition, and has one answer for the rest."""
    rules = [(name, (rest.rstrip(")") or None), "allow") for name, _, rest in (call.partition("(") for call in calls)]
    rules += [(name, None, other) for name, other in others.items()]
    return build(("x86_64",), rules, default=answer)


def judge(policy: Policy, system: str = EVERYTHING) -> Judge:
    return Judge(policy, parse(system), big_endian=False)


def moved(policy: Policy, old: str, new: str, **more: object) -> Forecast:
    before = parse(old).filled(System("glibc-2.36", "6.6", "x86_64"))
    return forecast(policy, policy, before, parse(new).filled(before), **more)  # type: ignore[arg-type]


def of(found: Forecast, function: str, call: str = "") -> Finding:
    some = [one for one in found.findings if one.function == function and one.call.startswith(call)]
    assert some, f"nothing is found of {function}: {[(one.function, one.call) for one in found.findings]}"
    return some[0]


FACCESSAT = """faccessat: 0
  faccessat2(AT_FDCWD, *, R_OK, 0)
  ! faccessat2 ENOSYS same > faccessat(AT_FDCWD, *, R_OK)
  ! faccessat2 EPERM fails
"""


@pytest.mark.parametrize(
    ("filter_", "effect"),
    [
        (allowing("faccessat2"), "works"),
        (allowing("faccessat", answer="ENOSYS"), "falls-back"),
        (allowing(answer="ENOSYS", faccessat="EACCES"), "breaks"),
        (allowing("faccessat"), "breaks"),
        (allowing("faccessat", answer="kill_process"), "breaks"),
        (allowing("faccessat", faccessat2="user_notif"), "works"),
    ],
    ids=["allowed", "falls back", "the way back is closed", "EPERM", "killed", "asked"],
)
def test_a_function_fares_as_its_calls_are_answered(filter_: Policy, effect: str) -> None:
    assert worst(judge(filter_).harms(doing(FACCESSAT))) == effect


def test_a_call_that_the_kernel_lacks_makes_libc_take_its_other_way_which_is_judged() -> None:
    old = "glibc-2.36,linux-5.4,x86_64"
    assert worst(judge(allowing("faccessat2", "faccessat"), old).harms(doing(FACCESSAT))) == "falls-back"
    assert worst(judge(allowing("faccessat2"), old).harms(doing(FACCESSAT))) == "breaks"


def test_a_call_with_other_arguments_fares_as_it_was_seen_to() -> None:
    case = """isatty: 1
  ioctl(fd, TCGETS2, *); ioctl(fd, TIOCGWINSZ, *)
  ! ioctl(fd, TCGETS2, *) * other 0
  ! ioctl(fd, TIOCGWINSZ, *) * same
"""
    assert worst(judge(allowing("ioctl(cmd == TIOCGWINSZ)")).harms(doing(case))) == "degrades"
    assert worst(judge(allowing("ioctl(cmd == TCGETS2)")).harms(doing(case))) == "falls-back"


def test_nothing_is_found_where_nothing_moves() -> None:
    for policy in (allowing("read"), allowing("openat", answer="kill_process"), allowing(answer="allow")):
        for system in ("glibc-2.31", "musl-1.2.5", "glibc-2.44,linux-7.2", "rust-1.80", "aarch64"):
            if system != "aarch64":
                assert moved(policy, system, system).findings == ()


def test_nothing_is_found_under_a_filter_that_allows_everything() -> None:
    everything = allowing(answer="allow")
    for old, new in [("glibc-2.15", "glibc-2.44"), ("glibc-2.36", "musl-1.2.6"), ("linux-4.4", "linux-7.2")]:
        found = moved(everything, old, new)
        assert found.findings == ()
        assert not found.breaks


def test_what_was_refused_all_along_is_not_the_upgrades_doing() -> None:
    # Neither clone nor clone3: whoever has this filter starts no threads.
    found = moved(allowing("mmap", "mprotect", "rt_sigprocmask"), "glibc-2.33", "glibc-2.34")
    assert not [one for one in found.findings if "clone3" in one.call]


def test_a_new_function_breaks_nobody_unless_a_program_has_it() -> None:
    policy = allowing("open", "openat", "read", "close", "getdents64")
    assert not [one for one in moved(policy, "glibc-2.33", "glibc-2.34").findings if one.function == "close_range"]
    found = moved(policy, "glibc-2.33", "glibc-2.34", imports={"close_range"})
    assert of(found, "close_range").effect == "breaks"


def test_only_what_programs_import_is_judged() -> None:
    policy = allowing("faccessat", "pipe", "exit_group")
    every = {one.function for one in moved(policy, "glibc-2.31", "glibc-2.36").findings}
    assert {"faccessat", "pipe"} <= every
    few = {one.function for one in moved(policy, "glibc-2.31", "glibc-2.36", imports={"pipe"}).findings}
    assert "pipe" in few
    assert "faccessat" not in few


# A function of i386's glibc that has an old version, that version, and what the old one and the default one call.
VERSIONS = [
    ("chown", "GLIBC_2.0", "lchown32", "chown32"),
    ("getrlimit", "GLIBC_2.0", "getrlimit", "ugetrlimit"),
    ("getrlimit64", "GLIBC_2.1", "ugetrlimit", "prlimit64"),
]


@pytest.mark.parametrize(("function", "version", "old", "now"), VERSIONS)
def test_who_imports_an_old_version_of_a_function_is_told_what_that_one_calls(
    function: str, version: str, old: str, now: str
) -> None:
    nothing = build(("i386",), [("exit_group", None, "allow")], default="EPERM")
    system = parse("glibc-2.43,linux-6.6,i386")
    default = reach_facts("glibc-2.43", "i386").function(function).version

    def calls(asked: str) -> set[str]:
        found = forecast(nothing, nothing, None, system, imports={asked})
        return {one.call.partition("(")[0] for one in found.findings if one.function == function}

    assert calls(f"{function}@{version}") == {old}
    assert calls(function) == calls(f"{function}@{default}") == {now}


def test_a_function_that_only_old_programs_have_is_judged_too() -> None:
    nothing = allowing("exit_group")
    found = forecast(nothing, nothing, None, parse(EVERYTHING), imports={"llseek@GLIBC_2.2.5"})
    assert of(found, "llseek").call.startswith("lseek")


def test_a_thread_is_judged_where_a_program_starts_one() -> None:
    policy = allowing(*THREADS)
    threads = moved(policy, "glibc-2.33", "glibc-2.34", imports={"pthread_create"})
    assert of(threads, "(thread)").effect == "breaks"
    assert not [
        one for one in moved(policy, "glibc-2.33", "glibc-2.34", imports={"read"}).findings if "clone3" in one.call
    ]


THREADS = (
    "mmap",
    "mprotect",
    "munmap",
    "clone",
    "rt_sigprocmask",
    "rt_sigaction",
    "set_robust_list",
    "madvise",
    "exit",
    "futex",
)


# A filter, an upgrade, what breaks, and the change that mends it.
MENDED = [
    (allowing(*THREADS), "glibc-2.33", "glibc-2.34", "(thread)", "clone3", "answer `clone3` with `ERRNO(ENOSYS)`"),
    (allowing(*THREADS, answer="kill_process"), "glibc-2.33", "glibc-2.34", "(thread)", "clone3", "answer `clone3` with `ERRNO(ENOSYS)`"),
    (allowing("pipe"), "glibc-2.34", "glibc-2.35", "pipe", "pipe2", "allow `pipe2` as `pipe` is allowed"),
    (allowing("nanosleep"), "glibc-2.30", "glibc-2.31", "nanosleep", "clock_nanosleep", "allow `clock_nanosleep` as `nanosleep` is allowed"),
    (allowing("open(flags & O_ACCMODE == O_RDONLY)"), "glibc-2.25", "glibc-2.26", "open", "openat", "allow `openat` as `open` is allowed"),
    (allowing("ioctl(cmd == TCGETS)"), "glibc-2.41", "glibc-2.42", "isatty", "ioctl", "allow `ioctl` with `TCGETS2` as it is allowed with `TCGETS`"),
    (allowing("ioctl(cmd == TCGETS)", answer="kill_process"), "glibc-2.41", "glibc-2.42", "tcgetattr", "ioctl", "allow `ioctl` with `TCGETS2` as it is allowed with `TCGETS`"),
    (allowing("lstat"), "glibc-2.32", "glibc-2.33", "lstat", "newfstatat", "allow `newfstatat` as `lstat` is allowed, where `flags == AT_SYMLINK_NOFOLLOW`"),
]  # fmt: skip


@pytest.mark.parametrize(("policy", "old", "new", "function", "call", "words"), MENDED)
def test_a_fix_mends_what_breaks_and_is_proved_to_let_nothing_more_through(
    policy: Policy, old: str, new: str, function: str, call: str, words: str
) -> None:
    found = of(moved(policy, old, new), function, call)
    assert found.effect in ("breaks", "degrades")
    assert found.fix is not None
    assert found.fix.words.startswith(words)
    assert found.fix.proved
    assert found.fix.amended is not None
    before = parse(old).filled(System("", "6.6", "x86_64"))
    again = forecast(found.fix.amended, found.fix.amended, before, parse(new).filled(before))
    assert not [
        one
        for one in again.findings
        if one.function == function and one.call == found.call and one.effect in ("breaks", "degrades")
    ]
    changed = {row.numbers for row in proof.diff(policy, found.fix.amended).rows}
    nr = abi.numbers("x86_64")[call]
    assert changed == {((nr, nr),)}, "a fix changes one call's answers"


def test_a_sibling_is_allowed_under_the_same_condition_only() -> None:
    policy = allowing("open(flags & O_ACCMODE == O_RDONLY)")
    fix = of(moved(policy, "glibc-2.25", "glibc-2.26"), "open", "openat").fix
    assert fix is not None
    assert fix.amended is not None
    for flags, allowed in ((0, True), (1, False), (2, False), (0x80000, True)):
        answer = fix.amended.sections["x86_64"][257]
        found = next(
            rule.answer for rule in answer if all(cond.holds((0, 0, flags, 0, 0, 0, 0)) for cond in rule.conds)
        )
        assert (found == RET_ALLOW) is allowed


def test_what_hides_its_flags_is_never_allowed_in_place_of_what_is_judged_by_them() -> None:
    policy = allowing("openat(flags & O_ACCMODE == O_RDONLY)", "mmap")
    found = of(moved(policy, "glibc-2.42", "glibc-2.43"), "openat2")
    assert found.fix is not None
    assert not found.fix.proved
    assert found.fix.words == "allow `openat2`, which opens more: open a file; may create or empty it"


def test_a_number_without_flags_gives_no_flags_to_its_sibling() -> None:
    # clone takes flags that fork has not got: to allow it as fork is allowed is to allow none of them.
    from troth.libc.forecast import mend
    from troth.libc.probe.facts import Seen

    policy = allowing("fork")
    asked = judge(policy, "musl-1.2.5,linux-6.6,x86_64")
    (fix,) = [f for f in mend._as_sibling(asked, policy, Seen("clone", ("SIGCHLD", "0"))) if "`fork`" in f.words]
    assert fix.words == "allow `clone` as `fork` is allowed, where `flags == SIGCHLD`"
    assert fix.amended is not None
    changed = Judge(fix.amended, parse(EVERYTHING), big_endian=False)
    assert changed.asked(Seen("clone", ("CLONE_NEWUSER", "0"))) != RET_ALLOW


def test_what_a_filter_forbids_slips_through_a_call_that_libc_takes_instead() -> None:
    denies = allowing(answer="allow", fchmodat="EPERM", open="EPERM")
    found = moved(denies, "glibc-2.25", "glibc-2.26")
    assert of(found, "open", "openat").effect == "bypass"
    assert found.breaks
    assert of(found, "open", "openat").since == "glibc-2.26"


def test_what_a_filter_does_not_know_yet_is_no_bypass_where_it_allows_by_name() -> None:
    found = moved(allowing("openat"), "glibc-2.25", "glibc-2.26")
    assert not [one for one in found.findings if one.effect == "bypass"]


def test_a_new_call_of_the_kernel_that_does_what_is_forbidden_is_a_bypass() -> None:
    guarded = build(("x86_64",), [("fchmodat", "mode & 0o4000", "EPERM"), ("chmod", None, "EPERM")], default="allow")
    found = moved(guarded, "linux-6.5", "linux-6.6")
    bypass = next(one for one in found.findings if one.effect == "bypass")
    assert bypass.call.startswith("fchmodat2(")
    assert bypass.since == "linux-6.6"
    assert not [one for one in moved(guarded, "linux-6.6", "linux-6.7").findings if "fchmodat2" in one.call]


def test_a_new_call_under_the_same_guard_is_no_bypass() -> None:
    rules = [(call, "mode & 0o4000", "EPERM") for call in ("fchmodat", "fchmodat2", "chmod")]
    guarded = build(("x86_64",), rules, default="allow")
    before, after = (judge(guarded, f"glibc-2.36,linux-{version},x86_64") for version in ("6.5", "6.6"))
    assert list(new_ways(before, after, ())) == []


def test_an_architecture_without_a_call_is_judged_by_what_it_has_instead() -> None:
    calls = [("open", None, "allow"), ("stat", None, "allow"), ("read", None, "allow"), ("openat", None, "allow")]
    policy = build(("x86_64", "aarch64"), calls, default="EPERM", skip_absent=True)
    found = moved(policy, "x86_64", "aarch64")
    assert not [one for one in found.findings if one.function == "lstat"]  # which was refused already
    assert of(found, "__xstat").call.startswith("newfstatat")
    assert of(found, "__xstat").since == "aarch64"
    assert not [one for one in found.findings if one.function == "open"]


def test_a_runtime_is_judged_by_its_own_calls() -> None:
    found = moved(allowing("stat", "fstat", "lstat"), "rust-1.39", "rust-1.40")
    one = of(found, "fs::metadata", "statx")
    assert (one.maker, one.effect, one.since) == ("rust", "breaks", "rust-1.40")


def test_clocks_without_vdso_make_calls_that_were_never_seen_before() -> None:
    found = moved(allowing("read", answer="kill_process"), "glibc-2.36", "no-vdso")
    assert of(found, "(no vDSO)", "clock_gettime").effect == "breaks"
    assert not moved(allowing("read", answer="kill_process"), "glibc-2.36", "glibc-2.36").findings


def test_a_program_is_judged_as_its_policy_is() -> None:
    policy = allowing(*THREADS)
    programs = (policy.compile(),)
    before = parse(EVERYTHING)
    after = before.replace(libc="glibc-2.34")
    one, other = forecast(policy, policy, before, after), forecast(programs, programs, before, after)
    shown = [[(f.function, f.call, f.effect, f.fix and f.fix.words) for f in found.findings] for found in (one, other)]
    assert shown[0] == shown[1]


def test_findings_are_what_code_scanners_read() -> None:
    log = document([("a.bpf", moved(allowing("pipe"), "glibc-2.34", "glibc-2.35"))], version="1")
    run = json.loads(json.dumps(log))["runs"][0]
    (result,) = [one for one in run["results"] if "pipe2" in one["message"]["text"]]
    assert result["level"] == "error"
    assert result["ruleId"] in {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "a.bpf"


def test_the_facts_of_a_build_are_read_once() -> None:
    assert model._of("glibc", "2.36", "x86_64") is model._of("glibc", "2.36", "x86_64")


def test_a_function_that_breaks_in_one_use_of_several_is_told_so() -> None:
    found = moved(allowing("write", "close"), "glibc-2.41", "glibc-2.44")
    partly = [one for one in found.findings if one.function == "fclose" and one.effect == "breaks"]
    assert {one.variant for one in partly} == {"read"}
    assert not any(one.every_use for one in partly)


def test_a_function_that_breaks_however_it_is_used_is_told_so() -> None:
    found = moved(allowing("pipe"), "glibc-2.31", "glibc-2.36")
    assert of(found, "pipe").every_use
    assert found.breaks_every_use


@pytest.mark.parametrize("function", ["(thread)", "pthread_create"])
def test_a_thread_is_refused_rseq_as_its_process_was(function: str) -> None:
    names = (call for call in abi.names("x86_64").values() if call not in ("rseq", "clone3"))
    found = moved(allowing(*names, answer="ENOSYS"), "glibc-2.31", "glibc-2.36")
    refused = [one for one in found.findings if one.function == function and one.call.startswith("rseq(")]
    assert {one.effect for one in refused} == {"degrades"}
