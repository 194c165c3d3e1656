"""A program as a graph in the DOT language of Graphviz: blocks of instructions, and the ways between them.

What an answer is shows in the shape of its block and in its text, and in the colour besides; which side of a
comparison a way is shows in its label and its line, and in the colour besides.
"""

from __future__ import annotations

from troth.abi import seccomp, words
from troth.bpf.disasm import Listing
from troth.bpf.opcodes import CONDITIONAL, successors
from troth.bpf.program import JA, RET_A, RET_K, Program
from troth.bpf.text import comments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

# The action of an answer: shape, fill. The fills are distinct for colour-blind readers, and light.
_LOOKS: Final = {
    seccomp.RET_ALLOW:        ("ellipse",       "#d9f2d9"),
    seccomp.RET_LOG:          ("note",          "#d9f2d9"),
    seccomp.RET_TRACE:        ("parallelogram", "#dbe9f9"),
    seccomp.RET_USER_NOTIF:   ("cds",           "#dbe9f9"),
    seccomp.RET_ERRNO:        ("hexagon",       "#fff0c2"),
    seccomp.RET_TRAP:         ("invtrapezium",  "#ffe0c2"),
    seccomp.RET_KILL_THREAD:  ("octagon",       "#f9d6d5"),
    seccomp.RET_KILL_PROCESS: ("doubleoctagon", "#f9d6d5"),
}  # fmt: skip
_COMPUTED: Final = ("diamond", "#eeeeee")  # ret a
_PLAIN: Final = ("box", "#ffffff")

_YES: Final = 'label="yes", color="#1b5e20"'
_NO: Final = 'label="no", style=dashed, color="#8c1d18"'


def dot(program: Program, *, big_endian: bool | None = None, arch: str | None = None, name: str = "filter") -> str:
    """Draw a program as a graph in the DOT language; `dot -Tsvg` makes a picture of it.

    Blocks that no call gets to have a dashed border. `big_endian` says where the halves of arguments are, by
    default as on this machine; `arch` whose errno names the answers have; `name` is the graph's.

    >>> print(dot(Program(((0x06, 0, 0, 0x7FFF0000),))), end="")
    digraph "filter" {
      node [fontname="monospace", style=filled, fillcolor="#ffffff", shape=box];
      edge [fontname="monospace"];
      b0 [label="0: ret #ALLOW  ; allow\\l", shape=ellipse, fillcolor="#d9f2d9"];
    }

    Raises:
        ParseError: there is no architecture of that name.
    """
    import sys

    high_first = sys.byteorder == "big" if big_endian is None else big_endian
    listing = Listing(program, big_endian=high_first, arch=words.arch(arch or "x86_64").name)
    said = comments(program, big_endian=high_first, contrary=listing.contrary)
    lines = [
        f"digraph {_quoted(name)} {{",
        '  node [fontname="monospace", style=filled, fillcolor="#ffffff", shape=box];',
        '  edge [fontname="monospace"];',
    ]
    edges: list[str] = []
    starts = _starts(program)
    for start, end in zip(starts, [*starts[1:], len(program)], strict=True):
        rows = [
            f"{place}: {listing.texts[place]}" + (f"  ; {said[place]}" if said[place] else "")
            for place in range(start, end)
        ]
        lines.append(f"  b{start} [label={_quoted(rows)}{_look(program, end - 1, said[start])}];")
        edges += _edges(program, start, end - 1, contrary=end - 1 in listing.contrary)
    lines += edges
    lines.append("}")
    return "\n".join(lines) + "\n"


def _starts(program: Program) -> list[int]:
    """Where blocks begin: at the start, at targets of jumps, and after jumps and returns."""
    insns = program.insns
    starts = {0}
    for place, insn in enumerate(insns):
        code = insn[0]
        if code == JA or code in CONDITIONAL:
            starts |= {place + 1, *successors(place, insn)}
        elif code in (RET_K, RET_A):
            starts.add(place + 1)
    return sorted(start for start in starts if start < len(insns))


def _look(program: Program, last: int, comment: str) -> str:
    code, _, _, k = program.insns[last]
    shape, fill = _PLAIN
    if code == RET_K:
        # The kernel takes an action that it does not know for the strictest.
        shape, fill = _LOOKS.get(k & seccomp.ACTION_MASK, _LOOKS[seccomp.RET_KILL_PROCESS])
    elif code == RET_A:
        shape, fill = _COMPUTED
    look = f', shape={shape}, fillcolor="{fill}"' if (shape, fill) != _PLAIN else ""
    return look + (', style="filled,dashed"' if comment == "never reached" else "")


def _edges(program: Program, begin: int, last: int, *, contrary: bool) -> list[str]:
    insn = program.insns[last]
    code, jt, jf, _ = insn
    size = len(program)
    if code in CONDITIONAL and jt != jf:
        # The block shows the comparison as it is written, so yes and no are of what is written.
        sides = ((jt, _NO if contrary else _YES), (jf, _YES if contrary else _NO))
        return [f"  b{begin} -> b{last + 1 + jump} [{look}];" for jump, look in sides if last + 1 + jump < size]
    return [f"  b{begin} -> b{target};" for target in successors(last, insn) if target < size]


def _quoted(text: str | list[str]) -> str:
    """A quoted string of DOT; a list is lines, set to the left."""
    if isinstance(text, list):
        return '"' + "".join(_escaped(row) + "\\l" for row in text) + '"'
    return f'"{_escaped(text)}"'


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
