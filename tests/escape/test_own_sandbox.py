"""What the sandbox is made of: its own calls, its state, later pledges, threads, and what outlives them."""

# Attempts of several steps are tuples; in loops they bind what they try as defaults of a lambda.
# mypy: disable-error-code="func-returns-value,misc"

from __future__ import annotations

import ctypes
import os
import signal
import struct
import threading
import time

import pytest
from children import in_child
from conftest import needs
from escape.attempts import EVERY, LIBC, attempt, call, dumpable, forked

import troth
from troth.abi.seccomp import RET_ALLOW
from troth.errors import EnforcementError, IncreaseError
from troth.kernel import landlock, process, seccomp

ALLOW_ALL = struct.pack("HBBI", 0x06, 0, 0, RET_ALLOW)


def test_a_later_filter_gives_nothing_back() -> None:
    def work() -> object:
        seccomp.set_mode_filter(ALLOW_ALL)
        return call("ptrace", 0, 0, 0, 0)

    assert attempt("stdio", work) == "kill"


def test_no_listener_answers_for_the_filter() -> None:
    for flags in (8, 8 | 1, 8 | 1 << 32):  # were it let through, the missing program would be EFAULT
        assert attempt("stdio proc", lambda flags=flags: call("seccomp", 1, flags, 0)) == "einval"


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
