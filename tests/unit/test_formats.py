"""A FILTER is found by what it is, and whatever else it is, is told in one line."""

from __future__ import annotations

import io
import json
import os
import pickle
import sys
from pathlib import Path

import pytest

from troth import abi
from troth.bpf import Call, Program, assemble
from troth.errors import ParseError, RequestError, TrothError
from troth.formats import dump, load, read
from troth.formats.live import STRICT, strict
from troth.policy import Policy

ALLOW, KILL_THREAD = 0x7FFF0000, 0
SMALL = assemble(
    """
    ld [arch]
    jne #AUDIT_ARCH_X86_64, no
    ld [nr]
    jeq #__NR_getpid, yes, no
    yes: ret #ALLOW
    no: ret #ERRNO(EPERM)
    """,
    arch="x86_64",
)
PROFILE = {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW"}]}


def written(directory: Path, data: bytes) -> str:
    path = directory / "filter"
    path.write_bytes(data)
    return str(path)


@pytest.mark.parametrize("big_endian", [False, True])
def test_a_program_is_read_in_the_byte_order_that_makes_it_valid(tmp_path: Path, big_endian: bool) -> None:
    found = read(written(tmp_path, SMALL.to_bytes(big_endian=big_endian)))
    assert found.programs == (SMALL,)
    assert found.big_endian is big_endian
    assert found.policy is None
    assert all(abi.ARCHES[arch].big_endian is big_endian for arch in found.arches)


def test_a_profile_is_told_from_a_program_by_its_content(tmp_path: Path) -> None:
    found = read(written(tmp_path, b"\n  " + json.dumps(PROFILE).encode()), arches=("x86_64",))
    assert found.programs == ()
    assert found.policy is not None
    assert found.policy.answer(Call(abi.ARCHES["x86_64"].audit, 0)) == ALLOW
    assert found.arches == ("x86_64",)


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(SMALL.to_bytes())))
    assert read("-").programs == (SMALL,)


def test_the_promises_of_a_program_are_a_policy() -> None:
    for text in ("pledge:stdio rpath", 'pledge:"stdio rpath"', "pledge:'stdio rpath'"):
        found = read(text, arches=("x86_64",))
        assert found.origin == 'pledge:"stdio rpath"'
        assert isinstance(found.policy, Policy)
        assert found.policy.answer(Call(abi.ARCHES["x86_64"].audit, 0)) == ALLOW
    assert read("pledge:stdio", arches=("s390x",)).big_endian is True


def test_a_policy_becomes_a_program_and_that_is_read_back_as_the_policy(tmp_path: Path) -> None:
    policy = read("pledge:stdio", arches=(abi.native().name,)).policy
    assert policy is not None
    data, losses = dump(policy, "bpf")
    assert losses == ()
    again = load(written(tmp_path, data))
    audit = abi.native().audit
    for nr in (*abi.names(abi.native().name), 9999):
        for args in ((), (1,), (0, 0x5401), (0, 0, 0xFFFFFFFF)):
            assert again.answer(Call(audit, nr, args)) == policy.answer(Call(audit, nr, args))
    with pytest.raises(RequestError, match="unknown format `x`"):
        dump(policy, "x")


def test_policies_are_kept_in_files_and_sent_to_other_processes() -> None:
    policy = read("pledge:stdio rpath", arches=("x86_64",)).policy
    assert pickle.loads(pickle.dumps(policy)) == policy


def test_a_filter_that_no_policy_says_is_refused_with_its_reason(tmp_path: Path) -> None:
    every = assemble("ld [nr]\njeq #39, yes, no\nyes: ret #ALLOW\nno: ret #0\n", arch="x86_64")
    with pytest.raises(RequestError, match="of every architecture by number"):
        load(written(tmp_path, every.to_bytes()))


# (content, what is said, hint)
MISTAKES = [
    (b"", "is empty", ""),
    (b"\0", "1 bytes are not a whole number", ""),
    (b"\x06\0\0\0\0\0\xff\x7f\0", "byte 8", ""),
    (b"\x06\0\0\0\0\0\xff\x7f" * 4097, "4097 instructions", ""),
    (b"\0" * 8, "instruction 0", ""),
    (b"\xff" * 8, "instruction 0", ""),
    (b"\x05\0\0\0\xff\xff\xff\xff\x06\0\0\0\0\0\0\0", "instruction 0", ""),
    (b"\x7fELF" + b"\0" * 60, "instruction 0", "ELF"),
    (b"\x1f\x8b" + b"\0" * 62, "instruction 0", "gzip"),
    (b"{}", "$: object missing required field `defaultAction`", ""),
    (b"[1]", "$: expected `object`", ""),
    (b'"x"', "$: expected `object`", ""),
    (b"#!/bin/sh\necho hello\n", "not a whole number", ""),
    (b" " * (4 << 20) + b"{}", "more than 4 MiB", ""),
]


@pytest.mark.parametrize(("data", "problem", "hint"), MISTAKES, ids=[row[1] for row in MISTAKES])
def test_what_is_no_filter_is_told_in_one_line(tmp_path: Path, data: bytes, problem: str, hint: str) -> None:
    path = written(tmp_path, data)
    with pytest.raises(ParseError) as caught:
        read(path, arches=("x86_64",))
    assert path in str(caught.value)
    assert problem in str(caught.value)
    assert hint in caught.value.hint
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("/nonexistent", "no such file"),
        ("/", "is a directory"),
        ("/dev/zero", "is not a file"),
        ("a\0b", "null"),
        ("pid:", "is not a process id"),
        ("pid:one", "is not a process id"),
        ("pid:-1", "is not a process id"),
        ("pid:0", "is not a process id"),
        ("pid:99999999999999999999", "is not a process id"),
        ("pid:\u0663", "is not a process id"),
        ("pledge:stdo", "unknown promise `stdo`"),
    ],
)
def test_a_source_that_is_none_is_told(source: str, problem: str) -> None:
    with pytest.raises(RequestError, match=problem):
        read(source)


def test_unknown_words_are_told_with_the_nearest() -> None:
    with pytest.raises(RequestError, match="unknown architecture `x86-64`") as caught:
        read("pledge:stdio", arches=("x86-64",))
    assert caught.value.hint == "the closest is `x86_64`"
    with pytest.raises(RequestError, match="unknown format `elf`"):
        read("/dev/null", "elf")
    with pytest.raises(RequestError, match="no promises for ppc"):
        read("pledge:stdio", arches=("ppc",))


def test_a_format_that_is_named_is_not_guessed(tmp_path: Path) -> None:
    path = written(tmp_path, SMALL.to_bytes())
    assert read(path, "bpf").programs == (SMALL,)
    with pytest.raises(ParseError, match=r"\$: not JSON"):
        read(path, "oci")
    wrong = sys.byteorder == "little"
    with pytest.raises(ParseError) as caught:
        read(path, "bpf", big_endian=wrong)
    assert "other byte order" in caught.value.hint


def test_random_bytes_are_a_filter_or_an_error_of_ours(tmp_path: Path) -> None:
    for seed in range(300):
        data = os.urandom(8 * (seed % 7) + (seed % 3)) if seed % 2 else b"{" + os.urandom(seed)
        try:
            found = read(written(tmp_path, data))
        except TrothError:
            continue
        assert all(isinstance(program, Program) for program in found.programs)


def test_strict_mode_lets_four_calls_through() -> None:
    for arch, names in STRICT.items():
        policy = strict((arch,))
        audit = abi.ARCHES[arch].audit
        let = {name for nr, name in abi.names(arch).items() if policy.answer(Call(audit, nr)) == ALLOW}
        assert let == set(names.split())
        assert policy.answer(Call(audit, 9999)) == KILL_THREAD
    assert strict(("x86_64", "i386", "x32")).answer(Call(abi.ARCHES["x86_64"].audit, 0x40000000)) == KILL_THREAD
