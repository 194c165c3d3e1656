"""Rewrite programs: each pass is a pure function from a program to one that answers every call alike.

Our own compiler leaves next to nothing for them to do; they are for programs that others have written.
"""

from __future__ import annotations

from troth.bpf.program import JA, LD_ABS, MAX_INSNS, RET_K, TAX, Program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from troth.bpf.program import Insn

    Pass = Callable[[Program], Program]
    # An instruction that names the places it goes on at: code, k, where it is taken, where it is not.
    Step = tuple[int, int, int, int]

_JUMP: Final = 0x05  # the class of jumps
_RET: Final = 0x06
_CLASS: Final = 0x07
_KEEP_A: Final = (0x01, 0x02, 0x03)  # LDX, ST, STX
_REACH: Final = 255


def thread_jumps(program: Program) -> Program:
    """Send a jump that lands on `ja` straight to where that goes, where it can reach so far.

    Sound: `ja` reads and writes nothing, so passing it by changes no state.
    """
    insns = program.insns
    found = []
    for place, (code, jt, jf, k) in enumerate(insns):
        if code == JA:
            found.append((JA, 0, 0, _landing(insns, place + 1 + k) - place - 1))
        elif code & _CLASS == _JUMP:
            yes = _landing(insns, place + 1 + jt) - place - 1
            no = _landing(insns, place + 1 + jf) - place - 1
            found.append((code, yes if yes <= _REACH else jt, no if no <= _REACH else jf, k))
        else:
            found.append((code, jt, jf, k))
    return Program(tuple(found))


def drop_decided(program: Program) -> Program:
    """Replace a conditional jump both of whose ways go to one place by `ja`.

    Sound: a comparison changes neither A nor X, so only where it goes matters.
    """
    return Program(
        tuple(
            (JA, 0, 0, jt) if code != JA and code & _CLASS == _JUMP and jt == jf else (code, jt, jf, k)
            for code, jt, jf, k in program.insns
        )
    )


def drop_loads(program: Program) -> Program:
    """Replace a load of a word that A holds already by `ja` to what follows.

    Sound: what A holds at a place is what it holds on *every* way there, and nothing where two ways differ; a
    program jumps only forward, so all of a place's ways have been seen before it. Words of a call never change.
    """
    insns = program.insns
    unseen, unknown = -1, -2
    held = [unseen] * (len(insns) + 1)
    held[0] = unknown
    found: list[Insn] = []
    for place, insn in enumerate(insns):
        code, jt, jf, k = insn
        here = held[place]
        if code == LD_ABS and here == k:
            insn = (JA, 0, 0, 0)
        found.append(insn)
        if here == unseen or code & _CLASS == _RET:
            continue
        if code == JA:
            ways = [place + 1 + k]
        elif code & _CLASS == _JUMP:
            ways = [place + 1 + jt, place + 1 + jf]
        else:
            ways = [place + 1]
            if code == LD_ABS:
                here = k
            elif code != TAX and code & _CLASS not in _KEEP_A:
                here = unknown
        for way in ways:
            held[way] = here if held[way] in (unseen, here) else unknown
    return Program(tuple(found))


def share_tails(program: Program) -> Program:
    """Lay the program out anew: equal ends become one, what nothing leads to goes, and so does every `ja`.

    Sound: two places with the same instruction whose ways lead to places already found equal do the same, whatever
    the registers hold; an instruction that is never reached has no effect. Where a jump cannot reach, a `ja`
    is put in between. Gives the program itself when that would not be shorter.
    """
    insns = program.insns
    numbers: dict[Step, int] = {}
    steps: list[Step] = []
    same: list[int] = [0] * len(insns)
    for place in range(len(insns) - 1, -1, -1):
        code, jt, jf, k = insns[place]
        if code == JA:
            same[place] = same[place + 1 + k]
            continue
        if code & _CLASS == _RET:
            step = (code, k, -1, -1)
        elif code & _CLASS == _JUMP:
            step = (code, k, same[place + 1 + jt], same[place + 1 + jf])
        else:
            step = (code, k, same[place + 1], -1)
        if step not in numbers:
            numbers[step] = len(steps)
            steps.append(step)
        same[place] = numbers[step]
    laid = _laid_out(steps, same[0])
    return program if laid is None or len(laid) >= len(insns) else Program(tuple(laid))


def _laid_out(steps: list[Step], start: int) -> list[Insn] | None:
    """Instructions for numbered steps, whose ways have smaller numbers; None when they are too many."""
    wanted = {start}
    for number in range(start, -1, -1):
        if number in wanted:
            wanted |= {way for way in steps[number][2:] if way >= 0}
    backwards: list[Insn] = []
    place: dict[int, int] = {}

    def reach(way: int, spare: int) -> int:
        if len(backwards) - 1 - place[way] + spare > _REACH:
            code, _, _, k = backwards[place[way]]
            insn = (code, 0, 0, k) if code == RET_K else (JA, 0, 0, len(backwards) - 1 - place[way])
            backwards.append(insn)
            if code == RET_K:
                place[way] = len(backwards) - 1
            return len(backwards) - 1
        return place[way]

    for number in sorted(wanted):
        code, k, yes, no = steps[number]
        if len(backwards) > MAX_INSNS:
            return None
        if code & _CLASS == _JUMP:
            at_yes = reach(yes, 1)
            at_no = reach(no, 0)
            last = len(backwards) - 1
            backwards.append((code, last - at_yes, last - at_no, k))
        elif code & _CLASS == _RET:
            backwards.append((code, 0, 0, k))
        else:
            if place[yes] != len(backwards) - 1:
                backwards.append((JA, 0, 0, len(backwards) - 1 - place[yes]))
            backwards.append((code, 0, 0, k))
        place[number] = len(backwards) - 1
    return backwards[::-1]


def _landing(insns: tuple[Insn, ...], place: int) -> int:
    while place < len(insns) and insns[place][0] == JA:
        place += 1 + insns[place][3]
    return place


PASSES: Final[tuple[Pass, ...]] = (thread_jumps, drop_decided, drop_loads, share_tails)


def optimize(program: Program) -> Program:
    """Apply all passes until none makes the program shorter. The kernel's validity rules must hold for it.

    >>> from troth.bpf.program import JEQ
    >>> same = ((LD_ABS, 0, 0, 0), (JEQ, 0, 1, 7), (RET_K, 0, 0, 5), (LD_ABS, 0, 0, 0), (RET_K, 0, 0, 5))
    >>> len(optimize(Program(same)))
    2
    """
    while True:
        shorter = program
        for change in PASSES:
            shorter = change(shorter)
        if len(shorter) >= len(program):
            return shorter
        program = shorter
