"""A troth policy as rules for a libseccomp-like library, as far as such a library can say it.

What it cannot say: conditions that exclude a masked value, a different answer for numbers that nobody
knows, answers that depend on arguments when others of the same call are allowed. Those are left out,
which makes the peer's work smaller, not larger.
"""

from __future__ import annotations

from itertools import product

from troth import abi
from troth.abi.seccomp import RET_ALLOW, RET_ERRNO
from troth.policy import Cond, Policy

_LOW = 0xFFFFFFFF

Test = tuple[int, int, int]  # argument, mask, value: argument & mask == value
Said = tuple[int, str, int, tuple[Test, ...]]  # number, name, errno (0 allows), tests


def _alternatives(cond: Cond) -> list[Test] | None:
    """The masked comparisons of which one has to hold; None when there are none that say it."""
    argument, mask, values, negate, wide = cond
    if negate:
        return None
    return [(argument, mask if wide else mask & _LOW, value) for value in values]


def joined_tests(tests: tuple[Test, ...]) -> tuple[Test, ...] | None:
    """One comparison an argument, which is all that a rule may have; None when it can never hold."""
    joined: dict[int, tuple[int, int]] = {}
    for argument, mask, value in tests:
        other_mask, other = joined.get(argument, (0, 0))
        if value & other_mask != other & mask:
            return None
        joined[argument] = (mask | other_mask, value | other)
    return tuple((argument, mask, value) for argument, (mask, value) in sorted(joined.items()))


def rules(policy: Policy, arch: str) -> tuple[list[Said], int]:
    """The rules for one architecture, and how many of the policy's could not be said."""
    names = abi.names(arch)
    said: list[Said] = []
    unsaid = 0
    for nr, answers in policy.sections[arch].items():
        for conds, answer in answers:
            errno = answer & 0xFFFF if answer & ~0xFFFF == RET_ERRNO else 0
            if not conds:
                if len(answers) == 1 and (errno or answer == RET_ALLOW):
                    said.append((nr, names[nr], errno, ()))
                continue
            choices = [_alternatives(cond) if isinstance(cond, tuple) else None for cond in conds]
            if answer != RET_ALLOW or any(choice is None for choice in choices):
                unsaid += 1
                continue
            for tests in product(*(choice for choice in choices if choice is not None)):
                joined = joined_tests(tests)
                if joined is not None:
                    said.append((nr, names[nr], 0, joined))
    return said, unsaid
