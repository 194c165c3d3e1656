"""Evaluate the constants of the kernel's headers, for every arch.

The host's compiler reads linux-libc-dev's headers with the other arch's identity (`-undef` and
its macros): the sizes of structures, which ioctl numbers contain, agree with those of the arch's
own compiler, given the `model` options of `gen_abi_arches`. What user space needs but uapi
headers lack comes from the kernel's own headers, by pattern.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

from tools.gen_abi_arches import ARCHES, Arch

# Name: (header, value).
Constants = dict[str, tuple[str, int]]

_HEADERS = """
    asm/errno.h linux/fcntl.h linux/openat2.h linux/stat.h linux/fs.h linux/blktrace_api.h linux/fiemap.h
    linux/falloc.h linux/fadvise.h linux/mount.h linux/xattr.h linux/close_range.h linux/sched.h
    linux/sched/types.h linux/resource.h linux/wait.h linux/personality.h linux/mman.h linux/memfd.h
    linux/mempolicy.h linux/membarrier.h linux/prctl.h linux/signal.h linux/time.h linux/timex.h linux/timerfd.h
    linux/eventfd.h linux/signalfd.h linux/eventpoll.h linux/poll.h linux/inotify.h linux/fanotify.h
    linux/futex.h linux/pidfd.h linux/ptrace.h linux/rseq.h linux/userfaultfd.h linux/kcmp.h linux/capability.h
    linux/keyctl.h linux/random.h linux/reboot.h linux/quota.h linux/ioprio.h linux/kexec.h linux/module.h
    linux/nsfs.h linux/seccomp.h linux/landlock.h linux/audit.h linux/ipc.h linux/shm.h linux/sem.h linux/msg.h
    linux/mqueue.h linux/termios.h linux/serial.h linux/tty.h linux/vt.h linux/kd.h linux/tiocl.h
    linux/sockios.h linux/net.h linux/socket.h asm/socket.h linux/in.h linux/in6.h linux/tcp.h linux/udp.h
    linux/netlink.h
"""
HEADERS = _HEADERS.split()
OPTIONAL = ("asm/prctl.h", "asm/hwprobe.h")

# Prefixes of the names that are kept; a name of another kind in these headers is nobody's argument.
_PREFIXES = """
    E O_ __O_ F_ FD_ AT_ DN_ LOCK_ S_I STATX_ RESOLVE_ SEEK_ RENAME_ RWF_ FS_ FIBMAP FIGETBSZ FICLONE FIDEDUPE
    FIFREEZE FITHAW FITRIM FIEMAP_FLAG_ BLK FALLOC_FL_ POSIX_FADV_ MS_ MNT_ UMOUNT_ MOVE_MOUNT_ FSOPEN_ FSPICK_
    FSMOUNT_ FSCONFIG_ OPEN_TREE_ MOUNT_ATTR_ XATTR_ CLOSE_RANGE_ CLONE_ SCHED_ RLIMIT_ RLIM_ RUSAGE_ PRIO_ P_
    PER_ ADDR_ MMAP_PAGE_ZERO READ_IMPLIES_EXEC STICKY_TIMEOUTS UNAME26 WHOLE_SECONDS SHORT_INODE FDPIC_FUNCPTRS
    W PROT_ MAP_ MADV_ MCL_ MLOCK_ MREMAP_ PKEY_ SHADOW_STACK_ MFD_ MPOL_ MEMBARRIER_ PR_ ARCH_ SIG SA_ SS_
    CLOCK_ ITIMER_ TIMER_ ADJ_ TFD_ EFD_ SFD_ EPOLL POLL IN_ FAN_ FUTEX_ FUTEX2_ PIDFD_ PTRACE_ RSEQ_ UFFD_
    UFFDIO_ KCMP_ CAP_ KEYCTL_ GRND_ LINUX_REBOOT_ Q_ IOPRIO_ KEXEC_ MODULE_INIT_ NS_ SECCOMP_ LANDLOCK_
    AUDIT_ARCH_ IPC_ SHM_ SEM SEM_ MSG_ GETPID GETVAL GETALL GETNCNT GETZCNT SETVAL SETALL SHMAT SHMDT SHMGET
    SHMCTL MSGSND MSGRCV MSGGET MSGCTL TC TIO FIO N_ VT_ KD KB_ GIO_ PIO_ TIOCL_ SIO SYS_ SO_ SCM_ SOL_ AF_
    SOCK_ IPPROTO_ IP_ IPV6_ MCAST_ TCP_ UDP_ NETLINK_
"""
PREFIXES = _PREFIXES.split()
_WANTED = re.compile(rf"(?:{'|'.join(map(re.escape, PREFIXES))})[A-Za-z0-9_]*")

# Names that match a prefix and are no argument of a call: limits, masks for the headers' own use, states.
_UNWANTED = re.compile(
    "|".join(
        (
            r"\w*(?:_H|_H_|_MAX|_LAST|_NR|_BITS|_SHIFT|_OFFSET|_SIZE)",
            r"E[a-z]\w*|E(?:VIOCG|M_|XT|LF|T_|I_|V_|CHO|PIOC|_TABSZ)\w*",
            r"TCP_(?:ESTABLISHED|SYN_|FIN_|TIME_WAIT|CLOSE|LAST_ACK|LISTEN|CLOSING|NEW_SYN|MAX_)\w*",
            r"TCP_(?:FLAG_|NLA_|AO_|CC_|DATA_OFFSET|RESERVED|CA_)\w*",
            r"IN_(?:CLASS|LOOPBACK|MULTICAST|BADCLASS|EXPERIMENTAL)\w*",
            r"TCFLSH_\w*|SIGEV_\w*_|PTRACE_(?:OLD|SYSCALL_INFO)\w*_|FS_(?:KEY|MAX|ENCRYPTION)\w*",
        )
    )
)

# Kernel headers that hold what libcs copy into their own: (path, arch or "", names).
INTERNAL = (
    ("include/linux/socket.h", "", r"(?:AF|SOL|SCM)_\w+|MSG_(?!INTERNAL|CMSG_COMPAT|SENDPAGE|NO_SHARED)\w+"),
    ("include/linux/net.h", "", r"SOCK_(?:STREAM|DGRAM|RAW|RDM|SEQPACKET|DCCP|PACKET|CLOEXEC|NONBLOCK|TYPE_MASK)"),
    ("arch/mips/include/asm/socket.h", "mips64el", r"SOCK_(?:STREAM|DGRAM|RAW|RDM|SEQPACKET|DCCP|PACKET)"),
    ("include/linux/splice.h", "", r"SPLICE_F_\w+"),
)


# What programs ask for and no header of the kernel has: (arches, name, where it is, value).
ELSEWHERE = (
    # glibc's loader asked for it from 2.26 until the kernel's shadow stacks came with another interface.
    (("x86_64", "x32", "i386"), "ARCH_CET_STATUS", "glibc/sysdeps/unix/sysv/linux/x86/include/asm/prctl.h", 0x3001),
)


def internal_defines(text: str, names: str) -> dict[str, str]:
    """Find `#define NAME value` and enumerators `NAME = value`, last one wins."""
    pattern = rf"^(?:#define\s+({names})\s+([^\s/\\]+)|\s+({names})\s*=\s*([^\s,]+))"
    found = {}
    for macro, value, enumerator, number in re.findall(pattern, text, re.MULTILINE):
        found[macro or enumerator] = value or number
    return found


def parse_names(preprocessed: str) -> dict[str, str]:
    """Map every macro without parameters and every enumerator of `gcc -E -dD` output to its file."""
    found: dict[str, str] = {}
    path, text = "", []
    for line in preprocessed.splitlines():
        if marker := re.match(r'# \d+ "(.*?)"', line):
            path = marker.group(1)
        elif macro := re.match(r"#define (\w+) \S", line):
            found.setdefault(macro.group(1), path)
        elif not line.startswith("#"):
            text.append((path, line))
    inside = False
    for path, line in text:
        if re.match(r"\s*(?:typedef\s+)?enum\b", line):
            inside = True
            line = line.partition("{")[2]
        if inside:
            for name in re.findall(r"(?:^|,)\s*([A-Z]\w+)\s*(?==|,|$|\})", line.partition("}")[0]):
                found.setdefault(name, path)
            inside = "}" not in line
    return found


class Headers:
    """The constants of one arch."""

    def __init__(self, arch_name: str, headers: Path, source: Path) -> None:
        self._name = arch_name
        self._arch: Arch = ARCHES[arch_name]
        self._base = headers
        self._own = headers / self._arch.triplet
        self._extra = self._internal(arch_name, source)

    def _internal(self, arch_name: str, source: Path) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {}
        for path, only, names in INTERNAL:
            if only in ("", arch_name):
                found[path] = internal_defines((source / path).read_text(), names)
        return found

    def _text(self, directory: Path) -> str:
        """The program that includes everything; internal names are written to files of their own."""
        lines = ["#include <linux/types.h>", "typedef __kernel_size_t size_t;"]  # the headers expect libc's
        lines += [f"#include <{name}>" for name in HEADERS]
        lines += [f"#include <{name}>" for name in OPTIONAL if (self._own / name).exists()]
        for index, (path, names) in enumerate(reversed(self._extra.items())):
            own = directory / f"{index}.h"
            define = [f"#ifndef {name}\n#define {name} {value}\n#endif" for name, value in names.items()]
            own.write_text(f'# 1 "{path}"\n' + "\n".join(define) + "\n")
            lines.append(f'#include "{own}"')
        return "\n".join(lines) + "\n"

    def _gcc(self, text: str, *options: str) -> subprocess.CompletedProcess[str]:
        arch = self._arch
        command = ["gcc", *arch.model.split(), "-undef", "-nostdinc", f"-I{self._own}", f"-I{self._base}"]
        command += [*arch.identity, "-w", "-ftrack-macro-expansion=0", "-fno-diagnostics-show-caret", *options]
        return subprocess.run([*command, "-xc", "-"], input=text, capture_output=True, text=True, check=False)

    def constants(self) -> Constants:
        """Give name: (header, value) of everything that is wanted and has a value.

        Raises:
            ValueError: the headers cannot be read together.
        """
        with tempfile.TemporaryDirectory() as place:
            text = self._text(Path(place))
            listing = self._gcc(text, "-E", "-dD")
            if listing.returncode:
                raise ValueError(f"{self._arch.triplet}: {listing.stderr}")
            files = {
                name: self._relative(path)
                for name, path in parse_names(listing.stdout).items()
                if _WANTED.fullmatch(name) and not _UNWANTED.fullmatch(name)
            }
            values = self._evaluate(text, list(files))
        found = {name: (files[name], value) for name, value in values.items()}
        found.update({name: (where, value) for arches, name, where, value in ELSEWHERE if self._name in arches})
        return found

    def _relative(self, path: str) -> str:
        for base in (self._own, self._base):
            if path.startswith(f"{base}/"):
                return path[len(f"{base}/") :]
        return path

    def _evaluate(self, text: str, names: list[str]) -> dict[str, int]:
        """Compile each name as an initializer; leave out those that are none."""
        start = text.count("\n") + 1
        while True:
            program = text + "".join(f"const long long value_{name} = (long long)({name});\n" for name in names)
            done = self._gcc(program, "-S", "-O0", "-fmax-errors=0", "-o", "-")
            if not done.returncode:
                break
            wrong = {int(line) - start for line in re.findall(r"^<stdin>:(\d+):\d+: error", done.stderr, re.MULTILINE)}
            if not wrong or min(wrong) < 0:
                raise ValueError(f"{self._arch.triplet}: {done.stderr}")
            names = [name for index, name in enumerate(names) if index not in wrong]
        found = {}
        for name, body in re.findall(r"^value_(\w+):\n((?:\s+\.\w+\s+\S+\n)+)", done.stdout, re.MULTILINE):
            words = re.findall(r"\.(quad|long|zero)\s+(-?\d+)$", body, re.MULTILINE)
            if words:
                found[name] = _assemble(words)
        return found


def _assemble(words: list[tuple[str, str]]) -> int:
    """Put a 64-bit value together from what the assembler was told."""
    directive, first = words[0]
    if directive == "zero":
        return 0
    if directive == "quad":
        return int(first)
    value = int(first) & 0xFFFFFFFF | (int(words[1][1]) & 0xFFFFFFFF) << 32
    return value - (1 << 64) if value >> 63 else value


def merge(per_arch: dict[str, Constants]) -> tuple[Constants, dict[str, Constants]]:
    """Split into what all arches share, by the most common value, and what each has apart.

    A name that some arch lacks is nobody's common one.
    """
    common: Constants = {}
    order = dict.fromkeys(name for constants in per_arch.values() for name in constants)
    for name in order:
        holders = [constants[name] for constants in per_arch.values() if name in constants]
        if len(holders) == len(per_arch):
            values = [value for _, value in holders]
            best = max(dict.fromkeys(values), key=values.count)
            common[name] = next(holder for holder in holders if holder[1] == best)
    apart = {
        arch: {name: item for name, item in constants.items() if name not in common or common[name][1] != item[1]}
        for arch, constants in per_arch.items()
    }
    return common, apart


def spell(value: int) -> str:
    """Decimal when small, hexadecimal when not."""
    return str(value) if value < 1024 else f"{value:#x}"


def render(per_arch: dict[str, Constants], made_from: str) -> str:
    """Spell the constants as a module: texts of `name value` lines below their header's name.

    Texts, because thousands of small objects would cost more to load than all of enforcement;
    `flags.py` reads the few groups that are asked for.
    """
    common, apart = merge(per_arch)
    lines = [
        f"# Generated by tools/gen_abi.py from {made_from}.",
        "# Do not edit: run tools/gen_abi.py; with --check it fails when this file and they disagree.",
        '"""Constants of the kernel\'s headers, each below the header that has it.',
        "",
        "COMMON: what all architectures have, by the first two characters of the name.",
        "BY_ARCH: what an architecture has with another value, or some lack.",
        '"""',
        "",
        "COMMON = {",
    ]
    groups: dict[str, Constants] = {}
    for name, item in sorted(common.items()):
        groups.setdefault(name[:2], {})[name] = item
    for key, constants in groups.items():
        lines += [f'    "{key}": """', *_below_headers(constants), '""",']
    lines += ["}", "", "BY_ARCH = {"]
    for arch, constants in apart.items():
        lines += [f'    "{arch}": """', *_below_headers(constants), '""",']
    return "\n".join([*lines, "}", ""])


def _below_headers(constants: Constants) -> list[str]:
    width = max(map(len, constants))
    headers = sorted({header for header, _ in constants.values()})
    return [
        line
        for header in headers
        for line in (
            f"# {header}",
            *sorted(f"{name:<{width}} {spell(value)}" for name, (where, value) in constants.items() if where == header),
        )
    ]
