"""The assembly means the same to bpfc, the BPF compiler of netsniff-ng, once our names are numbers."""

from __future__ import annotations

import re
import shutil
import subprocess

from bpf_programs import valid
from conftest import needs
from hypothesis import given, settings

from troth.abi import words
from troth.bpf import assemble, disassemble, places
from troth.bpf.opcodes import CONDITIONAL, USES_K
from troth.bpf.program import Program

Insn = tuple[int, int, int, int]


def bpfc(text: str) -> Program:
    """What bpfc makes of a text; `-b` leaves the judgement of what it means to others."""
    done = subprocess.run(["bpfc", "-b", "-i", "-"], input=text, capture_output=True, text=True, check=True)
    insns = re.findall(r"\{ (\S+), (\S+), (\S+), (\S+) \}", done.stdout)
    return Program(tuple((int(code, 0), int(jt, 0), int(jf, 0), int(k, 0)) for code, jt, jf, k in insns))


def without_names(text: str) -> str:
    """The text with offsets and numbers in the place of words of the call and answers."""
    text = re.sub(r"\.order .*\n", "", text)
    text = re.sub(r"ld \[(.*)\]", lambda found: f"ld [{places.offset_of(found[1], big_endian=False)}]", text)
    return re.sub(r"ret #(.*)", lambda found: f"ret #{words.answer_value(found[1]):#x}", text)


def tidy(insn: Insn) -> Insn:
    """The instruction without what the kernel ignores, which bpfc cannot write."""
    code, jt, jf, k = insn
    return code, jt if code in CONDITIONAL else 0, jf if code in CONDITIONAL else 0, k if code in USES_K else 0


@settings(max_examples=60)
@given(valid())
def test_what_is_disassembled_is_the_same_program_to_bpfc(program: Program) -> None:
    needs(shutil.which("bpfc"), "bpfc (Debian: netsniff-ng)")
    program = Program(tuple(tidy(insn) for insn in program.insns))
    text = without_names(disassemble(program, big_endian=False))
    assert bpfc(text) == program


def test_what_both_read_is_the_same_program() -> None:
    needs(shutil.which("bpfc"), "bpfc (Debian: netsniff-ng)")
    text = """
            ld [4]
            jneq #0xc000003e, bad       ; with bpf_asm's other names
            ldi #7
            ldxi #0x10
            ld len
            ldx len
            st M[3]
            stx M[15]
            ldx M[3]
            jlt #010, good
            jle x, bad
            jset #3, good, bad
    good:   ret #0x7fff0000
    bad:    ret a
    """
    assert bpfc(text) == assemble(text)
