"""What a proof comes back with."""

from __future__ import annotations

from troth._value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from troth.bpf.program import Call
    from troth.policy.expr import Expr

PROVED: Final = "proved"
REFUTED: Final = "refuted"
UNKNOWN: Final = "unknown"


class Witness(Value):
    """A call that shows something, and what each subject answers to it (32-bit values)."""

    __slots__ = ("call", "answers")
    call: Call
    answers: tuple[int, ...]


class Result(Value):
    """The outcome of a proof: `verdict` is `proved`, `refuted` (then `witness` shows it) or `unknown` (then `why`).

    Only what is proved is true, so that `if equal(a, b):` is safe.
    """

    __slots__ = ("verdict", "witness", "why")
    verdict: str
    witness: Witness | None
    why: str
    _defaults = {"witness": None, "why": ""}

    def __bool__(self) -> bool:
        return self.verdict == PROVED


class Row(Value):
    """Calls whose answer differs in the same way.

    `arches` are names of architectures (a hexadecimal AUDIT_ARCH value where troth has no name; empty for all that no
    other row names), `numbers` ranges (first, last) of call numbers, `condition` what the arguments meet, `old` and
    `new` the two answers (32-bit values, what is without effect left out), `witness` one such call.
    """

    __slots__ = ("arches", "numbers", "condition", "old", "new", "witness")
    arches: tuple[str, ...]
    numbers: tuple[tuple[int, int], ...]
    condition: Expr
    old: int
    new: int
    witness: Witness


class Diff(Value):
    """All calls that two subjects answer differently; `verdict` is `proved` (none), `refuted` or `unknown`."""

    __slots__ = ("verdict", "rows", "why")
    verdict: str
    rows: tuple[Row, ...]
    why: str
    _defaults = {"rows": (), "why": ""}
