"""Sets of calls as text: `openat(flags & O_ACCMODE != O_RDONLY) or @mount`.

    set       = set or set | set and set | not set | (set) | set, set | call
    call      = NAME | NUMBER | @FAMILY | *  [ "(" item, ... ")" ]
    item      = value | _ | ... | ARGUMENT=value | condition
    condition = condition or condition | condition and condition | not condition | (condition)
              | operand < value <= operand ... | operand in {value, ...} | operand not in {...} | operand
    operand   = ARGUMENT | operand & value | i32(operand) | u32(operand) | i64(operand) | u64(operand)
    value     = NUMBER | CONSTANT | value "|" value | ~value | -value | value << value | value + value ...

The grammar and its precedence are Python's: `flags & X != Y` is `(flags & X) != Y`, and a condition that is only an
operand asks whether it is not zero. `&&`, `||` and `!` may stand for `and`, `or` and `not`. A value's place is its
argument's, `_` leaves one open; all items must hold.

ARGUMENT is the kernel's name, the manual page's, or `arg0` to `arg5` (`a0` to `a5`); `ip` is the instruction
pointer. It is compared as the kernel takes it: an `int` in 32 bits, signed. `u64(flags)` takes all 64 bits, whatever
the type. CONSTANT is the kernel's name of a number, with the architecture's own value. `*` is any call, those without
a name included, and takes `arg0` to `arg5` only; `@open` any member of a family, and takes the roles that all its
members have.
"""

from __future__ import annotations

import ast

from troth import abi
from troth._value import Value
from troth.abi.others import numbers
from troth.errors import nearest
from troth.families import resolve
from troth.policy._syntax import ANY_CALL, FAMILY, Source, shown, unmarked
from troth.policy.arguments import Argument, arguments
from troth.policy.conditions import Conditions, Operand, conjunction, disjunction, negation
from troth.policy.expr import ALWAYS, NEVER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from troth.bpf.program import Call
    from troth.families import Resolved
    from troth.policy.expr import Expr


class CallSet(Value):
    """Some calls of one architecture.

    `calls` maps a number to the condition under which its calls are in the set (`ALWAYS`: all of them), `others` is
    the condition for every number that is not listed; `text` is what was asked for.
    """

    __slots__ = ("text", "arch", "calls", "others")
    text: str
    arch: str
    calls: dict[int, Expr]
    others: Expr
    _defaults = {"others": NEVER}

    def condition(self, nr: int) -> Expr:
        """When a call with this number is in the set."""
        return self.calls.get(nr, self.others)

    def __contains__(self, call: Call) -> bool:
        """Whether a call is in the set: the reference for provers."""
        arch = abi.arch(self.arch)
        if call.arch != arch.audit or not _numbered_by(self.arch, call.nr):
            return False
        return self.condition(call.nr).holds((*call.args, call.ip))

    def __hash__(self) -> int:
        return hash((self.text, self.arch))


class PartialCall(Value):
    """A call of which some arguments may be open; `args` has None for those.

    `condition` is met by the arguments of every call that is meant: an argument that the kernel takes as an `int`
    may have anything in its upper half.
    """

    __slots__ = ("text", "arch", "nr", "args", "condition")
    text: str
    arch: str
    nr: int
    args: tuple[int | None, ...]
    condition: Expr

    def example(self) -> Call:
        """One of the calls: what is open is 0."""
        from troth.bpf.program import Call

        return Call(abi.arch(self.arch).audit, self.nr, tuple(value or 0 for value in self.args))


def parse(text: str, arch: str, *, elsewhere: bool = False) -> CallSet:
    """Read a set of calls of one architecture.

    With `elsewhere`, a name that only other architectures have stands for no call, as it does when one text is asked
    of several architectures.

    >>> found = parse("openat(flags & O_ACCMODE != O_RDONLY)", "x86_64")
    >>> found.condition(257).holds((0, 0, 1)), found.condition(257).holds((0, 0, 0x80000))
    (True, False)

    Raises:
        ParseError: the text has no meaning; `where` is the character, `hint` offers the nearest name.
        KeyError: no such architecture.
    """
    reader = _Reader(Source(text, "call set"), arch, elsewhere)
    calls, others = reader.read(reader.source.tree)
    return CallSet(text, arch, dict(sorted(calls.items())), others)


def parse_call(text: str, arch: str) -> PartialCall:
    """Read one call, with values, names, and `_` or nothing for arguments that are open.

    >>> parse_call("openat(AT_FDCWD, _, O_RDWR|O_CREAT)", "x86_64").args
    (4294967196, None, 66, None, None, None)

    Raises:
        ParseError: the text is not one call.
        KeyError: no such architecture.
    """
    source = Source(text, "call")
    reader = _Reader(source, arch, elsewhere=False)
    node: ast.expr = source.tree
    items: list[ast.expr] = []
    keywords: list[ast.keyword] = []
    if isinstance(node, ast.Call):
        items, keywords, node = node.args, node.keywords, node.func
    if not isinstance(node, ast.Name | ast.Constant) or (isinstance(node, ast.Name) and node.id.startswith(FAMILY)):
        raise source.error(
            node, "one call is asked about, by its name or number", hint="as `openat(AT_FDCWD, _, O_RDWR)`"
        )
    nr = reader.number(node)
    conditions = reader.conditions(node, nr)
    given: dict[int, ast.expr] = {}
    for index, item in enumerate(_at_most_six(source, items)):
        if not _open(item):
            given[index] = item
    for keyword in keywords:
        operand = conditions.by_name(keyword.value, keyword.arg or "")
        if operand.arg in given:
            raise source.error(keyword.value, f"argument {operand.arg} is given twice")
        if not _open(keyword.value):
            given[operand.arg] = keyword.value
    values: list[int | None] = [None] * 6
    terms = []
    for index, item in sorted(given.items()):
        argument = conditions.known[index]
        operand = conditions.operand_of(argument)
        if conditions.speaks_of_arguments(item):
            raise source.error(item, "a value or `_` belongs here, not a condition")
        terms.append(conditions.equals(item, operand))
        values[index] = conditions.value(item) % (1 << operand.width)
    return PartialCall(text, arch, nr, tuple(values), conjunction(terms))


Found = tuple[dict[int, "Expr"], "Expr"]


class _Reader:
    """Turns the tree of a call set into conditions by number."""

    def __init__(self, source: Source, arch: str, elsewhere: bool) -> None:
        self.source = source
        self.arch = arch
        self.elsewhere = elsewhere
        self.names = numbers(arch)

    def read(self, node: ast.expr) -> Found:
        match node:
            case ast.BoolOp(op=op, values=values):
                return _combined([self.read(value) for value in values], all_of=isinstance(op, ast.And))
            case ast.Tuple(elts=elements) if elements:
                return _combined([self.read(element) for element in elements], all_of=False)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                calls, others = self.read(operand)
                return {nr: negation(term) for nr, term in calls.items()}, negation(others)
            case ast.Call(func=func, args=items, keywords=keywords):
                return self._calls(func, items, keywords)
            case ast.Name() | ast.Constant():
                return self._calls(node, [], [])
        raise self.source.error(
            node, f"`{self.source.piece(node)}` is not a call", hint="conditions stand in the parentheses of a call"
        )

    def number(self, node: ast.expr) -> int:
        """The number of a call that is named, or given as a number."""
        if isinstance(node, ast.Constant) and type(node.value) is int:
            if not 0 <= node.value <= 0xFFFFFFFF:
                raise self.source.error(node, f"{shown(node.value)} is not the number of a call: they have 32 bits")
            return node.value
        if not isinstance(node, ast.Name):
            raise self.source.error(node, f"`{self.source.piece(node)}` is not the name of a call")
        name = unmarked(node.id)
        if name in self.names:
            return self.names[name]
        having = [arch for arch in abi.ARCHES if name in abi.numbers(arch)]
        if having:
            raise self.source.error(node, f"{self.arch} has no call `{name}`", hint="it is one of " + ", ".join(having))
        raise self.source.error(node, f"unknown call `{name}`", hint=nearest(name, self.names, "name"))

    def conditions(self, node: ast.expr, nr: int) -> Conditions:
        """A reader of the conditions of one call."""
        return Conditions(self.source, self.arch, self.source.piece(node), arguments(self.arch, nr))

    def _calls(self, node: ast.expr, items: list[ast.expr], keywords: list[ast.keyword]) -> Found:
        if isinstance(node, ast.Name):
            if node.id == ANY_CALL:
                return self._any(items, keywords)
            if node.id.startswith(FAMILY):
                return self._family(node, items, keywords)
            if self.elsewhere and node.id not in self.names and _known_somewhere(unmarked(node.id)):
                return {}, NEVER
        nr = self.number(node)
        return {nr: self._items(self.conditions(node, nr), items, keywords)}, NEVER

    def _any(self, items: list[ast.expr], keywords: list[ast.keyword]) -> Found:
        """Any call. Each takes its arguments as wide as the kernel takes those of that call."""
        if not items and not keywords:
            return {}, ALWAYS

        def told(known: tuple[Argument, ...]) -> Expr:
            nameless = (*(argument.replace(name=f"arg{argument.index}") for argument in known[:6]), known[6])
            return self._items(Conditions(self.source, self.arch, "`*`", nameless), items, keywords)

        seen: dict[tuple[Argument, ...], Expr] = {}
        calls: dict[int, Expr] = {}
        for nr in self.names.values():
            known = arguments(self.arch, nr)
            key = tuple(argument.replace(name="") for argument in known)
            if key not in seen:
                seen[key] = told(known)
            calls[nr] = seen[key]
        nobody = max(self.names.values()) + 1
        return calls, told(arguments(self.arch, nobody))

    def _family(self, node: ast.Name, items: list[ast.expr], keywords: list[ast.keyword]) -> Found:
        name = node.id.removeprefix(FAMILY)
        families = resolve(self.arch) if self.arch in abi.ARCHES else {}
        if name not in families:
            raise self.source.error(node, f"{self.arch} has no family `@{name}`", hint=nearest(name, families, "name"))
        calls: dict[int, Expr] = {}
        for member in families[name]:
            if not items and not keywords:
                calls[member.nr] = ALWAYS
                continue
            if member.opaque:
                raise self.source.error(
                    node,
                    f"{member.name} hides {' and '.join(member.opaque)} behind a pointer, where no filter can look",
                    hint="name the other calls of the family one by one",
                )
            known = arguments(self.arch, member.nr)
            roles = _roles(member, known)
            calls[member.nr] = self._items(
                Conditions(self.source, self.arch, f"{member.name} of @{name}", known, roles), items, keywords
            )
        return calls, NEVER

    def _items(self, conditions: Conditions, items: list[ast.expr], keywords: list[ast.keyword]) -> Expr:
        terms: list[Expr] = []
        for index, item in enumerate(_at_most_six(self.source, items)):
            if _open(item):
                continue
            if conditions.speaks_of_arguments(item):
                terms.append(conditions.read(item))
            elif conditions.roles is not None:
                conditions.read(item)  # names what is wrong with it, or else:
                raise self.source.error(item, "members of a family have their arguments in different places")
            else:
                terms.append(conditions.equals(item, conditions.operand_of(conditions.known[index])))
        for keyword in keywords:
            operand = conditions.by_name(keyword.value, keyword.arg or "**")
            if not _open(keyword.value):
                terms.append(conditions.equals(keyword.value, operand))
        return conjunction(terms)


def _at_most_six(source: Source, items: list[ast.expr]) -> list[ast.expr]:
    if len(items) > 6:
        raise source.error(items[6], "a call has six arguments at most", hint="join conditions with `and`")
    return items


def _open(node: ast.expr) -> bool:
    return (isinstance(node, ast.Constant) and node.value is ...) or (isinstance(node, ast.Name) and node.id == "_")


def _roles(member: Resolved, known: tuple[Argument, ...]) -> dict[str, Operand]:
    found = {role: Operand(index, known[index].width, known[index].signed) for role, index in member.roles.items()}
    fixed = {role: Operand(0, 32, True, known=value % (1 << 64)) for role, value in member.fixed.items()}
    # A member without the role `flags` has all flags clear.
    return {"flags": Operand(0, 32, True, known=0)} | found | fixed


def _combined(parts: list[Found], *, all_of: bool) -> Found:
    join = conjunction if all_of else disjunction
    listed = sorted({nr for calls, _ in parts for nr in calls})
    calls = {nr: join([calls.get(nr, others) for calls, others in parts]) for nr in listed}
    return calls, join([others for _, others in parts])


def _known_somewhere(name: str) -> bool:
    return any(name in abi.numbers(arch) for arch in abi.ARCHES)


def _numbered_by(arch: str, nr: int) -> bool:
    """Whether a number is of this architecture: x32's calls differ from x86_64's in one bit only."""
    found = abi.arch(arch)
    return nr & abi.twin_bit(found) == found.nr_mask_bit
