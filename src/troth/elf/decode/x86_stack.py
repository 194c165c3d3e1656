"""Where code of i386 keeps the base of its addresses on the stack."""

from __future__ import annotations

from typing import Generic, TypeVar

R = TypeVar("R")


class Stack(Generic[R]):
    """The places of a function's stack that have the base; registers are called as the decoder calls them.

    Code is read in a straight line. `pushed` is how many bytes lie below where esp was at the first line; after a jump
    or a return, what follows is taken to have as many as when the base was kept, since an epilogue took away the rest.
    """

    def __init__(self) -> None:
        self.pushed = 0
        self.kept: set[tuple[R, int]] = set()
        self._settled = 0

    def place(self, register: R, is_esp: bool, offset: int) -> tuple[R, int]:
        """Name a place by what does not change while arguments are pushed."""
        return register, offset - (self.pushed if is_esp else 0)

    def keep(self, place: tuple[R, int]) -> None:
        """Note that a place has the base now."""
        self.kept.add(place)
        self._settled = self.pushed

    def settle(self) -> None:
        """Note that what follows is come to by another way."""
        self.pushed = self._settled
