"""The small table of our own calls says what the large ones say."""

from __future__ import annotations

import pytest

from troth import abi
from troth.abi import seccomp


@pytest.mark.parametrize("arch", sorted(abi.ARCHES))
def test_our_own_numbers_are_those_of_the_tables(arch: str) -> None:
    table = abi.numbers(arch)
    assert seccomp.HOT[arch] == tuple(table[name] for name in seccomp.HOT_NAMES if name in table)
    assert {name: table[name] for name in seccomp.NUMBERS[arch]} == seccomp.NUMBERS[arch]
