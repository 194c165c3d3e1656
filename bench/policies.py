"""Policies that compilers of filters are compared on, and the calls that are counted under them.

`common()` is a common test policy: what a small server does, told to every peer through its own front end. 51 calls
are allowed, 10 depending on an argument, all else fails with EPERM. `docker()` is Docker's default profile
(moby/profiles, seccomp/default.json) for x86_64 with i386 and x32 and the capabilities that Docker gives.
"""

from __future__ import annotations

import os.path

from troth.policy import Policy
from troth.policy.build import Test, build

# No pathlib: programs that compile and load one of these are timed, and half of their time would be its import.
DOCKER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests/data/oci/docker.json")

_ALLOWED = """
    read write close fstat lseek munmap brk rt_sigaction rt_sigprocmask rt_sigreturn pread64 pwrite64 readv writev
    access pipe2 select sched_yield mremap dup dup2 nanosleep getpid sendto recvfrom connect bind listen accept4 exit
    wait4 uname getcwd chdir readlink getuid getgid geteuid getppid sigaltstack gettid openat newfstatat exit_group
    set_robust_list epoll_wait epoll_ctl getdents64 clock_gettime getrandom rseq
"""

# Call, argument, values that are allowed, or a mask of bits of which none may be set.
_CHECKED = (
    ("ioctl",    "cmd",         (0x5401, 0x5413, 0x541B, 0x5451, 0x5421), None),
    ("fcntl",    "cmd",         (1, 2, 3, 4, 1030),                       None),
    ("socket",   "family",      (1, 2, 10),                               None),
    ("mmap",     "prot",        (0,),                                     4),
    ("mprotect", "prot",        (0,),                                     4),
    ("prctl",    "option",      (15, 16, 23, 39),                         None),
    ("clone",    "clone_flags", (0,),                                     0x7E020000),
    ("madvise",  "behavior",    (3, 4, 8, 14),                            None),
    ("futex",    "op",          (0, 1, 128, 129, 0x189),                  None),
    ("kill",     "sig",         (0,),                                     None),
)  # fmt: skip

# What is asked of it: a label, the call, its first arguments.
PROBES: tuple[tuple[str, str | int, tuple[int, ...]], ...] = (
    ("read",               "read",          (3,)),
    ("write",              "write",         (1,)),
    ("close",              "close",         (3,)),
    ("openat",             "openat",        (0,)),
    ("newfstatat",         "newfstatat",    (0,)),
    ("getppid",            "getppid",       ()),
    ("clock_gettime",      "clock_gettime", (0,)),
    ("epoll_wait",         "epoll_wait",    (0,)),
    ("recvfrom",           "recvfrom",      (0,)),
    ("exit_group",         "exit_group",    (0,)),
    ("rseq",               "rseq",          (0,)),
    ("futex, private",     "futex",         (0, 128)),
    ("futex, bitset",      "futex",         (0, 0x189)),
    ("mmap, data",         "mmap",          (0, 4096, 3, 0x22)),
    ("mprotect, read",     "mprotect",      (0, 4096, 1)),
    ("ioctl TCGETS",       "ioctl",         (1, 0x5401)),
    ("ioctl FIONBIO",      "ioctl",         (1, 0x5421)),
    ("ioctl, refused",     "ioctl",         (1, 0x5412)),
    ("fcntl F_GETFD",      "fcntl",         (3, 1)),
    ("fcntl F_DUPFD_CLOEXEC", "fcntl",      (3, 1030)),
    ("socket, IPv6",       "socket",        (10, 1)),
    ("clone, thread",      "clone",         (0x3D0F00,)),
    ("madvise DONTNEED",   "madvise",       (0, 0, 4)),
    ("execve, refused",    "execve",        (0,)),
    ("an unknown number",  999,             ()),
)  # fmt: skip


def common(*, wide: bool = False) -> Policy:
    """The common test policy; with `wide` all 64 bits of arguments count, as most peers have it."""
    width = 64 if wide else None
    checked = [(call, Test(arg, "in", values, mask=mask, width=width), "allow") for call, arg, values, mask in _CHECKED]
    allowed = [(call, None, "allow") for call in _ALLOWED.split()]
    return build(("x86_64",), [*allowed, *checked], default="EPERM", bad_arch="EPERM")


def docker() -> Policy:
    """Docker's default profile, as its runtime resolves it."""
    from troth.formats import oci

    with open(DOCKER, "rb") as file:
        profile = file.read()
    return oci.load_bytes(profile, arches=("x86_64", "i386", "x32"), caps=("docker",))
