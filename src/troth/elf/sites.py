"""Where code enters the kernel, and with which numbers.

A function whose number is its own argument (`syscall()`, glibc's `__syscall_cancel`, musl's `__syscall_cp`) is a
*wrapper*: each call of it is a site of the caller. An argument may be in a register, on the stack, or in a record that
a register points to. Wrappers of wrappers are found until there are no more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from troth.elf.decode.steps import MARK_CALL, MARK_CALL_SLOT, MARK_ENTER, MARK_JUMP, MARK_JUMP_SLOT, MARK_NAME
from troth.elf.functions import MOST_STUB
from troth.elf.values import states

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from troth.elf.functions import Code
    from troth.elf.values import State, ValueSet

__all__ = ["Parameter", "Site", "Sites", "find_sites"]

_MOST_NUMBER: Final = 1 << 10  # of a call: no table is longer
_X32_BIT: Final = 1 << 30
_MOST_PASSES: Final = 12  # a wrapper of a wrapper of a wrapper ...
_FIRST_ARGUMENTS: Final = 6  # of a call on the stack that may be a function

Parameter = tuple[str, int, int]  # as the items of `values` that are of one of these kinds
_PARAMETERS: Final = ("given", "stack", "field", "pointed")
_RECORDED: Final = ("field", "pointed")  # those that are in a record


class Site(NamedTuple):
    """One place that enters the kernel: by itself, or by calling or jumping to a wrapper.

    `target` is that wrapper. `numbers` are those of the calls it can make; `given` says where its function got one
    from, if it did. `first` has what the first argument of the call can be, for those that are many in one. `resolved`
    says that this is all.
    """

    function: int
    at: int
    by: str
    target: int
    numbers: frozenset[int]
    given: frozenset[Parameter]
    first: frozenset[int]
    resolved: bool


class Sites(NamedTuple):
    """All sites of a file by address, the wrappers, and the functions that new processes and threads start in.

    `children` maps a function to those whose address it passes to one that makes a process or thread.
    """

    found: dict[int, tuple[Site, ...]]
    wrappers: dict[int, frozenset[Parameter]]
    children: dict[int, frozenset[int]]


class _Wanted(NamedTuple):
    """A place of interest: what enters the kernel there (0: the place itself), and by what it is called."""

    by: str
    target: int
    parameters: frozenset[Parameter]


def find_sites(
    code: Code,
    never_return: Collection[int],
    imported: Mapping[str, frozenset[Parameter]],
    making: Collection[int],
    makers: Collection[int] = (),
) -> Sites:
    """Find the sites of a file.

    `imported` are the wrappers that it can import, by name; `making` the numbers of the calls that make a process or a
    thread, `makers` functions that are known to make one.
    """
    return _Search(code, never_return, imported, frozenset(making), makers).run()


class _Search:
    def __init__(
        self,
        code: Code,
        never_return: Collection[int],
        imported: Mapping[str, frozenset[Parameter]],
        making: frozenset[int],
        makers: Collection[int],
    ) -> None:
        self._code = code
        self._machine = code.machine
        self._never_return = never_return
        self._making = making
        self._makers = makers
        self._wanted: dict[int, dict[int, list[_Wanted]]] = {}  # function: place: why
        self._states: dict[int, Mapping[int, State]] = {}
        self._wrappers: dict[int, frozenset[Parameter]] = {}
        self._found: dict[tuple[int, int], Site] = {}
        self._takers: dict[int, set[int]] | None = None
        self._note_places(imported)

    def run(self) -> Sites:
        """Look at every function with a place of interest, and again at those that turn out to call a wrapper."""
        todo = set(self._wanted)
        for _ in range(_MOST_PASSES):
            if not todo:
                break
            following: set[int] = set()
            for start in sorted(todo):
                following |= self._look(start)
            todo = following
        found: dict[int, list[Site]] = {}
        for site in self._found.values():
            found.setdefault(site.at, []).append(site)
        sites = {at: tuple(sorted(some, key=lambda one: one.by)) for at, some in sorted(found.items())}
        return Sites(sites, self._wrappers, self._children())

    def _note_places(self, imported: Mapping[str, frozenset[Parameter]]) -> None:
        """The places that enter the kernel themselves, or call a wrapper of another file."""
        slots = self._code.elf.relocations.slots
        named = {at: imported[slot.symbol.name] for at, slot in slots.items() if slot.symbol.name in imported}
        for start, function in self._code.functions.items():
            for at, _, kind, to in function.marks:
                if kind == MARK_ENTER:
                    self._want(start, at, _Wanted("enter", 0, frozenset()))
                elif kind in (MARK_CALL_SLOT, MARK_JUMP_SLOT) and to in named:
                    if kind == MARK_JUMP_SLOT and len(function.marks) <= MOST_STUB:
                        self._wrappers[start] = named[to]
                    else:
                        by = "call" if kind == MARK_CALL_SLOT else "jump"
                        self._want(start, at, _Wanted(by, to, named[to]))
        for start, parameters in list(self._wrappers.items()):
            self._want_callers(start, parameters)

    def _want(self, start: int, at: int, wanted: _Wanted) -> bool:
        places = self._wanted.setdefault(start, {}).setdefault(at, [])
        for index, old in enumerate(places):
            if (old.by, old.target) == (wanted.by, wanted.target):
                places[index] = wanted
                return old != wanted
        places.append(wanted)
        return True

    def _want_callers(self, target: int, parameters: frozenset[Parameter]) -> set[int]:
        """Look at the callers of a wrapper; gives those."""
        again = set()
        for caller in self._code.callers().get(target, ()):
            for at, _, kind, to in self._code.functions[caller].marks:
                if to == target and kind in (MARK_CALL, MARK_JUMP):
                    by = "call" if kind == MARK_CALL else "jump"
                    if self._want(caller, at, _Wanted(by, target, parameters)):
                        again.add(caller)
        # A wrapper that takes a record may be handed over with it, to be called by another.
        if any(kind in _RECORDED for kind, _, _ in parameters):
            for caller in self._taken_by().get(target, ()):
                for at, _, kind, to in self._code.functions[caller].marks:
                    if kind in (MARK_CALL, MARK_JUMP) and to != caller:
                        by = "call" if kind == MARK_CALL else "jump"
                        if self._want(caller, at, _Wanted(f"pass-{by}", target, parameters)):
                            again.add(caller)
        return again

    def _taken_by(self) -> dict[int, set[int]]:
        """Which functions name the address of each function."""
        if self._takers is None:
            self._takers = {}
            for start, function in self._code.functions.items():
                for _, _, kind, to in function.marks:
                    if kind == MARK_NAME and to in self._code.functions:
                        self._takers.setdefault(to, set()).add(start)
        return self._takers

    def _look(self, start: int) -> set[int]:
        """Resolve the places of a function; gives the functions that have to be looked at because of it."""
        places = self._wanted[start]
        known = self._states.get(start, {})
        if not places.keys() <= known.keys():
            known = self._states[start] = states(self._code, start, places, self._never_return)
        parameters: set[Parameter] = set()
        for at, reasons in places.items():
            for wanted in reasons:
                site = self._resolve(start, at, wanted, known.get(at))
                if site is None:
                    continue
                self._found[at, wanted.target] = site
                parameters |= site.given
        old = self._wrappers.get(start, frozenset())
        if parameters <= old:
            return set()
        self._wrappers[start] = old | parameters
        return self._want_callers(start, self._wrappers[start])

    def _resolve(self, start: int, at: int, wanted: _Wanted, state: State | None) -> Site | None:
        passed = wanted.by.startswith("pass-")
        if state is None:
            return (
                None
                if passed
                else Site(start, at, wanted.by, wanted.target, frozenset(), frozenset(), frozenset(), False)
            )
        first: ValueSet = None
        if wanted.by == "enter":
            values = [state.registers.get(self._machine.number)]
            first = state.registers.get(self._machine.kernel_args[0])
        elif passed:
            values = self._passed(state, wanted)
            if any(value is None for value in values) or not values:
                return None  # another call of the function, or a record of another wrapper
        else:
            values = [self._argument(state, one, jump=wanted.by == "jump") for one in sorted(wanted.parameters)]
        numbers: set[int] = set()
        given: set[Parameter] = set()
        resolved = True
        for value in values:
            for item in value or ():
                if not isinstance(item, int):
                    if item[0] in _PARAMETERS:
                        given.add(item)
                    else:
                        resolved = False
                elif item & ~_X32_BIT < _MOST_NUMBER:
                    numbers.add(item)
                else:
                    resolved = False
            resolved = resolved and value is not None
        firsts = frozenset(item for item in first or () if isinstance(item, int))
        return Site(start, at, wanted.by, wanted.target, frozenset(numbers), frozenset(given), firsts, resolved)

    def _argument(self, state: State, parameter: Parameter, *, jump: bool) -> ValueSet:
        """What a call or jump hands over where a wrapper takes its number from."""
        kind, register, offset = parameter
        if kind == "given":
            return state.registers.get(register)
        if kind == "field":
            return state.memory(register, offset)
        at = state.frame(self._machine.stack)
        if at is None:
            return None
        at -= self._machine.word if self._machine.pushes and not jump else 0
        if kind == "stack":
            return state.slot(at + offset)
        record = state.slot(at + register)
        if record is None or len(record) != 1:
            return None
        (item,) = record
        if isinstance(item, int) or item[0] not in ("frame", "stack"):
            return None
        return state.slot(item[2] + offset) if item[0] == "frame" else frozenset((("pointed", item[2], offset),))

    def _passed(self, state: State, wanted: _Wanted) -> list[ValueSet]:
        """What is in the records that are handed over together with a wrapper's address."""
        arguments = self._arguments(state)
        if not any(value is not None and wanted.target in value for value in arguments):
            return []
        found = []
        for value in arguments:
            for item in value or ():
                if not isinstance(item, int) and item[0] == "frame":
                    found += [state.slot(item[2] + offset) for _, _, offset in wanted.parameters]
        return found

    def _arguments(self, state: State) -> list[ValueSet]:
        """The arguments of a call that is made in this state."""
        if self._machine.call_args:
            return [state.registers.get(register) for register in self._machine.call_args]
        at = state.frame(self._machine.stack)
        if at is None:
            return []
        return [state.slots.get(at + index * self._machine.word) for index in range(_FIRST_ARGUMENTS)]

    def _children(self) -> dict[int, frozenset[int]]:
        """Follow the functions that make processes and threads up to whoever says where those start."""
        makers = {site.function for site in self._found.values() if site.by == "enter" and site.numbers & self._making}
        makers.update(self._makers)
        children: dict[int, set[int]] = {}
        work = sorted(makers)
        while work:
            maker = work.pop()
            for caller in self._code.callers().get(maker, ()):
                calls = {
                    mark[0]
                    for mark in self._code.functions[caller].marks
                    if mark[3] == maker and mark[2] in (MARK_CALL, MARK_JUMP)
                }
                for state in states(self._code, caller, calls, self._never_return).values():
                    for value in self._arguments(state):
                        for item in value or ():
                            if isinstance(item, int) and item in self._code.functions:
                                children.setdefault(caller, set()).add(item)
                            elif not isinstance(item, int) and item[0] in _PARAMETERS and caller not in makers:
                                makers.add(caller)
                                work.append(caller)
        return {start: frozenset(some) for start, some in children.items()}
