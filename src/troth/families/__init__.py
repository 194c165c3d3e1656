"""Families of system calls: what libc may use for one and the same thing.

`_table` is the data; `resolve` gives the members that an architecture has, with numbers and with
each role's argument. The names are explained in the table's docstring.
"""

from __future__ import annotations

from troth.families.resolve import Resolved, family_of, resolve

__all__ = ["Resolved", "family_of", "resolve"]
