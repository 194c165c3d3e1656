"""landlock(7): ports and scopes refuse and grant what their names say."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from functools import partial

import pytest
from conftest import needs
from kernel_programs import alone, attempt, fork, refused_as_unknown

from troth.abi.landlock import (
    NET,
    SCOPE,
)
from troth.kernel import landlock, process

pytestmark = pytest.mark.usefixtures("with_landlock")


@pytest.fixture
def with_landlock() -> None:
    needs(landlock.abi(), "Landlock")


def tcp(operate: Callable[[socket.socket, int], object], handled: int, rights: int, *, unprivileged: bool) -> int:
    """How an operation on a port of the loopback ends under a ruleset."""

    def work() -> int:
        with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
            port = server.getsockname()[1]
            if operate is bind:
                server.close()
            fd = landlock.create_ruleset(0, handled)
            if rights:
                landlock.add_port_rule(fd, port, rights)
            process.set_no_new_privs()
            landlock.restrict_self(fd)
            return attempt(lambda: operate(client, port))

    return alone(work, unprivileged=unprivileged)


def bind(made: socket.socket, port: int) -> None:
    made.bind(("127.0.0.1", port))


def connect(made: socket.socket, port: int) -> None:
    made.connect(("127.0.0.1", port))


@pytest.mark.parametrize(("right", "operate"), [("BIND_TCP", bind), ("CONNECT_TCP", connect)])
def test_a_port_is_refused_when_handled_and_granted_by_a_rule(
    right: str, operate: Callable[[socket.socket, int], object], unprivileged: bool
) -> None:
    bit = NET[right]
    if refused_as_unknown(net=bit):
        return
    other = NET["BIND_TCP"] | NET["CONNECT_TCP"]
    assert tcp(operate, bit, 0, unprivileged=unprivileged) == errno.EACCES
    assert tcp(operate, bit, bit, unprivileged=unprivileged) == 0
    assert tcp(operate, other & ~bit, 0, unprivileged=unprivileged) == 0
    assert tcp(operate, other, other & ~bit, unprivileged=unprivileged) == errno.EACCES


def udp(operate: Callable[[socket.socket, int], object], right: str, *, granted: bool) -> int:
    def work() -> int:
        with socket.socket(type=socket.SOCK_DGRAM) as server, socket.socket(type=socket.SOCK_DGRAM) as client:
            server.bind(("127.0.0.1", 0))
            port = server.getsockname()[1]
            if operate is bind:
                server.close()
            fd = landlock.create_ruleset(0, NET[right])
            if granted:
                landlock.add_port_rule(fd, port, NET[right])
            process.set_no_new_privs()
            landlock.restrict_self(fd)
            return attempt(lambda: operate(client, port))

    return alone(work)


@pytest.mark.parametrize(("right", "operate"), [("BIND_UDP", bind), ("CONNECT_SEND_UDP", connect)])
def test_a_udp_port_is_refused_when_handled_and_granted_by_a_rule(
    right: str, operate: Callable[[socket.socket, int], object]
) -> None:
    if refused_as_unknown(net=NET[right]):
        return
    assert udp(operate, right, granted=False) == errno.EACCES
    assert udp(operate, right, granted=True) == 0


@pytest.mark.parametrize("scoped", [False, True])
def test_the_signal_scope_keeps_signals_inside(scoped: bool, unprivileged: bool) -> None:
    if refused_as_unknown(scoped=SCOPE["SIGNAL"]):
        return

    def work() -> list[int]:
        back, there = os.pipe()

        def until_we_are_gone() -> None:
            os.close(there)
            os.read(back, 1)

        outside = fork(until_we_are_gone)
        fd = landlock.create_ruleset(0, 0, SCOPE["SIGNAL"] if scoped else SCOPE["ABSTRACT_UNIX_SOCKET"])
        process.set_no_new_privs()
        landlock.restrict_self(fd)
        inside = fork(until_we_are_gone)
        return [attempt(partial(os.kill, pid, 0)) for pid in (outside, inside, os.getpid())]

    assert alone(work, unprivileged=unprivileged) == [errno.EPERM if scoped else 0, 0, 0]


@pytest.mark.parametrize("scoped", [False, True])
def test_the_abstract_scope_keeps_connections_inside(scoped: bool, unprivileged: bool) -> None:
    if refused_as_unknown(scoped=SCOPE["ABSTRACT_UNIX_SOCKET"]):
        return

    def work() -> tuple[int, int]:
        outside = socket.socket(socket.AF_UNIX)
        outside.bind(b"")  # the kernel chooses an abstract name
        outside.listen()
        fd = landlock.create_ruleset(0, 0, SCOPE["ABSTRACT_UNIX_SOCKET"] if scoped else SCOPE["SIGNAL"])
        process.set_no_new_privs()
        landlock.restrict_self(fd)
        inside = socket.socket(socket.AF_UNIX)
        inside.bind(b"")
        inside.listen()
        found = []
        for server in (outside, inside):
            with server, socket.socket(socket.AF_UNIX) as client:
                found.append(attempt(partial(client.connect, server.getsockname())))
        return found[0], found[1]

    assert alone(work, unprivileged=unprivileged) == (errno.EPERM if scoped else 0, 0)
