"""Promises: what a program may still do, in broad swathes of functionality.

`_table` is what each promise buys in system calls, `_paths` in files; `parse` reads the words,
`expand` turns them into a policy, `grants` into Landlock rights, `explain` names the promise that
was missing.
"""

from __future__ import annotations

from troth.promises.parse import parse, words

__all__ = ["parse", "words"]
