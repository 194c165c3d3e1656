"""The table of what each guest told, for bench/RESULTS.md."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

from matrix.guest import Boot
from matrix.kernels import Guest
from matrix.lacks import wrong

import troth
from bench.run import RESULTS, with_section

HEADING = "Kernels and architectures"


def table(boots: Mapping[Guest, Boot]) -> str:
    """One line for each guest, with what the table was made from."""
    lines = [
        f"## {HEADING}\n",
        f"Run {datetime.datetime.now(datetime.UTC):%Y-%m-%d} with troth {troth.__version__}, "
        "as root and as nobody, under full emulation by QEMU. *tests*: which ones run (`CHOICES` of "
        "`tests/matrix/fleet.py`; `all` are the live tests and the attempts to get out). *lacking*: skipped because the "
        "kernel or the machine does not have what the test is about (`tests/matrix/lacks.py`, each with its reason); "
        "*kernel's fault*: a known defect of the kernel.\n",
        "| guest | kernel | Landlock ABI | Python, libc | tests | passed | lacking | kernel's fault | failed | seconds |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for guest, boot in boots.items():
        outcomes = [
            "fault" if test.outcome == "failed" and wrong(test.name, guest) else test.outcome for test in boot.tests
        ]
        counts = [outcomes.count(word) for word in ("passed", "skipped", "fault", "failed")]
        kernel = boot.doctors.get("root", {}).get("kernel", "did not boot")
        made = f"{boot.facts.get('python', '')}, {boot.facts.get('libc', '')}"
        cells = [guest.name, kernel, guest.landlock or "none", made, guest.chosen, *counts, round(boot.seconds)]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def write(text: str) -> None:
    """Put the table into bench/RESULTS.md, in the place of the one before."""
    RESULTS.write_text(with_section(RESULTS.read_text(), "kernels", text))
