"""From rules to a policy and to BPF."""

from __future__ import annotations

from troth import abi
from troth.abi import others
from troth.compat._arches import BY_NAME
from troth.compat._database import ranges
from troth.policy import Policy
from troth.policy import Rule as PolicyRule
from troth.policy.expr import Within

# A program may compile one filter under another that lets no file be opened: what compiling imports is here now.
__import__("troth.policy.lower")
__import__("troth.policy.emit")

TYPE_CHECKING = False
if TYPE_CHECKING:
    from troth.bpf.program import Program
    from troth.compat._arches import Arch
    from troth.compat._database import Comparison, Database, Rule

_X86_64, _X32 = BY_NAME["x86_64"], BY_NAME["x32"]


def policy(database: Database, bad_arch: int) -> Policy:
    """What a filter means, as a policy.

    x86_64 and x32 are one architecture to the kernel: without the other, each answers the other's numbers like a bad
    architecture, save -1, which no ABI has.
    """
    sections: dict[str, dict[int, tuple[PolicyRule, ...]]] = {}
    gaps: dict[str, tuple[tuple[int, int, int], ...]] = {}
    for arch in database.arches:
        calls = {nr: _rules(rules, arch, database.default) for nr, rules in database.calls[arch.token].items()}
        twin = _X32 if arch == _X86_64 else _X86_64 if arch == _X32 else arch
        if twin != arch and twin in database.arches:
            sections.setdefault(_X86_64.ours, {}).update(calls)
            continue
        sections[arch.ours] = calls
        if arch == _X86_64:
            gaps[arch.ours] = ((abi.X32_BIT, 0xFFFFFFFE, bad_arch),)
        elif arch == _X32:
            gaps[arch.ours] = ((0, abi.X32_BIT - 1, bad_arch),)
    return Policy(sections, database.default, bad_arch, gaps)


def program(database: Database, bad_arch: int, *, by_priority: bool) -> Program:
    """Compile; `by_priority` lets the calls that were given a priority be found sooner, 16 more as twice as often.

    Without JSET, which libseccomp's own simulator and disassembler of filters do not know.
    """
    weights: dict[str, float] = {}
    for arch in database.arches if by_priority else ():
        names = others.names(arch.ours)
        for nr, priority in database.priorities[arch.token].items():
            if nr in names:  # the number -1 has no name
                weights[names[nr]] = 2.0 ** (priority / 16)
    return policy(database, bad_arch).compile(weights=weights or None, bit_tests=False)


def _rules(rules: tuple[Rule, ...], arch: Arch, default: int) -> tuple[PolicyRule, ...]:
    found = [PolicyRule(tuple(_within(c, arch.bits) for c in rule.comparisons), rule.action) for rule in rules]
    return tuple(found) if found and not found[-1].conds else (*found, PolicyRule((), default))


def _within(comparison: Comparison, bits: int) -> Within:
    return Within(comparison.arg, ranges(comparison), comparison.mask, bits)
