"""Assembler: the text of a program to the program.

The language is that of the kernel's bpf_asm for what seccomp accepts, with names:

    .arch x86_64                    ; whose system calls and constants the names below are
    .order little                   ; where the halves of 64-bit arguments are; by default this machine's
            ld [arch]
            jne #AUDIT_ARCH_X86_64, bad
            ld [nr]
            jne #__NR_openat, good
            ld [args[2].lo]
            and #O_ACCMODE
            jeq #O_RDONLY, good, bad
    good:   ret #ALLOW
    bad:    ret #ERRNO(EPERM)

A number is decimal, `0x` hexadecimal, `0` octal, or negative; a `;` begins a comment. `.insn code, jt, jf, k`
is an instruction as it is, for what has no name or has fields that the kernel ignores. `disasm` writes what
this reads.
"""

from __future__ import annotations

from troth import abi
from troth.abi import words
from troth.bpf.opcodes import (
    ACCUMULATOR,
    INDEX,
    JUMP,
    JUMP_INDEX,
    JUMP_NUMBER,
    LENGTH,
    NOTHING,
    NUMBER,
    OPCODES,
    SLOT,
    SOCKET_ONLY,
    WORD,
)
from troth.bpf.places import offset_of
from troth.bpf.program import MAX_INSNS, Program
from troth.errors import ParseError, nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from troth.bpf.program import Insn

_CODES: Final = {(name, form): code for code, (name, form) in OPCODES.items()}
_NAMES: Final = {name for name, _ in OPCODES.values()}
# Comparisons that bpf_asm also has, as the one that the machine has with its targets exchanged.
_EXCHANGED: Final = {"jneq": "jeq", "jne": "jeq", "jle": "jgt", "jlt": "jge"}
_OTHER_NAMES: Final = {"jmp": "ja", "ldi": "ld", "ldxi": "ldx"}
_FOREIGN: Final = {text.split()[0] for text in SOCKET_ONLY.values()} - _NAMES
_DIRECTIVES: Final = (".arch", ".order", ".insn")
_REACH: Final = 255


class _Line:
    """One instruction as written, its targets still names."""

    __slots__ = ("number", "code", "k", "targets", "insn")

    def __init__(self, number: int, code: int, k: int = 0, targets: tuple[str, ...] = ()) -> None:
        self.number = number
        self.code = code
        self.k = k
        self.targets = targets
        self.insn: Insn | None = None

    def wrong(self, problem: str, *, hint: str = "") -> ParseError:
        return ParseError(f"line {self.number}", problem, hint=hint)


class _Reader:
    """Reads line by line; knows the architecture and byte order that are in force."""

    def __init__(self, big_endian: bool, arch: str) -> None:
        self.big_endian = big_endian
        self.arch = arch
        self.number = 0
        self.lines: list[_Line] = []
        self.labels: dict[str, int] = {}

    def wrong(self, problem: str, *, hint: str = "") -> ParseError:
        return ParseError(f"line {self.number}", problem, hint=hint)

    def read(self, raw: str) -> None:
        """Take one line of text."""
        self.number += 1
        text = _without_comment(raw)
        while True:
            word, colon, rest = text.partition(":")
            if not colon or not _is_name(word.strip()):
                break
            self._label(word.strip())
            text = rest
        text = text.strip()
        if not text:
            return
        word, _, rest = text.partition(" ") if " " in text else text.partition("\t")
        operands = rest.strip()
        if word.startswith("."):
            self._directive(word, operands)
        else:
            self._append(self._instruction(word.lower(), operands))

    def _label(self, name: str) -> None:
        if name in self.labels:
            raise self.wrong(f"the label `{name}` stands twice")
        self.labels[name] = len(self.lines)

    def _append(self, line: _Line) -> None:
        if len(self.lines) == MAX_INSNS:
            raise self.wrong(f"the kernel takes at most {MAX_INSNS} instructions")
        self.lines.append(line)

    def _directive(self, word: str, operands: str) -> None:
        if word == ".arch":
            try:
                self.arch = words.arch(operands).name
            except ParseError as error:
                raise self.wrong(error.problem, hint=error.hint) from None
        elif word == ".order":
            if operands not in ("little", "big"):
                raise self.wrong(f"unknown byte order `{_short(operands)}`", hint="write `little` or `big`")
            self.big_endian = operands == "big"
        elif word == ".insn":
            parts = [part.strip() for part in operands.split(",")]
            if len(parts) != 4:
                raise self.wrong(f"`.insn` takes code, jt, jf and k, not {len(parts)} numbers")
            limits = (0xFFFF, 0xFF, 0xFF, 0xFFFFFFFF)
            values = [self._number(part, most=most) for part, most in zip(parts, limits, strict=True)]
            line = _Line(self.number, values[0])
            line.insn = (values[0], values[1], values[2], values[3])
            self._append(line)
        else:
            raise self.wrong(f"unknown directive `{_short(word)}`", hint=f"there are {' '.join(_DIRECTIVES)}")

    def _instruction(self, name: str, operands: str) -> _Line:
        name = _OTHER_NAMES.get(name, name)
        exchanged = name in _EXCHANGED
        name = _EXCHANGED.get(name, name)
        if name in _FOREIGN:
            raise self.wrong(f"`{name}` is for socket filters; seccomp does not take it")
        if name not in _NAMES:
            hint = nearest(name, [*_NAMES, *_EXCHANGED, *_OTHER_NAMES], "instruction")
            raise self.wrong(f"unknown instruction `{_short(name)}`", hint=hint)
        if name == "ja":
            return _Line(self.number, _CODES["ja", JUMP], targets=(self._target(operands),))
        if (name, JUMP_NUMBER) in _CODES:
            return self._jump(name, operands, exchanged=exchanged)
        form, k = self._operand(name, operands)
        if (name, form) not in _CODES:
            forms = ", ".join(f"`{name} {form}`".replace(" `", "`") for other, form in _CODES if other == name)
            raise self.wrong(f"`{name}` does not take `{_short(operands)}`", hint=f"there is {forms}")
        return _Line(self.number, _CODES[name, form], k)

    def _jump(self, name: str, operands: str, *, exchanged: bool) -> _Line:
        parts = [part.strip() for part in operands.split(",")]
        most = 2 if exchanged else 3
        if not 2 <= len(parts) <= most:
            raise self.wrong(
                f"`{_short(operands)}` is not what a comparison takes",
                hint=f"write a number or x, then {'one label' if exchanged else 'one or two labels'}",
            )
        targets = [self._target(part) for part in parts[1:]] + [""]
        yes, no = (targets[1], targets[0]) if exchanged else (targets[0], targets[1])
        form, k = self._operand(name, parts[0])
        if form not in (NUMBER, INDEX):
            raise self.wrong(f"cannot compare with `{_short(parts[0])}`", hint="write `#` and a number, or x")
        return _Line(self.number, _CODES[name, JUMP_NUMBER if form == NUMBER else JUMP_INDEX], k, (yes, no))

    def _target(self, text: str) -> str:
        if not _is_name(text):
            raise self.wrong(f"`{_short(text)}` is not a label")
        return text

    def _operand(self, name: str, text: str) -> tuple[str, int]:
        """The form of an operand and its k."""
        if not text:
            return NOTHING, 0
        lower = text.lower().lstrip("%")
        if lower in (ACCUMULATOR, INDEX):
            return lower, 0
        if lower in (LENGTH, "#len"):
            return LENGTH, 0
        if text.startswith("#"):
            return NUMBER, self._value(text[1:].strip(), answer=name == "ret")
        if text[:1] in "Mm" and text[1:].lstrip().startswith("[") and text.endswith("]"):
            inner = text[1:].lstrip()[1:-1].strip()
            return SLOT, self._number(inner, most=0xFFFFFFFF)
        if text.startswith("[") and text.endswith("]"):
            inner = text[1:-1].strip()
            if inner[:1].isdigit():
                return WORD, self._number(inner, most=0xFFFFFFFF)
            try:
                return WORD, offset_of(inner, big_endian=self.big_endian)
            except ParseError as error:
                raise self.wrong(error.problem, hint=error.hint) from None
        return f"`{_short(text)}`", 0

    def _value(self, text: str, *, answer: bool) -> int:
        """What follows a `#`: a number, a constant, a system call, or after ret an answer."""
        try:
            if answer and text[:1].isalpha():
                return words.answer_value(text, self.arch)
            if text.startswith("__NR_"):
                return words.call_number(self.arch, text.removeprefix("__NR_")) & 0xFFFFFFFF
            return self._fit(words.constant(text, self.arch), text, 0xFFFFFFFF)
        except ParseError as error:
            raise self.wrong(error.problem, hint=error.hint) from None

    def _number(self, text: str, *, most: int) -> int:
        if not text[:1].isdigit() and not text.startswith("-"):
            raise self.wrong(f"`{_short(text)}` is not a number")
        try:
            return self._fit(words.constant(text, self.arch), text, most)
        except ParseError as error:
            raise self.wrong(error.problem, hint=error.hint) from None

    def _fit(self, value: int, text: str, most: int) -> int:
        if not -(most + 1) // 2 <= value <= most:
            raise self.wrong(f"`{_short(text)}` does not fit {most.bit_length()} bits")
        return value & most


def assemble(text: str, *, big_endian: bool | None = None, arch: str | None = None) -> Program:
    """Assemble the text of a program.

    `big_endian` says where the halves of arguments are until the text says so itself (by default as on this
    machine), `arch` whose numbers `#__NR_openat` and other names stand for (by default this machine's, x86_64
    on one without tables). Jumps are checked to be in reach; the rest is for `verify` to judge.

    >>> assemble("ld [nr]; the number\\njeq #0x27, no\\nret #ALLOW\\nno: ret #ERRNO(EPERM)").insns
    ((32, 0, 0, 0), (21, 1, 0, 39), (6, 0, 0, 2147418112), (6, 0, 0, 327681))

    Raises:
        ParseError: the text is not a program; `where` is the line, the hint the nearest name.
    """
    import sys

    reader = _Reader(
        sys.byteorder == "big" if big_endian is None else big_endian,
        _native_or_x86_64() if arch is None else words.arch(arch).name,
    )
    for raw in text.split("\n"):
        reader.read(raw)
    if not reader.lines:
        raise ParseError(f"line {reader.number}", "there is no instruction")
    return Program(tuple(_resolved(place, line, reader.labels) for place, line in enumerate(reader.lines)))


def _resolved(place: int, line: _Line, labels: dict[str, int]) -> Insn:
    if line.insn:
        return line.insn
    if not line.targets:
        return line.code, 0, 0, line.k
    distances = [_distance(place, line, target, labels) for target in line.targets]
    if len(distances) == 1:
        return line.code, 0, 0, distances[0]
    for target, distance in zip(line.targets, distances, strict=True):
        if distance > _REACH:
            raise line.wrong(
                f"`{_short(target)}` is {distance} instructions away; a comparison reaches {_REACH}",
                hint="jump to a `ja` on the way",
            )
    return line.code, distances[0], distances[1], line.k


def _distance(place: int, line: _Line, target: str, labels: dict[str, int]) -> int:
    if not target:
        return 0  # the next instruction
    if target not in labels:
        raise line.wrong(f"there is no label `{_short(target)}`", hint=nearest(target, labels, "label"))
    distance = labels[target] - place - 1
    if distance < 0:
        raise line.wrong(f"`{_short(target)}` is behind: jumps only go forward")
    return distance


def _native_or_x86_64() -> str:
    from troth.errors import UnsupportedError

    try:
        return abi.native().name
    except UnsupportedError:
        return "x86_64"


def _without_comment(text: str) -> str:
    text = text.partition(";")[0]
    before, opened, rest = text.partition("/*")
    while opened:
        _, closed, after = rest.partition("*/")
        text = f"{before} {after}" if closed else before
        before, opened, rest = text.partition("/*")
    return text


def _is_name(text: str) -> bool:
    return text.isascii() and text.isidentifier()


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."
