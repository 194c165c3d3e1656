"""Say on a terminal that an answer takes a while."""

from __future__ import annotations

import sys
from threading import Lock, Timer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from rich.status import Status

_PATIENCE_S = 0.5  # most answers are there before


class Working:
    """Around work that may take seconds: after half a second standard error says so, if it is a terminal.

    What it gives can be called with how much is done, of 100, and with what is being done. What was said is gone when
    the work is done.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._said = what
        self._lock = Lock()
        self._over = False
        self._status: Status | None = None
        self._timer = Timer(_PATIENCE_S, self._show)
        self._timer.daemon = True

    def __enter__(self) -> Callable[[float, str], None]:
        if sys.stderr is not None and sys.stderr.isatty():
            self._timer.start()
        return self._tell

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        with self._lock:
            self._over = True
            if self._status is not None:
                self._status.stop()

    def _show(self) -> None:
        from rich.console import Console  # slow to import, and only those who wait need it
        from rich.text import Text

        with self._lock:
            if not self._over:
                # As text: what looks like markup in a file's name is none.
                self._status = Console(stderr=True).status(Text(self._said))
                self._status.start()

    def _tell(self, done: float, what: str) -> None:
        with self._lock:
            self._said = f"{self._what}: {what.lower()}, {done:.0f} %"
            if self._status is not None:
                from rich.text import Text  # loaded already

                self._status.update(Text(self._said))
