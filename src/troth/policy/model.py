"""What a policy is, and what it means: `Policy.answer` is the reference for every compiler."""

from __future__ import annotations

from troth import abi
from troth._value import Value
from troth.abi.seccomp import RET_ALLOW, RET_ERRNO
from troth.bpf.program import Program
from troth.errors import RequestError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final

    from troth.bpf.program import Call
    from troth.policy.expr import Expr

_LOW: Final = 0xFFFFFFFF

_REMEMBERED: Final = 16  # programs; an unbounded memo would keep every policy of a long-lived process
_compiled: Final[dict[object, Program]] = {}


def errno_answer(number: int) -> int:
    """The answer that makes a call fail with this errno without being executed."""
    return RET_ERRNO | number


class Cond(tuple[int, int, tuple[int, ...], bool, bool]):
    """One argument, masked, is in a set of values (or, `negate`, in none of it).

    An argument is compared in 32 bits, because the kernel's type of it is an `int` and whatever
    the upper half holds is ignored there too; `wide` compares all 64 (pointers, longs). A tuple, since
    generated tables hold hundreds of them as constants.

    >>> Cond(arg=1, mask=0o3, values=(0,)).holds((0, 0o100002))
    False
    """

    __slots__ = ()

    def __new__(cls, arg: int, mask: int, values: tuple[int, ...], negate: bool = False, wide: bool = False) -> Cond:
        return tuple.__new__(cls, (arg, mask, values, negate, wide))

    def __reduce__(self) -> tuple[object, ...]:
        return (Cond, tuple(self))

    arg: int = property(lambda self: self[0])  # type: ignore[assignment]  # a field of the tuple
    mask: int = property(lambda self: self[1])  # type: ignore[assignment]
    values: tuple[int, ...] = property(lambda self: self[2])  # type: ignore[assignment]
    negate: bool = property(lambda self: self[3])  # type: ignore[assignment]
    wide: bool = property(lambda self: self[4])  # type: ignore[assignment]

    def holds(self, args: tuple[int, ...]) -> bool:
        """Whether the condition is met by these arguments."""
        return holds(self, args)


def holds(cond: Expr, args: tuple[int, ...]) -> bool:
    """Whether a condition, which may be the plain tuple of a generated table, is met by these arguments."""
    if not isinstance(cond, tuple):
        return cond.holds(args)
    arg, mask, values, negate, wide = cond
    value = args[arg] if wide else args[arg] & _LOW
    return (value & mask in values) is not negate


class Rule(tuple["tuple[Expr, ...]", int]):
    """When all conditions hold, this is the answer."""

    __slots__ = ()

    def __new__(cls, conds: tuple[Expr, ...], answer: int) -> Rule:
        return tuple.__new__(cls, (conds, answer))

    def __reduce__(self) -> tuple[object, ...]:
        return (Rule, tuple(self))

    conds: tuple[Expr, ...] = property(lambda self: self[0])  # type: ignore[assignment]  # a field of the tuple
    answer: int = property(lambda self: self[1])  # type: ignore[assignment]


def simplify(rows: list[tuple[Cond, ...]]) -> list[tuple[Cond, ...]]:
    """Drop what another row covers, join rows that differ in the values of one condition.

    Sound: a row that implies every condition of another holds only when that one does; and A-and-B or
    A-and-C, where B and C test the same argument under the same mask, is A-and-(B or C).
    """
    if () in rows:
        return [()]
    if len(rows) < 2:
        return rows
    kept: list[tuple[Cond, ...]] = []
    for row in rows:
        if any(_covered(row, other) for other in kept):
            continue
        kept = [other for other in kept if not _covered(other, row)]
        kept.append(row)
    merged: list[tuple[Cond, ...]] = []
    for row in kept:
        arg, mask, values, negate, wide = row[-1]
        for index, other in enumerate(merged):
            tail = other[-1]
            if tail[:2] == (arg, mask) and tail[4] == wide and not tail[3] and not negate and other[:-1] == row[:-1]:
                joined = tuple(sorted({*tail[2], *values}))
                merged[index] = (*row[:-1], Cond(arg, mask, joined, False, wide))
                break
        else:
            merged.append(row)
    return merged


def _covered(row: tuple[Cond, ...], other: tuple[Cond, ...]) -> bool:
    """Whether `row` holds only when `other` does: each condition of `other` follows from one of `row`."""
    for cond in other:
        if cond in row:
            continue
        arg, mask, values, negate, wide = cond
        for arg_, mask_, values_, negate_, wide_ in row:
            if arg_ == arg and wide_ == wide and not negate_ and not negate:
                if mask_ == mask and set(values_).issubset(values):
                    break
                # No bit of a mask is set: then none of a part of it is.
                if values_ == values == (0,) and not mask & ~mask_:
                    break
        else:
            return False
    return True


class Policy(Value):
    """A total function from calls to answers.

    `sections` maps an architecture's name to its calls: number -> rules, of which the first that
    applies answers; the last has no conditions. `unknown` answers numbers that are not listed, except where
    `gaps` has another answer for an architecture's unlisted numbers: (first, last, answer). `bad_arch` answers
    every call of an architecture that has no section. Sections of one AUDIT_ARCH value (x86_64 and x32) are one
    table: their numbers differ, and the gaps of the first that is listed count.
    """

    __slots__ = ("sections", "unknown", "bad_arch", "gaps")
    sections: dict[str, dict[int, tuple[Rule, ...]]]
    unknown: int
    bad_arch: int
    gaps: dict[str, tuple[tuple[int, int, int], ...]]
    _defaults = {"gaps": {}}

    def answer(self, call: Call) -> int:
        """What this policy answers to a call."""
        seen = (*call.args, call.ip)
        answers = self.bad_arch
        for name, calls in reversed(self.sections.items()):
            if abi.arch(name).audit == call.arch:
                for conds, answer in calls.get(call.nr, ()):
                    if all(holds(cond, seen) for cond in conds):
                        return answer
                answers = self.unlisted(name, call.nr)
        return answers

    def unlisted(self, arch: str, nr: int) -> int:
        """What a section answers a number that it does not list."""
        for first, last, answer in self.gaps.get(arch, ()):
            if first <= nr <= last:
                return answer
        return self.unknown

    def beyond(self, older: Policy) -> Policy:
        """What this policy refuses that `older`, which stays in force, does not refuse the same way.

        Sound: the kernel runs both and takes the strictest answer, so where the two agree the newer one
        may allow. A process has room for some 32,000 instructions of filters, and this keeps later ones short.
        """
        allowed = (Rule((), RET_ALLOW),)
        sections = {}
        for name, calls in self.sections.items():
            before = older.sections.get(name)
            if before is None or self.unknown != older.unknown or self.gaps or older.gaps:
                return self
            # A number that only the older one knows is unknown here, and the other way round.
            fewer = {nr: (Rule((), self.unknown),) for nr in before if nr not in calls}
            sections[name] = {
                nr: rules for nr, rules in (calls | fewer).items() if rules not in (allowed, before.get(nr))
            }
        return Policy(sections, RET_ALLOW, self.bad_arch)

    def compile(
        self,
        arches: tuple[str, ...] | None = None,
        *,
        weights: Mapping[str, float] | None = None,
        bit_tests: bool = True,
    ) -> Program:
        """Compile to a filter for these architectures (all that the policy knows, unless given).

        `weights` says how often calls are made, by name and in any unit; those that are not named are as rare as
        the rarest named one. Unless given, troth's own record of common programs counts. What weighs most is
        decided first, after what the kernel has to run the filter for at all. Without `bit_tests` the filter has
        no `JSET`.

        What was compiled is remembered: the same policy, or an equal one, takes a look-up the next time.

        Raises:
            RequestError: the policy has no section for an architecture, or no architecture has a call of a name.
            UnsupportedError: the filter would be longer than the kernel takes.
        """
        policy = self
        if arches is not None:
            for name in arches:
                if name not in self.sections:
                    raise RequestError(f"the policy says nothing of {name}", hint="it knows " + " ".join(self.sections))
            policy = self.replace(sections={name: self.sections[name] for name in arches})
        # By value and not by identity: dictionaries inside a policy could have been changed since.
        sections = tuple([(name, tuple(calls.items())) for name, calls in policy.sections.items()])
        weighed = None if weights is None else tuple(sorted(weights.items()))
        key = (sections, policy.unknown, policy.bad_arch, tuple(policy.gaps.items()), weighed, bit_tests)
        program = _compiled.get(key)
        if program is None:
            from troth.policy.lower import lower, weights_of

            by_number = None if weights is None else weights_of(weights, policy)
            if len(_compiled) >= _REMEMBERED:
                del _compiled[next(iter(_compiled))]
            program = _compiled[key] = lower(policy, weights=by_number, bit_tests=bit_tests)
        return program
