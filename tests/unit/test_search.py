"""Search trees: short, and near to the best that there is."""

from __future__ import annotations

from functools import cache
from math import inf, log2
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from troth.bpf import Call, Program, emulate
from troth.bpf.build import Builder
from troth.policy.few import Few
from troth.policy.search import search

Segments = list[tuple[int, int]]


def program_of(segments: Segments, weights: list[float], *, few: bool) -> Program:
    build = Builder()
    tree = Few(segments, weights).write if few else lambda *how: search(how[0], segments, weights, how[1])
    start = tree(build, build.answer)
    return build.program(build.load(0, start))


def depths(program: Program, segments: Segments) -> list[int]:
    """Comparisons for the first number of each segment, which must get the answer of that segment."""
    found = []
    for first, leaf in segments:
        verdict = emulate(program, Call(0, first))
        assert verdict.raw == leaf
        found.append(verdict.steps - 2)
    return found


@st.composite
def segment_lists(draw: st.DrawFn, most: int = 12) -> tuple[Segments, list[float]]:
    count = draw(st.integers(2, most))
    gaps = draw(st.lists(st.sampled_from([1, 1, 1, 2, 5]), min_size=count - 1, max_size=count - 1))
    firsts, leaves = [0], [draw(st.integers(1, 3))]
    for gap in gaps:
        firsts.append(firsts[-1] + gap)
        leaves.append(draw(st.sampled_from([leaf for leaf in (1, 2, 3) if leaf != leaves[-1]])))
    weights = draw(st.lists(st.floats(0.01, 8), min_size=count, max_size=count))
    return list(zip(firsts, leaves, strict=True)), weights


@given(drawn=segment_lists(40), few=st.booleans())
@settings(max_examples=200, deadline=None)
def test_every_number_finds_the_segment_that_it_is_in(drawn: tuple[Segments, list[float]], few: bool) -> None:
    segments, weights = drawn
    program = program_of(segments, weights, few=few)
    starts = dict(segments)
    leaf = 0
    for number in range(segments[-1][0] + 3):
        leaf = starts.get(number, leaf)
        assert emulate(program, Call(0, number)).raw == leaf
    assert emulate(program, Call(0, 0xFFFFFFFF)).raw == leaf


@given(drawn=segment_lists(30))
@settings(max_examples=150, deadline=None)
def test_the_weighted_mean_is_within_two_comparisons_of_the_entropy(drawn: tuple[Segments, list[float]]) -> None:
    segments, weights = drawn
    # Leaves that are all different: with equal ones a tree may do better than the entropy of the segments.
    segments = [(first, index + 1) for index, (first, _) in enumerate(segments)]
    total = sum(weights)
    mean = (
        sum(map(float.__mul__, weights, map(float, depths(program_of(segments, weights, few=False), segments)))) / total
    )
    entropy = -sum(weight / total * log2(weight / total) for weight in weights)
    assert entropy - 1e-9 <= mean <= entropy + 2


def best(segments: Segments, weights: list[float]) -> float:
    """The least weighted sum of comparisons of any tree of JGE and JEQ, by trying them all."""

    @cache
    def cost(left: tuple[tuple[int, int, int, float], ...]) -> float:
        # (first, last, leaf, weight) in order; what is missing in between has been taken out and cannot come
        if len({leaf for _, _, leaf, _ in left}) == 1:
            return 0.0
        weight = sum(part[3] for part in left)
        tried = inf
        for index, (first, last, _, _) in enumerate(left):
            if index:
                tried = min(tried, cost(left[:index]) + cost(left[index:]))
            if first == last:
                tried = min(tried, cost(left[:index] + left[index + 1 :]))
        return weight + tried

    ends = [first - 1 for first, _ in segments[1:]] + [0xFFFFFFFF]
    return cost(tuple((f, end, leaf, w) for (f, leaf), end, w in zip(segments, ends, weights, strict=True)))


def test_both_searches_are_near_to_the_best_tree_there_is() -> None:
    random = Random(1)
    ratios: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(60):
        count = random.randint(3, 8)
        firsts = [0]
        leaves = [random.randint(1, 3)]
        for _ in range(count - 1):
            firsts.append(firsts[-1] + random.choice([1, 1, 2, 9]))
            leaves.append(random.choice([leaf for leaf in (1, 2, 3) if leaf != leaves[-1]]))
        segments, weights = (
            list(zip(firsts, leaves, strict=True)),
            [random.choice([0.1, 1.0, 5.0]) for _ in range(count)],
        )
        least = best(segments, weights)
        for few in (False, True):
            took = sum(
                w * d for w, d in zip(weights, depths(program_of(segments, weights, few=few), segments), strict=True)
            )
            assert took >= least - 1e-9
            ratios[few].append(took / least)
    assert sum(ratios[False]) / 60 < 1.15
    assert max(ratios[False]) < 2
    assert sum(ratios[True]) / 60 < 1.15


def test_a_lone_number_between_equal_neighbours_takes_one_comparison() -> None:
    program = program_of([(0, 1), (7, 2), (8, 1)], [1.0, 1.0, 1.0], few=False)
    assert len(program) == 4


def test_what_weighs_most_is_found_first() -> None:
    segments = [(first, first % 2 + 1) for first in range(60)]
    for few in (False, True):
        weights = [0.01] * 60
        weights[41] = 10.0
        shown = segments[30:50] if few else segments
        shown = [(first - shown[0][0], leaf) for first, leaf in shown]
        place = 11 if few else 41
        found = depths(program_of(shown, weights[30:50] if few else weights, few=few), shown)
        assert found[place] <= (2 if few else 1)
