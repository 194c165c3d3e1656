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
from matrix.libc_programs import PROGRAMS, packages_of

import troth
from bench.run import RESULTS, with_section

HEADING = "Programs under each libc"


def results(libc: roots.Libc) -> dict[str, str]:
    """What came of each program under one libc: `yes`, or what failed."""
    root = roots.root_of(libc, packages_of(libc))
    without = test_libcs.cells_of(libc, missing=True, early=False, nobody=True)
    answers = dict.fromkeys((cell.name for cell in without), "yes")
    answers |= dict.fromkeys(test_libcs.red_cells(without, root), "works without")
    for early, nobody in (*test_libcs.OTHER_PAIRS, (False, True)):
        cells = test_libcs.cells_of(libc, missing=False, early=early, nobody=nobody)
        how = f"fails {'early' if early else 'late'} as {'nobody' if nobody else 'root'}"
        answers |= dict.fromkeys(test_libcs.red_cells(cells, root), how)
    return answers


def table() -> str:
    """The table, with what it was made from."""
    libcs = [*roots.GLIBCS, roots.I386]
    columns = {libc: results(libc) for libc in libcs}
    lines = [
        f"## {HEADING}\n",
        f"Run {datetime.datetime.now(datetime.UTC):%Y-%m-%d} with troth {troth.__version__} on Linux "
        f"{platform.release().partition('-')[0]}. `yes`: with its promises it does what it does unconfined, behind its "
        "veil, as root and as nobody, confined at the entry point and before it starts (`--early`, with `rpath` and "
        "`prot_exec` for the loader); and with the one in the third column taken away it does not (as nobody, at the "
        "entry point). "
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
