"""Pseudo filter code: a filter as text for people, in the form of libseccomp's `export_pfc`.

What it says is what the program does; in which order the program asks is the compiler's.
"""

from __future__ import annotations

from troth.abi.seccomp import (
    ACTION_MASK,
    RET_ALLOW,
    RET_ERRNO,
    RET_KILL_PROCESS,
    RET_KILL_THREAD,
    RET_LOG,
    RET_TRACE,
    RET_TRAP,
)
from troth.compat import _names
from troth.compat._database import EQ, GE, GT, LE, LT, MASKED_EQ, NE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Final

    from troth.compat._arches import Arch
    from troth.compat._database import Comparison, Database, Rule

_ACTIONS: Final = {
    RET_KILL_PROCESS: "KILL_PROCESS",
    RET_KILL_THREAD: "KILL",
    RET_TRAP: "TRAP",
    RET_ERRNO: "ERRNO({})",
    RET_TRACE: "TRACE({})",
    RET_LOG: "LOG",
    RET_ALLOW: "ALLOW",
}
_LEAF: Final = 4  # system calls below the last branch of a tree
_LOW: Final = 0xFFFFFFFF

# Only ==, > and >= are written: the others are the branch in which one of these fails.
_PLAIN: Final = {
    EQ: ("==", True),
    NE: ("==", False),
    GT: (">", True),
    LE: (">", False),
    GE: (">=", True),
    LT: (">=", False),
}


def text(database: Database, bad_arch: int, *, tree: bool) -> str:
    """The whole filter; `tree` puts the calls in order of their numbers, below branches."""
    lines = ["#", "# pseudo filter code start", "#"]
    for arch in database.arches:
        lines += _arch(database, arch, tree=tree)
    lines += ["# invalid architecture action", _action(bad_arch), "#", "# pseudo filter code end", "#", ""]
    return "\n".join(lines)


def priority(arch: Arch, rules: tuple[Rule, ...], given: int) -> int:
    """What a call is sorted by: the priority that it was given, then how few comparisons it needs."""
    nodes = sum(_nodes(arch, comparison) for rule in rules for comparison in rule.comparisons)
    return given << 16 | max(0xFFFF - nodes, 0)


def _nodes(arch: Arch, comparison: Comparison) -> int:
    """How many comparisons of 32 bits one comparison takes."""
    if arch.bits == 32:
        return 1
    return 2 if comparison.op in (EQ, NE, MASKED_EQ) else 3


def _arch(database: Database, arch: Arch, *, tree: bool) -> Iterator[str]:
    yield f"# filter for arch {arch.name} ({arch.audit})"
    yield f"if ($arch == {arch.audit})"
    calls, given = database.calls[arch.token], database.priorities[arch.token]
    ranks = {nr: priority(arch, rules, given.get(nr, 0)) for nr, rules in calls.items()}
    if tree:
        order = sorted(calls, reverse=True)
        size = _LEAF
        while size < len(order):
            size *= 2
        yield from _tree(database, arch, ranks, order, size, 1)
    else:
        for nr in sorted(calls, key=lambda nr: (ranks[nr], nr), reverse=True):
            yield from _call(arch, nr, calls[nr], ranks[nr], 1)
    yield "  # default action"
    yield "  " + _action(database.default)


def _tree(
    database: Database, arch: Arch, ranks: dict[int, int], order: list[int], size: int, depth: int
) -> Iterator[str]:
    """Calls from the highest number down, halved until few are left."""
    half = size // 2
    if size <= _LEAF:
        for nr in order:
            yield from _call(arch, nr, database.calls[arch.token][nr], ranks[nr], depth)
    elif len(order) <= half:
        yield from _tree(database, arch, ranks, order, half, depth)
    else:
        yield "  " * depth + f"if ($syscall > {order[half]})"
        yield from _tree(database, arch, ranks, order[:half], half, depth + 1)
        yield "  " * depth + f"else # ($syscall <= {order[half]})"
        yield from _tree(database, arch, ranks, order[half:], half, depth + 1)


def _call(arch: Arch, nr: int, rules: tuple[Rule, ...], rank: int, depth: int) -> Iterator[str]:
    name = _names.name_of(arch, nr) or "UNKNOWN"
    yield "  " * depth + f'# filter for syscall "{name}" ({nr}) [priority: {rank}]'
    yield "  " * depth + f"if ($syscall == {nr})"
    for rule in rules:
        yield from _chain(arch, rule.comparisons, rule.action, depth + 1)


def _chain(arch: Arch, comparisons: tuple[Comparison, ...], action: int, depth: int) -> Iterator[str]:
    """Comparisons, each inside the one before, and the action inside the last."""
    indent = "  " * depth
    if not comparisons:
        yield indent + _action(action)
        return
    first = comparisons[0]
    low, high = f"$a{first.arg}.lo32", f"$a{first.arg}.hi32"
    low_mask, low_datum = first.mask & _LOW, first.datum & _LOW
    high_mask, high_datum = first.mask >> 32, first.datum >> 32
    holds = list(_chain(arch, comparisons[1:], action, 0))

    def inner(at: int) -> Iterator[str]:
        yield from ("  " * at + line for line in holds)

    if arch.bits == 32:
        yield from _test(f"$a{first.arg}", first.op, first.mask, first.datum, depth, inner)
        return

    def lower(at: int) -> Iterator[str]:
        yield from _test(low, first.op, low_mask, low_datum, at, inner)

    if first.op in (EQ, MASKED_EQ):
        yield from _test(high, first.op, high_mask, high_datum, depth, lower)
    elif first.op == NE:
        yield f"{indent}if ({high} == {high_datum})"
        yield from lower(depth + 1)
        yield f"{indent}else"
        yield from inner(depth + 1)
    else:
        greater = first.op in (GT, GE)
        yield f"{indent}if ({high} > {high_datum})"
        if greater:
            yield from inner(depth + 1)
        yield f"{indent}else"
        yield f"{indent}  if ({high} == {high_datum})"
        yield from lower(depth + 2)
        if not greater:
            yield f"{indent}  else"
            yield from inner(depth + 2)


def _test(word: str, op: int, mask: int, datum: int, depth: int, then: Callable[[int], Iterator[str]]) -> Iterator[str]:
    """One comparison of 32 bits and what follows when it holds."""
    indent = "  " * depth
    if op == MASKED_EQ:
        sign, when = f"& {mask:#010x} ==", True
    else:
        sign, when = _PLAIN[op]
    yield f"{indent}if ({word} {sign} {datum})"
    if not when:
        yield f"{indent}else"
    yield from then(depth + 1)


def _action(action: int) -> str:
    name = _ACTIONS.get(action & ACTION_MASK)
    return f"action {name.format(action & 0xFFFF)};" if name else f"action {action:#x};"
