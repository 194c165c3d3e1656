"""The same questions to an SMT solver: for arithmetic that no decision diagram holds, and as a second opinion.

Programs are run forward over bit-vectors; where paths meet, registers become if-then-else terms, so the formula is as
long as the program. z3 is optional (`troth[smt]`): without it, and when it gives up, the answer is "unknown".
"""

from __future__ import annotations

from troth import abi
from troth.abi.seccomp import ACTION_MASK, ACTIONS, RET_ALLOW, RET_ERRNO, RET_KILL_PROCESS, RET_TRACE, RET_TRAP
from troth.bpf.emulator import USES_X
from troth.bpf.program import (
    DATA_SIZE,
    JA,
    LD_ABS,
    LD_IMM,
    LD_LEN,
    LD_MEM,
    LDX_IMM,
    LDX_LEN,
    LDX_MEM,
    NEG,
    OFFSET_ARCH,
    OFFSET_ARGS,
    OFFSET_IP,
    OFFSET_NR,
    RET_A,
    RET_K,
    ST,
    STX,
    TAX,
    TXA,
    Call,
    Program,
)  # fmt: skip
from troth.errors import ParseError
from troth.policy.expr import All, Not, Within
from troth.policy.model import Policy
from troth.proof.result import PROVED, REFUTED, Result, Witness

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Final

    from troth.policy.callset import CallSet
    from troth.policy.expr import Expr
    from troth.policy.model import Rule
    from troth.proof.question import Subject

    Term = Any  # z3 has no types
    # The registers on one way into an instruction: when it is taken, A, X and scratch memory.
    Way = tuple[Term, Term, Term, tuple[Term, ...]]

# What a question may take before the answer is "unknown".
SECONDS: Final = 20
MEGABYTES: Final = 2000


class Solver:
    """One question: the bits of a call as variables, subjects as terms over them."""

    def __init__(self, z3: Any, *, big_endian: bool) -> None:
        self.z3 = z3
        self.big_endian = big_endian
        self.arch = z3.BitVec("arch", 32)
        self.nr = z3.BitVec("nr", 32)
        self.wide = [z3.BitVec(f"arg{index}", 64) for index in range(6)] + [z3.BitVec("ip", 64)]

    def word(self, offset: int) -> Term:
        """The word of `struct seccomp_data` at an offset, in bytes."""
        if offset in (OFFSET_NR, OFFSET_ARCH):
            return self.nr if offset == OFFSET_NR else self.arch
        if offset % 4 or not OFFSET_IP <= offset < DATA_SIZE:
            raise ParseError(f"offset {offset}", "not a word of the call's data")
        wide = self.wide[6 if offset < OFFSET_ARGS else (offset - OFFSET_ARGS) // 8]
        upper = (offset % 8 == 4) is not self.big_endian
        return self.z3.Extract(63, 32, wide) if upper else self.z3.Extract(31, 0, wide)

    def subject(self, subject: Subject, *, exact: bool) -> Term:
        """What a subject answers, as a term of 32 bits."""
        if isinstance(subject, Policy):
            raw = self.policy(subject)
        elif isinstance(subject, Program):
            raw = self.program(subject)
        else:
            raw = self._number(RET_ALLOW)
            for program in subject:
                newer = self.program(program)
                action, before = newer & ACTION_MASK, raw & ACTION_MASK
                raw = self.z3.If(action <= before, newer, raw)  # signed, as the kernel compares
        return raw if exact else self.effective(raw)

    def effective(self, raw: Term) -> Term:
        """The answer that says plainly what an answer does; see `bpf.symbolic.space.effective`."""
        z3 = self.z3
        action, data = raw & ACTION_MASK, raw & 0xFFFF
        known = z3.Or(*(action == self._number(value) for value in ACTIONS))
        errno = z3.If(z3.UGT(data, 4095), self._number(RET_ERRNO | 4095), raw)
        told = z3.Or(action == self._number(RET_TRAP), action == self._number(RET_TRACE))
        plain = z3.If(action == self._number(RET_ERRNO), errno, z3.If(told, raw, action))
        return z3.If(known, plain, self._number(RET_KILL_PROCESS))

    def program(self, program: Program) -> Term:
        """What a program answers."""
        z3, insns = self.z3, program.insns
        zero = self._number(0)
        ways: list[list[Way]] = [[] for _ in range(len(insns) + 1)]
        ways[0].append((z3.BoolVal(True), zero, zero, (zero,) * 16))
        answers: list[tuple[Term, Term]] = []
        for at, insn in enumerate(insns):
            if not ways[at]:
                continue
            when, a, x, memory = self._met(ways[at])
            code, jt, jf, k = insn
            if code in (RET_K, RET_A):
                answers.append((when, self._number(k) if code == RET_K else a))
            elif code == JA:
                self._go(ways, at, at + 1 + k, (when, a, x, memory))
            elif code & 0x07 == 0x05:
                taken = self._taken(at, insn, a, x)
                self._go(ways, at, at + 1 + jt, (z3.And(when, taken), a, x, memory))
                self._go(ways, at, at + 1 + jf, (z3.And(when, z3.Not(taken)), a, x, memory))
            else:
                if code & 0xF7 == 0x34:
                    divisor = x if code & USES_X else self._number(k)
                    answers.append((z3.And(when, divisor == 0), zero))
                    when = z3.And(when, divisor != 0)
                self._go(ways, at, at + 1, (when, *self._moved(at, insn, a, x, memory)))
        raw = zero
        for condition, answer in answers:
            raw = z3.If(condition, answer, raw)
        return raw

    def _go(self, ways: list[list[Way]], at: int, target: int, way: Way) -> None:
        if target >= len(ways) - 1:
            raise ParseError(f"instruction {at}", "the program runs off its end")
        ways[target].append(way)

    def _met(self, ways: list[Way]) -> Way:
        """Where ways meet: the registers of whichever was taken."""
        when, a, x, memory = ways[0]
        for other, a_, x_, memory_ in ways[1:]:
            a, x = (self._either(other, new, old) for new, old in ((a_, a), (x_, x)))
            memory = tuple(self._either(other, new, old) for new, old in zip(memory_, memory, strict=True))
            when = self.z3.Or(when, other)
        return when, a, x, memory

    def _either(self, when: Term, new: Term, old: Term) -> Term:
        return old if new.eq(old) else self.z3.If(when, new, old)

    def _taken(self, at: int, insn: tuple[int, int, int, int], a: Term, x: Term) -> Term:
        code, _, _, k = insn
        operand = x if code & USES_X else self._number(k)
        match code & 0xF7:
            case 0x15:
                return a == operand
            case 0x25:
                return self.z3.UGT(a, operand)
            case 0x35:
                return self.z3.UGE(a, operand)
            case 0x45:
                return (a & operand) != 0
        raise ParseError(f"instruction {at}", f"opcode {code:#06x} with k={k:#x} is not accepted by seccomp")

    def _moved(
        self, at: int, insn: tuple[int, int, int, int], a: Term, x: Term, memory: tuple[Term, ...]
    ) -> tuple[Term, Term, tuple[Term, ...]]:
        """The registers after an instruction that is no jump."""
        code, _, _, k = insn
        if code == LD_ABS:
            return self.word(k), x, memory
        if code in (LD_IMM, LD_LEN):
            return self._number(DATA_SIZE if code == LD_LEN else k), x, memory
        if code in (LDX_IMM, LDX_LEN):
            return a, self._number(DATA_SIZE if code == LDX_LEN else k), memory
        if code in (LD_MEM, LDX_MEM) and k < 16:
            return (memory[k], x, memory) if code == LD_MEM else (a, memory[k], memory)
        if code in (ST, STX) and k < 16:
            return a, x, (*memory[:k], a if code == ST else x, *memory[k + 1 :])
        if code in (TAX, TXA):
            return (a, a, memory) if code == TAX else (x, x, memory)
        if code == NEG:
            return -a, x, memory
        operand = x if code & USES_X else self._number(k)
        steps: dict[int, Callable[[], Term]] = {
            0x00: lambda: a + operand,
            0x10: lambda: a - operand,
            0x20: lambda: a * operand,
            0x30: lambda: self.z3.UDiv(a, operand),
            0x40: lambda: a | operand,
            0x50: lambda: a & operand,
            0x60: lambda: a << (operand & 31),
            0x70: lambda: self.z3.LShR(a, operand & 31),
            0xA0: lambda: a ^ operand,
        }
        if code & 0x07 != 0x04 or code & 0xF0 not in steps:
            raise ParseError(f"instruction {at}", f"opcode {code:#06x} with k={k:#x} is not accepted by seccomp")
        return steps[code & 0xF0](), x, memory

    def policy(self, policy: Policy) -> Term:
        """What a policy answers."""
        z3 = self.z3
        merged: dict[int, tuple[str, dict[int, tuple[Rule, ...]]]] = {}
        for name, calls in policy.sections.items():
            first, known = merged.setdefault(abi.arch(name).audit, (name, {}))
            merged[abi.arch(name).audit] = (first, {**known, **calls})
        raw = self._number(policy.bad_arch)
        for audit, (name, calls) in merged.items():
            section = self._number(policy.unknown)
            for low, high, answer in reversed(policy.gaps.get(name, ())):
                section = z3.If(z3.And(z3.UGE(self.nr, low), z3.ULE(self.nr, high)), self._number(answer), section)
            for nr, rules in calls.items():
                section = z3.If(self.nr == nr, self._rules(rules), section)
            raw = z3.If(self.arch == audit, section, raw)
        return raw

    def _rules(self, rules: tuple[Rule, ...]) -> Term:
        raw = self._number(rules[-1][1])
        for conds, answer in reversed(rules[:-1]):
            raw = self.z3.If(self.holds(All(conds)), self._number(answer), raw)
        return raw

    def holds(self, expr: Expr) -> Term:
        """When an expression holds."""
        z3 = self.z3
        if isinstance(expr, tuple):
            arg, mask, values, negate, wide = expr
            top = (1 << 64) - 1 if wide else (1 << 32) - 1
            value = self.wide[arg] & (mask & top)
            found = z3.Or(*(value == number for number in values if number <= top))
            return z3.Not(found) if negate else found
        if isinstance(expr, Within):
            value = self.wide[expr.arg] & expr.mask
            return z3.Or(*(z3.And(z3.UGE(value, first), z3.ULE(value, last)) for first, last in expr.ranges))
        if isinstance(expr, Not):
            return z3.Not(self.holds(expr.term))
        return (z3.And if isinstance(expr, All) else z3.Or)(*(self.holds(term) for term in expr.terms))

    def calls(self, calls: CallSet) -> Term:
        """When a call is in a set."""
        z3 = self.z3
        arch = abi.arch(calls.arch)
        found = self.holds(calls.others)
        for nr, expr in calls.calls.items():
            found = z3.If(self.nr == nr, self.holds(expr), found)
        found = z3.And(found, self.nr & abi.twin_bit(arch) == arch.nr_mask_bit)
        return z3.And(found, self.arch == arch.audit)

    def find(self, where: Term, answers: Sequence[Term]) -> Result:
        """Look for a call for which a condition holds: refuted with it, proved without, unknown after too long."""
        z3 = self.z3
        solver = z3.SolverFor("QF_BV")
        solver.set("timeout", SECONDS * 1000)
        solver.set("max_memory", MEGABYTES)
        solver.add(where)
        found = solver.check()
        if found == z3.unsat:
            return Result(PROVED)
        if found != z3.sat:
            return Result("unknown", None, f"z3 did not find out in {SECONDS} seconds")
        model = solver.model()
        values = [
            model.eval(term, model_completion=True).as_long() for term in (self.arch, self.nr, *self.wide, *answers)
        ]
        return Result(REFUTED, Witness(Call(values[0], values[1], tuple(values[2:8]), values[8]), tuple(values[9:])))

    def _number(self, value: int) -> Term:
        return self.z3.BitVecVal(value, 32)


def solver(*, big_endian: bool) -> Solver | None:
    """A solver, if z3 is installed."""
    try:
        import z3  # type: ignore[import-untyped]  # optional, and without types
    except ImportError:
        return None
    return Solver(z3, big_endian=big_endian)
