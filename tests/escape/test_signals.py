"""Signals to others: every call that sends one, and everything that makes the kernel send one."""

# Attempts of several steps are tuples; in loops they bind what they try as defaults of a lambda.
# mypy: disable-error-code="func-returns-value,misc"

from __future__ import annotations

import fcntl
import os
import pty
import signal
import socket
import struct
import threading
from collections.abc import Callable, Iterator

import pytest
from conftest import needs
from escape.attempts import NR, Victim, attempt, call, forked, raw, victim

from troth.kernel import landlock

NOT_PROC = ("stdio", "stdio rpath wpath cpath inet unix tty id exec")
ONE: Victim


@pytest.fixture(autouse=True)
def other() -> Iterator[None]:
    """Somebody to signal, who must not get any."""
    global ONE
    with victim() as ONE:
        yield
        assert ONE.look()[0] == b"", "a signal arrived"


def info(code: int = -1) -> bytes:
    return struct.pack("iiii112x", signal.SIGUSR1, 0, code, 0)


SENDING: dict[str, Callable[[], object]] = {
    "kill": lambda: call("kill", ONE.pid, signal.SIGUSR1),
    "kill, asking only": lambda: call("kill", ONE.pid, 0),
    "kill everybody": lambda: call("kill", -1, 0),
    "kill its group": lambda: call("kill", -ONE.pid, signal.SIGUSR1),
    "kill the parent": lambda: call("kill", os.getppid(), signal.SIGUSR1),
    "kill with garbage above": lambda: call("kill", ONE.pid | 1 << 32, signal.SIGUSR1),
    "tgkill": lambda: call("tgkill", ONE.pid, ONE.pid, signal.SIGUSR1),
    "tgkill of any process": lambda: call("tgkill", -1, ONE.pid, signal.SIGUSR1),
    "sigqueue": lambda: call("rt_sigqueueinfo", ONE.pid, signal.SIGUSR1, info()),
    "tgsigqueue": lambda: call("rt_tgsigqueueinfo", ONE.pid, ONE.pid, signal.SIGUSR1, info()),
    "F_SETOWN": lambda: call("fcntl", 0, fcntl.F_SETOWN, ONE.pid),
    "F_SETOWN of a group": lambda: call("fcntl", 0, fcntl.F_SETOWN, -ONE.pid),
    "F_SETOWN_EX": lambda: call("fcntl", 0, 15, struct.pack("ii", 1, ONE.pid)),
    "F_SETSIG": lambda: call("fcntl", 0, 10, signal.SIGKILL),
    "F_NOTIFY": lambda: call("fcntl", 0, 1026, 0x80000001),
    "F_SETLEASE": lambda: call("fcntl", 0, 1024, 0),
    "FIOSETOWN": lambda: call("ioctl", 0, 0x8901, struct.pack("i", ONE.pid)),
    "SIOCSPGRP": lambda: call("ioctl", 0, 0x8902, struct.pack("i", ONE.pid)),
    "TIOCSPGRP": lambda: call("ioctl", 0, 0x5410, struct.pack("i", ONE.pid)),
    "TIOCSIG": lambda: call("ioctl", 0, 0x40045436, signal.SIGUSR1),
    "setpgid": lambda: call("setpgid", 0, ONE.pid),
    "limit of its time": lambda: call("prlimit64", ONE.pid, 0, struct.pack("QQ", 0, 0), 0),
    "niceness": lambda: call("setpriority", 0, ONE.pid, 5),
    "io priority": lambda: call("ioprio_set", 1, ONE.pid, 0),
    "pidfd": lambda: call("pidfd_open", ONE.pid, 0),
    "reaping its memory": lambda: call("process_mrelease", 0, 0),
    "revoking its terminal": lambda: call("vhangup"),
}


@pytest.mark.parametrize("name", SENDING)
@pytest.mark.parametrize("promises", NOT_PROC)
def test_nobody_is_signalled_without_proc_by(name: str, promises: str) -> None:
    if name in ("niceness",) and "id" in promises:
        promises = promises.replace(" id", "")
    expected = {"pidfd": "enosys", "reaping its memory": "enosys", "limit of its time": "eperm"}
    assert attempt(promises, SENDING[name]) == expected.get(name, "kill")


def test_a_thread_id_is_not_a_way_to_another_process() -> None:
    scoped = landlock.abi() >= 6
    assert attempt("stdio", lambda: call("tkill", ONE.pid, signal.SIGUSR1)) == ("eperm" if scoped else "kill")


def test_a_group_that_others_are_in_is_not_signalled() -> None:
    needs(landlock.abi() >= 6, "Landlock ABI 6")
    assert (
        attempt(
            "stdio",
            lambda: call("kill", 0, signal.SIGUSR1),
            prepare=lambda: signal.signal(signal.SIGUSR1, signal.SIG_IGN),
        )
        == "ok"
    )

    def joined() -> None:
        os.setpgid(0, ONE.pid)
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)

    assert attempt("stdio", lambda: call("kill", 0, signal.SIGUSR1), prepare=joined) in ("ok", "eperm")


def test_a_process_descriptor_from_before_signals_nobody() -> None:
    held: list[int] = []
    answer = attempt(
        "stdio",
        lambda: call("pidfd_send_signal", held[0], signal.SIGUSR1, 0, 0),
        prepare=lambda: held.append(os.pidfd_open(ONE.pid)),
    )
    assert answer in ("eperm", "kill")
    answer = attempt(
        "stdio",
        lambda: call("pidfd_send_signal", held[0], signal.SIGUSR1, 0, 4),
        prepare=lambda: held.append(os.pidfd_open(ONE.pid)),
    )
    assert answer in ("eperm", "einval", "kill")
    assert (
        attempt(
            "stdio proc",
            lambda: call("pidfd_getfd", held[0], 0, 0),
            prepare=lambda: held.append(os.pidfd_open(ONE.pid)),
        )
        == "enosys"
    )


def test_the_peer_of_a_socket_is_not_signalled_through_it() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:

        def work() -> None:
            peer = struct.unpack("i", ours.getsockopt(socket.SOL_SOCKET, 77, 4))[0]  # SO_PEERPIDFD
            call("pidfd_send_signal", peer, 0, 0, 0)

        assert attempt("stdio", work) in ("eperm", "kill", "enoprotoopt")


def test_input_to_a_terminal_tells_nobody() -> None:
    leader, follower = pty.openpty()

    def work() -> None:
        flags = fcntl.fcntl(follower, fcntl.F_GETFL)
        fcntl.fcntl(follower, fcntl.F_SETFL, flags | os.O_ASYNC)
        os.write(leader, b"x\n")

    assert attempt("stdio", work, prepare=lambda: signal.signal(signal.SIGIO, signal.SIG_IGN)) == "ok"
    os.close(leader)
    os.close(follower)


TERMINAL = {
    "TIOCSTI": 0x5412,
    "TIOCLINUX": 0x541C,
    "TIOCCONS": 0x541D,
    "TIOCSETD": 0x5423,
    "TIOCVHANGUP": 0x5437,
    "KDSETMODE": 0x4B3A,
    "KDSKBENT": 0x4B47,
    "VT_ACTIVATE": 0x5606,
    "TIOCSSERIAL": 0x541F,
}


@pytest.mark.parametrize("name", TERMINAL)
def test_nobody_types_for_the_user(name: str) -> None:
    leader, follower = pty.openpty()
    for request in (TERMINAL[name], TERMINAL[name] | 1 << 32):
        assert (
            attempt("stdio rpath wpath tty proc", lambda request=request: call("ioctl", follower, request, b"x"))
            == "kill"
        )
    os.close(leader)
    os.close(follower)


def test_a_timer_signals_ones_own_threads_only() -> None:
    event = struct.pack("Qiii44x", 0, signal.SIGUSR1, 4, ONE.pid)  # SIGEV_THREAD_ID
    assert attempt("stdio", lambda: call("timer_create", 1, event, bytes(8))) == "einval"


def test_a_signal_at_the_parents_end_comes_to_oneself() -> None:
    assert attempt("stdio", lambda: call("prctl", 1, signal.SIGUSR1, 0, 0, 0)) == "ok"
    assert attempt("stdio", lambda: call("prctl", 36, 1, 0, 0, 0)) == "einval"  # not a reaper of others


def test_a_child_that_promises_less_loses_its_parents_signals() -> None:
    import troth

    def work() -> str:
        return forked(lambda: (troth.pledge("stdio"), os.kill(os.getppid(), 0)))

    assert attempt("stdio proc", work) == "kill"
    assert attempt("stdio proc", lambda: forked(lambda: (troth.pledge("stdio"), os.kill(os.getpid(), 0)))) == "ok"


def test_one_can_signal_oneself_in_every_thread() -> None:
    def work() -> None:
        got: list[int] = []
        signal.signal(signal.SIGUSR1, lambda number, _: got.append(number))
        call("kill", os.getpid(), signal.SIGUSR1)
        call("tgkill", os.getpid(), os.getpid(), signal.SIGUSR1)
        call("rt_sigqueueinfo", os.getpid(), signal.SIGUSR1, info())
        signal.raise_signal(signal.SIGUSR1)
        thread = threading.Thread(target=lambda: call("tgkill", os.getpid(), threading.get_native_id(), signal.SIGUSR1))
        thread.start()
        thread.join()
        assert len(got) == 5

    assert attempt("stdio", work) == "ok"


def test_the_number_alone_does_not_make_a_call_harmless() -> None:
    assert attempt("stdio", lambda: raw(NR["kill"], ONE.pid, 0)) == "kill"
