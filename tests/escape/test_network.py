"""Sockets that were not promised, and what sockets that one has could be made to do. Loopback only."""

# Attempts of several steps are tuples; in loops they bind what they try as defaults of a lambda.
# mypy: disable-error-code="func-returns-value,misc"

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable

import pytest
from conftest import needs
from escape.attempts import attempt, call, grounds

from troth.kernel import landlock

MSG_FASTOPEN = 0x20000000
NONE = ("stdio", "stdio rpath wpath cpath proc exec sendfd recvfd")

# domain, type, protocol
DOMAINS: dict[str, tuple[int, int, int]] = {
    "inet stream": (2, 1, 0),
    "inet datagram": (2, 2, 0),
    "inet raw": (2, 3, 1),
    "inet packet": (2, 10, 0),
    "inet6": (10, 1, 0),
    "multipath": (2, 1, 262),
    "netlink": (16, 3, 0),
    "netfilter": (16, 3, 12),
    "audit": (16, 3, 9),
    "uevents": (16, 3, 15),
    "packet": (17, 3, 0),
    "packet datagram": (17, 2, 0),
    "virtual machine": (40, 1, 0),
    "crypto": (38, 5, 0),
    "key": (15, 3, 2),
    "bluetooth": (31, 5, 0),
    "tipc": (30, 5, 0),
    "can": (29, 3, 1),
    "express path": (44, 3, 0),
    "multiplexor": (41, 2, 0),
    "shared memory": (43, 1, 0),
    "with a bit above the type": (2, 1 | 0x100, 0),
    "with bits above the domain": (16 | 1 << 16, 3, 12),
}


@pytest.mark.parametrize("name", DOMAINS)
@pytest.mark.parametrize("promises", NONE)
def test_no_socket_comes_without_its_promise(name: str, promises: str) -> None:
    assert attempt(promises, lambda: call("socket", *DOMAINS[name])) == "kill"


FOREIGN: dict[str, tuple[str, ...]] = {
    "stdio inet": ("inet raw", "inet packet", "packet", "packet datagram", "virtual machine", "crypto", "key", "bluetooth", "tipc", "can", "express path", "multiplexor", "shared memory"),
    "stdio unix": ("inet stream", "inet datagram", "netlink", "packet", "virtual machine", "crypto"),
    "stdio dns": ("inet raw", "multipath", "packet", "virtual machine", "crypto"),
    "stdio route": ("netfilter", "audit", "uevents", "inet stream", "packet"),
    "stdio wroute": ("netfilter", "audit", "uevents"),
}  # fmt: skip


@pytest.mark.parametrize("promises", FOREIGN)
def test_a_promise_of_one_domain_opens_no_other(promises: str) -> None:
    for name in FOREIGN[promises]:
        assert attempt(promises, lambda name=name: call("socket", *DOMAINS[name])) == "kill", name
    for kind in (3, 4, 5, 10):
        if kind != 5 or "unix" not in promises:
            assert attempt(promises, lambda kind=kind: call("socketpair", 1, kind, 0, bytes(8))) != "ok" or kind == 5


def test_a_netlink_socket_for_getaddrinfo_is_refused_softly() -> None:
    for promises in ("stdio inet", "stdio dns"):
        for protocol in (0, 4, 9, 12, 15, 16):
            assert attempt(promises, lambda protocol=protocol: call("socket", 16, 3, protocol)) == "eafnosupport"


class Reach:
    """Listeners that nothing may arrive at."""

    def __init__(self, top: str) -> None:
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", 0))
        self.stream = socket.socket(socket.AF_UNIX)
        self.datagram = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.abstract = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.abstract.bind("")
        for one, name in ((self.stream, "stream"), (self.datagram, "datagram")):
            one.bind(f"{top}/{name}")
            os.chmod(f"{top}/{name}", 0o777)
        self.stream.listen(4)
        self.all = [self.tcp, self.udp, self.stream, self.datagram, self.abstract]
        for one in self.all:
            one.setblocking(False)

    def arrived(self) -> list[str]:
        """What somebody managed to send or connect."""
        found = []
        for one in self.all:
            try:
                found.append(str(one.accept() if one in (self.tcp, self.stream) else one.recv(64)))
            except BlockingIOError:
                continue
        return found


def _inherited(domain: int, kind: int) -> socket.socket:
    one = socket.socket(domain, kind)
    one.setblocking(False)
    return one


INET, UNIX, STREAM, DGRAM = socket.AF_INET, socket.AF_UNIX, socket.SOCK_STREAM, socket.SOCK_DGRAM
USES: dict[str, tuple[int, int, Callable[[socket.socket, Reach], object]]] = {
    "connect": (INET, STREAM, lambda one, to: one.connect(to.tcp.getsockname())),
    "connect datagrams": (INET, DGRAM, lambda one, to: (one.connect(to.udp.getsockname()), one.send(b"x"))),
    "connect unix": (UNIX, STREAM, lambda one, to: one.connect(to.stream.getsockname())),
    "connect unix datagrams": (UNIX, DGRAM, lambda one, to: one.connect(to.datagram.getsockname())),
    "connect abstract": (UNIX, DGRAM, lambda one, to: one.connect(to.abstract.getsockname())),
    "connect nowhere": (INET, STREAM, lambda one, to: call("connect", one.fileno(), bytes(16), 16)),
    "sendto": (INET, DGRAM, lambda one, to: one.sendto(b"x", to.udp.getsockname())),
    "sendto unix": (UNIX, DGRAM, lambda one, to: one.sendto(b"x", to.datagram.getsockname())),
    "sendto abstract": (UNIX, DGRAM, lambda one, to: one.sendto(b"x", to.abstract.getsockname())),
    "sendto, fast open": (INET, STREAM, lambda one, to: one.sendto(b"x", MSG_FASTOPEN, to.tcp.getsockname())),
    "send, fast open": (INET, STREAM, lambda one, to: one.send(b"x", MSG_FASTOPEN)),
    "sendmsg": (INET, DGRAM, lambda one, to: one.sendmsg([b"x"], [], 0, to.udp.getsockname())),
    "sendmsg unix": (UNIX, DGRAM, lambda one, to: one.sendmsg([b"x"], [], 0, to.datagram.getsockname())),
    "sendmsg, fast open": (INET, STREAM, lambda one, to: one.sendmsg([b"x"], [], MSG_FASTOPEN, to.tcp.getsockname())),
    "sendmmsg": (INET, DGRAM, lambda one, to: call("sendmmsg", one.fileno(), bytes(64), 1, 0)),
    "bind": (INET, STREAM, lambda one, to: one.bind(("127.0.0.1", 0))),
    "bind unix": (UNIX, STREAM, lambda one, to: one.bind("")),
    "listen": (INET, STREAM, lambda one, to: one.listen()),
    "accept": (INET, STREAM, lambda one, to: to.tcp.accept()),
    "accept4": (INET, STREAM, lambda one, to: call("accept4", to.tcp.fileno(), 0, 0, 0)),
}  # fmt: skip


@pytest.mark.parametrize("name", USES)
@pytest.mark.parametrize("promises", ["stdio", "stdio rpath wpath cpath proc exec tty"])
def test_a_socket_from_before_goes_nowhere_new(name: str, promises: str) -> None:
    domain, kind, use = USES[name]
    with grounds() as top:
        to = Reach(top)
        one = _inherited(domain, kind)
        assert attempt(promises, lambda: use(one, to)) == "kill"
        assert to.arrived() == []
        for each in [*to.all, one]:
            each.close()


def test_a_pair_of_datagram_sockets_sends_to_no_one_else() -> None:
    with grounds() as top:
        to = Reach(top)

        def work(name: str | bytes) -> None:
            pair = socket.socketpair(UNIX, DGRAM)
            pair[0].sendto(b"x", name)

        for promises in ("stdio", "stdio inet", "stdio sendfd", "stdio dns"):
            for target in (to.datagram.getsockname(), to.abstract.getsockname()):
                assert attempt(promises, lambda target=target: work(target)) in {"kill", "eacces", "eperm"}
        assert to.arrived() == []
        for each in to.all:
            each.close()


def test_a_connected_pair_is_not_connected_elsewhere() -> None:
    with grounds() as top:
        to = Reach(top)
        for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET):
            for use in ("connect", "connect_ex"):
                answer = attempt(
                    "stdio inet",
                    lambda kind=kind, use=use: (
                        getattr(socket.socketpair(UNIX, kind)[0], use)(to.stream.getsockname()) == 0 or "no"
                    ),
                )
                assert answer != "ok"
        assert to.arrived() == []
        for each in to.all:
            each.close()


def test_dns_connects_to_port_53_only() -> None:
    needs(landlock.abi() >= 4, "Landlock ABI 4")
    with grounds() as top:
        to = Reach(top)
        assert attempt("stdio dns", lambda: socket.socket().connect(to.tcp.getsockname())) == "eacces"
        assert attempt("stdio dns", lambda: socket.socket().connect(("127.0.0.1", 53))) == "econnrefused"
        assert attempt("stdio dns", lambda: socket.socket().bind(("127.0.0.1", 0))) == "eacces"
        assert attempt("stdio dns", lambda: socket.socket().listen()) == "kill"
        assert attempt(
            "stdio dns", lambda: (one := socket.socket(), one.setsockopt(6, 30, 1), one.connect(to.tcp.getsockname()))
        ) in {"enoprotoopt", "kill"}
        assert to.arrived() == []
        for each in to.all:
            each.close()


OPTIONS: dict[str, tuple[int, int]] = {
    "attach a filter": (1, 26),
    "attach a bpf program": (1, 50),
    "a device": (1, 25),
    "a mark": (1, 36),
    "a larger buffer than allowed": (1, 33),
    "own headers": (0, 3),
    "another's address": (0, 19),
    "upper layer protocol": (6, 31),
    "repair": (6, 19),
    "authentication": (6, 14),
    "netfilter tables": (0, 64),
    "multicast": (0, 35),
    "routing header": (41, 57),
    "pass the peer": (1, 16),
}


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("promises", ["stdio", "stdio inet"])
def test_no_option_gives_more_than_the_promise(name: str, promises: str) -> None:
    held: list[socket.socket] = []
    assert (
        attempt(
            promises,
            lambda: call("setsockopt", held[0].fileno(), *OPTIONS[name], bytes(64), 64),
            prepare=lambda: held.append(socket.socket()),
        )
        == "enoprotoopt"
    )


IOCTLS = {"SIOCSIFFLAGS": 0x8914, "SIOCADDRT": 0x890B, "SIOCGIFCONF": 0x8912, "SIOCSIFNAME": 0x8923, "SIOCETHTOOL": 0x8946, "SIOCBRADDBR": 0x89A0, "SIOCSPGRP": 0x8902, "FIOSETOWN": 0x8901, "FIOASYNC": 0x5452}  # fmt: skip


@pytest.mark.parametrize("name", IOCTLS)
def test_no_request_to_a_socket_sets_up_the_machine(name: str) -> None:
    held: list[socket.socket] = []
    for promises in ("stdio", "stdio inet unix tty"):
        assert (
            attempt(
                promises,
                lambda: call("ioctl", held[0].fileno(), IOCTLS[name], bytes(64)),
                prepare=lambda: held.append(socket.socket()),
            )
            == "kill"
        )


def test_descriptors_are_neither_sent_nor_received_under_stdio() -> None:
    ends: list[socket.socket] = []

    def prepare() -> None:
        ends[:] = socket.socketpair()
        socket.send_fds(ends[0], [b"x"], [0])

    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", 0))]
    for promises in ("stdio", "stdio recvfd", "stdio rpath proc exec"):
        assert attempt(promises, lambda: ends[0].sendmsg([b"x"], rights), prepare=prepare) == "kill"
    for promises in ("stdio", "stdio sendfd", "stdio unix", "stdio unix sendfd"):
        assert attempt(promises, lambda: socket.recv_fds(ends[1], 1, 1), prepare=prepare) == "kill"
        assert (
            attempt(promises, lambda: call("recvmmsg", ends[1].fileno(), bytes(64), 1, 0, 0), prepare=prepare) == "kill"
        )


def test_a_plain_recv_loses_a_descriptor_that_was_sent() -> None:
    ends: list[socket.socket] = []
    before = len(os.listdir("/proc/self/fd"))

    def prepare() -> None:
        ends[:] = socket.socketpair()
        socket.send_fds(ends[0], [b"x"], [0])

    def work() -> None:
        free = os.dup(0)
        os.close(free)
        ends[1].recvfrom(1)
        assert os.dup(0) == free

    assert attempt("stdio", work, prepare=prepare) == "ok"
    assert len(os.listdir("/proc/self/fd")) == before
