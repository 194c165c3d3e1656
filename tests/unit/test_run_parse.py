"""The two readers of `troth run`'s command line agree; the quick one only gives up, it never differs."""

from __future__ import annotations

import click
from hypothesis import example, given, settings
from hypothesis import strategies as st

from troth.cli.run import Options, parse
from troth.cli.run_command import options, run
from troth.errors import RequestError

WORDS = st.sampled_from(
    ["-p", "-pstdio", "--promises", "--promises=rpath", "stdio", "-v", "-v/a:r", "--unveil", "--unveil=/b:c:rw", "/a:r", "--on-violation", "--on-violation=errno", "--on-violation=kill", "kill",
     "errno", "explain", "--early", "--early=1", "--allow-degraded", "--", "-", "-x", "-pv", "-vp", "--earl", "ls", "", "--promises=", "-p=", "a=b", "--=", "-e", "--on-violation="]
)  # fmt: skip


def by_click(args: list[str]) -> Options | None:
    """What click reads; None for a mistake or a call for help."""
    try:
        context = run.make_context("run", list(args))
        return options(**context.params)
    except (click.ClickException, click.exceptions.Exit, RequestError):
        return None


@given(st.lists(WORDS, max_size=8))
@example(["-p", "stdio", "--", "-p", "x"])
@example(["-p", "stdio", "ls", "--early", "--", "x"])
@example(["-p", "stdio", "-", "x"])
@example(["-p", "--", "ls"])
@example(["-p", "stdio", "--", "--", "ls"])
@settings(max_examples=500, deadline=None)
def test_both_readers_agree(args: list[str]) -> None:
    quick, thorough = parse(args), by_click(args)
    # The quick one refuses the first bad value of an option, click only the last.
    assert quick == thorough or (quick is None and "--on-violation" in str(args))
