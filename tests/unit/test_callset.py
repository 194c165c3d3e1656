"""Sets of calls as text mean what they say, and what has no meaning is refused at its place."""

from __future__ import annotations

import pytest

from troth import abi
from troth.abi import flags
from troth.bpf import Call
from troth.errors import ParseError
from troth.policy.arguments import ALIASES, arguments
from troth.policy.callset import parse, parse_call
from troth.policy.expr import ALWAYS, NEVER

AUDIT = abi.ARCHES["x86_64"].audit
LOW = 0xFFFFFFFF


def call(name: str, *args: int, arch: str = "x86_64") -> Call:
    return Call(abi.ARCHES[arch].audit, abi.numbers(arch)[name], args)


# (text, calls that are in the set, calls that are not)
MEANINGS = [
    ("openat", [call("openat"), call("openat", 1, 2, 3)], [call("open"), Call(0x40000003, 257)]),
    ("openat()", [call("openat", 1)], [call("open")]),
    ("257", [call("openat")], [call("open")]),
    ("1000", [Call(AUDIT, 1000)], [Call(AUDIT, 999)]),
    ("openat or open", [call("openat"), call("open")], [call("creat")]),
    ("openat, open", [call("openat"), call("open")], [call("creat")]),
    ("not openat", [call("open"), Call(AUDIT, 4000)], [call("openat")]),
    ("*", [call("open"), Call(AUDIT, 4000)], [Call(AUDIT, 0x40000000), Call(0x40000003, 1)]),
    ("* and not (open or openat)", [call("creat")], [call("open"), call("openat")]),
    ("@open", [call("open"), call("openat"), call("openat2"), call("creat")], [call("stat")]),
    ("@socket(domain == AF_INET)", [call("socket", 2)], [call("socket", 10)]),
    # The lower bits of the second argument, in 32 bits whatever the upper half holds.
    ("openat(flags & O_ACCMODE != O_RDONLY)", [call("openat", 0, 0, 1), call("openat", 0, 0, 2 | 7 << 32)], [call("openat", 0, 0, 1 << 32)]),
    ("openat(flags & O_CREAT)", [call("openat", 0, 0, 0o101)], [call("openat", 0, 0, 1)]),
    ("openat(not flags & O_CREAT)", [call("openat", 0, 0, 1)], [call("openat", 0, 0, 0o101)]),
    ("openat(!(flags & O_CREAT))", [call("openat", 0, 0, 1)], [call("openat", 0, 0, 0o101)]),
    ("openat(flags)", [call("openat", 0, 0, 1)], [call("openat")]),
    ("openat(AT_FDCWD, _, O_RDWR|O_CREAT)", [call("openat", LOW - 99, 5, 0o102)], [call("openat", 3, 5, 0o102), call("openat", LOW - 99, 5, 2)]),
    ("openat(AT_FDCWD, ..., flags=O_RDONLY)", [call("openat", -100)], [call("openat", -100, 0, 1)]),
    ("openat(dirfd == AT_FDCWD)", [call("openat", -100), call("openat", LOW - 99)], [call("openat", 99)]),
    ("open(_, 1, mode & 0o111)", [call("open", 9, 1, 0o755)], [call("open", 9, 1, 0o644)]),
    ("chmod(mode=0644)", [call("chmod", 0, 420)], [call("chmod", 0, 644)]),
    ("socket(domain in {AF_INET, AF_INET6} and type & 0xf == SOCK_STREAM)",
     [call("socket", 2, 1), call("socket", 10, 0x80001)], [call("socket", 1, 1), call("socket", 2, 2)]),
    ("socket(domain not in (AF_INET, AF_INET6) || protocol)", [call("socket", 1), call("socket", 2, 1, 6)], [call("socket", 2, 1)]),
    ("socket(domain in AF_INET)", [call("socket", 2)], [call("socket", 1)]),
    ("clone(flags & CLONE_NEWUSER)", [call("clone", 0x10000000)], [call("clone", 0x11)]),
    ("lseek(offset < 0)", [call("lseek", 0, -1), call("lseek", 0, 1 << 63)], [call("lseek"), call("lseek", 0, LOW)]),
    ("kill(pid < 0 && sig >= 1)", [call("kill", LOW, 9)], [call("kill", 1, 9), call("kill", LOW)]),
    ("openat(0 <= mode < 0o1000)", [call("openat", 0, 0, 0, 0o777)], [call("openat", 0, 0, 0, 0o1000)]),
    ("openat(0 < dfd <= 9)", [call("openat", 9), call("openat", 1)], [call("openat", 10), call("openat", LOW)]),
    ("openat(3 > a0)", [call("openat", 2), call("openat", LOW)], [call("openat", 3)]),
    ("openat(u64(flags) == 1)", [call("openat", 0, 0, 1)], [call("openat", 0, 0, 1 | 1 << 32)]),
    ("openat(u64(arg2) >= 1 << 32)", [call("openat", 0, 0, 1 << 32)], [call("openat", 0, 0, LOW)]),
    ("openat(u32(dfd) > 0x7fffffff)", [call("openat", -100)], [call("openat", 3)]),
    ("mmap(i32(addr) < 0)", [call("mmap", 1 << 31)], [call("mmap", 1 << 63)]),
    ("mmap(prot & (PROT_WRITE|PROT_EXEC) == PROT_WRITE|PROT_EXEC)", [call("mmap", 0, 0, 7)], [call("mmap", 0, 0, 5)]),
    ("mmap(prot & PROT_WRITE & 7)", [call("mmap", 0, 0, 2)], [call("mmap", 0, 0, 5)]),
    ("mmap(flags & ~(MAP_PRIVATE|MAP_ANONYMOUS) == 0)", [call("mmap", 0, 0, 0, 0x22)], [call("mmap", 0, 0, 0, 1), call("mmap", 0, 0, 0, 1 << 40)]),
    ("ioperm(from == 3)", [call("ioperm", 3)], [call("ioperm", 4)]),
    ("close_range and not close_range(flags == 0)", [call("close_range", 0, 0, 1)], [call("close_range")]),
    # As wide as each call's kernel type: openat's dfd is an int, mmap's addr a long.
    ("*(arg0 == 1)", [call("openat", 1 | 1 << 32), call("mmap", 1), Call(AUDIT, 4000, (1,))], [call("mmap", 1 | 1 << 32), call("openat", 2)]),
    ("openat(ip == 5)", [Call(AUDIT, 257, (), 5)], [call("openat", 5)]),
    ("*(ip >= 1 << 47)", [Call(AUDIT, 257, (), 1 << 47), Call(AUDIT, 4000, (), 1 << 63)], [call("openat", 5)]),
    ("openat(always) or open(never)", [call("openat")], [call("open")]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "inside", "outside"), MEANINGS)
def test_a_call_set_holds_the_calls_that_it_names(text: str, inside: list[Call], outside: list[Call]) -> None:
    found = parse(text, "x86_64")
    assert [one for one in inside if one not in found] == []
    assert [one for one in outside if one in found] == []


# (text, where, what is said, hint)
MISTAKES = [
    ("", "call set", "is empty", "for example"),
    ("opnat", "character 1", "unknown call `opnat`", "`openat`"),
    ("openat or opem", "character 11", "unknown call `opem`", "the closest name"),
    ("breakk", "character 1", "unknown call `breakk`", ""),
    ("openat(flgs == 1)", "character 8", "no argument `flgs`", "`flags`"),
    ("openat(xyzzy == 1)", "character 8", "no argument `xyzzy`", "dfd, filename, flags, mode"),
    ("openat(flags & O_CREATT)", "character 16", "unknown constant `O_CREATT`", "`O_CREAT`"),
    ("openat(O_CREATT)", "character 8", "unknown constant `O_CREATT`", "`O_CREAT`"),
    ("openat(flags == dfd)", "character 17", "two arguments", ""),
    ("openat(flags + 1 == 2)", "character 8", "masked (`&`) and compared", "other side"),
    ("openat(flags & 3 == 4)", "character 21", "outside of the mask 0x3", ""),
    ("openat(flags == 1 << 40)", "character 17", "0x10000000000 does not fit in the 32 bits", "u64"),
    ("openat(flags & 1 << 40)", "character 16", "mask 0x10000000000 does not fit", ""),
    ("read(fd < 0)", "character 11", "no unsigned number is < 0", "i32"),
    ("read(fd > -1)", "character 11", "unsigned, and -1 is negative", "i32"),
    ("openat(dfd < 0xffffffff)", "character 14", "signed, and 0xffffffff", "u32"),
    ("openat(1, 2, 3, 4, 5, 6, 7)", "character 26", "six arguments", ""),
    ("openat(dfd=1, flags=2", "character 7", "never closed", ""),
    ("openat(3 == 4)", "character 8", "no argument of openat is compared", ""),
    ("flags == 3", "character 1", "is not a call", "parentheses"),
    ("openat[1]", "character 1", "is not a call", ""),
    ("5000000000", "character 1", "is not the number of a call", ""),
    ("@opn", "character 1", "no family `@opn`", "`open`"),
    ("@open(flags & O_CREAT)", "character 1", "openat2 hides flags", "one by one"),
    ("@socket(AF_INET)", "character 9", "", ""),
    ("@socket(colour == 1)", "character 9", "no role `colour`", "domain"),
    ("*(flags == 1)", "character 3", "no argument `flags`", "arg0"),
    ("openat(foo(3) == 1)", "character 8", "`foo` is not one of i32", ""),
    ("openat(i32(3) == 3)", "character 8", "takes an argument", ""),
    ("openat(1 << 64)", "character 8", "cannot be computed", ""),
    ("openat(1 << 63 << 63 << 63)", "character 8", "does not fit in 64 bits", ""),
    ("openat('x')", "character 8", "unexpected", ""),
    ("openat(flags)é", "character 14", "unexpected", ""),
    ("__import__(1)", "character 1", "unknown call", ""),
    ("(lambda)", "character 2", "", ""),
    ("openat(**1)", "character", "", ""),
    ("openat(flags=1, flgs=2)", "character 22", "no argument `flgs`", "`flags`"),
    ("(" * 300, "character 201", "nested", ""),
    ("not " * 500 + "open", "call set", "nested more than 60 deep", ""),
    ("- " * 2000 + "1", "call set", "nested", ""),
    ("open or " * 1000 + "open", "call set", "8004 characters", ""),
    ("9" * 4000, "character", "13288 bits", ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "where", "problem", "hint"), MISTAKES, ids=lambda value: str(value)[:30])
def test_a_mistake_is_told_at_its_place(text: str, where: str, problem: str, hint: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse(text, "x86_64")
    assert where in caught.value.where
    assert problem in caught.value.problem
    assert hint in caught.value.hint
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_call_of_another_architecture_is_told_apart_from_an_unknown_one() -> None:
    with pytest.raises(ParseError, match="aarch64 has no call `open`") as caught:
        parse("open", "aarch64")
    assert "x86_64" in caught.value.hint
    assert parse("open or openat", "aarch64", elsewhere=True).calls == {56: ALWAYS}
    with pytest.raises(ParseError, match="unknown call"):
        parse("opem", "aarch64", elsewhere=True)


def test_a_name_that_python_reserves_is_the_name_of_a_call() -> None:
    assert parse("break", "i386").calls == {17: ALWAYS}


def test_constants_have_the_architectures_own_value() -> None:
    for arch in ("x86_64", "mips64el"):
        found = parse("socket(type=SOCK_STREAM)", arch)
        assert call("socket", 2, flags.value("SOCK_STREAM", arch), arch=arch) in found


def test_an_argument_of_a_32_bit_architecture_has_32_bits() -> None:
    found = parse("lseek(offset < 0)", "i386")
    assert call("lseek", 0, 0x80000000, arch="i386") in found


def test_x32_and_x86_64_share_no_call() -> None:
    number = abi.numbers("x32")["openat"]
    assert Call(AUDIT, number) in parse("openat", "x32")
    assert Call(AUDIT, number) not in parse("*", "x86_64")
    assert Call(AUDIT, 257) not in parse("*", "x32")


def test_an_architecture_without_argument_tables_has_numbers_and_places() -> None:
    assert Call(abi.arch("ppc").audit, 5, (3,)) in parse("open(arg0 == 3)", "ppc")
    with pytest.raises(ParseError, match="no argument `flags`"):
        parse("open(flags == 3)", "ppc")
    with pytest.raises(ParseError, match="unknown constant"):
        parse("open(arg1 == O_CREAT)", "ppc")


def test_the_first_architecture_that_lacks_a_family_says_so() -> None:
    assert parse("@open", "riscv64").calls[56] == ALWAYS
    assert parse("@open", "riscv64").others == NEVER


def test_every_kernel_name_of_an_argument_is_taken_for_it() -> None:
    for arch in ("x86_64", "i386", "s390x"):
        for nr, name, _, args in abi.table(arch):
            if not name.isidentifier() or len(set(args.split())) != len(args.split()):
                continue
            for index, word in enumerate(args.split()):
                kernel = word.partition(":")[0]
                ours = f"a{index}" if kernel.startswith("arg") and kernel[3:].isdigit() else kernel
                assert (
                    parse(f"{name}({ours} == 5)", arch)
                    .calls[nr]
                    .holds(tuple(5 if place == index else 0 for place in range(6)))
                ), (arch, name, word)


def test_an_argument_that_the_kernel_counts_from_one_is_called_by_its_place_only() -> None:
    assert call("prctl", 0, 7) in parse("prctl(a1 == 7)", "x86_64")
    with pytest.raises(ParseError, match="prctl has no argument `arg2`"):
        parse("prctl(arg2 == 7)", "x86_64")


def test_every_alias_is_of_use_for_some_call() -> None:
    names = {argument.name for nr in abi.names("x86_64") for argument in arguments("x86_64", nr)}
    assert [alias for alias, meant in ALIASES.items() if not names.intersection(meant)] == []


def test_a_partial_call_knows_what_is_open() -> None:
    found = parse_call("openat(AT_FDCWD, _, O_RDWR|O_CREAT)", "x86_64")
    assert found.args == (LOW - 99, None, 0o102, None, None, None)
    assert found.condition.holds((-100 & (1 << 64) - 1, 7, 0o102, 0o644))
    assert not found.condition.holds((-100 & (1 << 64) - 1, 7, 0o101, 0o644))
    assert found.example() == call("openat", LOW - 99, 0, 0o102)
    assert parse_call("39", "x86_64").condition == ALWAYS
    assert parse_call("kill(sig=9)", "x86_64").args == (None, 9, None, None, None, None)
    assert parse_call("lseek(offset=-1)", "x86_64").args[1] == (1 << 64) - 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("openat or open", "one call"),
        ("*", "one call"),
        ("@open", "one call"),
        ("openat(flags == 1)", "not a condition"),
        ("openat(flags=flags)", "not a condition"),
        ("openat(1, dfd=1)", "given twice"),
        ("opnat(1)", "unknown call"),
        ("", "is empty"),
    ],
)
def test_what_is_not_one_call_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ParseError, match=problem):
        parse_call(text, "x86_64")
