"""What an analysis of code needs to know about an architecture: registers, how it calls, how it enters the kernel.

Registers are numbers; a general register has the number that instructions give it. `aarch64` has `sp` as 31.
"""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["MACHINES", "Machine"]


class Machine(NamedTuple):
    """One architecture as the analysis of code sees it.

    `word` is the size of a pointer. `number` is the register that holds the number of a system call, `kernel_args`
    those that hold its arguments; `call_args` are the registers that a function is called with (none where they are on
    the stack). `stack_args` is how far above the stack pointer a function finds its first argument of the stack when
    it starts. `lost_by_call` and `lost_by_kernel` do not survive a call. `pushes` says that a call puts its return
    address on the stack.
    """

    arch: str
    word: int
    registers: tuple[str, ...]
    stack: int
    number: int
    kernel_args: tuple[int, ...]
    call_args: tuple[int, ...]
    stack_args: int
    lost_by_call: frozenset[int]
    lost_by_kernel: frozenset[int]
    pushes: bool

    @property
    def mask(self) -> int:
        """All bits of a register."""
        return (1 << 8 * self.word) - 1

    def entered_with(self) -> frozenset[int]:
        """Registers whose value at a function's start is named, since helpers in assembly take theirs in any."""
        return frozenset((*self.call_args, self.number, *self.kernel_args))


_X86_64: Final = ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", *(f"r{n}" for n in range(8, 16)))
_I386: Final = ("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi")
_AARCH64: Final = (*(f"x{n}" for n in range(31)), "sp")

MACHINES: Final = {
    "x86_64": Machine(
        "x86_64", 8, _X86_64, 4, 0, (7, 6, 2, 10, 8, 9), (7, 6, 2, 1, 8, 9), 8,
        frozenset((0, 1, 2, 6, 7, 8, 9, 10, 11)), frozenset((0, 1, 11)), True,
    ),
    "i386": Machine(
        "i386", 4, _I386, 4, 0, (3, 1, 2, 6, 7, 5), (), 4,
        frozenset((0, 1, 2)), frozenset((0,)), True,
    ),
    "aarch64": Machine(
        "aarch64", 8, _AARCH64, 31, 8, (0, 1, 2, 3, 4, 5), (0, 1, 2, 3, 4, 5, 6, 7), 0,
        frozenset((*range(19), 30)), frozenset((0,)), False,
    ),
}  # fmt: skip
