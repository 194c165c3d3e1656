"""The graph is DOT, holds every instruction once, and every way a call takes is an edge of it."""

from __future__ import annotations

import re
import shutil
import subprocess
from itertools import pairwise

import pytest
from bpf_programs import PROGRAMS, calls_for, valid, walk
from conftest import needs
from hypothesis import given
from hypothesis import strategies as st

from troth.abi.seccomp import ACTIONS
from troth.bpf import assemble, dot
from troth.bpf.opcodes import CONDITIONAL
from troth.bpf.program import Program

TOKEN = re.compile(r'\s*(?:"((?:[^"\\\n]|\\.)*)"|(->)|([A-Za-z_][A-Za-z_0-9]*)|([{}\[\];,=]))')


class Graph:
    """What a DOT text of the kind that we write says: nodes and edges with their attributes."""

    def __init__(self, text: str) -> None:
        self.tokens: list[str] = []
        at = 0
        while text[at:].strip():
            found = TOKEN.match(text, at)
            assert found, f"not DOT: {text[at : at + 40]!r}"
            self.tokens.append(found[0].strip())
            at = found.end()
        self.nodes: dict[str, dict[str, str]] = {}
        self.edges: list[tuple[str, str, dict[str, str]]] = []
        self._expect("digraph")
        self.name = self._next()
        self._expect("{")
        while self.tokens[0] != "}":
            self._statement()
        self._expect("}")
        assert not self.tokens

    def _next(self) -> str:
        return self.tokens.pop(0)

    def _expect(self, token: str) -> None:
        assert self._next() == token

    def _statement(self) -> None:
        first = self._next()
        assert re.fullmatch(r"[a-z]\w*", first)
        target = ""
        if self.tokens[0] == "->":
            self._next()
            target = self._next()
        attributes = {}
        if self.tokens[0] == "[":
            self._next()
            while True:
                key = self._next()
                self._expect("=")
                attributes[key] = self._next().strip('"')
                if self._next() == "]":
                    break
        self._expect(";")
        if target:
            self.edges.append((first, target, attributes))
        elif first not in ("node", "edge"):
            assert first not in self.nodes
            self.nodes[first] = attributes


def places(node: dict[str, str]) -> list[int]:
    """The instructions of a block."""
    return [int(row.partition(":")[0]) for row in node["label"].split("\\l")[:-1]]


@given(st.one_of(valid(), PROGRAMS))
def test_the_graph_of_any_program_is_dot_with_every_instruction_once(program: Program) -> None:
    graph = Graph(dot(program))
    found = [place for node in graph.nodes.values() for place in places(node)]
    assert found == list(range(len(program)))
    assert all(source in graph.nodes and target in graph.nodes for source, target, _ in graph.edges)


@given(st.data())
def test_every_way_of_a_call_is_an_edge_with_the_side_that_it_took(data: st.DataObject) -> None:
    program = data.draw(valid())
    graph = Graph(dot(program, big_endian=False))
    block = {place: name for name, node in graph.nodes.items() for place in places(node)}
    label = {(source, target): attributes.get("label", "") for source, target, attributes in graph.edges}
    seen = walk(program, data.draw(calls_for(program)))
    for (place, _, _, _), (after, _, _, _) in pairwise(seen):
        if block[place] == block[after]:
            assert after == place + 1
            continue
        assert (block[place], block[after]) in label
        code, jt, jf, _ = program.insns[place]
        if code in CONDITIONAL and jt != jf:
            rows = graph.nodes[block[place]]["label"].split("\\l")
            contrary = re.search(rf"^{place}: (jne|jle|jlt) ", rows[-2]) is not None
            assert label[block[place], block[after]] == ("yes" if (after == place + 1 + jt) != contrary else "no")
    assert "never reached" not in str(graph.nodes[block[seen[-1][0]]])


def test_answers_differ_in_shape_and_in_words_not_in_colour_alone() -> None:
    looks = set()
    for action in ACTIONS:
        (node,) = Graph(dot(Program(((0x06, 0, 0, action | 1),)))).nodes.values()
        looks.add(node["shape"])
        assert "ret #" in node["label"]
    assert len(looks) == len(ACTIONS)
    (node,) = Graph(dot(Program(((0x16, 0, 0, 0),)))).nodes.values()
    assert node["shape"] not in looks


def test_a_name_cannot_break_out_of_its_quotes() -> None:
    hostile = 'x" [label="\\'
    assert Graph(dot(Program(((0x06, 0, 0, 0),)), name=hostile)).nodes.keys() == {"b0"}


@pytest.mark.parametrize("name", ["filter", 'a "quoted" \\ name\n'])
def test_graphviz_reads_it(name: str) -> None:
    needs(shutil.which("dot"), "dot (Debian: graphviz)")
    program = assemble(
        "ld [arch]\njne #1, no\nld [nr]\njgt #5, a, no\na: ret #ALLOW\nno: ret #ERRNO(EPERM)\nret a\n.insn 5, 0, 0, 7"
    )
    done = subprocess.run(
        ["dot", "-Tcanon"], input=dot(program, name=name), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert not done.stderr
    assert done.stdout.count("->") == 4
