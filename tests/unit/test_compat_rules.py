"""What rules mean: which answer a filter of `troth.compat.seccomp` gives to a call."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from troth.bpf import Call, Program, emulate
from troth.compat._arches import BY_NAME
from troth.compat._names import number
from troth.compat._policy import policy
from troth.compat.seccomp import (
    ALLOW,
    EQ,
    ERRNO,
    GE,
    GT,
    KILL,
    KILL_PROCESS,
    LE,
    LT,
    MASKED_EQ,
    NE,
    NOTIFY,
    TRAP,
    Arch,
    Arg,
    Attr,
    SyscallFilter,
)  # fmt: skip
from troth.proof import equal

TOP = (1 << 64) - 1
LITTLE = [name for name, arch in BY_NAME.items() if not arch.big_endian]
BIG = [name for name, arch in BY_NAME.items() if arch.big_endian]


def on(*words: str, default: int = KILL) -> SyscallFilter:
    """A filter for these architectures only."""
    f = SyscallFilter(default)
    f.remove_arch(Arch())
    for word in words:
        f.add_arch(Arch(word))
    return f


def answer(f: SyscallFilter, word: str, call: str | int, *args: int) -> int:
    """What the compiled filter answers."""
    arch = BY_NAME[word]
    nr = call if isinstance(call, int) else number(arch, call)
    program = Program.from_bytes(bytes(f.export_bpf_mem()), big_endian=arch.big_endian)
    return emulate(program, Call(arch.audit, nr & 0xFFFFFFFF, args), big_endian=arch.big_endian).raw


SIGNS: dict[int, Callable[[int, int, int], bool]] = {
    NE: lambda value, a, _: value != a,
    LT: lambda value, a, _: value < a,
    LE: lambda value, a, _: value <= a,
    EQ: lambda value, a, _: value == a,
    GE: lambda value, a, _: value >= a,
    GT: lambda value, a, _: value > a,
    MASKED_EQ: lambda value, a, b: value & a == b & a,
}

# Boundaries of halves and signs, where compilers of 64-bit comparisons go wrong.
EDGES = sorted(
    {(edge + off) & TOP for edge in (0, 5, 1 << 31, 1 << 32, 5 << 32, 1 << 63) for off in (-1, 0, 1)} | {0x500000005}
)
values = st.sampled_from(EDGES)
comparisons = st.tuples(st.sampled_from([*SIGNS]), values, values)
arguments = st.dictionaries(st.integers(0, 5), comparisons, min_size=1, max_size=3)
calls = st.tuples(values, values, values, values, values, values)


def holds(rule: dict[int, tuple[int, int, int]], args: tuple[int, ...], bits: int) -> bool:
    """The documentation, word by word: all comparisons, unsigned, in the width of the architecture."""
    top = (1 << bits) - 1
    return all(SIGNS[op](args[arg] & top, a & top, b & top) for arg, (op, a, b) in rule.items())


@pytest.mark.parametrize("word", ["x86_64", "s390x", "x86", "m68k", "x32"])
@settings(deadline=None, max_examples=60)
@given(rules=st.lists(arguments, min_size=1, max_size=4), tried=st.lists(calls, min_size=1, max_size=12))
def test_rules_are_a_union_and_their_comparisons_an_intersection(
    word: str, rules: list[dict[int, tuple[int, int, int]]], tried: list[tuple[int, ...]]
) -> None:
    f = on(word)
    for rule in rules:
        f.add_rule(ALLOW, "write", *[Arg(arg, *comparison) for arg, comparison in rule.items()])
    bits = BY_NAME[word].bits
    for args in tried:
        seen = args if bits == 64 or word == "x32" else tuple(arg & 0xFFFFFFFF for arg in args)
        allowed = any(holds(rule, seen, bits) for rule in rules)
        assert answer(f, word, "write", *seen) == (ALLOW if allowed else KILL)


@pytest.mark.parametrize("group", [LITTLE, BIG])
@settings(deadline=None, max_examples=15)
@given(
    words=st.lists(st.integers(0, 10), min_size=1, max_size=4, unique=True),
    rules=st.lists(
        st.tuples(
            st.sampled_from(["read", "socket", "connect", "semop", "open", "mmap", "clone3"]),
            st.sampled_from([ALLOW, ERRNO(1), ERRNO(2), TRAP]),
            st.dictionaries(st.integers(0, 5), comparisons, max_size=2),
        ),
        max_size=8,
    ),
)
def test_a_filter_is_proved_equal_to_what_its_rules_mean(
    group: list[str], words: list[int], rules: list[tuple[str, int, dict[int, tuple[int, int, int]]]]
) -> None:
    f = on(*[group[index] for index in words])
    for name, action, args in rules:
        with contextlib.suppress(RuntimeError):  # a contradiction of an earlier rule
            f.add_rule(action, name, *[Arg(arg, *comparison) for arg, comparison in args.items()])
    program = Program.from_bytes(bytes(f.export_bpf_mem()), big_endian=group is BIG)
    meant = policy(f._database, KILL)
    assert equal(program, meant, big_endian=group is BIG, exact=True).verdict == "proved"


@pytest.mark.parametrize("op", [*SIGNS])
@pytest.mark.parametrize("datum", EDGES)
def test_one_comparison_is_of_64_bits_and_unsigned(op: int, datum: int) -> None:
    f = on("x86_64")
    f.add_rule(ALLOW, "ioctl", Arg(1, op, datum, 0x500000005))
    for value in EDGES:
        expected = ALLOW if SIGNS[op](value, datum, 0x500000005) else KILL
        assert answer(f, "x86_64", "ioctl", 0, value) == expected


def test_a_rule_without_comparisons_answers_alone_whenever_it_came() -> None:
    for order in (0, 1):
        f = on("x86_64")
        rules = [(ERRNO(1), (Arg(0, EQ, 1),)), (ALLOW, ())]
        for action, args in rules[::-1] if order else rules:
            f.add_rule(action, "read", *args)
        assert answer(f, "x86_64", "read", 1) == ALLOW
    f.add_rule(ERRNO(2), "read")
    assert answer(f, "x86_64", "read", 1) == ALLOW


def test_a_mask_of_nothing_is_no_comparison() -> None:
    f = on("x86_64", "x86")
    f.add_rule(ALLOW, "read", Arg(0, MASKED_EQ, 1 << 32, 1 << 32))
    f.add_rule(ALLOW, "close", Arg(0, MASKED_EQ, 0, 1))
    assert answer(f, "x86_64", "close", 7) == ALLOW
    assert answer(f, "x86_64", "read", 7) == KILL
    assert answer(f, "x86", "read", 7) == ALLOW  # its arguments have no upper half


def test_of_two_rules_the_narrower_answers_whichever_came_first() -> None:
    for order in (1, -1):
        f = on("x86_64", default=ALLOW)
        rules = [(ERRNO(1), Arg(2, GT, 128)), (ERRNO(2), Arg(2, GT, 256)), (ERRNO(3), Arg(2, EQ, 300))]
        for action, arg in rules[::order]:
            f.add_rule(action, "read", arg)
        answers = [answer(f, "x86_64", "read", 0, 0, size) for size in (128, 129, 257, 300, 301)]
        assert answers == [ALLOW, ERRNO(1), ERRNO(2), ERRNO(3), ERRNO(2)]


def test_of_two_rules_of_which_none_is_narrower_the_first_answers() -> None:
    f = on("x86_64")
    f.add_rule(ERRNO(1), "read", Arg(0, EQ, 1))
    f.add_rule(ERRNO(2), "read", Arg(1, EQ, 1))
    assert answer(f, "x86_64", "read", 1, 1) == ERRNO(1)
    assert answer(f, "x86_64", "read", 0, 1) == ERRNO(2)


def refused(f: SyscallFilter, errno: int, action: int, call: str | int, *args: Arg, exactly: bool = False) -> None:
    with pytest.raises(RuntimeError) as raised:
        (f.add_rule_exactly if exactly else f.add_rule)(action, call, *args)
    assert str(raised.value) == f"Library error (errno = -{errno})"


def test_a_rule_that_is_there_is_taken_again_and_refused_with_another_answer() -> None:
    f = on("x86_64")
    f.add_rule(ERRNO(1), "read", Arg(0, EQ, 1), Arg(1, LT, 5))
    f.add_rule(ERRNO(1), "read", Arg(1, LT, 5), Arg(0, EQ, 1))
    refused(f, 17, ERRNO(2), "read", Arg(1, LT, 5), Arg(0, EQ, 1))
    refused(f, 17, ERRNO(2), "read", Arg(0, EQ, 1))
    f.add_rule(ERRNO(2), "read", Arg(0, MASKED_EQ, TOP, 2))
    refused(f, 17, ERRNO(1), "read", Arg(0, EQ, 2))


def test_a_rule_that_begins_with_one_that_is_there_adds_nothing() -> None:
    f = on("x86_64")
    f.add_rule(ERRNO(1), "read", Arg(0, EQ, 1))
    f.add_rule(ERRNO(2), "read", Arg(0, EQ, 1), Arg(1, EQ, 1))
    assert answer(f, "x86_64", "read", 1, 1) == ERRNO(1)


def test_a_number_is_the_native_one_of_a_call_that_others_have_under_other_numbers() -> None:
    if not SyscallFilter(KILL).exist_arch(Arch.X86_64):
        pytest.skip("the numbers are those of x86_64")
    f = on("x86_64", "x86", "aarch64")
    f.add_rule(ALLOW, 0)
    for word in ("x86_64", "x86", "aarch64"):
        assert answer(f, word, "read") == ALLOW
        assert answer(f, word, "write") == KILL
    refused(f, 14, ALLOW, 999)
    g = SyscallFilter(KILL)
    g.add_rule(ALLOW, 999)
    assert answer(g, "x86_64", 999) == ALLOW


def test_rules_hold_for_the_architectures_that_were_there_when_they_were_added() -> None:
    f = on("x86_64")
    f.add_rule(ALLOW, "read")
    f.add_arch(Arch("arm"))
    f.add_rule(ALLOW, "write")
    assert [answer(f, "arm", call) for call in ("read", "write")] == [KILL, ALLOW]
    assert [answer(f, "x86_64", call) for call in ("read", "write")] == [ALLOW, ALLOW]


@pytest.mark.parametrize("group", [LITTLE, BIG])
def test_all_architectures_of_a_byte_order_fit_into_one_filter(group: list[str]) -> None:
    f = on(*group)
    f.set_attr(Attr.ACT_BADARCH, KILL_PROCESS)
    f.add_rule(ALLOW, "read", Arg(0, EQ, 3))
    f.add_rule(ALLOW, "close")
    for word in group:
        assert answer(f, word, "read", 3) == ALLOW
        assert answer(f, word, "read", 4) == KILL
        assert answer(f, word, "close", 4) == ALLOW
        assert answer(f, word, "write", 3) == KILL
    order = group is BIG
    program = Program.from_bytes(bytes(f.export_bpf_mem()), big_endian=order)
    assert emulate(program, Call(0xDEADBEEF, 3), big_endian=order).action == "kill_process"


def test_an_architecture_that_is_removed_has_the_answer_of_a_bad_one() -> None:
    f = on("x86_64", "x86")
    f.set_attr(Attr.ACT_BADARCH, ERRNO(9))
    f.add_rule(ALLOW, "read")
    f.remove_arch(Arch("x86"))
    assert answer(f, "x86", "read") == ERRNO(9)


def test_x32_and_x86_64_answer_each_other_s_numbers_like_a_bad_architecture() -> None:
    bit = 0x40000000
    f = on("x86_64")
    f.set_attr(Attr.ACT_BADARCH, ERRNO(9))
    f.add_rule(ALLOW, "read")
    assert [answer(f, "x86_64", nr) for nr in (0, bit, bit - 1, 0xFFFFFFFE, -1)] == [ALLOW, ERRNO(9), 0, ERRNO(9), 0]
    f = on("x32")
    f.set_attr(Attr.ACT_BADARCH, ERRNO(9))
    f.add_rule(ALLOW, "read")
    assert [answer(f, "x86_64", nr) for nr in (0, bit, bit - 1, 0xFFFFFFFE, -1)] == [ERRNO(9), ALLOW, ERRNO(9), 0, 0]
    for words in (("x32", "x86_64"), ("x86_64", "x32")):
        f = on(*words)
        f.set_attr(Attr.ACT_BADARCH, ERRNO(9))
        f.add_rule(ALLOW, "read")
        assert [answer(f, "x86_64", nr) for nr in (0, bit, bit - 1, 0xFFFFFFFE, -1)] == [ALLOW, ALLOW, 0, 0, 0]


def test_in_one_filter_x32_compares_32_bits_and_x86_64_compares_64() -> None:
    f = on("x86_64", "x32")
    f.add_rule(ALLOW, "read", Arg(0, EQ, (1 << 32) + 5))
    for value in (5, (1 << 32) + 5, (7 << 32) + 5, 6):
        assert answer(f, "x86_64", "read", value) == (ALLOW if value == (1 << 32) + 5 else KILL)
        assert answer(f, "x32", "read", value) == (ALLOW if value & 0xFFFFFFFF == 5 else KILL)


def test_the_number_minus_one_needs_its_attribute_and_then_is_a_number_like_others() -> None:
    f = on("x86_64", "x86", "arm")
    refused(f, 22, ALLOW, -1)
    f.set_attr(Attr.API_TSKIP, 1)
    f.add_rule(ALLOW, -1)
    refused(f, 22, ALLOW, "no such call")
    for word in ("x86_64", "x86", "arm"):
        assert answer(f, word, -1) == ALLOW
        assert answer(f, word, "read") == KILL


@pytest.mark.parametrize("word", [name for name, arch in BY_NAME.items() if arch.multiplexed])
def test_a_call_behind_another_is_known_by_its_number_there_and_by_its_own(word: str) -> None:
    f = on(word)
    f.add_rule(ALLOW, "connect")
    f.add_rule(ERRNO(1), "semop")
    f.add_rule(ERRNO(2), "shmat", Arg(2, EQ, 7))
    assert [answer(f, word, "socketcall", call) for call in (1, 2, 3, 4)] == [KILL, KILL, ALLOW, KILL]
    assert [answer(f, word, "ipc", call) for call in (1, 2)] == [ERRNO(1), KILL]
    assert [answer(f, word, "ipc", 21, 0, third) for third in (7, 8)] == [ERRNO(2), KILL]
    from troth.abi import others

    own = others.numbers(BY_NAME[word].ours).get("connect")
    if own is not None:
        assert answer(f, word, own, 99) == ALLOW


def test_the_first_argument_of_a_call_behind_another_is_not_compared_there() -> None:
    f = on("x86")
    f.add_rule(ALLOW, "socket", Arg(0, EQ, 1))
    assert answer(f, "x86", "socketcall", 1) == ALLOW
    assert [answer(f, "x86", 359, domain) for domain in (1, 2)] == [ALLOW, KILL]


def test_exact_rules_are_not_rewritten() -> None:
    f = on("x86")
    refused(f, 22, ALLOW, "socket", Arg(0, EQ, 1), exactly=True)
    refused(f, 33, ALLOW, "arm_fadvise64_64", exactly=True)
    f.add_rule_exactly(ALLOW, "socket")
    assert answer(f, "x86", "socketcall", 1) == ALLOW
    f.add_arch(Arch("x86_64"))
    refused(f, 95, ALLOW, "read", exactly=True)


def test_a_call_that_an_architecture_lacks_adds_nothing_there() -> None:
    f = on("x86_64", "aarch64", "x86")
    f.add_rule(ALLOW, "open")
    f.add_rule(ALLOW, "arm_sync_file_range")
    assert answer(f, "x86_64", "open") == answer(f, "x86", "open") == ALLOW
    for word in ("x86_64", "x86", "aarch64"):
        assert answer(f, word, number(BY_NAME["aarch64"], "open")) in (KILL,)


def test_a_refused_rule_changes_no_architecture() -> None:
    f = on("x86_64", "x86")
    f.add_rule(ERRNO(1), "socketcall", Arg(0, EQ, 1))
    before = bytes(f.export_bpf_mem())
    refused(f, 17, ERRNO(2), "socket")
    assert bytes(f.export_bpf_mem()) == before


def test_a_rejected_transaction_takes_rules_and_architectures_back_and_they_nest() -> None:
    f = on("x86_64")
    f.add_rule(ALLOW, "read")
    before = bytes(f.export_bpf_mem())
    f.start_transaction()
    f.add_rule(ALLOW, "write")
    middle = bytes(f.export_bpf_mem())
    f.start_transaction()
    f.add_arch(Arch("x86"))
    f.add_rule(ALLOW, "close")
    f.syscall_priority("close", 200)
    f.reject_transaction()
    assert bytes(f.export_bpf_mem()) == middle
    assert not f.exist_arch(Arch("x86"))
    f.start_transaction()
    f.add_rule(ALLOW, "close")
    f.commit_transaction()
    assert answer(f, "x86_64", "close") == ALLOW
    f.reject_transaction()
    assert bytes(f.export_bpf_mem()) == before
    f.reject_transaction()
    f.commit_transaction()
    assert bytes(f.export_bpf_mem()) == before


def test_merging_takes_over_architectures_and_resets_the_other() -> None:
    f, g = on("x86_64"), on("x86", "arm")
    f.add_rule(ALLOW, "read")
    g.add_rule(ALLOW, "write")
    f.merge(g)
    assert [answer(f, word, "write") for word in ("x86_64", "x86", "arm")] == [KILL, ALLOW, ALLOW]
    assert [answer(f, word, "read") for word in ("x86_64", "x86", "arm")] == [ALLOW, KILL, KILL]
    assert g.exist_arch(Arch())
    g.add_rule(ALLOW, "close")
    assert answer(f, "x86_64", "close") == KILL


def test_reset_keeps_the_default_action_unless_given_another() -> None:
    f = on("arm", default=ALLOW)
    f.add_rule(KILL, "read")
    f.reset()
    assert f.get_attr(Attr.ACT_DEFAULT) == ALLOW
    assert f.exist_arch(Arch())
    assert not f.exist_arch(Arch("arm"))
    f.reset(KILL_PROCESS)
    assert f.get_attr(Attr.ACT_DEFAULT) == 0x80000000


@pytest.mark.parametrize("optimize", [1, 2])
def test_priorities_change_what_is_found_first_and_never_what_is_answered(optimize: int) -> None:
    plain, weighted = on("x86_64", "x86"), on("x86_64", "x86")
    names = ["read", "write", "openat", "close", "futex", "mmap", "ioctl", "getpid", "kill", "ptrace", "socket"]
    for f in (plain, weighted):
        f.set_attr(Attr.CTL_OPTIMIZE, optimize)
        for index, name in enumerate(names):
            f.add_rule(ERRNO(index + 1), name, Arg(1, EQ, index))
    for priority, name in enumerate(names):
        weighted.syscall_priority(name, 20 * priority)
    for word in ("x86_64", "x86"):
        for index, name in enumerate([*names, "dup"]):
            for value in (index, index + 1):
                assert answer(plain, word, name, 0, value) == answer(weighted, word, name, 0, value)

    def steps(f: SyscallFilter, name: str) -> int:
        nr = number(BY_NAME["x86_64"], name)
        return emulate(Program.from_bytes(bytes(f.export_bpf_mem())), Call(0xC000003E, nr, (0, 0))).steps

    if optimize == 1:
        assert steps(weighted, "socket") < steps(weighted, "read")
    else:
        assert bytes(plain.export_bpf_mem()) == bytes(weighted.export_bpf_mem())


def test_more_rules_than_a_filter_has_room_for_are_told() -> None:
    f = on("x86_64")
    for nr in range(300):
        f.add_rule(ALLOW, nr, *[Arg(arg, EQ, (nr + 1) * (arg + 1) << 31) for arg in range(6)])
    with pytest.raises(RuntimeError) as raised:
        f.precompute()
    assert str(raised.value) == "Library error (errno = -14)"
    assert "4096" in raised.value.__notes__[0]


def test_every_action_is_answered_as_it_was_given() -> None:
    actions = [KILL_PROCESS, TRAP, ERRNO(0), ERRNO(4094), NOTIFY, ALLOW]
    names = ["read", "write", "close", "dup", "openat", "getpid"]
    f = on("x86_64", default=KILL)
    for action, name in zip(actions, names, strict=True):
        f.add_rule(action, name)
    assert [answer(f, "x86_64", name) for name in names] == [action & 0xFFFFFFFF for action in actions]
