"""Show on a terminal how far a download is."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from rich.progress import Progress as Bar


class Progress:
    """Around work that may download: on a terminal, standard error has a bar, which is gone when the work is done.

    What it gives is called with how much is done, of 100, and with what is being done.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._bar: Bar | None = None

    def __enter__(self) -> Callable[[float, str], None]:
        if sys.stderr is not None and sys.stderr.isatty():
            from rich.console import Console  # slow to import, and only those who wait need it
            from rich.progress import Progress as Bar

            self._bar = Bar(console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task(self._what, total=None)
            self._bar.start()
        return self._tell

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def _tell(self, done: float, what: str) -> None:
        if self._bar is not None:
            self._bar.update(self._task, total=100, completed=done, description=what.lower())
