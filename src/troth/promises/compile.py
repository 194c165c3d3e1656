"""Read the tables once for one architecture: what a generated `_for_<arch>.py` holds.

A confined program starts in milliseconds, and reading families, rows and constants from their tables
takes some. So their meaning on an architecture is written down, with names resolved to numbers, by
`tools/gen_promises.py`; `select` reads that, `expand` reads the tables, and a test holds them equal.
"""

from __future__ import annotations

from troth import abi
from troth.abi import flags
from troth.families import resolve
from troth.families._table import SOLITARY
from troth.promises._table import ANSWERS, ROWS
from troth.promises.expand import Reader
from troth.promises.setting import Identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from troth.policy import Cond

    # Conditions as `policy.Cond` has them; values may be the names of `IDENTITY`.
    Conds = tuple[tuple[int, int, tuple[int | str, ...], bool, bool], ...]
    Payment = tuple[int, int, str, Conds]  # needs, also, when, conditions
    Answer = tuple[int, int, Conds]  # held, errno, conditions
    # Numbers that are judged alike: how they are paid for, how they are refused, whether a pointer hides the question,
    # and whether names stand among the values.
    Group = tuple[tuple[int, ...], tuple[Payment, ...], tuple[Answer, ...], bool, bool]

# Numbers no one can have, standing for what only the running process knows.
IDENTITY: Final = {-0x5E1F: "SELF", -0x01D: "UID", -0x61D5: "GIDS"}


class _Symbolic(Reader):
    """Reads tests with names in place of the process's own numbers."""

    def __init__(self, arch: str) -> None:
        super().__init__(arch, Identity(-0x5E1F, -0x01D, (-0x61D5,)))

    def plain(self, conds: tuple[Cond, ...]) -> Conds:
        """Conditions as constants."""
        found = []
        for cond in conds:
            arg, mask, values, negate, wide = cond
            whole = mask == 0xFFFFFFFF  # a process's number is always compared as a whole
            named = {number & mask: name for number, name in IDENTITY.items() if whole}
            found.append((arg, mask, tuple(named.get(value, value) for value in values), negate, wide))
        return tuple(found)


def compile_arch(arch: str) -> tuple[int, tuple[Group, ...]]:
    """The number for ENOSYS, and all calls of an architecture in groups that are judged alike."""
    reader = _Symbolic(arch)
    groups: dict[tuple[tuple[Payment, ...], tuple[Answer, ...], bool], list[int]] = {}
    for family, members in resolve(arch).items():
        for member in members:
            payments: list[Payment] = []
            for name, needs, also, tests, when, only in ROWS:
                if name == family:
                    conds = reader.row(member, tests, only)
                    if conds is not None:
                        payments.append((needs, also, when, reader.plain(conds)))
            answers: list[Answer] = []
            for name, errno, tests, held in ANSWERS:
                if name == family and not member.opaque:
                    conds = reader.conds(member, tests, trusting=False)
                    if conds is not None:
                        answers.append((held, flags.value(errno, arch), reader.plain(conds)))
            groups.setdefault((tuple(payments), tuple(answers), bool(member.opaque)), []).append(member.nr)
    numbers = abi.numbers(arch)
    groups.setdefault(((), (), False), []).extend(numbers[name] for name in SOLITARY if name in numbers)
    found = tuple((tuple(sorted(nrs)), *how, _symbolic(*how[:2])) for how, nrs in groups.items())
    return flags.value("ENOSYS", arch), found


def _symbolic(payments: tuple[Payment, ...], answers: tuple[Answer, ...]) -> bool:
    rows = [conds for *_, conds in payments] + [conds for *_, conds in answers]
    return any(isinstance(value, str) for conds in rows for cond in conds for value in cond[2])
