"""What is forecast happens: programs behind filters, under one C library and under the next, with nothing else changed.

It is what `bench/reality.py` measures; its text says what a case is.
"""

from __future__ import annotations

import platform
import shutil
import sys
from pathlib import Path

import pytest
from conftest import needs
from matrix import inside

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench import reality  # the tree's own
from tools.debroot import FetchError


@pytest.fixture(scope="module")
def cases() -> list[reality.Case]:
    needs(platform.machine() == "x86_64", "the libcs are x86_64's")
    needs(all(map(shutil.which, ("apt-get", "dpkg-deb", "tar"))), "apt, dpkg and tar make the roots")
    needs(inside.can_enter(), "neither root nor a user namespace: no root can be entered")
    try:
        return reality.run()
    except FetchError as error:
        needs(False, f"no roots: {error}")
        raise


def test_there_are_cases_that_break_and_cases_that_do_not(cases: list[reality.Case]) -> None:
    assert len(cases) >= 200
    happened = sum(case.happened for case in cases)
    assert 50 <= happened <= len(cases) - 50


def test_hardly_anything_happens_that_was_not_forecast(cases: list[reality.Case]) -> None:
    for some in (cases, reality.of_every_use(cases)):
        assert reality.recall(some) >= 0.9, [case for case in some if case.happened and not case.forecast]


def test_most_of_what_was_forecast_of_every_use_happens(cases: list[reality.Case]) -> None:
    sure = reality.of_every_use(cases)
    assert reality.precision(sure) >= 0.8, [case for case in sure if case.forecast and not case.happened]
