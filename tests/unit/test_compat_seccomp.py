"""`troth.compat.seccomp`: names, numbers, types and errors are those of libseccomp's binding."""

from __future__ import annotations

import io
import os
import re
import tempfile
from collections.abc import Callable, Iterator

import pytest

from troth import abi
from troth.compat import _support, seccomp
from troth.compat.seccomp import (
    ALLOW,
    EQ,
    ERRNO,
    GE,
    GT,
    KILL,
    KILL_PROCESS,
    LE,
    LOG,
    LT,
    MASKED_EQ,
    NE,
    NOTIFY,
    TRACE,
    TRAP,
    Arch,
    Arg,
    Attr,
    Notification,
    NotificationResponse,
    SyscallFilter,
)  # fmt: skip

X86_64 = abi.native().name == "x86_64"


@pytest.fixture(autouse=True)
def _level() -> Iterator[None]:
    """Every test starts with what the kernel can do, and leaves no forced level behind."""
    state, level = dict(_support._state), [*_support._level]
    yield
    _support._state.clear()
    _support._state.update(state)
    _support._level[:] = level


def refusal(operation: Callable[[], object]) -> int:
    """The errno that an operation is refused with."""
    with pytest.raises(RuntimeError) as raised:
        operation()
    assert re.fullmatch(r"Library error \(errno = -\d+\)", str(raised.value))
    assert type(raised.value) is RuntimeError
    assert raised.value.__notes__[0]
    return int(str(raised.value).rpartition("-")[2].rstrip(")"))


def native() -> SyscallFilter:
    return SyscallFilter(KILL)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (ALLOW, 2147418112),
        (LOG, 2147221504),
        (NOTIFY, 2143289344),
        (TRAP, 196608),
        (KILL, 0),
        (KILL_PROCESS, -2147483648),
        (ERRNO(5), 327685),
        (ERRNO(-1), 393215),
        (TRACE(70000), 2146439536),
        (NE, 1),
        (LT, 2),
        (LE, 3),
        (EQ, 4),
        (GE, 5),
        (GT, 6),
        (MASKED_EQ, 7),
        (Arch.NATIVE, 0),
        (Arch.X86, 1073741827),
        (Arch.X86_64, -1073741762),
        (Arch.X32, 1073741886),
        (Arch.M68K, 4),
        (Arch.LOONGARCH64, -1073741566),
        (Arch.S390X, -2147483626),
        (Attr.ACT_DEFAULT, 1),
        (Attr.CTL_WAITKILL, 10),
    ],
)
def test_constants_have_the_numbers_and_signs_of_c_ints(value: int, number: int) -> None:
    assert value == number
    assert type(value) is int


def test_importing_all_names_gives_what_the_binding_gives() -> None:
    names: dict[str, object] = {}
    exec("from troth.compat.seccomp import *", names)  # what programs do
    methods = {name for name in dir(SyscallFilter) if not name.startswith("_")}
    assert {
        "SyscallFilter",
        "Arch",
        "Attr",
        "Arg",
        "errno",
        "c_str",
        "system_arch",
        "get_api",
        "set_api",
    } <= names.keys()
    assert methods == {
        "reset", "merge", "exist_arch", "add_arch", "remove_arch", "load", "get_attr", "set_attr", "syscall_priority",
        "add_rule", "add_rule_exactly", "receive_notify", "respond_notify", "get_notify_fd", "export_pfc", "export_bpf",
        "export_bpf_mem", "start_transaction", "reject_transaction", "commit_transaction", "precompute",
    }  # fmt: skip


@pytest.mark.parametrize("word", ["x86", "x86_64", "x32", "arm", "aarch64", "loongarch64", "m68k", "mips", "mips64",
                                  "mips64n32", "mipsel", "mipsel64", "mipsel64n32", "parisc", "parisc64", "ppc", "ppc64",
                                  "ppc64le", "s390", "s390x", "sh", "sheb", "riscv64"])  # fmt: skip
def test_every_architecture_has_a_name_and_a_token_that_mean_the_same(word: str) -> None:
    token = int(Arch(word))
    assert int(Arch(token)) == token
    assert -(1 << 31) <= token < 1 << 31
    assert "%d" % Arch(word) == str(token)  # noqa: UP031  # programs print them so
    if hasattr(Arch, word.upper()):
        assert getattr(Arch, word.upper()) == token


def test_the_native_architecture_is_the_default() -> None:
    assert int(Arch()) == int(Arch(Arch.NATIVE)) == int(Arch(seccomp.system_arch()))
    assert seccomp.system_arch() == abi.native().audit or abi.native().name == "x32"
    assert native().exist_arch(Arch())
    assert native().exist_arch(seccomp.system_arch())


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda: Arch("i386"), ValueError),
        (lambda: Arch(5), ValueError),
        (lambda: Arch(1.5), TypeError),  # type: ignore[arg-type]
        (lambda: Arch(None), TypeError),  # type: ignore[arg-type]
        (lambda: Arch(Arch()), TypeError),  # type: ignore[arg-type]
        (lambda: Arg(0, EQ, -1), OverflowError),
        (lambda: Arg(0, EQ, 1 << 64), OverflowError),
        (lambda: Arg(-1, EQ, 1), OverflowError),
        (lambda: Arg(0, EQ, 1.5), TypeError),
        (lambda: Arg(0, EQ, "1"), TypeError),  # type: ignore[arg-type]
        (lambda: Arg(0, EQ), TypeError),  # type: ignore[call-arg]
        (lambda: SyscallFilter(0x80000000), OverflowError),
        (lambda: SyscallFilter("ALLOW"), TypeError),  # type: ignore[arg-type]
        (lambda: SyscallFilter(), TypeError),  # type: ignore[call-arg]
        (lambda: ERRNO(1 << 40), OverflowError),
        (lambda: seccomp.set_api(0), ValueError),
        (lambda: seccomp.set_api(8), ValueError),
        (lambda: seccomp.set_api(-1), OverflowError),
        (lambda: seccomp.c_str("é"), UnicodeEncodeError),
        (lambda: native().exist_arch("x86"), TypeError),  # type: ignore[arg-type]
        (lambda: native().exist_arch(12), ValueError),
        (lambda: native().add_arch(12), ValueError),
        (lambda: native().remove_arch(12), ValueError),
        (lambda: native().get_attr(11), ValueError),
        (lambda: native().get_attr(-1), OverflowError),
        (lambda: native().set_attr(11, 1), ValueError),
        (lambda: native().set_attr(Attr.ACT_BADARCH, 7), ValueError),
        (lambda: native().set_attr(Attr.CTL_NNP, 1 << 31), OverflowError),
        (lambda: native().reset(1), ValueError),
        (lambda: native().add_rule(ALLOW, None), TypeError),  # type: ignore[arg-type]
        (lambda: native().add_rule(ALLOW, b"read"), TypeError),  # type: ignore[arg-type]
        (lambda: native().add_rule(ALLOW, "read", 5), TypeError),  # type: ignore[arg-type]
        (lambda: native().syscall_priority("read", 256), ValueError),
        (lambda: native().syscall_priority("read", -1), ValueError),
        (lambda: native().syscall_priority(None, 1), TypeError),  # type: ignore[arg-type]
        (lambda: native().merge(5), TypeError),  # type: ignore[arg-type]
        (lambda: native().export_bpf("x"), AttributeError),  # type: ignore[arg-type]
    ],
)
def test_a_mistake_raises_the_type_of_error_that_the_binding_raises(
    make: Callable[[], object], kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        make()


def test_an_action_that_is_none_is_told_without_an_errno() -> None:
    with pytest.raises(RuntimeError) as raised:
        SyscallFilter(12345)
    assert str(raised.value) == "Library error"


@pytest.mark.parametrize(
    ("operation", "errno"),
    [
        (lambda f: f.add_rule(KILL, "read"), 13),
        (lambda f: f.add_rule(ALLOW, "raed"), 22),
        (lambda f: f.add_rule(ALLOW, -1), 22),
        (lambda f: f.add_rule(ALLOW, -2), 22),
        (lambda f: f.add_rule(ALLOW, -9999999), 22),
        (lambda f: f.add_rule(12345, "read"), 22),
        (lambda f: f.add_rule(ERRNO(4095), "read"), 22),
        (lambda f: f.add_rule(ALLOW, "read", Arg(6, EQ, 1)), 22),
        (lambda f: f.add_rule(ALLOW, "read", Arg(0, 8, 1)), 22),
        (lambda f: f.add_rule(ALLOW, "read", Arg(0, GE, 1), Arg(0, LE, 2)), 22),
        (lambda f: f.set_attr(Attr.ACT_DEFAULT, KILL), 13),
        (lambda f: f.set_attr(Attr.CTL_OPTIMIZE, 0), 95),
        (lambda f: f.add_arch(Arch()), 17),
        (lambda f: f.remove_arch(Arch.MIPS64), 17),
        (lambda f: f.syscall_priority("raed", 1), 22),
        (lambda f: f.merge(SyscallFilter(KILL)), 17),
        (lambda f: f.merge(SyscallFilter(ALLOW)), 22),
        (lambda f: f.merge(None), 22),
    ],
)
def test_what_is_refused_has_the_errno_of_the_documentation(
    operation: Callable[[SyscallFilter], object], errno: int
) -> None:
    assert refusal(lambda: operation(native())) == errno


def test_an_unknown_name_is_answered_with_the_closest() -> None:
    with pytest.raises(RuntimeError) as raised:
        native().add_rule(ALLOW, "opneat")
    assert raised.value.__notes__ == ["no system call `opneat`; the closest is `openat`"]


def test_too_many_comparisons_are_refused() -> None:
    with pytest.raises(RuntimeError, match="Maximum number of arguments exceeded"):
        native().add_rule(ALLOW, "read", *[Arg(0, EQ, 1)] * 7)


def test_two_byte_orders_are_not_mixed() -> None:
    f = native()
    other = "ppc64le" if abi.native().big_endian else "s390x"
    assert refusal(lambda: f.add_arch(Arch(other))) == 33
    f.remove_arch(Arch())
    f.add_arch(Arch(other))
    assert f.exist_arch(Arch(other))
    assert not f.exist_arch(Arch())
    one = native()
    assert refusal(lambda: one.merge(f)) == 33


def test_without_an_architecture_only_adding_one_works() -> None:
    f = native()
    f.remove_arch(Arch())
    for operation in (f.load, f.precompute, f.export_bpf_mem, f.start_transaction, f.commit_transaction):
        assert refusal(operation) == 22
    assert refusal(lambda: f.add_rule(ALLOW, "read")) == 22
    with pytest.raises(ValueError, match="Invalid attribute"):
        f.get_attr(Attr.CTL_NNP)
    f.add_arch(Arch.NATIVE)
    f.add_rule(ALLOW, "read")


def test_attributes_start_as_documented_and_flags_are_0_or_1() -> None:
    f = SyscallFilter(KILL_PROCESS)
    assert [f.get_attr(attr) for attr in range(1, 11)] == [0x80000000, 0, 1, 0, 0, 0, 0, 1, 0, 0]
    for attr in (Attr.CTL_NNP, Attr.API_TSKIP, Attr.API_SYSRAWRC, Attr.CTL_WAITKILL):
        f.set_attr(attr, 5)
        assert f.get_attr(attr) == 1
        f.set_attr(attr, 0)
        assert f.get_attr(attr) == 0
    f.set_attr(Attr.ACT_BADARCH, KILL_PROCESS)
    assert f.get_attr(Attr.ACT_BADARCH) == 0x80000000
    f.reset()
    assert [f.get_attr(attr) for attr in range(1, 11)] == [0x80000000, 0, 1, 0, 0, 0, 0, 1, 0, 0]


def test_a_level_says_what_there_is() -> None:
    seccomp.set_api(1)
    assert seccomp.get_api() == 1
    for action in (KILL_PROCESS, LOG, NOTIFY):
        with pytest.raises(RuntimeError):
            SyscallFilter(action)
    for attr in (Attr.CTL_TSYNC, Attr.CTL_LOG, Attr.CTL_SSB):
        assert refusal(lambda attr=attr: native().set_attr(attr, 1)) == 95  # type: ignore[misc]
    seccomp.set_api(4)
    for attr in (Attr.CTL_TSYNC, Attr.CTL_LOG, Attr.CTL_SSB):
        native().set_attr(attr, 1)
    assert refusal(lambda: native().add_rule(NOTIFY, "read")) == 22
    seccomp.set_api(5)
    f = native()
    f.add_rule(NOTIFY, "read")
    with pytest.raises(ValueError, match="Invalid attribute"):
        f.set_attr(Attr.CTL_TSYNC, 1)
    g = native()
    g.set_attr(Attr.CTL_TSYNC, 1)
    assert refusal(lambda: g.add_rule(NOTIFY, "read")) == 22
    seccomp.set_api(6)
    f.set_attr(Attr.CTL_TSYNC, 1)
    g.add_rule(NOTIFY, "read")


def test_without_a_listener_there_are_no_notifications() -> None:
    for operation in (native().get_notify_fd, native().receive_notify, lambda: native().respond_notify(None)):  # type: ignore[arg-type]
        with pytest.raises(RuntimeError, match="Notifications not enabled/active"):
            operation()


def test_a_notification_gives_what_it_was_made_of_and_a_response_can_be_changed() -> None:
    note = Notification(1 << 63, 2, 3, -4, 0xC000003E, 6, [1, 2, 3, 4, 5, (1 << 64) - 1])
    assert (note.id, note.pid, note.flags, note.syscall) == (1 << 63, 2, 3, -4)
    assert (note.syscall_arch, note.syscall_ip) == (0xC000003E, 6)
    assert note.syscall_args == [1, 2, 3, 4, 5, (1 << 64) - 1]
    with pytest.raises(AttributeError):
        note.id = 1  # type: ignore[misc]
    with pytest.raises(IndexError):
        Notification(1, 2, 3, 4, 5, 6, [1])
    answer = NotificationResponse(note, -5, error=-1)
    assert (answer.id, answer.val, answer.error, answer.flags) == (1 << 63, -5, -1, 0)
    answer.id, answer.val, answer.error, answer.flags = 7, 0, -2, 1
    assert (answer.id, answer.val, answer.error, answer.flags) == (7, 0, -2, 1)
    with pytest.raises(OverflowError):
        answer.val = 1 << 63
    with pytest.raises(OverflowError):
        answer.id = -1


def test_the_program_goes_to_the_file_s_descriptor_and_to_memory() -> None:
    f = native()
    f.add_rule(ALLOW, "read", Arg(0, EQ, 0))
    data = bytes(f.export_bpf_mem())
    assert len(data) % 8 == 0
    with tempfile.TemporaryFile() as file:
        f.export_bpf(file)
        assert os.pread(file.fileno(), len(data) + 1, 0) == data
    with tempfile.TemporaryFile() as file:
        f.export_pfc(file)
        assert os.pread(file.fileno(), 50, 0).startswith(b"#\n# pseudo filter code start\n#\n")
    with pytest.raises(io.UnsupportedOperation):
        f.export_bpf(io.BytesIO())


def test_what_cannot_be_written_is_told_with_an_errno_of_ours_or_with_the_kernel_s_when_asked() -> None:
    f = native()
    with open(os.devnull) as file:
        assert refusal(lambda: f.export_bpf(file)) == 125
        f.set_attr(Attr.API_SYSRAWRC, 1)
        assert refusal(lambda: f.export_bpf(file)) == 9
        assert refusal(lambda: f.export_pfc(file)) == 9


def test_a_filter_can_be_subclassed_and_takes_no_other_attributes() -> None:
    class Mine(SyscallFilter):
        def __init__(self, defaction: int) -> None:
            self.more = 1

    mine = Mine(ALLOW)
    mine.add_rule(KILL, "read")
    assert mine.more == 1
    with pytest.raises(AttributeError):
        native().more = 1  # type: ignore[attr-defined]


@pytest.mark.skipif(not X86_64, reason="the numbers are those of x86_64")
@pytest.mark.parametrize(
    ("arch", "call", "answer"),
    [
        (0, "read", 0),
        (0, 0, b"read"),
        (0, True, b"write"),
        (Arch.X86_64, "send", -109),
        (Arch.X86_64, -109, b"send"),
        (Arch.X86_64, "nope", -1),
        (Arch.X86_64, "", -1),
        (12, "read", -1),
        (Arch.X86, "socket", 102),
        (Arch.X86, -101, b"socket"),
        (Arch.X86, "semop", 117),
        (Arch.X86, "arch_prctl", 384),
        (Arch.ARM, "arch_prctl", -10001),
        (Arch.X32, "read", 0x40000000),
        (Arch.X32, 0, b"read"),
        (Arch.X32, "send", -109),
        (Arch.MIPS, "read", 4003),
        (Arch.MIPS, 4003, b"read"),
        (Arch.MIPS, 3, b"read"),
        (Arch.MIPS, "socket", 4102),
        (Arch.AARCH64, "open", -10166),
        (Arch.S390X, "connect", 102),
        (Arch.PPC64LE, "sys_debug_setcontext", 256),
    ],
)
def test_names_and_numbers_are_resolved(arch: int, call: str | int, answer: int | bytes) -> None:
    assert seccomp.resolve_syscall(arch, call) == answer


@pytest.mark.parametrize(("arch", "call"), [(Arch.X86_64, 9999), (Arch.X86_64, -101), (12, 0), (Arch.ARM, -2)])
def test_a_number_without_a_call_is_a_value_error(arch: int, call: int) -> None:
    with pytest.raises(ValueError, match=f"Unknown syscall {call} on arch {arch}"):
        seccomp.resolve_syscall(arch, call)


def test_every_name_of_an_architecture_leads_to_a_number_and_back() -> None:
    from troth.compat._arches import BY_NAME
    from troth.compat._names import name_of, number

    everything = {name for arch in BY_NAME.values() for name in seccomp_names(arch.ours)}
    for arch in BY_NAME.values():
        for name in everything:
            nr = number(arch, name)
            assert nr != -1
            assert name_of(arch, nr) == name


def seccomp_names(arch: str) -> dict[str, int]:
    from troth.abi import others

    return others.numbers(arch)
