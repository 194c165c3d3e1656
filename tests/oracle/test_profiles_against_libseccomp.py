"""Containers' profiles mean what libseccomp makes of them, fed as runc feeds it: proved, not sampled."""

from __future__ import annotations

import ctypes
import ctypes.util
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from conftest import needs
from hypothesis import given, settings
from hypothesis import strategies as st

from troth import abi
from troth.bpf import Program
from troth.formats import oci
from troth.proof import equal

DATA = Path(__file__).parent.parent / "data" / "oci"
OPS = {"NE": 1, "LT": 2, "LE": 3, "EQ": 4, "GE": 5, "GT": 6, "MASKED_EQ": 7}
ANSWERS = {"ALLOW": 0x7FFF0000, "ERRNO": 0x50001, "KILL": 0, "TRAP": 0x30000, "LOG": 0x7FFC0000}
EEXIST = -17
UNKNOWN = -1  # __NR_SCMP_ERROR
# SCMP_ARCH_*, which for x32 is no AUDIT_ARCH value
TOKENS = {"x86_64": abi.ARCHES["x86_64"].audit, "i386": abi.ARCHES["i386"].audit, "x32": 0x4000003E}
ARCHES = tuple(TOKENS)


class Comparison(ctypes.Structure):
    """struct scmp_arg_cmp"""

    _fields_ = (("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64))


@pytest.fixture(scope="module")
def lib() -> ctypes.CDLL:
    name = ctypes.util.find_library("seccomp")
    needs(name, "libseccomp")
    needs(abi.native().name == "x86_64", "an x86-64 machine, for libseccomp's native architecture")
    found = ctypes.CDLL(name)
    found.seccomp_init.restype = ctypes.c_void_p
    found.seccomp_rule_add_array.argtypes = [
        ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.POINTER(Comparison),
    ]  # fmt: skip
    for function in (found.seccomp_export_bpf, found.seccomp_arch_add, found.seccomp_release):
        function.argtypes = [ctypes.c_void_p] + ([ctypes.c_uint32] if function is not found.seccomp_release else [])
    return found


def program(lib: ctypes.CDLL, profile: dict[str, Any], counting: list[dict[str, Any]]) -> Program:
    """What runc's rules become; `counting` are those that count."""
    default = raw(profile["defaultAction"], profile.get("defaultErrnoRet"))
    context = lib.seccomp_init(ctypes.c_uint32(default))
    try:
        for arch in ARCHES[1:]:
            assert lib.seccomp_arch_add(context, TOKENS[arch]) == 0
        for rule in counting:
            answer = raw(rule["action"], rule.get("errnoRet"))
            if answer == default:
                continue
            terms = [
                Comparison(one["index"], OPS[one["op"].removeprefix("SCMP_CMP_")], one["value"], one.get("valueTwo", 0))
                for one in rule.get("args") or ()
            ]
            twice = len({term.arg for term in terms}) < len(terms)
            for name in rule["names"]:
                nr = lib.seccomp_syscall_resolve_name(name.encode())
                if nr == UNKNOWN:
                    continue  # runc passes it over
                for some in [[term] for term in terms] if twice else [terms]:
                    array = (Comparison * len(some))(*some)
                    assert lib.seccomp_rule_add_array(context, answer, nr, len(some), array) in (0, EEXIST)
        with tempfile.TemporaryFile() as file:
            assert lib.seccomp_export_bpf(context, file.fileno()) == 0
            file.seek(0)
            return Program.from_bytes(file.read())
    finally:
        lib.seccomp_release(context)


def raw(action: str, number: int | None) -> int:
    answer = ANSWERS[action.removeprefix("SCMP_ACT_")]
    return answer & ~0xFFFF | number if number is not None and action == "SCMP_ACT_ERRNO" else answer


def known(lib: ctypes.CDLL, name: str) -> bool:
    """Whether this libseccomp, which may be older than the profile, numbers a call as we do everywhere."""
    resolve = lib.seccomp_syscall_resolve_name_arch
    return all(
        max(resolve(ctypes.c_uint32(token), name.encode()), -1) == abi.numbers(arch).get(name, -1)
        for arch, token in TOKENS.items()
    )


def counts(rule: dict[str, Any], caps: tuple[str, ...]) -> bool:
    """Whether a rule counts on an x86-64 machine with the newest kernel, by the words of the profile."""
    excludes, includes = rule.get("excludes") or {}, rule.get("includes") or {}
    return (
        "amd64" not in excludes.get("arches", ())
        and not set(caps) & set(excludes.get("caps", ()))
        and "minKernel" not in excludes
        and ("arches" not in includes or "amd64" in includes["arches"])
        and set(includes.get("caps", ())) <= set(caps)
    )


@pytest.mark.parametrize("name", ["docker", "podman"])
@pytest.mark.parametrize("caps", [(), oci.CAPABILITIES["docker"], ("CAP_SYS_ADMIN",), ("CAP_AUDIT_WRITE",)])
def test_published_profiles_are_what_libseccomp_makes_of_them(
    lib: ctypes.CDLL, name: str, caps: tuple[str, ...]
) -> None:
    profile = json.loads((DATA / f"{name}.json").read_bytes())
    for rule in profile["syscalls"]:
        rule["names"] = [call for call in rule["names"] if known(lib, call)]
    profile["syscalls"] = [rule for rule in profile["syscalls"] if rule["names"]]
    made = program(lib, profile, [rule for rule in profile["syscalls"] if counts(rule, caps)])
    read = oci.load_bytes(json.dumps(profile).encode(), arches=ARCHES, caps=caps)
    assert sum(len(rule["names"]) for rule in profile["syscalls"]) > 350
    found = equal(made, read)
    assert found, found.witness


ARGUMENTS = st.builds(
    lambda index, op, value, two: {"index": index, "op": f"SCMP_CMP_{op}", "value": value, "valueTwo": two},
    st.integers(0, 2),
    st.sampled_from(sorted(OPS)),
    st.sampled_from([0, 1, 2, 3, 0x40, 0xFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 32, 1 << 63, (1 << 64) - 1]),
    st.sampled_from([0, 1, 3, 0x40, 0x80000000, 1 << 32]),
)


# One rule only: what libseccomp makes of several on one argument, it has got wrong before (64-bit comparisons of
# halves, merged too weakly: `>= 1 << 32 or <= 0` lets 1 through in 2.5.4).
@settings(max_examples=150, deadline=None)
@given(st.lists(ARGUMENTS, min_size=1, max_size=3, unique_by=lambda argument: argument["index"]))
def test_a_rule_is_what_libseccomp_makes_of_it(lib: ctypes.CDLL, args: list[dict[str, Any]]) -> None:
    listed = [{"names": ["ioctl"], "action": "SCMP_ACT_ALLOW", "args": args}]
    profile = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]}],
        "syscalls": listed,
    }
    found = equal(program(lib, profile, listed), oci.load_bytes(json.dumps(profile).encode(), arches=ARCHES))
    assert found, found.witness
