"""A program as text for people: each instruction with what it means for the calls that get there.

Architectures, calls, arguments and flags are named where they are known on every way to the instruction;
otherwise there are numbers.
"""

from __future__ import annotations

from functools import lru_cache

from troth import abi
from troth.abi import seccomp, words
from troth.bpf import places
from troth.bpf.disasm import Listing
from troth.bpf.flow import Known, State, states
from troth.bpf.opcodes import CONDITIONAL, INDEX, OPCODES, USES_K, WORD
from troth.bpf.program import DATA_SIZE, JA, OFFSET_ARCH, OFFSET_NR, RET_A, RET_K, ST, STX, TAX, TXA, Program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container
    from typing import Final

    from troth.bpf.program import Insn

_U32: Final = 0xFFFFFFFF
_MAX_ERRNO: Final = 4095  # include/linux/err.h; kernel/seccomp.c:__seccomp_filter() @v6.18 cuts larger ones to it
_NAMED_CALLS: Final = 4  # more names say less than a number

# What an operator is when a comparison is written as its contrary.
_SIGNS: Final = {"jeq": ("==", "!="), "jgt": (">", "<="), "jge": (">=", "<")}
_OPERATORS: Final = {
    "add": "+", "sub": "-", "mul": "*", "div": "/", "or": "|", "and": "&", "xor": "^", "lsh": "<<", "rsh": ">>",
}  # fmt: skip


def annotate(program: Program, *, big_endian: bool | None = None, arch: str | None = None) -> str:
    """Write a program for people: place, raw bytes, assembly and meaning of each instruction.

    `big_endian` says where the halves of arguments are, by default as on this machine; `arch` whose errno names
    the assembly has.

    >>> from troth.bpf import assemble
    >>> filter = "ld [arch]; jne #AUDIT_ARCH_X86_64, no; ld [nr]; jeq #__NR_getpid, ok, no; ok: ret #ALLOW; no: ret #0"
    >>> print(annotate(assemble(filter.replace(";", "\\n"), arch="x86_64"), big_endian=False), end="")
       0  20 00 00 00000004          ld [arch]                     ; architecture
       1  15 00 03 c000003e          jne #0xc000003e, L1           ; architecture is not x86_64
       2  20 00 00 00000000          ld [nr]                       ; number of the call
       3  15 00 01 00000027          jne #0x27, L1                 ; call is not getpid
       4  06 00 00 7fff0000          ret #ALLOW                    ; allow: getpid
       5  06 00 00 00000000  L1:     ret #KILL_THREAD              ; kill the thread

    Raises:
        ParseError: there is no architecture of that name.
    """
    import sys

    high_first = sys.byteorder == "big" if big_endian is None else big_endian
    listing = Listing(program, big_endian=high_first, arch=words.arch(arch or "x86_64").name)
    said = comments(program, big_endian=high_first, contrary=listing.contrary)
    lines = []
    for place, (code, jt, jf, k) in enumerate(program.insns):
        label = f"{listing.labels[place]}:" if listing.labels[place] else ""
        line = f"{place:4}  {code:02x} {jt:02x} {jf:02x} {k:08x}  {label:7} {listing.texts[place]:29}"
        lines.append(f"{line} ; {said[place]}" if said[place] else line.rstrip())
    return "\n".join(lines) + "\n"


def comments(program: Program, *, big_endian: bool, contrary: Container[int] = ()) -> list[str]:
    """Say what each instruction means; `contrary` has the places whose comparison is written as its contrary."""
    found = []
    for place, (insn, state) in enumerate(zip(program.insns, states(program), strict=True)):
        if state is None:
            found.append("never reached")
        else:
            found.append(_Reading(state, big_endian).comment(insn, contrary=place in contrary))
    return found


def answer_words(raw: int, arch: str = "x86_64") -> str:
    """Say what an answer does to the call.

    >>> answer_words(0x00050001), answer_words(0x00050000), answer_words(0x7FC00000)
    ('fail with EPERM', 'return 0 without doing anything', 'ask the supervisor')
    """
    data = raw & 0xFFFF
    match raw & seccomp.ACTION_MASK:
        case seccomp.RET_ALLOW:
            return "allow"
        case seccomp.RET_LOG:
            return "allow and log"
        case seccomp.RET_ERRNO if data == 0:
            return "return 0 without doing anything"
        case seccomp.RET_ERRNO:
            name = words.answer(min(raw, seccomp.RET_ERRNO | _MAX_ERRNO), arch)
            return f"fail with {name.removeprefix('ERRNO(').removesuffix(')')}"
        case seccomp.RET_TRACE:
            return f"ask the tracer, with {data}" if data else "ask the tracer"
        case seccomp.RET_TRAP:
            return f"send SIGSYS, with {data}" if data else "send SIGSYS"
        case seccomp.RET_USER_NOTIF:
            return "ask the supervisor"
        case seccomp.RET_KILL_THREAD:
            return "kill the thread"
        case seccomp.RET_KILL_PROCESS:
            return "kill the process"
    return "kill the process: no kernel knows this action"


class _Reading:
    """One instruction read in the light of what is known before it."""

    __slots__ = ("state", "big_endian", "subjects")

    def __init__(self, state: State, big_endian: bool) -> None:
        self.state = state
        self.big_endian = big_endian
        self.subjects = _subjects(state)

    def comment(self, insn: Insn, *, contrary: bool) -> str:
        code, _, _, k = insn
        if code in CONDITIONAL:
            return self.condition(insn, contrary=contrary)
        if code == RET_K:
            return self._answer(k)
        if code == RET_A:
            return f"answer {self._known(self.state.a)}"
        if code not in OPCODES or code == JA:
            return ""
        name, form = OPCODES[code]
        if form == WORD:
            return self._known(Known(offset=k)) if k < DATA_SIZE and k % 4 == 0 else ""
        if code in (ST, STX):
            return f"M[{k}] = {self._known(self.state.a if code == ST else self.state.x)}"
        if code in (TAX, TXA):
            return f"X = {self._known(self.state.a)}" if code == TAX else self._known(self.state.x, "X")
        if name == "neg":
            return f"-{self._known(self.state.a)}"
        if name in _OPERATORS:
            return self._operation(name, form, k)
        return ""

    def _operation(self, name: str, form: str, k: int) -> str:
        a = self.state.a
        operand = self.state.x if form == INDEX else Known(k)
        if name == "and" and a is not None and a.value is None and operand is not None and operand.value is not None:
            return self._known(Known(offset=a.offset, mask=a.mask & operand.value))
        left = self._known(a)
        left = f"({left})" if " " in left else left
        return f"{left} {_OPERATORS[name]} {self._known(operand, 'X')}"

    def _answer(self, raw: int) -> str:
        archs = {arch for arch, _ in self.subjects or ()} or set(_archs(self.state)) or {"x86_64"}
        texts = {answer_words(raw, arch) for arch in archs}
        text = texts.pop() if len(texts) == 1 else f"fail with error {raw & 0xFFFF}"
        names = sorted({name for _, name in self.subjects or () if name})
        return f"{text}: {', '.join(names)}" if 0 < len(names) <= _NAMED_CALLS else text

    def condition(self, insn: Insn, *, contrary: bool) -> str:
        """A comparison in words, or its contrary."""
        code, _, _, k = insn
        name = OPCODES[code][0]
        operand = Known(k) if code in USES_K else self.state.x
        a = self.state.a
        if name == "jset":
            return f"{self._bits(a, operand)}"
        sign = _SIGNS[name][contrary]
        if a is None or a.value is not None or operand is None or operand.value is None:
            return f"{self._known(a)} {sign} {self._known(operand, 'X')}"
        number = operand.value
        if a.offset == OFFSET_ARCH and a.mask == _U32:
            text = words.arch_words(number)
            return f"architecture {'is' if sign == '==' else 'is not' if sign == '!=' else sign} {text}"
        if a.offset == OFFSET_NR and a.mask == _U32:
            return self._number_condition(sign, number)
        text = self._value(a, number)
        if sign not in ("==", "!=") and not text[:1].isdigit():
            text = f"{number:#x} ({text})"
        return f"{self._known(a)} {sign} {text}"

    def _number_condition(self, sign: str, number: int) -> str:
        names = sorted({words.call_name(arch, number) for arch in _archs(self.state)} - {""})
        text = " or ".join(names) if 0 < len(names) <= 2 else ""
        if sign in ("==", "!="):
            plain = str(number if number <= 0x7FFFFFFF else number - (1 << 32))
            return f"call {'is' if sign == '==' else 'is not'} {text or plain}"
        if number == abi.X32_BIT:
            text = "x32"
        return f"number {sign} {number:#x}" + (f" ({text})" if text else "")

    def _bits(self, a: Known | None, operand: Known | None) -> str:
        if a is not None and a.value is None and operand is not None and operand.value is not None:
            if a.offset == OFFSET_NR and operand.value == abi.X32_BIT:
                return "number & 0x40000000 (x32)"
            return self._known(Known(offset=a.offset, mask=a.mask & operand.value))
        return f"{self._known(a)} & {self._known(operand, 'X')}"

    def _known(self, held: Known | None, register: str = "A") -> str:
        """A register's content in words; its own name when nothing is known."""
        if held is None:
            return register
        if held.value is not None:
            return f"{held.value:#x}" if held.value > 9 else str(held.value)
        text = self._word(held.offset)
        return text if held.mask == _U32 else f"{text} & {self._mask(held)}"

    def _word(self, offset: int) -> str:
        field, index, _ = places.word(offset)
        if field != "args":
            whole = {"nr": "number of the call", "arch": "architecture", "ip": "instruction pointer"}[field]
            return whole if field != "ip" else f"{whole}, {self._half(offset)} half"
        found = [_argument(arch, call, index) for arch, call in self.subjects or ()]
        names = {name for name, _ in found}
        name = names.pop() if len(names) == 1 else ""
        # Where the kernel reads 32 bits on all ways, the lower half is the argument.
        if name and self._half(offset) == "lower" and all(kind in ("i32", "u32") for _, kind in found):
            return name
        return f"{name or f'argument {index}'}, {self._half(offset)} half"

    def _half(self, offset: int) -> str:
        return "upper" if places.is_high(offset, big_endian=self.big_endian) else "lower"

    def _mask(self, held: Known) -> str:
        field, index, _ = places.word(held.offset)
        if field == "args" and self._half(held.offset) == "lower":
            texts = {
                words.mask(arch, call, index, held.mask, known=self._others(), width=32)
                for arch, call in self.subjects or ()
            }
            if len(texts) == 1:
                text = texts.pop()
                return f"({text})" if "|" in text and not text.startswith("~") else text
        return f"{held.mask:#x}"

    def _value(self, held: Known, number: int) -> str:
        field, index, _ = places.word(held.offset)
        if field == "args" and self._half(held.offset) == "lower":
            upper = dict(self.state.words).get(places.argument(index, high=True, big_endian=self.big_endian), 0)
            texts = {
                words.argument(arch, call, index, upper << 32 | number, known=self._others(), within=held.mask)
                for arch, call in self.subjects or ()
            }
            if len(texts) == 1:
                return texts.pop()
        return f"{number:#x}" if number > 9 else str(number)

    def _others(self) -> dict[int, int]:
        """The arguments whose value is known, as far as their lower halves say."""
        found = {}
        for offset, value in self.state.words:
            field, index, _ = places.word(offset)
            if field == "args" and not places.is_high(offset, big_endian=self.big_endian):
                found[index] = value
        return found


def _archs(state: State) -> list[str]:
    """The architectures of the calls that get here, by name; empty when any may."""
    audits = {audit for audit, _, _ in state.calls}
    if None in audits:
        return []
    return [known.name for audit in audits if audit is not None for known in words.arches(audit)]


def _subjects(state: State) -> list[tuple[str, str]] | None:
    """The calls that get here, as (architecture, name); None when they are not all known."""
    found = []
    for audit, first, last in state.calls:
        if audit is None or first != last:
            return None
        names = [(known.name, words.call_name(known.name, first)) for known in words.arches(audit)]
        named = [(arch, name) for arch, name in names if name]
        if not named:
            return None
        found += named
    return found


@lru_cache(maxsize=4096)
def _argument(arch: str, call: str, index: int) -> tuple[str, str]:
    try:
        args = abi.syscall(arch, call).args
    except KeyError:  # an architecture whose calls' arguments are not known
        return "", ""
    return args[index] if index < len(args) else ("", "")
