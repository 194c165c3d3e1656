"""The rules of pledge(2) about calling it again, from threads, after fork, and about programs."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest
from children import Died, in_child
from conftest import needs

import troth
from troth import abi
from troth.bpf import Program
from troth.errors import EnforcementError, IncreaseError, RequestError, UnknownPromiseError, UnsupportedError
from troth.kernel import landlock, process, seccomp
from troth.kernel.probe import probe

NUMBERS = abi.numbers(abi.native().name)


def refused() -> None:
    """What takes `cpath`, and without a pledge fails for another reason."""
    os.mkdir("/nonexistent/new")


def answering(*calls: str, with_errno: int) -> bytes:
    """A filter that fails these calls and allows the rest, as a container's would."""
    insns = [(0x20, 0, 0, 0)]
    for call in calls:
        insns += [(0x15, 0, 1, NUMBERS[call]), (0x06, 0, 0, 0x00050000 | with_errno)]
    return Program((*insns, (0x06, 0, 0, 0x7FFF0000))).to_bytes()


def under_filter(filter_bytes: bytes, work: Callable[[], str]) -> str:
    def confined() -> str:
        process.set_no_new_privs()
        seccomp.set_mode_filter(filter_bytes)
        return work()

    return in_child(confined)


def test_promises_only_shrink() -> None:
    def work() -> str:
        troth.pledge("stdio rpath")
        with pytest.raises(IncreaseError) as caught:
            troth.pledge("stdio rpath inet")
        assert caught.value.errno == errno.EPERM
        assert caught.value.asked == ("inet",)
        assert str(caught.value) == "promises cannot grow: `inet` was given up before"
        os.close(os.open("/etc/passwd", os.O_RDONLY))  # nothing changed
        troth.pledge("stdio")
        with pytest.raises(PermissionError):
            os.open("/etc/passwd", os.O_RDONLY)
        return "ok"

    assert in_child(work, unprivileged=True) == "ok"


def test_none_leaves_the_promises_as_they_are() -> None:
    def work() -> str:
        assert troth.pledge(None).status == "none"
        report = troth.pledge("stdio rpath")
        assert troth.pledge(None).promises == report.promises == ("stdio", "rpath")
        return "ok"

    assert in_child(work) == "ok"


def test_everything_is_parsed_before_anything_changes() -> None:
    def work() -> str:
        for bad in ("stdio rpaht", "stdio stdio", "tmppath"):
            with pytest.raises(RequestError):
                troth.pledge(bad)
        with pytest.raises(UnknownPromiseError):
            troth.pledge("stdio", "stdoi")
        with pytest.raises(RequestError, match="violation mode"):
            troth.pledge("stdio", violation="explode")
        assert process.get_seccomp() == seccomp.MODE_DISABLED
        assert not process.get_no_new_privs()
        return "ok"

    assert in_child(work) == "ok"


def test_with_error_a_wider_request_is_masked_and_not_refused() -> None:
    def work() -> str:
        troth.pledge("stdio rpath error")
        assert troth.pledge("stdio rpath inet error").promises == ("stdio", "rpath", "error")
        with pytest.raises(PermissionError):
            refused()
        return "ok"

    assert in_child(work) == "ok"


def test_the_same_promises_again_cost_no_filter() -> None:
    def work() -> list[int]:
        return [troth.pledge("stdio rpath").instructions for _ in range(3)]

    first, *rest = in_child(work)
    assert first > 0
    assert rest == [0, 0]


def test_forty_pledges_one_after_the_other_are_enforced() -> None:
    words = (
        "stdio rpath wpath cpath dpath fattr chown flock inet unix dns mcast getpw proc id exec prot_exec settime tty vminfo "
        "ps route wroute sendfd recvfd audio bpf disklabel drm pf tape video vmm sysvipc"
    ).split()

    def work() -> str:
        for count in range(40):
            held = words[: max(1, len(words) - count)]
            troth.pledge(held)
            if "rpath" in held:
                os.close(os.open("/etc/passwd", os.O_RDONLY))
        with pytest.raises(PermissionError):
            os.open("/etc/passwd", os.O_RDONLY)
        with pytest.raises(PermissionError):
            os.open("/tmp/never", os.O_WRONLY | os.O_CREAT)
        return "ok"

    assert in_child(work, unprivileged=True) == "ok"


def test_a_pledge_in_a_thread_binds_all_threads() -> None:
    def work() -> str:
        started, go = threading.Event(), threading.Event()
        answers: list[str] = []

        def other() -> None:
            started.set()
            go.wait()
            try:
                refused()
            except FileNotFoundError:
                answers.append("tried")
            except PermissionError:
                answers.append("refused")

        waiting = threading.Thread(target=other)
        waiting.start()
        started.wait()
        pledging = threading.Thread(target=lambda: troth.pledge("stdio rpath", violation="errno"))
        pledging.start()
        pledging.join()
        go.set()
        waiting.join()
        return answers[0]

    assert in_child(work) == "refused"


def test_a_violation_in_a_thread_ends_the_process() -> None:
    def work() -> None:
        troth.pledge("stdio rpath")
        thread = threading.Thread(target=refused)
        thread.start()
        thread.join()

    with pytest.raises(Died) as death:
        in_child(work)
    assert death.value.signum == signal.SIGSYS


def test_a_child_inherits_what_was_given_up() -> None:
    def work() -> str:
        troth.pledge("stdio rpath proc")

        def child() -> str:
            with pytest.raises(IncreaseError):
                troth.pledge("stdio rpath inet")
            troth.pledge("stdio")
            os.kill(os.getpid(), 0)  # its own pid, not its parent's
            with pytest.raises(PermissionError):
                os.open("/etc/passwd", os.O_RDONLY)
            return "ok"

        assert in_child(child) == "ok"
        os.close(os.open("/etc/passwd", os.O_RDONLY))
        return "ok"

    assert in_child(work) == "ok"


def test_a_started_program_keeps_the_promises() -> None:
    def work() -> str:
        troth.pledge("stdio rpath proc exec")
        code = "import os, sys\ntry: os.mkdir('/nonexistent/new')\nexcept OSError as e: sys.exit(7)"
        return str(subprocess.run([sys.executable, "-c", code], check=False).returncode)

    assert in_child(work) == str(-signal.SIGSYS)


def test_execpromises_may_not_be_wider_than_the_promises() -> None:
    def work() -> str:
        with pytest.raises(RequestError, match="`inet`"):
            troth.pledge("stdio exec", "stdio inet")
        assert process.get_seccomp() == seccomp.MODE_DISABLED
        return "ok"

    assert in_child(work) == "ok"


def test_narrower_execpromises_are_refused_where_exec_would_escape_them() -> None:
    def work() -> str:
        with pytest.raises(UnsupportedError, match="execve"):
            troth.pledge("stdio rpath proc exec", "stdio")
        assert process.get_seccomp() == seccomp.MODE_DISABLED
        report = troth.pledge("stdio rpath proc exec", "stdio", allow_degraded=True)
        assert report.status == "partial"
        assert troth.pledge("stdio rpath", "stdio").status == "full"  # without exec nothing can be started
        with pytest.raises(IncreaseError):
            troth.pledge(None, "stdio rpath")
        return "ok"

    assert in_child(work) == "ok"


def test_an_enforcement_has_no_truth_value() -> None:
    def work() -> str:
        report = troth.pledge("stdio rpath")
        with pytest.raises(TypeError, match="status"):
            bool(report)
        assert report.status == "full"
        assert report.missing == ()
        return repr(report)

    assert "stdio" in in_child(work)


def test_nothing_is_imported_or_opened_after_the_first_pledge() -> None:
    """The import system is closed and every open is counted once the pledge is in force."""
    needs(landlock.abi(), "Landlock")

    def work() -> list[str]:
        import builtins

        seen: list[str] = []
        troth.unveil("/usr", "r")
        troth.pledge("stdio rpath wpath unveil")
        real = builtins.__import__

        def closed(name: str, *args: object, **options: object) -> object:
            seen.append(f"import {name}")
            return real(name, *args, **options)  # type: ignore[arg-type]  # passed on

        sys.addaudithook(
            lambda event, args: seen.append(f"open {args[0]!r}") if event == "open" and not _path_only(args) else None
        )
        sys.meta_path.clear()
        modules = set(sys.modules)
        builtins.__import__ = closed  # type: ignore[assignment]  # the same, counted
        try:
            troth.pledge("stdio rpath unveil")
            troth.unveil("/usr", "r")
            troth.unveil(None, None)
            for bad in ("stdio rpaht", "stdio inet", "stdio stdio"):
                try:
                    troth.pledge(bad)
                except troth.RequestError as error:
                    str(error), repr(error), error.hint
            troth.pledge("stdio rpath")
            report = troth.pledge("stdio")
            repr(report), str(report.missing)
        finally:
            builtins.__import__ = real
        seen += sorted(set(sys.modules) - modules)
        return seen

    loaded = [line for line in in_child(work) if not line.startswith("import ")]
    assert loaded == []


def _path_only(args: tuple[object, ...]) -> bool:
    """A descriptor that only names a place for a Landlock rule."""
    return isinstance(args[2], int) and bool(args[2] & 0o10000000)


def test_a_kernel_without_filters_is_unsupported_and_nothing_is_done() -> None:
    def work() -> str:
        assert not probe().seccomp
        with pytest.raises(UnsupportedError, match="system call filters"):
            troth.pledge("stdio")
        with pytest.raises(UnsupportedError, match="system call filters"):
            troth.pledge("stdio", allow_degraded=True)
        os.close(os.open("/etc/passwd", os.O_RDONLY))
        return "ok"

    # What a kernel without CONFIG_SECCOMP_FILTER says.
    assert under_filter(answering("seccomp", with_errno=errno.ENOSYS), work) == "ok"


def test_an_outer_filter_that_denies_what_we_need_is_named() -> None:
    def work() -> str:
        with pytest.raises((UnsupportedError, EnforcementError)) as caught:
            troth.pledge("stdio rpath")
        assert "seccomp" in str(caught.value)
        return "ok"

    assert under_filter(answering("seccomp", with_errno=errno.EPERM), work) == "ok"


def test_an_outer_filter_that_denies_landlock_leaves_the_filter_to_judge() -> None:
    def work() -> str:
        report = troth.pledge("stdio rpath")
        assert report.status == "full"
        assert not report.landlock
        os.close(os.open("/etc/passwd", os.O_RDONLY))
        with pytest.raises(PermissionError):
            os.open("/etc/passwd", os.O_RDONLY | os.O_TRUNC)
        return "ok"

    calls = ("landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self")
    assert under_filter(answering(*calls, with_errno=errno.EPERM), lambda: _soft(work)) == "ok"


def _soft(work: Callable[[], str]) -> str:
    """Run with violations as errors."""
    real = troth.pledge
    troth.pledge = lambda *args, **options: real(*args, violation="errno", **options)
    return work()


def test_thread_that_cannot_follow_makes_the_pledge_fail_and_says_what_is_in_force() -> None:
    def work() -> str:
        ready, done = threading.Event(), threading.Event()

        def apart() -> None:
            process.set_no_new_privs()
            seccomp.set_mode_filter(answering("getppid", with_errno=errno.EPERM))  # a filter that the others lack
            ready.set()
            done.wait()

        thread = threading.Thread(target=apart)
        thread.start()
        ready.wait()
        try:
            troth.pledge("stdio rpath")
        except EnforcementError as error:
            assert error.call == "seccomp"
            assert "no_new_privs" in error.in_force
            socket.socket().close()
            return "refused"
        finally:
            done.set()
            thread.join()
        return "enforced"

    assert in_child(work) == "refused"
