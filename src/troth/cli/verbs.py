"""A click group whose commands are modules of their own, loaded when one is used or all are listed."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click


class Verbs(click.Group):
    """A group of verbs; `verbs` has each one's module and the name of its command there."""

    def __init__(self, *args: Any, verbs: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._verbs = verbs

    def list_commands(self, ctx: click.Context) -> list[str]:
        """See `click.Group`."""
        return list(self._verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """See `click.Group`."""
        if cmd_name not in self._verbs:
            return None
        module, name = self._verbs[cmd_name]
        command = getattr(import_module(module), name)
        assert isinstance(command, click.Command)
        return command
