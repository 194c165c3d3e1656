"""Other processes, namespaces, and the kernel itself."""

# Attempts of several steps are tuples; in loops they bind what they try as defaults of a lambda.
# mypy: disable-error-code="func-returns-value,misc"

from __future__ import annotations

import os
import resource
import struct
from collections.abc import Callable, Iterator

import pytest
from conftest import needs
from escape.attempts import EVERY, NR, Victim, attempt, call, victim

from troth.kernel import landlock

ONE: Victim


@pytest.fixture(autouse=True)
def other() -> Iterator[None]:
    """Somebody to look into, whose memory must stay as it is."""
    global ONE
    with victim() as ONE:
        yield
        assert ONE.look()[1] == b"untouched"


NAMESPACES = {
    name: 1 << bit
    for name, bit in (
        ("NEWTIME", 7),
        ("NEWNS", 17),
        ("NEWCGROUP", 25),
        ("NEWUTS", 26),
        ("NEWIPC", 27),
        ("NEWUSER", 28),
        ("NEWPID", 29),
        ("NEWNET", 30),
    )
}


@pytest.mark.parametrize("name", NAMESPACES)
def test_no_promise_gives_a_namespace(name: str) -> None:
    flag = NAMESPACES[name]
    for more in (0, 0x10000000, 0x100, 1 << 32):
        assert attempt(EVERY, lambda more=more: call("unshare", flag | more)) == "eperm"
    assert attempt(EVERY, lambda: call("setns", 0, flag)) == "kill"
    if name != "NEWTIME":  # which for clone(2) is a part of the signal's number
        for more in (17, 0x10000000 | 17, 0x4111 | 17, 1 << 32 | 17):
            assert attempt(EVERY, lambda more=more: call("clone", flag | more, 0, 0, 0, 0)) == "kill"
    arguments = struct.pack("11Q", flag, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0)
    assert attempt(EVERY, lambda: call("clone3", arguments, len(arguments))) == "enosys"


CLONE = {
    "a child": 17,
    "without a signal": 0,
    "sharing memory": 0x100 | 17,
    "sharing memory, waiting": 0x4100 | 17,
    "sharing files": 0x400 | 17,
    "sharing handlers": 0x900 | 17,
    "a sibling": 0x8000 | 17,
    "a thread without its handlers": 0x10100,
    "sharing all but the thread": 0xF00 | 17,
    "traced": 0x2000 | 0x10900,
    "untraced": 0x800000 | 0x10900,
    "a thread in a namespace": 0x10000000 | 0x10900,
    "with a descriptor": 0x1000 | 17,
}


@pytest.mark.parametrize("name", CLONE)
def test_stdio_starts_threads_and_no_process(name: str) -> None:
    for more in (0, 1 << 32):
        assert attempt("stdio", lambda more=more: call("clone", CLONE[name] | more, 0, 0, 0, 0)) == "kill"
    assert attempt("stdio", lambda: call("fork")) == "kill"
    assert attempt("stdio", lambda: call("vfork")) == "kill"


@pytest.mark.parametrize("flags", [0x2000 | 17, 0x800000 | 17])
def test_proc_starts_no_child_under_a_tracers_control(flags: int) -> None:
    assert attempt("stdio proc exec", lambda: call("clone", flags, 0, 0, 0, 0)) == "kill"


LOOKING: dict[str, tuple[Callable[[], object], set[str]]] = {
    "ptrace, attach": (lambda: call("ptrace", 16, ONE.pid, 0, 0), {"kill"}),
    "ptrace, seize": (lambda: call("ptrace", 0x4206, ONE.pid, 0, 0), {"kill"}),
    "ptrace, asking to be traced": (lambda: call("ptrace", 0, 0, 0, 0), {"kill"}),
    "ptrace with garbage above": (lambda: call("ptrace", 16 | 1 << 32, ONE.pid, 0, 0), {"kill"}),
    "reading memory": (lambda: call("process_vm_readv", ONE.pid, 0, 0, 0, 0, 0), {"kill", "eperm"}),
    "writing memory": (lambda: call("process_vm_writev", ONE.pid, 0, 0, 0, 0, 0), {"kill", "eperm"}),
    "taking a descriptor": (lambda: call("pidfd_getfd", 0, 0, 0), {"enosys"}),
    "comparing": (lambda: call("kcmp", os.getpid(), ONE.pid, 0, 0, 0), {"kill", "eperm", "enosys"}),
    "advising": (lambda: call("process_madvise", 0, 0, 0, 0, 0), {"enosys"}),
    "moving its pages": (lambda: call("move_pages", ONE.pid, 0, 0, 0, 0, 0), {"enosys"}),
    "migrating its pages": (lambda: call("migrate_pages", ONE.pid, 0, 0, 0), {"enosys"}),
    "measuring": (lambda: call("perf_event_open", 0, ONE.pid, -1, -1, 0), {"enosys"}),
    "watching by bpf": (lambda: call("bpf", 0, 0, 0), {"kill"}),
    "its limits": (lambda: resource.prlimit(ONE.pid, resource.RLIMIT_NOFILE), {"eperm"}),
    "setting its limits": (lambda: resource.prlimit(ONE.pid, resource.RLIMIT_NOFILE, (8, 8)), {"eperm"}),
    "a tracer for all": (lambda: call("prctl", 0x59616D61, -1, 0, 0, 0), {"einval"}),
}  # fmt: skip


@pytest.mark.parametrize("name", LOOKING)
@pytest.mark.parametrize("promises", ["stdio", EVERY])
def test_no_promise_looks_into_another_process_by(name: str, promises: str) -> None:
    work, refused = LOOKING[name]
    assert attempt(promises, work) in refused


@pytest.mark.parametrize(
    "promises",
    [
        "stdio rpath wpath",
        "stdio rpath wpath cpath",
        "stdio rpath ps",
        "stdio rpath wpath cpath inet proc exec",
        "stdio rpath wpath cpath unix proc",
    ],
)
@pytest.mark.parametrize(
    "what",
    ["mem", "environ", "maps", "fd/0", "root/etc/hostname", "cwd/etc/hostname", "exe", "syscall", "stack", "auxv"],
)
def test_proc_files_of_another_process_are_closed(promises: str, what: str) -> None:
    needs(landlock.abi(), "Landlock")  # without it a pledge says that they are in reach: tests/live/test_by_kernel.py

    def work() -> object:
        fd = os.open(f"/proc/{ONE.pid}/{what}", os.O_RDWR if what == "mem" else os.O_RDONLY)
        return os.pwrite(fd, b"changed", ONE.address) if what == "mem" else os.read(fd, 1)

    assert attempt(promises, work) in ("eacces", "eperm")


# Only the PC has these calls.
PORTS = {"kill" if "iopl" in NR else "enosys"}
KERNEL: dict[str, tuple[Callable[[], object], set[str]]] = {
    "io_uring": (lambda: call("io_uring_setup", 8, bytes(120)), {"enosys"}),
    "io_uring, entering": (lambda: call("io_uring_enter", 0, 1, 0, 0, 0, 0), {"enosys"}),
    "io_uring, registering": (lambda: call("io_uring_register", 0, 0, 0, 0), {"enosys"}),
    "aio": (lambda: call("io_setup", 8, bytes(8)), {"enosys"}),
    "page faults": (lambda: call("userfaultfd", 1), {"enosys"}),
    "keys": (lambda: call("keyctl", 0, -3, 1), {"enosys"}),
    "a key": (lambda: call("add_key", b"user", b"x", b"x", 1, -3), {"enosys"}),
    "asking for a key": (lambda: call("request_key", b"user", b"x", 0, -3), {"enosys"}),
    "a module": (lambda: call("init_module", 0, 0, b""), {"kill"}),
    "a module by descriptor": (lambda: call("finit_module", 0, b"", 0), {"kill"}),
    "another kernel": (lambda: call("kexec_load", 0, 0, 0, 0), {"kill"}),
    "the end": (lambda: call("reboot", 0, 0, 0, 0), {"kill"}),
    "the log": (lambda: call("syslog", 3, 0, 0), {"kill"}),
    "ports": (lambda: call("iopl", 3), PORTS),
    "one port": (lambda: call("ioperm", 0, 1, 1), PORTS),
    "the host's name": (lambda: call("sethostname", b"x", 1), {"kill"}),
    "swap": (lambda: call("swapoff", b"/"), {"kill"}),
    "a file system": (lambda: call("fsopen", b"tmpfs", 0), {"kill"}),
    "a security label": (lambda: call("lsm_set_self_attr", 100, 0, 0, 0), {"enosys"}),
    "quotas": (lambda: call("quotactl_fd", 0, 0, 0, 0), {"kill"}),
    "dispatching of calls": (lambda: call("prctl", 59, 1, 0, 0, 0), {"einval"}),
    "its own memory map": (lambda: call("prctl", 35, 14, 0, 0, 0), {"einval"}),
    "core scheduling": (lambda: call("prctl", 62, 1, 0, 0, 0), {"einval"}),
    "a memory error": (lambda: call("prctl", 33, 0, 0, 0, 0), {"einval"}),
    "speculation": (lambda: call("prctl", 53, 0, 2, 0, 0), {"einval"}),
}  # fmt: skip


@pytest.mark.parametrize("name", KERNEL)
@pytest.mark.parametrize("promises", ["stdio", EVERY])
def test_no_promise_opens_the_kernels(name: str, promises: str) -> None:
    work, refused = KERNEL[name]
    assert attempt(promises, work, violation="kill") in refused


def test_times_and_users_take_their_promise() -> None:
    for name, args in (
        ("clock_settime", (0, bytes(16))),
        ("settimeofday", (bytes(16), 0)),
        ("setuid", (0,)),
        ("setresgid", (0, 0, 0)),
        ("setgroups", (0, 0)),
        ("setfsuid", (0,)),
        ("capset", (bytes(8), bytes(24))),
    ):
        assert attempt("stdio rpath proc exec", lambda name=name, args=args: call(name, *args)) == "kill"
    assert attempt("stdio", lambda: call("adjtimex", bytes(208))) == "eperm"
    assert attempt("stdio", lambda: call("clock_adjtime", 0, bytes(208))) == "eperm"


def test_how_others_run_is_not_stdios_to_say() -> None:
    for name, args in (
        ("sched_setaffinity", (8, bytes(8))),
        ("sched_setscheduler", (0, bytes(4))),
        ("sched_setparam", (bytes(4),)),
        ("sched_setattr", (bytes(48), 0)),
    ):
        assert attempt("stdio", lambda name=name, args=args: call(name, ONE.pid, *args)) == "eperm"
    orders: tuple[tuple[str, tuple[int, ...]], ...] = (
        ("setpriority", (0, ONE.pid, 1)),
        ("ioprio_set", (1, ONE.pid, 0)),
        ("setpgid", (ONE.pid, 0)),
        ("setsid", ()),
    )
    for order, numbers in orders:
        assert attempt("stdio", lambda order=order, numbers=numbers: call(order, *numbers)) == "kill"


def test_segments_and_queues_take_their_promise() -> None:
    for name, args in (
        ("shmget", (0, 4096, 0)),
        ("shmat", (0, 0, 0)),
        ("shmctl", (0, 0, 0)),
        ("semget", (0, 1, 0)),
        ("semop", (0, 0, 0)),
        ("msgget", (0, 0)),
        ("msgsnd", (0, 0, 0, 0)),
        ("mq_open", (b"x", 0, 0, 0)),
        ("mq_unlink", (b"x",)),
        ("mq_notify", (0, 0)),
    ):
        assert attempt(EVERY.replace(" sysvipc", ""), lambda name=name, args=args: call(name, *args)) == "kill", name
