"""Laws of reachability: joining parts is the same as walking, and no code makes an analysis fail or last."""

from __future__ import annotations

from itertools import pairwise

from elf_files import shared
from hypothesis import given, settings
from hypothesis import strategies as st

from troth.elf.decode import decoder
from troth.elf.functions import Code
from troth.elf.reader import parse
from troth.errors import ParseError, RequestError
from troth.libc.reach.analyse import analyse
from troth.libc.reach.closure import closed, why
from troth.libc.reach.graph import CALL, Graph

NODES = 12
graphs = st.lists(st.lists(st.integers(0, NODES - 1), max_size=4), min_size=NODES, max_size=NODES)


def walked(leads: list[list[int]], start: int) -> set[int]:
    seen, work = {start}, [start]
    while work:
        for to in leads[work.pop()]:
            if to not in seen:
                seen.add(to)
                work.append(to)
    return seen


@given(graphs)
def test_what_is_closed_is_what_a_walk_comes_to(leads: list[list[int]]) -> None:
    found = closed(leads, [1 << node for node in range(NODES)])
    for node in range(NODES):
        assert found[node] == sum(1 << one for one in walked(leads, node))


@given(graphs, st.integers(0, NODES - 1), st.integers(0, NODES - 1))
def test_there_is_a_way_just_where_a_walk_comes(leads: list[list[int]], start: int, end: int) -> None:
    graph = Graph("x86_64")
    graph.names = [f"f{node}" for node in range(NODES)]
    graph.files = [0] * NODES
    graph.file_names = ("libc",)
    graph.calls = [frozenset({"getpid"}) if node == end else frozenset() for node in range(NODES)]
    graph.leads = [dict.fromkeys((to for to in some if to != node), CALL) for node, some in enumerate(leads)]
    way = why(graph, [start], "getpid")
    assert (way is not None) == (end in walked(leads, start))
    if way is not None:
        names = [step.name for step in way[1]]
        assert (names[0], names[-1]) == (f"f{start}", f"f{end}")
        for one, following in pairwise(names):
            assert int(following[1:]) in graph.leads[int(one[1:])]


@settings(max_examples=60)
@given(st.sampled_from(["x86_64", "i386", "aarch64"]), st.binary(min_size=64, max_size=64), st.booleans())
def test_no_code_makes_an_analysis_fail(arch: str, code: bytes, sections: bool) -> None:
    made = shared(arch, sections=sections)
    data = made.data
    at = parse(data).image.offset(parse(data).image.code[0][0], "code")[0]
    data = data[:at] + code + data[at + len(code) :]
    try:
        analyse([("libmade.so.1", parse(data))], "made-1.0")
    except (ParseError, RequestError):
        pass


@settings(max_examples=60)
@given(st.sampled_from([("x86_64", "iced_x86"), ("x86_64", "capstone"), ("i386", "iced_x86"), ("i386", "capstone"), ("aarch64", "capstone")]), st.binary(max_size=200))  # fmt: skip
def test_any_bytes_can_be_read_as_code(which: tuple[str, str], code: bytes) -> None:
    reader = decoder(*which)
    marks = reader.scan(code, 0x1000, 0x3000, {0x1000})
    assert all(0x1000 <= at < end for at, end, _, _ in marks)
    reader.steps(code, 0x1000)


def test_a_file_without_code_is_refused() -> None:
    elf = parse(shared("x86_64").data)
    elf.image.code = ()
    try:
        Code(elf)
    except ParseError as error:
        assert error.problem == "has no code"
    else:
        raise AssertionError
