#!/usr/bin/env python3
"""Run each program under each libc, and write the table of what was promised and what came of it.

python tools/matrix_table.py             print the table
python tools/matrix_table.py --write     put it into bench/RESULTS.md, in the place of the one before
"""

from __future__ import annotations

import argparse
import datetime
import platform
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from matrix import inside, roots, test_libcs
from matrix.libc_programs import PROGRAMS

import troth
from bench.run import RESULTS, with_section

HEADING = "Programs under each libc"


def results(libc: roots.Libc) -> dict[str, str]:
    """What came of each program under one libc: `yes`, or what failed."""
    root = roots.root_of(libc, test_libcs.packages_of(libc))
    cells = {missing: test_libcs.cells_of(libc, missing=missing, early=False, nobody=True) for missing in (False, True)}
    answers = {cell.name: "yes" for cell in cells[False]}
    answers |= dict.fromkeys(test_libcs.red_cells(cells[True], root), "works without")
    answers |= dict.fromkeys(test_libcs.red_cells(cells[False], root), "fails")
    return answers


def table() -> str:
    """The table, with what it was made from."""
    libcs = [*roots.GLIBCS, roots.I386]
    columns = {libc: results(libc) for libc in libcs}
    lines = [
        f"## {HEADING}\n",
        f"Run {datetime.datetime.now(datetime.UTC):%Y-%m-%d} with troth {troth.__version__} on Linux "
        f"{platform.release().partition('-')[0]}, as nobody, confined at the entry point. `yes`: with its promises it "
        "does what it does unconfined, behind its veil, and with the one in the third column taken away it does not. "
        "Without a veil: who changes modes, owners or times by a path, and who holds `unix`. What a libc needs beyond "
        "this is in `ALSO` of `tests/matrix/libc_programs.py`. Each suite's own builds.\n",
        f"| program | promises | taken away | veil | {' | '.join(map(str, libcs))} |",
        f"|---|---|---|---|{'---|' * len(libcs)}",
    ]
    for program in PROGRAMS:
        cells = (columns[libc].get(program.name, "") for libc in libcs)
        lines.append(
            f"| {program.name} | {program.promises} | {program.missing} | {program.veil} | {' | '.join(cells)} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Make the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="into bench/RESULTS.md")
    options = parser.parse_args()
    if not inside.can_enter():
        sys.exit(
            "matrix_table: no root can be entered here; hint: run it as root, or where user namespaces are allowed"
        )
    text = table()
    if options.write:
        RESULTS.write_text(with_section(RESULTS.read_text(), "libcs", text))
    else:
        print(text)


if __name__ == "__main__":
    main()
