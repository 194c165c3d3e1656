"""The parts of tools/gen_abi.py that read text, on small inputs; and, when asked, the whole."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tools import (
    gen_abi,
    gen_abi_flags,
    gen_abi_others,
    gen_abi_packages,
    gen_abi_since,
    gen_abi_source,
    gen_abi_tables,
)
from tools.gen_abi_packages import Package
from tools.gen_abi_source import Definition, Definitions, Row
from troth.libc.apt import FetchError

ROOT = Path(__file__).resolve().parents[2]
NOTHING: frozenset[str] = frozenset()


def test_a_table_s_rows_are_read_without_comments_and_ni_where_there_is_no_entry() -> None:
    text = "# comment\n0\tcommon\tread\tsys_read\n\n17 64 break\n5 i386 open sys_open compat_sys_open # why\n"
    assert gen_abi_source.parse_table(text) == [
        Row(0, "common", "read", "sys_read"),
        Row(17, "64", "break", "sys_ni_syscall"),
        Row(5, "i386", "open", "sys_open"),
    ]


CLONE = """
#ifdef CONFIG_CLONE_BACKWARDS
SYSCALL_DEFINE2(clone, unsigned long, clone_flags, unsigned long, tls)
#elif defined(CONFIG_CLONE_BACKWARDS2)
SYSCALL_DEFINE2(clone, unsigned long, newsp, unsigned long, clone_flags)
#else
SYSCALL_DEFINE2(clone, /* a comment, with a comma */ unsigned long, clone_flags,
                int __user *, parent)
#endif
COMPAT_SYSCALL_DEFINE1(clone, compat_ulong_t, flags)
"""


@pytest.mark.parametrize(
    ("configured", "names"),
    [
        ({"CLONE_BACKWARDS"}, ["clone_flags", "tls"]),
        ({"CLONE_BACKWARDS2"}, ["newsp", "clone_flags"]),
        (set(), ["clone_flags", "parent"]),
    ],
)
def test_the_definition_is_the_one_that_the_configuration_compiles(configured: set[str], names: list[str]) -> None:
    definitions = Definitions(gen_abi_source.parse_definitions(CLONE, "kernel/fork.c"))
    found = definitions.choose("sys_clone", "s390", frozenset(configured))
    assert found is not None
    assert [name for _, name in found.parameters] == names
    compat = definitions.choose("compat_sys_clone", "s390", NOTHING)
    assert compat is not None
    assert compat.parameters == (("compat_ulong_t", "flags"),)


def test_both_halves_of_a_split_argument_are_arguments() -> None:
    (found,) = gen_abi_source.parse_definitions("SYSCALL32_DEFINE3(mark, int, fd, SC_ARG64(mask), int, dfd)", "fs/x.c")
    assert found.parameters == (("int", "fd"), ("u32", "mask_lo"), ("u32", "mask_hi"), ("int", "dfd"))


def test_an_architecture_s_own_definition_wins_and_another_s_counts_only_for_optional_calls() -> None:
    own = Definition("mmap", "SYSCALL_DEFINE6", "arch/x86/kernel/sys.c", (), (("int", "own"),))
    common = Definition("mmap", "SYSCALL_DEFINE6", "mm/mmap.c", (), (("int", "common"),))
    found = Definitions([common, own])
    assert found.choose("sys_mmap", "x86", NOTHING) is own
    assert found.choose("sys_mmap", "arm", NOTHING) is common
    assert Definitions([own]).choose("sys_mmap", "arm", NOTHING) is None
    assert Definitions([own], frozenset({"mmap"})).choose("sys_mmap", "arm", NOTHING) is own


def test_only_what_a_set_config_block_selects_is_selected() -> None:
    text = (
        "config X86_32\n\tselect CLONE_BACKWARDS\n\nconfig X86\n\tselect A if X86_64\n\tselect B if X86_32 && !X86_64\n"
    )
    assert gen_abi_source.selected(text, frozenset({"X86", "X86_32"})) == {"X86", "X86_32", "CLONE_BACKWARDS", "B"}
    assert gen_abi_source.selected(text, frozenset({"X86", "X86_64"})) == {"X86", "X86_64", "A"}


@pytest.mark.parametrize(
    ("condition", "answer"),
    [
        ("defined(CONFIG_64BIT)", True),
        ("!defined(CONFIG_64BIT) || IS_ENABLED(CONFIG_PPC64)", False),
        ("defined(CONFIG_MODULES)", None),
        ("defined(CONFIG_64BIT) && defined(__ARCH_WANT_STAT64)", None),
        ("!(defined(CONFIG_64BIT) && defined(CONFIG_PPC64))", True),
    ],
)
def test_a_condition_holds_fails_or_is_not_known(condition: str, answer: bool | None) -> None:
    assert gen_abi_source.holds(condition, frozenset({"64BIT"})) is answer


@pytest.mark.parametrize(
    ("type_", "bits", "kind"),
    [
        ("int", 64, "i32"),
        ("unsigned int", 64, "u32"),
        ("unsigned long", 64, "u64"),
        ("unsigned long", 32, "u32"),
        ("long", 32, "i32"),
        ("size_t", 32, "u32"),
        ("const char __user *", 64, "ptr"),
        ("umode_t", 64, "u32"),
        ("loff_t", 32, "i64"),
        ("const enum landlock_rule_type", 64, "u32"),
        ("const cap_user_data_t", 64, "ptr"),
    ],
)
def test_a_c_type_has_a_kind(type_: str, bits: int, kind: str) -> None:
    assert gen_abi_source.kind(type_, bits) == kind


def test_a_type_that_nobody_described_is_an_error() -> None:
    with pytest.raises(ValueError, match="mystery_t"):
        gen_abi_source.kind("mystery_t", 64)


def test_a_64_bit_argument_takes_two_registers_of_32_and_an_even_one_first_where_the_abi_says_so() -> None:
    parameters = (("int", "fd"), ("loff_t", "length"))
    assert gen_abi_source.arguments(parameters, 64, aligned=False) == "fd:i32 length:i64"
    assert gen_abi_source.arguments(parameters, 32, aligned=False) == "fd:i32 length_lo:u32 length_hi:u32"
    assert gen_abi_source.arguments(parameters, 32, aligned=True) == "fd:i32 pad:u32 length_lo:u32 length_hi:u32"


PAGE = r"""
before
.TS
Lb Lb Lb
System call	Kernel	Notes
_
\f[B]_llseek\f[](2)	1.2
.\" a comment
T{
.BR accept (2)
T}	2.0	T{
See notes on
socketcall
T}
\f[B]fgetxattr\f[](2)	2.6; 2.4.18
\f[B]sysmips\f[](2)	2.6.0	MIPS only
\f[B]old\f[](2)		No version
.TE
after
"""


def test_the_kernel_column_of_the_list_is_read() -> None:
    assert gen_abi_since.parse_page(PAGE) == {
        "_llseek": "1.2",
        "accept": "2.0",
        "fgetxattr": "2.6",
        "sysmips": "2.6",
        "old": "1.0",
    }


def test_headers_of_a_series_deny_a_version() -> None:
    assert gen_abi_since.contradiction("6.10", {"6.9": False, "6.10": True, "6.12": True}) == ""
    assert gen_abi_since.contradiction("6.10", {"6.12": False}) == "since 6.10, but the headers of 6.12 lack it"
    assert gen_abi_since.contradiction("6.10", {"6.1": True}) == "since 6.10, but the headers of 6.1 have it"


@pytest.mark.parametrize(
    ("text", "value"), [("(0x40000000 + 1)", 0x40000001), ("(5000 | 3)", 5003), ("((1 << 4) - 1)", 15)]
)
def test_a_preprocessed_constant_has_a_value(text: str, value: int) -> None:
    assert gen_abi_tables.evaluate(text) == value


@pytest.mark.parametrize("text", ["sizeof(int)", "__import__('os')", "(1", ""])
def test_what_is_not_a_constant_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="not a constant"):
        gen_abi_tables.evaluate(text)


def test_a_rendered_table_is_python_with_aligned_columns() -> None:
    calls = [gen_abi_tables.Call(0, "read", "1.0", "fd:u32"), gen_abi_tables.Call(10, "openat", "2.6.16", "")]
    text = gen_abi_tables.render(calls, "x86_64", "somewhere 1.0")
    scope: dict[str, object] = {}
    exec(text, scope)
    assert scope["SYSCALLS"] == ((0, "read", "1.0", "fd:u32"), (10, "openat", "2.6.16", ""))
    first, second = (line for line in text.splitlines() if line.startswith("    ("))
    assert first.index('"1.0"') == second.index('"2.6.16"')
    assert text.startswith("# Generated by tools/gen_abi.py from somewhere 1.0")


def test_macros_and_enumerators_are_found_with_their_files() -> None:
    text = '# 1 "a.h"\n#define ONE 1\n#define CALL(x) x\n#define EMPTY\n# 1 "b.h" 1\nenum kind {\n FIRST = 1,\n SECOND,\n};\nint x;\n'
    assert gen_abi_flags.parse_names(text) == {"ONE": "a.h", "FIRST": "b.h", "SECOND": "b.h"}


def test_internal_definitions_are_found_by_name() -> None:
    text = "#define AF_UNIX\t\t1\t/* why */\n#define AF_LONG \\\n 2\nenum {\n\tSOCK_STREAM\t= 1,\n};\n#define PF_UNIX AF_UNIX\n"
    assert gen_abi_flags.internal_defines(text, r"(?:AF|SOCK)_\w+") == {"AF_UNIX": "1", "SOCK_STREAM": "1"}


def test_what_most_architectures_share_is_common_and_what_one_lacks_is_nobody_s() -> None:
    per_arch = {
        "a": {"X": ("x.h", 1), "Y": ("y.h", 5)},
        "b": {"X": ("x.h", 1), "Y": ("y.h", 5)},
        "c": {"X": ("x.h", 2)},
    }
    common, apart = gen_abi_flags.merge(per_arch)
    assert common == {"X": ("x.h", 1)}
    assert apart == {"a": {"Y": ("y.h", 5)}, "b": {"Y": ("y.h", 5)}, "c": {"X": ("x.h", 2)}}


class Shelf(gen_abi_packages.Archive):
    """An archive that has these versions of everything, and nothing in the cache."""

    def __init__(self, *versions: str) -> None:
        self._versions = list(versions)

    def versions(self, name: str) -> list[str]:
        return self._versions

    def cached(self, package: Package) -> Path | None:
        return None


def test_the_recorded_versions_are_used_as_long_as_the_archive_has_them() -> None:
    recorded = gen_abi.recorded()
    assert [name.rstrip(".0123456789") for name in recorded] == ["linux-source-", "linux-libc-dev", "manpages-dev"]
    packages, remarks = gen_abi.pinned(Shelf(*recorded.values()))
    assert packages == [Package(name, version) for name, version in recorded.items()]
    assert remarks == []


def test_a_version_that_the_archive_has_dropped_is_named_with_its_substitute() -> None:
    recorded = gen_abi.recorded()
    substitutes = [f"{gen_abi.series(version)}.99-1" for version in recorded.values()]
    packages, remarks = gen_abi.pinned(Shelf(*substitutes))
    assert [package.version for package in packages] == [substitutes[0], substitutes[1], substitutes[2]]
    assert remarks[2].startswith(f"manpages-dev {recorded['manpages-dev']} is no longer in the archive; compared with ")


def test_a_series_that_the_archive_has_dropped_is_an_error_that_says_what_there_is() -> None:
    with pytest.raises(FetchError, match=r"no longer in the archive, nor another \d+\.\d+; it has 99\.1-1"):
        gen_abi.pinned(Shelf("99.1-1"))


def test_a_changed_file_shows_as_a_diff_and_an_unchanged_one_does_not() -> None:
    text = (gen_abi.TARGET / "_arm.py").read_text()
    assert gen_abi.differences({"_arm.py": text}, skip_origin=False) == []
    other = text.replace("Generated by", "Made by", 1).replace('"read"', '"peruse"')
    lines = gen_abi.differences({"_arm.py": other}, skip_origin=True)
    assert lines[:2] == ["--- committed/_arm.py", "+++ generated/_arm.py"]
    assert [line for line in lines[2:] if line.startswith("+")] == [line for line in lines[2:] if "peruse" in line]


def test_the_committed_files_are_as_generated() -> None:
    if not os.environ.get("TROTH_CHECK_GENERATED"):
        pytest.skip("downloads about 180 MB; set TROTH_CHECK_GENERATED=1 to run it")
    done = subprocess.run(
        [sys.executable, "tools/gen_abi.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[:4000] + done.stderr[:4000]


def test_a_table_of_names_takes_the_rows_of_its_abi_and_counts_from_its_base() -> None:
    text = "0 o32 syscall sys_syscall\n1 n32 other sys_other\n2 o32 fork sys_fork\n"
    assert gen_abi_others.from_table(text, gen_abi_others.Other("", ("o32",), 4000)) == [
        (4000, "syscall"),
        (4002, "fork"),
    ]


def test_a_header_s_numbers_are_read_and_its_guards_are_not() -> None:
    text = "#ifndef _ASM_S390_UNISTD_32_H\n#define _ASM_S390_UNISTD_32_H\n#define __NR_exit 1\n#define __NR_fork 2\n"
    assert gen_abi_others.from_header(text) == [(1, "exit"), (2, "fork")]


@pytest.mark.parametrize("rows", [[], [(1, "exit"), (1, "fork")], [(1, "exit"), (2, "exit")]])
def test_a_table_that_is_empty_or_ambiguous_is_not_written(rows: list[tuple[int, str]]) -> None:
    with pytest.raises(ValueError, match="sh: a name or a number"):
        gen_abi_others.render("sh", rows, "somewhere 1.0")
