"""Words are exact: what is printed reads back as the number, and every row of the table means something."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from conftest import needs
from hypothesis import given
from hypothesis import strategies as st

from troth import abi
from troth.abi import others, seccomp, words
from troth.abi.words import _table
from troth.abi.words._constants import select
from troth.errors import ParseError

U32 = 0xFFFFFFFF
U64 = 0xFFFFFFFFFFFFFFFF

NUMBERS = st.one_of(
    st.integers(0, U64),
    st.integers(0, U32),
    st.integers(0, 64),
    st.lists(st.integers(0, 63), max_size=6).map(lambda bits: sum(1 << bit for bit in set(bits))),
    st.integers(1, 2000).map(lambda back: U64 + 1 - back),
    st.integers(1, 2000).map(lambda back: U32 + 1 - back),
)
# Every argument that the table has words for, and some that it has none for.
SUBJECTS = st.sampled_from(
    sorted(
        {
            (arch, call, index)
            for arch in abi.ARCHES
            for calls, *_ in _table.ARGUMENTS
            for call in calls.split()
            if call in abi.numbers(arch)
            for index in range(len(abi.syscall(arch, call).args))
        }
        | {("ppc", "openat", 2), ("parisc", "ioctl", 1), ("x86_64", "nosuchcall", 0), ("x86_64", "read", 5)}
    )
)
ARCHES = st.sampled_from(sorted(abi.ARCHES | others.ARCHES))


@given(SUBJECTS, NUMBERS, st.dictionaries(st.integers(0, 5), NUMBERS, max_size=2))
def test_words_of_an_argument_read_back_as_its_value(
    subject: tuple[str, str, int], value: int, known: dict[int, int]
) -> None:
    arch, call, index = subject
    text = words.argument(arch, call, index, value, known=known)
    back = words.constant(text, arch) & U64
    assert back == value or (value <= U32 and back & U32 == value), text


@given(SUBJECTS, NUMBERS)
def test_words_of_a_mask_read_back_as_the_mask(subject: tuple[str, str, int], value: int) -> None:
    arch, call, index = subject
    kinds = dict(enumerate(kind for _, kind in abi.syscall(arch, call).args)) if is_known(arch, call) else {}
    narrow = kinds.get(index) in ("i32", "u32") and value <= U32
    text = words.mask(arch, call, index, value)
    assert words.constant(text, arch) & (U32 if narrow else U64) == value, text
    if value <= U32:
        assert words.constant(words.mask(arch, call, index, value, width=32), arch) & U32 == value


def is_known(arch: str, call: str) -> bool:
    return arch in abi.ARCHES and call in abi.numbers(arch)


@given(st.integers(0, U32), ARCHES)
def test_words_of_an_answer_read_back_as_the_answer(raw: int, arch: str) -> None:
    assert words.answer_value(words.answer(raw, arch), arch) == raw


@given(st.sampled_from(sorted(seccomp.ACTIONS)), st.integers(0, 0xFFFF), ARCHES)
def test_words_of_a_known_answer_read_back_as_the_answer(action: int, data: int, arch: str) -> None:
    text = words.answer(action | data, arch)
    assert not text[0].isdigit()
    assert words.answer_value(text.lower(), arch) == action | data


@given(ARCHES, st.text(max_size=40))
def test_any_text_is_a_constant_or_a_parse_error(arch: str, text: str) -> None:
    for read in (words.constant, words.answer_value):
        try:
            assert isinstance(read(text, arch), int)
        except ParseError as error:
            assert "\n" not in str(error) or "\n" in text


@pytest.mark.parametrize("row", _table.ARGUMENTS, ids=lambda row: f"{row[0].split()[0]}-{row[1]}-{row[2]}")
def test_a_row_names_calls_that_have_the_argument(row: tuple[str, str, str, str]) -> None:
    calls, arguments, vocabulary, when = row
    assert vocabulary in _table.VOCABULARIES
    for call in calls.split():
        found = [abi.syscall(arch, call).args for arch in abi.ARCHES if call in abi.numbers(arch)]
        assert found, f"{call} is on no architecture"
        assert any(name in arguments.split() for args in found for name, _ in args), f"{call} has no {arguments}"
        if when:
            other, *values = when.split()
            assert any(name == other for args in found for name, _ in args), f"{call} has no {other}"
            assert all(words.constant(value, "x86_64") >= 0 for value in values)


@pytest.mark.parametrize("vocabulary", _table.VOCABULARIES)
def test_a_vocabulary_has_names_and_every_pattern_of_it_matches(vocabulary: str) -> None:
    pattern, fields = _table.VOCABULARIES[vocabulary]
    assert pattern or fields
    for names in (pattern, *(names for _, names in fields)):
        for word in names.split():
            lacking = word.lstrip("-") in ("PROT_SEM", "MAP_SYNC")
            assert lacking or any(select(arch, word.lstrip("-")) for arch in abi.ARCHES), word


# Names that no header for programs has, and one that headers before Linux 6.9 lack.
ELSEWHERE = ("SYSLOG_ACTION_", "SOCK_TYPE_MASK", "BPF_TOKEN_CREATE")
HEADERS = (
    "unistd.h fcntl.h sched.h sys/mount.h sys/socket.h sys/wait.h linux/fs.h linux/falloc.h linux/wait.h linux/bpf.h "
    "linux/perf_event.h linux/sched.h"
)


def test_names_of_our_own_have_the_values_of_the_headers() -> None:
    needs(shutil.which("gcc"), "gcc")
    names = [name for name in _table.OWN if not name.startswith(ELSEWHERE)]
    includes = "".join(f"#include <{header}>\n" for header in HEADERS.split())
    checks = "".join(f'_Static_assert({name} == {_table.OWN[name]}u, "{name}");\n' for name in names)
    done = subprocess.run(
        ["gcc", "-D_GNU_SOURCE", "-w", "-fsyntax-only", "-xc", "-"],
        input=includes + checks,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.stderr


def test_every_vocabulary_is_used() -> None:
    assert {row[2] for row in _table.ARGUMENTS} | {"dirfd"} == set(_table.VOCABULARIES)


@pytest.mark.parametrize(
    ("arch", "call", "index", "value", "expected"),
    [
        ("x86_64", "openat", 2, 0o2102, "O_RDWR|O_CREAT|O_APPEND"),
        ("x86_64", "open", 1, 0, "O_RDONLY"),
        ("arm", "open", 1, 0o40000, "O_RDONLY|O_DIRECTORY"),
        ("x86_64", "open", 2, 0o644, "0o644"),
        ("x86_64", "openat", 2, 0o4010000, "O_RDONLY|O_SYNC"),
        ("x86_64", "socket", 0, 2, "AF_INET"),
        ("x86_64", "socket", 0, 1, "AF_UNIX"),
        ("x86_64", "socket", 1, 0o2000001, "SOCK_STREAM|SOCK_CLOEXEC"),
        ("mips64el", "socket", 1, 0o2000002, "SOCK_STREAM|SOCK_CLOEXEC"),
        ("x86_64", "mmap", 2, 3, "PROT_READ|PROT_WRITE"),
        ("x86_64", "mmap", 2, 0, "PROT_NONE"),
        ("x86_64", "mmap", 3, 0x22, "MAP_PRIVATE|MAP_ANONYMOUS"),
        ("x86_64", "mmap", 3, 0x54040001, "MAP_SHARED|MAP_HUGE_2MB|MAP_HUGETLB"),
        ("x86_64", "clone", 0, 0x11, "SIGCHLD"),
        ("x86_64", "clone", 0, 0x4111, "SIGCHLD|CLONE_VM|CLONE_VFORK"),
        ("s390x", "clone", 1, 0x10000000, "CLONE_NEWUSER"),
        ("x86_64", "unshare", 0, 0x80, "CLONE_NEWTIME"),
        ("x86_64", "ioctl", 1, 0x5401, "TCGETS"),
        ("x86_64", "ioctl", 1, 0x541B, "FIONREAD"),
        ("ppc64le", "ioctl", 1, 0x402C7413, "TCGETS"),
        ("x86_64", "ioctl", 1, 0x5412, "TIOCSTI"),
        ("x86_64", "ioctl", 1, 0x99999999, "0x99999999"),
        ("x86_64", "fcntl", 1, 1, "F_GETFD"),
        ("x86_64", "fcntl", 1, 1030, "F_DUPFD_CLOEXEC"),
        ("x86_64", "kill", 1, 9, "SIGKILL"),
        ("x86_64", "kill", 0, U64, "-1"),
        ("x86_64", "kill", 0, U32, "-1"),
        ("x86_64", "prctl", 0, 38, "PR_SET_NO_NEW_PRIVS"),
        ("x86_64", "prctl", 0, 0x53564D41, "PR_SET_VMA"),
        ("x86_64", "madvise", 2, 4, "MADV_DONTNEED"),
        ("x86_64", "futex", 1, 0x81, "FUTEX_WAKE|FUTEX_PRIVATE_FLAG"),
        ("x86_64", "personality", 0, U32, "0xffffffff"),
        ("x86_64", "personality", 0, 0x40000, "ADDR_NO_RANDOMIZE"),
        ("x86_64", "wait4", 2, 0x40000001, "WNOHANG|__WALL"),
        ("x86_64", "fallocate", 1, 3, "FALLOC_FL_KEEP_SIZE|FALLOC_FL_PUNCH_HOLE"),
        ("x86_64", "clock_gettime", 0, 1, "CLOCK_MONOTONIC"),
        ("x86_64", "prlimit64", 1, 7, "RLIMIT_NOFILE"),
        ("x86_64", "shutdown", 1, 2, "SHUT_RDWR"),
        ("x86_64", "mount", 3, 0x1021, "MS_RDONLY|MS_REMOUNT|MS_BIND"),
        ("i386", "socketcall", 0, 1, "SYS_SOCKET"),
        ("x86_64", "read", 2, 4096, "0x1000"),
        ("x86_64", "bpf", 0, 5, "BPF_PROG_LOAD"),
        ("x86_64", "ptrace", 0, 16, "PTRACE_ATTACH"),
        ("x86_64", "reboot", 0, 0xFEE1DEAD, "LINUX_REBOOT_MAGIC1"),
    ],
)  # fmt: skip
def test_an_argument_is_said_in_the_words_of_its_call(
    arch: str, call: str, index: int, value: int, expected: str
) -> None:
    assert words.argument(arch, call, index, value) == expected


def test_what_hangs_on_another_argument_has_words_only_when_that_is_known() -> None:
    assert words.argument("x86_64", "socket", 2, 6) == "6"
    assert words.argument("x86_64", "socket", 2, 6, known={0: 2}) == "IPPROTO_TCP"
    assert words.argument("x86_64", "socket", 2, 6, known={0: 16}) == "NETLINK_XFRM"
    assert words.argument("x86_64", "fcntl", 2, 1, known={1: 2}) == "FD_CLOEXEC"
    assert words.argument("x86_64", "prctl", 1, 21, known={0: 24}) == "CAP_SYS_ADMIN"
    assert words.argument("x86_64", "setsockopt", 2, 2, known={1: 1}) == "SO_REUSEADDR"
    assert words.argument("x86_64", "setsockopt", 2, 1, known={1: 6}) == "TCP_NODELAY"


def test_a_mistake_is_answered_with_the_nearest_name() -> None:
    for read, text, close in (
        (lambda text: words.constant(text, "x86_64"), "O_CREATE", "`O_CREAT`"),
        (lambda text: words.constant(text, "x86_64"), "R_OKK", "`R_OK`"),
        (words.answer_value, "ALOW", "`ALLOW`"),
        (words.answer_value, "ERRNO(EPREM)", "`EPERM`"),
        (lambda text: words.call_number("x86_64", text), "opennat", "`openat`"),
        (words.arch, "x86-64", "`x86_64`"),
    ):
        with pytest.raises(ParseError) as raised:
            read(text)
        assert close in raised.value.hint, text


def test_a_call_of_another_architecture_is_said_to_be_there() -> None:
    with pytest.raises(ParseError) as raised:
        words.call_number("aarch64", "open")
    assert "x86_64" in raised.value.hint


def test_an_errno_has_the_number_of_its_architecture() -> None:
    assert words.answer(0x00050000 | 38) == "ERRNO(ENOSYS)"
    assert words.answer(0x00050000 | 89, "mips64el") == "ERRNO(ENOSYS)"
    assert words.answer_value("ERRNO(ENOSYS)", "mips64el") == 0x00050000 | 89


def test_architectures_without_tables_of_arguments_have_names_and_errnos_where_these_are_known() -> None:
    assert words.arch_words(0x80000008) == "mips64"
    assert words.call_number("ppc", "openat") == 286
    assert words.call_name("s390", 5) == "open"
    assert words.answer(0x50059, "mips") == "ERRNO(ENOSYS)"
    assert words.answer(0x50026, "m68k") == "ERRNO(ENOSYS)"
    assert words.answer(0x50026, "parisc") == "ERRNO(38)", "errnos of parisc are its own"
    assert words.argument("ppc", "openat", 2, 1) == "1"
    assert words.constant("O_DIRECTORY", "ppc64") == words.constant("O_DIRECTORY", "ppc64le")
    for text, arch in (("O_DIRECTORY", "m68k"), ("EPERM", "parisc")):
        with pytest.raises(ParseError, match=f"`{text}` on {arch} is not known"):
            words.constant(text, arch)
