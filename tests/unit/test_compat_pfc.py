"""The text form: what it says, read by a small reader of it, is what the program does."""

from __future__ import annotations

import re
import tempfile
from itertools import product

import pytest

from troth.bpf import Call, Program, emulate
from troth.compat._arches import BY_NAME
from troth.compat._names import number
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
    SyscallFilter,
)  # fmt: skip


def text(f: SyscallFilter) -> str:
    with tempfile.TemporaryFile("w+") as file:
        f.export_pfc(file)
        file.seek(0)
        return file.read()


def on(*words: str) -> SyscallFilter:
    f = SyscallFilter(KILL)
    f.remove_arch(Arch())
    for word in words:
        f.add_arch(Arch(word))
    return f


def test_the_text_of_a_small_filter() -> None:
    f = on("x86_64", "x86")
    f.add_rule(ALLOW, "close")
    f.add_rule(ERRNO(5), "read", Arg(0, LE, 1 << 32), Arg(1, EQ, 2))
    assert (
        text(f)
        == """\
#
# pseudo filter code start
#
# filter for arch x86_64 (3221225534)
if ($arch == 3221225534)
  # filter for syscall "close" (3) [priority: 65535]
  if ($syscall == 3)
    action ALLOW;
  # filter for syscall "read" (0) [priority: 65530]
  if ($syscall == 0)
    if ($a0.hi32 > 1)
    else
      if ($a0.hi32 == 1)
        if ($a0.lo32 > 0)
        else
          if ($a1.hi32 == 0)
            if ($a1.lo32 == 2)
              action ERRNO(5);
      else
        if ($a1.hi32 == 0)
          if ($a1.lo32 == 2)
            action ERRNO(5);
  # default action
  action KILL;
# filter for arch x86 (1073741827)
if ($arch == 1073741827)
  # filter for syscall "close" (6) [priority: 65535]
  if ($syscall == 6)
    action ALLOW;
  # filter for syscall "read" (3) [priority: 65533]
  if ($syscall == 3)
    if ($a0 > 0)
    else
      if ($a1 == 2)
        action ERRNO(5);
  # default action
  action KILL;
# invalid architecture action
action KILL;
#
# pseudo filter code end
#
"""
    )


def test_every_action_has_its_word() -> None:
    f = on("x86_64")
    actions = {"read": KILL_PROCESS, "write": TRAP, "open": ERRNO(13), "close": TRACE(7), "stat": LOG, "dup": NOTIFY}
    for name, action in actions.items():
        f.add_rule(action, name)
    f.set_attr(Attr.ACT_BADARCH, KILL_PROCESS)
    words = re.findall(r'"(\w+)" .*\n.*\n *action (.*);', text(f))
    assert dict(words) == {
        "read": "KILL_PROCESS", "write": "TRAP", "open": "ERRNO(13)", "close": "TRACE(7)", "stat": "LOG",
        "dup": "0x7fc00000",
    }  # fmt: skip
    assert "# invalid architecture action\naction KILL_PROCESS;\n" in text(f)


def test_a_priority_is_above_the_number_of_comparisons_and_sorts() -> None:
    f = on("x86")
    f.add_rule(ALLOW, "read", Arg(0, EQ, 1), Arg(1, NE, 1))
    f.add_rule(ALLOW, "write")
    f.syscall_priority("read", 3)
    assert re.findall(r'"(\w+)" \(\d+\) \[priority: (\d+)\]', text(f)) == [("read", str(0x3FFFD)), ("write", "65535")]


Branch = tuple[str, list["Branch"], list["Branch"]]


def read(lines: list[str], depth: int) -> list[Branch]:
    """Read the lines of one depth: a condition or an action, what is below it, what is below its `else`."""
    found: list[Branch] = []
    while lines:
        indent = len(lines[0]) - len(lines[0].lstrip())
        if indent < depth:
            break
        line = lines.pop(0).strip()
        if line.startswith("else"):
            found[-1] = (found[-1][0], found[-1][1], read(lines, depth + 2))
        elif not line.startswith("#"):
            found.append((line, read(lines, depth + 2), []))
    return found


def run(branches: list[Branch], words: dict[str, int]) -> str | None:
    """The first action that is reached."""
    for line, yes, no in branches:
        if line.startswith("action"):
            return line
        word, mask, sign, value = re.fullmatch(r"if \((\S+)(?: & (0x\w+))? (==|>=|>) (\d+)\)", line).groups()  # type: ignore[union-attr]
        have = words[word] & (int(mask, 16) if mask else -1)
        met = {"==": have == int(value), ">": have > int(value), ">=": have >= int(value)}[sign]
        if (answer := run(yes if met else no, words)) is not None:
            return answer
    return None


@pytest.mark.parametrize("optimize", [1, 2])
@pytest.mark.parametrize("word", ["x86_64", "s390x", "x86"])
def test_what_the_text_says_is_what_the_program_does(word: str, optimize: int) -> None:
    f = on(word)
    f.set_attr(Attr.CTL_OPTIMIZE, optimize)
    edge = 1 << 32
    names = ["read", "write", "close", "dup", "openat", "getpid", "ioctl", "mmap", "fcntl", "kill", "umask"]
    rules = [
        (Arg(0, LE, edge),), (Arg(0, LT, edge + 1), Arg(1, NE, 5)), (Arg(0, GE, edge),), (Arg(0, GT, edge - 1),),
        (Arg(0, NE, edge), Arg(1, GT, 4)), (), (Arg(0, MASKED_EQ, 3 << 31, edge),), (Arg(0, EQ, edge + 5),),
        (Arg(1, LT, 5), Arg(0, EQ, 0)), (Arg(0, MASKED_EQ, 1, 1), Arg(1, GE, 5)), (Arg(1, LE, 4),),
    ]  # fmt: skip
    for index, (name, args) in enumerate(zip(names, rules, strict=True)):
        f.add_rule(ERRNO(index + 1), name, *args)
        f.add_rule(ALLOW, name, Arg(0, EQ, 7)) if args else None
    lines = text(f).splitlines()[:-4]
    arch = BY_NAME[word]
    program = Program.from_bytes(bytes(f.export_bpf_mem()), big_endian=arch.big_endian)
    values = [0, 1, 4, 5, 7, edge - 1, edge, edge + 1, edge + 5, edge + 7, 1 << 63]
    whole = read(lines, 0)
    for name, first, second in product([*names, "mount"], values, values):
        given = (first, second) if arch.bits == 64 else (first & 0xFFFFFFFF, second & 0xFFFFFFFF)
        nr = number(arch, name)
        words = {"$arch": arch.audit, "$syscall": nr}
        for index, value in enumerate(given):
            words |= {f"$a{index}": value, f"$a{index}.lo32": value & 0xFFFFFFFF, f"$a{index}.hi32": value >> 32}
        verdict = emulate(program, Call(arch.audit, nr, given), big_endian=arch.big_endian)
        spelled = {"allow": "ALLOW", "kill_thread": "KILL", "errno": f"ERRNO({verdict.data})"}[verdict.action]
        assert run(whole, words) == f"action {spelled};"
