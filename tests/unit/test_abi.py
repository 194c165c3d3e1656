"""The tables of `troth.abi`: their invariants, known values, and the host's own headers as referee."""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from troth import abi
from troth.abi import flags, landlock, multiplex
from troth.abi._flags import BY_ARCH, COMMON

ARCHES = tuple(abi.ARCHES)
KINDS = {"i32", "u32", "i64", "u64", "ptr"}


def version(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))


@pytest.mark.parametrize("arch", ARCHES)
def test_a_table_is_sorted_and_names_every_number_once(arch: str) -> None:
    rows = abi.table(arch)
    numbers = [row[0] for row in rows]
    assert numbers == sorted(set(numbers))
    assert len({row[1] for row in rows}) == len(rows)
    assert abi.names(arch) == {number: name for name, number in abi.numbers(arch).items()}


@pytest.mark.parametrize("arch", ARCHES)
def test_every_argument_has_a_name_and_a_kind_and_there_are_at_most_six(arch: str) -> None:
    for _, name, since, _ in abi.table(arch):
        args = abi.syscall(arch, name).args
        assert len(args) <= 6, name
        assert all(word.isidentifier() and kind in KINDS for word, kind in args), name
        assert len({word for word, _ in args}) == len(args), name
        assert (1, 0) <= version(since) <= (7, 3), name


@pytest.mark.parametrize("arch", ["i386", "arm"])
def test_no_argument_is_wider_than_a_register(arch: str) -> None:
    for _, name, _, _ in abi.table(arch):
        assert not {kind for _, kind in abi.syscall(arch, name).args} & {"i64", "u64"}, name


@pytest.mark.parametrize("arch", ARCHES)
def test_the_mark_of_an_architecture_is_in_all_its_numbers(arch: str) -> None:
    mark = abi.ARCHES[arch].nr_mask_bit
    assert all(number & 0x40000000 == mark for number in abi.numbers(arch).values())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("openat", (257, 257, 295, 56, 322, 56, 286, 288, 56, 5247)),
        ("read", (0, 0, 3, 63, 3, 63, 3, 3, 63, 5000)),
        ("execveat", (322, 545, 358, 281, 387, 281, 362, 354, 281, 5316)),
        ("seccomp", (317, 317, 354, 277, 383, 277, 358, 348, 277, 5312)),
        ("clone3", (435, 435, 435, 435, 435, 435, 435, 435, 435, 5435)),
        ("landlock_restrict_self", (446, 446, 446, 446, 446, 446, 446, 446, 446, 5446)),
        ("fchroot", (472, 472, 472, 472, 472, 472, 472, 472, 472, 5472)),
    ],
)
def test_well_known_calls_have_their_numbers(name: str, expected: tuple[int, ...]) -> None:
    assert tuple(abi.numbers(arch)[name] & ~0x40000000 for arch in ARCHES) == expected


def test_x32_has_only_the_names_that_are_its() -> None:
    assert set(abi.numbers("x32")) < set(abi.numbers("x86_64"))
    assert abi.numbers("x32")["ioctl"] == 0x40000000 + 514
    assert not {"_sysctl", "uselib", "nfsservctl", "epoll_ctl_old", "set_thread_area"} & set(abi.numbers("x32"))


def test_calls_of_one_architecture_are_there() -> None:
    private = {
        "x86_64": "arch_prctl modify_ldt iopl map_shadow_stack uretprobe uprobe",
        "i386": "vm86 vm86old set_thread_area socketcall ipc",
        "arm": "breakpoint cacheflush usr26 usr32 set_tls get_tls arm_fadvise64_64 arm_sync_file_range",
        "riscv64": "riscv_hwprobe riscv_flush_icache",
        "ppc64le": "spu_create spu_run switch_endian swapcontext subpage_prot rtas sys_debug_setcontext pciconfig_read",
        "s390x": "s390_pci_mmio_read s390_runtime_instr s390_guarded_storage s390_sthyi",
        "mips64el": "cacheflush cachectl sysmips reserved177 reserved193",
    }
    for arch, names in private.items():
        assert not set(names.split()) - set(abi.numbers(arch)), arch
    assert abi.numbers("arm")["set_tls"] == 0xF0005


def test_calls_that_an_architecture_lists_under_another_heading_are_not_lost() -> None:
    assert abi.numbers("mips64el")["set_mempolicy_home_node"] == 5450
    assert {arch for arch in ARCHES if "memfd_secret" not in abi.numbers(arch)} == {"arm", "ppc64le", "mips64el"}
    assert "renameat" in abi.numbers("aarch64")
    assert "renameat" not in abi.numbers("riscv64")


def test_numbers_that_are_reserved_without_a_call_have_names_and_no_arguments() -> None:
    for name in ("getpmsg", "putpmsg", "afs_syscall", "tuxcall", "security", "vserver", "epoll_ctl_old"):
        assert abi.syscall("x86_64", name).args == ()


def test_arguments_stand_where_the_architecture_puts_them() -> None:
    def words(arch: str, name: str) -> str:
        return " ".join(word for word, _ in abi.syscall(arch, name).args)

    assert words("x86_64", "clone") == "clone_flags newsp parent_tidptr child_tidptr tls"
    assert words("aarch64", "clone") == words("i386", "clone") == "clone_flags newsp parent_tidptr tls child_tidptr"
    assert words("s390x", "clone") == "newsp clone_flags parent_tidptr child_tidptr tls"
    assert words("i386", "mmap") == words("s390x", "mmap") == "arg"
    assert words("i386", "pread64") == "fd ubuf count poslo poshi"
    assert words("arm", "pread64") == "fd buf count pad pos_lo pos_hi"
    assert words("arm", "truncate64") == "path pad length_lo length_hi"
    assert words("arm", "fallocate") == "fd mode offset_lo offset_hi len_lo len_hi"
    assert words("arm", "arm_fadvise64_64") == "fd advice offset_lo offset_hi len_lo len_hi"
    assert words("i386", "fanotify_mark") == "fanotify_fd flags mask_lo mask_hi dfd pathname"


def test_kinds_are_as_wide_as_the_kernel_s_own_types() -> None:
    assert abi.syscall("x86_64", "openat").args == (
        ("dfd", "i32"),
        ("filename", "ptr"),
        ("flags", "i32"),
        ("mode", "u32"),
    )
    assert dict(abi.syscall("x86_64", "ioctl").args) == {"fd": "u32", "cmd": "u32", "arg": "u64"}
    assert dict(abi.syscall("i386", "ioctl").args) == {"fd": "u32", "cmd": "u32", "arg": "u32"}
    assert dict(abi.syscall("x32", "ioctl").args) == {"fd": "u32", "cmd": "u32", "arg": "u32"}  # a compat call
    assert dict(abi.syscall("x86_64", "pread64").args)["pos"] == "i64"
    assert dict(abi.syscall("x86_64", "quotactl").args)["id"] == "u32"


@pytest.mark.parametrize(
    ("name", "since"),
    [
        ("read", "1.0"),
        ("openat", "2.6.16"),
        ("seccomp", "3.17"),
        ("membarrier", "4.3"),
        ("clone3", "5.3"),
        ("openat2", "5.6"),
        ("faccessat2", "5.8"),
        ("close_range", "5.9"),
        ("epoll_pwait2", "5.11"),
        ("landlock_restrict_self", "5.13"),
        ("futex_waitv", "5.16"),
        ("fchmodat2", "6.6"),
        ("statmount", "6.8"),
        ("mseal", "6.10"),
        ("setxattrat", "6.13"),
        ("file_getattr", "6.17"),
        ("listns", "6.19"),
        ("fchroot", "7.3"),
    ],
)
def test_a_call_came_with_its_kernel(name: str, since: str) -> None:
    assert {abi.syscall(arch, name).since for arch in ARCHES if name in abi.numbers(arch)} == {since}


def test_a_number_of_its_own_came_later_where_one_number_had_served_for_many() -> None:
    assert abi.syscall("x86_64", "socket").since == "2.0"
    assert abi.syscall("i386", "socket").since == abi.syscall("s390x", "socket").since == "4.3"
    assert abi.syscall("i386", "shmget").since == "5.1"
    assert abi.syscall("loongarch64", "fstat").since == "6.11"
    assert abi.syscall("loongarch64", "memfd_secret").since == "7.0"


@pytest.mark.parametrize(("name", "nr"), [("no_such_call", None), (None, 100000)])
def test_an_unknown_call_is_a_key_error(name: str | None, nr: int | None) -> None:
    with pytest.raises(KeyError):
        abi.syscall("x86_64", name or nr or 0)
    with pytest.raises(KeyError):
        abi.table("vax")


def test_the_native_architecture_is_the_machine_s() -> None:
    machine = platform.machine()
    if machine not in ("x86_64", "aarch64", "riscv64", "s390x", "ppc64le"):
        pytest.skip(f"no expectation for {machine}")
    native = abi.native()
    assert native.name == machine or machine in ("x86_64", "aarch64")
    assert native is abi.ARCHES[native.name]


def test_audit_values_are_those_of_the_headers() -> None:
    names = {"aarch64": "AARCH64", "mips64el": "MIPSEL64", "x32": "X86_64"}
    for arch in abi.ARCHES.values():
        assert arch.audit == flags.value(f"AUDIT_ARCH_{names.get(arch.name, arch.name.upper())}", arch.name)
        assert arch.big_endian == (not arch.audit & 0x40000000)
        assert all(companion in abi.ARCHES for companion in arch.companions)


# Constants.


@pytest.mark.parametrize(
    ("name", "x86_64", "arm", "ppc64le", "s390x", "mips64el"),
    [
        ("O_DIRECTORY", 0o200000, 0o40000, 0o40000, 0o200000, 0o200000),
        ("O_NOFOLLOW", 0o400000, 0o100000, 0o100000, 0o400000, 0o400000),
        ("O_CREAT", 0o100, 0o100, 0o100, 0o100, 0o400),
        ("TCGETS", 0x5401, 0x5401, 0x402C7413, 0x5401, 0x540D),
        ("TIOCGWINSZ", 0x5413, 0x5413, 0x40087468, 0x5413, 0x40087468),
        ("FIONREAD", 0x541B, 0x541B, 0x4004667F, 0x541B, 0x467F),
        ("FS_IOC_GETFLAGS", 0x80086601, 0x80046601, 0x40086601, 0x80086601, 0x40086601),
        ("FICLONE", 0x40049409, 0x40049409, 0x80049409, 0x40049409, 0x80049409),
        ("SO_REUSEADDR", 2, 2, 2, 2, 4),
        ("SOL_SOCKET", 1, 1, 1, 1, 0xFFFF),
        ("SOCK_STREAM", 1, 1, 1, 1, 2),
        ("SOCK_NONBLOCK", 0o4000, 0o4000, 0o4000, 0o4000, 0o200),
        ("MAP_ANONYMOUS", 0x20, 0x20, 0x20, 0x20, 0x800),
        ("ENOSYS", 38, 38, 38, 38, 89),
        ("SIGSYS", 31, 31, 31, 31, 12),
        ("POSIX_FADV_DONTNEED", 4, 4, 4, 6, 4),
        ("MCL_CURRENT", 1, 1, 0x2000, 1, 1),
        ("AT_FDCWD", -100, -100, -100, -100, -100),
        ("CLONE_IO", 0x80000000, 0x80000000, 0x80000000, 0x80000000, 0x80000000),
        ("IPPROTO_ICMPV6", 58, 58, 58, 58, 58),
        ("MSG_FASTOPEN", 0x20000000, 0x20000000, 0x20000000, 0x20000000, 0x20000000),
        ("SECCOMP_RET_KILL_PROCESS", 0x80000000, 0x80000000, 0x80000000, 0x80000000, 0x80000000),
    ],
)
def test_constants_have_each_architecture_s_value(
    name: str, x86_64: int, arm: int, ppc64le: int, s390x: int, mips64el: int
) -> None:
    found = [flags.value(name, arch) for arch in ("x86_64", "arm", "ppc64le", "s390x", "mips64el")]
    assert found == [x86_64, arm, ppc64le, s390x, mips64el]


def test_a_constant_that_an_architecture_lacks_is_a_key_error() -> None:
    assert flags.value("ARCH_SET_FS", "x86_64") == 0x1002
    for name, arch in (
        ("ARCH_SET_FS", "aarch64"),
        ("F_GETLK64", "x86_64"),
        ("TCGETS2", "ppc64le"),
        ("NO_SUCH", "x86_64"),
    ):
        with pytest.raises(KeyError):
            flags.value(name, arch)
    with pytest.raises(KeyError):
        flags.value("O_CREAT", "vax")


def test_the_names_of_a_prefix_have_the_values_of_the_names() -> None:
    for arch in ARCHES:
        for prefix in ("O_", "E", "SIG", "CLONE_", "__O_"):
            found = flags.names(prefix, arch)
            assert found
            assert found == {name: flags.value(name, arch) for name in found}
    assert flags.names("NO_SUCH_", "x86_64") == {}


def test_no_constant_is_both_common_and_apart_with_one_value() -> None:
    common = {line for text in COMMON.values() for line in _lines(text)}
    for arch, text in BY_ARCH.items():
        own = _lines(text)
        assert len({line.split()[0] for line in own}) == len(own), arch
        assert not {" ".join(line.split()) for line in own} & {" ".join(line.split()) for line in common}, arch
    for key, group in COMMON.items():
        assert all(line.startswith(key) for line in _lines(group))


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]


REFEREE = """
#include <linux/types.h>
typedef __kernel_size_t size_t;
#include <linux/fcntl.h>
#include <asm/errno.h>
#include <asm/signal.h>
#include <asm/ioctls.h>
#include <asm/socket.h>
#include <linux/fs.h>
#include <linux/fiemap.h>
#include <linux/blktrace_api.h>
#include <linux/serial.h>
#include <linux/stat.h>
#include <linux/sched.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <asm/prctl.h>
#include <linux/termios.h>
#include <linux/sockios.h>
#include <linux/net.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <linux/seccomp.h>
#include <linux/audit.h>
#include <linux/landlock.h>
#include <linux/futex.h>
#include <linux/ptrace.h>
#include <linux/resource.h>
#include <linux/inotify.h>
#include <linux/eventpoll.h>
int printf(const char *, ...);
int main(void) {
"""


@pytest.mark.parametrize(("arch", "option"), [("x86_64", "-m64"), ("i386", "-m32")])
def test_constants_agree_with_the_host_s_compiler_over_the_host_s_headers(
    arch: str, option: str, tmp_path: Path
) -> None:
    if platform.machine() != "x86_64" or shutil.which("gcc") is None:
        pytest.skip("needs gcc on x86_64")
    wanted = flags.names("", arch)
    lines = [f'#ifdef {name}\nprintf("{name} %lld\\n", (long long)({name}));\n#endif\n' for name in wanted]
    program = REFEREE + "".join(lines) + "return 0; }\n"
    binary = tmp_path / "referee"
    built = subprocess.run(
        ["gcc", option, "-w", "-xc", "-o", binary, "-"], input=program, capture_output=True, text=True, check=False
    )
    if "linux/types.h" in built.stderr or "cannot find" in built.stderr or "skipping incompatible" in built.stderr:
        pytest.skip(f"no headers or libraries for {option}")
    assert not built.returncode, built.stderr[:2000]
    output = subprocess.run([binary], capture_output=True, text=True, check=True).stdout
    host = {name: int(value) for name, value in (line.split() for line in output.splitlines())}
    assert len(host) > 1000
    # Masks of all that a kernel knows grow with it.
    same = {name: value for name, value in host.items() if not name.endswith(("_MASK", "_SUPPORTED"))}
    assert {name: (value, wanted[name]) for name, value in same.items() if value != wanted[name]} == {}


# Landlock, and calls behind calls.


def test_landlock_rights_grow_with_the_abi() -> None:
    def bits(masks: landlock.Masks) -> list[int]:
        return [masks[version].bit_count() for version in range(landlock.NEWEST_ABI + 1)]

    assert bits(landlock.FS_BY_ABI) == [0, 13, 14, 15, 15, 16, 16, 16, 16, 17, 17, 17]
    assert bits(landlock.NET_BY_ABI) == [0, 0, 0, 0, 2, 2, 2, 2, 2, 2, 4, 4]
    assert bits(landlock.SCOPE_BY_ABI) == [0, 0, 0, 0, 0, 0, 2, 2, 2, 2, 2, 2]
    for masks in (landlock.FS_BY_ABI, landlock.NET_BY_ABI, landlock.SCOPE_BY_ABI):
        assert all(not masks[version] & ~masks[version + 1] for version in range(landlock.NEWEST_ABI))


def test_a_landlock_abi_newer_than_known_has_what_is_known() -> None:
    assert landlock.FS_BY_ABI[landlock.NEWEST_ABI + 5] == landlock.FS_BY_ABI[landlock.NEWEST_ABI]
    with pytest.raises(IndexError):
        landlock.FS_BY_ABI[-1]


def test_landlock_bits_are_those_of_the_header() -> None:
    for names, prefix in ((landlock.FS, "ACCESS_FS"), (landlock.NET, "ACCESS_NET"), (landlock.SCOPE, "SCOPE")):
        assert {f"LANDLOCK_{prefix}_{name}": bit for name, bit in names.items()} == flags.names(
            f"LANDLOCK_{prefix}_", "x86_64"
        )
    restrict = {f"LANDLOCK_RESTRICT_SELF_{name}": bit for name, (bit, _) in landlock.RESTRICT_FLAGS.items()}
    assert restrict == flags.names("LANDLOCK_RESTRICT_SELF_", "x86_64")
    assert landlock.FILE_RIGHTS.bit_count() == 6


def test_each_landlock_abi_has_a_kernel_and_they_are_in_order() -> None:
    assert list(landlock.KERNEL) == list(range(1, landlock.NEWEST_ABI + 1))
    kernels = [version(kernel) for kernel in landlock.KERNEL.values()]
    assert kernels == sorted(kernels)


def test_multiplexed_calls_are_those_of_the_headers() -> None:
    for nr, name in multiplex.SOCKETCALL.items():
        assert flags.value(f"SYS_{name.upper()}", "x86_64") == nr
    for nr, name in multiplex.IPC.items():
        assert flags.value(name.upper(), "x86_64") == nr


def test_the_architectures_that_multiplex_are_those_with_the_call() -> None:
    assert {arch for arch in ARCHES if "socketcall" in abi.numbers(arch)} == multiplex.HAS_SOCKETCALL
    assert {arch for arch in ARCHES if "ipc" in abi.numbers(arch)} == multiplex.HAS_IPC


@pytest.mark.parametrize("arch", ["i386", "arm"])
def test_every_call_with_64_bit_times_has_its_older_twin(arch: str) -> None:
    numbers = abi.numbers(arch)
    twins = {name for name, nr in numbers.items() if 403 <= nr <= 423}
    assert twins == set(multiplex.TIME64.values())
    for old in multiplex.TIME64:
        # Calls that had only a multiplexed form, or came after, have the new form alone.
        assert old in numbers or (arch, old) == ("i386", "semtimedop")


def test_every_architecture_has_a_name_for_its_calls() -> None:
    for name, arch in abi.ARCHES.items():
        assert abi.name_of(arch.audit, arch.nr_mask_bit | 1) == name
    assert abi.name_of(0x12345678) == ""
