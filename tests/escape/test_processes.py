"""Other processes, namespaces, the kernel itself, and the sandbox's own calls."""

# Attempts of several steps are tuples; in loops they bind what they try as defaults of a lambda.
# mypy: disable-error-code="func-returns-value,misc"

from __future__ import annotations

import ctypes
import os
import resource
import signal
import struct
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from children import in_child
from conftest import needs
from escape.attempts import LIBC, Victim, attempt, call, dumpable, forked, victim

import troth
from troth.abi.seccomp import RET_ALLOW
from troth.errors import EnforcementError, IncreaseError
from troth.kernel import landlock, process, seccomp

EVERY = "stdio rpath wpath cpath dpath fattr chown flock inet mcast unix dns getpw proc exec id prot_exec settime tty vminfo ps route wroute sendfd recvfd sysvipc"
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
    "ports": (lambda: call("iopl", 3), {"kill"}),
    "one port": (lambda: call("ioperm", 0, 1, 1), {"kill"}),
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


ALLOW_ALL = struct.pack("HBBI", 0x06, 0, 0, RET_ALLOW)


def test_a_later_filter_gives_nothing_back() -> None:
    def work() -> object:
        seccomp.set_mode_filter(ALLOW_ALL)
        return call("ptrace", 0, 0, 0, 0)

    assert attempt("stdio", work) == "kill"


def test_no_listener_answers_for_the_filter() -> None:
    for more in (0, 1 << 32):
        with pytest.raises(AssertionError):  # it is refused, not granted
            assert attempt("stdio proc", lambda more=more: call("seccomp", 1, 8 | more, 0)) == "ok"
    assert attempt("stdio proc", lambda: call("seccomp", 1, 8 | 1, 0)) == "einval"


def test_strict_mode_does_not_replace_a_filter() -> None:
    assert attempt("stdio", lambda: call("seccomp", 0, 0, 0)) == "einval"
    assert attempt("stdio", lambda: call("prctl", 22, 1, 0, 0, 0)) == "einval"
    assert attempt("stdio", lambda: call("prctl", 22, 0, 0, 0, 0)) == "einval"


def test_no_new_privileges_are_not_given_back() -> None:
    assert attempt("stdio id", lambda: call("prctl", 38, 0, 0, 0, 0)) == "einval"
    assert attempt("stdio", lambda: str(call("prctl", 39, 0, 0, 0, 0))) == "1"


def test_another_domain_does_not_widen_the_first() -> None:
    needs(landlock.abi(), "Landlock")

    def work() -> object:
        fd = landlock.create_ruleset(1 << 2)
        landlock.add_path_rule(fd, os.open("/", os.O_PATH), 1 << 2)
        landlock.restrict_self(fd)
        return os.open("/etc/hostname", os.O_RDONLY)

    assert attempt("stdio", work) == "eacces"


def test_state_that_is_tampered_with_fools_only_python() -> None:
    from troth.sandbox.state import STATE

    def work() -> object:
        STATE.held, STATE.policy, STATE.ruleset, STATE.locked = None, None, None, False
        troth.pledge("stdio rpath proc inet", violation="errno")
        return os.open("/etc/hostname", os.O_RDONLY)

    assert attempt("stdio", work) == "eacces"


def test_state_that_claims_a_filter_leaves_the_real_one() -> None:
    from troth.sandbox.state import STATE

    def work() -> object:
        before = STATE.policy
        troth.pledge("stdio")  # nothing new
        assert STATE.policy is before
        return call("fork")

    assert attempt("stdio proc", lambda: (troth.pledge("stdio"), work())) == "kill"


def test_a_wider_pledge_is_an_error_and_changes_nothing() -> None:
    def work() -> object:
        with pytest.raises(IncreaseError):
            troth.pledge("stdio rpath proc")
        return call("fork")

    assert attempt("stdio", work) == "kill"


def test_pledges_on_top_of_each_other_lose_nothing_that_an_earlier_one_refused() -> None:
    def work() -> object:
        for promises in ("stdio rpath wpath proc unveil", "stdio rpath wpath unveil", "stdio rpath", "stdio"):
            troth.pledge(promises)
        return call("openat", -100, b"/etc/hostname", 0, 0)

    assert attempt("stdio rpath wpath cpath proc exec unveil", work) == "eacces"
    assert (
        attempt(
            "stdio rpath wpath cpath proc exec unveil",
            lambda: (troth.pledge("stdio exec"), troth.pledge("stdio"), call("execve", b"/bin/true", 0, 0)),
        )
        == "kill"
    )


def test_a_veil_between_two_pledges_keeps_what_the_first_refused() -> None:
    needs(landlock.abi(), "Landlock")

    def work() -> object:
        troth.unveil("/tmp", "rwc")
        troth.unveil(None, None)
        troth.pledge("stdio rpath")
        return call("fork")

    assert attempt("stdio rpath wpath unveil", work) == "kill"
    assert (
        attempt(
            "stdio rpath wpath unveil",
            lambda: (troth.unveil("/tmp", "r"), troth.unveil(None, None), call("socket", 2, 1, 0)),
        )
        == "kill"
    )
    assert (
        attempt(
            "stdio rpath wpath unveil",
            lambda: (
                troth.unveil("/tmp", "r"),
                troth.unveil(None, None),
                troth.pledge("stdio rpath"),
                os.chmod("/tmp", 0o777),
            ),
        )
        == "kill"
    )


def test_all_threads_are_bound_by_the_pledge_of_one() -> None:
    def confined() -> str:
        dumpable()
        go, got = threading.Event(), []

        def wait() -> None:
            go.wait()
            got.append("started")
            LIBC.ptrace(0, 0, 0, 0)
            got.append("still here")

        waiting = threading.Thread(target=wait)
        waiting.start()
        promising = threading.Thread(target=lambda: (troth.pledge("stdio", violation="errno"), go.set()))
        promising.start()
        promising.join()
        waiting.join()
        try:
            os.open("/etc/hostname", os.O_RDONLY)
        except PermissionError:
            return " ".join(got)
        return "open"

    # ptrace is refused with EPERM in every thread, and the thread that did not promise may not open either
    assert in_child(confined, unprivileged=True) == "started still here"


def test_threads_that_start_while_another_promises_are_bound_too() -> None:
    def confined() -> str:
        over = threading.Event()
        failures: list[str] = []

        def start() -> None:
            while not over.is_set():
                thread = threading.Thread(target=lambda: None)
                thread.start()
                thread.join()

        def look() -> None:
            try:
                os.open("/etc/hostname", os.O_RDONLY)
                failures.append("open")
            except PermissionError:
                pass

        starters = [threading.Thread(target=start) for _ in range(3)]
        for each in starters:
            each.start()
        troth.pledge("stdio", violation="errno")
        late = [threading.Thread(target=look) for _ in range(8)]
        for each in late:
            each.start()
        over.set()
        for each in starters + late:
            each.join()
        return " ".join(failures) or "bound"

    assert in_child(confined, unprivileged=True) == "bound"


def test_a_thread_with_filters_of_its_own_stops_the_pledge_instead_of_being_left_out() -> None:
    def confined() -> str:
        ready, done = threading.Event(), threading.Event()

        def different() -> None:
            process.set_no_new_privs()
            seccomp.set_mode_filter(ALLOW_ALL)
            ready.set()
            done.wait()

        thread = threading.Thread(target=different)
        thread.start()
        ready.wait()
        try:
            troth.pledge("stdio")
        except EnforcementError as error:
            return f"refused {error.call}"
        finally:
            done.set()
            thread.join()
        return "pledged"

    assert in_child(confined, unprivileged=True).startswith("refused seccomp")


def test_a_vfork_child_shares_the_promises_of_its_parent() -> None:
    def work() -> str:
        import subprocess

        done = subprocess.run(
            ["/bin/sh", "-c", "echo x >/tmp/troth-vfork; exec /bin/cat /etc/shadow 2>/dev/null"], capture_output=True
        )
        return f"{done.returncode}"

    # Without Landlock the shell cannot open the null device either, and does not get as far as the program.
    assert attempt("stdio proc exec rpath", work) == ("1" if landlock.abi() else "2")
    assert not os.path.exists("/tmp/troth-vfork")
    assert attempt("stdio proc", lambda: forked(lambda: os.execv("/bin/true", ["true"]))) == "kill"


def test_a_new_program_keeps_the_promises() -> None:
    def work() -> str:
        return forked(lambda: os.execv("/bin/sh", ["sh", "-c", "echo x > /tmp/troth-new-program"]))

    assert attempt("stdio rpath proc exec", work) in ("2", "esrch", "enoent", "1", "eperm", "kill")
    assert not os.path.exists("/tmp/troth-new-program")


def test_a_set_user_id_program_gains_nothing() -> None:
    needs(os.path.exists("/bin/su"), "a set-user-ID program")

    def work() -> str:
        return forked(lambda: os.execv("/bin/su", ["su", "-c", "true"]))

    assert attempt(EVERY, work) != "ok"
    assert attempt(EVERY, lambda: str(call("prctl", 39, 0, 0, 0, 0))) == "1"


def test_dying_of_a_violation_takes_all_threads_along() -> None:
    def work() -> None:
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        thread = threading.Thread(target=lambda: LIBC.ptrace(0, 0, 0, 0))
        thread.start()
        thread.join()

    assert attempt("stdio", work) == "kill"


def test_a_handler_for_bad_system_calls_changes_nothing() -> None:
    def work() -> object:
        signal.signal(signal.SIGSYS, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGSYS])
        return call("fork")

    assert attempt("stdio", work) == "kill"


def test_more_domains_than_the_kernel_has_leave_no_gap() -> None:
    needs(landlock.abi(), "Landlock")

    def prepare() -> None:
        process.set_no_new_privs()
        for _ in range(16):
            fd = landlock.create_ruleset(1 << 6)
            landlock.restrict_self(fd)
            os.close(fd)

    assert attempt("stdio rpath", lambda: os.open("/etc/hostname", os.O_RDWR), prepare=prepare) in ("kill", "eacces")
    assert attempt("stdio", lambda: os.open("/etc/hostname", os.O_RDONLY), prepare=prepare) == "eacces"
    assert attempt(
        "stdio", lambda: call("openat", -100, b"/tmp/new", os.O_CREAT | os.O_WRONLY, 0o600), prepare=prepare
    ) in ("kill", "eacces")
    assert not os.path.exists("/tmp/new")


def test_a_buffer_for_results_is_not_a_way_to_change_arguments() -> None:
    # What a pointer points at is read by the kernel after the filter; nothing is judged by it.
    buffer = ctypes.create_string_buffer(16)
    assert attempt("stdio", lambda: call("sendto", 0, buffer, 1, 0, buffer, 16)) == "kill"
