"""Signals, stops and terminals: `troth run` is in between and nobody notices."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from programs import TROTH, children_of, compiled, needs_early, troth_process

# Says each signal it gets, with its own number of times, until SIGTERM ends it; the first line says that it is ready.
LISTENER = r"""
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static volatile sig_atomic_t counts[65];
static int wake[2];
static void on(int s) { counts[s]++; char c = s; write(wake[1], &c, 1); }
int main(void) {
    struct sigaction a;
    memset(&a, 0, sizeof a);
    a.sa_handler = on;
    a.sa_flags = SA_RESTART;
    pipe(wake);
    int all[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT, SIGALRM, SIGRTMIN};
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++) sigaction(all[i], &a, 0);
    printf("ready\n"); fflush(stdout);
    for (;;) {
        char c;
        if (read(wake[0], &c, 1) != 1) continue;
        printf("%d %d\n", c, (int)counts[(int)c]); fflush(stdout);
        if (c == SIGTERM) return 3;
    }
}
"""


_TOO_LONG = 60  # seconds without a word after which a test gives up


def lines(process: subprocess.Popen[bytes]) -> Iterator[str]:
    assert process.stdout is not None
    for line in process.stdout:
        yield line.decode().strip()


@pytest.mark.parametrize("early", [[], ["--early"]], ids=["late", "early"])
def test_signals_sent_to_troth_reach_the_program(early: list[str]) -> None:
    if early:
        needs_early()
    with troth_process(*early, "-p", "stdio", "--", compiled(LISTENER), stdout=subprocess.PIPE) as process:
        said = lines(process)
        assert next(said) == "ready"
        for signum in (
            signal.SIGHUP,
            signal.SIGINT,
            signal.SIGQUIT,
            signal.SIGUSR1,
            signal.SIGUSR2,
            signal.SIGWINCH,
            signal.SIGALRM,
            signal.SIGRTMIN,
        ):
            process.send_signal(signum)
            assert next(said) == f"{int(signum)} 1"
        process.send_signal(signal.SIGTERM)
        assert [*said] == ["15 1"]
    assert process.returncode == 3


def test_a_signal_to_the_program_alone_is_not_ours() -> None:
    with troth_process("-p", "stdio", "--", compiled(LISTENER), stdout=subprocess.PIPE) as process:
        said = lines(process)
        assert next(said) == "ready"
        (child,) = children_of(process.pid)
        os.kill(child, signal.SIGUSR1)
        assert next(said) == "10 1"
        os.kill(child, signal.SIGKILL)
    assert process.returncode == 128 + signal.SIGKILL


def test_a_program_that_was_started_with_sigchld_ignored_is_waited_for() -> None:
    ignoring = ["/bin/sh", "-c", "trap '' CHLD; exec \"$@\"", "sh"]
    done = subprocess.run([*ignoring, *TROTH, "run", "-p", "stdio rpath", "--", "/bin/sh", "-c", "exit 4"], check=False)
    assert done.returncode == 4


def test_a_background_grandchild_does_not_keep_troth() -> None:
    command = "sleep 1000 >/dev/null 2>&1 & echo $!"
    done = subprocess.run(
        [*TROTH, "run", "-p", "stdio rpath wpath cpath proc exec", "--", "/bin/sh", "-c", command],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    pid = int(done.stdout)
    os.kill(pid, signal.SIGKILL)


@contextmanager
def terminal(*command: str) -> Iterator[Terminal]:
    """Run a command with a terminal of its own."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execvpe(command[0], command, dict(os.environ, PS1="$ ", TERM="dumb"))
    screen = Terminal(pid, fd)
    try:
        yield screen
    finally:
        screen.close()


class Terminal:
    """What a person sees and types."""

    def __init__(self, pid: int, fd: int) -> None:
        self.pid = pid
        self.fd = fd
        self.seen = ""
        self.status: int | None = None

    def type(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def expect(self, pattern: str) -> str:
        """Read until this is seen, and forget all up to its end."""
        while (found := re.search(pattern, self.seen)) is None:
            try:
                data = os.read(self.fd, 4096) if select.select([self.fd], [], [], _TOO_LONG)[0] else b""
            except OSError:
                data = b""
            if not data:
                pytest.fail(f"the terminal ended or fell silent before {pattern!r}; it said {self.seen!r}")
            self.seen += data.decode(errors="replace").replace("\r\n", "\n")
        self.seen = self.seen[found.end() :]
        return found.group()

    def wait(self) -> int:
        if self.status is None:
            self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.status

    def close(self) -> None:
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            self.wait()
        os.close(self.fd)


def test_interrupt_from_the_keyboard_reaches_the_program_once() -> None:
    with terminal(*TROTH, "run", "-p", "stdio tty", "--", compiled(LISTENER)) as screen:
        screen.expect("ready\n")
        screen.type("\x03")
        screen.expect(r"2 1\n")
        screen.type("\x1c")
        screen.expect(r"3 1\n")
        os.kill(screen.pid, signal.SIGTERM)
        # Had the interrupt come twice, it would have been said before this.
        assert "2 2" not in screen.expect(r"(?s).*15 1\n")
        assert screen.wait() == 3


def test_interrupt_from_the_keyboard_ends_a_program_that_does_not_catch_it() -> None:
    with terminal(*TROTH, "run", "-p", "stdio tty", "--", "/bin/cat") as screen:
        screen.type("hello\n")
        screen.expect("(?s)hello\n.*hello\n")
        screen.type("\x03")
        assert screen.wait() == 128 + signal.SIGINT


def test_the_window_size_passes_through() -> None:
    source = r"""
    #include <signal.h>
    #include <stdio.h>
    #include <sys/ioctl.h>
    #include <unistd.h>
    static void on(int s) {}
    static void say(void) { struct winsize w; ioctl(0, TIOCGWINSZ, &w); printf("size %d %d\n", w.ws_row, w.ws_col); fflush(stdout); }
    int main(void) {
        struct sigaction a = {.sa_handler = on};
        sigset_t set, old;
        sigaction(SIGWINCH, &a, 0);
        sigemptyset(&set); sigaddset(&set, SIGWINCH); sigprocmask(SIG_BLOCK, &set, &old);
        say(); sigsuspend(&old); say();
        return 0;
    }
    """
    with terminal(*TROTH, "run", "-p", "stdio tty", "--", compiled(source)) as screen:
        screen.expect("size 0 0\n")
        fcntl.ioctl(screen.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 111, 0, 0))
        screen.expect("size 33 111\n")
        assert screen.wait() == 0


def test_stop_and_continue_from_a_shell_with_job_control() -> None:
    program = compiled(LISTENER)
    with terminal("bash", "--norc", "-i") as screen:
        screen.expect(r"\$ ")
        screen.type(" ".join([*TROTH, "run", "-p", "'stdio tty'", "--", program]) + "\n")
        screen.expect("ready\n")
        screen.type("\x1a")
        screen.expect(r"Stopped.*")
        screen.type("echo in shell\n")
        screen.expect("in shell\n.*in shell|\nin shell\n")
        screen.type("jobs -l\n")
        screen.expect(r"Stopped.*")
        screen.type("fg\n")
        screen.expect(r"18 \d\n")  # SIGCONT
        screen.type("\x03")
        screen.expect(r"2 1\n")
        screen.type("\x1a")
        screen.expect(r"Stopped.*")
        screen.type("bg\n")
        screen.expect(r"18 \d\n")
        screen.type("kill %1\n")
        screen.expect(r"15 \d\n")
        screen.type("wait; exit 5\n")
        assert screen.wait() == 5


def test_a_program_that_stops_itself_stops_troth() -> None:
    process = troth_process("-p", "stdio rpath proc", "--", "/bin/sh", "-c", "kill -STOP $$; exit 6")
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    process.send_signal(signal.SIGCONT)
    assert process.wait() == 6


def test_a_foreground_program_reads_the_terminal_through_a_pipeline() -> None:
    with terminal("bash", "--norc", "-i") as screen:
        screen.expect(r"\$ ")
        run = " ".join([*TROTH, "run", "-p", "'stdio rpath proc exec'", "--", "sh", "-c", "'echo begun; cat'"])
        screen.type(f"{run} | cat\n")
        screen.expect(r"\nbegun\n")
        screen.type("typed\n\x04")
        screen.expect(r"typed\n.*typed\n")
        screen.type("exit 7\n")
        assert screen.wait() == 7


def test_troth_without_a_terminal_or_standard_files_works() -> None:
    done = subprocess.run(
        [*TROTH, "run", "-p", "stdio", "--", "/bin/true"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        check=False,
    )
    assert done.returncode == 0


def test_interrupts_ignored_by_the_caller_stay_ignored() -> None:
    process = subprocess.Popen(
        [
            "/bin/sh",
            "-c",
            "trap '' INT; exec \"$@\"",
            "sh",
            *TROTH,
            "run",
            "-p",
            "stdio rpath",
            "--",
            "/bin/sh",
            "-c",
            "kill -INT $$; exit 8",
        ]
    )
    assert process.wait() == 8


def test_a_signal_before_the_program_is_there_is_not_lost() -> None:
    code = "import os, signal, sys; signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2}); os.kill(os.getpid(), signal.SIGUSR2); from troth.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "run", "-p", "stdio", "--", "/bin/cat"], stdin=subprocess.DEVNULL, check=False
    )
    # It was pending for troth; the program inherits the mask, so it keeps it pending and ends as ever.
    assert done.returncode == 0


def test_an_interrupt_from_the_keyboard_before_the_program_is_there_ends_it() -> None:
    code = """
import signal, sys
from troth.sandbox import front
start = front.start
def wait_and_start(*args, **kwargs):
    print("ready", flush=True)
    while signal.SIGINT not in signal.sigpending():
        pass
    return start(*args, **kwargs)
front.start = wait_and_start
from troth.cli import main
main()
"""
    for early in ((), ("--early",)):
        if early:
            needs_early()
        with terminal(sys.executable, "-c", code, "run", *early, "-p", "stdio tty", "--", "/bin/cat") as screen:
            screen.expect("ready\n")
            screen.type("\x03")
            assert screen.wait() == 128 + signal.SIGINT
