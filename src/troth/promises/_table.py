"""What each promise buys: the page that a security reviewer reads.

The blocks start with what is least risky and most required. A row says: calls of this family,
under these conditions on their by-value arguments, are paid for by *any one* of the promises
named, together with *all* of `also`. Rows are OR-ed, the conditions of a row are AND-ed.

`when` limits a row to a setting (`expand.Setting`): `judged` = Landlock decides about the object, so
the call may pass the filter; `truncate_judged` = about truncation too (ABI 3); `unveiled` = no veil is
active; `scoped` = Landlock confines signals to this process; `unix_judged` = Landlock decides which unix
sockets resolve; `main` = the architecture is the program's own, not one that it could enter. `only` names members (`name`, `name@arch`) whose arguments hide behind a pointer and which
are allowed all the same; the row says why. `since` names the C library without which an entry would not be
here, where what it grants does not follow from the promise: `promises.knowledge` can take it away again.

`ANSWERS` says how a call is refused when the violation mode would be the wrong answer: what libc
or a runtime does on its own account is refused softly, so that only the program's own acts kill it.
"""

from __future__ import annotations

from troth.promises._words import (
    ALWAYS,
    CHOWN,
    CPATH,
    DNS,
    DPATH,
    EXEC,
    FATTR,
    FLOCK,
    GETPW,
    ID,
    INET,
    LIBC_FILES,
    MCAST,
    PROC,
    PROT_EXEC,
    PS,
    RECVFD,
    ROUTE,
    RPATH,
    SENDFD,
    SETTIME,
    STDIO,
    SYSVIPC,
    TTY,
    UNIX,
    UNVEIL,
    WPATH,
    WROUTE,
)  # fmt: skip

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final


def lacks(role: str, flags: str) -> tuple[str, str, str, str]:
    """None of these bits is set."""
    return (role, "mask", flags, "0")


def has(role: str, flags: str) -> tuple[str, str, str, str]:
    """All of these bits are set."""
    return (role, "mask", flags, flags)


def masked(role: str, mask: str, value: str) -> tuple[str, str, str, str]:
    """The bits under the mask are exactly the value."""
    return (role, "mask", mask, value)


def one_of(role: str, values: str) -> tuple[str, str, str, str]:
    """The argument is one of these values (names or numbers, separated by spaces)."""
    return (role, "in", "", values)


def masked_in(role: str, mask: str, values: str) -> tuple[str, str, str, str]:
    """The bits under the mask are one of these values."""
    return (role, "in", mask, values)


def not_one_of(role: str, values: str) -> tuple[str, str, str, str]:
    """The argument is none of these values."""
    return (role, "not in", "", values)


def null(role: str) -> tuple[str, str, str, str]:
    """The pointer is NULL: what a filter can see of a pointer."""
    return (role, "null", "", "0")


# Entries that exist because of one C library, with its release.
SINCE: Final[dict[object, str]] = {}


def row(
    family: str,
    needs: int,
    *tests: tuple[str, str, str, str],
    also: int = 0,
    when: str = "",
    only: tuple[str, ...] = (),
    since: str = "",
) -> tuple[str, int, int, tuple[tuple[str, str, str, str], ...], str, tuple[str, ...]]:
    """One way to pay for calls of a family."""
    made = (family, needs, also, tests, when, only)
    if since:
        SINCE[made] = since
    return made


IOCTL_STDIO: Final = "FIONREAD FIONBIO FIOCLEX FIONCLEX TCGETS"  # isatty() is a TCGETS
IOCTL_TTY_GET: Final = "TIOCGWINSZ TIOCGPGRP TIOCGSID TIOCOUTQ TIOCMGET TIOCGPTN TIOCGPTLCK TIOCGETD TIOCGEXCL TIOCGPKT TIOCGSOFTCAR TCGETA TIOCGSERIAL"
IOCTL_TTY_SET: Final = (
    "TCSETS TCSETSW TCSETSF TCSETS2 TCSETSW2 TCSETSF2 TIOCSWINSZ TCSBRK TCSBRKP TIOCSBRK TIOCCBRK TCFLSH TCXONC "
    "TIOCSCTTY TIOCNOTTY TIOCEXCL TIOCNXCL TCSETA TCSETAW TCSETAF"
)
# What changes a terminal, a serial line or who they belong to; TIOCSTI, TIOCLINUX and TIOCSIG act for the user.
IOCTL_TTY_CHANGES: Final = (
    f"{IOCTL_TTY_SET} TIOCSPGRP TIOCSPTLCK TIOCGPTPEER TIOCPKT TIOCSTI TIOCLINUX TIOCSIG TIOCCONS TIOCSETD TIOCVHANGUP "
    "TIOCSSERIAL TIOCSERCONFIG TIOCSERSWILD TIOCSLCKTRMIOS TIOCMBIS TIOCMBIC TIOCMSET TIOCSRS485 TIOCSISO7816 TCSETX TCSETXF TCSETXW FIOASYNC"
)
FCNTL_STDIO: Final = (
    "F_DUPFD F_DUPFD_CLOEXEC F_GETFD F_SETFD F_GETFL F_SETFL F_GETPIPE_SZ F_SETPIPE_SZ "
    "F_ADD_SEALS F_GET_SEALS F_DUPFD_QUERY F_CREATED_QUERY"
)
FCNTL_LOCK: Final = "F_GETLK F_SETLK F_SETLKW F_GETLK64 F_SETLK64 F_SETLKW64 F_OFD_GETLK F_OFD_SETLK F_OFD_SETLKW"
CLONE_NEVER: Final = "CLONE_NEWNS|CLONE_NEWCGROUP|CLONE_NEWUTS|CLONE_NEWIPC|CLONE_NEWUSER|CLONE_NEWPID|CLONE_NEWNET|CLONE_UNTRACED|CLONE_PTRACE"
CLONE_THREADLIKE: Final = "CLONE_VM|CLONE_SIGHAND|CLONE_THREAD"
SETID_BITS: Final = "0o7000"  # S_ISUID | S_ISGID | S_ISVTX
CREATES: Final = "O_CREAT|__O_TMPFILE"
ORDINARY_ACCESS: Final = (masked_in("flags", "O_ACCMODE", "O_RDONLY O_WRONLY O_RDWR"),)   # 3 would be an ioctl-only descriptor
WRITING_ACCESS: Final = (masked_in("flags", "O_ACCMODE", "O_WRONLY O_RDWR"),)
SOCKET_TYPE: Final = "0xf"  # SOCK_TYPE_MASK: the rest is SOCK_CLOEXEC and SOCK_NONBLOCK

ROWS: Final = (
    # Minimum required: without these a process cannot even die, or libc aborts it for a promise it was
    # never told of (it registered rseq and robust lists before the filter came).
    row("exit",           ALWAYS),
    row("restart",        ALWAYS),           # returning from a handler is not a request
    row("futex",          ALWAYS),           # locks held at exit
    row("robust_list",    ALWAYS, one_of("pid", "0 SELF")),
    row("tid_address",    ALWAYS),
    row("rseq",           ALWAYS),
    row("membarrier",     STDIO),
    row("membarrier",     ALWAYS, since="musl-1.1.22"),     # musl and runtimes synchronise threads with it
    row("getrandom",      STDIO),
    row("getrandom",      ALWAYS, since="glibc-2.43"),      # malloc() loops for ever without it
    row("munmap",         ALWAYS),           # a thread's stack at its end
    row("uprobe",         ALWAYS),           # the kernel itself makes this call in a traced program
    # Pledging again only narrows.
    row("seccomp",        ALWAYS, lacks("flags", "SECCOMP_FILTER_FLAG_NEW_LISTENER")),
    row("landlock",       ALWAYS),
    row("unshare",        ALWAYS, one_of("flags", "CLONE_VM")),   # asks whether there is one thread only; changes nothing
    row("getpid",         ALWAYS),
    row("getuid",         ALWAYS),

    # "Getting" information about self is considered safe.
    row("getpgid",        STDIO),
    row("capget",         STDIO),
    row("getrusage",      STDIO),
    row("times",          STDIO),
    row("getrlimit",      STDIO),
    row("prlimit",        STDIO, one_of("pid", "0 SELF"), null("new")),
    row("sched_get",      STDIO),
    row("getcpu",         STDIO),
    row("uname",          STDIO),
    row("sysinfo",        STDIO),
    row("umask",          STDIO),

    # Clocks: reading and waiting.
    row("clock_get",      STDIO),
    row("gettimeofday",   STDIO),
    row("time",           STDIO),
    row("sleep",          STDIO),
    row("itimer",         STDIO),
    row("alarm",          STDIO),
    row("timer",          STDIO),
    row("timerfd",        STDIO),

    # Memory; executable memory has its own promise.
    row("mmap",           STDIO | EXEC, lacks("prot", "PROT_EXEC")),
    # s390x passes all six arguments behind one pointer and has no other call: there the promise of
    # prot_exec is kept by mprotect alone (docs/limits.md).
    row("mmap",           STDIO | EXEC, only=("mmap@s390x",)),
    row("mprotect",       STDIO | EXEC, lacks("prot", "PROT_EXEC")),
    row("mremap",         STDIO),
    row("madvise",        STDIO),
    row("msync",          STDIO),
    row("mincore",        STDIO),
    row("mlock",          STDIO),
    row("mlockall",       STDIO),
    row("brk",            STDIO | EXEC),
    row("mseal",          STDIO),
    row("pkey",           STDIO),

    # Descriptors that the process already has.
    row("read",           STDIO | EXEC),
    row("write",          STDIO),
    row("close",          STDIO | EXEC | UNVEIL),
    row("lseek",          STDIO),
    row("fstat",          STDIO | EXEC | UNVEIL),
    row("stat",           STDIO | EXEC | UNVEIL, has("flags", "AT_EMPTY_PATH"), since="glibc-2.33"),  # fstat() until 2.38; any path too, see docs/limits.md
    row("ftruncate",      STDIO),
    row("fallocate",      STDIO),
    row("fsync",          STDIO),
    row("fadvise",        STDIO),
    row("readahead",      STDIO),
    row("copy_range",     STDIO),
    row("splice",         STDIO),
    row("dup",            STDIO),
    row("fchdir",         STDIO),
    row("pipe",           STDIO),
    row("eventfd",        STDIO),
    row("signalfd",       STDIO),
    row("poll",           STDIO),
    row("select",         STDIO),
    row("epoll",          STDIO),
    row("fcntl",          STDIO, one_of("cmd", FCNTL_STDIO)),
    row("fcntl",          FLOCK, one_of("cmd", FCNTL_LOCK)),
    row("fcntl",          PROC,  one_of("cmd", "F_SETOWN F_GETOWN F_SETOWN_EX F_GETOWN_EX F_SETSIG F_GETSIG")),
    row("flock",          FLOCK),
    row("ioctl",          STDIO, one_of("request", IOCTL_STDIO)),
    row("ioctl",          STDIO, one_of("request", "TCGETS2"), since="glibc-2.42"),     # its isatty()

    # Signals: to oneself; to others is proc.
    row("sigaction",      STDIO),
    row("sigprocmask",    STDIO),
    row("sigpending",     STDIO),
    row("sigsuspend",     STDIO),
    row("sigwait",        STDIO),
    row("sigaltstack",    STDIO),
    row("pause",          STDIO),
    row("kill",           STDIO, one_of("pid", "0 SELF")),
    row("tgkill",         STDIO, one_of("tgid", "SELF")),
    row("sigqueue",       STDIO, one_of("pid", "SELF")),
    row("tgsigqueue",     STDIO, one_of("tgid", "SELF")),
    row("tkill",          STDIO, one_of("tid", "SELF")),        # raise() of musl in the first thread
    row("tkill",          STDIO, when="scoped"),                # ... in any other, whose id cannot be known beforehand
    row("pidfd_send_signal", STDIO, when="scoped"),
    row("kill",           PROC),
    row("tkill",          PROC),
    row("tgkill",         PROC),
    row("sigqueue",       PROC),
    row("tgsigqueue",     PROC),
    row("pidfd_send_signal", PROC),

    # Threads, and waiting for children one already has.
    row("spawn",          STDIO, has("flags", CLONE_THREADLIKE), lacks("flags", CLONE_NEVER)),
    row("sched_yield",    STDIO),
    row("futex_waitv",    STDIO),
    row("wait",           STDIO),
    row("arch_prctl",     STDIO | EXEC, one_of("option", "ARCH_SET_FS ARCH_GET_FS ARCH_SET_GS ARCH_GET_GS ARCH_CET_STATUS "
                                               "ARCH_SHSTK_ENABLE ARCH_SHSTK_DISABLE ARCH_SHSTK_LOCK ARCH_SHSTK_STATUS")),
    row("thread_area",    STDIO | EXEC),
    row("cacheflush",     STDIO),
    row("map_shadow_stack", STDIO),
    row("riscv_hwprobe",  STDIO),
    row("personality",    STDIO, one_of("persona", "0xffffffff")),           # asks, does not set
    row("prctl",          ALWAYS, one_of("option", "PR_SET_NO_NEW_PRIVS PR_GET_NO_NEW_PRIVS PR_SET_SECCOMP PR_GET_SECCOMP")),
    row("prctl",          STDIO, one_of("option", "PR_SET_NAME PR_GET_NAME PR_SET_VMA PR_GET_DUMPABLE PR_SET_DUMPABLE "
                                        "PR_SET_PDEATHSIG PR_GET_PDEATHSIG PR_CAPBSET_READ PR_SET_TIMERSLACK PR_GET_TIMERSLACK "
                                        "PR_SET_THP_DISABLE PR_GET_THP_DISABLE PR_GET_KEEPCAPS PR_GET_SECUREBITS PR_GET_TSC "
                                        "PR_GET_SPECULATION_CTRL PR_SET_MDWE PR_GET_MDWE PR_GET_CHILD_SUBREAPER PR_GET_AUXV")),
    row("prctl",          PROC,  one_of("option", "PR_SET_CHILD_SUBREAPER")),
    row("prctl",          ID,    one_of("option", "PR_SET_KEEPCAPS PR_CAPBSET_DROP PR_CAP_AMBIENT PR_SET_SECUREBITS")),

    # Opening. Where Landlock judges the object the flags may pass: it sees reading, writing, creating and (from
    # ABI 3) truncating, and /dev/null is opened with all of them. It does not see O_PATH, nor O_TMPFILE, nor
    # access mode 3 (an ioctl-only descriptor); nor can anyone strip setuid bits from a mode.
    row("open",           LIBC_FILES, *ORDINARY_ACCESS, lacks("flags", "O_PATH|O_CREAT|__O_TMPFILE|O_TRUNC"), when="judged"),
    row("open",           LIBC_FILES, *ORDINARY_ACCESS, lacks("flags", "O_PATH|__O_TMPFILE|O_TRUNC"), lacks("mode", SETID_BITS), when="judged"),
    # Before ABI 3 a descriptor for writing is judged as such, before O_TRUNC does anything; one for reading is not.
    row("open",           LIBC_FILES, *WRITING_ACCESS, lacks("flags", "O_PATH|O_CREAT|__O_TMPFILE"), when="judged"),
    row("open",           LIBC_FILES, *WRITING_ACCESS, lacks("flags", "O_PATH|__O_TMPFILE"), lacks("mode", SETID_BITS), when="judged"),
    row("open",           LIBC_FILES, *ORDINARY_ACCESS, lacks("flags", "O_PATH|O_CREAT|__O_TMPFILE"), when="truncate_judged"),
    row("open",           LIBC_FILES, *ORDINARY_ACCESS, lacks("flags", "O_PATH|__O_TMPFILE"), lacks("mode", SETID_BITS),
                          when="truncate_judged"),
    row("open",           RPATH, masked("flags", "O_ACCMODE", "O_RDONLY"), lacks("flags", CREATES + "|O_TRUNC")),
    row("open",           WPATH, masked("flags", "O_ACCMODE", "O_WRONLY"), lacks("flags", CREATES)),
    row("open",           WPATH, masked("flags", "O_ACCMODE", "O_RDWR"), lacks("flags", CREATES), also=RPATH),
    # O_RDONLY|O_TRUNC empties a file that it opens for reading: before ABI 3 a veil would not notice.
    row("open",           WPATH, masked("flags", "O_ACCMODE", "O_RDONLY"), lacks("flags", CREATES), also=RPATH, when="unveiled"),
    row("open",           WPATH, masked("flags", "O_ACCMODE", "O_RDONLY"), lacks("flags", CREATES), also=RPATH, when="truncate_judged"),
    row("open",           CPATH, masked("flags", "O_ACCMODE", "O_RDONLY"), lacks("flags", "O_TRUNC|__O_TMPFILE"),
                          lacks("mode", SETID_BITS), also=RPATH),
    row("open",           CPATH, masked("flags", "O_ACCMODE", "O_WRONLY"), lacks("mode", SETID_BITS), also=WPATH),
    row("open",           CPATH, masked("flags", "O_ACCMODE", "O_RDWR"), lacks("mode", SETID_BITS), also=RPATH | WPATH),
    row("open",           CPATH, masked("flags", "O_ACCMODE", "O_RDONLY"), lacks("mode", SETID_BITS), also=RPATH | WPATH, when="unveiled"),
    row("open",           CPATH, masked("flags", "O_ACCMODE", "O_RDONLY"), lacks("mode", SETID_BITS), also=RPATH | WPATH, when="truncate_judged"),
    # unveil() and a further pledge() look their paths up; such a descriptor reads and writes nothing.
    row("open",           STDIO | UNVEIL, has("flags", "O_PATH"), lacks("flags", "O_CREAT")),
    # openat2 hides its flags; callers have begun to drop the fallback that ENOSYS relied on. Where Landlock
    # judges reading, writing, truncating and creating it may pass; what stays unseen is in docs/limits.md.
    row("open",           RPATH, when="truncate_judged", only=("openat2",), since="glibc-2.43"),
    row("open",           RPATH, also=WPATH | CPATH, when="unveiled", only=("openat2",), since="glibc-2.43"),

    # Looking up paths. Landlock does not mediate these: a veil does not hide metadata.
    row("stat",           RPATH | UNVEIL),       # unveil() looks its paths up
    row("access",         RPATH),
    row("readlink",       RPATH | UNVEIL),
    row("getcwd",         RPATH),
    row("chdir",          RPATH),
    row("getdents",       RPATH | PS),
    row("statfs",         RPATH),
    row("fstatfs",        STDIO),
    row("getxattr",       RPATH, when="unveiled"),   # attributes hold data, which the veil hides
    row("fgetxattr",      STDIO),
    row("file_getattr",   RPATH),
    row("cachestat",      RPATH),
    row("inotify",        RPATH, when="unveiled"),   # it would tell of what the veil hides
    row("ioctl",          RPATH, one_of("request", "FS_IOC_GETFLAGS FS_IOC_GETVERSION FS_IOC_FIEMAP FIGETBSZ FIBMAP")),

    # Writing.
    row("truncate",       WPATH, when="unveiled"),
    row("truncate",       WPATH, when="truncate_judged"),
    row("sync",           WPATH),
    row("ioctl",          WPATH, one_of("request", "FICLONE FICLONERANGE FIDEDUPERANGE")),

    # Creating and removing names.
    row("rename",         CPATH, lacks("flags", "RENAME_WHITEOUT"), also=RPATH),
    row("link",           CPATH, lacks("flags", "AT_EMPTY_PATH"), also=RPATH),
    row("symlink",        CPATH),
    row("unlink",         CPATH),
    row("mkdir",          CPATH),
    row("rmdir",          CPATH),
    row("mknod",          DPATH, lacks("mode", SETID_BITS), masked_in("mode", "S_IFMT", "S_IFIFO S_IFCHR S_IFBLK")),   # a regular file takes cpath

    # Attributes. A descriptor says which file is meant; a path would escape a veil.
    row("fchmod",         FATTR, lacks("mode", SETID_BITS)),
    row("chmod",          FATTR, lacks("mode", SETID_BITS), also=RPATH, when="unveiled"),
    row("fchown",         FATTR, one_of("uid", "-1 UID"), one_of("gid", "-1 GIDS")),
    row("chown",          FATTR, one_of("uid", "-1 UID"), one_of("gid", "-1 GIDS"), also=RPATH, when="unveiled"),
    row("fchown",         CHOWN),
    row("chown",          CHOWN, also=RPATH, when="unveiled"),
    row("utime",          FATTR, null("path"), lacks("flags", "AT_EMPTY_PATH")),     # futimens()
    row("utime",          FATTR, also=RPATH, when="unveiled"),
    row("fsetxattr",      FATTR),
    row("setxattr",       FATTR, also=RPATH, when="unveiled"),
    row("file_setattr",   FATTR, also=RPATH, when="unveiled"),
    row("ioctl",          FATTR, one_of("request", "FS_IOC_SETFLAGS")),

    # Memory that is a file: an unnamed temporary file that can be executed.
    row("memfd",          PROT_EXEC),
    row("memfd",          CPATH, also=RPATH | WPATH),

    # Processes.
    row("spawn",          PROC, lacks("flags", CLONE_NEVER)),
    row("setpgid",        PROC),
    row("setsid",         PROC),
    row("pidfd_open",     PROC),
    row("getpriority",    PROC | ID),
    row("setpriority",    PROC | ID),
    row("nice",           PROC | ID),
    row("setrlimit",      PROC | ID),
    row("prlimit",        PROC | ID, one_of("pid", "0 SELF")),
    row("sched_set",      PROC),
    row("ioprio_get",     PROC),
    row("ioprio_set",     PROC),

    # Programs: starting them, and what the loader of the new image needs. A mapping that is executable,
    # backed by a file and never writable is how a loader works; other executable memory is prot_exec.
    row("exec",           EXEC),
    row("mmap",           EXEC, masked("prot", "PROT_EXEC|PROT_WRITE", "PROT_EXEC"), lacks("flags", "MAP_ANONYMOUS"),
                          masked("flags", "MAP_TYPE", "MAP_PRIVATE")),
    row("mmap",           PROT_EXEC),
    row("mprotect",       PROT_EXEC),

    # Sockets that the process already has.
    row("getsockname",    STDIO),
    row("getpeername",    STDIO),
    row("shutdown",       STDIO),
    row("recvfrom",       STDIO),
    row("sendto",         STDIO, null("addr"), lacks("flags", "MSG_FASTOPEN")),   # fast open would connect
    row("socketpair",     STDIO, one_of("domain", "AF_UNIX"), masked_in("type", SOCKET_TYPE, "SOCK_STREAM SOCK_SEQPACKET")),
    row("socketpair",     UNIX,  one_of("domain", "AF_UNIX"), masked_in("type", SOCKET_TYPE, "SOCK_DGRAM")),  # it could connect elsewhere
    row("socketpair",     STDIO, one_of("domain", "AF_UNIX"), masked_in("type", SOCKET_TYPE, "SOCK_DGRAM"), when="unix_judged"),
    row("getsockopt",     STDIO, one_of("level", "SOL_SOCKET IPPROTO_TCP IPPROTO_UDP")),
    row("getsockopt",     INET | DNS, one_of("level", "IPPROTO_IP IPPROTO_IPV6")),
    row("setsockopt",     STDIO, one_of("level", "SOL_SOCKET"), one_of("name", "SO_RCVBUF SO_SNDBUF SO_ERROR")),
    row("setsockopt",     STDIO, one_of("level", "IPPROTO_TCP"), one_of("name", "TCP_NODELAY")),
    row("setsockopt",     STDIO, one_of("level", "IPPROTO_IP"), one_of("name", "IP_TOS")),
    row("setsockopt",     STDIO, one_of("level", "IPPROTO_IPV6"), one_of("name", "IPV6_TCLASS")),

    # Networks.
    row("socket",         INET, one_of("domain", "AF_INET AF_INET6"), masked_in("type", SOCKET_TYPE, "SOCK_STREAM SOCK_DGRAM SOCK_SEQPACKET"),
                          one_of("protocol", "0 IPPROTO_ICMP IPPROTO_TCP IPPROTO_UDP IPPROTO_ICMPV6 IPPROTO_SCTP IPPROTO_UDPLITE IPPROTO_MPTCP")),
    row("socket",         DNS, one_of("domain", "AF_INET AF_INET6"), masked_in("type", SOCKET_TYPE, "SOCK_STREAM SOCK_DGRAM"),
                          one_of("protocol", "0 IPPROTO_TCP IPPROTO_UDP")),
    row("socket",         UNIX, one_of("domain", "AF_UNIX"), masked_in("type", SOCKET_TYPE, "SOCK_STREAM SOCK_DGRAM SOCK_SEQPACKET")),
    row("socket",         ROUTE | WROUTE, one_of("domain", "AF_NETLINK"), masked_in("type", SOCKET_TYPE, "SOCK_RAW SOCK_DGRAM"),
                          one_of("protocol", "0")),             # NETLINK_ROUTE
    row("connect",        INET | UNIX | DNS),
    row("bind",           INET | UNIX | DNS | ROUTE | WROUTE),  # musl's resolver binds its query socket
    row("listen",         INET | UNIX),
    row("accept",         INET | UNIX),
    # MSG_FASTOPEN connects, also past Landlock's ports: only who may connect anywhere has it.
    row("sendto",         INET),
    row("sendto",         UNIX | DNS | ROUTE | WROUTE, lacks("flags", "MSG_FASTOPEN")),
    row("sendmsg",        INET),
    row("sendmsg",        UNIX | DNS | ROUTE | WROUTE | SENDFD, lacks("flags", "MSG_FASTOPEN")),   # the address is behind a pointer, so stdio cannot have it
    row("recvmsg",        INET | DNS | ROUTE | WROUTE | RECVFD),          # SCM_RIGHTS is behind a pointer: unix alone cannot have it
    row("setsockopt",     INET, one_of("level", "SOL_SOCKET"),
                          one_of("name", "SO_REUSEADDR SO_TYPE SO_DONTROUTE SO_BROADCAST SO_KEEPALIVE SO_OOBINLINE SO_PRIORITY SO_LINGER "
                                 "SO_REUSEPORT SO_RCVLOWAT SO_SNDLOWAT SO_RCVTIMEO_OLD SO_SNDTIMEO_OLD SO_RCVTIMEO_NEW SO_SNDTIMEO_NEW "
                                 "SO_TIMESTAMP_OLD SO_TIMESTAMP_NEW SO_TIMESTAMPNS_OLD SO_TIMESTAMPNS_NEW SO_RXQ_OVFL SO_BUSY_POLL "
                                 "SO_INCOMING_CPU SO_ZEROCOPY SO_MAX_PACING_RATE")),
    row("setsockopt",     UNIX, one_of("level", "SOL_SOCKET"),
                          one_of("name", "SO_REUSEADDR SO_PASSCRED SO_PASSSEC SO_PASSPIDFD SO_LINGER SO_RCVLOWAT SO_RCVTIMEO_OLD SO_SNDTIMEO_OLD "
                                 "SO_RCVTIMEO_NEW SO_SNDTIMEO_NEW SO_KEEPALIVE SO_BROADCAST SO_TIMESTAMP_OLD SO_TIMESTAMP_NEW")),
    row("setsockopt",     DNS, one_of("level", "SOL_SOCKET"), one_of("name", "SO_TIMESTAMP_OLD SO_TIMESTAMP_NEW SO_RCVTIMEO_OLD SO_SNDTIMEO_OLD")),
    row("setsockopt",     INET, one_of("level", "IPPROTO_TCP"),
                          one_of("name", "TCP_MAXSEG TCP_CORK TCP_KEEPIDLE TCP_KEEPINTVL TCP_KEEPCNT TCP_SYNCNT TCP_LINGER2 TCP_DEFER_ACCEPT "
                                 "TCP_WINDOW_CLAMP TCP_QUICKACK TCP_CONGESTION TCP_USER_TIMEOUT TCP_FASTOPEN TCP_FASTOPEN_CONNECT TCP_NOTSENT_LOWAT")),
    row("setsockopt",     INET, one_of("level", "IPPROTO_IP"),
                          one_of("name", "IP_TTL IP_RETOPTS IP_PKTINFO IP_MTU_DISCOVER IP_RECVERR IP_RECVTTL IP_RECVTOS IP_FREEBIND "
                                 "IP_MINTTL IP_BIND_ADDRESS_NO_PORT IP_LOCAL_PORT_RANGE IP_RECVFRAGSIZE")),
    row("setsockopt",     INET, one_of("level", "IPPROTO_IPV6"),
                          one_of("name", "IPV6_UNICAST_HOPS IPV6_V6ONLY IPV6_MTU_DISCOVER IPV6_MTU IPV6_RECVERR IPV6_RECVPKTINFO "
                                 "IPV6_RECVHOPLIMIT IPV6_DONTFRAG IPV6_RECVTCLASS IPV6_ADDR_PREFERENCES IPV6_MINHOPCOUNT IPV6_CHECKSUM")),
    row("setsockopt",     INET, one_of("level", "IPPROTO_UDP"), one_of("name", "UDP_CORK UDP_SEGMENT UDP_GRO")),
    row("setsockopt",     DNS, one_of("level", "IPPROTO_IP"), one_of("name", "IP_RECVERR IP_MTU_DISCOVER")),
    row("setsockopt",     DNS, one_of("level", "IPPROTO_IPV6"), one_of("name", "IPV6_RECVERR IPV6_V6ONLY IPV6_RECVPKTINFO IPV6_MTU_DISCOVER")),
    row("setsockopt",     MCAST, one_of("level", "IPPROTO_IP"), one_of("name", "IP_MULTICAST_IF IP_MULTICAST_TTL IP_MULTICAST_LOOP "
                          "IP_ADD_MEMBERSHIP IP_DROP_MEMBERSHIP IP_ADD_SOURCE_MEMBERSHIP IP_DROP_SOURCE_MEMBERSHIP IP_MULTICAST_ALL "
                          "MCAST_JOIN_GROUP MCAST_LEAVE_GROUP MCAST_JOIN_SOURCE_GROUP MCAST_LEAVE_SOURCE_GROUP"), also=INET),
    row("setsockopt",     MCAST, one_of("level", "IPPROTO_IPV6"), one_of("name", "IPV6_MULTICAST_IF IPV6_MULTICAST_HOPS IPV6_MULTICAST_LOOP "
                          "IPV6_ADD_MEMBERSHIP IPV6_DROP_MEMBERSHIP IPV6_MULTICAST_ALL "
                          "MCAST_JOIN_GROUP MCAST_LEAVE_GROUP MCAST_JOIN_SOURCE_GROUP MCAST_LEAVE_SOURCE_GROUP"), also=INET),
    row("ioctl",          INET, one_of("request", "SIOCATMARK SIOCOUTQ SIOCGIFINDEX SIOCGIFNAME")),
    row("ioctl",          ROUTE | WROUTE, one_of("request", "SIOCGIFCONF SIOCGIFNAME SIOCGIFFLAGS SIOCGIFADDR SIOCGIFDSTADDR SIOCGIFBRDADDR "
                          "SIOCGIFNETMASK SIOCGIFMETRIC SIOCGIFMTU SIOCGIFHWADDR SIOCGIFINDEX SIOCGIFTXQLEN")),
    row("ioctl",          WROUTE, one_of("request", "SIOCSIFFLAGS SIOCSIFADDR SIOCSIFDSTADDR SIOCSIFBRDADDR SIOCSIFNETMASK SIOCSIFMETRIC "
                          "SIOCSIFMTU SIOCADDRT SIOCDELRT")),
    # i386's glibc knows no other way to its sockets. Where the call number tells enough it is judged; socket() itself
    # hides its domain, so it takes every promise that has one.
    row("socketcall",     STDIO, one_of("call", "SYS_SHUTDOWN SYS_GETSOCKNAME SYS_GETPEERNAME SYS_SEND SYS_RECV SYS_RECVFROM")),
    row("socketcall",     INET | UNIX | DNS, one_of("call", "SYS_CONNECT SYS_BIND")),
    row("socketcall",     INET, one_of("call", "SYS_SENDTO SYS_SENDMSG SYS_SENDMMSG")),     # flags may say MSG_FASTOPEN
    row("socketcall",     INET | UNIX, one_of("call", "SYS_LISTEN SYS_ACCEPT SYS_ACCEPT4")),
    row("socketcall",     INET | DNS | RECVFD, one_of("call", "SYS_RECVMSG SYS_RECVMMSG")),
    row("socketcall",     INET, also=UNIX | ROUTE | RECVFD, when="main"),

    # Terminals. TIOCSTI and TIOCLINUX type into the terminal for the user: no promise has them.
    row("ioctl",          TTY, one_of("request", IOCTL_TTY_GET)),
    row("ioctl",          TTY, one_of("request", IOCTL_TTY_SET)),
    row("ioctl",          TTY, one_of("request", "TIOCSPGRP"), also=PROC),
    row("ioctl",          TTY, one_of("request", "TIOCSPTLCK TIOCGPTPEER TIOCPKT"), also=RPATH | WPATH),

    # Identity.
    row("setuid",         ID),
    row("setgid",         ID),
    row("setgroups",      ID),
    row("setresuid",      ID),
    row("setresgid",      ID),
    # To who one is already: make(1), busybox(1) and shells give up ids that they do not have; ncurses from 6.5 on does so
    # by setfsuid(2) and setfsgid(2) whenever it reads a terminal's description (less and vim beside glibc 2.41).
    row("setuid",         STDIO, one_of("uid", "UID")),
    row("setgid",         STDIO, one_of("gid", "GIDS")),
    row("setresuid",      STDIO, one_of("ruid", "-1 UID"), one_of("euid", "-1 UID"), one_of("suid", "-1 UID")),
    row("setresgid",      STDIO, one_of("rgid", "-1 GIDS"), one_of("egid", "-1 GIDS"), one_of("sgid", "-1 GIDS")),
    row("capset",         ID),

    # Clocks: setting.
    row("clock_set",      SETTIME),
    row("adjtime",        SETTIME),

    # System V and POSIX message IPC; executable segments need prot_exec as any memory does.
    row("shm",            SYSVIPC, lacks("flag", "SHM_EXEC")),
    row("shm",            SYSVIPC, also=PROT_EXEC),
    row("sem",            SYSVIPC),
    row("msg",            SYSVIPC),
    row("mq",             SYSVIPC),
    row("ipc",            SYSVIPC, also=PROT_EXEC),
    row("ipc",            SYSVIPC, masked_in("call", "0xffff", "1 2 3 4 11 12 13 14 22 23 24")),   # all but shmat, whose flags may ask for SHM_EXEC
)  # fmt: skip


def answer(
    family: str,
    errno: str,
    *tests: tuple[str, str, str, str],
    held: int = 0,
    since: str = "",
) -> tuple[str, str, tuple[tuple[str, str, str, str], ...], int]:
    """How a refused call of a family is answered instead of by the violation mode.

    `held` limits this to processes that hold one of these promises.
    """
    made = (family, errno, tests, held)
    if since:
        SINCE[made] = since
    return made


ANSWERS: Final = (
    # No one can take the setuid bits out of a mode on the way: OpenBSD drops them, Linux has to refuse.
    answer("open",        "EPERM", has("flags", "O_CREAT"), has("mode", "0o4000"), held=CPATH),
    answer("open",        "EPERM", has("flags", "O_CREAT"), has("mode", "0o2000"), held=CPATH),
    answer("open",        "EPERM", has("flags", "O_CREAT"), has("mode", "0o1000"), held=CPATH),
    # libc looks at /etc/localtime, zoneinfo, locales and NSS files whenever it pleases.
    # Where Landlock judges, opening what was not promised is EACCES; so it is where the filter judges alone.
    answer("open",        "EACCES", *ORDINARY_ACCESS, lacks("flags", "O_PATH|__O_TMPFILE")),
    answer("stat",        "EACCES"),
    answer("access",      "EACCES"),
    answer("readlink",    "EACCES"),
    answer("getcwd",      "EACCES"),            # Python's import system asks when it looks for a module
    answer("getdents",    "EACCES"),
    answer("statfs",      "EACCES"),
    answer("truncate",    "EACCES", held=WPATH),
    answer("chmod",       "EPERM", held=FATTR),
    answer("fchmod",      "EPERM", held=FATTR),
    answer("mknod",       "EPERM", held=DPATH | CPATH),
    answer("chown",       "EPERM", held=FATTR),           # as OpenBSD: an errno, not a violation
    answer("fchown",      "EPERM", held=FATTR),
    answer("utime",       "EPERM", held=FATTR),
    answer("setxattr",    "EPERM", held=FATTR),
    answer("link",        "EPERM", has("flags", "AT_EMPTY_PATH"), held=CPATH),
    answer("unshare",     "EPERM"),            # sandboxes inside try, and go on without
    answer("gone",        "ENOSYS"),           # nothing is behind these numbers
    answer("s390_hw",     "ENOSYS"),
    # Probes of runtimes: they ask, and go on without. The next C library may ask whether this is a terminal in a new
    # way, as glibc 2.42 did: what is in the terminals' range and changes nothing is answered as by what is none.
    answer("ioctl",       "ENOTTY", masked_in("request", "0xff00", "0x5400 0x7400"), not_one_of("request", IOCTL_TTY_CHANGES)),
    answer("ioctl",       "ENOTTY", one_of("request", IOCTL_TTY_GET)),
    answer("ioctl",       "ENOTTY", one_of("request", "FS_IOC_GETFLAGS FS_IOC_FIEMAP FIGETBSZ")),
    # PROCMAP_QUERY (Linux 6.11; one number on every architecture): m4 beside glibc 2.43 asks it of /proc/self/maps at its
    # start, and reads that file's text where the answer is that of an older kernel.
    answer("ioctl",       "ENOTTY", one_of("request", "0xc0686611")),
    answer("ioctl",       "EOPNOTSUPP", one_of("request", "FICLONE FICLONERANGE FIDEDUPERANGE")),
    answer("fcntl",       "EINVAL", not_one_of("cmd", FCNTL_LOCK + " F_SETOWN F_SETOWN_EX F_SETSIG F_NOTIFY F_SETLEASE")),   # a command of a later kernel
    answer("mprotect",    "EACCES", held=EXEC),            # what SELinux answers a loader that relocates code
    answer("debug",       "EPERM"),                        # unwinders and drivers use these on themselves
    answer("socketcall",  "ENOSYS"),                       # libc has the direct calls, or none
    answer("getxattr",    "EOPNOTSUPP", held=RPATH),       # what a file system says that has none
    answer("prctl",       "EINVAL"),                       # what a kernel says that does not know the option
    answer("arch_prctl",  "EINVAL"),
    answer("setsockopt",  "ENOPROTOOPT"),
    answer("getsockopt",  "ENOPROTOOPT"),
    answer("setrlimit",   "EPERM"),                        # compilers and virtual machines raise limits at start
    answer("prlimit",     "EPERM"),
    answer("sched_set",   "EPERM"),
    answer("adjtime",     "EPERM"),                        # reading is behind the same pointer
    answer("personality", "EPERM"),
    answer("mlockall",    "EPERM"),
    answer("socket",      "EAFNOSUPPORT", one_of("domain", "AF_NETLINK"), held=INET | DNS),   # getaddrinfo() asks for addresses
    answer("socket",      "EACCES", one_of("domain", "AF_UNIX"), held=GETPW | DNS | INET),    # the nscd daemon, asked first
    # ... which glibc asks for every user name, also of a program that only lists files; and syslog(3).
    answer("socket",      "EACCES", one_of("domain", "AF_UNIX"), one_of("type", "SOCK_STREAM|SOCK_CLOEXEC|SOCK_NONBLOCK SOCK_DGRAM|SOCK_CLOEXEC")),
    answer("mmap",        "EPERM", lacks("flags", "MAP_ANONYMOUS")),      # libc loads NSS and iconv modules late
    # Calls whose callers all know a kernel without them.
    answer("pidfd_open",  "ENOSYS"),                       # Go asks at start
    answer("pidfd_getfd", "ENOSYS"),
    answer("memfd",       "ENOSYS"),
    answer("memfd_secret", "ENOSYS"),
    answer("io_uring",    "ENOSYS"),                       # it would make calls that no filter sees
    answer("aio",         "ENOSYS"),
    answer("numa",        "ENOSYS"),
    answer("userfaultfd", "ENOSYS"),
    answer("perf_event",  "ENOSYS"),
    answer("keyring",     "ENOSYS"),
    answer("cachestat",   "ENOSYS"),
    answer("inotify",     "ENOSYS"),
    answer("fanotify",    "ENOSYS"),
    answer("statmount",   "ENOSYS"),
    answer("lsm_attr",    "ENOSYS"),
    answer("process_madvise", "ENOSYS"),
    answer("file_getattr", "ENOSYS"),
    answer("file_setattr", "ENOSYS"),
    answer("name_to_handle", "EOPNOTSUPP"),
    answer("sync",        "ENOSYS"),
    answer("seccomp",     "EINVAL"),
)  # fmt: skip
