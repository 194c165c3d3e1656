"""Disassembler: a program to text that `asm` reads back as the same program, whatever the program.

What has no name in the language, or has fields set that the kernel ignores, is written as `.insn`.
"""

from __future__ import annotations

from troth.abi import words
from troth.bpf import places
from troth.bpf.opcodes import (
    CONDITIONAL,
    JUMP,
    JUMP_INDEX,
    JUMP_NUMBER,
    OPCODES,
    SLOT,
    WORD,
    has_stray_fields,
    successors,
)
from troth.bpf.program import DATA_SIZE, JA, LD_ABS, RET_K, Program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from troth.bpf.program import Insn

# A comparison whose way is straight on when it holds is written as its contrary; jset has none.
_CONTRARY: Final = {"jeq": "jne", "jgt": "jle", "jge": "jlt"}
_MARGIN: Final = 8


class Listing:
    """A program's lines: the label of each instruction, or an empty string, and its text.

    `contrary` has the places whose comparison is written as its contrary.
    """

    __slots__ = ("labels", "texts", "contrary")

    def __init__(self, program: Program, *, big_endian: bool, arch: str) -> None:
        insns = program.insns
        written = [_writable(place, insn, len(insns)) for place, insn in enumerate(insns)]
        targets = {target for place, insn in enumerate(insns) if written[place] for target in _shown(place, insn)}
        self.labels = [""] * len(insns)
        for count, target in enumerate(sorted(targets), start=1):
            self.labels[target] = f"L{count}"
        self.contrary = {
            place
            for place, (code, jt, jf, _) in enumerate(insns)
            if written[place] and code in CONDITIONAL and jt == 0 and jf and OPCODES[code][0] in _CONTRARY
        }
        self.texts = [
            self._text(place, insn, big_endian=big_endian, arch=arch) if written[place] else _as_it_is(insn)
            for place, insn in enumerate(insns)
        ]

    def _text(self, place: int, insn: Insn, *, big_endian: bool, arch: str) -> str:
        code, jt, jf, k = insn
        name, form = OPCODES[code]
        if form == JUMP:
            return f"{name} {self.labels[place + 1 + k]}"
        if form in (JUMP_NUMBER, JUMP_INDEX):
            operand = "x" if form == JUMP_INDEX else f"#{k:#x}"
            yes, no = self.labels[place + 1 + jt], self.labels[place + 1 + jf]
            if place in self.contrary:
                return f"{_CONTRARY[name]} {operand}, {no}"
            return f"{name} {operand}, {yes}" if jf == 0 and jt else f"{name} {operand}, {yes}, {no}"
        if code == RET_K:
            return f"ret #{words.answer(k, arch)}"
        if form == WORD:
            return f"{name} [{places.name_of(k, big_endian=big_endian)}]"
        if form == SLOT:
            return f"{name} M[{k}]"
        return f"{name} {form.replace('#k', f'#{k:#x}')}".rstrip()


def disassemble(
    program: Program, *, big_endian: bool | None = None, arch: str | None = None, explain: bool = False
) -> str:
    """Write a program as text that `assemble` reads back as the same program.

    `big_endian` says where the halves of arguments are (by default as on this machine); `arch` whose errno names
    the answers are given in (by default those of most architectures). With `explain` each line ends with what
    it means, as a comment.

    >>> print(disassemble(Program(((0x20, 0, 0, 4), (0x15, 0, 1, 0xC000003E), (6, 0, 0, 0x7FFF0000), (6, 0, 0, 0)))))
            ld [arch]
            jne #0xc000003e, L1
            ret #ALLOW
    L1:     ret #KILL_THREAD
    <BLANKLINE>

    Raises:
        ParseError: there is no architecture of that name.
    """
    import sys

    high_first = sys.byteorder == "big" if big_endian is None else big_endian
    named = words.arch(arch or "x86_64").name
    listing = Listing(program, big_endian=high_first, arch=named)
    lines = [f".arch {named}"] if arch else []
    if any(code == LD_ABS and 8 <= k < DATA_SIZE and k % 4 == 0 for code, _, _, k in program.insns):
        lines.append(f".order {'big' if high_first else 'little'}")
    comments = _comments(program, big_endian=high_first, listing=listing) if explain else [""] * len(program)
    for label, text, comment in zip(listing.labels, listing.texts, comments, strict=True):
        line = f"{label + ':' if label else '':{_MARGIN}}{text}"
        lines.append(f"{line:<44} ; {comment}" if comment else line)
    return "\n".join(lines) + "\n"


def _comments(program: Program, *, big_endian: bool, listing: Listing) -> list[str]:
    from troth.bpf.text import comments

    return comments(program, big_endian=big_endian, contrary=listing.contrary)


def _writable(place: int, insn: Insn, size: int) -> bool:
    """Whether an instruction is written by its name: a known one with no stray field and no jump past the end."""
    code = insn[0]
    return (
        code in OPCODES
        and not has_stray_fields(insn)
        and all(target < size for target in successors(place, insn) if code == JA or code in CONDITIONAL)
    )


def _shown(place: int, insn: Insn) -> list[int]:
    """The targets of a jump that need a label: those that are written."""
    code, jt, jf, _ = insn
    if code == JA:
        return successors(place, insn)
    if code not in CONDITIONAL:
        return []
    yes, no = place + 1 + jt, place + 1 + jf
    if jt == 0 and jf and OPCODES[code][0] in _CONTRARY:
        return [no]
    return [yes] if jf == 0 and jt else [yes, no]


def _as_it_is(insn: Insn) -> str:
    code, jt, jf, k = insn
    return f".insn {code:#x}, {jt}, {jf}, {k:#x}"
