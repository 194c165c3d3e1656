"""Policies from rules by name, over several architectures at once.

    policy = build(
        ("x86_64", "aarch64"),
        [
            ("read", None, "allow"),
            ("openat", "flags & O_ACCMODE == O_RDONLY", "allow"),
            ("mmap", Not(Test("prot", "in", (0, 1, 3), mask=7)), "EACCES"),
            ("mmap", None, "allow"),
        ],
        default="EPERM",
    )
    program = policy.compile()

Of the rules of a call the first whose condition holds answers; `default` answers when none does.
"""

from __future__ import annotations

from troth import abi
from troth._value import Value
from troth.abi import flags
from troth.abi.seccomp import ACTIONS, RET_ERRNO
from troth.errors import RequestError, nearest
from troth.policy.expr import All, Any, Not, Within, among, compare
from troth.policy.model import Policy, Rule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Final, TypeAlias

    from troth.policy.arguments import Argument
    from troth.policy.expr import Expr

    # A raw answer, the name of an action without data, or of an errno, which each architecture numbers its way.
    Answer: TypeAlias = int | str
    Condition: TypeAlias = "Test | Within | All | Any | Not | str | None"
    Said: TypeAlias = tuple[str | int, Condition, Answer]

_ANSWERS: Final = {name: raw for raw, name in ACTIONS.items() if name not in ("errno", "trace")}


class Test(Value):
    """An argument compared as the kernel takes it; may stand wherever an expression may.

    `arg` is a name (the kernel's, or the manual page's) or 0 to 5, `op` one of `== != < <= > >=` with a number, or
    `in` or `not in` with several. `width` (32 or 64 bits) and `signed` are those of the kernel's type unless given:
    of an `int` only 32 bits are compared.
    """

    __slots__ = ("arg", "op", "value", "mask", "width", "signed")
    __test__ = False  # no test for pytest
    arg: str | int
    op: str
    value: int | tuple[int, ...]
    mask: int | None
    width: int | None
    signed: bool | None
    _defaults = {"mask": None, "width": None, "signed": None}

    def on(self, argument: Argument) -> Expr:
        """This comparison with an argument whose place and type are known.

        Raises:
            RequestError: no such comparison, or a number that the argument cannot hold.
        """
        width = argument.width if self.width is None else self.width
        signed = argument.signed if self.signed is None else self.signed
        if self.op in ("in", "not in"):
            values = self.value if isinstance(self.value, tuple) else (self.value,)
            found = among(argument.index, [_fitting(value, width) for value in values], mask=self.mask, width=width)
            return found if self.op == "in" else Not(found)
        if isinstance(self.value, tuple):
            raise RequestError(f"`{self.op}` compares with one number, not {len(self.value)}", hint="use `in`")
        return compare(argument.index, self.op, self.value, mask=self.mask, width=width, signed=signed)


def build(
    arches: Sequence[str],
    rules: Iterable[Said],
    *,
    default: Answer,
    unknown: Answer | None = None,
    bad_arch: Answer = "kill_process",
    skip_absent: bool = False,
) -> Policy:
    """Make a policy.

    `rules` are (call, condition, answer). A call is a name, or a number that is meant on every architecture. A
    condition is None, an expression, a `Test` or a combination of them, or text as `policy.callset` reads it in the
    parentheses of a call. An answer is a raw number, an action's name, or an errno's. `unknown` answers numbers
    that no rule names (unless given: `default`), `bad_arch` the calls of other architectures. With `skip_absent` a
    name that only other architectures have is passed over.

    >>> build(("x86_64",), [("kill", Test("sig", "==", 0), "allow")], default="EPERM").sections["x86_64"][62][0]
    ((Within(arg=1, ranges=((0, 0),), mask=4294967295, width=32),), 2147418112)

    Raises:
        RequestError: an architecture, call, argument, comparison or answer that does not exist; the hint has the
            nearest name.
    """
    if not arches:
        raise RequestError("a policy needs an architecture")
    said = list(rules)
    sections: dict[str, dict[int, tuple[Rule, ...]]] = {}
    for arch in arches:
        numbers = _numbers(arch)
        listed: dict[int, list[Rule]] = {}
        for call, condition, answer in said:
            nr = _number(call, arch, numbers, skip_absent=skip_absent)
            if nr is not None:
                listed.setdefault(nr, []).append(Rule((_resolved(condition, arch, nr, call),), _raw(answer, arch)))
        last = Rule((), _raw(default, arch))
        sections[arch] = {nr: (*found, last) for nr, found in listed.items()}
    unlisted = {arch: _raw(default if unknown is None else unknown, arch) for arch in arches}
    first = unlisted[arches[0]]
    gaps = {arch: ((0, 0xFFFFFFFF, answer),) for arch, answer in unlisted.items() if answer != first}
    return Policy(
        {arch: {nr: _ended(found) for nr, found in calls.items()} for arch, calls in sections.items()},
        first,
        _raw(bad_arch, arches[0]),
        gaps,
    )


def _ended(rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """The rules up to the one that always applies."""
    for index, (conds, answer) in enumerate(rules):
        if all(cond == All(()) for cond in conds):
            return (*rules[:index], Rule((), answer))
    return rules


def _numbers(arch: str) -> dict[str, int]:
    from troth.abi import others

    try:
        return others.numbers(arch)
    except KeyError:
        raise RequestError(f"unknown architecture `{arch}`", hint=_hint(arch, [*abi.ARCHES, *others.ARCHES])) from None


def _number(call: str | int, arch: str, numbers: dict[str, int], *, skip_absent: bool) -> int | None:
    if isinstance(call, int):
        if not 0 <= call <= 0xFFFFFFFF:
            raise RequestError(f"{call} is not the number of a call: they have 32 bits")
        return call
    nr = numbers.get(call)
    if nr is None:
        elsewhere = [other for other in abi.ARCHES if call in abi.numbers(other)]
        if not elsewhere:
            raise RequestError(f"unknown call `{call}`", hint=_hint(call, list(numbers)))
        if not skip_absent:
            raise RequestError(f"{arch} has no call `{call}`", hint="it is one of " + ", ".join(elsewhere))
    return nr


def _resolved(condition: Condition, arch: str, nr: int, call: str | int) -> Expr:
    """A condition with every argument's place and type."""
    if condition is None:
        return All(())
    if isinstance(condition, str):
        from troth.policy import callset

        return callset.parse(f"{call}({condition})", arch).condition(nr)
    if isinstance(condition, Test):
        return condition.on(_argument(condition.arg, arch, nr, call))
    if isinstance(condition, Not):
        return Not(_resolved(condition.term, arch, nr, call))  # type: ignore[arg-type]  # plain conditions resolve too
    if isinstance(condition, All | Any):
        terms = tuple(_resolved(term, arch, nr, call) for term in condition.terms)  # type: ignore[arg-type]
        return type(condition)(terms)
    return condition


def _argument(arg: str | int, arch: str, nr: int, call: str | int) -> Argument:
    from troth.policy.arguments import Argument, arguments, named

    if arch in abi.ARCHES:
        known = arguments(arch, nr)
    else:  # what types arguments have there is not known: they are as wide as a register
        known = tuple(Argument(index, f"arg{index}", abi.arch(arch).bits, False) for index in range(6))
    if isinstance(arg, int):
        if not 0 <= arg <= 5:
            raise RequestError(f"argument {arg}: a system call has the arguments 0 to 5")
        return known[arg]
    found = named(known, arg)
    if found is None:
        names = [argument.name for argument in known]
        raise RequestError(f"`{call}` has no argument `{arg}` on {arch}", hint=_hint(arg, names))
    return found


def _fitting(value: int, width: int) -> int:
    if not -(1 << (width - 1)) <= value < 1 << width:
        raise RequestError(f"{value:#x} does not fit in {width} bits")
    return value


def _raw(answer: Answer, arch: str) -> int:
    """The 32 bits of an answer."""
    if isinstance(answer, int):
        if not 0 <= answer <= 0xFFFFFFFF:
            raise RequestError(f"{answer:#x} is not an answer: they have 32 bits")
        return answer
    found = _ANSWERS.get(answer)
    if found is not None:
        return found
    if arch not in abi.ARCHES and arch.startswith("parisc"):
        raise RequestError(f"the number of `{answer}` on {arch} is not known here", hint="give the raw answer")
    family = arch if arch in abi.ARCHES else "mips64el" if arch.startswith("mips") else "x86_64"  # the generic numbers
    known = flags.names("E", family)
    if answer not in known:
        raise RequestError(f"unknown answer `{answer}`", hint=_hint(answer, [*_ANSWERS, *known]))
    return RET_ERRNO | known[answer]


def _hint(name: str, known: list[str]) -> str:
    some = ", ".join(sorted(known)[:12])
    return nearest(name, known, "name") or f"known are {some}" + (" ..." if len(known) > 12 else "")
