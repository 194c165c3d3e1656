"""Rules by name become a policy for several architectures; what does not exist is named, with the nearest that does."""

from __future__ import annotations

from typing import Any

import pytest

from troth import abi, proof
from troth.abi import flags
from troth.bpf import Call
from troth.errors import RequestError
from troth.policy import Policy, errno_answer
from troth.policy.build import Test, build
from troth.policy.expr import All, Not, Within

ALLOW = 0x7FFF0000
ABOVE = 0xBAD << 32


def answer(policy: Policy, arch: str, name: str, *args: int) -> int:
    nr = abi.numbers(arch)[name]
    said = policy.answer(Call(abi.ARCHES[arch].audit, nr, args))
    result = proof.equal(policy.compile(), policy, exact=True)
    assert result.verdict == "proved", result
    return said


def test_one_rule_means_the_call_of_that_name_on_every_architecture() -> None:
    policy = build(("x86_64", "aarch64", "i386"), [("openat", None, "allow")], default="EPERM")
    assert {answer(policy, arch, "openat") for arch in policy.sections} == {ALLOW}
    assert {answer(policy, arch, "read") for arch in policy.sections} == {errno_answer(1)}


def test_an_argument_is_as_wide_and_signed_as_the_kernel_takes_it() -> None:
    policy = build(
        ("x86_64",),
        [
            ("socket", Test("family", "==", 2), "allow"),  # int
            ("lseek", Test("offset", "<", 0), "EINVAL"),  # off_t
            ("poll", Test("timeout_msecs", "<", 0), "EINTR"),  # int, and signed
            ("mmap", Test("prot", "==", 0, mask=4), "allow"),  # unsigned long
        ],
        default="EPERM",
    )
    assert answer(policy, "x86_64", "socket", ABOVE + 2) == ALLOW
    assert answer(policy, "x86_64", "lseek", 0, 1 << 63) == errno_answer(22)
    assert answer(policy, "x86_64", "lseek", 0, 0xFFFFFFFF) == errno_answer(1)
    assert answer(policy, "x86_64", "poll", 0, 0, ABOVE + 0xFFFFFFFF) == errno_answer(4)
    assert answer(policy, "x86_64", "mmap", 0, 0, ABOVE + 4) == errno_answer(1)
    assert answer(policy, "x86_64", "mmap", 0, 0, ABOVE + 3) == ALLOW


def test_a_width_that_is_asked_for_is_the_width() -> None:
    policy = build(("x86_64",), [("socket", Test("family", "==", 2, width=64), "allow")], default="EPERM")
    assert answer(policy, "x86_64", "socket", ABOVE + 2) == errno_answer(1)
    assert answer(policy, "x86_64", "socket", 2) == ALLOW


def test_on_a_32_bit_architecture_nothing_is_wider_than_a_register() -> None:
    policy = build(("i386",), [("munmap", Test("addr", "==", 0), "allow")], default="EPERM")
    assert answer(policy, "i386", "munmap", ABOVE) == ALLOW


def test_the_first_rule_whose_condition_holds_answers() -> None:
    policy = build(
        ("x86_64",),
        [
            ("kill", Test(1, "in", (0, 15)), "allow"),
            ("kill", Not(Test(1, "<", 32)), "EINVAL"),
            ("kill", None, "EACCES"),
            ("kill", None, "allow"),  # never reached
        ],
        default="kill_process",
    )
    said = [answer(policy, "x86_64", "kill", 0, signal) for signal in (0, 15, 9, 33)]
    assert said == [ALLOW, ALLOW, errno_answer(13), errno_answer(22)]


def test_conditions_combine_by_place_name_and_text() -> None:
    by_text = build(("x86_64", "s390x"), [("clone", "flags & CLONE_THREAD and a4 == 0", "allow")], default="EPERM")
    assert by_text.sections["x86_64"][56][0] != by_text.sections["s390x"][120][0]
    both = All((Test("op", "not in", (1, 2)), Within(0, ((7, 7),), width=64)))
    policy = build(("x86_64",), [("futex", both, "allow")], default="EPERM")
    assert [answer(policy, "x86_64", "futex", *args) for args in ((7, 0), (7, 2), (8, 0))] == [
        ALLOW, errno_answer(1), errno_answer(1),
    ]  # fmt: skip


def test_an_errno_has_the_number_that_its_architecture_gives_it() -> None:
    policy = build(("x86_64", "mips64el"), [("read", None, "ENOSYS")], default="ENOSYS")
    for arch in ("x86_64", "mips64el"):
        nosys = errno_answer(flags.value("ENOSYS", arch))
        assert answer(policy, arch, "read") == nosys
        assert answer(policy, arch, "write") == nosys  # also of what is not listed
    assert flags.value("ENOSYS", "mips64el") != flags.value("ENOSYS", "x86_64")


def test_a_name_that_only_others_have_is_passed_over_when_asked_for() -> None:
    rules = [("open", None, "allow"), ("openat", None, "allow")]
    policy = build(("x86_64", "aarch64"), rules, default="EPERM", skip_absent=True)
    assert set(policy.sections["aarch64"]) == {abi.numbers("aarch64")["openat"]}
    with pytest.raises(RequestError, match="aarch64 has no call `open`"):
        build(("x86_64", "aarch64"), rules, default="EPERM")


def test_unknown_numbers_and_architectures_have_answers_of_their_own() -> None:
    policy = build(("x86_64",), [("read", None, "allow")], default="EPERM", unknown="ENOSYS", bad_arch="trap")
    assert policy.answer(Call(abi.ARCHES["x86_64"].audit, 999)) == errno_answer(38)
    assert policy.answer(Call(abi.ARCHES["i386"].audit, 0)) == 0x00030000


def test_architectures_that_only_filters_know_take_arguments_by_place() -> None:
    policy = build(("ppc64",), [("kill", Test(1, "==", 0), "allow")], default="EPERM")
    assert policy.sections["ppc64"][37][0][1] == ALLOW
    with pytest.raises(RequestError, match="no argument `sig`"):
        build(("ppc64",), [("kill", Test("sig", "==", 0), "allow")], default="EPERM")


MISTAKES: list[tuple[dict[str, Any], str, str]] = [
    ({"arches": ("x86-64",)}, "unknown architecture `x86-64`", "the closest name is `x86_64`"),
    ({"arches": ()}, "a policy needs an architecture", ""),
    ({"rules": [("opnat", None, "allow")]}, "unknown call `opnat`", "the closest name is `openat`"),
    ({"rules": [("kill", Test("sign", "==", 0), "allow")]}, "no argument `sign`", "the closest name is `sig`"),
    ({"rules": [("kill", Test(6, "==", 0), "allow")]}, "argument 6", ""),
    ({"rules": [("kill", Test("sig", "=", 0), "allow")]}, "unknown comparison `=`", "one of =="),
    ({"rules": [("kill", Test("sig", "==", 1 << 32), "allow")]}, "0x100000000 does not fit in 32 bits", ""),
    ({"rules": [("kill", Test("sig", "in", (1 << 32,)), "allow")]}, "0x100000000 does not fit in 32 bits", ""),
    ({"rules": [("kill", Test("sig", "==", (1, 2)), "allow")]}, "compares with one number, not 2", "use `in`"),
    ({"rules": [("kill", None, "alow")]}, "unknown answer `alow`", "the closest name is `allow`"),
    ({"rules": [("kill", None, 1 << 32)]}, "0x100000000 is not an answer", ""),
    ({"rules": [(1 << 32, None, "allow")]}, "4294967296 is not the number of a call", ""),
    ({"default": "EPREM"}, "unknown answer `EPREM`", "the closest name is `EPERM`"),
]


@pytest.mark.parametrize(("change", "problem", "hint"), MISTAKES)
def test_a_mistake_is_named_with_what_was_meant(change: dict[str, Any], problem: str, hint: str) -> None:
    request: dict[str, Any] = {"arches": ("x86_64",), "rules": [], "default": "EPERM"} | change
    with pytest.raises(RequestError, match=problem) as caught:
        build(request.pop("arches"), request.pop("rules"), **request)
    assert hint in caught.value.hint


def test_a_policy_compiles_for_some_of_its_architectures() -> None:
    policy = build(("x86_64", "i386"), [("read", None, "allow")], default="EPERM")
    fewer = policy.replace(sections={"i386": policy.sections["i386"]})
    assert proof.equal(policy.compile(("i386",)), fewer, exact=True)
    with pytest.raises(RequestError, match="says nothing of arm"):
        policy.compile(("arm",))


def test_what_was_compiled_is_remembered_by_value() -> None:
    rules = [("read", None, "allow"), ("kill", Test(1, "==", 0), "allow")]
    first, same = (build(("x86_64",), rules, default="EPERM") for _ in range(2))
    assert first.compile() is same.compile()
    assert first.compile() is not first.compile(bit_tests=False)
    first.sections["x86_64"][1] = first.sections["x86_64"][0]
    assert first.compile() is not same.compile()
    assert proof.equal(first.compile(), first, exact=True)


@pytest.mark.parametrize(("weights", "problem"), [({"opne": 1.0}, "`opne`"), ({"read": 0.0}, "above 0")])
def test_a_weight_that_says_nothing_is_refused(weights: dict[str, float], problem: str) -> None:
    policy = build(("x86_64",), [("read", None, "allow")], default="EPERM")
    with pytest.raises(RequestError, match=problem):
        policy.compile(weights=weights)
