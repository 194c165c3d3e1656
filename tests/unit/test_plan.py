"""What is planned on every Landlock ABI, without one, and without filters."""

from __future__ import annotations

import pytest

import troth
from troth.abi import landlock
from troth.abi.seccomp import RET_ALLOW, RET_ERRNO, RET_KILL_PROCESS
from troth.bpf import Call
from troth.errors import RequestError
from troth.kernel.probe import Kernel
from troth.promises.grants import rights
from troth.promises.parse import parse
from troth.promises.setting import Identity
from troth.sandbox.plan import Plan, Request, plan

ABIS = range(landlock.NEWEST_ABI + 2)  # one more than is known: a newer kernel has at least the newest
SELF = Identity(4242, 1000, (1000,))
AUDIT = 0xC000003E
NR = {"open": 2, "truncate": 76, "chmod": 90, "openat2": 437, "tkill": 200, "fchmod": 91}
O_RDONLY, O_WRONLY, O_TRUNC = 0, 1, 0o1000


def kernel(abi: int, *, seccomp: bool = True, blocked: tuple[str, ...] = ()) -> Kernel:
    return Kernel("6.0-test", "x86_64", abi, 0, seccomp, frozenset(), frozenset(), None, False, False, blocked)


def planned(
    promises: str,
    abi: int,
    *,
    veil: tuple[tuple[str, str], ...] | None = None,
    threads: bool = False,
    programs: tuple[str, ...] = (),
) -> Plan:
    return plan(Request(parse(promises), veil, SELF, ("x86_64",), RET_KILL_PROCESS, threads, programs), kernel(abi))


def answer(decided: Plan, name: str, *args: int) -> int:
    return decided.policy().answer(Call(AUDIT, NR[name], args))


@pytest.mark.parametrize("abi", ABIS)
def test_only_rights_that_the_abi_knows_are_handled_or_granted(abi: int) -> None:
    for promises in ("stdio", "stdio rpath", "stdio rpath wpath cpath unix dns exec proc"):
        for veil in (None, (("/srv", "rwxc"),)):
            ruleset = planned(promises, abi, veil=veil).ruleset
            if ruleset is None:
                continue
            assert ruleset.handled_fs & ~landlock.FS_BY_ABI[abi] == 0
            assert ruleset.handled_net & ~landlock.NET_BY_ABI[abi] == 0
            assert ruleset.scoped & ~landlock.SCOPE_BY_ABI[abi] == 0
            assert all(rule.rights & ~ruleset.handled_fs == 0 for rule in ruleset.rules)


@pytest.mark.parametrize("abi", ABIS)
def test_every_layer_handles_moving_and_removing(abi: int) -> None:
    ruleset = planned("stdio rpath", abi, veil=(("/srv", "r"),)).ruleset
    if abi == 0:
        assert ruleset is None
        return
    assert ruleset is not None
    wanted = rights("REMOVE_FILE REMOVE_DIR") | (rights("REFER") if abi >= landlock.REFER_ABI else 0)
    assert ruleset.handled_fs & wanted == wanted
    assert not ruleset.handled_fs & rights("IOCTL_DEV")  # the filter judges ioctls; handling it would refuse TCGETS


@pytest.mark.parametrize("abi", ABIS)
def test_a_veil_needs_landlock(abi: int) -> None:
    names = [feature.name for feature in planned("stdio rpath", abi, veil=(("/srv", "r"),)).missing]
    assert names == ([] if abi else ["unveil"])


@pytest.mark.parametrize("abi", ABIS)
def test_a_veil_over_several_threads_needs_abi_8(abi: int) -> None:
    decided = planned("stdio rpath", abi, veil=(("/srv", "r"),), threads=True)
    assert bool(decided.missing) == (abi < landlock.TSYNC_ABI)
    if decided.ruleset is not None:
        assert decided.ruleset.tsync


@pytest.mark.parametrize("abi", ABIS)
def test_threads_without_a_veil_are_judged_by_the_filter_alone_before_abi_8(abi: int) -> None:
    decided = planned("stdio rpath", abi, threads=True)
    assert decided.missing == ()
    assert decided.setting.judged == (abi >= landlock.TSYNC_ABI)


@pytest.mark.parametrize("abi", ABIS)
def test_unix_sockets_under_a_veil_need_abi_9(abi: int) -> None:
    decided = planned("stdio rpath unix", abi, veil=(("/srv", "rw"),))
    assert bool(decided.missing) == (abi < landlock.RESOLVE_UNIX_ABI)


@pytest.mark.parametrize("abi", ABIS)
def test_a_veil_never_lets_a_read_only_open_empty_a_file(abi: int) -> None:
    """Before ABI 3 Landlock does not see truncation, so that the filter has to refuse what would truncate past the veil."""
    decided = planned("stdio rpath wpath", abi, veil=(("/srv", "r"),))
    passes = answer(decided, "open", 0, O_RDONLY | O_TRUNC) == RET_ALLOW
    assert passes == (abi >= landlock.TRUNCATE_ABI)
    assert (answer(decided, "truncate", 0, 0) == RET_ALLOW) == (abi >= landlock.TRUNCATE_ABI)
    assert (answer(decided, "openat2", 3, 0, 0, 24) == RET_ALLOW) == (abi >= landlock.TRUNCATE_ABI)
    assert answer(decided, "open", 0, O_WRONLY | O_TRUNC) == RET_ALLOW  # writing is judged, and truncates no more


@pytest.mark.parametrize("abi", ABIS)
def test_without_a_veil_truncation_follows_wpath(abi: int) -> None:
    assert answer(planned("stdio rpath wpath", abi), "open", 0, O_RDONLY | O_TRUNC) == RET_ALLOW
    refused = answer(planned("stdio rpath", abi), "open", 0, O_RDONLY | O_TRUNC)
    assert (refused == RET_ALLOW) == (abi >= landlock.TRUNCATE_ABI)  # then Landlock refuses it


@pytest.mark.parametrize("abi", ABIS)
def test_openat2_is_absent_where_nobody_could_judge_it(abi: int) -> None:
    verdict = answer(planned("stdio rpath", abi), "openat2", 3, 0, 0, 24)
    assert verdict == (RET_ALLOW if abi >= landlock.TRUNCATE_ABI else RET_ERRNO | 38)


@pytest.mark.parametrize("abi", ABIS)
def test_path_attributes_are_refused_behind_a_veil_and_descriptors_are_not(abi: int) -> None:
    decided = planned("stdio rpath fattr", abi, veil=(("/srv", "rw"),))
    assert answer(decided, "chmod", 0, 0o600) == RET_ERRNO | 1
    assert answer(decided, "fchmod", 3, 0o600) == RET_ALLOW
    assert answer(planned("stdio rpath fattr", abi), "chmod", 0, 0o600) == RET_ALLOW


@pytest.mark.parametrize("abi", ABIS)
def test_signals_by_thread_id_are_open_only_where_landlock_confines_them(abi: int) -> None:
    others = answer(planned("stdio", abi), "tkill", 1, 9) == RET_ALLOW
    assert others == (abi >= landlock.SCOPE_ABI)
    assert answer(planned("stdio", abi), "tkill", 4242, 9) == RET_ALLOW
    assert answer(planned("stdio proc", abi), "tkill", 1, 9) == RET_ALLOW


@pytest.mark.parametrize("abi", ABIS)
def test_dns_reaches_port_53_only_and_stdio_no_port(abi: int) -> None:
    for promises, ports in (("stdio", ()), ("stdio dns", ((53, landlock.NET["CONNECT_TCP"]),)), ("stdio inet", ())):
        ruleset = planned(promises, abi).ruleset
        if abi >= landlock.TCP_ABI and ruleset is not None:
            assert ruleset.ports == ports
            assert bool(ruleset.handled_net) == ("inet" not in promises)


def test_abi_1_gives_up_its_judgement_rather_than_renaming() -> None:
    decided = planned("stdio rpath cpath", 1)
    assert decided.ruleset is None
    assert not decided.setting.judged
    veiled = planned("stdio rpath cpath", 1, veil=(("/srv", "rwc"),))
    assert any("across directories" in note for note in veiled.notes)


def test_starting_one_program_only_needs_landlock() -> None:
    assert [feature.name for feature in planned("stdio", 0, programs=("/bin/true",)).missing] == [
        "starting one program only"
    ]
    decided = planned("stdio", 7, programs=("/bin/true",))
    assert decided.missing == ()
    assert decided.ruleset is not None
    execute = [rule.path for rule in decided.ruleset.rules if rule.rights & rights("EXECUTE")]
    assert execute == ["/bin/true"]


def test_a_domain_is_entered_whatever_is_promised_as_it_keeps_other_processes_out_of_reach() -> None:
    ruleset = planned("stdio rpath wpath cpath dpath inet unix proc exec", 5).ruleset
    assert ruleset is not None
    everywhere = next(rule for rule in ruleset.rules if rule.path == "/")
    assert everywhere.rights == ruleset.handled_fs


def test_without_landlock_wpath_says_what_it_reaches() -> None:
    assert any("/proc" in note for note in planned("stdio rpath wpath", 0).notes)
    assert any("/proc" in note for note in planned("stdio rpath wpath", 7, threads=True).notes)
    assert not any("/proc" in note for note in planned("stdio rpath wpath", 7).notes)


def test_a_kernel_without_filters_is_named() -> None:
    request = Request(parse("stdio"), None, SELF, ("x86_64",))
    missing = plan(request, kernel(7, seccomp=False)).missing
    assert [feature.name for feature in missing] == ["system call filters"]
    blocked = plan(request, kernel(7, seccomp=False, blocked=("seccomp",))).missing
    assert "a filter that is already in force refuses seccomp" in blocked[0].have


def test_a_plan_can_be_made_for_another_machine() -> None:
    decided = troth.plan("stdio rpath", arch="s390x", kernel=kernel(7), unveil=[("/srv", "r")])
    assert decided.programs[0].insns[1][3] == 0x80000016
    with pytest.raises(RequestError, match="unknown architecture"):
        troth.plan("stdio", arch="vax")
