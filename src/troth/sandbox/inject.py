"""Bring a program to its entry point, and make it confine itself there.

The kernel starts a program in its dynamic loader. Only when that is done does it jump to the entry
point (`AT_ENTRY`), and there this module stops it: by a trap written over the first instruction. The
program is then made to perform the system calls that nobody can make for it, after which its memory,
registers and signal mask are as they were, and it runs on without having noticed. A program without
a loader has executed nothing of its own by then.

What shared objects do in their constructors, they do before the entry point, so threads that they
started are there already; each of them is stopped and bound too. A process that they started would
stay unbound: that ends the attempt.

Whatever fails, the program is killed: it never runs on with half of what was asked for.
"""

from __future__ import annotations

import os

from troth import abi
from troth.errors import EnforcementError
from troth.kernel import procfs, ptrace
from troth.sandbox.machine import MACHINES, TRACEABLE, of_registers
from troth.sandbox.signals import SIGKILL, SIGTRAP, WALL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Final

    from troth.sandbox.machine import Machine
    from troth.sandbox.signals import Signals

_OPTIONS: Final = (
    ptrace.O_EXITKILL | ptrace.O_TRACEEXEC | ptrace.O_TRACECLONE | ptrace.O_TRACEFORK | ptrace.O_TRACEVFORK
)
_AT_NULL: Final = 0
_AT_ENTRY: Final = 9
_ESRCH: Final = 3
_EINTR: Final = 4
_LOOKS: Final = 100
_TRAP_BIT: Final = 1 << (SIGTRAP - 1)
_ALL_BUT_TRAP: Final = ~_TRAP_BIT & 0xFFFFFFFFFFFFFFFF  # a blocked SIGTRAP would be forced, and reset
_RED_ZONE: Final = 512  # below the stack pointer, a function may keep 128 bytes on x86_64


class NotTraceable(Exception):  # noqa: N818  # an outcome that has a remedy
    """The program cannot be stopped at its entry point; it was ended before it got there."""


class Ended(Exception):  # noqa: N818  # an outcome
    """The program is dead; `status` is what wait(2) said."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(status)


class Tracee:
    """A child that is being traced, from before its execve(2) until `release`.

    `stopped` has the saved registers of each thread that `gather` stopped.
    """

    def __init__(self, pid: int, signals: Signals) -> None:
        try:
            ptrace.seize(pid, _OPTIONS)
        except EnforcementError as error:
            raise NotTraceable(f"it may not be traced ({os.strerror(error.errno or 0).lower()})") from error
        self.pid = pid
        self.threads = {pid}
        self.stopped: dict[int, list[int]] = {}
        self._signals = signals
        self._masks: dict[int, int] = {}
        self._memory: ptrace.Memory | None = None
        self._machine: Machine = MACHINES["x86_64"]
        self._entry = 0
        self._text = b""
        self._trap_was_blocked = False

    @property
    def arch(self) -> str:
        """The architecture of the program, known after `to_program`."""
        return self._machine.arch

    # Getting there

    def to_program(self) -> None:
        """Wait for the execve(2), put a trap on the new program's entry point, and let its loader run.

        Raises:
            Ended: it died, or could not execute the program and gave up.
            NotTraceable: this program is none that can be stopped there.
        """
        while True:
            tid, status = self._wait()
            if status >> 16 == ptrace.EVENT_EXEC:
                self._arm()
                self._resume(tid)
                return
            self._pass(tid, status)

    def to_entry(self) -> None:
        """Wait until the program arrives at its entry point, and stop all its threads there.

        Raises:
            Ended: it did not get there, as when a shared object is missing.
            NotTraceable: its loader executed another program that cannot be stopped, or started a process.
        """
        while True:
            tid, status = self._wait()
            if status >> 16 == ptrace.EVENT_EXEC:
                self._arm()
                self._resume(tid)
            elif status >> 8 == SIGTRAP and self._at(tid, self._entry + self._machine.skip):
                break
            else:
                self._pass(tid, status)
        self._gather(tid)

    def _wait(self) -> tuple[int, int]:
        """The next stop of any thread; the death of the process ends it all."""
        while True:
            found = self._signals.look(self.threads)
            if found is None:
                self._signals.pause()
                continue
            if _is_stop(found[1]):
                return found
            self._lost(*found)

    def _lost(self, tid: int, status: int) -> None:
        self.threads.discard(tid)
        if tid == self.pid:
            raise Ended(status)

    def _pass(self, tid: int, status: int) -> None:
        """Let a thread go on from a stop that is not ours, delivering the signal if there was one.

        A group stop (SIGSTOP, ^Z) is not kept here: it takes hold when the tracing ends, in a moment.
        """
        event = status >> 16
        if event in (ptrace.EVENT_FORK, ptrace.EVENT_VFORK, ptrace.EVENT_CLONE):
            self._adopt(tid, event)
        self._resume(tid, 0 if event else status >> 8 & 0xFF)

    def _adopt(self, tid: int, event: int) -> None:
        """Take note of a task that `tid` started; it is traced already, and will report a stop."""
        new = ptrace.event_message(tid)
        if event == ptrace.EVENT_CLONE:  # a thread, unless it heads a process of its own
            if not procfs.present():
                raise NotTraceable("a shared object of it starts a thread, and there is no /proc to see it in")
            if procfs.status(new).get("Tgid") != str(new):
                self.threads.add(new)
                return
        try:
            os.kill(new, SIGKILL)
            os.waitpid(new, WALL)
        except (ProcessLookupError, ChildProcessError):
            pass
        raise NotTraceable("a shared object of it starts a process before the program itself starts")

    def _resume(self, tid: int, signum: int = 0) -> None:
        try:
            ptrace.resume(tid, signum)
        except EnforcementError as error:
            if error.errno != _ESRCH:  # dead: the next wait says so
                raise

    def _interrupt(self, tid: int) -> None:
        try:
            ptrace.interrupt(tid)
        except EnforcementError as error:
            if error.errno != _ESRCH:
                raise

    def _arm(self) -> None:
        """Write the trap over the entry point of the program that was just executed."""
        self.threads = {self.pid}
        self._forget_memory()
        registers = ptrace.registers(self.pid)
        native = abi.native().name
        machine = of_registers(native, len(registers))
        if machine is None:
            names = "` or `".join(TRACEABLE.get(native, ()))
            raise NotTraceable(f"it is no program for `{names}`" if names else f"troth cannot trace on `{native}`")
        self._machine = machine
        self._trap_was_blocked = bool(ptrace.signal_mask(self.pid) & _TRAP_BIT)
        self._memory = memory = ptrace.Memory(self.pid)
        try:
            self._entry = self._find_entry(machine.unpack(registers)[machine.sp])
            self._text = memory.read(self._entry, len(machine.code))
            memory.write(self._entry, machine.code)
        except EnforcementError as error:
            raise NotTraceable("its memory may not be written") from error

    def _find_entry(self, sp: int) -> int:
        """The value of AT_ENTRY, from /proc or, where that is missing, from above the arguments on the stack."""
        word = self._machine.word
        vector = procfs.auxiliary_vector(self.pid)
        numbers: Iterator[int] = iter(
            [int.from_bytes(vector[at : at + word], "little") for at in range(0, len(vector), word)]
        )
        if not vector:
            numbers = self._stack_words(sp)
            for _ in range(next(numbers) + 1):  # the arguments, and the null after them
                next(numbers)
            while next(numbers):  # the environment
                pass
        for key in numbers:
            value = next(numbers, 0)
            if key == _AT_ENTRY and value:
                return value
            if key == _AT_NULL:
                break
        raise NotTraceable("it has no entry point")

    def _stack_words(self, address: int) -> Iterator[int]:
        assert self._memory is not None
        while True:
            yield int.from_bytes(self._memory.read(address, self._machine.word), "little")
            address += self._machine.word

    def _at(self, tid: int, address: int) -> bool:
        return self._machine.unpack(ptrace.registers(tid))[self._machine.pc] == address

    # At the entry point

    def _gather(self, first: int) -> None:
        """Stop all threads besides `first`, which is; then hold back all signals and save the registers."""
        stopped = {first}
        running = self.threads - stopped
        for tid in running:
            self._interrupt(tid)
        while running:
            found = self._signals.look(running)
            if found is None:
                self._signals.pause()
                continue
            tid, status = found
            if not _is_stop(status):
                running.discard(tid)
                self._lost(tid, status)
                continue
            event = status >> 16
            if event == ptrace.EVENT_STOP:
                running.discard(tid)
                stopped.add(tid)
                continue
            if event == ptrace.EVENT_EXEC:
                raise NotTraceable("a thread of it executes another program while it starts")
            known = set(self.threads)
            self._pass(tid, status)
            running |= self.threads - known
            self._interrupt(tid)
        machine = self._machine
        for tid in (first, *sorted(stopped - {first})):
            self._masks[tid] = ptrace.signal_mask(tid)
            ptrace.set_signal_mask(tid, _ALL_BUT_TRAP)
            self.stopped[tid] = machine.unpack(ptrace.registers(tid))
        self._masks[first] |= _TRAP_BIT if self._trap_was_blocked else 0
        self.stopped[first][machine.pc] = self._entry

    @property
    def first(self) -> int:
        """The thread that arrived at the entry point."""
        return next(iter(self.stopped))

    def call(self, name: str, *args: int, tid: int = 0, listener: int = -1) -> int:
        """Make a thread (the first) perform a system call, and give its result.

        A filter may be in force whose `listener` is given: what it does not allow is made all the same.

        Raises:
            EnforcementError: the call failed.
            Ended: it was killed meanwhile.
        """
        tid = tid or self.first
        machine = self._machine
        start = self._entry + len(machine.trap)
        registers = list(self.stopped[tid])
        registers[machine.pc] = start
        registers[machine.number] = machine.number_of(name)
        if machine.original >= 0:
            registers[machine.original] = -1  # this is no interrupted call that would have to be restarted
        for index, value in zip(machine.arguments, args, strict=False):
            registers[index] = value
        ptrace.set_registers(tid, machine.pack(registers))
        self._resume(tid)
        while True:
            status = self._stop_of(tid, listener)
            if not _is_stop(status):
                raise Ended(status)
            if status >> 16 or status >> 8 != SIGTRAP:  # stopped as a group, or by SIGSTOP, which nothing blocks
                self._resume(tid, 0 if status >> 16 else status >> 8)
                continue
            after = machine.unpack(ptrace.registers(tid))
            if after[machine.pc] == start + len(machine.call) + machine.skip:
                break
            raise EnforcementError(name, _EINTR, hint="the program was disturbed while it was being confined")
        bits = machine.word * 8
        result = after[machine.result] - (1 << bits if after[machine.result] >> (bits - 1) else 0)
        if -4096 < result < 0:
            raise EnforcementError(name, -result)
        return result

    def _stop_of(self, tid: int, listener: int) -> int:
        if listener < 0:
            return os.waitpid(tid, WALL)[1]  # a system call that does not wait: signals for us can
        for _ in range(_LOOKS):  # it takes microseconds; what the other way needs takes longer to load
            if (found := self._signals.look((tid,))) is not None:
                return found[1]
            os.sched_yield()
        while (found := self._signals.look((tid,))) is None:
            if self._signals.pause(listener):
                from troth.kernel.notify import Listener

                answering = Listener(listener)
                call = answering.receive()
                if call is not None:
                    answering.respond(call.id, continue_=True)
        return found[1]

    def with_program(self, program: bytes, use: Callable[[int], int]) -> int:
        """Put a filter where the program's stack will grow, call `use` with its `struct sock_fprog`, and clean up."""
        assert self._memory is not None
        machine = self._machine
        header = machine.header(len(program) // 8, 0)
        at = (self.stopped[self.first][machine.sp] - _RED_ZONE - len(program) - len(header)) & ~15
        data = machine.header(len(program) // 8, at + len(header)) + program
        before = self._memory.read(at, len(data))
        self._memory.write(at, data)
        result = use(at)
        self._memory.write(at, before)
        return result

    def release(self) -> None:
        """Put everything back, let all signals in, and stop tracing: the program runs from its entry point."""
        assert self._memory is not None
        self._memory.write(self._entry, self._text)
        self._forget_memory()
        for tid, registers in reversed(self.stopped.items()):
            ptrace.set_registers(tid, self._machine.pack(registers))
            ptrace.set_signal_mask(tid, self._masks[tid])
            ptrace.detach(tid)

    # The end

    def kill(self) -> int:
        """Kill the program and give what wait(2) says, with no thread of it left."""
        self._forget_memory()
        try:
            os.kill(self.pid, SIGKILL)
        except ProcessLookupError:
            return SIGKILL
        while True:
            # A dead thread that is traced keeps its process from being waited for.
            ids = {*self.threads, *procfs.threads(self.pid)} - {self.pid}
            while self._signals.look(ids):
                pass
            found = self._signals.look((self.pid,))
            if found and not _is_stop(found[1]):
                return found[1]
            self._signals.pause()

    def _forget_memory(self) -> None:
        if self._memory is not None:
            self._memory.close()
            self._memory = None


def _is_stop(status: int) -> bool:
    return status & 0xFF == 0x7F
