"""What is forecast happens: programs behind filters, under one C library and under the next, with nothing else changed.

A part of what `bench/reality.py` measures; its text says what a case is.
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

PROGRAMS = ("cat", "cp", "python3 threads")


@pytest.fixture(scope="module")
def cases() -> list[reality.Case]:
    needs(platform.machine() == "x86_64", "the libcs are x86_64's")
    needs(all(map(shutil.which, ("apt-get", "dpkg-deb", "tar"))), "apt, dpkg and tar make the roots")
    needs(inside.can_enter(), "neither root nor a user namespace: no root can be entered")
    try:
        return reality.run(PROGRAMS)
    except FetchError as error:
        needs(False, f"no roots: {error}")
        raise


def test_there_are_cases_that_break_and_cases_that_do_not(cases: list[reality.Case]) -> None:
    assert len(cases) >= 30
    happened = sum(case.happened for case in cases)
    assert 8 <= happened <= len(cases) - 8


def test_hardly_anything_happens_that_was_not_forecast(cases: list[reality.Case]) -> None:
    assert reality.recall(cases) >= 0.9, [case for case in cases if case.happened and not case.forecast]


def test_most_of_what_was_forecast_happens(cases: list[reality.Case]) -> None:
    # A forecast is of every function that a program imports, and one run uses some of them: `cat` closes no file that
    # it has read in part, which glibc 2.44 seeks in first.
    assert reality.precision(cases) >= 0.7, [case for case in cases if case.forecast and not case.happened]
