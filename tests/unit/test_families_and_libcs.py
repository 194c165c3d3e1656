"""The families against the atlas: what a libc calls for a function has to be of the function's families."""

from __future__ import annotations

import pytest

from troth.families.resolve import family_of
from troth.libc.reach.facts import builds, reach_facts

# Functions and the families whose calls they may make themselves, in every libc. `fcntl` is musl's way to close a
# descriptor on exec on old kernels; `socketcall` and `ipc` are i386's; musl asks for one file in several ways.
_STAT = "stat fstat fcntl"
_FUNCTIONS = {
    "open creat": "open fcntl",
    "openat": "open",
    "read pread readv": "read",
    "write writev": "write",
    "lseek": "lseek",
    "close": "close",
    "dup dup2 dup3": "dup fcntl",
    "pipe pipe2": "pipe fcntl",
    "stat lstat fstat fstatat statx": _STAT,
    "access": "access",
    "faccessat": f"access getuid wait pipe sigprocmask close read spawn exit {_STAT}",  # a child with other ids asks
    "rename renameat": "rename",
    "unlink unlinkat": "unlink",
    "rmdir": "rmdir unlink",
    "mkdir mkdirat": "mkdir",
    "symlink symlinkat": "symlink",
    "link linkat": "link",
    "readlink readlinkat": "readlink",
    "mknod mknodat": "mknod",
    "chmod": "chmod",
    "fchmod": "fchmod chmod fcntl",
    "fchmodat": f"chmod open close {_STAT}",
    "chown lchown fchownat": "chown",
    "fchown": "fchown chown fcntl",
    "utimensat futimens utimes": "utime",
    "truncate": "truncate",
    "ftruncate": "ftruncate",
    "statfs": "statfs",
    "fstatfs": "fstatfs",
    "getdents64": "getdents lseek",
    "chdir": "chdir",
    "fchdir": "fchdir chdir fcntl",
    "fcntl": "fcntl close",
    "flock": "flock",
    "ioctl tcgetattr": "ioctl",
    "mmap": "mmap",
    "munmap": "munmap",
    "mprotect": "mprotect",
    "select pselect": "select",
    "poll ppoll": "poll",
    "epoll_create epoll_create1 epoll_wait epoll_pwait epoll_ctl": "epoll",
    "eventfd": "eventfd",
    "signalfd": "signalfd fcntl",
    "timerfd_create timerfd_settime timerfd_gettime": "timerfd",
    "socket": "socket socketcall fcntl",
    "socketpair": "socketpair socketcall fcntl",
    "bind": "bind socketcall",
    "connect": "connect socketcall",
    "listen": "listen socketcall",
    "accept accept4": "accept socketcall fcntl",
    "send sendto": "sendto socketcall",
    "recv recvfrom": "recvfrom socketcall",
    "sendmsg": "sendmsg socketcall",
    "recvmsg": "recvmsg socketcall",
    "getsockopt": "getsockopt socketcall",
    "setsockopt": "setsockopt socketcall",
    "shutdown": "shutdown socketcall",
    "getuid geteuid getgid getegid": "getuid",
    "setuid": "setuid tgkill tkill getpid sigprocmask sigaction",  # of all threads, each told by a signal
    "getpid getppid": "getpid",
    "kill": "kill",
    "fork": "spawn robust_list sigprocmask getpid tid_address",
    "vfork": "spawn",
    "execve": "exec",
    "waitpid wait4 waitid": "wait",
    "sigprocmask": "sigprocmask",
    "nanosleep clock_nanosleep": "sleep",
    "clock_gettime": "clock_get gettimeofday",
    "prlimit": "prlimit",
    "getrlimit": "prlimit getrlimit",
    "uname": "uname",
    "getrandom": "getrandom prctl mmap munmap sigprocmask",  # the state that the vDSO keeps
    "semop semget": "sem ipc",
    "msgsnd msgget": "msg ipc",
    "shmat shmget": "shm ipc",
    "memfd_create": "memfd",
    "sched_yield": "sched_yield",
    "sendfile copy_file_range": "copy_range",
}  # fmt: skip


@pytest.mark.parametrize(("build", "arch"), builds())
def test_no_libc_uses_a_call_for_a_function_that_its_families_do_not_know(build: str, arch: str) -> None:
    facts = reach_facts(build, arch)
    complaints = []
    for names, families in _FUNCTIONS.items():
        for name in names.split():
            if name not in facts.functions:
                continue
            calls = {call.partition(":")[0] for call in facts.functions[name].calls["own"]}
            unknown = sorted(call for call in calls if family_of(call) not in families.split())
            if unknown:
                complaints.append(f"{name} of {build} on {arch} calls {', '.join(unknown)}")
    assert complaints == []


@pytest.mark.parametrize(("build", "arch"), builds())
def test_every_call_of_every_function_has_a_family_or_a_reason_for_none(build: str, arch: str) -> None:
    calls: set[str] = set()
    for one in reach_facts(build, arch).functions.values():
        for some in one.calls.values():
            calls.update(call.partition(":")[0] for call in some)
    for call in sorted(calls):
        family_of(call)  # raises where no table knows it
