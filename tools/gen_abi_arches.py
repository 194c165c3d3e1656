"""Where each arch's facts are in the kernel's sources and in linux-libc-dev."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Arch:
    """How to read one arch.

    `tree` is its directory below arch/, `table` its `.tbl`, `triplet` its header directory in
    linux-libc-dev. `macros` are what its compiler defines, `model` the options with which the
    host's x86 compiler lays out structures as that arch does. `kconfig` are the symbols set.
    """

    tree: str
    table: str
    triplet: str
    bits: int
    kconfig: str
    macros: str
    model: str = "-m64"
    big_endian: bool = False

    @property
    def identity(self) -> list[str]:
        """The options that give the preprocessor the arch's identity in place of the host's."""
        size = self.bits // 8
        common = ["__LP64__=1", "_LP64=1", "__SIZEOF_INT128__=16"] if self.bits == 64 else []
        order = "BIG" if self.big_endian else "LITTLE"
        common += [
            f"__SIZEOF_POINTER__={size}",
            f"__SIZEOF_LONG__={size}",
            "__CHAR_BIT__=8",
            f"__BYTE_ORDER__=__ORDER_{order}_ENDIAN__",
        ]
        return [f"-D{macro}" for macro in [*common, *self.macros.split()]]


_X86 = "arch/x86/entry/syscalls/syscall_{}.tbl"
_GENERIC = "scripts/syscall.tbl"

ARCHES = {
    "x86_64": Arch("x86", _X86.format(64), "x86_64-linux-gnu", 64, "X86 X86_64 64BIT", "__x86_64__=1"),
    # Its kernel side is 64-bit: a long argument of an x32 call is as wide as its register.
    "x32": Arch(
        "x86", _X86.format(64), "x86_64-linux-gnux32", 64, "X86 X86_64 64BIT", "__x86_64__=1 __ILP32__=1", "-mx32"
    ),
    "i386": Arch("x86", _X86.format(32), "i386-linux-gnu", 32, "X86 X86_32 COMPAT_32", "__i386__=1", "-m32"),
    "aarch64": Arch("arm64", _GENERIC, "aarch64-linux-gnu", 64, "ARM64 64BIT", "__aarch64__=1 __AARCH64EL__=1"),
    "arm": Arch(
        "arm",
        "arch/arm/tools/syscall.tbl",
        "arm-linux-gnueabihf",
        32,
        "ARM",
        "__arm__=1 __ARM_EABI__=1 __ARMEL__=1",
        "-m32 -malign-double",
    ),
    "riscv64": Arch("riscv", _GENERIC, "riscv64-linux-gnu", 64, "RISCV 64BIT", "__riscv=1 __riscv_xlen=64"),
    "ppc64le": Arch(
        "powerpc",
        "arch/powerpc/kernel/syscalls/syscall.tbl",
        "powerpc64le-linux-gnu",
        64,
        "PPC PPC64 64BIT",
        "__powerpc__=1 __powerpc64__=1 __LITTLE_ENDIAN__=1 _CALL_ELF=2",
    ),
    "s390x": Arch(
        "s390",
        "arch/s390/kernel/syscalls/syscall.tbl",
        "s390x-linux-gnu",
        64,
        "S390 64BIT",
        "__s390__=1 __s390x__=1",
        big_endian=True,
    ),
    "loongarch64": Arch(
        "loongarch",
        _GENERIC,
        "loongarch64-linux-gnu",
        64,
        "LOONGARCH 64BIT",
        "__loongarch__=1 __loongarch64=1 __loongarch_grlen=64",
    ),
    "mips64el": Arch(
        "mips",
        "arch/mips/kernel/syscalls/syscall_n64.tbl",
        "mips64el-linux-gnuabi64",
        64,
        "MIPS 64BIT",
        "__mips__=1 __mips=64 _MIPS_SIM=3 _MIPS_SZLONG=64 __MIPSEL__=1 _MIPSEL=1",
    ),
}

# The calls that an arch keeps apart from its table: the macro's prefix and the entry point that
# stands for them. The numbers are in the unistd header.
PRIVATE_PREFIX = {"arm": "__ARM_NR_"}

# Entry points that are assembly, or whose C is not a SYSCALL_DEFINE: (type, name) pairs as the
# kernel declares them, with the file that says so; or the entry point they pass everything on to.
ENTRIES = {
    # arch/arm/kernel/entry-common.S, sys_arm.c, traps.c
    "arm:sys_sigreturn_wrapper":    "",
    "arm:sys_rt_sigreturn_wrapper": "",
    "arm:sys_statfs64_wrapper":     "const char *, pathname, size_t, sz, struct statfs64 *, buf",
    "arm:sys_fstatfs64_wrapper":    "unsigned int, fd, size_t, sz, struct statfs64 *, buf",
    "arm:sys_arm_fadvise64_64":     "int, fd, int, advice, loff_t, offset, loff_t, len",
    "arm:sys_mmap2":                "unsigned long, addr, unsigned long, len, unsigned long, prot, "
                                    "unsigned long, flags, unsigned long, fd, unsigned long, pgoff",
    "arm:breakpoint":               "",
    "arm:cacheflush":               "unsigned long, start, unsigned long, end, int, flags",
    "arm:usr26":                    "",
    "arm:usr32":                    "",
    "arm:set_tls":                  "unsigned long, tls",
    "arm:get_tls":                  "",
    # fs/exec.c had it until it was removed; the number stays
    "sys_uselib":                   "const char *, library",
    # arch/mips/kernel/syscall.c: sysm_pipe() answers in two registers; signal.c
    "mips:sysm_pipe":               "",
    "mips:sys_rt_sigreturn":        "",
}  # fmt: skip
