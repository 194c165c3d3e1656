"""Conditions of a call, from their syntax tree to an expression over arguments.

Width and sign are those of the kernel's type unless a piece says otherwise: `u64(flags)` takes all 64 bits.
"""

from __future__ import annotations

import ast

from troth import abi
from troth.abi import flags
from troth.errors import nearest
from troth.policy._syntax import shown, unmarked
from troth.policy.arguments import named, sayable
from troth.policy.expr import ALWAYS, NEVER, All, Any, Not, Within, compare, complement

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Final

    from troth.errors import ParseError
    from troth.policy._syntax import Source
    from troth.policy.arguments import Argument
    from troth.policy.expr import Expr

# What an argument may be taken as: bits, signed.
CASTS: Final = {"i32": (32, True), "u32": (32, False), "i64": (64, True), "u64": (64, False)}

_OPS: Final = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
}  # fmt: skip
_MIRRORED: Final = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_TRUTHS: Final[dict[str, Expr]] = {"always": ALWAYS, "never": NEVER}
_BITS: Final = 64  # the longest number that an argument can be


class Operand:
    """An argument as one side of a comparison: cast and masked; or, with `known`, a number that it always is."""

    __slots__ = ("arg", "width", "signed", "mask", "known")

    def __init__(self, arg: int, width: int, signed: bool, mask: int | None = None, known: int | None = None) -> None:
        self.arg = arg
        self.width = width
        self.signed = signed
        self.mask = mask
        self.known = known


class Conditions:
    """Reads the conditions of one call on one architecture.

    `known` are its arguments; `roles` replaces them when the call was named by its family: role -> operand.
    """

    def __init__(
        self,
        source: Source,
        arch: str,
        call: str,
        known: tuple[Argument, ...],
        roles: dict[str, Operand] | None = None,
    ) -> None:
        self.source = source
        self.arch = arch
        self.call = call
        self.known = known
        self.roles = roles

    def read(self, node: ast.expr) -> Expr:
        """The expression that a piece of the tree stands for.

        Raises:
            ParseError: it has no meaning.
        """
        match node:
            case ast.BoolOp(op=ast.And(), values=values):
                return conjunction(self.read(value) for value in values)
            case ast.BoolOp(values=values):
                return disjunction(self.read(value) for value in values)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return negation(self.read(operand))
            case ast.Compare(left=left, ops=ops, comparators=comparators):
                sides = [left, *comparators]
                return conjunction(self._compared(sides[i], op, sides[i + 1]) for i, op in enumerate(ops))
            case ast.Name(id=name) if name in _TRUTHS:
                return _TRUTHS[name]
        subject = self._operand(node)
        if subject is None:
            raise self.error(node, f"`{self.source.piece(node)}` is a number, not a condition")
        return self._meets(node, subject, "!=", 0)

    def value(self, node: ast.expr) -> int:
        """A number, constant, or sum of them.

        Raises:
            ParseError: it is none, or names a constant that is not known.
        """
        match node:
            case ast.Constant(value=int(number)) if not isinstance(number, bool):
                return number
            case ast.Name(id=name):
                try:
                    return self._constant(name)
                except KeyError:
                    raise self._no_constant(node, name) from None
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self.value(operand)
            case ast.UnaryOp(op=ast.Invert(), operand=operand):
                return ~self.value(operand)
            case ast.BinOp(left=left, op=op, right=right):
                return self._computed(node, self.value(left), op, self.value(right))
        raise self.error(node, f"`{self.source.piece(node)}` is not a number or a constant")

    def equals(self, node: ast.expr, operand: Operand) -> Expr:
        """The condition that an argument has this value."""
        return self._meets(node, operand, "==", self.value(node))

    def operand_of(self, argument: Argument) -> Operand:
        """An argument as the kernel takes it."""
        return Operand(argument.index, argument.width, argument.signed)

    def by_name(self, node: ast.AST, name: str) -> Operand:
        """The argument, or role of a family, of this name.

        Raises:
            ParseError: there is none.
        """
        found = self._lookup(name)
        if found is None:
            raise self._no_argument(node, name)
        return found

    def error(self, node: ast.AST, problem: str, *, hint: str = "") -> ParseError:
        return self.source.error(node, problem, hint=hint)

    def speaks_of_arguments(self, node: ast.expr) -> bool:
        """Whether a piece is a condition, rather than the value of the argument in its place."""
        if isinstance(node, ast.BoolOp | ast.Compare) or (
            isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
        ):
            return True
        return any(
            isinstance(piece, ast.Name) and (piece.id in _TRUTHS or piece.id in CASTS or self._is_argument(piece.id))
            for piece in ast.walk(node)
        )

    def _is_argument(self, name: str) -> bool:
        return self._lookup(name) is not None

    def _lookup(self, name: str) -> Operand | None:
        name = unmarked(name)
        if self.roles is not None:
            return self.roles.get(name)
        found = named(self.known, name)
        return None if found is None else self.operand_of(found)

    def _operand(self, node: ast.expr) -> Operand | None:
        """A piece as an operand; None for one that no argument is in."""
        match node:
            case ast.Name(id=name):
                found = self._lookup(name)
                if found is None and not self._is_constant(name):
                    raise self._no_argument(node, name)
                return found
            case ast.Call(func=ast.Name(id=cast), args=[inner], keywords=[]) if cast in CASTS:
                operand = self._operand(inner)
                if operand is None:
                    raise self.error(node, f"`{cast}()` takes an argument of the call")
                width, signed = CASTS[cast]
                return Operand(operand.arg, width, signed, operand.mask, operand.known)
            case ast.Call():
                raise self.error(node, f"`{self.source.piece(node.func)}` is not one of {' '.join(CASTS)}")
            case ast.BinOp(left=left, op=ast.BitAnd(), right=right):
                masked, other = self._operand(left), right
                if masked is None:
                    masked, other = self._operand(right), left
                if masked is None:
                    return None
                mask = self.value(other)
                if not -(1 << masked.width) <= mask < 1 << masked.width:  # ~0x80000000 is below -(1 << 31)
                    raise self.error(other, f"mask {shown(mask)} does not fit in {masked.width} bits")
                mask %= 1 << masked.width
                before = mask if masked.mask is None else masked.mask
                return Operand(masked.arg, masked.width, masked.signed, mask & before, masked.known)
            case ast.BinOp() | ast.UnaryOp() if self._mentions(node):
                raise self.error(
                    node, "an argument can be masked (`&`) and compared, nothing else", hint="compute on the other side"
                )
            case ast.Constant() | ast.BinOp() | ast.UnaryOp():
                self.value(node)
                return None
        raise self.error(node, f"`{self.source.piece(node)}` is neither an argument nor a number")

    def _mentions(self, node: ast.expr) -> bool:
        return any(isinstance(piece, ast.Name) and self._is_argument(piece.id) for piece in ast.walk(node))

    def _compared(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> Expr:
        if isinstance(op, ast.In | ast.NotIn):
            return self._in(left, right, negate=isinstance(op, ast.NotIn))
        if type(op) not in _OPS:
            raise self.error(left, "`is` compares nothing here", hint="write `==` or `!=`")
        sign = _OPS[type(op)]
        first, second = self._operand(left), self._operand(right)
        if first is not None and second is not None:
            raise self.error(right, "two arguments cannot be compared with one another")
        if first is not None:
            return self._meets(right, first, sign, self.value(right))
        if second is not None:
            return self._meets(left, second, _MIRRORED[sign], self.value(left))
        raise self.error(left, f"no argument of {self.call} is compared")

    def _in(self, left: ast.expr, right: ast.expr, *, negate: bool) -> Expr:
        operand = self._operand(left)
        if operand is None:
            raise self.error(left, f"`{self.source.piece(left)}` is not an argument of {self.call}")
        members = right.elts if isinstance(right, ast.Set | ast.Tuple | ast.List) else [right]
        found = disjunction(self._meets(member, operand, "==", self.value(member)) for member in members)
        return negation(found) if negate else found

    def _meets(self, node: ast.AST, operand: Operand, op: str, value: int) -> Expr:
        """The condition that an operand compares so with a number."""
        width, signed = operand.width, operand.signed
        size = 1 << width
        if not -(size >> 1) <= value < size:
            raise self.error(
                node, f"{shown(value)} does not fit in the {width} bits of the argument", hint=_wider(width)
            )
        if op not in ("==", "!="):
            if value < 0 and not signed:
                raise self.error(
                    node, f"the argument is unsigned, and {value} is negative", hint="`i32(…)` takes it as signed"
                )
            if value >= size >> 1 and signed:
                raise self.error(
                    node,
                    f"the argument is signed, and {shown(value)} is above its numbers",
                    hint="`u32(…)` takes it as unsigned",
                )
        elif operand.mask is not None and value % size & ~operand.mask:
            raise self.error(node, f"{value:#x} has bits outside of the mask {operand.mask:#x}: they are never equal")
        if operand.known is not None:
            test = compare(0, op, value, mask=operand.mask, width=width, signed=signed)
            return ALWAYS if test.holds((operand.known,)) else NEVER
        found = compare(operand.arg, op, value, mask=operand.mask, width=width, signed=signed)
        if not found.ranges:
            kind = "signed" if signed else "unsigned"
            raise self.error(
                node, f"no {kind} number is {op} {value}", hint="`i32(…)` or `u32(…)` takes it the other way"
            )
        return found

    def _computed(self, node: ast.expr, left: int, op: ast.operator, right: int) -> int:
        match op:
            case ast.BitOr():
                found = left | right
            case ast.BitAnd():
                found = left & right
            case ast.BitXor():
                found = left ^ right
            case ast.Add():
                found = left + right
            case ast.Sub():
                found = left - right
            case ast.LShift() if 0 <= right < _BITS:
                found = left << right
            case ast.RShift() if 0 <= right < _BITS:
                found = left >> right
            case _:
                raise self.error(node, f"`{self.source.piece(node)}` cannot be computed")
        if found.bit_length() > 2 * _BITS:
            raise self.error(node, f"`{self.source.piece(node)}` does not fit in 64 bits")
        return found

    def _constant(self, name: str) -> int:
        # Of an architecture whose headers are not at hand there are no constants.
        return flags.value(name, self.arch if self.arch in abi.ARCHES else "")

    def _is_constant(self, name: str) -> bool:
        try:
            self._constant(name)
        except KeyError:
            return False
        return True

    def _no_argument(self, node: ast.AST, name: str) -> ParseError:
        if name.isupper():
            return self._no_constant(node, name)
        names = list(self.roles) if self.roles is not None else sayable(self.known)
        kind = "role" if self.roles is not None else "argument"
        own = ", ".join(name for name in names[:6]) or "none"
        hint = nearest(name, names, "name") or f"it has {own}"
        return self.error(node, f"{self.call} has no {kind} `{unmarked(name)}`", hint=hint)

    def _no_constant(self, node: ast.AST, name: str) -> ParseError:
        if self._is_argument(name):
            return self.error(node, f"`{unmarked(name)}` is an argument, where a number belongs")
        near = flags.names(name[:2], self.arch) if len(name) > 1 and self.arch in abi.ARCHES else {}
        return self.error(node, f"unknown constant `{unmarked(name)}` on {self.arch}", hint=nearest(name, near, "name"))


def _wider(width: int) -> str:
    return "the kernel reads no more of it; `u64(…)` compares all 64" if width == 32 else ""


def conjunction(terms: Iterable[Expr]) -> Expr:
    """All of the terms, as small as can be told at a glance."""
    found: list[Expr] = []
    for term in terms:
        found += term.terms if isinstance(term, All) else (term,)
    if NEVER in found:
        return NEVER
    found = _joined(found, _both)
    return found[0] if len(found) == 1 else All(tuple(dict.fromkeys(found)))


def disjunction(terms: Iterable[Expr]) -> Expr:
    """Any of the terms; comparisons of one operand become one."""
    found: list[Expr] = []
    for term in terms:
        found += term.terms if isinstance(term, Any) else (term,)
    if ALWAYS in found:
        return ALWAYS
    found = _joined(found, lambda one, other: (*one.ranges, *other.ranges))
    return found[0] if len(found) == 1 else Any(tuple(dict.fromkeys(found)))


def _joined(terms: list[Expr], join: Callable[[Within, Within], Iterable[tuple[int, int]]]) -> list[Expr]:
    """The terms, those on one operand made one."""
    found: dict[object, Expr] = {}
    for term in terms:
        key = (term.arg, term.mask, term.width) if isinstance(term, Within) else term
        earlier = found.get(key)
        if isinstance(term, Within) and isinstance(earlier, Within):
            term = term.replace(ranges=tuple(join(earlier, term)))
        found[key] = term
    return list(found.values())


def _both(one: Within, other: Within) -> Iterable[tuple[int, int]]:
    for first, last in one.ranges:
        for first_, last_ in other.ranges:
            if max(first, first_) <= min(last, last_):
                yield max(first, first_), min(last, last_)


def negation(term: Expr) -> Expr:
    """The opposite of a term."""
    if isinstance(term, Not):
        return term.term
    if isinstance(term, Within):
        return term.replace(ranges=complement(term.ranges, (1 << term.width) - 1))
    if term == ALWAYS:
        return NEVER
    if term == NEVER:
        return ALWAYS
    return Not(term)
