"""What the text says about an instruction is true of every call that gets there."""

from __future__ import annotations

import random

import pytest
from bpf_programs import calls_for, valid, walk
from hypothesis import given
from hypothesis import strategies as st

from troth.bpf import annotate, assemble, dot
from troth.bpf.emulator import emulate
from troth.bpf.flow import Known, states
from troth.bpf.program import MAX_INSNS, Program
from troth.bpf.text import answer_words, comments

U32 = 0xFFFFFFFF


def holds(known: Known | None, value: int, data: bytes) -> bool:
    if known is None:
        return True
    if known.value is not None:
        return known.value == value
    return int.from_bytes(data[known.offset : known.offset + 4], "little") & known.mask == value


@given(st.data())
def test_what_is_known_at_a_place_holds_for_every_call_that_gets_there(data: st.DataObject) -> None:
    program = data.draw(valid())
    call = data.draw(calls_for(program))
    known = states(program)
    seen = walk(program, call)
    assert len(seen) == emulate(program, call, big_endian=False).steps
    raw = call.data(big_endian=False)
    for place, a, x, memory in seen:
        state = known[place]
        assert state is not None, f"{place} is reached"
        assert holds(state.a, a, raw)
        assert holds(state.x, x, raw)
        assert all(holds(slot, value, raw) for slot, value in zip(state.memory, memory, strict=True))
        assert any(arch in (None, call.arch) and low <= call.nr <= high for arch, low, high in state.calls)
        assert all(int.from_bytes(raw[offset : offset + 4], "little") == value for offset, value in state.words)


def test_calls_arguments_flags_and_answers_are_named() -> None:
    text = """
    .arch x86_64
    .order little
            ld [arch]
            jeq #AUDIT_ARCH_X86_64, x86
            jne #AUDIT_ARCH_I386, bad
            ld [nr]
            jeq #5, opening
            ja bad
    x86:    ld [nr]
            jset #0x40000000, bad
            jge #500, bad
            jeq #__NR_openat, openat
            jeq #__NR_socket, socket
            jeq #__NR_clone, clone
            ret #ALLOW
    opening: ld [args[1].lo]
            jset #O_CREAT|O_EXCL, bad
            ret #ALLOW
    openat: ld [args[2].lo]
            and #O_ACCMODE
            jeq #O_RDONLY, good
            ld [args[0].hi]
            jne #0, bad
            ld [args[0].lo]
            jeq #AT_FDCWD, good, bad
    socket: ld [args[0].lo]
            jne #AF_NETLINK, bad
            ld [args[2].lo]
            jgt #NETLINK_SOCK_DIAG, bad, good
    clone:  ld [args[0].lo]
            and #~CLONE_THREAD
            st M[2]
            tax
            ret a
    good:   ret #ALLOW
    bad:    ret #ERRNO(EPERM)
    """
    program = assemble(text, arch="x86_64")
    said = [line.partition(" ; ")[2] for line in annotate(program, big_endian=False).splitlines()]
    assert said == [
        "architecture",
        "architecture is x86_64",
        "architecture is not i386",
        "number of the call",
        "call is open",
        "",
        "number of the call",
        "number & 0x40000000 (x32)",
        "number >= 0x1f4",
        "call is openat",
        "call is socket",
        "call is clone",
        "allow",
        "flags",
        "flags & (O_CREAT|O_EXCL)",
        "allow: open",
        "flags",
        "flags & O_ACCMODE",
        "flags & O_ACCMODE == O_RDONLY",
        "dfd, upper half",
        "dfd, upper half != 0",
        "dfd",
        "dfd == AT_FDCWD",
        "family",
        "family != AF_NETLINK",
        "protocol",
        "protocol > 0x4 (NETLINK_SOCK_DIAG)",
        "clone_flags, lower half",
        "clone_flags, lower half & ~CLONE_THREAD",
        "M[2] = clone_flags, lower half & ~CLONE_THREAD",
        "X = clone_flags, lower half & ~CLONE_THREAD",
        "answer clone_flags, lower half & ~CLONE_THREAD",
        "allow: openat, socket",
        "fail with EPERM",
    ]


def test_arguments_have_no_name_where_ways_of_different_calls_join() -> None:
    program = assemble(
        "ld [arch]\njne #AUDIT_ARCH_X86_64, no\nld [nr]\njeq #__NR_mmap, both\njne #__NR_openat, no\n"
        "both: ld [args[2].lo]\njeq #2, no\nret #ALLOW\nno: ret #0",
        arch="x86_64",
    )
    said = comments(program, big_endian=False)
    assert said[5:8] == ["argument 2, lower half", "argument 2, lower half == 2", "allow: mmap, openat"]


def test_an_argument_is_named_where_ways_of_one_call_on_two_architectures_join() -> None:
    program = assemble(
        "ld [arch]\njeq #AUDIT_ARCH_X86_64, one\njne #AUDIT_ARCH_AARCH64, no\nld [nr]\njeq #56, both, no\n"
        "one: ld [nr]\njne #257, no\nboth: ld [args[2].lo]\nand #0x4000\njset #0x40, no\nret #ERRNO(ENOSYS)\nno: ret #0",
    )
    said = comments(program, big_endian=False)
    assert said[7] == "flags"
    assert said[8] == "flags & 0x4000", "O_DIRECT here, O_DIRECTORY there"
    assert said[10] == "fail with ENOSYS: openat"


def test_what_no_call_gets_to_is_said_so() -> None:
    program = assemble(
        "ld [arch]\njne #AUDIT_ARCH_X86_64, no\njeq #AUDIT_ARCH_X86_64, yes\nret #1\nyes: ret #ALLOW\nno: ret #0\nret #2"
    )
    said = comments(program, big_endian=False)
    assert [said[3], said[6]] == ["never reached", "never reached"]


def test_an_errno_is_named_as_on_the_architecture_of_the_call() -> None:
    program = assemble("ld [arch]\njeq #AUDIT_ARCH_MIPSEL64, mips\nret #ERRNO(89)\nmips: ret #ERRNO(89)")
    said = comments(program, big_endian=False)
    assert said[2] == "fail with EDESTADDRREQ"
    assert said[3] == "fail with ENOSYS"
    program = assemble(
        "ld [arch]\njne #AUDIT_ARCH_MIPSEL64, no\nld [nr]\njeq #5000, mips\nno: ret #0\nmips: ret #ERRNO(89)"
    )
    assert comments(program, big_endian=False)[5] == "fail with ENOSYS: read"


@pytest.mark.parametrize(
    "raw", [0, 0x50000, 0x5FFFF, 0x7FF00001, 0x7FF00000, 0x30005, 0x7FC00000, 0x7FFC0000, 0x12345678]
)
def test_every_answer_has_words(raw: int) -> None:
    assert answer_words(raw)


@given(
    st.lists(
        st.tuples(st.integers(0, U32 >> 16), *[st.integers(0, 255)] * 2, st.integers(0, U32)), min_size=1, max_size=20
    )
)
def test_any_program_has_a_text(insns: list[tuple[int, int, int, int]]) -> None:
    program = Program(tuple(insns))
    assert len(annotate(program).splitlines()) == len(program)
    assert len(annotate(program, big_endian=True, arch="s390x").splitlines()) == len(program)


def test_the_longest_program_has_a_text_and_a_graph() -> None:
    rng = random.Random("longest text")
    numbers = [0xC000003E, 0x40000003, 257, 1, 0]
    insns = []
    for _ in range(MAX_INSNS - 256):
        jump = (rng.choice((0x15, 0x25, 0x35, 0x45)), rng.randrange(256), rng.randrange(256), rng.choice(numbers))
        insns.append(rng.choice((jump, jump, (0x20, 0, 0, 4 * rng.randrange(16)), (0x54, 0, 0, 0x40))))
    program = Program((*insns, *[(0x06, 0, 0, 0x50000 | code) for code in range(256)]))
    assert len(annotate(program).splitlines()) == MAX_INSNS
    assert dot(program).endswith("}\n")


def test_the_same_text_says_the_same_in_either_byte_order() -> None:
    text = (
        "ld [arch]\njne #AUDIT_ARCH_S390X, no\nld [nr]\njne #__NR_clone, no\nld [args[1].hi]\njne #0, no\n"
        "ld [args[1].lo]\njset #CLONE_NEWUSER, no\nld [ip.lo]\njeq #0, no\nret #ALLOW\nno: ret #ERRNO(EPERM)"
    )
    big, little = (assemble(text, big_endian=order, arch="s390x") for order in (True, False))
    assert big != little
    said = comments(big, big_endian=True)
    assert said == comments(little, big_endian=False)
    assert said[4:8] == [
        "clone_flags, upper half",
        "clone_flags, upper half == 0",
        "clone_flags, lower half",
        "clone_flags, lower half & CLONE_NEWUSER",
    ]
