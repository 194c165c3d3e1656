"""The analysis of code on small libraries that an assembler made: which calls each function makes, by both decoders."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import needs

from troth.elf.decode import decoder
from troth.elf.reader import read
from troth.errors import RequestError
from troth.libc.reach.analyse import Analysis, analyse
from troth.libc.reach.closure import why
from troth.libc.reach.reached import Reached

LIBRARIES = pytest.mark.parametrize("library", ["iced_x86", "capstone"])

# Functions of x86_64, each with the calls that are its own. What is not exported has a name that starts with a dot.
FUNCTIONS = {
    "straight": ("mov $39, %eax; syscall; ret", {"getpid"}),
    "moved": ("mov $39, %ebx; mov %ebx, %ecx; xchg %ax, %ax; mov %ecx, %eax; syscall; ret", {"getpid"}),
    "kept_on_the_stack": ("sub $24, %rsp; movl $39, 8(%rsp); mov 8(%rsp), %eax; syscall; add $24, %rsp; ret", {"getpid"}),
    "pushed": ("push $39; pop %rax; syscall; ret", {"getpid"}),
    "either": ("mov $39, %eax; test %edi, %edi; je 1f; mov $102, %eax; 1: syscall; ret", {"getpid", "getuid"}),
    "picked": ("mov $39, %eax; mov $102, %ecx; test %edi, %edi; cmovne %ecx, %eax; syscall; ret", {"getpid", "getuid"}),
    "known_by_a_branch": ("mov %fs:24, %eax; test %eax, %eax; jne 1f; syscall; 1: ret", {"read"}),
    "by_arithmetic": ("mov $30, %eax; add $9, %eax; syscall; ret", {"getpid"}),
    "by_a_wrapper": ("mov $39, %edi; call wrapper; ret", {"getpid"}),
    "by_a_jump_to_a_wrapper": ("mov $39, %edi; jmp wrapper", {"getpid"}),
    "by_a_wrapper_of_it": ("mov $39, %esi; call outer; ret", {"getpid"}),
    "on_the_stack_of_a_wrapper": ("sub $8, %rsp; push $39; call by_stack; add $16, %rsp; ret", {"getpid"}),
    "in_a_record": ("sub $24, %rsp; movl $39, 4(%rsp); mov %rsp, %rdi; call by_record; add $24, %rsp; ret", {"getpid"}),
    "in_a_record_packed_by_vectors": (
        "sub $24, %rsp; mov $39, %esi; movd %edi, %xmm0; movd %esi, %xmm1; punpckldq %xmm1, %xmm0; movq %xmm0, (%rsp);"
        "mov %rsp, %rdi; call by_record; add $24, %rsp; ret", {"getpid"},
    ),
    "handed_over_with_a_record": (
        "sub $24, %rsp; movl $39, 4(%rsp); mov %rsp, %rsi; lea by_record(%rip), %rdi; call run; add $24, %rsp; ret",
        {"getpid"},
    ),
    "after_a_call_that_does_not_return": (
        "mov $39, %ebx; test %edi, %edi; je 1f; mov $1, %ebx; call dies; 1: mov %ebx, %eax; syscall; ret",
        {"getpid", "exit_group"},
    ),
    "by_a_table": (
        "mov $39, %ebx; lea table(%rip), %rax; movslq (%rax,%rdi,4), %rcx; add %rax, %rcx; notrack jmp *%rcx;"
        "1: nop; 2: mov %ebx, %eax; syscall; ret", {"getpid"},
    ),
    "counts": ("mov $39, %eax; xor %ecx, %ecx; 1: inc %ecx; cmp $9999, %ecx; jne 1b; syscall; ret", {"getpid"}),
    "nothing": ("xor %eax, %eax; ret", set()),
}  # fmt: skip
HELPERS = {
    "wrapper": "mov %edi, %eax; syscall; ret",
    "outer": "mov %esi, %edi; call wrapper; ret",
    "by_stack": "mov 8(%rsp), %rax; syscall; ret",
    "by_record": "mov 4(%rdi), %eax; syscall; ret",
    "run": "jmp *%rdi",
    "dies": "mov $231, %eax; syscall; hlt",
}


def assembled(directory: Path, functions: dict[str, str], *, extra: str = "", bits: int = 64) -> Path:
    """A shared object with these functions, all exported but those that start with a dot."""
    needs(shutil.which("gcc"), "gcc")
    lines = [".text"]
    for name, body in functions.items():
        label = name.lstrip(".")
        lines += [f".p2align 4\n.type {label}, @function"]
        lines += [f".globl {label}"] if label == name else [f".hidden {label}\n.globl {label}"]
        lines += [f"{label}: .cfi_startproc", body.replace("; ", "\n"), f".cfi_endproc\n.size {label}, . - {label}"]
    source = directory / "made.s"
    source.write_text("\n".join([*lines, extra, '.section .note.GNU-stack,"",@progbits', ""]))
    target = directory / "libmade.so"
    command = ["gcc", f"-m{bits}", "-shared", "-nostdlib", "-Wl,-Bsymbolic", "-Wl,--eh-frame-hdr", "-s"]
    done = subprocess.run([*command, "-o", str(target), str(source)], capture_output=True, text=True, check=False)
    needs(done.returncode == 0 or bits == 64, f"gcc makes code of {bits} bits: {done.stderr[-300:]}")
    assert done.returncode == 0, done.stderr
    return target


def analysed(path: Path, library: str = "iced_x86") -> Analysis:
    return analyse([(path.name, read(str(path)))], "made", library=library)


def by_name(found: Analysis) -> dict[str, Reached]:
    return {one.name: one for one in found.functions}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    bodies = {name: body for name, (body, _) in FUNCTIONS.items()} | HELPERS
    # The table's words lead from it to labels of the function before: to `1:` and `2:` there.
    bodies["by_a_table"] = bodies["by_a_table"].replace("1: nop; 2:", "first: nop; second:")
    table = ".section .rodata\ntable: .long first - table, second - table"
    return assembled(tmp_path_factory.mktemp("made"), bodies, extra=table)


@LIBRARIES
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_makes_the_calls_that_its_code_makes(made: Path, library: str, name: str) -> None:
    assert by_name(analysed(made, library))[name].calls["own"] == FUNCTIONS[name][1]


@LIBRARIES
def test_no_site_is_left_open(made: Path, library: str) -> None:
    found = analysed(made, library)
    assert found.origin.open_sites == ()
    assert found.origin.sites == sum(body.count("syscall") for body, _ in FUNCTIONS.values()) + sum(
        body.count("syscall") for body in HELPERS.values()
    )


def test_a_number_that_cannot_be_known_is_an_open_site(tmp_path: Path) -> None:
    path = assembled(tmp_path, {"unknown": "mov (%rdi), %rax; mov (%rax), %rax; mov 8(%rax), %rax; syscall; ret"})
    found = analysed(path)
    assert len(found.origin.open_sites) == 1
    assert found.origin.open_sites[0].startswith("libmade.so+0x")


def test_failing_is_told_apart_from_the_ordinary_course(tmp_path: Path) -> None:
    functions = {
        "abort": "mov $234, %eax; syscall; hlt",
        ".complain": "mov $1, %eax; syscall; call abort",
        "work": "test %edi, %edi; js 1f; mov $39, %eax; syscall; ret; 1: call complain",
    }
    one = by_name(analysed(assembled(tmp_path, functions)))["work"]
    assert one.calls["ordinary"] == {"getpid"}
    assert one.calls["failure"] == {"write", "tgkill"}


def test_a_child_is_told_apart_from_who_starts_it(tmp_path: Path) -> None:
    functions = {
        "clone": "mov %rdi, %r9; mov $56, %eax; syscall; test %eax, %eax; jne 1f; call *%r9; hlt; 1: ret",
        ".child": "mov $59, %eax; syscall; hlt",
        "spawn": "lea child(%rip), %rdi; call clone; ret",
    }
    found = analysed(assembled(tmp_path, functions))
    one = by_name(found)["spawn"]
    assert one.calls["own"] == {"clone"}
    assert one.calls["ordinary"] == {"clone"}
    assert one.calls["child"] == {"execve"}
    way = why(found.graph, [export.node for export in found.graph.exports if export.name == "spawn"], "execve")
    assert way is not None
    assert way[0] == "child"
    assert [step.how for step in way[1]] == ["", "starts a child in"]


def test_functions_in_tables_and_functions_that_are_named_are_reached_but_not_own(tmp_path: Path) -> None:
    functions = {
        ".one": "mov $39, %eax; syscall; ret",
        ".two": "mov $102, %eax; syscall; ret",
        "by_table": "lea operations(%rip), %rax; call *8(%rax); ret",
        "by_name": "lea two(%rip), %rdi; call *%rdi; ret",
    }
    table = (
        ".section .data.rel.ro\n.p2align 3\n.type operations, @object\noperations: .quad one, one\n.size operations, 16"
    )
    found = by_name(analysed(assembled(tmp_path, functions, extra=table)))
    assert found["by_table"].calls["ordinary"] == {"getpid"}
    assert found["by_name"].calls["ordinary"] == {"getuid"}
    assert not found["by_table"].calls["own"]
    assert not found["by_name"].calls["own"]


def test_a_part_that_others_lean_on_is_named_instead_of_repeated(tmp_path: Path) -> None:
    functions = {
        "malloc": "mov $12, %eax; syscall; ret",
        "opendir": "mov $257, %eax; syscall; call malloc; ret",
    }
    one = by_name(analysed(assembled(tmp_path, functions)))["opendir"]
    assert one.calls["own"] == {"openat"}
    assert one.calls["ordinary"] == {"openat", "brk"}
    assert one.groups == ("malloc",)


def test_a_way_leads_from_the_function_to_the_call(made: Path) -> None:
    graph = analysed(made).graph
    roots = [export.node for export in graph.exports if export.name == "by_a_wrapper_of_it"]
    way = why(graph, roots, "getpid")
    assert way is not None
    assert way[0] == "ordinary"
    assert way[1][0].name == "by_a_wrapper_of_it"
    assert why(graph, roots, "reboot") is None


I386 = {
    "gate": ("mov $20, %eax; call *%gs:0x10; ret", {"getpid"}),
    "trap": ("mov $20, %eax; int $0x80; ret", {"getpid"}),
    "by_a_wrapper": ("push $20; call wrapper; pop %ecx; ret", {"getpid"}),
    "in_a_record": ("sub $12, %esp; movl $20, 4(%esp); push %esp; call by_record; add $16, %esp; ret", {"getpid"}),
    "behind_socketcall": ("push %ebx; mov $102, %eax; mov $3, %ebx; int $0x80; pop %ebx; ret", {"socketcall:connect"}),
    "behind_ipc": ("push %ebx; mov $117, %eax; mov $0x10002, %ebx; int $0x80; pop %ebx; ret", {"ipc:semget"}),
    "past_the_base": (
        "mov $20, %eax; call thunk; add $_GLOBAL_OFFSET_TABLE_, %esi; int $0x80; ret", {"getpid"},
    ),
}  # fmt: skip


@LIBRARIES
def test_code_of_i386_enters_the_kernel_by_its_gate_or_its_trap(tmp_path: Path, library: str) -> None:
    helpers = {
        "wrapper": "mov 4(%esp), %eax; int $0x80; ret",
        "by_record": "mov 4(%esp), %ecx; mov 4(%ecx), %eax; int $0x80; ret",
        ".thunk": "mov (%esp), %esi; ret",
        ".with_a_stub": "call outside@PLT; ret",
    }
    path = assembled(tmp_path, {name: body for name, (body, _) in I386.items()} | helpers, bits=32)
    found = by_name(analysed(path, library))
    assert {name: set(found[name].calls["own"]) for name in I386} == {name: calls for name, (_, calls) in I386.items()}


def test_code_that_nobody_here_reads_is_refused_by_name() -> None:
    with pytest.raises(RequestError, match="the code of s390x cannot be read") as caught:
        decoder("s390x")
    assert "x86_64" in caught.value.hint
