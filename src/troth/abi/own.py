"""The numbers of the calls that troth makes by itself, so that a confined program need not load whole tables.

A test holds them equal to the tables.
"""

NUMBERS = {
    "x86_64": {
        "ioctl": 16, "landlock_add_rule": 445, "landlock_create_ruleset": 444, "landlock_restrict_self": 446,
        "lsm_list_modules": 461, "pidfd_getfd": 438, "pidfd_open": 434, "pidfd_send_signal": 424,
        "prctl": 157, "ptrace": 101, "seccomp": 317, "signalfd4": 289, "unshare": 272,
    },
    "x32": {
        "ioctl": 1073742338, "landlock_add_rule": 1073742269, "landlock_create_ruleset": 1073742268,
        "landlock_restrict_self": 1073742270, "lsm_list_modules": 1073742285, "pidfd_getfd": 1073742262,
        "pidfd_open": 1073742258, "pidfd_send_signal": 1073742248, "prctl": 1073741981, "ptrace": 1073742345,
        "seccomp": 1073742141, "signalfd4": 1073742113, "unshare": 1073742096,
    },
    "i386": {
        "ioctl": 54, "landlock_add_rule": 445, "landlock_create_ruleset": 444, "landlock_restrict_self": 446,
        "lsm_list_modules": 461, "pidfd_getfd": 438, "pidfd_open": 434, "pidfd_send_signal": 424,
        "prctl": 172, "ptrace": 26, "seccomp": 354, "signalfd4": 327, "unshare": 310,
    },
    "aarch64": {
        "ioctl": 29, "landlock_add_rule": 445, "landlock_create_ruleset": 444, "landlock_restrict_self": 446,
        "lsm_list_modules": 461, "pidfd_getfd": 438, "pidfd_open": 434, "pidfd_send_signal": 424,
        "prctl": 167, "ptrace": 117, "seccomp": 277, "signalfd4": 74, "unshare": 97,
    },
    "arm": {
        "ioctl": 54, "landlock_add_rule": 445, "landlock_create_ruleset": 444, "landlock_restrict_self": 446,
        "lsm_list_modules": 461, "pidfd_getfd": 438, "pidfd_open": 434, "pidfd_send_signal": 424,
        "prctl": 172, "ptrace": 26, "seccomp": 383, "signalfd4": 355, "unshare": 337,
    },
    "riscv64": {
        "ioctl": 29, "landlock_add_rule": 445, "landlock_create_ruleset": 444, "landlock_restrict_self": 446,
        "lsm_list_modules": 461, "pidfd_getfd": 438, "pidfd_open": 434, "pidfd_send_signal": 424,
        "prctl": 167, "ptrace": 117, "seccomp": 277, "signalfd4": 74, "unshare": 97,
    },
    "ppc64le": {
        "ioctl": 54, "landlock_add_rule": 445, "landlock_create_ruleset": 444, "landlock_restrict_self": 446,
        "lsm_list_modules": 461, "pidfd_getfd": 438, "pidfd_open": 434, "pidfd_send_signal": 424,
        "prctl": 171, "ptrace": 26, "seccomp": 358, "signalfd4": 313, "unshare": 282,
    },
    "s390x": {
        "ioctl": 54, "landlock_add_rule": 445, "landlock_create_ruleset": 444, "landlock_restrict_self": 446,
        "lsm_list_modules": 461, "pidfd_getfd": 438, "pidfd_open": 434, "pidfd_send_signal": 424,
        "prctl": 172, "ptrace": 26, "seccomp": 348, "signalfd4": 322, "unshare": 303,
    },
    "loongarch64": {
        "ioctl": 29, "landlock_add_rule": 445, "landlock_create_ruleset": 444, "landlock_restrict_self": 446,
        "lsm_list_modules": 461, "pidfd_getfd": 438, "pidfd_open": 434, "pidfd_send_signal": 424,
        "prctl": 167, "ptrace": 117, "seccomp": 277, "signalfd4": 74, "unshare": 97,
    },
    "mips64el": {
        "ioctl": 5015, "landlock_add_rule": 5445, "landlock_create_ruleset": 5444,
        "landlock_restrict_self": 5446, "lsm_list_modules": 5461, "pidfd_getfd": 5438, "pidfd_open": 5434,
        "pidfd_send_signal": 5424, "prctl": 5153, "ptrace": 5099, "seccomp": 5312, "signalfd4": 5283,
        "unshare": 5262,
    },
}
