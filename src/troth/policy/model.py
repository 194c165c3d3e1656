"""What a policy is, and what it means: `Policy.answer` is the reference for every compiler."""

from __future__ import annotations

from troth import abi
from troth._value import Value
from troth.bpf.program import RET_ALLOW, RET_ERRNO, Program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from troth.bpf.program import Call

_LOW: Final = 0xFFFFFFFF


def errno_answer(number: int) -> int:
    """The answer that makes a call fail with this errno without being executed."""
    return RET_ERRNO | number


class Cond(Value):
    """One argument, masked, is in a set of values (or, `negate`, in none of it).

    An argument is compared in 32 bits, because the kernel's type of it is an `int` and whatever
    the upper half holds is ignored there too; `wide` compares all 64 (pointers, longs).

    >>> Cond(arg=1, mask=0o3, values=(0,)).holds((0, 0o100002))
    False
    """

    __slots__ = ("arg", "mask", "values", "negate", "wide")
    arg: int
    mask: int
    values: tuple[int, ...]
    negate: bool
    wide: bool
    _defaults = {"negate": False, "wide": False}

    def holds(self, args: tuple[int, ...]) -> bool:
        """Whether the condition is met by these arguments."""
        value = args[self.arg] if self.wide else args[self.arg] & _LOW
        return (value & self.mask in self.values) is not self.negate


class Rule(Value):
    """When all conditions hold, this is the answer."""

    __slots__ = ("conds", "answer")
    conds: tuple[Cond, ...]
    answer: int


class Policy(Value):
    """A total function from calls to answers.

    `sections` maps an architecture's name to its calls: number -> rules, of which the first that
    applies answers; the last has no conditions. `unknown` answers numbers that are not listed,
    `bad_arch` every call of an architecture that has no section.
    """

    __slots__ = ("sections", "unknown", "bad_arch")
    sections: dict[str, dict[int, tuple[Rule, ...]]]
    unknown: int
    bad_arch: int

    def answer(self, call: Call) -> int:
        """What this policy answers to a call."""
        for name, calls in self.sections.items():
            if abi.ARCHES[name].audit == call.arch:
                for rule in calls.get(call.nr, ()):
                    if all(cond.holds(call.args) for cond in rule.conds):
                        return rule.answer
                return self.unknown
        return self.bad_arch

    def beyond(self, older: Policy) -> Policy:
        """What this policy refuses that `older`, which stays in force, does not refuse the same way.

        Sound: the kernel runs both and takes the strictest answer, so where the two agree the newer one
        may allow. A process has room for some 32,000 instructions of filters, and this keeps later ones short.
        """
        allowed = (Rule((), RET_ALLOW),)
        sections = {}
        for name, calls in self.sections.items():
            before = older.sections.get(name)
            if before is None or self.unknown != older.unknown:
                return self
            # A number that only the older one knows is unknown here, and the other way round.
            fewer = {nr: (Rule((), self.unknown),) for nr in before if nr not in calls}
            sections[name] = {
                nr: rules for nr, rules in (calls | fewer).items() if rules not in (allowed, before.get(nr))
            }
        return Policy(sections, RET_ALLOW, self.bad_arch)

    def compile(self, arches: tuple[str, ...] | None = None) -> Program:
        """Compile to a filter for these architectures (all that the policy knows, unless given).

        Raises:
            KeyError: the policy has no section for one of them.
        """
        from troth.policy.lower import lower

        if arches is None:
            return lower(self)
        return lower(self.replace(sections={name: self.sections[name] for name in arches}))
