"""What filters answer, and the numbers that every start needs so that whole tables need not be loaded.

The answers are SECCOMP_RET_* of linux/seccomp.h; a test holds the numbers equal to the tables.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

# Answers, strictest first; the upper 16 bits are the action, the lower 16 its data.
RET_KILL_PROCESS: Final = 0x80000000
RET_KILL_THREAD: Final = 0x00000000
RET_TRAP: Final = 0x00030000
RET_ERRNO: Final = 0x00050000
RET_USER_NOTIF: Final = 0x7FC00000
RET_TRACE: Final = 0x7FF00000
RET_LOG: Final = 0x7FFC0000
RET_ALLOW: Final = 0x7FFF0000
ACTION_MASK: Final = 0xFFFF0000

ACTIONS: Final = {
    RET_KILL_PROCESS: "kill_process",
    RET_KILL_THREAD: "kill_thread",
    RET_TRAP: "trap",
    RET_ERRNO: "errno",
    RET_USER_NOTIF: "user_notif",
    RET_TRACE: "trace",
    RET_LOG: "log",
    RET_ALLOW: "allow",
}

# The calls that troth makes by itself.
NUMBERS: Final = {
    "x86_64": {
        "ioctl": 16,
        "landlock_add_rule": 445,
        "landlock_create_ruleset": 444,
        "landlock_restrict_self": 446,
        "lsm_list_modules": 461,
        "pidfd_getfd": 438,
        "pidfd_open": 434,
        "pidfd_send_signal": 424,
        "prctl": 157,
        "ptrace": 101,
        "seccomp": 317,
        "signalfd4": 289,
        "unshare": 272,
    },
    "x32": {
        "ioctl": 1073742338,
        "landlock_add_rule": 1073742269,
        "landlock_create_ruleset": 1073742268,
        "landlock_restrict_self": 1073742270,
        "lsm_list_modules": 1073742285,
        "pidfd_getfd": 1073742262,
        "pidfd_open": 1073742258,
        "pidfd_send_signal": 1073742248,
        "prctl": 1073741981,
        "ptrace": 1073742345,
        "seccomp": 1073742141,
        "signalfd4": 1073742113,
        "unshare": 1073742096,
    },
    "i386": {
        "ioctl": 54,
        "landlock_add_rule": 445,
        "landlock_create_ruleset": 444,
        "landlock_restrict_self": 446,
        "lsm_list_modules": 461,
        "pidfd_getfd": 438,
        "pidfd_open": 434,
        "pidfd_send_signal": 424,
        "prctl": 172,
        "ptrace": 26,
        "seccomp": 354,
        "signalfd4": 327,
        "unshare": 310,
    },
    "aarch64": {
        "ioctl": 29,
        "landlock_add_rule": 445,
        "landlock_create_ruleset": 444,
        "landlock_restrict_self": 446,
        "lsm_list_modules": 461,
        "pidfd_getfd": 438,
        "pidfd_open": 434,
        "pidfd_send_signal": 424,
        "prctl": 167,
        "ptrace": 117,
        "seccomp": 277,
        "signalfd4": 74,
        "unshare": 97,
    },
    "arm": {
        "ioctl": 54,
        "landlock_add_rule": 445,
        "landlock_create_ruleset": 444,
        "landlock_restrict_self": 446,
        "lsm_list_modules": 461,
        "pidfd_getfd": 438,
        "pidfd_open": 434,
        "pidfd_send_signal": 424,
        "prctl": 172,
        "ptrace": 26,
        "seccomp": 383,
        "signalfd4": 355,
        "unshare": 337,
    },
    "riscv64": {
        "ioctl": 29,
        "landlock_add_rule": 445,
        "landlock_create_ruleset": 444,
        "landlock_restrict_self": 446,
        "lsm_list_modules": 461,
        "pidfd_getfd": 438,
        "pidfd_open": 434,
        "pidfd_send_signal": 424,
        "prctl": 167,
        "ptrace": 117,
        "seccomp": 277,
        "signalfd4": 74,
        "unshare": 97,
    },
    "ppc64le": {
        "ioctl": 54,
        "landlock_add_rule": 445,
        "landlock_create_ruleset": 444,
        "landlock_restrict_self": 446,
        "lsm_list_modules": 461,
        "pidfd_getfd": 438,
        "pidfd_open": 434,
        "pidfd_send_signal": 424,
        "prctl": 171,
        "ptrace": 26,
        "seccomp": 358,
        "signalfd4": 313,
        "unshare": 282,
    },
    "s390x": {
        "ioctl": 54,
        "landlock_add_rule": 445,
        "landlock_create_ruleset": 444,
        "landlock_restrict_self": 446,
        "lsm_list_modules": 461,
        "pidfd_getfd": 438,
        "pidfd_open": 434,
        "pidfd_send_signal": 424,
        "prctl": 172,
        "ptrace": 26,
        "seccomp": 348,
        "signalfd4": 322,
        "unshare": 303,
    },
    "loongarch64": {
        "ioctl": 29,
        "landlock_add_rule": 445,
        "landlock_create_ruleset": 444,
        "landlock_restrict_self": 446,
        "lsm_list_modules": 461,
        "pidfd_getfd": 438,
        "pidfd_open": 434,
        "pidfd_send_signal": 424,
        "prctl": 167,
        "ptrace": 117,
        "seccomp": 277,
        "signalfd4": 74,
        "unshare": 97,
    },
    "mips64el": {
        "ioctl": 5015,
        "landlock_add_rule": 5445,
        "landlock_create_ruleset": 5444,
        "landlock_restrict_self": 5446,
        "lsm_list_modules": 5461,
        "pidfd_getfd": 5438,
        "pidfd_open": 5434,
        "pidfd_send_signal": 5424,
        "prctl": 5153,
        "ptrace": 5099,
        "seccomp": 5312,
        "signalfd4": 5283,
        "unshare": 5262,
    },
}

# Calls that filters check the arguments of and programs make most often, over recorded runs of shells, compilers
# and interpreters.
HOT_NAMES: Final = (
    "openat", "mmap", "newfstatat", "ioctl", "fcntl", "mprotect", "sendto", "statx", "prctl", "open", "mmap2",
    "fcntl64", "clone", "prlimit64",
)  # fmt: skip
HOT: Final = {
    "x86_64": (257, 9, 262, 16, 72, 10, 44, 332, 157, 2, 56, 302),
    "x32": (
        1073742081,
        1073741833,
        1073742086,
        1073742338,
        1073741896,
        1073741834,
        1073741868,
        1073742156,
        1073741981,
        1073741826,
        1073741880,
        1073742126,
    ),
    "i386": (295, 90, 54, 55, 125, 369, 383, 172, 5, 192, 221, 120, 340),
    "aarch64": (56, 222, 79, 29, 25, 226, 206, 291, 167, 220, 261),
    "arm": (322, 54, 55, 125, 290, 397, 172, 5, 192, 221, 120, 369),
    "riscv64": (56, 222, 79, 29, 25, 226, 206, 291, 167, 220, 261),
    "ppc64le": (286, 90, 291, 54, 55, 125, 335, 383, 171, 5, 120, 325),
    "s390x": (288, 90, 293, 54, 55, 125, 369, 379, 172, 5, 120, 334),
    "loongarch64": (56, 222, 79, 29, 25, 226, 206, 291, 167, 220, 261),
    "mips64el": (5247, 5009, 5252, 5015, 5070, 5010, 5043, 5326, 5153, 5002, 5055, 5297),
}
