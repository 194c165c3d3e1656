"""Make one arch's system call table out of headers, `.tbl`, definitions and syscalls(2)."""

from __future__ import annotations

import ast
import operator
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tools.gen_abi_arches import ARCHES, ENTRIES, PRIVATE_PREFIX, Arch
from tools.gen_abi_since import contradiction, since
from tools.gen_abi_source import Definitions, Row, arguments, parse_definitions, parse_table, selected

_OPERATORS = {ast.Add: operator.add, ast.BitOr: operator.or_, ast.LShift: operator.lshift, ast.Sub: operator.sub}


def evaluate(expression: str) -> int:
    """Give the value of a preprocessed constant made of numbers, `+ - | <<` and parentheses.

    Raises:
        ValueError: anything else.
    """

    def value(node: ast.expr) -> int:
        if isinstance(node, ast.Constant) and isinstance(node.value, int):
            return node.value
        if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
            return int(_OPERATORS[type(node.op)](value(node.left), value(node.right)))
        raise ValueError(f"not a constant: {expression}")

    try:
        return value(ast.parse(expression.strip(), mode="eval").body)
    except SyntaxError as error:
        raise ValueError(f"not a constant: {expression}") from error


def preprocess(text: str, arch: Arch, headers: Path, *options: str) -> str:
    """Run the preprocessor as if for another arch, over linux-libc-dev's headers."""
    include = [f"-I{headers / arch.triplet}", f"-I{headers}"]
    command = ["gcc", "-E", "-P", "-undef", "-nostdinc", *include, *arch.identity, *options, "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout


def header_numbers(arch: Arch, headers: Path, private: str = "") -> dict[str, int]:
    """All `__NR_` names of an arch's unistd.h, with their numbers.

    Left out are `__NR_syscalls` and others that are not calls; that shows when the `.tbl` is asked.
    """
    include = "#include <asm/unistd.h>\n"
    macros = re.findall(r"#define ((?:__NR_|__ARM_NR_)\w+) ", preprocess(include, arch, headers, "-dM"))
    lines = preprocess(include + "".join(f'"{macro}" {macro}\n' for macro in macros), arch, headers)
    found = {}
    for macro, expression in re.findall(r'^"(\w+)" (.+)$', lines, re.MULTILINE):
        name = macro.removeprefix(private) if private else macro
        found[name.removeprefix("__NR_")] = evaluate(expression)
    return found


@dataclass(frozen=True)
class Call:
    """A line of a generated table."""

    nr: int
    name: str
    since: str
    args: str


class Kernel:
    """An extracted source tree, read once for all arches."""

    def __init__(self, source: Path, headers: Path, page: dict[str, str], series: dict[str, Path]) -> None:
        self._source = source
        self._headers = headers
        self._page = page
        self._series = series
        found = [
            definition
            for path in _c_files(source)
            for definition in parse_definitions(path.read_text(errors="replace"), str(path.relative_to(source)))
        ]
        optional = re.findall(r"^COND_SYSCALL\((\w+)\)", (source / "kernel/sys_ni.c").read_text(), re.MULTILINE)
        self._definitions = Definitions(found, frozenset(optional))

    def calls(self, name: str) -> list[Call]:
        """One arch's table, by number.

        Raises:
            ValueError: the sources disagree, or do not say something that is needed.
        """
        arch = ARCHES[name]
        private = PRIVATE_PREFIX.get(name, "")
        numbers = header_numbers(arch, self._headers, private)
        rows = parse_table((self._source / arch.table).read_text())
        base = 0x40000000 if name == "x32" else 5000 if name == "mips64el" else 0
        kconfigs = "".join(path.read_text() for path in sorted((self._source / f"arch/{arch.tree}").glob("Kconfig")))
        configured = selected(kconfigs, frozenset(arch.kconfig.split()))
        older = self._older(name)
        named = {numbers[row.name] for row in rows if row.abi in _ABIS[name] and row.name in numbers}
        calls, problems = [], []
        for call, nr in sorted(numbers.items(), key=lambda item: item[1]):
            row = _row(call, nr - base, rows, name)
            if row is None and not (private and nr >= 0xF0000 and call.islower()):
                # Macros for the headers' own use are in upper case; a second name of a number is an alias.
                if call.islower() and nr not in named:
                    problems.append(f"{name}: {call} is in unistd.h but not in {arch.table}")
                continue
            version = since(name, call, self._page)
            if not version:
                problems.append(f"{name}: nothing says since when {call} exists")
            elif wrong := contradiction(version, {series: call in names for series, names in older.items()}):
                problems.append(f"{name}: {call}: {wrong}")
            try:
                calls.append(Call(nr, call, version, self._arguments(row.entry if row else call, arch, configured)))
            except ValueError as error:
                problems.append(f"{name}: {call}: {error}")
        wanted = {row.name for row in rows if row.abi in _ABIS[name]} - numbers.keys()
        problems += [f"{name}: {call} is in {arch.table} but not in unistd.h" for call in sorted(wanted)]
        if problems:
            raise ValueError("\n".join(problems))
        return calls

    def _older(self, name: str) -> dict[str, frozenset[str]]:
        """The names that older series' headers have, as far as there are headers for this arch."""
        return {
            series: frozenset(header_numbers(ARCHES[name], headers, PRIVATE_PREFIX.get(name, "")))
            for series, headers in self._series.items()
            if (headers / ARCHES[name].triplet / "asm").is_dir()
        }

    def _arguments(self, entry: str, arch: Arch, configured: frozenset[str]) -> str:
        if entry == "sys_ni_syscall":
            return ""
        spelled = ENTRIES.get(f"{arch.tree}:{entry}", ENTRIES.get(entry))
        if spelled is not None:
            parts = [part.strip() for part in spelled.split(",")] if spelled else []
            parameters = tuple(zip(parts[::2], parts[1::2], strict=True))
        else:
            definition = self._definitions.choose(entry, arch.tree, configured)
            if definition is None:
                raise ValueError(f"no definition of {entry}")
            parameters = definition.parameters
        return arguments(parameters, arch.bits, aligned=arch.tree == "arm")


def _c_files(source: Path) -> list[Path]:
    """The C files, in order, without those of arches that are not ours."""
    trees = {arch.tree for arch in ARCHES.values()}
    files = sorted(path.relative_to(source) for path in source.rglob("*.c"))
    return [source / path for path in files if path.parts[0] != "arch" or path.parts[1] in trees]


# The ABI names of a table's rows that are an arch's; all of those rows must be in its header.
_ABIS = {
    "aarch64": ("common", "64", "renameat", "rlimit", "memfd_secret"), "loongarch64": ("common", "64", "memfd_secret"),
    "riscv64": ("common", "64", "riscv", "rlimit", "memfd_secret"),
    "x86_64": ("common", "64"), "x32": ("common", "x32"), "i386": ("i386",), "arm": ("common", "eabi"),
    "ppc64le": ("common", "64", "nospu"), "s390x": ("common", "64"), "mips64el": ("n64", "common"),
}  # fmt: skip


def _row(call: str, nr: int, rows: list[Row], name: str) -> Row | None:
    """The `.tbl` line of a header's name, by both number and name."""
    return next((row for row in rows if row.nr == nr and row.name == call and row.abi in _ABIS[name]), None)


def render(calls: list[Call], name: str, made_from: str) -> str:
    """Spell a table as a module: one aligned line per call."""
    arch = ARCHES[name]
    lines = [
        f"# Generated by tools/gen_abi.py from {made_from}",
        f"# ({arch.table}, {arch.triplet}/asm/unistd.h, SYSCALL_DEFINEs, syscalls(2)).",
        "# Do not edit: run tools/gen_abi.py; with --check it fails when this file and they disagree.",
        f'"""System calls of {name}: (number, name, kernel version of appearance, arguments)."""',
        "",
        "SYSCALLS = (",
    ]
    digits = max(len(_number(call.nr, name)) for call in calls)
    width = max(len(call.name) for call in calls) + 3
    for call in calls:
        nr = _number(call.nr, name) + ","
        quoted = f'"{call.name}",'
        version = f'"{call.since}",'
        lines.append(f'    ({nr:<{digits + 1}} {quoted:<{width}} {version:<9} "{call.args}"),')
    return "\n".join([*lines, ")", ""])


def _number(nr: int, name: str) -> str:
    return f"{nr:#x}" if name == "x32" or nr > 0xFFFF else str(nr)
