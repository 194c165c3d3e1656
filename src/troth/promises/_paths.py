"""What each promise buys in files: rights on everything, and the files that libc opens by itself.

Landlock rights are named as in landlock(7). `EVERYWHERE` says which rights on any path (on `/`, or
inside the veil) a promise pays for; like the rows of `_table`, a row needs *any one* of the promises
named together with *all* of `also`. `FILES` lists what the C library, its resolver or the program
loader opens for the promise, past any veil, as OpenBSD's `__pledge_open` does: r reads, w writes,
x executes. A path that does not exist when the promise is applied gives nothing.
"""

from __future__ import annotations

from troth.promises._words import CPATH, DNS, DPATH, EXEC, GETPW, PS, RPATH, STDIO, TTY, UNIX, VMINFO, WPATH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

MAKE_ANY: Final = "MAKE_CHAR MAKE_DIR MAKE_SOCK MAKE_FIFO MAKE_BLOCK MAKE_SYM"

# Rights, who pays, what must be held besides.
EVERYWHERE: Final = (
    ("READ_FILE READ_DIR",      RPATH, 0),
    ("WRITE_FILE TRUNCATE",     WPATH, 0),
    # Moving a fifo or a socket needs the right to make one; making one by mknod(2) or bind(2) is the filter's to refuse.
    (MAKE_ANY,                  CPATH, 0),
    ("REMOVE_FILE REMOVE_DIR REFER", CPATH, 0),
    # open(2) that creates is paid for by cpath together with what the descriptor may do.
    ("MAKE_REG",                CPATH, RPATH),
    ("MAKE_REG",                CPATH, WPATH),
    ("MAKE_CHAR MAKE_BLOCK MAKE_FIFO",    DPATH, 0),
    ("MAKE_SOCK RESOLVE_UNIX",  UNIX, 0),
    ("EXECUTE",                 EXEC, RPATH),           # the kernel asks for READ_FILE too when it executes
)  # fmt: skip

# What a letter of unveil(2) stands for. Executing needs reading as well: the kernel asks for both.
VEIL: Final = {
    "r": "READ_FILE READ_DIR",
    "w": "WRITE_FILE TRUNCATE RESOLVE_UNIX",
    "x": "EXECUTE READ_FILE",
    "c": MAKE_ANY + " MAKE_REG REMOVE_FILE REMOVE_DIR REFER",
}

LIBRARIES: Final = "/lib /lib64 /lib32 /libx32 /usr/lib /usr/lib64 /usr/lib32 /usr/libx32 /usr/local/lib /usr/local/lib64 /nix/store /gnu/store"
# The program loaders that compilers write into programs (PT_INTERP), glibc's and musl's.
LOADERS: Final = (
    "/lib64/ld-linux-x86-64.so.2 /lib/ld-linux.so.2 /libx32/ld-linux-x32.so.2 /lib/ld-linux-aarch64.so.1 /lib/ld-linux-armhf.so.3 "
    "/lib/ld-linux.so.3 /lib/ld-linux-riscv64-lp64d.so.1 /lib64/ld64.so.2 /lib/ld64.so.1 /lib64/ld-linux-loongarch-lp64d.so.1 "
    "/lib64/ld.so.1 /lib/ld-musl-x86_64.so.1 /lib/ld-musl-i386.so.1 /lib/ld-musl-aarch64.so.1 /lib/ld-musl-armhf.so.1 "
    "/lib/ld-musl-riscv64.so.1 /lib/ld-musl-powerpc64le.so.1 /lib/ld-musl-s390x.so.1 /lib/ld-musl-loongarch64.so.1 "
    "/lib/ld-musl-mips64el.so.1"
)
PROGRAMS: Final = "/bin /sbin /usr/bin /usr/sbin /usr/local/bin /usr/local/sbin /usr/games /usr/libexec /usr/lib /usr/lib64 /nix/store /gnu/store"

# Promises, letters, paths.
FILES: Final = (
    # stdio: the null device, random bytes where getrandom(2) answers ENOSYS, local time.
    (STDIO, "rw", "/dev/null"),
    (STDIO, "r",  "/dev/zero /dev/random /dev/urandom"),
    (STDIO, "r",  "/etc/localtime /etc/timezone /usr/share/zoneinfo"),
    # setlocale(3), iconv(3) and gettext(3) of glibc; musl looks at $MUSL_LOCPATH only.
    (STDIO, "r",  "/usr/lib/locale /usr/share/locale /usr/share/i18n /etc/locale.alias"),
    # sysconf(3) and malloc(3): how many processors there are, whether memory is overcommitted.
    (STDIO, "r",  "/sys/devices/system/cpu/online /sys/devices/system/cpu/possible /proc/sys/vm/overcommit_memory"),
    # dns: what getaddrinfo(3) reads; the symbolic link resolv.conf often points below /run.
    (DNS,   "r",  "/etc/resolv.conf /etc/hosts /etc/host.conf /etc/nsswitch.conf /etc/gai.conf /etc/services /etc/protocols "
                  "/etc/networks /etc/hostname /run/systemd/resolve"),
    # getpw: getpwnam(3), getgrnam(3), getgrouplist(3), initgroups(3).
    (GETPW, "r",  "/etc/passwd /etc/group /etc/nsswitch.conf /etc/netgroup /etc/login.defs /var/lib/extrausers"),
    # tty: the controlling terminal, and what describes it.
    (TTY,   "rw", "/dev/tty"),
    (TTY,   "r",  "/etc/terminfo /lib/terminfo /usr/share/terminfo /usr/lib/terminfo /etc/termcap"),
    # ps: every process, as OpenBSD's sysctl kern.proc. vminfo: the machine as a whole.
    (PS,     "r", "/proc"),
    (VMINFO, "r", "/proc/stat /proc/meminfo /proc/vmstat /proc/cpuinfo /proc/loadavg /proc/swaps /proc/uptime /proc/diskstats "
                  "/proc/zoneinfo /proc/buddyinfo /proc/partitions /proc/version /sys/devices/system"),
    # exec: the loader of the new image, and the libraries that it opens.
    (EXEC,  "r",  LIBRARIES + " /etc/ld.so.cache /etc/ld.so.preload /etc/ld-musl-x86_64.path /etc/ld-musl-i386.path"),
    (EXEC,  "x",  LOADERS),
)  # fmt: skip

# Paths that are there because of one C library, with its release: see `since` in `_table`.
SINCE: Final = {
    "/sys/devices/system/cpu/possible": "glibc-2.36",   # sysconf(_SC_NPROCESSORS_CONF)
}

# exec without rpath and without a veil: nothing says where programs are, so only the system's own can be started.
WITHOUT_RPATH: Final = (EXEC, "x", PROGRAMS)
