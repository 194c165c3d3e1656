"""What a guest lacks, so that a test may be skipped there: every reason has a row, and a skip without one is an error.

A row is a promise in both directions. Where it says that a guest lacks something, at least one test has to be skipped
for it there when all tests run (`stale`), so that rows do not outlive what they excuse.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from matrix.kernels import Guest

NOBODY: Final = "nobody"


class Lack(NamedTuple):
    """Something that is absent: how the reason of a skip reads (a regular expression), why, and in which guest.

    `where` takes the guest and the user who ran the tests.
    """

    reason: str
    why: str
    where: Callable[[Guest, str], bool]


def before(*version: int) -> Callable[[Guest, str], bool]:
    """In guests with an older kernel."""
    return lambda guest, _: guest.version < version


def abi_below(abi: int) -> Callable[[Guest, str], bool]:
    """In guests with an older Landlock."""
    return lambda guest, _: guest.landlock < abi


def not_on(*arches: str) -> Callable[[Guest, str], bool]:
    """In guests of other architectures."""
    return lambda guest, _: guest.arch not in arches


def always(_guest: Guest, _user: str) -> bool:
    """In each guest."""
    return True


def as_nobody(_guest: Guest, user: str) -> bool:
    """Without root."""
    return user == NOBODY


LACKS: Final = (
    # The kernel.
    Lack(r"Landlock", "CONFIG_SECURITY_LANDLOCK came with Linux 5.13", abi_below(1)),
    Lack(r"seccomp and Landlock", "the same", abi_below(1)),
    Lack(r"Landlock ABI 2", "Linux 5.19", abi_below(2)),
    Lack(r"Landlock ABI 4", "Linux 6.7", abi_below(4)),
    Lack(r"Landlock ABI 6", "Linux 6.12", abi_below(6)),
    Lack(r"Linux 5\.14 \(.*\)", "SECCOMP_ADDFD_FLAG_SEND", before(5, 14)),
    Lack(r"Linux 5\.19 \(.*\)", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", before(5, 19)),
    Lack(r"Linux 6\.8 \(lsm_list_modules\)", "the call came with Linux 6.8", before(6, 8)),
    Lack(r"Linux 6\.11 \(.*\)", "a target that is dead keeps its filter until it is reaped", before(6, 11)),
    Lack(
        r"extended attributes of users in /tmp .*",
        "tmpfs has them from Linux 6.6",
        lambda g, _: g.landlock >= 1 and g.version < (6, 6),
    ),
    Lack(r"this kernel has all that troth asks for", "nothing is missing from ABI 9 on", lambda g, _: g.landlock >= 9),
    # The machine.
    Lack(r"these are the doors of x86_64", "machine code", not_on("amd64")),
    Lack(r"machine code of x86_64", "machine code", not_on("amd64")),
    Lack(r"the number of lseek is x86_64's|an x86_64 interpreter", "numbers of calls", not_on("amd64")),
    Lack(r"the compiler makes programs for another machine", "a fixture has programs of x86_64", not_on("amd64")),
    Lack(r"gcc -m32.*", "programs of 32 bits belong to x86_64", not_on("amd64")),
    Lack(r"a processor that can jump to 32-bit code and back", "QEMU's does not", lambda g, _: g.arch == "amd64"),
    # What is not installed in any guest, because the tests of programs under each libc have it.
    Lack(r"(perl|node|go|msgspec) is not installed", "not in the guest's root", always),
    Lack(r"libseccomp's Python binding for .*", "the same", always),
    # The user.
    Lack(r"loading without no_new_privs takes root", "the session of nobody", as_nobody),
    Lack(r"root( with CAP_SYS_ADMIN)?", "the session of nobody", as_nobody),
    Lack(r"a mount namespace takes root and unshare\(1\)", "the session of nobody", as_nobody),
)


def excuse(reason: str, guest: Guest, user: str) -> Lack | None:
    """The row that a skip has, None when there is none for this guest."""
    for lack in LACKS:
        if re.fullmatch(lack.reason, reason, re.DOTALL) and lack.where(guest, user):
            return lack
    return None


def stale(reasons: Iterable[tuple[str, str]], guest: Guest) -> list[str]:
    """The rows that say this guest lacks something although no test asked for it; `reasons` with their users."""
    used = {excuse(reason, guest, user) for reason, user in reasons}
    users = {user for _, user in reasons}
    return [lack.reason for lack in LACKS if lack not in used and any(lack.where(guest, user) for user in users)]


class Wrong(NamedTuple):
    """A test that fails because the kernel, not troth, has a defect: which (a regular expression), why, and where."""

    test: str
    why: str
    where: Callable[[Guest, str], bool]


# The tests in which a supervisor answers with a value.
_VALUES: Final = (
    "a_call_returns_the_value_of_the_answer",
    "a_value_together_with_continue_is_einval",
    "a_descriptor_is_injected_and_returned_by_a_later_answer",
    "a_descriptor_is_injected_under_a_chosen_number",
    "a_descriptor_is_injected_and_answered_in_one_step",
    "an_injected_descriptor_closes_on_exec_if_wanted",
    "a_signal_to_the_supervisor_does_not_end_the_wait",
    "waking_on_one_cpu_can_be_chosen",
    "only_fatal_signals_interrupt_a_received_call_that_waits_killable",
)

WRONGS: Final = (
    Wrong(
        rf"tests/live/test_kernel_notify\.py::test_({'|'.join(_VALUES)})(\[.*)?",
        "a value that a supervisor answers arrives as 0 (powerpc, seen with 7.2 and not with 6.1); troth answers errnos",
        lambda guest, _: guest.name == "ppc64el-7.2",
    ),
)


def wrong(test: str, guest: Guest) -> bool:
    """Whether a test is known to fail in this guest by the kernel's fault."""
    return any(re.fullmatch(row.test, test) and row.where(guest, "") for row in WRONGS)
