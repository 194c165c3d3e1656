"""What is in force: the answer of pledge() and of `troth doctor`."""

from __future__ import annotations

from troth._value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


class Feature(Value):
    """Something that was asked for and that this kernel cannot enforce."""

    __slots__ = ("name", "needs", "have")
    name: str
    needs: str
    have: str


class Enforcement(Value):
    """What a pledge put in force.

    `status` is `full`, `partial` (see `missing`) or `none` (nothing was asked for); `promises` are
    the words still held; `veil` the unveiled paths with their permissions, None without a veil;
    `landlock` whether a Landlock domain was added; `notes` what else is not as elsewhere.

    An Enforcement has no truth value: whether `partial` is good enough is for the caller to say.
    """

    __slots__ = ("status", "promises", "veil", "landlock", "instructions", "missing", "notes")
    status: str
    promises: tuple[str, ...]
    veil: tuple[tuple[str, str], ...] | None
    landlock: bool
    instructions: int
    missing: tuple[Feature, ...]
    notes: tuple[str, ...]

    def __bool__(self) -> NoReturn:
        raise TypeError("an Enforcement is not true or false; compare `.status`")
