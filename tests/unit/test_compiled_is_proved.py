"""Every filter that troth compiles for promises means what its policy means: proved, and by z3 as a second opinion."""

from __future__ import annotations

from random import Random

import pytest
from conftest import needs

from troth import abi, proof
from troth.abi.seccomp import RET_ALLOW, RET_ERRNO, RET_KILL_PROCESS
from troth.bpf import Program
from troth.bpf.const_allow import is_const_allow
from troth.bpf.symbolic import Space
from troth.policy import Policy
from troth.policy.meaning import rules_function
from troth.promises import parse
from troth.promises._words import BIT, MEANINGLESS, WORDS
from troth.promises.select import select
from troth.promises.setting import Identity, Setting
from troth.proof import smt

ARCHES = tuple(name for name in abi.ARCHES if name != "x32")
ALONE = tuple(word for word in WORDS if not BIT[word] & MEANINGLESS and word != "error")
WHO = Identity(4242, 1000, (27, 1000))
FILTER_ALONE = Setting()
WITH_LANDLOCK = Setting(judged=True, truncate_judged=True, scoped=True, unix_judged=True)
VEILED = WITH_LANDLOCK.replace(veiled=True)


def policy(words: str, arches: tuple[str, ...], setting: Setting, violation: int = RET_KILL_PROCESS) -> Policy:
    return select(parse(words), arches, setting, WHO, violation=violation)


def proved(program: Program, meant: Policy) -> bool:
    """Bit for bit, also what has no effect; the byte order is that of the architectures."""
    result = proof.equal(program, meant, exact=True)
    assert result.verdict == "proved", result
    return True


def proved_by_z3(program: Program, meant: Policy) -> bool:
    solver = smt.solver(big_endian=any(abi.ARCHES[name].big_endian for name in meant.sections))
    needs(solver is not None, "z3-solver is not installed")
    assert solver is not None
    answers = [solver.subject(program, exact=True), solver.subject(meant, exact=True)]
    result = solver.find(answers[0] != answers[1], answers)
    assert result.verdict == "proved", result
    return True


@pytest.mark.parametrize("arch", ARCHES)
def test_the_filter_of_every_promise_is_proved_equal_to_its_policy(arch: str) -> None:
    for word in ALONE:
        meant = policy(word, (arch,), WITH_LANDLOCK)
        assert proved(meant.compile(), meant), word


@pytest.mark.parametrize("arch", ARCHES)
def test_filters_of_many_promises_are_proved_equal_to_their_policies(arch: str) -> None:
    random = Random(arch)
    everything = policy(" ".join(ALONE), (arch,), FILTER_ALONE)
    assert proved(everything.compile(), everything)
    for setting in (FILTER_ALONE, VEILED):
        words = " ".join(random.sample(ALONE, random.randint(2, 8)))
        meant = policy(words, (arch, *abi.ARCHES[arch].companions[:1]), setting, RET_ERRNO | 1)
        assert proved(meant.compile(), meant), words


@pytest.mark.parametrize("arch", ARCHES)
def test_the_kernel_runs_no_filter_for_calls_that_are_allowed_whatever_their_arguments(arch: str) -> None:
    random = Random(arch)
    for words in ("stdio", " ".join(random.sample(ALONE, 6)), " ".join(ALONE)):
        meant = policy(words, (arch,), WITH_LANDLOCK)
        program = meant.compile()
        space = Space()
        for nr, rules in meant.sections[arch].items():
            always = rules_function(space, rules) == space.diagram.end(RET_ALLOW)
            assert is_const_allow(program, abi.ARCHES[arch].audit, nr) is always, (words, nr)


@pytest.mark.parametrize("arch", ARCHES)
def test_z3_agrees(arch: str) -> None:
    words = " ".join(Random(arch).sample(ALONE, 3))
    meant = policy(words, (arch,), FILTER_ALONE)
    assert proved_by_z3(meant.compile(), meant), words


def test_a_filter_without_bit_tests_is_proved_equal_to_its_policy() -> None:
    meant = policy("stdio rpath inet", ("x86_64", "i386"), WITH_LANDLOCK)
    program = meant.compile(bit_tests=False)
    assert proved(program, meant)
    assert proved_by_z3(program, meant)


def test_a_filter_with_one_constant_changed_is_refuted() -> None:
    meant = policy("stdio", ("x86_64",), WITH_LANDLOCK)
    insns = list(meant.compile().insns)
    code, jt, jf, k = insns[20]
    insns[20] = (code, jt, jf, k + 1)
    result = proof.equal(Program(tuple(insns)), meant, exact=True)
    assert result.verdict == "refuted"
    assert result.witness is not None
