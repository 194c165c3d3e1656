"""Which calls a program makes, and which of them a filter refuses: told by the kernel, call by call.

Each call that a policy does not allow waits for a process of ours (seccomp_unotify(2)), which writes it down and
answers as the policy would; only what would have killed the program is made after all, so that one run tells
everything that the policy lacks. Threads and children are seen like the program itself.
"""

from __future__ import annotations

import errno
import json
import os
import select
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from troth import abi
from troth.abi.seccomp import ACTION_MASK, RET_ALLOW, RET_ERRNO, RET_USER_NOTIF
from troth.bpf import Call
from troth.errors import EnforcementError
from troth.kernel import process, seccomp
from troth.kernel.notify import Listener, Notification
from troth.policy import Policy, Rule

T = TypeVar("T")
Confine = Callable[[], None]

_DRAIN_MS = 1000  # for what a program leaves behind


class Refused(NamedTuple):
    """One call that was not allowed: its name (its number, where it has none), and the answer's 32 bits."""

    call: str
    answer: int


def installed(policy: Policy) -> Confine:
    """What puts a process behind a policy's filter, for good."""
    program = policy.compile().to_bytes()

    def confine() -> None:
        process.set_no_new_privs()
        seccomp.set_mode_filter(program)

    return confine


def everything(arch: str) -> Policy:
    """A policy that allows nothing, so that all is seen."""
    return Policy({arch: {}}, seccomp.ACTIONS["kill_process"], seccomp.ACTIONS["kill_process"])


def telling(policy: Policy) -> Policy:
    """The policy with a listener in the place of every refusal, except of other architectures' calls.

    execve(2) asks the listener too: until it answers, the descriptor is there to be taken.
    """

    def told(answer: int) -> int:
        return answer if answer == RET_ALLOW else RET_USER_NOTIF

    held = (Rule((), RET_USER_NOTIF),)
    return Policy(
        {
            arch: {
                **{nr: tuple(Rule(conds, told(answer)) for conds, answer in rules) for nr, rules in calls.items()},
                abi.numbers(arch)["execve"]: held,
            }
            for arch, calls in policy.sections.items()
        },
        told(policy.unknown),
        policy.bad_arch,
        {
            arch: tuple((first, last, told(answer)) for first, last, answer in gaps)
            for arch, gaps in policy.gaps.items()
        },
    )


def watch(policy: Policy, run: Callable[[Confine], T]) -> tuple[T, tuple[Refused, ...]]:
    """Run something behind a policy, and give its result and what was refused: each call once, in order.

    `run` gets what the program's process has to call last before execve(2).

    Raises:
        EnforcementError: the kernel has no notifications, or does not hand a listener over.
    """
    program = telling(policy).compile().to_bytes()
    hello, there = os.pipe()
    told, telling_end = os.pipe()
    supervisor = os.fork()
    if supervisor == 0:
        status = 1
        try:
            os.close(there)
            os.close(told)
            found = _supervise(hello, policy)
            os.write(telling_end, json.dumps(found).encode())
            status = 0
        finally:
            os._exit(status)
    os.close(hello)
    os.close(telling_end)

    def confine() -> None:
        number = os.dup(0)  # the lowest that is free, and so the listener's
        os.close(number)
        process.set_no_new_privs()
        os.write(there, f"{os.getpid()} {number}\n".encode())
        seccomp.set_mode_filter(program, new_listener=True, wait_killable_recv=True)

    try:
        result = run(confine)
    finally:
        os.close(there)
        with os.fdopen(told, "rb") as pipe:
            said = pipe.read()
        _, status = os.waitpid(supervisor, 0)
    if status:
        raise EnforcementError("seccomp", 0, hint="the listener of a program was not handed over")
    return result, tuple(Refused(call, answer) for call, answer in json.loads(said))


def _supervise(hello: int, policy: Policy) -> list[Refused]:
    """Answer a program's calls until it is gone, or the one that started it is done with it."""
    line = os.read(hello, 100)
    if not line:  # it was never started
        return []
    pid, number = map(int, line.split())
    found: dict[Refused, None] = {}
    with Listener(_taken(pid, number)) as listener:
        try:
            listener.set_flags(sync_wake_up=True)
        except EnforcementError:  # before Linux 6.6: slower
            pass
        poll = select.poll()
        poll.register(listener, select.POLLIN)
        poll.register(hello, 0)
        done = False
        while ready := dict(poll.poll(_DRAIN_MS if done else None)):
            if hello in ready:
                poll.unregister(hello)
                done = True
            events = ready.get(listener.fd, 0)
            if events & select.POLLIN:
                call = listener.receive()
                refused = call and _answer(listener, policy, call)
                if refused:
                    found[refused] = None
            elif events:  # the last process is gone
                break
    return list(found)


def _taken(pid: int, number: int) -> int:
    """A copy of the listener that a process is about to have under a number, as soon as it has it."""
    pidfd = process.pidfd_open(pid)
    try:
        while True:
            try:
                fd = process.pidfd_getfd(pidfd, number)
            except EnforcementError as error:
                if error.errno != errno.EBADF:  # else: not there yet
                    raise
                os.sched_yield()
                continue
            if "seccomp" in os.readlink(f"/proc/self/fd/{fd}"):
                return fd
            os.close(fd)
    finally:
        os.close(pidfd)


def _answer(listener: Listener, policy: Policy, call: Notification) -> Refused | None:
    """Answer as the policy does, except that what it kills for goes on; None for what it allows."""
    answer = policy.answer(Call(call.arch, call.nr, call.args, call.ip))
    if answer & ACTION_MASK == RET_ERRNO:
        listener.respond(call.id, error=answer & 0xFFFF)
    else:
        listener.respond(call.id, continue_=True)
    if answer == RET_ALLOW:
        return None
    arch = abi.name_of(call.arch, call.nr)
    name = abi.names(arch).get(call.nr) if arch else None
    return Refused(name or str(call.nr), answer)
