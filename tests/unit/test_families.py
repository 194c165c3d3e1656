"""The family table: complete, disjoint, and with roles where the kernel has the arguments."""

from __future__ import annotations

from collections import Counter

import pytest

from troth import abi
from troth.families import family_of, resolve
from troth.families._table import FAMILIES, SOLITARY

ARCHES = sorted(abi.ARCHES)


def names(members: tuple[object, ...]) -> list[str]:
    found: list[str] = []
    for member in members:
        found += member.split() if isinstance(member, str) else [member[0]]  # type: ignore[index]  # a member tuple
    return found


def test_a_call_stands_in_one_place_only() -> None:
    count = Counter(name for _, _, members in FAMILIES for name in names(members))
    count.update(list(SOLITARY))
    assert [name for name, times in count.items() if times > 1] == []


def test_family_names_are_unique_and_explained() -> None:
    assert [name for name, times in Counter(f[0] for f in FAMILIES).items() if times > 1] == []
    assert all(meaning.endswith(".") for _, meaning, _ in FAMILIES)
    assert all(SOLITARY.values())


@pytest.mark.parametrize("arch", ARCHES)
def test_every_system_call_of_every_architecture_is_classified(arch: str) -> None:
    known = {name for _, _, members in FAMILIES for name in names(members)} | set(SOLITARY)
    assert sorted(set(abi.numbers(arch)) - known) == []


def test_the_table_names_no_call_that_no_architecture_has() -> None:
    everywhere = {name for arch in ARCHES for name in abi.numbers(arch)}
    listed = {name for _, _, members in FAMILIES for name in names(members)} | set(SOLITARY)
    assert sorted(listed - everywhere) == []


# How the kernel names the argument that a role means; roles not listed go by their own name.
SPELLINGS = {
    "flags": {"flags", "flag", "clone_flags", "at_flags", "unshare_flags", "oflag"},
    "mode": {"mode"},
    "prot": {"prot"},
    "cmd": {"cmd"},
    "request": {"cmd"},
    "pid": {"pid", "tgid"},
    "tid": {"pid"},
    "tgid": {"tgid", "pid"},
    "uid": {"user", "uid"},
    "gid": {"group", "gid"},
    "domain": {"family", "domain"},
    "name": {"optname"},
    "new": {"new_rlim"},
    "path": {"filename", "pathname", "path"},
    "persona": {"personality", "persona"},
    "flag": {"shmflg"},
    "addr": {"addr"},
    "call": {"call"},
}


@pytest.mark.parametrize("arch", ARCHES)
def test_roles_point_at_the_arguments_that_the_kernel_names_so(arch: str) -> None:
    wrong = []
    for members in resolve(arch).values():
        for member in members:
            args = abi.syscall(arch, member.name).args
            for role, index in member.roles.items():
                if not args:
                    continue  # the kernel's prototype is not known
                allowed = SPELLINGS.get(role, {role})
                if index >= len(args) or args[index][0].strip("_") not in allowed:
                    wrong.append((member.name, role, index, args))
    assert wrong == []


def test_clone_keeps_its_flags_second_on_s390x() -> None:
    flags = {arch: {m.name: m for m in resolve(arch)["spawn"]}["clone"].roles["flags"] for arch in ("x86_64", "s390x")}
    assert flags == {"x86_64": 0, "s390x": 1}


def test_every_call_finds_its_family() -> None:
    for arch in ARCHES:
        for name in abi.numbers(arch):
            assert (family_of(name) == "") == (name in SOLITARY)
