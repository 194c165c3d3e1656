"""Which argument of which call speaks which vocabulary of constants.

A vocabulary is a set of flags, an enumeration, or flags around fields that are enumerations (the access
mode in open's flags). Its names are written as patterns: `O_*` is all constants that start so, `-O_NDELAY`
takes names out again, a bare name puts it first. Of two names with one value, the first stands.
The values are the architecture's own (`troth.abi.flags`).

Sources: the headers named in abi/_flags.py, and the manual page of each call. A vocabulary is given only to
arguments that mean nothing else; where the meaning hangs on another argument, the row says on which.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    Fields = tuple[tuple[str, str], ...]

ALL: Final = "0xffffffffffffffff"

# Names that the uapi headers lack: from the kernel's own headers, or from libc's.
OWN: Final = {
    # unistd.h, for access(2)
    "R_OK": 4, "W_OK": 2, "X_OK": 1, "F_OK": 0,
    # include/linux/fs.h, for umount2(2)
    "MNT_FORCE": 1, "MNT_DETACH": 2, "MNT_EXPIRE": 4, "UMOUNT_NOFOLLOW": 8,
    # uapi/linux/fs.h, uapi/linux/falloc.h and uapi/linux/wait.h, which the generated lists lack
    "SYNC_FILE_RANGE_WAIT_BEFORE": 1, "SYNC_FILE_RANGE_WRITE": 2, "SYNC_FILE_RANGE_WAIT_AFTER": 4,
    "FALLOC_FL_KEEP_SIZE": 1, "__WNOTHREAD": 0x20000000, "__WALL": 0x40000000, "__WCLONE": 0x80000000,
    # include/linux/splice.h
    "SPLICE_F_MOVE": 1, "SPLICE_F_NONBLOCK": 2, "SPLICE_F_MORE": 4, "SPLICE_F_GIFT": 8,
    # sys/socket.h, for shutdown(2)
    "SHUT_RD": 0, "SHUT_WR": 1, "SHUT_RDWR": 2,
    # kernel/printk/printk.c: syslog(2)
    "SYSLOG_ACTION_CLOSE": 0, "SYSLOG_ACTION_OPEN": 1, "SYSLOG_ACTION_READ": 2, "SYSLOG_ACTION_READ_ALL": 3,
    "SYSLOG_ACTION_READ_CLEAR": 4, "SYSLOG_ACTION_CLEAR": 5, "SYSLOG_ACTION_CONSOLE_OFF": 6,
    "SYSLOG_ACTION_CONSOLE_ON": 7, "SYSLOG_ACTION_CONSOLE_LEVEL": 8, "SYSLOG_ACTION_SIZE_UNREAD": 9,
    "SYSLOG_ACTION_SIZE_BUFFER": 10,
    # uapi/linux/perf_event.h
    "PERF_FLAG_FD_NO_GROUP": 1, "PERF_FLAG_FD_OUTPUT": 2, "PERF_FLAG_PID_CGROUP": 4, "PERF_FLAG_FD_CLOEXEC": 8,
    # uapi/linux/bpf.h: bpf(2)
    "BPF_MAP_CREATE": 0, "BPF_MAP_LOOKUP_ELEM": 1, "BPF_MAP_UPDATE_ELEM": 2, "BPF_MAP_DELETE_ELEM": 3,
    "BPF_MAP_GET_NEXT_KEY": 4, "BPF_PROG_LOAD": 5, "BPF_OBJ_PIN": 6, "BPF_OBJ_GET": 7, "BPF_PROG_ATTACH": 8,
    "BPF_PROG_DETACH": 9, "BPF_PROG_TEST_RUN": 10, "BPF_PROG_GET_NEXT_ID": 11, "BPF_MAP_GET_NEXT_ID": 12,
    "BPF_PROG_GET_FD_BY_ID": 13, "BPF_MAP_GET_FD_BY_ID": 14, "BPF_OBJ_GET_INFO_BY_FD": 15, "BPF_PROG_QUERY": 16,
    "BPF_RAW_TRACEPOINT_OPEN": 17, "BPF_BTF_LOAD": 18, "BPF_BTF_GET_FD_BY_ID": 19, "BPF_TASK_FD_QUERY": 20,
    "BPF_MAP_LOOKUP_AND_DELETE_ELEM": 21, "BPF_MAP_FREEZE": 22, "BPF_BTF_GET_NEXT_ID": 23, "BPF_MAP_LOOKUP_BATCH": 24,
    "BPF_MAP_LOOKUP_AND_DELETE_BATCH": 25, "BPF_MAP_UPDATE_BATCH": 26, "BPF_MAP_DELETE_BATCH": 27,
    "BPF_LINK_CREATE": 28, "BPF_LINK_UPDATE": 29, "BPF_LINK_GET_FD_BY_ID": 30, "BPF_LINK_GET_NEXT_ID": 31,
    "BPF_ENABLE_STATS": 32, "BPF_ITER_CREATE": 33, "BPF_LINK_DETACH": 34, "BPF_PROG_BIND_MAP": 35,
    "BPF_TOKEN_CREATE": 36,
    # include/linux/net.h and uapi/linux/sched.h
    "SOCK_TYPE_MASK": 0xF, "CSIGNAL": 0xFF,
}  # fmt: skip

# vocabulary: (flags, fields as (mask, names)); ALL as a mask is an enumeration over the whole argument
VOCABULARIES: Final[dict[str, tuple[str, Fields]]] = {
    # Files
    "dirfd":      ("", ((ALL, "AT_FDCWD"),)),
    "open":       ("O_* -O_ACCMODE -O_NDELAY -O_RDONLY -O_WRONLY -O_RDWR", (("O_ACCMODE", "O_RDONLY O_WRONLY O_RDWR"),)),
    "cloexec":    ("O_CLOEXEC", ()),
    "pipe":       ("O_CLOEXEC O_NONBLOCK O_DIRECT O_EXCL", ()),
    "access":     ("R_OK W_OK X_OK", ((ALL, "F_OK"),)),
    "at":         ("AT_SYMLINK_NOFOLLOW AT_SYMLINK_FOLLOW AT_NO_AUTOMOUNT AT_EMPTY_PATH", ()),
    "at-access":  ("AT_EACCESS AT_SYMLINK_NOFOLLOW AT_EMPTY_PATH", ()),
    "at-remove":  ("AT_REMOVEDIR", ()),
    "at-exec":    ("AT_EMPTY_PATH AT_SYMLINK_NOFOLLOW AT_EXECVE_CHECK", ()),
    "at-handle":  ("AT_EMPTY_PATH AT_SYMLINK_FOLLOW AT_HANDLE_FID AT_HANDLE_MNT_ID_UNIQUE AT_HANDLE_CONNECTABLE", ()),
    "at-statx":   ("AT_SYMLINK_NOFOLLOW AT_NO_AUTOMOUNT AT_EMPTY_PATH AT_STATX_FORCE_SYNC AT_STATX_DONT_SYNC", ()),
    "statx":      ("STATX_* -STATX_ATTR_* -STATX_ALL -STATX__RESERVED", ()),
    "rename":     ("RENAME_*", ()),
    "seek":       ("", ((ALL, "SEEK_*"),)),
    "lock":       ("LOCK_NB LOCK_MAND LOCK_READ LOCK_WRITE", (("0xb", "LOCK_SH LOCK_EX LOCK_UN"),)),
    "fcntl":      ("", ((ALL, "F_* -F_RDLCK -F_WRLCK -F_UNLCK -F_EXLCK -F_SHLCK -F_OWNER_* -F_SEAL_* -F_LINUX_*"),)),
    "fd-flags":   ("FD_CLOEXEC", ()),
    "seals":      ("F_SEAL_*", ()),
    "fallocate":  ("FALLOC_FL_KEEP_SIZE FALLOC_FL_* -FALLOC_FL_ALLOCATE_RANGE", ()),
    "fadvise":    ("", ((ALL, "POSIX_FADV_*"),)),
    "rwf":        ("RWF_* -RWF_SUPPORTED -RWF_WRITE_LIFE_NOT_SET", ()),
    "splice":     ("SPLICE_F_MOVE SPLICE_F_NONBLOCK SPLICE_F_MORE SPLICE_F_GIFT", ()),
    "sync-range": ("SYNC_FILE_RANGE_WAIT_BEFORE SYNC_FILE_RANGE_WRITE SYNC_FILE_RANGE_WAIT_AFTER", ()),
    "memfd":      ("MFD_CLOEXEC MFD_ALLOW_SEALING MFD_HUGETLB MFD_NOEXEC_SEAL MFD_EXEC", (("0xfc000000", "MFD_HUGE_* -MFD_HUGE_MASK"),)),
    "close-range": ("CLOSE_RANGE_*", ()),
    "xattr":      ("XATTR_CREATE XATTR_REPLACE", ()),
    "file-type":  ("", (("S_IFMT", "S_IFIFO S_IFCHR S_IFDIR S_IFBLK S_IFREG S_IFLNK S_IFSOCK"),)),
    "ioctl":      ("", ((ALL, "TCGETS TCSETS TCSETSW TCSETSF TCGET* TCSET* TCSBRK* TCXONC TCFLSH FIONREAD FIO* TIOC* -TIOCM_* -TIOCPKT_* "
                              "-TIOCSER_TEMT -TIOCL_* SIOC* SIOGIFINDEX FI* -FIEMAP_* BLK* -BLK_* -BLKTRACE_* FS_IOC_* FS_IOC32_* "
                              "UFFDIO_* -UFFDIO_*_MODE_* KDFONTOP KDADDIO KDDELIO KDGET* KDGKB* KDMKTONE KDSET* KDSIGACCEPT KDSKB* KDKBDREP "
                              "GIO_* PIO_* VT_OPENQRY VT_GETMODE VT_SETMODE VT_GETSTATE VT_SENDSIG VT_RELDISP VT_ACTIVATE VT_WAITACTIVE "
                              "VT_DISALLOCATE VT_RESIZE* VT_LOCKSWITCH VT_UNLOCKSWITCH VT_GETHIFONTMASK VT_WAITEVENT VT_SETACTIVATE "
                              "NS_GET_* NS_MNT_GET_* PIDFD_GET_* SECCOMP_IOCTL_*"),)),
    "epoll":      ("EPOLL_CLOEXEC", ()),
    "epoll-ctl":  ("", ((ALL, "EPOLL_CTL_*"),)),
    "eventfd":    ("EFD_*", ()),
    "signalfd":   ("SFD_*", ()),
    "timerfd":    ("TFD_CLOEXEC TFD_NONBLOCK", ()),
    "timerfd-set": ("TFD_TIMER_ABSTIME TFD_TIMER_CANCEL_ON_SET", ()),
    "inotify":    ("IN_CLOEXEC IN_NONBLOCK", ()),
    "watch":      ("IN_* -IN_CLOEXEC -IN_NONBLOCK -IN_ALL_EVENTS -IN_CLOSE -IN_MOVE", ()),
    "fanotify":   ("FAN_CLOEXEC FAN_NONBLOCK FAN_UNLIMITED_QUEUE FAN_UNLIMITED_MARKS FAN_ENABLE_AUDIT FAN_REPORT_* -FAN_REPORT_DFID_*", (("0xc", "FAN_CLASS_NOTIF FAN_CLASS_CONTENT FAN_CLASS_PRE_CONTENT"),)),
    "fanotify-mark": ("FAN_MARK_* -FAN_MARK_INODE -FAN_MARK_MNTNS -FAN_MARK_IGNORE_SURV", ()),
    "userfaultfd": ("O_CLOEXEC O_NONBLOCK UFFD_USER_MODE_ONLY", ()),

    # Mounts
    "mount":      ("MS_RDONLY MS_NOSUID MS_* -MS_ASYNC -MS_INVALIDATE -MS_SYNC -MS_NOUSER -MS_VERBOSE -MS_RMT_MASK -MS_MGC_*", (("0xffff0000", "MS_MGC_VAL"),)),
    "umount":     ("MNT_FORCE MNT_DETACH MNT_EXPIRE UMOUNT_NOFOLLOW", ()),
    "open-tree":  ("OPEN_TREE_* AT_EMPTY_PATH AT_NO_AUTOMOUNT AT_RECURSIVE AT_SYMLINK_NOFOLLOW", ()),
    "move-mount": ("MOVE_MOUNT_* -MOVE_MOUNT__MASK", ()),
    "fsopen":     ("FSOPEN_*", ()),
    "fsconfig":   ("", ((ALL, "FSCONFIG_*"),)),
    "fsmount":    ("FSMOUNT_*", ()),
    "fspick":     ("FSPICK_*", ()),
    "mount-attr": ("MOUNT_ATTR_* -MOUNT_ATTR_SIZE_* -MOUNT_ATTR__ATIME", ()),
    "mount-setattr": ("AT_EMPTY_PATH AT_RECURSIVE AT_SYMLINK_NOFOLLOW AT_NO_AUTOMOUNT", ()),

    # Memory
    "prot":       ("PROT_READ PROT_WRITE PROT_EXEC PROT_SEM PROT_GROWSDOWN PROT_GROWSUP PROT_*", ((ALL, "PROT_NONE"),)),
    "mmap":       ("MAP_* -MAP_FILE -MAP_TYPE -MAP_SHARED -MAP_PRIVATE -MAP_SHARED_VALIDATE -MAP_DROPPABLE -MAP_HUGE_* -MAP_UNINITIALIZED", (("MAP_TYPE", "MAP_SHARED MAP_PRIVATE MAP_SHARED_VALIDATE MAP_DROPPABLE"), ("0xfc000000", "MAP_HUGE_* -MAP_HUGE_MASK"))),
    "mremap":     ("MREMAP_*", ()),
    "msync":      ("MS_ASYNC MS_INVALIDATE MS_SYNC", ()),
    "madvise":    ("", ((ALL, "MADV_*"),)),
    "mlock2":     ("MLOCK_ONFAULT", ()),
    "mlockall":   ("MCL_*", ()),
    "mempolicy":  ("MPOL_F_STATIC_NODES MPOL_F_RELATIVE_NODES MPOL_F_NUMA_BALANCING", (("0x1fff", "MPOL_DEFAULT MPOL_PREFERRED MPOL_BIND MPOL_INTERLEAVE MPOL_LOCAL MPOL_PREFERRED_MANY MPOL_WEIGHTED_INTERLEAVE"),)),
    "membarrier": ("", ((ALL, "MEMBARRIER_CMD_* -MEMBARRIER_CMD_FLAG_*"),)),

    # Processes
    "clone":      ("CLONE_* -CLONE_ARGS_* -CLONE_NEWTIME", (("CSIGNAL", "SIG* -SIG_* -SIGEV_* -SIGRTMIN -SIGSTKSZ -SIGUNUSED"),)),
    "unshare":    ("CLONE_* -CLONE_ARGS_*", ()),
    "futex":      ("FUTEX_PRIVATE_FLAG FUTEX_CLOCK_REALTIME", (("0x7f", "FUTEX_WAIT FUTEX_WAKE FUTEX_FD FUTEX_REQUEUE FUTEX_CMP_REQUEUE FUTEX_WAKE_OP FUTEX_LOCK_PI FUTEX_UNLOCK_PI "
                              "FUTEX_TRYLOCK_PI FUTEX_WAIT_BITSET FUTEX_WAKE_BITSET FUTEX_WAIT_REQUEUE_PI FUTEX_CMP_REQUEUE_PI FUTEX_LOCK_PI2"),)),
    "futex2":     ("FUTEX2_NUMA FUTEX2_MPOL FUTEX2_PRIVATE", (("0x3", "FUTEX2_SIZE_U32 FUTEX2_SIZE_U64 FUTEX2_SIZE_U16 FUTEX2_SIZE_U8"),)),
    "wait":       ("WNOHANG WUNTRACED WCONTINUED WEXITED WNOWAIT __WNOTHREAD __WALL __WCLONE", ()),
    "waitid":     ("WNOHANG WSTOPPED WCONTINUED WEXITED WNOWAIT __WNOTHREAD __WALL __WCLONE", ()),
    "waitid-type": ("", ((ALL, "P_*"),)),
    "signal":     ("", ((ALL, "SIG* -SIG_* -SIGEV_* -SIGSTKSZ -SIGUNUSED"),)),
    "sigprocmask": ("", ((ALL, "SIG_BLOCK SIG_UNBLOCK SIG_SETMASK"),)),
    "prctl":      ("", ((ALL, "PR_GET_* PR_SET_* -PR_SET_MM_* -PR_SET_VMA_* -PR_SET_PTRACER_ANY PR_CAPBSET_* PR_CAP_AMBIENT PR_TASK_PERF_* PR_MCE_KILL PR_MCE_KILL_GET "
                              "PR_MPX_* PR_SVE_SET_VL PR_SVE_GET_VL PR_SME_SET_VL PR_SME_GET_VL PR_PAC_RESET_KEYS PR_PAC_SET_ENABLED_KEYS PR_PAC_GET_ENABLED_KEYS "
                              "PR_SCHED_CORE PR_RISCV_V_SET_CONTROL PR_RISCV_V_GET_CONTROL PR_RISCV_SET_ICACHE_FLUSH_CTX PR_PPC_GET_DEXCR PR_PPC_SET_DEXCR "
                              "PR_LOCK_SHADOW_STACK_STATUS PR_TIMER_CREATE_RESTORE_IDS PR_FUTEX_HASH PR_RSEQ_SLICE_EXTENSION"),)),
    "capability": ("", ((ALL, "CAP_* -CAP_LAST_CAP"),)),
    "cap-ambient": ("", ((ALL, "PR_CAP_AMBIENT_*"),)),
    "mm-field":   ("", ((ALL, "PR_SET_MM_*"),)),
    "seccomp-mode": ("", ((ALL, "SECCOMP_MODE_*"),)),
    "arch-prctl": ("", ((ALL, "ARCH_* -ARCH_SHSTK_SHSTK -ARCH_SHSTK_WRSS -ARCH_XCOMP_*"),)),
    "personality": ("ADDR_* FDPIC_FUNCPTRS MMAP_PAGE_ZERO READ_IMPLIES_EXEC SHORT_INODE STICKY_TIMEOUTS UNAME26 WHOLE_SECONDS", ((ALL, "PER_LINUX"), ("PER_MASK", "PER_LINUX32 PER_BSD PER_RISCOS PER_OSF4"))),
    "ptrace":     ("", ((ALL, "PTRACE_TRACEME PTRACE_* -PTRACE_O_* -PTRACE_EVENT_* -PTRACE_EVENTMSG_* -PTRACE_SYSCALL_INFO_* -PTRACE_PEEKSIGINFO_SHARED"),)),
    "scheduler":  ("SCHED_RESET_ON_FORK", (("0xff", "SCHED_NORMAL SCHED_FIFO SCHED_RR SCHED_BATCH SCHED_IDLE SCHED_DEADLINE SCHED_EXT"),)),
    "rlimit":     ("", ((ALL, "RLIMIT_*"),)),
    "rusage":     ("", ((ALL, "RUSAGE_SELF RUSAGE_CHILDREN RUSAGE_THREAD"),)),
    "priority":   ("", ((ALL, "PRIO_PROCESS PRIO_PGRP PRIO_USER"),)),
    "ioprio":     ("", ((ALL, "IOPRIO_WHO_*"),)),
    "kcmp":       ("", ((ALL, "KCMP_* -KCMP_TYPES"),)),
    "rseq":       ("RSEQ_FLAG_*", ()),
    "pidfd":      ("PIDFD_NONBLOCK PIDFD_THREAD", ()),
    "pidfd-signal": ("PIDFD_SIGNAL_*", ()),
    "clock":      ("", ((ALL, "CLOCK_* -CLOCK_AUX"),)),
    "timer":      ("TIMER_ABSTIME", ()),
    "itimer":     ("", ((ALL, "ITIMER_*"),)),
    "getrandom":  ("GRND_*", ()),
    "seccomp":    ("", ((ALL, "SECCOMP_SET_MODE_* SECCOMP_GET_*"),)),
    "seccomp-flags": ("SECCOMP_FILTER_FLAG_*", ()),
    "landlock-rule": ("", ((ALL, "LANDLOCK_RULE_*"),)),
    "landlock-create": ("LANDLOCK_CREATE_RULESET_*", ()),
    "landlock-restrict": ("LANDLOCK_RESTRICT_SELF_*", ()),
    "keyctl":     ("", ((ALL, "KEYCTL_* -KEYCTL_CAPS0_* -KEYCTL_CAPS1_* -KEYCTL_SUPPORTS_* -KEYCTL_MOVE_EXCL"),)),

    # The machine
    "reboot1":    ("", ((ALL, "LINUX_REBOOT_MAGIC1"),)),
    "reboot2":    ("", ((ALL, "LINUX_REBOOT_MAGIC2 LINUX_REBOOT_MAGIC2A LINUX_REBOOT_MAGIC2B LINUX_REBOOT_MAGIC2C"),)),
    "reboot":     ("", ((ALL, "LINUX_REBOOT_CMD_*"),)),
    "module":     ("MODULE_INIT_*", ()),
    "kexec":      ("KEXEC_ON_CRASH KEXEC_PRESERVE_CONTEXT KEXEC_UPDATE_ELFCOREHDR KEXEC_CRASH_HOTPLUG_SUPPORT", (("KEXEC_ARCH_MASK", "KEXEC_ARCH_* -KEXEC_ARCH_MASK -KEXEC_ARCH_DEFAULT"),)),
    "kexec-file": ("KEXEC_FILE_*", ()),
    "syslog":     ("", ((ALL, "SYSLOG_ACTION_*"),)),
    "bpf":        ("", ((ALL, "BPF_*"),)),
    "perf":       ("PERF_FLAG_FD_NO_GROUP PERF_FLAG_FD_OUTPUT PERF_FLAG_PID_CGROUP PERF_FLAG_FD_CLOEXEC", ()),

    # Sockets
    "family":     ("", ((ALL, "AF_UNIX AF_NETLINK AF_*"),)),
    "socket-type": ("SOCK_CLOEXEC SOCK_NONBLOCK", (("SOCK_TYPE_MASK", "SOCK_STREAM SOCK_DGRAM SOCK_RAW SOCK_RDM SOCK_SEQPACKET SOCK_DCCP SOCK_PACKET"),)),
    "accept":     ("SOCK_CLOEXEC SOCK_NONBLOCK", ()),
    "inet-protocol": ("", ((ALL, "IPPROTO_IP IPPROTO_*"),)),
    "netlink-protocol": ("", ((ALL, "NETLINK_ROUTE NETLINK_USERSOCK NETLINK_FIREWALL NETLINK_SOCK_DIAG NETLINK_NFLOG NETLINK_XFRM NETLINK_SELINUX NETLINK_ISCSI NETLINK_AUDIT "
                              "NETLINK_FIB_LOOKUP NETLINK_CONNECTOR NETLINK_NETFILTER NETLINK_IP6_FW NETLINK_DNRTMSG NETLINK_KOBJECT_UEVENT NETLINK_GENERIC NETLINK_SCSITRANSPORT "
                              "NETLINK_ECRYPTFS NETLINK_RDMA NETLINK_CRYPTO NETLINK_SMC"),)),
    "message":    ("MSG_OOB MSG_PEEK MSG_DONTROUTE MSG_CTRUNC MSG_PROBE MSG_TRUNC MSG_DONTWAIT MSG_EOR MSG_WAITALL MSG_FIN MSG_SYN MSG_CONFIRM MSG_RST MSG_ERRQUEUE MSG_NOSIGNAL "
                              "MSG_MORE MSG_WAITFORONE MSG_BATCH MSG_ZEROCOPY MSG_FASTOPEN MSG_CMSG_CLOEXEC", ()),
    "socket-level": ("", ((ALL, "SOL_*"),)),
    "socket-option": ("", ((ALL, "SO_DETACH_FILTER SO_* -SO_TIMESTAMP_* -SO_TIMESTAMPNS_* -SO_TIMESTAMPING_* -SO_RCVTIMEO_* -SO_SNDTIMEO_*"),)),
    "ip-option":  ("", ((ALL, "IP_* -IP_PMTUDISC_* MCAST_* -MCAST_EXCLUDE -MCAST_INCLUDE"),)),
    "ipv6-option": ("", ((ALL, "IPV6_* -IPV6_PMTUDISC_* -IPV6_FL_* -IPV6_FLOWINFO_* -IPV6_PRIORITY_* -IPV6_TLV_* -IPV6_PREFER_*"),)),
    "tcp-option": ("", ((ALL, "TCP_NODELAY TCP_MAXSEG TCP_CORK TCP_KEEPIDLE TCP_KEEPINTVL TCP_KEEPCNT TCP_SYNCNT TCP_LINGER2 TCP_DEFER_ACCEPT TCP_WINDOW_CLAMP TCP_INFO "
                              "TCP_QUICKACK TCP_CONGESTION TCP_MD5SIG TCP_THIN_* TCP_USER_TIMEOUT TCP_REPAIR TCP_REPAIR_QUEUE TCP_QUEUE_SEQ TCP_REPAIR_OPTIONS TCP_FASTOPEN "
                              "TCP_TIMESTAMP TCP_NOTSENT_LOWAT TCP_SAVE_SYN TCP_SAVED_SYN TCP_REPAIR_WINDOW TCP_FASTOPEN_* TCP_ULP TCP_MD5SIG_EXT TCP_ZEROCOPY_RECEIVE TCP_INQ "
                              "TCP_TX_DELAY TCP_IS_MPTCP TCP_RTO_* TCP_DELACK_MAX_US"),)),
    "udp-option": ("", ((ALL, "UDP_CORK UDP_ENCAP UDP_NO_CHECK6_TX UDP_NO_CHECK6_RX UDP_SEGMENT UDP_GRO"),)),
    "netlink-option": ("", ((ALL, "NETLINK_ADD_MEMBERSHIP NETLINK_DROP_MEMBERSHIP NETLINK_PKTINFO NETLINK_BROADCAST_ERROR NETLINK_NO_ENOBUFS NETLINK_RX_RING NETLINK_TX_RING "
                              "NETLINK_LISTEN_ALL_NSID NETLINK_LIST_MEMBERSHIPS NETLINK_CAP_ACK NETLINK_EXT_ACK NETLINK_GET_STRICT_CHK"),)),
    "shutdown":   ("", ((ALL, "SHUT_RD SHUT_WR SHUT_RDWR"),)),
    "socketcall": ("", ((ALL, "SYS_* -SYS_SECCOMP -SYS_USER_DISPATCH"),)),

    # System V IPC
    "ipc":        ("", (("0xffff", "SEMOP SEMGET SEMCTL SEMTIMEDOP MSGSND MSGRCV MSGGET MSGCTL SHMAT SHMDT SHMGET SHMCTL"),)),
    "ipc-get":    ("IPC_CREAT IPC_EXCL IPC_NOWAIT", ()),
    "shm-get":    ("IPC_CREAT IPC_EXCL SHM_HUGETLB SHM_NORESERVE", ()),
    "shm-at":     ("SHM_RDONLY SHM_RND SHM_REMAP SHM_EXEC", ()),
    "shm-ctl":    ("IPC_64", (("0xff", "IPC_RMID IPC_SET IPC_STAT IPC_INFO SHM_LOCK SHM_UNLOCK SHM_STAT SHM_INFO SHM_STAT_ANY"),)),
    "sem-ctl":    ("IPC_64", (("0xff", "IPC_RMID IPC_SET IPC_STAT IPC_INFO SEM_STAT SEM_INFO SEM_STAT_ANY GETPID GETVAL GETALL GETNCNT GETZCNT SETVAL SETALL"),)),
    "msg-ctl":    ("IPC_64", (("0xff", "IPC_RMID IPC_SET IPC_STAT IPC_INFO MSG_STAT MSG_INFO MSG_STAT_ANY"),)),
    "msg":        ("IPC_NOWAIT MSG_NOERROR MSG_EXCEPT MSG_COPY", ()),
}  # fmt: skip

# calls; argument by the kernel's name for it; vocabulary; the argument on whose value this hangs, and its values
ARGUMENTS: Final = (
    # Files
    ("open",                                            "flags",        "open",           ""),
    ("openat",                                          "flags",        "open",           ""),
    ("open_by_handle_at mq_open",                       "flags oflag",  "open",           ""),
    ("access faccessat",                                "mode",         "access",         ""),
    ("faccessat2",                                      "mode",         "access",         ""),
    ("faccessat2",                                      "flags",        "at-access",      ""),
    ("newfstatat fstatat64 fchownat utimensat utimensat_time64 linkat", "flag flags", "at", ""),
    ("fchmodat2 file_getattr file_setattr getxattrat setxattrat listxattrat removexattrat", "flags at_flags", "at", ""),
    ("unlinkat",                                        "flag",         "at-remove",      ""),
    ("execveat",                                        "flags",        "at-exec",        ""),
    ("name_to_handle_at",                               "flag",         "at-handle",      ""),
    ("statx",                                           "flags",        "at-statx",       ""),
    ("statx",                                           "mask",         "statx",          ""),
    ("renameat2",                                       "flags",        "rename",         ""),
    ("lseek _llseek",                                   "whence",       "seek",           ""),
    ("flock",                                           "cmd",          "lock",           ""),
    ("fcntl fcntl64",                                   "cmd",          "fcntl",          ""),
    ("fcntl fcntl64",                                   "arg",          "fd-flags",       "cmd F_SETFD"),
    ("fcntl fcntl64",                                   "arg",          "open",           "cmd F_SETFL"),
    ("fcntl fcntl64",                                   "arg",          "seals",          "cmd F_ADD_SEALS"),
    ("fcntl fcntl64",                                   "arg",          "signal",         "cmd F_SETSIG"),
    ("fallocate",                                       "mode",         "fallocate",      ""),
    ("fadvise64 fadvise64_64 arm_fadvise64_64",         "advice",       "fadvise",        ""),
    ("preadv2 pwritev2",                                "flags",        "rwf",            ""),
    ("splice tee vmsplice",                             "flags",        "splice",         ""),
    ("sync_file_range sync_file_range2 arm_sync_file_range", "flags",   "sync-range",     ""),
    ("memfd_create",                                    "flags",        "memfd",          ""),
    ("memfd_secret",                                    "flags",        "cloexec",        ""),
    ("close_range",                                     "flags",        "close-range",    ""),
    ("setxattr lsetxattr fsetxattr",                    "flags",        "xattr",          ""),
    ("mknod mknodat",                                   "mode",         "file-type",      ""),
    ("ioctl",                                           "cmd",          "ioctl",          ""),
    ("dup3",                                            "flags",        "cloexec",        ""),
    ("pipe2",                                           "flags",        "pipe",           ""),
    ("epoll_create1",                                   "flags",        "epoll",          ""),
    ("epoll_ctl",                                       "op",           "epoll-ctl",      ""),
    ("eventfd2",                                        "flags",        "eventfd",        ""),
    ("signalfd4",                                       "flags",        "signalfd",       ""),
    ("timerfd_create",                                  "flags",        "timerfd",        ""),
    ("timerfd_settime timerfd_settime64",               "flags",        "timerfd-set",    ""),
    ("inotify_init1",                                   "flags",        "inotify",        ""),
    ("inotify_add_watch",                               "mask",         "watch",          ""),
    ("fanotify_init",                                   "flags",        "fanotify",       ""),
    ("fanotify_init",                                   "event_f_flags", "open",          ""),
    ("fanotify_mark",                                   "flags",        "fanotify-mark",  ""),
    ("userfaultfd",                                     "flags",        "userfaultfd",    ""),

    # Mounts
    ("mount",                                           "flags",        "mount",          ""),
    ("umount2",                                         "flags",        "umount",         ""),
    ("open_tree open_tree_attr",                        "flags",        "open-tree",      ""),
    ("move_mount",                                      "flags",        "move-mount",     ""),
    ("fsopen",                                          "flags",        "fsopen",         ""),
    ("fsconfig",                                        "cmd",          "fsconfig",       ""),
    ("fsmount",                                         "flags",        "fsmount",        ""),
    ("fsmount",                                         "attr_flags",   "mount-attr",     ""),
    ("fspick",                                          "flags",        "fspick",         ""),
    ("mount_setattr",                                   "flags",        "mount-setattr",  ""),

    # Memory
    ("mmap mmap2 mprotect pkey_mprotect remap_file_pages", "prot",      "prot",           ""),
    ("mmap mmap2",                                      "flags",        "mmap",           ""),
    ("mremap",                                          "flags",        "mremap",         ""),
    ("msync",                                           "flags",        "msync",          ""),
    ("madvise process_madvise",                         "behavior",     "madvise",        ""),
    ("mlock2",                                          "flags",        "mlock2",         ""),
    ("mlockall",                                        "flags",        "mlockall",       ""),
    ("mbind set_mempolicy",                             "mode",         "mempolicy",      ""),
    ("membarrier",                                      "cmd",          "membarrier",     ""),

    # Processes
    ("clone",                                           "clone_flags",  "clone",          ""),
    ("unshare",                                         "unshare_flags", "unshare",       ""),
    ("setns",                                           "flags",        "unshare",        ""),
    ("futex futex_time64",                              "op",           "futex",          ""),
    ("futex_wait futex_wake",                           "flags",        "futex2",         ""),
    ("futex_wait futex_waitv",                          "clockid",      "clock",          ""),
    ("wait4 waitpid",                                   "options",      "wait",           ""),
    ("waitid",                                          "options",      "waitid",         ""),
    ("waitid",                                          "which",        "waitid-type",    ""),
    ("kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_send_signal signal sigaction rt_sigaction", "sig", "signal", ""),
    ("rt_sigprocmask sigprocmask",                      "how",          "sigprocmask",    ""),
    ("prctl",                                           "option",       "prctl",          ""),
    ("prctl",                                           "arg2",         "capability",     "option PR_CAPBSET_READ PR_CAPBSET_DROP"),
    ("prctl",                                           "arg2",         "cap-ambient",    "option PR_CAP_AMBIENT"),
    ("prctl",                                           "arg2",         "signal",         "option PR_SET_PDEATHSIG"),
    ("prctl",                                           "arg2",         "mm-field",       "option PR_SET_MM"),
    ("prctl",                                           "arg2",         "seccomp-mode",   "option PR_SET_SECCOMP"),
    ("arch_prctl",                                      "option",       "arch-prctl",     ""),
    ("personality",                                     "personality",  "personality",    ""),
    ("ptrace",                                          "request",      "ptrace",         ""),
    ("sched_setscheduler sched_get_priority_max sched_get_priority_min", "policy", "scheduler", ""),
    ("getrlimit setrlimit ugetrlimit prlimit64",        "resource",     "rlimit",         ""),
    ("getrusage",                                       "who",          "rusage",         ""),
    ("getpriority setpriority",                         "which",        "priority",       ""),
    ("ioprio_get ioprio_set",                           "which",        "ioprio",         ""),
    ("kcmp",                                            "type",         "kcmp",           ""),
    ("rseq",                                            "flags",        "rseq",           ""),
    ("pidfd_open",                                      "flags",        "pidfd",          ""),
    ("pidfd_send_signal",                               "flags",        "pidfd-signal",   ""),
    ("clock_gettime clock_gettime64 clock_settime clock_settime64 clock_getres clock_getres_time64 clock_adjtime clock_adjtime64 "
     "clock_nanosleep clock_nanosleep_time64 timer_create", "which_clock", "clock",       ""),
    ("timerfd_create",                                  "clockid",      "clock",          ""),
    ("clock_nanosleep clock_nanosleep_time64 timer_settime timer_settime64", "flags", "timer", ""),
    ("getitimer setitimer",                             "which",        "itimer",         ""),
    ("getrandom",                                       "flags",        "getrandom",      ""),
    ("seccomp",                                         "op",           "seccomp",        ""),
    ("seccomp",                                         "flags",        "seccomp-flags",  "op SECCOMP_SET_MODE_FILTER"),
    ("landlock_add_rule",                               "rule_type",    "landlock-rule",  ""),
    ("landlock_create_ruleset",                         "flags",        "landlock-create", ""),
    ("landlock_restrict_self",                          "flags",        "landlock-restrict", ""),
    ("keyctl",                                          "option",       "keyctl",         ""),

    # The machine
    ("reboot",                                          "magic1",       "reboot1",        ""),
    ("reboot",                                          "magic2",       "reboot2",        ""),
    ("reboot",                                          "cmd",          "reboot",         ""),
    ("finit_module",                                    "flags",        "module",         ""),
    ("delete_module",                                   "flags",        "pipe",           ""),
    ("kexec_load",                                      "flags",        "kexec",          ""),
    ("kexec_file_load",                                 "flags",        "kexec-file",     ""),
    ("syslog",                                          "type",         "syslog",         ""),
    ("bpf",                                             "cmd",          "bpf",            ""),
    ("perf_event_open",                                 "flags",        "perf",           ""),

    # Sockets
    ("socket socketpair",                               "family",       "family",         ""),
    ("socket socketpair",                               "type",         "socket-type",    ""),
    ("socket",                                          "protocol",     "inet-protocol",  "family AF_INET AF_INET6"),
    ("socket",                                          "protocol",     "netlink-protocol", "family AF_NETLINK"),
    ("accept4",                                         "flags",        "accept",         ""),
    ("send sendto sendmsg sendmmsg recv recvfrom recvmsg recvmmsg recvmmsg_time64", "flags", "message", ""),
    ("setsockopt getsockopt",                           "level",        "socket-level",   ""),
    ("setsockopt getsockopt",                           "optname",      "socket-option",  "level SOL_SOCKET"),
    ("setsockopt getsockopt",                           "optname",      "ip-option",      "level SOL_IP"),
    ("setsockopt getsockopt",                           "optname",      "ipv6-option",    "level SOL_IPV6"),
    ("setsockopt getsockopt",                           "optname",      "tcp-option",     "level SOL_TCP"),
    ("setsockopt getsockopt",                           "optname",      "udp-option",     "level SOL_UDP"),
    ("setsockopt getsockopt",                           "optname",      "netlink-option", "level SOL_NETLINK"),
    ("shutdown",                                        "how",          "shutdown",       ""),
    ("socketcall",                                      "call",         "socketcall",     ""),

    # System V IPC
    ("ipc",                                             "call",         "ipc",            ""),
    ("semget",                                          "semflg",       "ipc-get",        ""),
    ("msgget",                                          "msgflg",       "ipc-get",        ""),
    ("shmget",                                          "shmflg",       "shm-get",        ""),
    ("shmat",                                           "shmflg",       "shm-at",         ""),
    ("shmctl",                                          "cmd",          "shm-ctl",        ""),
    ("semctl",                                          "cmd",          "sem-ctl",        ""),
    ("msgctl",                                          "cmd",          "msg-ctl",        ""),
    ("msgsnd msgrcv",                                   "msgflg",       "msg",            ""),
)  # fmt: skip

# Descriptors that take AT_FDCWD, whatever the call.
DIRECTORIES: Final = frozenset(["dfd", "olddfd", "newdfd", "from_dfd", "to_dfd"])

# Permissions are read in octal, whatever the call.
OCTAL: Final = frozenset({("open", "mode"), ("openat", "mode"), ("creat", "mode"), ("mkdir", "mode"), ("mkdirat", "mode"), ("mknod", "mode"),
                          ("mknodat", "mode"), ("chmod", "mode"), ("fchmod", "mode"), ("fchmodat", "mode"), ("fchmodat2", "mode"), ("mq_open", "mode"),
                          ("umask", "mask")})  # fmt: skip
