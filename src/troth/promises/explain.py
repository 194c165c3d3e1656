"""Name what would have allowed a refused call."""

from __future__ import annotations

from troth import abi
from troth.abi.seccomp import RET_ALLOW, RET_KILL_PROCESS
from troth.promises._table import ROWS
from troth.promises._words import ALWAYS, ERROR, EVERYTHING
from troth.promises.expand import expand
from troth.promises.parse import words
from troth.promises.setting import Identity, Setting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from troth.policy import Policy


def missing(
    arch: str, nr: int, args: tuple[int, ...], held: int, *, setting: Setting, identity: Identity
) -> tuple[str, ...]:
    """The fewest promises that, added to those held, would have let this call pass.

    One promise if one is enough, the table's first; else the two that are. Empty when no promise
    opens the call, or when it is a number that the tables do not know.
    """
    name = abi.names(arch).get(nr)
    if name is None:
        return ()

    def allows(promises: int) -> bool:
        return _answer(_policy(arch, promises, setting, identity), arch, nr, args) == RET_ALLOW

    if not allows(EVERYTHING & ~ERROR):
        return ()
    singles = sorted({bit for _, needs, also, _, _, _ in ROWS for bit in _bits((needs | also) & ~ALWAYS & ~held)})
    useful = [bit for bit in singles if _opens(name, bit)]
    for bit in useful:
        if allows(held | bit):
            return words(bit)
    for first in useful:
        for second in useful:
            if first < second and allows(held | first | second):
                return words(first | second)
    return ()


def _policy(arch: str, promises: int, setting: Setting, identity: Identity) -> Policy:
    return expand(promises, (arch,), setting, identity, violation=RET_KILL_PROCESS)


def _answer(policy: Policy, arch: str, nr: int, args: tuple[int, ...]) -> int:
    from troth.bpf.program import Call

    return policy.answer(Call(abi.ARCHES[arch].audit, nr, args))


def _bits(mask: int) -> list[int]:
    return [1 << position for position in range(mask.bit_length()) if mask >> position & 1]


def _opens(name: str, bit: int) -> bool:
    """Whether a promise appears in any row of the call's family."""
    from troth.families import family_of

    family = family_of(name)
    return any(row[0] == family and (row[1] | row[2]) & bit for row in ROWS)
