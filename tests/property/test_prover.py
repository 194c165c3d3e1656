"""The prover against brute force: programs that see a few bits of a call are tried on all that they can tell apart."""

from __future__ import annotations

from itertools import product
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import generate
from property.strategies import RANDOMS, UNTIMED

from troth import proof
from troth.abi import others
from troth.bpf import Call, Program, emulate
from troth.bpf.program import JEQ, LD_ABS, RET_K
from troth.bpf.stack import emulate_stack
from troth.bpf.symbolic.space import effective
from troth.policy.lift import lift
from troth.policy.lower import lower

LITTLE = {"big_endian": False}
ARCH, NUMBERS = 0xC000003E, (1, 39)
OFFSETS = tuple(range(8, 64, 4))
MASKS = (0x1, 0x3, 0x80000000, 0x80000001, 0x40000002)

# A few words of the call, a bit or two of each: offsets and masks.
WORDS = st.dictionaries(st.sampled_from((0, 4, *OFFSETS)), st.sampled_from(MASKS), min_size=1, max_size=3)
ARGUMENTS = st.dictionaries(st.sampled_from(OFFSETS), st.sampled_from(MASKS), min_size=1, max_size=3)


def parts(mask: int) -> list[int]:
    """All numbers that have no other bits than the mask."""
    found, value = [0], mask
    while value:
        found.append(value)
        value = (value - 1) & mask
    return found


def every_call(words: dict[int, int], *, arch: int = 0, nr: int = 0, big_endian: bool = False) -> list[Call]:
    """A call for each combination of the bits of these words."""
    low, high = (4, 0) if big_endian else (0, 4)
    calls = []
    for values in product(*(parts(mask) for mask in words.values())):
        seen = dict(zip(words, values, strict=True))
        wide = [seen.get(at + low, 0) | seen.get(at + high, 0) << 32 for at in range(8, 64, 8)]
        calls.append(Call(seen.get(4, arch), seen.get(0, nr), tuple(wide[1:]), wide[0]))
    return calls


def pairs(random: Random, words: dict[int, int]) -> tuple[Program, Program]:
    """Two programs that see these words, which now and then answer alike."""
    one = generate.program(random, random.randrange(6, 30), words=words)
    other = generate.program(random, 12, words=words) if random.randrange(4) == 0 else generate.mutated(random, one)
    tail = random.choice((generate.ERRNOS, generate.ACTIONS))
    return generate.ended(one, tail), generate.ended(other, tail)


def alone(random: Random, words: dict[int, int]) -> Program:
    return pairs(random, words)[0]


def gated(body: Program) -> Program:
    """The program for two numbers of one architecture; all else is killed. Then it can be lifted."""
    insns = [(LD_ABS, 0, 0, 4), (JEQ, 1, 0, ARCH), (RET_K, 0, 0, 0x80000000), (LD_ABS, 0, 0, 0)]
    insns += [(JEQ, 2, 0, NUMBERS[0]), (JEQ, 1, 0, NUMBERS[1]), (RET_K, 0, 0, 0x00050026)]
    return Program((*insns, *body.insns))


def effect(program: Program, call: Call) -> object:
    return effective(emulate(program, call, big_endian=False).raw)


def let_through(program: Program, call: Call) -> bool:
    return emulate(program, call, big_endian=False).action in ("allow", "log")


@UNTIMED
@given(RANDOMS, WORDS, st.booleans())
def test_equal_is_what_trying_every_call_says(random: Random, words: dict[int, int], exact: bool) -> None:
    a, b = pairs(random, words)
    result = proof.equal(a, b, exact=exact, **LITTLE)

    def same(call: Call) -> bool:
        if exact:
            return emulate(a, call, big_endian=False).raw == emulate(b, call, big_endian=False).raw
        return effect(a, call) == effect(b, call)

    assert result.verdict == ("proved" if all(map(same, every_call(words))) else "refuted")


@UNTIMED
@given(RANDOMS, WORDS)
def test_equal_is_what_trying_every_call_says_on_big_endian_machines(random: Random, words: dict[int, int]) -> None:
    a, b = pairs(random, words)
    witness = proof.equal(a, b, big_endian=True).witness
    differing = [
        call
        for call in every_call(words, big_endian=True)
        if effective(emulate(a, call, big_endian=True).raw) != effective(emulate(b, call, big_endian=True).raw)
    ]
    assert bool(witness) == bool(differing)
    if witness:
        answers = tuple(effective(emulate(each, witness.call, big_endian=True).raw) for each in (a, b))
        assert answers == witness.answers


@UNTIMED
@given(RANDOMS, WORDS)
def test_subset_is_what_trying_every_call_says(random: Random, words: dict[int, int]) -> None:
    a, b = pairs(random, words)
    result = proof.subset(a, b, **LITTLE)
    kept = all(let_through(b, call) for call in every_call(words) if let_through(a, call))
    assert result.verdict == ("proved" if kept else "refuted")
    if result.witness:
        assert let_through(a, result.witness.call)
        assert not let_through(b, result.witness.call)


@UNTIMED
@given(RANDOMS, WORDS)
def test_witness_against_equality_is_replayed(random: Random, words: dict[int, int]) -> None:
    a, b = pairs(random, words)
    result = proof.equal(a, b, **LITTLE)
    if result.witness:
        answers = (effect(a, result.witness.call), effect(b, result.witness.call))
        assert answers == result.witness.answers
        assert answers[0] != answers[1]
    else:
        assert result


@UNTIMED
@given(RANDOMS, WORDS)
def test_everything_equals_itself(random: Random, words: dict[int, int]) -> None:
    program = alone(random, words)
    assert proof.equal(program, program, exact=True, **LITTLE)
    assert proof.subset(program, program, **LITTLE)
    assert proof.diff(gated(program), gated(program), **LITTLE).verdict == "proved"


@UNTIMED
@given(RANDOMS, WORDS)
def test_equality_is_symmetric(random: Random, words: dict[int, int]) -> None:
    a, b = pairs(random, words)
    assert proof.equal(a, b, **LITTLE).verdict == proof.equal(b, a, **LITTLE).verdict


@UNTIMED
@given(RANDOMS, WORDS)
def test_equality_and_inclusion_are_transitive(random: Random, words: dict[int, int]) -> None:
    # Narrow answers, or three programs would hardly ever be in a row.
    few = [(0x54, 0, 0, 1), (JEQ, 0, 1, 1), (RET_K, 0, 0, 0x7FFF0000), (RET_K, 0, 0, 0x00050001)]
    one = generate.program(random, random.randrange(6, 20), words=words)
    two = generate.mutated(random, one)
    a, b, c = (generate.ended(program, few) for program in (one, two, generate.mutated(random, two)))
    for related in (proof.equal, proof.subset):
        if related(a, b, **LITTLE) and related(b, c, **LITTLE):
            assert related(a, c, **LITTLE)


@UNTIMED
@given(RANDOMS, ARGUMENTS)
def test_rows_of_a_difference_are_the_calls_that_differ(random: Random, words: dict[int, int]) -> None:
    a, b = map(gated, pairs(random, words))
    told = proof.diff(a, b, **LITTLE)
    named = {arch for row in told.rows for arch in row.arches}
    for arch, nr in product((ARCH, 0x40000003, 7), (*NUMBERS, 2)):
        for call in every_call(words, arch=arch, nr=nr):
            old, new = effect(a, call), effect(b, call)
            found = [
                (row.old, row.new)
                for row in told.rows
                if (others.name_of(arch) in row.arches if row.arches else others.name_of(arch) not in named)
                and any(first <= nr <= last for first, last in row.numbers)
                and row.condition.holds((*call.args, call.ip))
            ]
            assert found == ([] if old == new else [(old, new)])


@UNTIMED
@given(RANDOMS, ARGUMENTS)
def test_every_row_of_a_difference_has_a_witness_that_replays(random: Random, words: dict[int, int]) -> None:
    a, b = map(gated, pairs(random, words))
    for row in proof.diff(a, b, **LITTLE).rows:
        assert (effect(a, row.witness.call), effect(b, row.witness.call)) == row.witness.answers
        assert row.witness.answers == (row.old, row.new)


@UNTIMED
@given(RANDOMS, WORDS)
def test_stack_is_what_trying_every_call_says(random: Random, words: dict[int, int]) -> None:
    stack = [alone(random, words) for _ in range(random.randrange(1, 3))]
    one, two = pairs(random, words)
    stack, other = [*stack, one], [*stack, two]

    def same(call: Call) -> bool:
        raws = (emulate_stack(programs, call, big_endian=False).raw for programs in (stack, other))
        return len({effective(raw) for raw in raws}) == 1

    result = proof.equal(stack, other, **LITTLE)
    assert result.verdict == ("proved" if all(map(same, every_call(words))) else "refuted")


@UNTIMED
@given(RANDOMS, ARGUMENTS)
def test_lifted_policy_answers_as_the_program(random: Random, words: dict[int, int]) -> None:
    program = gated(alone(random, words))
    policy = lift(program, **LITTLE)
    for arch, nr in product((ARCH, 0x40000003), (*NUMBERS, 2)):
        for call in every_call(words, arch=arch, nr=nr):
            assert policy.answer(call) == effect(program, call)


@settings(max_examples=50, deadline=None)
@given(RANDOMS, ARGUMENTS)
def test_lifted_and_lowered_again_is_proved_equal(random: Random, words: dict[int, int]) -> None:
    program = gated(alone(random, words))
    assert proof.equal(program, lower(lift(program, **LITTLE)), **LITTLE)
