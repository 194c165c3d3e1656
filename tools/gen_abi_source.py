"""Read system calls out of the kernel's sources: tables, definitions, and what is configured where.

Everything here is a function of text. Numbers and names come from the unistd headers, the entry
point of each number from `syscall*.tbl`, its arguments from the `SYSCALL_DEFINE`s.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple


class Row(NamedTuple):
    """A line of a `.tbl` file."""

    nr: int
    abi: str
    name: str
    entry: str


def parse_table(text: str) -> list[Row]:
    """Read a `syscall*.tbl`; a row without an entry point has `sys_ni_syscall`."""
    rows = []
    for line in text.splitlines():
        fields = line.split("#")[0].split()
        if len(fields) >= 3 and fields[0].isdigit():
            rows.append(Row(int(fields[0]), fields[1], fields[2], fields[3] if len(fields) > 3 else "sys_ni_syscall"))
    return rows


@dataclass(frozen=True)
class Definition:
    """A `SYSCALL_DEFINE`: where, under which `#if`s, and its (type, name) parameters."""

    name: str
    macro: str
    path: str
    conditions: tuple[str, ...]
    parameters: tuple[tuple[str, str], ...]


_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_DIRECTIVE = re.compile(r"^[ \t]*#[ \t]*(ifdef|ifndef|if|elif|else|endif)\b(.*)$")
_DEFINE = re.compile(r"^(COMPAT_|PPC32_)?SYSCALL(32)?_DEFINE[0-6]\(")


def parse_definitions(text: str, path: str) -> Iterator[Definition]:
    """Yield every system call that a C file defines, with the conditions around it."""
    text = _COMMENT.sub(lambda match: "\n" * match.group().count("\n"), text).replace("\\\n", " ")
    lines = text.split("\n")
    stack: list[list[str]] = []  # per open #if: the conditions of its earlier branches, negated, then its own
    for index, line in enumerate(lines):
        if directive := _DIRECTIVE.match(line):
            _follow(stack, directive.group(1), directive.group(2).strip())
        elif match := _DEFINE.match(line):
            body = " ".join(lines[index : index + 12])[match.end() :]
            name, *rest = [" ".join(part.split()) for part in _arguments(body)]
            conditions = tuple(condition for branch in stack for condition in branch)
            yield Definition(name, match.group()[:-2], path, conditions, tuple(_pairs(rest)))


def _follow(stack: list[list[str]], word: str, expression: str) -> None:
    if word == "endif":
        stack.pop()
        return
    if word in ("else", "elif"):
        branch = stack.pop()
        branch[-1] = f"!({branch[-1]})"
        stack.append(branch if word == "else" else [*branch, expression])
        return
    forms = {"ifdef": f"defined({expression})", "ifndef": f"!defined({expression})", "if": expression}
    stack.append([forms[word]])


def _arguments(body: str) -> list[str]:
    """Split at top-level commas up to the closing parenthesis."""
    depth, parts, start = 0, [], 0
    for position, letter in enumerate(body):
        if letter == "(":
            depth += 1
        elif letter == ")" and depth:
            depth -= 1
        elif letter == ")" or (letter == "," and not depth):
            parts.append(body[start:position])
            start = position + 1
            if letter == ")":
                break
    return parts


def _pairs(parts: list[str]) -> Iterator[tuple[str, str]]:
    """Join `type, name, type, name`; SC_ARG64(x) and its like stand for both halves of a 64-bit argument."""
    queue = list(parts)
    while queue:
        first = queue.pop(0)
        if split := re.fullmatch(r"(?:SC_ARG64|compat_arg_u64_dual|arg_u32p)\((\w+)\)", first):
            yield "u32", f"{split.group(1)}_lo"
            yield "u32", f"{split.group(1)}_hi"
        else:
            yield first, queue.pop(0)


def selected(kconfig: str, true: frozenset[str]) -> frozenset[str]:
    """Add to the symbols in `true` what their own `config` blocks in an arch/*/Kconfig select."""
    found = set(true)
    block = ""
    for line in kconfig.splitlines():
        words = line.split()
        if words[:1] == ["config"]:
            block = words[1]
        elif words[:1] == ["select"] and block in true:
            condition = " ".join(words[3:]) if words[2:3] == ["if"] else ""
            if not condition or holds(condition, true, "") is not False:
                found.add(words[1])
    return frozenset(found)


_TOKEN = re.compile(r"defined\s*\(?\s*(\w+)\s*\)?|IS_ENABLED\s*\(\s*(\w+)\s*\)|(\w+)|(&&|\|\||!|\(|\))|\S")


# The symbols that an arch decides and that change a definition. Others (MODULES, PCI) only decide
# whether a call is built at all, so what is behind them is read as if they were set.
_DECISIVE = (
    "64BIT X86_32 X86_64 PPC64 CLONE_BACKWARDS CLONE_BACKWARDS2 CLONE_BACKWARDS3 OLD_SIGSUSPEND OLD_SIGSUSPEND3 "
    "OLD_SIGACTION ARCH_SPLIT_ARG64"
)
DECISIVE = frozenset(_DECISIVE.split())


def holds(condition: str, configured: frozenset[str], prefix: str = "CONFIG_") -> bool | None:
    """Whether an `#if` or Kconfig condition holds; None when it speaks of something not known here.

    Known are the decisive CONFIG_ symbols (for Kconfig, with an empty prefix, all symbols).
    """
    words: list[bool | str | None] = []
    for defined, enabled, name, operator in _TOKEN.findall(condition):
        symbol = defined or enabled or name
        if operator:
            words.append(str(operator))
        elif not symbol.startswith(prefix) or (prefix and symbol[len(prefix) :] not in DECISIVE):
            words.append(None)
        else:
            words.append(symbol[len(prefix) :] in configured)
    return _either(words)


def _either(words: list[bool | str | None]) -> bool | None:
    result = _both(words)
    while words and words[0] == "||":
        words.pop(0)
        other = _both(words)
        result = True if True in (result, other) else None if None in (result, other) else False
    return result


def _both(words: list[bool | str | None]) -> bool | None:
    result = _single(words)
    while words and words[0] == "&&":
        words.pop(0)
        other = _single(words)
        result = False if False in (result, other) else None if None in (result, other) else True
    return result


def _single(words: list[bool | str | None]) -> bool | None:
    word = words.pop(0) if words else None
    if word == "!":
        value = _single(words)
        return None if value is None else not value
    if word == "(":
        value = _either(words)
        if words:
            words.pop(0)
        return value
    return None if isinstance(word, str) else word


class Definitions:
    """All definitions of a source tree, to be asked for one arch's.

    `optional` are the calls that some arches do not have, though their tables name them
    (`COND_SYSCALL` of kernel/sys_ni.c); those take their arguments from where they exist.
    """

    def __init__(self, found: Iterable[Definition], optional: frozenset[str] = frozenset()) -> None:
        self._optional = optional
        self._by_name: dict[str, list[Definition]] = {}
        for definition in found:
            self._by_name.setdefault(definition.name, []).append(definition)

    def choose(self, entry: str, tree: str, configured: frozenset[str]) -> Definition | None:
        """The definition that an entry point of a `.tbl` stands for on an arch; None when none does.

        An arch's own definition goes before a common one, that before another arch's; of several
        that differ by `#if`, the first that is not ruled out, known to hold before not known.
        """
        compat = entry.startswith("compat_sys_")
        name = re.sub(r"^(?:compat_|__)?sys_", "", entry)
        best: tuple[tuple[int, bool], Definition] | None = None
        for definition in self._by_name.get(name, []):
            if compat != definition.macro.startswith("COMPAT"):
                continue
            own = definition.path.startswith(f"arch/{tree}/")
            foreign = definition.path.startswith("arch/") and not own
            if foreign and name not in self._optional:
                continue
            if "32_" in definition.macro and "64BIT" in configured:
                continue
            answers = [holds(condition, configured) for condition in definition.conditions]
            if False in answers:
                continue
            rank = (0 if own else 2 if foreign else 1, None in answers)
            if best is None or rank < best[0]:
                best = (rank, definition)
        return best[1] if best else None


# Widths of the types that parameters have, by their last word. A pointer is known by its `*`.
_WORD = {
    "long": "i", "ssize_t": "i", "off_t": "i", "__kernel_old_time_t": "i",
    "size_t": "u", "uintptr_t": "u", "aio_context_t": "u",
}  # fmt: skip
_KINDS = {
    "i32": "int pid_t key_t mqd_t timer_t clockid_t key_serial_t rwf_t __s32 s32 old_time32_t "
           "compat_long_t compat_off_t compat_ssize_t compat_pid_t compat_timer_t compat_int_t",
    "u32": "unsigned uint u32 __u32 uint32_t uid_t gid_t qid_t umode_t mode_t old_uid_t old_gid_t old_sigset_t "
           "landlock_rule_type compat_ulong_t compat_uint_t compat_size_t compat_uptr_t compat_aio_context_t "
           "compat_mode_t compat_old_sigset_t",
    "i64": "loff_t s64 __s64 compat_loff_t",
    "u64": "u64 __u64 compat_u64",
    "ptr": "__sighandler_t cap_user_header_t cap_user_data_t",
}  # fmt: skip
_KIND = {name: kind for kind, names in _KINDS.items() for name in names.split()}


def kind(type_: str, bits: int) -> str:
    """Name the width of a C type on an arch: i32 u32 i64 u64 ptr.

    Raises:
        ValueError: a type that nobody has described yet.
    """
    words = type_.replace("const ", "").split()
    last = words[-1]
    if "*" in type_:
        return "ptr"
    if last in _WORD:
        return f"{'u' if words[0] == 'unsigned' else _WORD[last]}{bits}"
    if words[0] == "unsigned":
        return "u32"
    if last in _KIND:
        return _KIND[last]
    raise ValueError(f"unknown type `{type_}`")


def arguments(parameters: Iterable[tuple[str, str]], bits: int, *, aligned: bool) -> str:
    """Spell parameters as `name:kind`, one per register that a filter sees.

    On 32-bit arches a 64-bit value takes two registers; where the ABI wants pairs `aligned`
    (ARM EABI), an odd register is skipped first.
    """
    words: list[str] = []
    for type_, name in parameters:
        width = kind(type_, bits)
        if bits == 32 and width in ("i64", "u64"):
            if aligned and len(words) % 2:
                words.append("pad:u32")
            words += [f"{name}_lo:u32", f"{name}_hi:u32"]
        else:
            words.append(f"{name}:{width}")
    return " ".join(words)
