"""The generated tables say what the written ones say."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from troth import abi
from troth.abi.seccomp import RET_KILL_PROCESS
from troth.promises._words import WORDS
from troth.promises.expand import expand
from troth.promises.parse import parse
from troth.promises.select import select
from troth.promises.setting import Identity, Setting

ARCHES = [name for name, arch in abi.ARCHES.items() if not arch.nr_mask_bit]
SETTINGS = st.builds(Setting, *[st.booleans()] * 5)


@pytest.mark.parametrize("arch", ARCHES)
@given(
    words=st.lists(st.sampled_from(WORDS), unique=True), setting=SETTINGS, pid=st.sampled_from([1, 4242, 0x7FFFFFFF])
)
@settings(max_examples=60, deadline=None)
def test_both_readings_of_the_tables_agree(arch: str, words: list[str], setting: Setting, pid: int) -> None:
    who = Identity(pid, 1000, (4, 1000))
    slow = expand(parse(words), (arch,), setting, who, violation=RET_KILL_PROCESS)
    fast = select(parse(words), (arch,), setting, who, violation=RET_KILL_PROCESS)
    assert fast.sections[arch] == slow.sections[arch]
    assert (fast.unknown, fast.bad_arch) == (slow.unknown, slow.bad_arch)


def test_the_generated_modules_are_up_to_date() -> None:
    check = subprocess.run(
        [sys.executable, "tools/gen_promises.py", "--check"], capture_output=True, text=True, check=False
    )
    assert check.returncode == 0, check.stderr
