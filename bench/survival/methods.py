"""The ways to confine a program that are compared, each told only what could be known with the oldest C library.

The first kind is a filter that the program is started behind, as its owners install it: the dynamic loader runs behind
it too. The second is `troth run`, which confines at the program's entry point unless it says `--early`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import cache, partial
from typing import Any, NamedTuple

from bench.survival.profiles import DOCKER, SYSTEM_SERVICE
from troth import abi
from troth.abi.seccomp import RET_ALLOW
from troth.formats import oci
from troth.policy import Policy, Rule
from troth.policy.build import build

ARCH = "x86_64"
_ALLOWED = (Rule((), RET_ALLOW),)

# The calls that a program was seen to make, to what its filter is.
Maker = Callable[[frozenset[str]], Policy]


class Method(NamedTuple):
    """One way to confine: a filter, made by `policy`, or what troth knows, which `as_of` says ("" for all).

    `{libc}` in `as_of` is the oldest C library. `row` is the letter of the question that it answers; rows with a number
    behind the letter are its variants.
    """

    key: str
    row: str
    name: str
    about: str
    policy: Maker | None = None
    as_of: str = ""
    veiled: bool = True
    early: bool = False


def seen(calls: frozenset[str], answer: str) -> Policy:
    """Exactly the calls that were seen are allowed, and all else gets one answer."""
    return build((ARCH,), [(call, None, "allow") for call in sorted(calls)], default=answer)


def system_service(_calls: frozenset[str], answer: str) -> Policy:
    """systemd's group and nothing else, as `SystemCallFilter=` with `SystemCallArchitectures=native` has it."""
    return _system_service(answer)


@cache
def _system_service(answer: str) -> Policy:
    return seen(listed(SYSTEM_SERVICE.read_text()), answer)


def docker(_calls: frozenset[str], *, mended: bool) -> Policy:
    """Docker's default profile for the capabilities that Docker gives, as the runc of that day installs it.

    The package has the profile with one later addition; without `mended` that is taken out again.
    """
    return _docker(mended)


@cache
def _docker(mended: bool) -> Policy:
    profile = docker_profile(DOCKER.read_bytes(), mended=mended)
    return oci.load_bytes(profile, arches=(ARCH, "i386", "x32"), caps=("docker",), runtime="runc")


def docker_profile(data: bytes, *, mended: bool) -> bytes:
    """The profile as Debian mended it in December 2021, or as moby released it in March of that year.

    The difference are the rules that answer `clone3` with an errno of their own, as Debian's changelog says.
    """
    if mended:
        return data
    profile: dict[str, Any] = json.loads(data)
    rules = profile["syscalls"]
    kept = [rule for rule in rules if not (rule["names"] == ["clone3"] and "errnoRet" in rule)]
    if len(kept) == len(rules):
        raise ValueError("the profile has no rule of its own for `clone3`: it is not the one that Debian mended")
    return json.dumps({**profile, "syscalls": kept}).encode()


def listed(text: str) -> frozenset[str]:
    """The calls of a list, one a line, that x86_64 has."""
    known = abi.numbers(ARCH)
    return frozenset(line for line in text.splitlines() if line in known)


def widened(policy: Policy, calls: Iterable[str]) -> Policy:
    """A policy that allows some more calls, whatever their arguments; they are names, or numbers that have none."""
    numbers = abi.numbers(ARCH)
    more = {numbers[call] if call in numbers else int(call): _ALLOWED for call in calls}
    return policy.replace(sections={**policy.sections, ARCH: {**policy.sections[ARCH], **more}})


def width(policy: Policy) -> int:
    """How many calls a policy allows, with some arguments at least."""
    calls = policy.sections[ARCH].values()
    return sum(any(answer == RET_ALLOW for _, answer in rules) for rules in calls)


_FROZEN = "linux-5.10,{libc}"

METHODS = (
    Method("seen-kill",       "a",  "calls seen, KILL",
           "the calls that the program was seen to make; any other kills it",
           partial(seen, answer="kill_process")),
    Method("seen-eperm",      "b",  "calls seen, EPERM",
           "the same calls; any other answers EPERM",
           partial(seen, answer="EPERM")),
    Method("systemd-kill",    "c",  "@system-service, KILL",
           "`SystemCallFilter=@system-service` of systemd 247, native calls only",
           partial(system_service, answer="kill_process")),
    Method("systemd-eperm",   "c2", "@system-service, EPERM",
           "the same with `SystemCallErrorNumber=EPERM`, as systemd.exec(5) of that day recommends",
           partial(system_service, answer="EPERM")),
    Method("docker",          "d",  "Docker's profile",
           "the default profile of Docker 20.10.5 (March 2021), as runc 1.0.0-rc93 installs it",
           partial(docker, mended=False)),
    Method("docker-mended",   "d2", "Docker's profile, mended",
           "the same with the answer to `clone3` that was added later (Debian: December 2021)",
           partial(docker, mended=True)),
    Method("frozen",          "e",  "troth of that day",
           "the program's promises, with troth's tables of the oldest libc and of Linux 5.10, which had no Landlock",
           as_of=f"{_FROZEN},landlock-0", veiled=False),
    Method("frozen-landlock", "e2", "troth of that day, Landlock",
           "the same tables on a kernel with Landlock ABI 7, and the program's veil",
           as_of=f"{_FROZEN},landlock-7"),
    Method("frozen-early",    "e3", "the same, early",
           "confined before the program's loader runs, as the filters of (a) to (d) are",
           as_of=f"{_FROZEN},landlock-7", early=True),
    Method("today",           "f",  "troth today",
           "the promises and the veil, with all that troth knows"),
    Method("today-early",     "f2", "troth today, early",
           "confined before the program's loader runs",
           early=True),
)  # fmt: skip

BY_KEY = {method.key: method for method in METHODS}
