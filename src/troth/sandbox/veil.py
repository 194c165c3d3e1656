"""Turn grants on paths into Landlock rules on what is there now.

Landlock adds up the rights of a file and of every directory above it, so a rule deeper in the tree
cannot take anything away. Where an unveil says less for a path than for a directory above it, the
directory's right is given to its other entries one by one instead. That is a snapshot: what is made
beside them later has no right, which is the side to err on.
"""

from __future__ import annotations

import os
import stat

from troth.abi import landlock
from troth.errors import PathError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Final

    from troth.promises.grants import Grant

    AddRule = Callable[[int, int], None]  # descriptor of the path, rights

# Entries that narrower rules may cost: each is an open file and a rule, some 5 microseconds.
MAX_ENTRIES: Final = 10_000

_flags: Final = getattr(os, "O_PATH", 0o10000000) | os.O_CLOEXEC


def normal(path: str) -> str:
    """An absolute path without `.`, `..`, doubled slashes and symbolic links, as far as it exists."""
    return os.path.realpath(path)


def covers(above: str, path: str) -> bool:
    """Whether `path` is `above` or lies beneath it; both normal."""
    return path == above or above == "/" or path.startswith(above + "/")


def add_rules(grants: Iterable[Grant], add: AddRule) -> None:
    """Call `add` for every rule that these grants make.

    Raises:
        PathError: a required path cannot be used, or narrowing would take too many rules.
    """
    required: dict[str, int] = {}
    given: dict[str, str] = {}
    optional: list[Grant] = []
    for grant in grants:
        if grant.required:
            where = normal(grant.path)
            required[where] = required.get(where, 0) | grant.rights if given.get(where) == grant.path else grant.rights
            given[where] = grant.path
        else:
            optional.append(grant)
    below: dict[str, dict[str, int]] = {}
    for path, rights in required.items():
        above = path
        while above != "/":
            above = os.path.dirname(above)
            if above in required:
                below.setdefault(above, {})[path] = rights
    budget = [MAX_ENTRIES]
    for path, rights in required.items():
        if not os.path.lexists(path) and _carried(path, rights, required):
            continue
        deeper = below.get(path)
        if deeper is None:
            _rule(path, rights, add, required=given[path])
        else:
            _narrowed(path, rights, deeper, add, given[path], budget)
    for grant in optional:
        _rule(grant.path, grant.rights, add)


def _carried(path: str, rights: int, required: dict[str, int]) -> bool:
    """Whether a path that is not there has what it needs from a directory above it."""
    return any(other != path and covers(other, path) and not rights & ~given for other, given in required.items())


def _rule(path: str, rights: int, add: AddRule, *, required: str = "") -> None:
    """One rule on one path, if it is there; rights that a file cannot have are left out."""
    if not rights:
        return
    try:
        fd = os.open(path, _flags)
    except OSError as error:
        if required:
            raise PathError(required, "", os.strerror(error.errno or 0).lower()) from error
        return
    try:
        if not stat.S_ISDIR(os.fstat(fd).st_mode):
            rights &= landlock.FILE_RIGHTS
        if rights:
            add(fd, rights)
    finally:
        os.close(fd)


def _narrowed(path: str, rights: int, deeper: dict[str, int], add: AddRule, given: str, budget: list[int]) -> None:
    """Give `rights` beneath `path`, except where a deeper rule of its own says less."""
    everywhere = rights
    for wanted in deeper.values():
        everywhere &= wanted
    _rule(path, everywhere, add, required=given)
    rest = rights & ~everywhere
    if not rest:
        return
    try:
        entries = sorted(entry.name for entry in os.scandir(path) if not entry.is_symlink())
    except OSError as error:
        problem = f"a narrower path beneath it needs its entries: {os.strerror(error.errno or 0).lower()}"
        raise PathError(given, "", problem, hint="unveil its entries one by one") from error
    budget[0] -= len(entries)
    if budget[0] < 0:
        raise PathError(
            given,
            "",
            f"narrower paths beneath it would take more than {MAX_ENTRIES} rules",
            hint="unveil the directories that are needed instead of one above them",
        )
    for name in entries:
        entry = os.path.join(path, name)
        inside = {other: wanted for other, wanted in deeper.items() if covers(entry, other)}
        if entry in inside:
            continue  # it has its own rule, which add_rules() makes
        if inside:
            _narrowed(entry, rest, inside, add, given, budget)
        else:
            _rule(entry, rest, add)
