"""What a filter does, architecture by architecture: the calls that are not answered like everything else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from troth import abi
from troth._value import Value
from troth.abi import others
from troth.bpf.stack import strictness
from troth.bpf.symbolic import Space
from troth.cli.wording import NUMBERS, answer, condition, is_known
from troth.families._table import FAMILIES
from troth.policy.expr import All
from troth.policy.lift import sections
from troth.policy.model import Rule
from troth.proof.question import functions

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from troth.bpf import Program
    from troth.policy import Policy
    from troth.policy.lift import Cell, Section

_LAST = 0xFFFFFFFF
_NEAR = 0xFFFF


class Entry(Value):
    """A call and its rules; `family` is empty for one that is in none."""

    __slots__ = ("nr", "name", "family", "rules")
    nr: int
    name: str
    family: str
    rules: tuple[Rule, ...]


class View(Value):
    """One architecture: what differs from `default`, the rules of everything else.

    `arch` is a name, an AUDIT_ARCH value in hexadecimal, or empty for every one that has no view of its own. `entries`
    are calls with names, `spans` numbers without (first, last, rules).
    """

    __slots__ = ("arch", "default", "entries", "spans")
    arch: str
    default: tuple[Rule, ...]
    entries: tuple[Entry, ...]
    spans: tuple[tuple[int, int, tuple[Rule, ...]], ...]


def views(meaning: Program | Sequence[Program] | Policy, *, big_endian: bool) -> list[View]:
    """Take a filter apart.

    Raises:
        NotLiftableError: the filter sorts calls in more ways than are worth reading.
        TooLargeError: the filter is too intricate to be taken apart.
    """
    space = Space(big_endian=big_endian)
    found: list[View] = []
    for section in sections(space, functions(space, (meaning,))[0]):
        found += _views(section)
    return found


def _views(section: Section) -> Iterable[View]:
    if not section.audits:
        yield _view("", section.cells, ((0, _LAST),))
    for audit in section.audits:
        arch = others.name_of(audit)
        if arch != "x86_64":
            yield _view(arch, section.cells, ((0, _LAST),))
            continue
        for name, numbers in NUMBERS.items():
            yield _view(name, section.cells, numbers)


def _view(arch: str, cells: Iterable[Cell], within: tuple[tuple[int, int], ...]) -> View:
    parts = [
        (max(cell.first, low), min(cell.last, high), cell.rules)
        for cell in cells
        for low, high in within
        if max(cell.first, low) <= min(cell.last, high)
    ]
    # What most numbers are answered that a call may get one day: they lie close to those that there are.
    base = min(low for low, _ in within)
    sizes: dict[tuple[Rule, ...], int] = {}
    for first, last, rules in parts:
        near = max(0, min(last, base + _NEAR) - first + 1) << 32
        sizes[rules] = sizes.get(rules, 0) + near + last - first + 1
    default = max(sizes, key=lambda rules: sizes[rules])
    names = others.names(arch) if is_known(arch) else {}
    entries, spans = [], []
    for first, last, rules in parts:
        if rules == default:
            continue
        named = [nr for nr in names if first <= nr <= last]
        entries += [Entry(nr, names[nr], _family(names[nr]), rules) for nr in named]
        following = first
        for nr in [*sorted(named), last + 1]:
            if following < nr:
                spans.append((following, nr - 1, rules))
            following = nr + 1
    entries.sort(key=lambda entry: (_ORDER.get(entry.family, len(_ORDER)), entry.nr))
    return View(arch, default, tuple(entries), tuple(sorted(spans)))


_ORDER = {name: place for place, (name, _, _) in enumerate(FAMILIES)}
_FAMILY = {
    call: name
    for name, _, members in FAMILIES
    for member in members
    for call in (member.split() if isinstance(member, str) else member[:1])
}


def _family(name: str) -> str:
    return _FAMILY.get(name, "")


def rule_words(rules: tuple[Rule, ...], arch: str, nr: int) -> list[tuple[str, str]]:
    """Rules as (answer, condition); the last condition is empty."""
    return [(answer(rule.answer, arch), condition(All(rule.conds), arch, nr) if rule.conds else "") for rule in rules]


def as_data(view: View) -> dict[str, object]:
    """A view as plain data."""

    def rules(some: tuple[Rule, ...], nr: int) -> list[dict[str, object]]:
        told = rule_words(some, view.arch, nr)
        return [
            {"answer": word, "raw": rule.answer, **({"if": text} if text else {})}
            for rule, (word, text) in zip(some, told, strict=True)
        ]

    return {
        "arch": view.arch or "other",
        "default": rules(view.default, _LAST),
        "calls": [
            {"nr": entry.nr, "name": entry.name, "family": entry.family, "rules": rules(entry.rules, entry.nr)}
            for entry in view.entries
        ],
        "numbers": [{"first": first, "last": last, "rules": rules(some, _LAST)} for first, last, some in view.spans],
    }


def by_leniency(raw: int) -> tuple[int, int]:
    """A key that sorts answers: those that let the call happen first."""
    return (-strictness(raw), raw)


def known_arches() -> tuple[str, ...]:
    """The architectures that a view can be of."""
    return (*abi.ARCHES, *others.ARCHES)
