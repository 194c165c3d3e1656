"""What the design alone survives: the tables of Linux 5.10 and glibc 2.31, under every glibc that came since.

`troth run --as-of` forgets later system calls, values, Landlock rights and what later C libraries do. What worked under
the glibc of that day has to work under each one since. Linux 5.10 had no Landlock, and without it `stdio` cannot open
/dev/null for writing: some programs need more then, with the old glibc as with the new; so both are tried.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

import pytest
from conftest import needs
from matrix import roots
from matrix.libc_programs import packages_of
from matrix.test_libcs import Cell, cells_of, red_cells, root_for

from troth.abi.since import VALUES
from troth.kernel.probe import probe
from troth.promises._table import ANSWERS, ROWS

# In the tables, and in no header of any released kernel: what C libraries built for CET asked for before it came.
NEVER = {"ARCH_CET_STATUS"}

DAY = "linux-5.10,glibc-2.31"
KNOWLEDGE = {"without Landlock": f"{DAY},landlock-0", "with Landlock": f"{DAY},landlock-7"}
LATER = [libc for libc in roots.GLIBCS if libc.version != "2.31"]


def frozen_cells(as_of: str) -> Sequence[Cell]:
    """All programs with the promises that they had then, as they would have been understood then."""
    cells = cells_of(roots.GLIBCS[0], missing=False, early=False, nobody=True)
    frozen = [cell._replace(as_of=as_of) for cell in cells]
    # A veil is Landlock's: without it there is none.
    return [cell._replace(veil=()) for cell in frozen] if as_of.endswith("landlock-0") else frozen


@functools.cache
def survivors(libc: roots.Libc, as_of: str) -> frozenset[str]:
    """The programs that work under a libc with the tables of that day."""
    cells = frozen_cells(as_of)
    red = red_cells(cells, root_for(libc, packages_of(libc)))
    return frozenset(cell.name for cell in cells if cell.name not in red)


@pytest.mark.parametrize("how", KNOWLEDGE)
def test_nearly_all_programs_worked_on_that_day(how: str) -> None:
    needs(how == "without Landlock" or probe().landlock_abi, "Landlock")
    worked = survivors(roots.GLIBCS[0], KNOWLEDGE[how])
    known = {cell.name for cell in frozen_cells(KNOWLEDGE[how])}
    if how == "with Landlock":
        assert worked == known
    else:
        assert len(worked) >= 0.9 * len(known), sorted(known - worked)


@pytest.mark.parametrize("how", KNOWLEDGE)
@pytest.mark.parametrize("libc", LATER, ids=str)
def test_what_worked_on_that_day_works_with_each_libc_since(libc: roots.Libc, how: str) -> None:
    needs(how == "without Landlock" or probe().landlock_abi, "Landlock")
    lost = survivors(roots.GLIBCS[0], KNOWLEDGE[how]) - survivors(libc, KNOWLEDGE[how])
    assert not lost, sorted(lost)


def test_the_values_that_came_later_are_those_that_the_headers_of_5_10_lack() -> None:
    """bullseye's headers are those of Linux 5.10 and glibc 2.31."""
    include = root_for(roots.GLIBCS[0], packages_of(roots.GLIBCS[0])) / "usr/include"
    known = set()
    for header in include.rglob("*.h"):
        known.update(re.findall(r"[A-Za-z_][A-Za-z0-9_]*", header.read_text("utf-8", "replace")))
    assert {"O_CREAT", "PR_SET_NAME", "TCGETS2"} <= known
    tests = [test for row in (*(row[3] for row in ROWS), *(row[2] for row in ANSWERS)) for test in row]
    used = {name for _, _, mask, values in tests for name in re.findall(r"[A-Za-z_][A-Za-z0-9_]*", f"{mask} {values}")}
    used -= {"SELF", "UID", "GIDS", *NEVER}  # names of this process's own numbers
    used = {name for name in used if not re.fullmatch(r"[xo][0-9a-f]+", name)}  # what is left of 0xff and 0o7000
    assert len(used) > 200
    assert used - known == set(VALUES)
