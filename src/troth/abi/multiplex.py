"""System calls behind other system calls: socketcall(2), ipc(2), and twins with 64-bit times."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

# The first argument of socketcall(2): SYS_* of linux/net.h.
SOCKETCALL: Final = {
    1: "socket",        2: "bind",         3: "connect",      4: "listen",      5: "accept",
    6: "getsockname",   7: "getpeername",  8: "socketpair",   9: "send",       10: "recv",
    11: "sendto",      12: "recvfrom",    13: "shutdown",    14: "setsockopt", 15: "getsockopt",
    16: "sendmsg",     17: "recvmsg",     18: "accept4",     19: "recvmmsg",   20: "sendmmsg",
}  # fmt: skip

# The low 16 bits of the first argument of ipc(2): linux/ipc.h. The high ones are a version.
IPC: Final = {
    1: "semop",    2: "semget",  3: "semctl",   4: "semtimedop",
    11: "msgsnd", 12: "msgrcv", 13: "msgget",  14: "msgctl",
    21: "shmat",  22: "shmdt",  23: "shmget",  24: "shmctl",
}  # fmt: skip

HAS_SOCKETCALL: Final = frozenset({"i386", "ppc64le", "s390x"})
HAS_IPC: Final = frozenset({"i386", "ppc64le", "s390x"})

# Where a 32-bit architecture has both (since Linux 5.1), the left one takes 32-bit times.
TIME64: Final = {
    "clock_adjtime":         "clock_adjtime64",
    "clock_getres":          "clock_getres_time64",
    "clock_gettime":         "clock_gettime64",
    "clock_nanosleep":       "clock_nanosleep_time64",
    "clock_settime":         "clock_settime64",
    "futex":                 "futex_time64",
    "io_pgetevents":         "io_pgetevents_time64",
    "mq_timedreceive":       "mq_timedreceive_time64",
    "mq_timedsend":          "mq_timedsend_time64",
    "ppoll":                 "ppoll_time64",
    "pselect6":              "pselect6_time64",
    "recvmmsg":              "recvmmsg_time64",
    "rt_sigtimedwait":       "rt_sigtimedwait_time64",
    "sched_rr_get_interval": "sched_rr_get_interval_time64",
    "semtimedop":            "semtimedop_time64",
    "timer_gettime":         "timer_gettime64",
    "timer_settime":         "timer_settime64",
    "timerfd_gettime":       "timerfd_gettime64",
    "timerfd_settime":       "timerfd_settime64",
    "utimensat":             "utimensat_time64",
}  # fmt: skip
