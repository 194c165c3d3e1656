"""The outcomes as a chart: one panel for a method, one bar for a libc; matplotlib draws it (extra `bench`)."""

from __future__ import annotations

import io
from pathlib import Path

from bench.survival.methods import BY_KEY
from bench.survival.outcomes import Outcomes
from bench.survival.report import percent

CHART = Path(__file__).with_name("survival.svg")

# The variants of troth's methods are in the table: they look like these.
PANELS = ("seen-kill", "seen-eperm", "systemd-kill", "systemd-eperm", "docker", "docker-mended", "frozen", "today")
_COLUMNS = 4
_COLOURS = ("#30638e", "#7ba6c9", "#b3672b")  # of the lines, in their order
_INK = "#333333"


def draw(outcomes: Outcomes) -> str:
    """The chart as SVG, the same for the same outcomes and the same matplotlib.

    Raises:
        ImportError: matplotlib is not installed.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    style = {
        "svg.fonttype": "none",  # text stays text
        "svg.hashsalt": "survival",  # names of shapes, else random
        "font.family": "sans-serif",
        "font.size": 8,
        "text.color": _INK,
        "axes.labelcolor": _INK,
        "xtick.color": _INK,
        "ytick.color": _INK,
    }
    bars = [
        (line, libc, colour) for line, colour in zip(outcomes.lines, _COLOURS, strict=False) for libc in line.libcs[1:]
    ]
    names = [libc.rpartition("-")[2] for _, libc, _ in bars]
    colours = [colour for *_, colour in bars]
    with mpl.rc_context(style):
        figure = Figure(figsize=(10, 5), layout="constrained")
        panels = figure.subplots(len(PANELS) // _COLUMNS, _COLUMNS, sharex=True, sharey=True).flat
        for panel, key in zip(panels, PANELS, strict=True):
            method = BY_KEY[key]
            shares = [line.share(key, libc) for line, libc, _ in bars]
            panel.bar(range(len(bars)), [100 * share for share in shares], color=colours, width=0.7)
            for place, share in enumerate(shares):
                said = percent(share).removesuffix(" %")
                panel.text(place, 100 * share + 2, said, ha="center", va="bottom", fontsize=6)
            panel.set_title(f"({method.row}) {method.name}", fontsize=9, loc="left")
            panel.set_xticks(range(len(bars)), names, rotation=60, ha="right")
            panel.tick_params(length=0)
            panel.set_ylim(0, 112)
            panel.set_yticks((0, 50, 100))
            for side in ("top", "right", "left"):
                panel.spines[side].set_visible(False)
        patches = [Patch(color=colour, label=line.name) for line, colour in zip(outcomes.lines, _COLOURS, strict=False)]
        figure.legend(handles=patches, loc="outside lower left", ncols=len(patches), frameon=False)
        figure.suptitle("Programs that survive the upgrade from the oldest C library, in percent", x=0.01, ha="left")
        stream = io.StringIO()
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"
