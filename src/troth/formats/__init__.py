"""Filters from where they are found: files, running processes, promises, containers' profiles.

- `read` gives a `Subject`: the programs of a stack, the oldest first, or the policy that was written down;
- `load` gives its policy, `dump` writes one;
- `oci` has the profiles of containers.

Nothing here asks the running kernel, unless a process is named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from troth.errors import RequestError
from troth.formats.subject import Subject, read

if TYPE_CHECKING:
    import os

    from troth.policy import Policy

__all__ = ["Subject", "dump", "load", "read"]


def load(source: str | os.PathLike[str], as_: str | None = None) -> Policy:
    """Read a filter and give the policy that it is; `source` and `as_` as for `read`.

    Raises:
        ParseError: the source is not what its format says.
        RequestError: a source that does not exist, or a filter that no policy says.
        UnsupportedError: a process whose filters may not be read.
    """
    subject = read(source, as_)
    if subject.policy is not None:
        return subject.policy
    from troth.policy.lift import lift

    return lift(subject.programs, big_endian=subject.big_endian)


def dump(policy: Policy, to: str) -> tuple[bytes, tuple[str, ...]]:
    """Write a policy in another format; gives what is written, and what of the policy could not be said.

    `bpf` is the program, in this machine's byte order.

    Raises:
        RequestError: an unknown format.
    """
    if to != "bpf":
        raise RequestError(f"unknown format `{to}`", hint="one of: bpf")
    return policy.compile().to_bytes(), ()
