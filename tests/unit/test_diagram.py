"""Decision diagrams: equal functions are one node, and what is taken out of them is true."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from troth.bpf.symbolic.diagram import FALSE, TRUE, Diagram, TooLargeError

BITS = 5
TABLES = st.lists(st.integers(0, 3), min_size=1 << BITS, max_size=1 << BITS)
CONDITIONS = st.integers(0, (1 << (1 << BITS)) - 1)


def table(diagram: Diagram, values: list[int], level: int = 0) -> int:
    """The function that has these values, in the order of the bits."""
    if len(values) == 1:
        return diagram.end(values[0])
    half = len(values) // 2
    return diagram.node(level, table(diagram, values[:half], level + 1), table(diagram, values[half:], level + 1))


def condition(diagram: Diagram, truth: int) -> int:
    values = [truth >> index & 1 for index in range(1 << BITS)]
    return diagram.mapped(lambda value: value == 1, table(diagram, values))


def points() -> list[dict[int, int]]:
    return [dict(enumerate(bits)) for bits in product((0, 1), repeat=BITS)]


@given(TABLES)
def test_a_function_has_the_values_it_was_made_of(values: list[int]) -> None:
    diagram = Diagram()
    node = table(diagram, values)
    assert [diagram.at(node, point) for point in points()] == values
    assert diagram.values(node) == set(values)


@given(CONDITIONS, TABLES, TABLES)
def test_choosing_between_functions_chooses_at_every_point(truth: int, a: list[int], b: list[int]) -> None:
    diagram = Diagram()
    chosen = diagram.ite(condition(diagram, truth), table(diagram, a), table(diagram, b))
    want = [a[index] if truth >> index & 1 else b[index] for index in range(1 << BITS)]
    assert chosen == table(diagram, want)


@given(TABLES, st.integers(0, BITS))
def test_parts_are_disjoint_cover_everything_and_make_the_function_again(values: list[int], until: int) -> None:
    diagram = Diagram()
    node = table(diagram, values)
    parts = diagram.parts(node, until)
    together, again = FALSE, diagram.end("nothing")
    for rest, where in parts.items():
        assert diagram.both(together, where) == FALSE
        together = diagram.either(together, where)
        again = diagram.ite(where, rest, again)
        assert all(level < until for level in diagram.support(where))
    assert together == TRUE
    assert again == node


@given(CONDITIONS, CONDITIONS)
def test_a_cover_lies_between_its_bounds_and_needs_all_its_cubes(least: int, more: int) -> None:
    diagram = Diagram()
    lower, upper = condition(diagram, least), condition(diagram, least | more)
    total, cubes = diagram.cover(lower, upper)
    assert diagram.implies(lower, total)
    assert diagram.implies(total, upper)
    joined = [diagram.cube(cube) for cube in cubes]
    union = FALSE
    for cube in joined:
        union = diagram.either(union, cube)
    assert union == total
    for left_out in range(len(joined)):
        rest = FALSE
        for index, cube in enumerate(joined):
            rest = diagram.either(rest, FALSE if index == left_out else cube)
        assert not diagram.implies(lower, rest)


@given(CONDITIONS, CONDITIONS)
def test_a_simpler_condition_agrees_where_it_matters(truth: int, care: int) -> None:
    diagram = Diagram()
    node, where = condition(diagram, truth), condition(diagram, care)
    simpler = diagram.simpler(node, where)
    assert diagram.both(simpler, where) == diagram.both(node, where)


@given(CONDITIONS)
def test_an_example_meets_its_condition(truth: int) -> None:
    diagram = Diagram()
    node = condition(diagram, truth)
    example = diagram.example(node)
    assert (example is None) == (truth == 0)
    assert example is None or diagram.at(node, example) is True
    assert diagram.share(node) == truth.bit_count() / (1 << BITS)


def test_zero_and_one_are_not_false_and_true() -> None:
    diagram = Diagram()
    assert len({diagram.end(0), diagram.end(1), diagram.end(None), FALSE, TRUE}) == 5


def test_a_diagram_that_would_grow_too_large_says_so() -> None:
    diagram = Diagram(most=50)
    with pytest.raises(TooLargeError, match="50 nodes"):
        [diagram.bit(level) for level in range(60)]
