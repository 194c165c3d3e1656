"""The assembler and the disassembler are each other's inverse, and mistakes are said with their line."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from bpf_programs import PROGRAMS, valid
from hypothesis import given
from hypothesis import strategies as st

from troth.bpf.asm import assemble
from troth.bpf.disasm import disassemble
from troth.bpf.opcodes import OPCODES
from troth.bpf.program import MAX_INSNS, Program
from troth.errors import ParseError


@given(st.one_of(valid(), PROGRAMS), st.booleans(), st.sampled_from([None, "mips64el", "s390x", "i386"]))
def test_what_is_disassembled_assembles_to_the_same_program(
    program: Program, big_endian: bool, arch: str | None
) -> None:
    text = disassemble(program, big_endian=big_endian, arch=arch)
    assert assemble(text, big_endian=big_endian) == program
    assert assemble(text, big_endian=not big_endian) == program, "the text says its own byte order"


@given(valid(), st.booleans())
def test_an_explained_disassembly_assembles_to_the_same_program(program: Program, big_endian: bool) -> None:
    assert assemble(disassemble(program, big_endian=big_endian, explain=True)) == program


@given(st.text(max_size=300))
def test_any_text_is_a_program_or_a_parse_error_with_its_line(text: str) -> None:
    try:
        assemble(text)
    except ParseError as error:
        assert error.where.startswith("line ")


WORDS = st.sampled_from(
    "ld ldx st ret jeq jset ja jne tax neg and lsh .insn .arch .order x86_64 #1 #0x10 #ALLOW #ERRNO(EPERM) #__NR_read "
    "# [ ] [4] [nr] [args[1].lo] M[3] M[99] a x len , L1 L1: ; : #-1 0 1 2 big /* */ #O_CREAT|O_EXCL #~3 #( #ret(".split()
)


@given(st.lists(st.lists(WORDS, max_size=6).map(" ".join), max_size=8).map("\n".join))
def test_text_of_its_own_words_is_a_program_or_a_parse_error_with_its_line(text: str) -> None:
    try:
        program = assemble(text)
    except ParseError as error:
        assert error.where.startswith("line ")
    else:
        assert assemble(disassemble(program)) == program


def test_the_longest_program_goes_there_and_back() -> None:
    rng = random.Random("longest")
    insns = [(0x15, rng.randrange(256), rng.randrange(256), rng.randrange(1 << 32)) for _ in range(MAX_INSNS - 256)]
    program = Program((*insns, *[(0x06, 0, 0, 0x50000 | code) for code in range(256)]))
    assert assemble(disassemble(program, explain=True)) == program


def test_names_stand_for_the_numbers_of_the_architecture() -> None:
    text = """
    .arch s390x
    .order big
            ld [arch]
            jne #AUDIT_ARCH_S390X, bad      ; a comment
            ld [nr] /* another */
    one:  two: jeq #__NR_clone, check
            ret #allow
    check:  ldx [3]
    bad:    ret #ERRNO(EPERM)
    """
    with pytest.raises(ParseError) as raised:
        assemble(text)
    assert raised.value.where == "line 9"
    assert raised.value.hint == "there is `ldx #k`, `ldx M[k]`, `ldx len`"
    program = assemble(text.replace("ldx [3]", "ld [args[1].lo]\n and #CLONE_NEWUSER|CLONE_NEWNS\n jset #~0, bad, bad"))
    assert program.insns == (
        (0x20, 0, 0, 4),
        (0x15, 0, 6, 0x80000016),
        (0x20, 0, 0, 0),
        (0x15, 1, 0, 120),
        (0x06, 0, 0, 0x7FFF0000),
        (0x20, 0, 0, 28),
        (0x54, 0, 0, 0x10020000),
        (0x45, 0, 0, 0xFFFFFFFF),
        (0x06, 0, 0, 0x50001),
    )


@pytest.mark.parametrize(
    ("text", "where", "problem", "hint"),
    [
        ("", "line 1", "there is no instruction", ""),
        ("lod [4]", "line 1", "unknown instruction `lod`", "`ld`"),
        ("ld [argz]", "line 1", "no word `argz`", "args[0].lo"),
        ("ld [args[1]]", "line 1", "`args[1]` has 64 bits", "`args[1].lo`"),
        ("ret #ALOW", "line 1", "unknown answer `ALOW`", "`ALLOW`"),
        ("ret #ERRNO(EPREM)", "line 1", "unknown constant `EPREM`", "`EPERM`"),
        ("ld [nr]\njeq #__NR_opennat, L\nL: ret #0", "line 2", "unknown system call `opennat`", "`openat`"),
        ("jeq #1, lost\nloop: ret #0", "line 1", "no label `lost`", ""),
        ("jeq #1, lopp\nloop: ret #0", "line 1", "no label `lopp`", "`loop`"),
        ("L: ld [nr]\nja L\nret #0", "line 2", "jumps only go forward", ""),
        ("L: L: ret #0", "line 1", "stands twice", ""),
        ("jeq #1\nret #0", "line 1", "is not what a comparison takes", "labels"),
        ("jne #1, L, L\nL: ret #0", "line 1", "is not what a comparison takes", "one label"),
        ("jeq M[1], L\nL: ret #0", "line 1", "cannot compare with `M[1]`", ""),
        ("mod #3", "line 1", "`mod` is for socket filters", ""),
        ("ldh [4]", "line 1", "`ldh` is for socket filters", ""),
        ("ret #0x100000000", "line 1", "does not fit 32 bits", ""),
        ("add #0x100000000", "line 1", "does not fit 32 bits", ""),
        (".insn 1, 2, 3", "line 1", "takes code, jt, jf and k", ""),
        (".insn 6, 256, 0, 0", "line 1", "does not fit 8 bits", ""),
        (".arch x86-64", "line 1", "unknown architecture `x86-64`", "`x86_64`"),
        (".order middle", "line 1", "unknown byte order `middle`", "`little` or `big`"),
        (".bits 32", "line 1", "unknown directive `.bits`", ".insn"),
        ("ret x", "line 1", "`ret` does not take `x`", "`ret #k`, `ret a`"),
        ("jeq #1, L\n" + "ld [nr]\n" * 256 + "L: ret #0", "line 1", "256 instructions away", "`ja`"),
        ("ld [nr]\n" * 4097, "line 4097", "at most 4096", ""),
    ],
)  # fmt: skip
def test_a_mistake_is_said_with_its_line_and_a_hint(text: str, where: str, problem: str, hint: str) -> None:
    with pytest.raises(ParseError) as raised:
        assemble(text, arch="x86_64")
    assert raised.value.where == where
    assert problem in raised.value.problem
    assert hint in raised.value.hint


def test_every_instruction_of_the_reference_assembles_and_every_instruction_is_there() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs/reference/bpf.md").read_text("utf-8")
    rows = [
        line.split("|")[1] for line in page.partition("| instruction |")[2].splitlines()[2:] if line.startswith("|")
    ]
    shown = [text for row in rows[: rows.index(" `.insn 0x16, 0, 0, 0x5` ") + 1] for text in re.findall("`(.*?)`", row)]
    codes = set()
    for text in shown:
        codes.add(assemble(f"{text}\nL: ret #0").insns[0][0])
    assert codes == set(OPCODES)
