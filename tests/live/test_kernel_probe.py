"""probe() tells what this kernel can do, changes nothing, and works where a filter refuses its questions."""

from __future__ import annotations

import errno
import os
import pickle

import pytest
from conftest import needs
from kernel_programs import alone, errno_of, fail

from troth import abi
from troth.kernel import landlock, process, seccomp
from troth.kernel.probe import BASE_ACTIONS, Kernel, probe

LANDLOCK = "landlock_create_ruleset"


def under(*programs: bytes, unprivileged: bool = False) -> Kernel:
    """What probe() says under these filters."""

    def work() -> Kernel:
        process.set_no_new_privs()
        for program in programs:
            seccomp.set_mode_filter(program)
        return probe()

    return alone(work, unprivileged=unprivileged)


def test_it_says_what_the_wrappers_say(unprivileged: bool) -> None:
    kernel = alone(probe, unprivileged=unprivileged)
    assert kernel.release == os.uname().release
    assert kernel.arch == abi.native().name
    assert kernel.landlock_abi == landlock.abi()
    assert kernel.landlock_errata == landlock.errata()
    assert kernel.notif_sizes == seccomp.notif_sizes()
    assert kernel.actions == {name for name, action in seccomp.ACTIONS.items() if seccomp.action_available(action)}
    assert kernel.flags == {name for name, flag in seccomp.FLAGS.items() if seccomp.flag_known(flag)}
    assert kernel.seccomp
    assert kernel.blocked == ()


def test_it_is_the_same_for_everybody() -> None:
    assert alone(probe) == alone(probe, unprivileged=True)


def test_it_changes_nothing(unprivileged: bool) -> None:
    def work() -> tuple[str, str]:
        def state() -> str:
            with open("/proc/self/status") as status:
                kept = [line for line in status if line.startswith(("NoNewPrivs", "Seccomp", "Threads", "Sig"))]
            return "".join(kept) + " ".join(sorted(os.listdir("/proc/self/fd")))

        before = state()
        probe()
        return before, state()

    before, after = alone(work, unprivileged=unprivileged)
    assert before == after


def test_it_sees_the_state_of_the_process(unprivileged: bool) -> None:
    here = alone(probe, unprivileged=unprivileged)
    there = under(fail("getppid", errno.EXDEV), unprivileged=unprivileged)
    assert there == here.replace(no_new_privs=True, filtered=True)


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOSYS])
def test_a_filter_that_refuses_seccomp_is_named(number: int, unprivileged: bool) -> None:
    kernel = under(fail("seccomp", number), unprivileged=unprivileged)
    assert kernel.blocked == ("seccomp",)
    assert not kernel.seccomp
    assert kernel.filtered
    assert kernel.actions == kernel.flags == frozenset()
    assert kernel.notif_sizes is None
    assert kernel.landlock_abi == landlock.abi()


def test_a_filter_that_refuses_landlock_is_named(unprivileged: bool) -> None:
    kernel = under(fail(LANDLOCK, errno.EPERM), unprivileged=unprivileged)
    assert kernel.blocked == (LANDLOCK,)
    assert kernel.landlock_abi == kernel.landlock_errata == 0
    assert kernel.seccomp


def test_a_filter_that_hides_landlock_is_named_where_the_kernel_lists_its_modules(unprivileged: bool) -> None:
    needs(landlock.abi(), "Landlock")
    needs(abi.numbers(abi.native().name).get("lsm_list_modules") and lists_modules(), "Linux 6.8 (lsm_list_modules)")
    kernel = under(fail(LANDLOCK, errno.ENOSYS), unprivileged=unprivileged)
    assert (kernel.blocked, kernel.landlock_abi) == ((LANDLOCK,), 0)


def lists_modules() -> bool:
    from troth.kernel._call import ask

    return ask("lsm_list_modules", None, None, 0) != -errno.ENOSYS


def test_a_filter_that_hides_landlock_and_the_list_leaves_none() -> None:
    kernel = under(fail(LANDLOCK, errno.ENOSYS), fail("lsm_list_modules", errno.EPERM))
    assert (kernel.blocked, kernel.landlock_abi) == ((), 0)


def test_a_filter_that_refuses_prctl_is_a_filter() -> None:
    kernel = under(fail("prctl", errno.EPERM))
    assert kernel.blocked == ("prctl",)
    assert kernel.filtered
    assert kernel.seccomp


def test_a_filter_that_refuses_everything_is_named_for_all() -> None:
    programs = (fail("prctl", errno.EPERM), fail(LANDLOCK, errno.EPERM), fail("seccomp", errno.EPERM))

    def work() -> Kernel:
        process.set_no_new_privs()
        for program in programs:
            seccomp.set_mode_filter(program)
        return probe()

    assert alone(work).blocked == (LANDLOCK, "prctl", "seccomp")


def test_a_filter_that_refuses_one_question_hides_only_its_answer() -> None:
    kernel = under(fail("seccomp", errno.EPERM, first=seccomp.GET_ACTION_AVAIL))
    assert kernel.seccomp
    assert kernel.actions == BASE_ACTIONS
    assert kernel.notif_sizes is not None
    assert kernel.blocked == ("seccomp",)


def test_wrappers_say_what_a_filter_answers() -> None:
    def work() -> list[int]:
        process.set_no_new_privs()
        seccomp.set_mode_filter(fail(LANDLOCK, errno.EPERM))
        seccomp.set_mode_filter(fail("prctl", errno.EXDEV))
        seccomp.set_mode_filter(fail("seccomp", errno.EPERM))
        calls = (
            landlock.abi,
            landlock.errata,
            process.get_seccomp,
            lambda: seccomp.action_available(0),
            lambda: seccomp.flag_known(0),
            seccomp.notif_sizes,
        )
        return [errno_of(call) for call in calls]

    eperm = errno.EPERM
    assert alone(work) == [eperm, eperm, errno.EXDEV, eperm, eperm, eperm]


def test_a_kernel_is_a_value() -> None:
    kernel = probe()
    assert pickle.loads(pickle.dumps(kernel)) == kernel
    assert repr(kernel).startswith("Kernel(release=")
    assert kernel.replace(landlock_abi=0).landlock_abi == 0
