"""Assemble a program from its end.

cBPF jumps only forward, so a program that is written backwards knows every target when a jump to it is
made. What does the same is written once: equal instructions with equal ways on are one *step*, which is how
leaves and common tails come to be shared. A step may stand at several places, when one is too far to jump to.
"""

from __future__ import annotations

from troth.bpf.program import AND, JA, JEQ, JGE, JSET, LD_ABS, RET_K, Program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from troth.bpf.program import Insn

_REACH: Final = 255  # jt and jf are bytes


class Builder:
    """A program under construction; each method gives the step that it wrote, or that was there already.

    Invariant: what every step leads to is complete, so a step can be a target at once. Places are counted from
    the end of the program.
    """

    def __init__(self) -> None:
        self._reversed: list[Insn] = []
        self._places: list[int] = []  # of each step, where it was written last
        self._known: dict[tuple[int, ...], int] = {}
        self._jumps: dict[int, int] = {}  # of a step that is far away, the place of the last long jump to it

    def __len__(self) -> int:
        return len(self._reversed)

    def answer(self, raw: int) -> int:
        """Return this value to the kernel."""
        step = self._known.get((RET_K, raw))
        if step is None:
            step = self._known[RET_K, raw] = self._step((RET_K, 0, 0, raw))
        return step

    def load(self, offset: int, then: int) -> int:
        """Load a word of the call into A, then go on at `then`."""
        return self._falling(LD_ABS, offset, then)

    def mask(self, k: int, then: int) -> int:
        """And A with `k`, then go on at `then`."""
        return self._falling(AND, k, then)

    def if_equal(self, k: int, yes: int, no: int) -> int:
        """Go to `yes` when A is `k`."""
        return self._branch(JEQ, k, yes, no)

    def if_at_least(self, k: int, yes: int, no: int) -> int:
        """Go to `yes` when A is `k` or more, unsigned."""
        return self._branch(JGE, k, yes, no)

    def if_any_bit(self, k: int, yes: int, no: int) -> int:
        """Go to `yes` when A has any bit of `k`."""
        return self._branch(JSET, k, yes, no)

    def program(self, start: int) -> Program:
        """Finish: the program begins at `start`."""
        if self._places[start] != len(self._reversed) - 1:
            self._again(start)
        return Program(tuple(reversed(self._reversed)))

    def _step(self, insn: Insn) -> int:
        self._places.append(len(self._reversed))
        self._reversed.append(insn)
        return len(self._places) - 1

    def _falling(self, code: int, k: int, then: int) -> int:
        key = (code, k, then)
        step = self._known.get(key)
        if step is None:
            if self._places[then] != len(self._reversed) - 1:
                self._again(then)
            step = self._known[key] = self._step((code, 0, 0, k))
        return step

    def _branch(self, code: int, k: int, yes: int, no: int) -> int:
        if yes == no:
            return yes
        key = (code, k, yes, no)
        step = self._known.get(key)
        if step is None:
            places = self._places
            here = len(self._reversed) - 1
            to_yes, to_no = here - places[yes], here - places[no]
            if to_yes >= _REACH or to_no > _REACH:
                at_yes = self._within_reach(yes, spare=1)  # `no` may still need an instruction in between
                at_no = self._within_reach(no, spare=0)
                here = len(self._reversed) - 1
                to_yes, to_no = here - at_yes, here - at_no
            places.append(here + 1)
            self._reversed.append((code, to_yes, to_no, k))
            step = self._known[key] = len(places) - 1
        return step

    def _within_reach(self, step: int, *, spare: int) -> int:
        """A place from which a step goes on, near enough for a jump from the next place but `spare`."""
        least = len(self._reversed) - 1 + spare - _REACH
        place = self._places[step]
        if place >= least:
            return place
        jump = self._jumps.get(step, -1)
        return jump if jump >= least else self._again(step)

    def _again(self, step: int) -> int:
        """Append a stand-in for a step: its answer repeated, where others find it too, or a long jump."""
        place, here = self._places[step], len(self._reversed)
        insn = self._reversed[place]
        if insn[0] == RET_K:
            self._places[step] = here
            self._reversed.append(insn)
        else:
            self._jumps[step] = here
            self._reversed.append((JA, 0, 0, here - 1 - place))
        return here
