"""Assemble a program from its end.

cBPF jumps only forward, so a program that is written backwards knows every target's place when a
jump to it is made. Places are counted from the end; equal instructions with equal targets are the
same place, which is how leaves and common tails come to be shared.
"""

from __future__ import annotations

from troth.bpf.program import AND, JA, JEQ, JGE, JSET, LD_ABS, RET_K, Program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from troth.bpf.program import Insn

_REACH: Final = 255  # jt and jf are bytes


class Builder:
    """A program under construction; each method gives the place of what it appended.

    Invariant: every place already appended is complete, so a place can be a target at once.
    """

    def __init__(self) -> None:
        self._reversed: list[Insn] = []
        self._known: dict[tuple[int, ...], int] = {}

    def __len__(self) -> int:
        return len(self._reversed)

    def answer(self, raw: int) -> int:
        """Return this value to the kernel."""
        place = self._known.get((RET_K, raw))
        if place is None:
            place = self._known[RET_K, raw] = self._append((RET_K, 0, 0, raw))
        return place

    def load(self, offset: int, then: int) -> int:
        """Load a word of the call into A, then go on at `then`."""
        return self._falling((LD_ABS, 0, 0, offset), then)

    def mask(self, k: int, then: int) -> int:
        """And A with `k`, then go on at `then`."""
        return self._falling((AND, 0, 0, k), then)

    def if_equal(self, k: int, yes: int, no: int) -> int:
        """Go to `yes` when A is `k`."""
        # What `_branch` does, for the jump that most of a program consists of.
        key = (JEQ, k, yes, no)
        place = self._known.get(key)
        if place is not None:
            return place
        here = len(self._reversed) - 1
        if yes == no or here - yes >= _REACH or here - no > _REACH:
            return self._branch(JEQ, k, yes, no)
        self._reversed.append((JEQ, here - yes, here - no, k))
        self._known[key] = here + 1
        return here + 1

    def if_at_least(self, k: int, yes: int, no: int, *, shared: bool = False) -> int:
        """Go to `yes` when A is `k` or more, unsigned; `shared` looks for the same comparison made before."""
        if yes == no:
            return yes
        here = len(self._reversed) - 1
        if shared or here - yes >= _REACH or here - no > _REACH:
            return self._branch(JGE, k, yes, no)
        self._reversed.append((JGE, here - yes, here - no, k))
        return here + 1

    def if_any_bit(self, k: int, yes: int, no: int) -> int:
        """Go to `yes` when A has any bit of `k`."""
        return self._branch(JSET, k, yes, no)

    def program(self, start: int) -> Program:
        """Finish: the program begins at `start`."""
        if start != len(self._reversed) - 1:
            start = self._append((JA, 0, 0, len(self._reversed) - 1 - start))
        return Program(tuple(reversed(self._reversed)))

    def _append(self, insn: Insn) -> int:
        self._reversed.append(insn)
        return len(self._reversed) - 1

    def _falling(self, insn: Insn, then: int) -> int:
        key = (*insn, then)
        place = self._known.get(key)
        if place is None:
            if then != len(self._reversed) - 1:
                self._again(then)
            place = self._known[key] = self._append(insn)
        return place

    def _branch(self, code: int, k: int, yes: int, no: int) -> int:
        if yes == no:
            return yes
        key = (code, k, yes, no)
        place = self._known.get(key)
        if place is None:
            here = len(self._reversed) - 1
            if here - yes >= _REACH or here - no > _REACH:
                yes = self._within_reach(yes, spare=1)  # `no` may still need an instruction in between
                no = self._within_reach(no, spare=0)
                here = len(self._reversed) - 1
            self._reversed.append((code, here - yes, here - no, k))
            place = self._known[key] = here + 1
        return place

    def _within_reach(self, place: int, *, spare: int) -> int:
        if len(self._reversed) - 1 - place + spare <= _REACH:
            return place
        jump = self._known.get((JA, place))
        if jump is not None and len(self._reversed) - 1 - jump + spare <= _REACH:
            return jump
        return self._again(place)

    def _again(self, place: int) -> int:
        """Append a stand-in for a place that is too far: its answer repeated, or a long jump.

        The stand-in of an answer becomes the one that later jumps share; a long jump is shared for as long as it is
        near.
        """
        insn = self._reversed[place]
        if insn[0] == RET_K:
            fresh = self._append(insn)
            self._known[(RET_K, insn[3])] = fresh
            return fresh
        fresh = self._known[(JA, place)] = self._append((JA, 0, 0, len(self._reversed) - 1 - place))
        return fresh
