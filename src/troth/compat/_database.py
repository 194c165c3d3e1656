"""What a filter has been told: its architectures, attributes and rules, and what adding a rule means.

What libseccomp leaves open is settled here. Of the rules of one call the first that matches answers, and:

1. a rule without comparisons answers alone: it drops the others and is not joined by later ones;
2. a rule that begins with all comparisons of an earlier one, in the order of arguments, adds nothing, and one that
   an earlier rule begins with and that answers otherwise is refused (EEXIST), as is the same rule with another answer;
3. else a rule goes before the first one with another answer that it is narrower than (whatever matches it matches
   that one), or last.
"""

from __future__ import annotations

from errno import EDOM, EEXIST, EFAULT, EINVAL, EOPNOTSUPP

from troth.abi import others
from troth.compat import _names
from troth.compat._arches import native
from troth.compat._error import LibraryError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Final

    from troth.compat._arches import Arch

    Comparisons = tuple["Comparison", ...]
    Calls = dict[int, tuple["Rule", ...]]

NE, LT, LE, EQ, GE, GT, MASKED_EQ = range(1, 8)

SKIPPED: Final = 0xFFFFFFFF  # the number -1, which a tracer gives a call that is to be skipped


class Comparison(tuple[int, int, int, int]):
    """One comparison as an architecture makes it: an argument, a sign, and numbers cut to its width.

    A tuple, since adding a rule compares it with all that are there.
    """

    __slots__ = ()

    def __new__(cls, arg: int, op: int, mask: int, datum: int) -> Comparison:
        return tuple.__new__(cls, (arg, op, mask, datum))

    arg: int = property(lambda self: self[0])  # type: ignore[assignment]  # a field of the tuple
    op: int = property(lambda self: self[1])  # type: ignore[assignment]
    mask: int = property(lambda self: self[2])  # type: ignore[assignment]
    datum: int = property(lambda self: self[3])  # type: ignore[assignment]


class Rule(tuple["tuple[Comparison, ...]", int]):
    """What is answered when all comparisons, in the order of arguments, hold."""

    __slots__ = ()

    def __new__(cls, comparisons: Comparisons, action: int) -> Rule:
        return tuple.__new__(cls, (comparisons, action))

    comparisons: Comparisons = property(lambda self: self[0])  # type: ignore[assignment]  # a field of the tuple
    action: int = property(lambda self: self[1])  # type: ignore[assignment]


def asked(args: Iterable[tuple[int, int, int, int]]) -> Comparisons:
    """The comparisons of (argument, sign, datum, second datum), checked and in order.

    Raises:
        LibraryError: EINVAL: no such argument or sign, or an argument that is compared twice.
    """
    found: dict[int, Comparison] = {}
    for arg, op, datum_a, datum_b in args:
        if arg > 5:
            raise LibraryError(EINVAL, f"argument {arg}: a system call has the arguments 0 to 5")
        if arg in found:
            raise LibraryError(EINVAL, f"argument {arg} is compared twice in one rule")
        if not NE <= op <= MASKED_EQ:
            raise LibraryError(EINVAL, f"no comparison has the number {op}")
        masked = op == MASKED_EQ
        found[arg] = Comparison(arg, op, datum_a if masked else -1, datum_b if masked else datum_a)
    return tuple(found[arg] for arg in sorted(found))


def fitted(comparisons: Comparisons, bits: int) -> Comparisons:
    """The comparisons in the width of an architecture, without those that always hold under their mask."""
    top = (1 << bits) - 1
    found = []
    for arg, op, mask, datum in ((c.arg, c.op, c.mask & top, c.datum & top) for c in comparisons):
        if mask == top and op == MASKED_EQ:
            found.append(Comparison(arg, EQ, mask, datum))
        elif mask:
            found.append(Comparison(arg, op, mask, datum & mask))
    return tuple(found)


def ranges(comparison: Comparison) -> tuple[tuple[int, int], ...]:
    """The ranges (first, last) of numbers, after masking, for which a comparison holds."""
    datum, top = comparison.datum, comparison.mask
    match comparison.op:
        case 1:  # NE
            found = [(0, datum - 1), (datum + 1, top)]
        case 2:  # LT
            found = [(0, datum - 1)]
        case 3:  # LE
            found = [(0, datum)]
        case 5:  # GE
            found = [(datum, top)]
        case 6:  # GT
            found = [(datum + 1, top)]
        case _:
            found = [(datum, datum)]
    return tuple((first, last) for first, last in found if first <= last)


def implies(one: Comparison, other: Comparison) -> bool:
    """Whether one comparison of an argument holds only when another does; False when that is not plain."""
    if one.arg != other.arg or other.mask & ~one.mask:
        return False
    if one.mask == other.mask:
        within = ranges(other)
        return all(any(low <= first and last <= high for low, high in within) for first, last in ranges(one))
    return one.op in (EQ, MASKED_EQ) and one.datum & other.mask == other.datum


def is_narrower(one: Comparisons, other: Comparisons) -> bool:
    """Whether one rule's comparisons hold only when another's do, and not the other way round."""
    return _follows(one, other) and not _follows(other, one)


def _follows(one: Comparisons, other: Comparisons) -> bool:
    """Whether each comparison of `other` follows from the one of the same argument."""
    mine = {comparison[0]: comparison for comparison in one}
    for want in other:
        have = mine.get(want[0])
        if have is None or (have != want and (have[1] == want[1] == EQ or not implies(have, want))):
            return False
    return True


def with_rule(rules: tuple[Rule, ...], rule: Rule) -> tuple[Rule, ...]:
    """The rules of a call with one more.

    Raises:
        LibraryError: EEXIST: it contradicts one that is there.
    """
    if not rule.comparisons:
        return rules if rules and not rules[0].comparisons else (rule,)
    own = rule.comparisons
    for other in rules:
        theirs = other.comparisons
        if theirs and theirs[0] != own[0]:
            continue
        if len(theirs) < len(own) and own[: len(theirs)] == theirs:
            return rules
        if theirs[: len(own)] == own:
            if other.action != rule.action:
                raise LibraryError(
                    EEXIST, f"a rule with these comparisons answers {other.action:#x}, not {rule.action:#x}"
                )
            if theirs == own:
                return rules
    for place, (theirs, action) in enumerate(rules):
        if action != rule.action and is_narrower(own, theirs):
            return (*rules[:place], rule, *rules[place:])
    return (*rules, rule)


def number_on(arch: Arch, nr: int) -> int:
    """The number of a call, given as the native one, on another architecture; negative where it is not.

    Raises:
        LibraryError: EFAULT: the native architecture has no call of that number, so nobody knows which one is meant;
            EINVAL for a negative number that stands for none.
    """
    own = native()
    name = _names.name_of(own, nr)
    if name is None and nr < 0:
        raise LibraryError(EINVAL, f"{nr} is no pseudo number of a system call")
    if arch == own:
        return nr
    if name is None:
        raise LibraryError(EFAULT, f"no system call of {own.name} has the number {nr}, so it has none on {arch.name}")
    return _names.number(arch, name)


def placed(arch: Arch, nr: int, comparisons: Comparisons, *, exactly: bool) -> list[tuple[int, Comparisons]]:
    """The numbers under which a rule is kept on an architecture, and with which comparisons.

    A call behind socketcall(2) or ipc(2) is recognised by their first argument, which takes the place of a comparison
    of the first; the other arguments are theirs, not the call's. Where the call has a number of its own too, it
    is kept under both. A call that is not there is kept under none.

    Raises:
        LibraryError: with `exactly`: EINVAL for comparisons behind another call, EDOM for a call that is not there.
    """
    if nr == -1:
        return [(SKIPPED, fitted(comparisons, arch.bits))]
    number = number_on(arch, nr)
    name = _names.name_of(arch, number)
    through = _names.multiplexer(arch, name) if name is not None else None
    found = []
    if through is not None and name is not None:
        if exactly and comparisons:
            raise LibraryError(
                EINVAL, f"`{name}` is behind another system call on {arch.name}; its arguments cannot be seen"
            )
        multiplexer, call = through
        rest = tuple(comparison for comparison in comparisons if comparison.arg)
        found.append((multiplexer, (Comparison(0, EQ, -1, call), *rest)))
        number = others.numbers(arch.ours).get(name, -1)
    elif number < 0 and exactly:
        raise LibraryError(EDOM, f"{arch.name} has no system call `{name}`")
    if number >= 0:
        found.append((number, comparisons))
    return [(number, fitted(those, arch.bits)) for number, those in found]


class Database:
    """A filter that is being written; every change either happens as a whole or raises and leaves it as it was."""

    def __init__(self, default: int) -> None:
        self.default = default
        self.arches: list[Arch] = []
        self.calls: dict[int, Calls] = {}
        self.priorities: dict[int, dict[int, int]] = {}
        self._snapshots: list[tuple[list[Arch], dict[int, Calls], dict[int, dict[int, int]]]] = []
        self.add_arch(native())

    @property
    def big_endian(self) -> bool:
        """The byte order that all architectures have."""
        return self.arches[0].big_endian

    def check(self) -> None:
        """Refuse to work without an architecture.

        Raises:
            LibraryError: EINVAL.
        """
        if not self.arches:
            raise LibraryError(EINVAL, "the filter has no architecture")

    def add_arch(self, arch: Arch) -> None:
        """Add an architecture, without rules.

        Raises:
            LibraryError: EEXIST, it is there; EDOM, those that are there have the other byte order.
        """
        self._admit(arch)
        others.names(arch.ours)  # loads its table now: the rules may be added under a filter
        self.arches.append(arch)
        self.calls[arch.token] = {}
        self.priorities[arch.token] = {}

    def _admit(self, arch: Arch) -> None:
        if arch in self.arches:
            raise LibraryError(EEXIST, f"the filter has {arch.name} already")
        if self.arches and self.big_endian != arch.big_endian:
            order = "big-endian" if self.big_endian else "little-endian"
            raise LibraryError(EDOM, f"the filter is {order}, which {arch.name} is not")

    def remove_arch(self, arch: Arch) -> None:
        """Remove an architecture and its rules.

        Raises:
            LibraryError: EEXIST, it is not there.
        """
        if arch not in self.arches:
            raise LibraryError(EEXIST, f"the filter does not have {arch.name}")
        self.arches.remove(arch)
        del self.calls[arch.token], self.priorities[arch.token]

    def add_rule(self, action: int, nr: int, comparisons: Comparisons, *, exactly: bool = False) -> None:
        """Add a rule for a call, given as its native number, on every architecture.

        Raises:
            LibraryError: see `placed`, `number_on` and `with_rule`; EOPNOTSUPP, `exactly` with several architectures.
        """
        if exactly and len(self.arches) > 1:
            raise LibraryError(EOPNOTSUPP, "an exact rule needs a filter of one architecture")
        changed: dict[int, Calls] = {}
        for arch in self.arches:
            changed[arch.token] = {}
            for number, those in placed(arch, nr, comparisons, exactly=exactly):
                there = self.calls[arch.token].get(number, ())
                changed[arch.token][number] = with_rule(there, Rule(those, action))
        for token, calls in changed.items():
            self.calls[token].update(calls)

    def set_priority(self, nr: int, priority: int) -> None:
        """Remember how much a call matters; of several priorities of one call the highest counts.

        Raises:
            LibraryError: see `number_on`.
        """
        changed = []
        for arch in self.arches:
            if nr == -1:
                changed.append((self.priorities[arch.token], SKIPPED))
                continue
            number = number_on(arch, nr)
            name = _names.name_of(arch, number)
            through = _names.multiplexer(arch, name) if name is not None else None
            if through is not None:
                number = through[0]
            if number >= 0:
                changed.append((self.priorities[arch.token], number))
        for priorities, number in changed:
            priorities[number] = max(priority, priorities.get(number, 0))

    def merge(self, other: Database) -> None:
        """Take over the architectures and rules of another filter, which keeps them.

        Raises:
            LibraryError: EDOM, the byte orders differ; EEXIST, both have an architecture.
        """
        for arch in other.arches:
            self._admit(arch)
        self.arches += other.arches
        self.calls.update(other._copy()[1])
        self.priorities.update(other._copy()[2])

    def start(self) -> None:
        """Start a transaction, in another one maybe."""
        self._snapshots.append(self._copy())

    def reject(self) -> None:
        """Go back to where the last transaction started: architectures, rules and priorities. Without one, nothing."""
        if self._snapshots:
            self.arches, self.calls, self.priorities = self._snapshots.pop()

    def commit(self) -> None:
        """End the last transaction and keep what it did. Without one, nothing."""
        if self._snapshots:
            self._snapshots.pop()

    def _copy(self) -> tuple[list[Arch], dict[int, Calls], dict[int, dict[int, int]]]:
        calls = {token: dict(calls) for token, calls in self.calls.items()}
        return [*self.arches], calls, {token: dict(found) for token, found in self.priorities.items()}

    def uses(self, action: int) -> bool:
        """Whether a rule, or the default, has this action."""
        rules = (rule for calls in self.calls.values() for those in calls.values() for rule in those)
        return self.default == action or any(rule.action == action for rule in rules)
