"""Another name of `Working`, for work that tells how far it is."""

from __future__ import annotations

from troth.cli.working import Working as Progress

__all__ = ["Progress"]
