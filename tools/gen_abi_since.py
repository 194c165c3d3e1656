"""Say with which kernel a system call came: from syscalls(2), or the tables here.

The list of syscalls(2) ends at Linux 5.14 and tells i386's history for all arches. `LATER` and
`WIRED` hold what it does not say, each line with the release that merged it. The headers of
older series must not contradict an answer (`contradiction`).
"""

from __future__ import annotations

import re

_TIME64 = (
    "clock_gettime64 clock_settime64 clock_adjtime64 clock_getres_time64 clock_nanosleep_time64 timer_gettime64 "
    "timer_settime64 timerfd_gettime64 timerfd_settime64 utimensat_time64 pselect6_time64 ppoll_time64 "
    "io_pgetevents_time64 recvmmsg_time64 mq_timedsend_time64 mq_timedreceive_time64 semtimedop_time64 "
    "rt_sigtimedwait_time64 futex_time64 sched_rr_get_interval_time64"
)
_SOCKETS = (
    "socket socketpair bind connect listen accept4 getsockopt setsockopt getsockname getpeername sendto sendmsg "
    "recvfrom recvmsg shutdown"
)
_SYSV = "semget semctl semtimedop shmget shmctl shmat shmdt msgget msgsnd msgrcv msgctl"

# Not in the list of syscalls(2): newer than it, or of one arch, or known there by another name; or wrong there.
LATER = (
    ("1.0",    "oldfstat oldlstat oldolduname oldstat olduname umount2 break ftime gtty lock mpx prof profil stty"),
    ("1.0",    "ulimit idle vm86old _newselect readdir sigaction sigprocmask signal ssetmask sgetmask"),
    ("2.0",    "_llseek"),
    ("2.2",    "usr26 usr32 getpmsg putpmsg rtas"),
    ("2.4",    "set_tls security tuxcall afs_syscall reserved177 reserved193 multiplexer cachectl"),
    ("2.6",    "epoll_ctl_old epoll_wait_old vserver sys_debug_setcontext"),
    ("2.6.16", "newfstatat"),
    ("2.6",    "arm_fadvise64_64"),
    ("2.6.22", "sync_file_range2 arm_sync_file_range timerfd"),
    ("4.3",    "membarrier"),                                       # syscalls(2) says 3.17, membarrier(2) 4.3
    ("4.9",    "pkey_alloc pkey_free pkey_mprotect"),               # syscalls(2) says 4.8, pkey_alloc(2) 4.9
    ("5.1",    _TIME64),
    ("5.12",   "mount_setattr"),
    ("5.15",   "process_mrelease"),
    ("5.16",   "futex_waitv"),
    ("5.17",   "set_mempolicy_home_node"),
    ("6.4",    "riscv_hwprobe"),
    ("6.5",    "cachestat"),
    ("6.6",    "fchmodat2 map_shadow_stack"),
    ("6.7",    "futex_wake futex_wait futex_requeue"),
    ("6.8",    "statmount listmount lsm_get_self_attr lsm_set_self_attr lsm_list_modules"),
    ("6.10",   "mseal"),
    ("6.11",   "uretprobe"),
    ("6.13",   "setxattrat getxattrat listxattrat removexattrat"),
    ("6.15",   "open_tree_attr"),
    ("6.17",   "file_getattr file_setattr"),
    ("6.18",   "uprobe"),
    ("6.19",   "listns"),
    ("7.0",    "rseq_slice_yield"),
    ("7.3",    "fchroot"),
)  # fmt: skip

# A number that some arches gave later than others.
WIRED = (
    ("i386 s390x",         "4.3",    _SOCKETS),                     # before: only through socketcall
    ("ppc64le",            "2.6.37", _SOCKETS + " accept send recv recvmmsg"),
    ("i386 s390x ppc64le", "5.1",    _SYSV),                        # before: only through ipc
    ("s390x",              "4.3",    "recvmmsg sendmmsg"),
    ("mips64el",           "3.10",   "getdents64"),
    ("ppc64le",            "4.10",   "kexec_file_load"),
    ("s390x",              "4.17",   "kexec_file_load"),
    ("ppc64le",            "4.16",   "pkey_alloc pkey_free pkey_mprotect"),
    ("i386",               "4.12",   "arch_prctl"),
    ("loongarch64",        "6.11",   "fstat newfstatat"),           # before: only statx
    ("loongarch64",        "7.0",    "memfd_secret"),
)  # fmt: skip


def parse_page(text: str) -> dict[str, str]:
    """Read the list of syscalls(2): name to its Kernel column, the mainline version when it has two."""
    table = text.split("\n.TS\n", 1)[1].split("\n.TE", 1)[0]
    table = re.sub(r'^\.\\".*\n', "", table, flags=re.MULTILINE)
    table = re.sub(r"T\{\n(.*?)\nT\}", lambda cell: cell.group(1).replace("\n", " "), table, flags=re.DOTALL)
    found = {}
    for line in table.splitlines():
        cells = re.sub(r"\\f\[.?\]|^\.BR? ", "", line).split("\t")
        name = re.match(r"(\w+) ?\(2\)", cells[0])
        if name and len(cells) > 1:
            version = re.match(r"\d+\.\d+(\.[1-9]\d*)?", cells[1])
            found[name.group(1)] = version.group() if version else "1.0"
    return found


def _lookup(table: tuple[tuple[str, str], ...]) -> dict[str, str]:
    return {name: version for version, names in table for name in names.split()}


_LATER = _lookup(LATER)
_WIRED = {
    (arch, name): version for arches, version, names in WIRED for arch in arches.split() for name in names.split()
}


def since(arch: str, name: str, page: dict[str, str]) -> str:
    """The kernel version with which a call appeared on an arch; empty when no source says.

    For what came before an arch did, the version is that of the call, not of the port.
    """
    return _WIRED.get((arch, name)) or _LATER.get(name) or page.get(name, "")


def as_numbers(version: str) -> tuple[int, ...]:
    """Order versions: 2.6 < 2.6.11 < 6.9 < 6.10."""
    return tuple(map(int, version.split(".")))


def contradiction(version: str, present: dict[str, bool]) -> str:
    """Say which series' headers deny a version; `present` maps a series to whether it has the call."""
    for series, there in present.items():
        if there != (as_numbers(version) <= as_numbers(series)):
            return f"since {version}, but the headers of {series} {'have' if there else 'lack'} it"
    return ""
