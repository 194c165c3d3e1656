"""Containers' profiles mean what their runtimes make of them; faults are told with their path."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from troth import abi
from troth.bpf import Call
from troth.errors import ParseError, RequestError
from troth.formats import oci
from troth.policy import Policy

DATA = Path(__file__).parent.parent / "data" / "oci"
ALLOW, KILL_THREAD = 0x7FFF0000, 0
EPERM, EINVAL, ENOSYS = 0x50001, 0x50016, 0x50026


def profile(*rules: dict[str, object], **more: object) -> bytes:
    return json.dumps({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": list(rules), **more}).encode()


def rule(names: str, action: str = "ALLOW", *args: tuple[int, str, int, int], **more: object) -> dict[str, object]:
    """A rule; an argument is (index, operator, value, valueTwo)."""
    told = [{"index": i, "op": f"SCMP_CMP_{op}", "value": value, "valueTwo": two} for i, op, value, two in args]
    return {"names": names.split(), "action": f"SCMP_ACT_{action}", "args": told, **more}


def load(
    *rules: dict[str, object], arches: tuple[str, ...] = ("x86_64",), caps: tuple[str, ...] = (), **more: object
) -> Policy:
    return oci.load_bytes(profile(*rules, **more), arches=arches, caps=caps)


def answer(policy: Policy, name: str, *args: int, arch: str = "x86_64") -> int:
    return policy.answer(Call(abi.ARCHES[arch].audit, abi.numbers(arch)[name], args))


def test_a_rule_answers_its_calls_and_the_default_all_others() -> None:
    policy = load(rule("read write"))
    assert answer(policy, "read") == answer(policy, "write") == ALLOW
    assert answer(policy, "open") == EPERM
    assert policy.answer(Call(abi.ARCHES["x86_64"].audit, 5000)) == EPERM
    assert policy.answer(Call(abi.ARCHES["aarch64"].audit, 63)) == KILL_THREAD


@pytest.mark.parametrize(
    ("op", "value", "two", "inside", "outside"),
    [
        ("EQ", 5, 0, [5], [4, 6, 5 | 1 << 32]),
        ("NE", 5, 0, [4, 6, 5 | 1 << 32], [5]),
        ("LT", 5, 0, [0, 4], [5, 1 << 32]),
        ("LE", 5, 0, [0, 5], [6, 1 << 32]),
        ("GT", 5, 0, [6, 1 << 63], [5, 0]),
        ("GE", 5, 0, [5, 1 << 63], [4]),
        ("MASKED_EQ", 0xF, 5, [5, 0x15, 5 | 1 << 32], [4]),
        # What lies outside of the mask is not compared, as libseccomp drops it.
        ("MASKED_EQ", 0xF, 0x15, [5, 0x15], [4]),
        ("MASKED_EQ", 1 << 40, 0, [5], [1 << 40]),
        ("EQ", 1 << 40, 0, [1 << 40], [0]),
    ],
)
def test_comparisons_are_of_64_bits_and_unsigned(
    op: str, value: int, two: int, inside: list[int], outside: list[int]
) -> None:
    policy = load(rule("ioctl", "ALLOW", (1, op, value, two)))
    assert [answer(policy, "ioctl", 0, number) for number in inside] == [ALLOW] * len(inside)
    assert [answer(policy, "ioctl", 0, number) for number in outside] == [EPERM] * len(outside)


def test_where_registers_have_32_bits_comparisons_have_too() -> None:
    data = profile(
        rule("ioctl", "ALLOW", (1, "EQ", 5, 0)),
        archMap=[{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]}],
    )
    policy = oci.load_bytes(data, arches=("x86_64",))
    for arch, given in (("x86_64", EPERM), ("i386", ALLOW), ("x32", ALLOW)):
        assert answer(policy, "ioctl", 0, 5 | 1 << 32, arch=arch) == given


def test_conditions_on_several_arguments_must_all_hold_and_on_one_any_will_do() -> None:
    policy = load(
        rule("ioctl", "ALLOW", (0, "EQ", 1, 0), (1, "EQ", 2, 0)),
        rule("fcntl", "ALLOW", (1, "EQ", 1, 0), (1, "EQ", 2, 0), (0, "EQ", 7, 0)),
    )
    assert answer(policy, "ioctl", 1, 2) == ALLOW
    assert answer(policy, "ioctl", 1, 3) == answer(policy, "ioctl", 3, 2) == EPERM
    assert [answer(policy, "fcntl", *args) for args in ((0, 1), (0, 2), (7, 9))] == [ALLOW] * 3
    assert answer(policy, "fcntl", 0, 3) == EPERM


def test_a_rule_without_conditions_makes_the_others_void_and_the_first_of_several_counts() -> None:
    found = oci.resolve(
        profile(
            rule("ioctl", "TRAP", (1, "EQ", 2, 0)),
            rule("ioctl"),
            rule("ioctl", "KILL"),
            rule("read", "KILL"),
            rule("read"),
        ),
        arches=("x86_64",),
    )
    assert answer(found.policy, "ioctl", 0, 2) == ALLOW
    assert answer(found.policy, "read") == KILL_THREAD
    assert found.notes == ("rules with conditions are void, one without answers differently: read, ioctl",)


def test_rules_that_overlap_with_different_answers_are_told() -> None:
    found = oci.resolve(
        profile(rule("ioctl", "TRAP", (1, "LT", 9, 0)), rule("ioctl", "ALLOW", (1, "GT", 5, 0))), arches=("x86_64",)
    )
    assert answer(found.policy, "ioctl", 0, 7) == 0x30000
    assert found.notes == ("rules overlap with different answers, the first counts: ioctl",)


@pytest.mark.parametrize(
    ("action", "more", "raw"),
    [
        ("ALLOW", {}, ALLOW), ("LOG", {}, 0x7FFC0000), ("TRAP", {}, 0x30000), ("KILL", {}, 0), ("KILL_THREAD", {}, 0),
        ("KILL_PROCESS", {}, 0x80000000), ("NOTIFY", {}, 0x7FC00000), ("TRACE", {}, 0x7FF00001),
        ("TRACE", {"errnoRet": 7}, 0x7FF00007), ("ERRNO", {"errnoRet": 38}, ENOSYS), ("ERRNO", {"errnoRet": 0}, 0x50000),
        ("ERRNO", {"errno": "EINVAL"}, EINVAL), ("ERRNO", {"errno": "EINVAL", "errnoRet": 1}, EINVAL),
    ],
)  # fmt: skip
def test_actions_become_answers(action: str, more: dict[str, Any], raw: int) -> None:
    assert answer(load(rule("ioctl", action, **more), defaultErrnoRet=95), "ioctl") == raw


def test_a_rule_that_says_what_the_default_says_changes_nothing() -> None:
    policy = load(rule("ioctl", "ERRNO", errnoRet=1), rule("ioctl", "ALLOW", (1, "EQ", 1, 0)))
    assert answer(policy, "ioctl", 0, 1) == ALLOW
    assert answer(policy, "ioctl", 0, 2) == EPERM


def test_names_that_no_architecture_has_are_passed_over_and_told() -> None:
    found = oci.resolve(profile(rule("read nosuchcall"), rule("socketcall")), arches=("x86_64",))
    assert answer(found.policy, "read") == ALLOW
    assert found.notes == ("no architecture has this call, it is passed over: nosuchcall",)


@pytest.mark.parametrize(
    ("more", "arches", "caps", "kernel", "counts"),
    [
        ({"includes": {"caps": ["CAP_SYS_ADMIN"]}}, "x86_64", "", None, False),
        ({"includes": {"caps": ["CAP_SYS_ADMIN"]}}, "x86_64", "sys_admin", None, True),
        ({"includes": {"caps": ["CAP_SYS_ADMIN", "CAP_BPF"]}}, "x86_64", "CAP_SYS_ADMIN", None, False),
        ({"excludes": {"caps": ["CAP_SYS_ADMIN", "CAP_BPF"]}}, "x86_64", "CAP_BPF", None, False),
        ({"excludes": {"caps": ["CAP_SYS_ADMIN"]}}, "x86_64", "CAP_BPF", None, True),
        ({"includes": {"caps": ["CAP_SYS_CHROOT"]}}, "x86_64", "docker", None, True),
        ({"includes": {"arches": ["amd64"]}}, "x86_64", "", None, True),
        ({"includes": {"arches": ["arm64", "s390x"]}}, "x86_64", "", None, False),
        ({"excludes": {"arches": ["amd64"]}}, "x86_64", "", None, False),
        ({"includes": {"arches": ["arm64"]}}, "aarch64", "", None, True),
        ({"includes": {"minKernel": "4.8"}}, "x86_64", "", None, True),
        ({"includes": {"minKernel": "4.8"}}, "x86_64", "", "4.7.19", False),
        ({"includes": {"minKernel": "4.8"}}, "x86_64", "", "4.8-rc1", True),
        ({"excludes": {"minKernel": "4.8"}}, "x86_64", "", "6.1.0-9-amd64", False),
        ({"includes": {}, "excludes": None}, "x86_64", "", None, True),
        ({"excludes": {"caps": ["CAP_SYS_ADMIN"], "arches": ["s390x"]}}, "x86_64", "", None, True),
    ],
)
def test_rules_count_for_the_machines_capabilities_and_kernels_that_they_name(
    more: dict[str, Any], arches: str, caps: str, kernel: str | None, counts: bool
) -> None:
    data = profile(rule("read", **more))
    policy = oci.load_bytes(data, arches=(arches,), caps=caps.split(), kernel=kernel)
    assert (answer(policy, "read", arch=arches) == ALLOW) is counts


ARCH_MAP = [
    {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]},
    {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]},
    {"architecture": "SCMP_ARCH_RISCV64", "subArchitectures": None},
]


def test_a_machines_other_architectures_are_those_of_its_entry() -> None:
    for arches, sections in (
        (("x86_64",), ("x86_64", "i386", "x32")),
        (("aarch64",), ("aarch64", "arm")),
        (("riscv64",), ("riscv64",)),
        (("s390x",), ("s390x",)),
        (("x86_64", "i386"), ("x86_64", "i386")),
    ):
        assert tuple(load(rule("read"), arches=arches, archMap=ARCH_MAP).sections) == sections
    assert tuple(load(rule("read"), architectures=["SCMP_ARCH_X86"]).sections) == ("x86_64", "i386")
    with pytest.raises(RequestError, match="does not cover arm"):
        load(rule("read"), arches=("x86_64", "arm"), archMap=ARCH_MAP)
    with pytest.raises(RequestError, match="unknown architecture `vax`"):
        load(rule("read"), arches=("vax",))


def test_x32_calls_are_a_foreign_architectures_where_x32_is_left_out() -> None:
    audit = abi.ARCHES["x86_64"].audit
    assert load(rule("read")).answer(Call(audit, 0x40000000)) == KILL_THREAD
    assert load(rule("read")).answer(Call(audit, 0xFFFFFFFF)) == EPERM
    assert load(rule("read"), archMap=ARCH_MAP).answer(Call(audit, 0x40000000)) == ALLOW


def test_a_call_behind_a_multiplexer_is_answered_there_too() -> None:
    policy = load(rule("socket", "ALLOW", (0, "EQ", 2, 0), (2, "EQ", 0, 0)), rule("shmget"), archMap=ARCH_MAP)
    assert answer(policy, "socket", 2, arch="i386") == ALLOW
    assert answer(policy, "socketcall", 1, arch="i386") == ALLOW
    assert answer(policy, "socketcall", 1, 0, 9, arch="i386") == EPERM
    assert answer(policy, "socketcall", 2, arch="i386") == EPERM
    assert answer(policy, "ipc", 23, arch="i386") == ALLOW
    assert answer(policy, "ipc", 24, arch="i386") == EPERM


def test_runc_answers_enosys_to_what_is_newer_than_the_profile() -> None:
    def policy(**more: object) -> Policy:
        data = profile(rule("read mseal"), archMap=ARCH_MAP, **more)
        return oci.load_bytes(data, arches=("x86_64",), runtime="runc")

    audit, last = abi.ARCHES["x86_64"].audit, abi.numbers("x86_64")["mseal"]
    assert policy().answer(Call(audit, last)) == ALLOW
    assert policy().answer(Call(audit, last - 1)) == EPERM
    assert policy().answer(Call(audit, last + 1)) == ENOSYS
    assert policy().answer(Call(audit, 0x40000000 + last + 1)) == ENOSYS
    assert policy().answer(Call(audit, 0x40000000 + last - 1)) == EPERM
    assert policy(defaultAction="SCMP_ACT_LOG").answer(Call(audit, last + 1)) == 0x7FFC0000
    with pytest.raises(RequestError, match="unknown runtime `x`"):
        oci.load_bytes(profile(), arches=("x86_64",), runtime="x")


def test_the_profile_of_a_config_json_is_for_its_capabilities() -> None:
    config = {
        "ociVersion": "1.0.2",
        "process": {"args": ["sh"], "capabilities": {"bounding": ["CAP_SYS_ADMIN"]}},
        "linux": {"seccomp": json.loads(profile(rule("read", includes={"caps": ["CAP_SYS_ADMIN"]}))), "namespaces": []},
    }
    assert answer(oci.load_bytes(json.dumps(config).encode(), arches=("x86_64",)), "read") == ALLOW
    del config["process"]
    assert answer(oci.load_bytes(json.dumps(config).encode(), arches=("x86_64",)), "read") == EPERM
    config["linux"] = {"seccomp": {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["read"]}]}}
    with pytest.raises(ParseError) as caught:
        oci.load_bytes(json.dumps(config).encode())
    assert caught.value.where == "$.linux.seccomp.syscalls[0]"
    with pytest.raises(ParseError, match=r"\$\.linux\.seccomp: is missing"):
        oci.load_bytes(b'{"linux": {}}')


# (document, path of the fault, what is said, hint)
FAULTS = [
    (b"", "$", "not JSON", ""),
    (b"{", "$", "not JSON", ""),
    (b"[]", "$", "expected `object`, got `array`", ""),
    (b'{"defaultAction": "SCMP_ACT_ERRNO", "x": 1} trailing', "$", "not JSON", ""),
    (b'{"defaultAction": "SCMP_ACT_ERRNO", "syscals": []}', "$", "unknown field `syscals`", "`syscalls`"),
    (b'{"syscalls": []}', "$", "missing required field `defaultAction`", ""),
    (b'{"defaultAction": "SCMP_ACT_ERNO"}', "$.defaultAction", "unknown value `SCMP_ACT_ERNO`", "`SCMP_ACT_ERRNO`"),
    (b'{"defaultAction": "SCMP_ACT_NOTIFY"}', "$.defaultAction", "cannot be the default", ""),
    (b'{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrno": "EWHAT"}', "$.defaultErrno", "unknown errno `EWHAT`", ""),
    (b'{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": -1}', "$.defaultErrnoRet", "expected `int` >= 0", ""),
    (b'{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 65536}', "$.defaultErrnoRet", "expected `int` <= 65535", ""),
    (profile(flags=["SECCOMP_FILTER_FLAG_LOGG"]), "$.flags[0]", "unknown value", "`SECCOMP_FILTER_FLAG_LOG`"),
    (profile(architectures=["SCMP_ARCH_X86_65"]), "$.architectures[0]", "unknown architecture `SCMP_ARCH_X86_65`", "`SCMP_ARCH_X86_64`"),
    (profile(archMap=[{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["X"]}]), "$.archMap[0].subArchitectures[0]", "unknown architecture `X`", ""),
    (profile(archMap=[{"architecture": "SCMP_ARCH_X86_64", "sub": []}]), "$.archMap[0]", "unknown field `sub`", ""),
    (profile(architectures=["SCMP_ARCH_X86"], archMap=ARCH_MAP), "$.archMap", "beside `architectures`", ""),
    (profile(rule("read"), {"names": ["read"], "action": "ALLOW"}), "$.syscalls[1].action", "unknown value `ALLOW`", ""),
    (profile({"name": "read", "names": ["write"], "action": "SCMP_ACT_ALLOW"}), "$.syscalls[0]", "both `name` and `names`", ""),
    (profile({"names": [], "action": "SCMP_ACT_ALLOW"}), "$.syscalls[0]", "names no call", ""),
    (profile({"names": [""], "action": "SCMP_ACT_ALLOW"}), "$.syscalls[0]", "without a name", ""),
    (profile({"names": [3], "action": "SCMP_ACT_ALLOW"}), "$.syscalls[0].names[0]", "expected `str`, got `int`", ""),
    (profile(rule("write", "NOTIFY")), "$.syscalls[0]", "cannot answer `write`", ""),
    (profile(rule("read", "ERRNO", errno="EWHAT")), "$.syscalls[0].errno", "unknown errno", ""),
    (profile(rule("read", "ALLOW", (6, "EQ", 1, 0))), "$.syscalls[0].args[0].index", "expected `int` <= 5", ""),
    (profile(rule("read", "ALLOW", (0, "EQUAL", 1, 0))), "$.syscalls[0].args[0].op", "unknown value `SCMP_CMP_EQUAL`", "`SCMP_CMP_EQ`"),
    (profile(rule("read", "ALLOW", (0, "EQ", 1 << 64, 0))), "$.syscalls[0].args[0].value", "more than 64 bits", ""),
    (profile(rule("read", "ALLOW", (0, "EQ", -1, 0))), "$.syscalls[0].args[0].value", "expected `int` >= 0", ""),
    (profile({"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": [{"indx": 0, "op": "SCMP_CMP_EQ"}]}), "$.syscalls[0].args[0]", "unknown field `indx`", "`index`"),
    (profile(rule("read", includes={"minKernel": "four"})), "$.syscalls[0].includes.minKernel", "`four` is not a version", ""),
    (profile(rule("read", excludes={"cap": []})), "$.syscalls[0].excludes", "unknown field `cap`", "`caps`"),
    (b'{"defaultAction": "SCMP_ACT_ERRNO", "\xff": 1}', "$", "", ""),
    (b'{"a":' * 100_000, "$", "nested too deeply", ""),
]  # fmt: skip


@pytest.mark.parametrize(("data", "path", "problem", "hint"), FAULTS, ids=[row[2][:30] for row in FAULTS])
def test_a_fault_is_told_with_its_path(data: bytes, path: str, problem: str, hint: str) -> None:
    with pytest.raises(ParseError) as caught:
        oci.load_bytes(data, arches=("x86_64",))
    assert caught.value.where == path
    assert problem in caught.value.problem
    assert hint in caught.value.hint
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["docker", "podman"])
@pytest.mark.parametrize("machine", ["x86_64", "aarch64", "riscv64", "s390x", "ppc64le", "mips64el", "loongarch64"])
def test_published_profiles_are_read_without_a_note_on_a_name(name: str, machine: str) -> None:
    found = oci.resolve((DATA / f"{name}.json").read_bytes(), arches=(machine,), caps=(name,))
    assert [note for note in found.notes if note.startswith("no architecture")] == []
    assert answer(found.policy, "read", arch=machine) == ALLOW


def test_dockers_profile_for_three_architectures() -> None:
    policy = oci.load_bytes((DATA / "docker.json").read_bytes(), arches=("x86_64",), caps=("docker",))
    assert tuple(policy.sections) == ("x86_64", "i386", "x32")
    assert answer(policy, "clone3") == ENOSYS
    assert answer(policy, "clone", 0x10000000) == EPERM
    assert answer(policy, "clone", 0x11) == ALLOW
    assert answer(policy, "socket", 40) == answer(policy, "socket", 2 | 1 << 32) == EPERM
    assert answer(policy, "socket", 2) == answer(policy, "chroot") == answer(policy, "ptrace") == ALLOW
    assert answer(policy, "mount") == answer(policy, "bpf") == EPERM
    assert answer(policy, "arch_prctl", arch="i386") == ALLOW
    admin = oci.load_bytes((DATA / "docker.json").read_bytes(), arches=("x86_64",), caps=("SYS_ADMIN",))
    assert answer(admin, "mount") == answer(admin, "clone", 0x10000000) == answer(admin, "clone3") == ALLOW
    assert answer(admin, "chroot") == EPERM
