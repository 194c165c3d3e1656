"""Architectures that only filters are written for."""

from __future__ import annotations

import pytest

from troth import abi
from troth.abi import others


def test_no_two_architectures_have_one_name_or_one_audit_value_but_x32() -> None:
    assert not abi.ARCHES.keys() & others.ARCHES.keys()
    every = [arch for arch in (*abi.ARCHES.values(), *others.ARCHES.values()) if arch.name != "x32"]
    assert len({arch.audit for arch in every}) == len(every)


@pytest.mark.parametrize("name", [*others.ARCHES])
def test_the_audit_value_says_the_byte_order(name: str) -> None:
    arch = abi.arch(name)
    assert arch.name == name
    assert arch.big_endian == (not arch.audit & 0x40000000)


# The first and the last number are looked up in the kernel's own tables by hand.
@pytest.mark.parametrize(
    ("name", "call", "number"),
    [
        ("m68k", "exit", 1),
        ("m68k", "seccomp", 380),
        ("mips", "exit", 4001),
        ("mipsel", "socketcall", 4102),
        ("mips64", "read", 5000),
        ("mips64n32", "read", 6000),
        ("mipsel64n32", "seccomp", 6316),
        ("parisc", "seccomp", 338),
        ("parisc64", "seccomp", 338),
        ("ppc", "seccomp", 358),
        ("ppc64", "socketcall", 102),
        ("s390", "seccomp", 348),
        ("s390", "ipc", 117),
        ("sh", "read", 3),
        ("sheb", "ipc", 117),
    ],
)
def test_names_and_numbers_are_the_kernel_s(name: str, call: str, number: int) -> None:
    assert others.numbers(name)[call] == number
    assert others.names(name)[number] == call


def test_an_unknown_architecture_is_a_key_error_and_no_module_s_name() -> None:
    for ask in (abi.arch, others.numbers, others.names):
        with pytest.raises(KeyError):
            ask("../sh")
