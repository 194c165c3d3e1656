"""What the promise table becomes: laws that hold for every set of promises, and snapshots of each."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from troth import abi
from troth.abi.seccomp import ACTIONS, RET_ALLOW, RET_ERRNO, RET_KILL_PROCESS
from troth.bpf import Call, emulate
from troth.policy import Cond, Policy, Rule
from troth.promises._table import ANSWERS, ROWS
from troth.promises._words import ALWAYS, EVERYTHING, WORDS
from troth.promises.expand import expand
from troth.promises.parse import parse
from troth.promises.setting import Identity, Setting

ARCHES = sorted(abi.ARCHES)
SELF = Identity(4242, 1000, (1000, 1001))
BARE = Setting()
FULL = Setting(judged=True, truncate_judged=True, scoped=True)
SETTINGS = [BARE, FULL, Setting(judged=True), FULL.replace(veiled=True), Setting(judged=True, veiled=True)]
SNAPSHOTS = os.path.join(os.path.dirname(__file__), "..", "snapshots", "promises")

SETS = st.lists(st.sampled_from(WORDS), unique=True).map(lambda words: parse(words))


def interesting(rules: tuple[Rule, ...]) -> list[tuple[int, ...]]:
    """Arguments at which these rules change their mind, and beside."""
    points: list[set[int]] = [{0, 1, 0xFFFFFFFF, 1 << 32, (1 << 64) - 1} for _ in range(6)]
    for rule in rules:
        for cond in rule.conds:
            assert isinstance(cond, tuple)
            for value in cond.values:
                points[cond.arg] |= {value, value ^ 1, value | 1 << 33, value ^ (cond.mask & -cond.mask)}
            points[cond.arg] |= {cond.mask & (1 << 64) - 1}
    base = [min(p) for p in points]
    found = []
    for arg, values in enumerate(points):
        for value in sorted(values):
            for other in ({}, {(arg + 1) % 6: next(iter(points[(arg + 1) % 6]))}):
                args = list(base)
                args[arg] = value
                for where, what in other.items():
                    args[where] = what
                found.append(tuple(args))
    return found


def same(policy: Policy, arch: str) -> None:
    """The compiled filter answers as the policy, at every number and wherever rules change their mind."""
    program = policy.compile()
    order = abi.ARCHES[arch].big_endian
    width = (1 << abi.ARCHES[arch].bits) - 1
    audit = abi.ARCHES[arch].audit
    calls = policy.sections[arch]
    base = abi.ARCHES[arch].nr_mask_bit
    for nr in [*calls, max(calls) + 1, base + 4000, 0xFFFFFFFF]:
        rules = calls.get(nr, ())
        for args in interesting(rules) if len(rules) > 1 else [(0,) * 6]:
            call = Call(audit, nr, tuple(value & width for value in args))
            assert emulate(program, call, big_endian=order).raw == policy.answer(call), (arch, nr, args)


@pytest.mark.parametrize("arch", [arch for arch in ARCHES if arch != "x32"])
@pytest.mark.parametrize("setting", SETTINGS, ids=["bare", "judged", "abi1", "veiled", "veiled-abi1"])
def test_everyday_promises_compile_to_what_they_say_on_every_architecture(arch: str, setting: Setting) -> None:
    for words in (
        "",
        "stdio",
        "stdio rpath",
        "stdio rpath wpath cpath proc exec",
        "stdio rpath inet unix dns getpw tty",
    ):
        same(expand(parse(words), (arch,), setting, SELF, violation=RET_KILL_PROCESS), arch)


@given(
    promises=SETS, arch=st.sampled_from([arch for arch in ARCHES if arch != "x32"]), setting=st.sampled_from(SETTINGS)
)
@settings(max_examples=40, deadline=None)
def test_any_promises_compile_to_what_they_say(promises: int, arch: str, setting: Setting) -> None:
    same(expand(promises, (arch,), setting, SELF, violation=RET_ERRNO | 1), arch)


@given(promises=SETS, more=st.sampled_from(WORDS), arch=st.sampled_from(ARCHES), setting=st.sampled_from(SETTINGS))
@settings(max_examples=60, deadline=None)
def test_more_promises_never_allow_less(promises: int, more: str, arch: str, setting: Setting) -> None:
    less = expand(promises, (arch,), setting, SELF, violation=RET_KILL_PROCESS).sections[arch]
    policy = expand(promises | parse(more), (arch,), setting, SELF, violation=RET_KILL_PROCESS)
    audit = abi.ARCHES[arch].audit
    for nr, rules in less.items():
        for args in interesting((*rules, *policy.sections[arch][nr])) if len(rules) > 1 else [(0,) * 6]:
            call = Call(audit, nr, args)
            before = next(rule.answer for rule in rules if all(cond.holds(call.args) for cond in rule.conds))
            if before == RET_ALLOW:
                assert policy.answer(call) == RET_ALLOW, (abi.names(arch)[nr], args)


def test_few_rows_are_always_paid_for() -> None:
    """Who promised everything away can end, take part in locks, and promise again; nothing else."""
    always = {row[0] for row in ROWS if row[1] & ALWAYS}
    assert always == {
        "exit", "restart", "futex", "robust_list", "tid_address", "rseq", "membarrier", "getrandom", "munmap", "uprobe",
        "seccomp", "landlock", "unshare", "getpid", "getuid", "prctl",
    }  # fmt: skip


def test_every_name_in_the_tables_exists_on_some_architecture() -> None:
    from troth.families.resolve import constant

    words: set[str] = set()
    for row in ROWS:
        for _, _, mask, values in row[3]:
            words.update(mask.split("|") if mask else [])
            words.update(part for value in values.split() for part in value.split("|"))
    words.update(errno for _, errno, _, _ in ANSWERS)
    words -= {"SELF", "UID", "GIDS", ""}

    def known(word: str) -> bool:
        for arch in ARCHES:
            try:
                constant(word, arch)
            except KeyError:
                continue
            return True
        return False

    assert sorted(word for word in words if not known(word)) == []


def test_everything_promised_still_refuses_what_no_promise_opens() -> None:
    policy = expand(EVERYTHING, ("x86_64",), FULL, SELF, violation=RET_KILL_PROCESS)
    for name in ("ptrace", "mount", "setns", "bpf", "kexec_load", "open_by_handle_at", "chroot", "pivot_root"):
        assert policy.answer(Call(abi.ARCHES["x86_64"].audit, abi.numbers("x86_64")[name])) == RET_KILL_PROCESS
    for name in ("process_vm_writev", "io_uring_setup", "userfaultfd", "pidfd_getfd", "perf_event_open"):
        assert policy.answer(Call(abi.ARCHES["x86_64"].audit, abi.numbers("x86_64")[name])) & 0xFFFF0000 == RET_ERRNO


def text(policy: Policy, arch: str) -> str:
    """A policy as lines, one call each, for people and for comparison."""
    names = abi.names(arch)
    lines = []
    plain: dict[str, list[str]] = {}
    for nr, rules in policy.sections[arch].items():
        if len(rules) == 1:
            plain.setdefault(answer(rules[0].answer), []).append(names[nr])
    for verdict, calls in sorted(plain.items()):
        lines.append(f"{verdict}: {' '.join(sorted(calls))}")
    for nr, rules in sorted(policy.sections[arch].items(), key=lambda item: names[item[0]]):
        if len(rules) > 1:
            lines.append(names[nr])
            for rule in rules:
                conds = " and ".join(condition(cond) for cond in rule.conds if isinstance(cond, tuple)) or "else"
                lines.append(f"    {conds}: {answer(rule.answer)}")
    return "\n".join(lines) + "\n"


def answer(raw: int) -> str:
    name = ACTIONS[raw & 0xFFFF0000]
    return f"{name} {raw & 0xFFFF}" if raw & 0xFFFF else name


def condition(cond: Cond) -> str:
    values = " ".join(f"{value:#x}" for value in cond.values)
    mask = "" if cond.mask in (0xFFFFFFFF, (1 << 64) - 1) else f" & {cond.mask:#x}"
    return f"arg{cond.arg}{mask} {'not in' if cond.negate else 'in'} {{{values}}}"


@pytest.mark.parametrize("word", WORDS)
def test_a_promise_means_what_its_snapshot_says(word: str, update_snapshots: bool) -> None:
    """With stdio, on x86_64, where Landlock judges: a change of the table shows here as a change of text."""
    held = parse("stdio") | parse(word)
    found = text(expand(held, ("x86_64",), FULL, SELF, violation=RET_KILL_PROCESS), "x86_64")
    path = os.path.join(SNAPSHOTS, f"{word}.x86_64.txt")
    if update_snapshots:
        os.makedirs(SNAPSHOTS, exist_ok=True)
        with open(path, "w") as stream:
            stream.write(found)
    with open(path) as stream:
        assert found == stream.read(), "after a wanted change: pytest --update-snapshots"
