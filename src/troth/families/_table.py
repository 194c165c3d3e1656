"""Which system calls do one and the same thing: the map from functionality to calls.

A family is one operation; its members are every system call that any libc, on any architecture,
may use for it. They stand or fall together. A member is a bare name when only its number matters;
`member()` says at which argument a *role* (flags, mode, domain ...) is found, so that a promise
can be written once for all of them:

* `flags=2`      the role is the third argument;
* `fixed`        the call has no such argument, because it always means this value;
* `opaque`       the role hides behind a pointer, where no filter can look;
* `on`           what differs on one architecture.

A member without the role `flags` has all flags clear. Every system call of every architecture is
in exactly one family, or in `SOLITARY` with the reason why no promise opens it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    Roles = dict[str, int]
    Member = tuple[str, Roles, dict[str, str], str, dict[str, tuple[Roles, str]]]
    Family = tuple[str, str, tuple[Member | str, ...]]


def member(
    name: str,
    /,
    *,
    fixed: dict[str, str] | None = None,
    opaque: str = "",
    on: dict[str, tuple[Roles, str]] | None = None,
    **roles: int,
) -> Member:
    """A call of a family: its name, where its roles are, what it hides, what differs where."""
    return (name, roles, fixed or {}, opaque, on or {})


def family(name: str, meaning: str, *members: Member | str) -> Family:
    """One operation; bare names stand in strings, separated by spaces."""
    return (name, meaning, members)


FAMILIES: Final = (
    # Being a process at all.
    family("exit",          "End this thread or process.", "exit exit_group"),
    family("restart",       "Return from a signal handler, resume an interrupted call.", "rt_sigreturn sigreturn restart_syscall"),
    family("futex",         "Wait for a word of memory to change.", "futex futex_time64 futex_wake futex_wait futex_requeue"),
    family("futex_waitv",   "Wait for one of several words.", "futex_waitv"),
    family("robust_list",   "Tell the kernel which locks to release at death.", member("set_robust_list", fixed={"pid": "0"}), member("get_robust_list", pid=0)),
    family("tid_address",   "Tell the kernel where to clear the thread id at death.", "set_tid_address"),
    family("rseq",          "Register restartable sequences; ask for and end a longer time slice.", "rseq rseq_slice_yield"),
    family("membarrier",    "Order memory between the threads of this process.", "membarrier"),
    family("getrandom",     "Read random bytes.", "getrandom"),
    family("munmap",        "Give memory back.", "munmap"),
    family("uprobe",        "Enter a probe that a tracer planted.", "uprobe uretprobe"),
    family("seccomp",       "Add a filter, or ask about filters.", member("seccomp", flags=1)),
    family("landlock",      "Give up access to files, ports and scopes.", "landlock_create_ruleset landlock_add_rule landlock_restrict_self"),
    family("unshare",       "Stop sharing with other tasks.", member("unshare", flags=0)),

    # Asking about oneself.
    family("getpid",        "Ask for process and thread ids.", "getpid getppid gettid"),
    family("getuid",        "Ask for user and group ids.",
           "getuid getuid32 getgid getgid32 geteuid geteuid32 getegid getegid32 getresuid getresuid32 getresgid getresgid32 getgroups getgroups32"),
    family("getpgid",       "Ask for process group and session ids.", "getpgid getpgrp getsid"),
    family("capget",        "Ask for capabilities.", "capget"),
    family("getrusage",     "Ask what was used.", "getrusage"),
    family("times",         "Ask for processor time.", "times"),
    family("getrlimit",     "Ask for one's limits.", "getrlimit ugetrlimit"),
    family("prlimit",       "Ask for or set limits of any process.", member("prlimit64", pid=0, resource=1, new=2)),
    family("sched_get",     "Ask how one is scheduled.",
           "sched_getaffinity sched_getattr sched_getparam sched_getscheduler sched_get_priority_max sched_get_priority_min "
           "sched_rr_get_interval sched_rr_get_interval_time64"),
    family("getcpu",        "Ask on which processor this runs.", "getcpu"),
    family("uname",         "Ask for the names of host and kernel.", "uname olduname oldolduname"),
    family("sysinfo",       "Ask for memory and load.", "sysinfo"),
    family("umask",         "Set the mask of file modes.", "umask"),

    # Clocks.
    family("clock_get",     "Read a clock.", "clock_gettime clock_gettime64 clock_getres clock_getres_time64"),
    family("gettimeofday",  "Read the wall clock.", "gettimeofday ftime"),
    family("time",          "Read the wall clock in seconds.", "time"),
    family("sleep",         "Wait for a time.", "nanosleep clock_nanosleep clock_nanosleep_time64"),
    family("itimer",        "Ask for a signal after a time.", "getitimer setitimer"),
    family("alarm",         "Ask for SIGALRM.", "alarm"),
    family("timer",         "Timers of this process.",
           "timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64"),
    family("timerfd",       "Timers as descriptors.",
           "timerfd timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64"),
    family("clock_set",     "Set a clock.", "clock_settime clock_settime64 settimeofday stime"),
    family("adjtime",       "Ask for or set the discipline of a clock.", "adjtimex clock_adjtime clock_adjtime64"),

    # Memory.
    family("mmap",          "Map a file or fresh memory.",
           member("mmap", prot=2, flags=3, on={
               "i386":  ({}, "prot flags"),          # old_mmap: one pointer to six words; mmap2 is what libc calls
               "s390x": ({}, "prot flags"),          # the same, and there is no other call
           }),
           member("mmap2", prot=2, flags=3)),
    family("mprotect",      "Change what may be done with memory.", member("mprotect", prot=2), member("pkey_mprotect", prot=2)),
    family("mremap",        "Move or grow a mapping.", "mremap remap_file_pages"),
    family("madvise",       "Advise on one's memory.", "madvise"),
    family("msync",         "Write a mapping back.", "msync"),
    family("mincore",       "Ask which pages are in memory.", "mincore"),
    family("mlock",         "Keep pages in memory.", "mlock mlock2 munlock"),
    family("mlockall",      "Keep all pages in memory.", "mlockall munlockall"),
    family("brk",           "Move the end of the heap.", "brk"),
    family("mseal",         "Make mappings immutable.", "mseal"),
    family("pkey",          "Protection keys.", "pkey_alloc pkey_free"),
    family("map_shadow_stack", "Map a shadow stack.", "map_shadow_stack"),
    family("memfd",         "Make an unnamed file in memory.", "memfd_create"),
    family("memfd_secret",  "Make memory that the kernel itself cannot read.", "memfd_secret"),
    family("numa",          "Place memory on nodes.",
           "mbind get_mempolicy set_mempolicy set_mempolicy_home_node migrate_pages move_pages"),
    family("cacheflush",    "Synchronise instruction caches.", "cacheflush cachectl riscv_flush_icache"),

    # Descriptors that one has.
    family("read",          "Read from a descriptor.", "read readv pread64 preadv preadv2"),
    family("write",         "Write to a descriptor.", "write writev pwrite64 pwritev pwritev2"),
    family("close",         "Close descriptors.", "close close_range"),
    family("lseek",         "Move the position.", "lseek _llseek"),
    family("fstat",         "Ask about an open file.", "fstat fstat64 oldfstat"),
    family("ftruncate",     "Set the size of an open file.", "ftruncate ftruncate64"),
    family("fallocate",     "Reserve space of an open file.", "fallocate"),
    family("fsync",         "Write an open file to its device.", "fsync fdatasync sync_file_range sync_file_range2 arm_sync_file_range"),
    family("fadvise",       "Advise on an open file.", "fadvise64 fadvise64_64 arm_fadvise64_64"),
    family("readahead",     "Read ahead.", "readahead"),
    family("copy_range",    "Copy between descriptors.", "copy_file_range sendfile sendfile64"),
    family("splice",        "Move data between descriptors.", "splice tee vmsplice"),
    family("dup",           "Copy a descriptor.", "dup dup2 dup3"),
    family("fchdir",        "Make an open directory the current one.", "fchdir"),
    family("pipe",          "Make a pipe.", "pipe pipe2"),
    family("eventfd",       "Make a counter with a descriptor.", "eventfd eventfd2"),
    family("signalfd",      "Receive one's signals from a descriptor.", "signalfd signalfd4"),
    family("poll",          "Wait for descriptors.", "poll ppoll ppoll_time64"),
    family("select",        "Wait for descriptors, with bit sets.", "select _newselect pselect6 pselect6_time64"),
    family("epoll",         "Wait for many descriptors.",
           "epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_wait epoll_wait_old epoll_pwait epoll_pwait2"),
    family("fcntl",         "Settings and locks of a descriptor.", member("fcntl", cmd=1), member("fcntl64", cmd=1)),
    family("flock",         "Lock an open file.", "flock"),
    family("ioctl",         "Whatever a device offers.", member("ioctl", request=1)),

    # Signals.
    family("sigaction",     "Say what a signal does.", "rt_sigaction sigaction signal"),
    family("sigprocmask",   "Block signals.", "rt_sigprocmask sigprocmask sgetmask ssetmask"),
    family("sigpending",    "Ask which signals wait.", "rt_sigpending sigpending"),
    family("sigsuspend",    "Wait for a signal.", "rt_sigsuspend sigsuspend"),
    family("sigwait",       "Take a signal.", "rt_sigtimedwait rt_sigtimedwait_time64"),
    family("sigaltstack",   "Give handlers a stack.", "sigaltstack"),
    family("pause",         "Wait for any signal.", "pause"),
    family("kill",          "Signal a process or a group.", member("kill", pid=0)),
    family("tkill",         "Signal a thread by its id alone.", member("tkill", tid=0)),
    family("tgkill",        "Signal a thread of a process.", member("tgkill", tgid=0)),
    family("sigqueue",      "Signal a process, with a value.", member("rt_sigqueueinfo", pid=0)),
    family("tgsigqueue",    "Signal a thread, with a value.", member("rt_tgsigqueueinfo", tgid=0)),
    family("pidfd_send_signal", "Signal the process of a descriptor.", "pidfd_send_signal"),

    # Threads and processes.
    family("spawn",         "Start a thread or process that shares what the flags say.",
           member("fork",   fixed={"flags": "0"}),
           member("vfork",  fixed={"flags": "0"}),
           member("clone",  flags=0, on={"s390x": ({"flags": 1}, "")}),     # CONFIG_CLONE_BACKWARDS2
           member("clone3", opaque="flags")),         # glibc 2.34 tries it first; ENOSYS sends it to clone
    family("sched_yield",   "Let others run.", "sched_yield"),
    family("wait",          "Wait for a child.", "wait4 waitid waitpid"),
    family("arch_prctl",    "Thread pointers and shadow stacks of x86.", member("arch_prctl", option=0)),
    family("thread_area",   "Thread pointers of other architectures.", "set_thread_area get_thread_area set_tls get_tls"),
    family("riscv_hwprobe", "Ask what the processor can do.", "riscv_hwprobe"),
    family("s390_hw",       "Processor facilities of s390.", "s390_guarded_storage s390_runtime_instr s390_sthyi"),
    family("personality",   "Ask for or set how programs are executed.", member("personality", persona=0)),
    family("prctl",         "Settings of a process.", member("prctl", option=0)),
    family("setpgid",       "Move to another process group.", "setpgid"),
    family("setsid",        "Start a session.", "setsid"),
    family("pidfd_open",    "Make a descriptor of a process.", "pidfd_open"),
    family("getpriority",   "Ask for niceness.", "getpriority"),
    family("setpriority",   "Set niceness.", "setpriority"),
    family("nice",          "Change one's niceness.", "nice"),
    family("setrlimit",     "Set one's limits.", "setrlimit"),
    family("sched_set",     "Set scheduling.", "sched_setaffinity sched_setattr sched_setparam sched_setscheduler"),
    family("ioprio_get",    "Ask for input/output priority.", "ioprio_get"),
    family("ioprio_set",    "Set input/output priority.", "ioprio_set"),
    family("exec",          "Start another program in this process.", "execve execveat"),
    family("setuid",        "Change one's user id, or the one that files are opened with.", member("setuid", uid=0), member("setuid32", uid=0),
           member("setfsuid", uid=0), member("setfsuid32", uid=0)),
    family("setgid",        "Change one's group id, or the one that files are opened with.", member("setgid", gid=0), member("setgid32", gid=0),
           member("setfsgid", gid=0), member("setfsgid32", gid=0)),
    family("setgroups",     "Change one's groups.", "setgroups setgroups32"),
    family("setresuid",     "Change several user ids; -1 leaves one.",
           member("setresuid", ruid=0, euid=1, suid=2), member("setresuid32", ruid=0, euid=1, suid=2),
           member("setreuid", ruid=0, euid=1, fixed={"suid": "-1"}), member("setreuid32", ruid=0, euid=1, fixed={"suid": "-1"})),
    family("setresgid",     "Change several group ids; -1 leaves one.",
           member("setresgid", rgid=0, egid=1, sgid=2), member("setresgid32", rgid=0, egid=1, sgid=2),
           member("setregid", rgid=0, egid=1, fixed={"sgid": "-1"}), member("setregid32", rgid=0, egid=1, fixed={"sgid": "-1"})),
    family("capset",        "Change capabilities.", "capset"),

    # Files by path.
    family("open",          "Open a file; may create or empty it.",
           member("open",    flags=1, mode=2),
           member("openat",  flags=2, mode=3),
           member("creat",   mode=1, fixed={"flags": "O_CREAT|O_WRONLY|O_TRUNC"}),
           member("openat2", opaque="flags mode")),   # the flags are in a struct
    family("stat",          "Ask about a path.",
           "stat stat64 oldstat lstat lstat64 oldlstat",
           member("newfstatat", flags=3), member("fstatat64", flags=3), member("statx", flags=2)),
    family("access",        "Ask whether a path may be used.", "access faccessat", member("faccessat2", flags=3)),
    family("readlink",      "Read a symbolic link.", "readlink readlinkat"),
    family("getcwd",        "Ask for the current directory.", "getcwd"),
    family("chdir",         "Change the current directory.", "chdir"),
    family("getdents",      "List a directory.", "getdents getdents64 readdir"),
    family("statfs",        "Ask about a file system by path.", "statfs statfs64 ustat"),
    family("fstatfs",       "Ask about the file system of an open file.", "fstatfs fstatfs64"),
    family("getxattr",      "Read extended attributes by path.",
           "getxattr lgetxattr getxattrat listxattr llistxattr listxattrat"),
    family("fgetxattr",     "Read extended attributes of an open file.", "fgetxattr flistxattr"),
    family("file_getattr",  "Read inode flags by path.", "file_getattr"),
    family("cachestat",     "Ask which pages of a file are cached.", "cachestat"),
    family("inotify",       "Watch paths.", "inotify_init inotify_init1 inotify_add_watch inotify_rm_watch"),
    family("fanotify",      "Watch file systems.", "fanotify_init fanotify_mark"),
    family("truncate",      "Set the size of a file by path.", "truncate truncate64"),
    family("sync",          "Write everything to its device.", "sync syncfs"),
    family("rename",        "Give a file another name.", "rename renameat", member("renameat2", flags=4)),
    family("link",          "Give a file a second name.", "link", member("linkat", flags=4)),
    family("symlink",       "Make a symbolic link.", "symlink symlinkat"),
    family("unlink",        "Remove a name.", "unlink unlinkat"),
    family("mkdir",         "Make a directory.", "mkdir mkdirat"),
    family("rmdir",         "Remove a directory.", "rmdir"),
    family("mknod",         "Make a device, fifo or socket file.", member("mknod", mode=1), member("mknodat", mode=2)),
    family("fchmod",        "Change the mode of an open file.", member("fchmod", mode=1)),
    family("chmod",         "Change the mode of a path.",
           member("chmod", mode=1), member("fchmodat", mode=2), member("fchmodat2", mode=2, flags=3)),
    family("fchown",        "Change the owner of an open file.", member("fchown", uid=1, gid=2), member("fchown32", uid=1, gid=2)),
    family("chown",         "Change the owner of a path.",
           member("chown", uid=1, gid=2), member("chown32", uid=1, gid=2), member("lchown", uid=1, gid=2),
           member("lchown32", uid=1, gid=2), member("fchownat", uid=2, gid=3, flags=4)),
    family("utime",         "Set the times of a file; a NULL path means the descriptor.",
           member("utime", path=0), member("utimes", path=0), member("futimesat", path=1),
           member("utimensat", path=1, flags=3), member("utimensat_time64", path=1, flags=3)),
    family("fsetxattr",     "Change extended attributes of an open file.", "fsetxattr fremovexattr"),
    family("setxattr",      "Change extended attributes of a path.",
           "setxattr lsetxattr setxattrat removexattr lremovexattr removexattrat"),
    family("file_setattr",  "Change inode flags by path.", "file_setattr"),
    family("name_to_handle", "Turn a path into a handle.", "name_to_handle_at"),
    family("statmount",     "Ask about mounts.", "statmount listmount"),

    # Sockets.
    family("socket",        "Make a socket.", member("socket", domain=0, type=1, protocol=2)),
    family("socketpair",    "Make a pair of connected sockets.", member("socketpair", domain=0, type=1)),
    family("connect",       "Connect a socket.", "connect"),
    family("bind",          "Name a socket.", "bind"),
    family("listen",        "Await connections.", "listen"),
    family("accept",        "Take a connection.", "accept accept4"),
    family("getsockname",   "Ask for a socket's own address.", "getsockname"),
    family("getpeername",   "Ask for the other side's address.", "getpeername"),
    family("shutdown",      "Close one direction of a connection.", "shutdown"),
    family("sendto",        "Send, perhaps to an address.",
           member("sendto", flags=3, addr=4), member("send", flags=3, fixed={"addr": "0"})),
    family("recvfrom",      "Receive.", "recvfrom recv"),
    family("sendmsg",       "Send messages whose address and rights are behind a pointer.", member("sendmsg", flags=2), member("sendmmsg", flags=3)),
    family("recvmsg",       "Receive messages that may carry descriptors.", "recvmsg recvmmsg recvmmsg_time64"),
    family("getsockopt",    "Read a socket option.", member("getsockopt", level=1, name=2)),
    family("setsockopt",    "Set a socket option.", member("setsockopt", level=1, name=2)),
    family("socketcall",    "All socket calls through one number, arguments behind a pointer.", member("socketcall", call=0)),

    # System V and POSIX message IPC.
    family("shm",           "Shared memory segments.", member("shmat", flag=2), member("shmget", fixed={"flag": "0"}),
           member("shmctl", fixed={"flag": "0"}), member("shmdt", fixed={"flag": "0"})),
    family("sem",           "Semaphores.", "semget semop semctl semtimedop semtimedop_time64"),
    family("msg",           "System V message queues.", "msgget msgsnd msgrcv msgctl"),
    family("mq",            "POSIX message queues.",
           "mq_open mq_unlink mq_timedsend mq_timedsend_time64 mq_timedreceive mq_timedreceive_time64 mq_notify mq_getsetattr"),
    family("ipc",           "All of System V IPC through one number.", member("ipc", call=0)),

    # Asked for by runtimes, opened by no promise: what they answer is in the promise table.
    family("pidfd_getfd",   "Take a descriptor out of another process.", "pidfd_getfd"),
    family("io_uring",      "Make system calls that no filter sees.", "io_uring_setup io_uring_enter io_uring_register"),
    family("aio",           "Kernel asynchronous input/output.",
           "io_setup io_destroy io_submit io_cancel io_getevents io_pgetevents io_pgetevents_time64"),
    family("userfaultfd",   "Handle page faults in the program.", "userfaultfd"),
    family("perf_event",    "Measure and trace.", "perf_event_open"),
    family("keyring",       "Kernel keyrings.", "add_key request_key keyctl"),
    family("lsm_attr",      "Attributes of security modules.", "lsm_get_self_attr lsm_set_self_attr lsm_list_modules"),
    family("debug",         "Read, write and compare processes.", "process_vm_readv process_vm_writev kcmp"),
    family("process_madvise", "Advise on another process's memory.", "process_madvise process_mrelease"),

    # Numbers that have a name and never had, or no longer have, anything behind them.
    family("gone",          "What the kernel itself answers with ENOSYS.",
           "_sysctl afs_syscall bdflush break create_module get_kernel_syms getpmsg gtty idle lock mpx multiplexer nfsservctl prof "
           "profil putpmsg query_module reserved177 reserved193 security stty sysfs tuxcall ulimit uselib vserver usr26 usr32 breakpoint "
           "lookup_dcookie"),
)  # fmt: skip

# In no family: no promise opens them, each for its reason.
SOLITARY: Final = {
    # Other processes.
    "ptrace":            "reads and writes other processes",
    # Namespaces and mounts: another view of the system is a way out of this one.
    "setns":             "enters another namespace",
    "listns":            "lists namespaces",
    "chroot":            "changes what a path means",
    "fchroot":           "changes what a path means",
    "pivot_root":        "changes what a path means",
    "mount":             "changes what a path means",
    "umount":            "changes what a path means",
    "umount2":           "changes what a path means",
    "mount_setattr":     "changes what a path means",
    "move_mount":        "changes what a path means",
    "open_tree":         "makes a detached mount",
    "open_tree_attr":    "makes a detached mount",
    "fsopen":            "configures a file system",
    "fsconfig":          "configures a file system",
    "fsmount":           "configures a file system",
    "fspick":            "configures a file system",
    "open_by_handle_at": "opens without a path, so that no path rule applies",
    # The whole machine.
    "reboot":            "ends the machine",
    "kexec_load":        "replaces the kernel",
    "kexec_file_load":   "replaces the kernel",
    "init_module":       "adds code to the kernel",
    "finit_module":      "adds code to the kernel",
    "delete_module":     "removes code from the kernel",
    "bpf":               "adds programs to the kernel",
    "swapon":            "manages swap",
    "swapoff":           "manages swap",
    "acct":              "manages accounting",
    "quotactl":          "manages quotas",
    "quotactl_fd":       "manages quotas",
    "sethostname":       "renames the host",
    "setdomainname":     "renames the host",
    "syslog":            "reads or clears the kernel's log",
    "vhangup":           "takes the terminal from its session",
    # Hardware.
    "iopl":              "opens hardware ports",
    "ioperm":            "opens hardware ports",
    "modify_ldt":        "changes segments; a classic of kernel exploits",
    "vm86":              "runs 16-bit code",
    "vm86old":           "runs 16-bit code",
    "pciconfig_iobase":  "reaches PCI devices",
    "pciconfig_read":    "reaches PCI devices",
    "pciconfig_write":   "reaches PCI devices",
    "rtas":              "calls firmware",
    "s390_pci_mmio_read":  "reaches PCI devices",
    "s390_pci_mmio_write": "reaches PCI devices",
    "spu_create":        "programs Cell processors",
    "spu_run":           "programs Cell processors",
    "subpage_prot":      "changes memory protection below page size",
    "swapcontext":       "restores an arbitrary context, signal mask included",
    "switch_endian":     "changes the byte order in the middle of a program",
    "sys_debug_setcontext": "restores an arbitrary context for debuggers",
    "sysmips":           "changes how the processor treats this process",
}  # fmt: skip
