"""What `troth run` says and does when a program breaks its promises."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess

import pytest
from conftest import needs
from programs import MKDIR as CALL
from programs import TROTH, compiled, needs_early, troth_run

from troth.kernel import landlock

MKDIR = r"""
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
static void on(int s) {}
int main(int argc, char **argv) {
    if (!strcmp(argv[1], "ignore")) signal(SIGSYS, SIG_IGN);
    if (!strcmp(argv[1], "catch")) signal(SIGSYS, on);
    if (!strcmp(argv[1], "block")) { sigset_t s; sigemptyset(&s); sigaddset(&s, SIGSYS); sigprocmask(SIG_BLOCK, &s, 0); }
    int n = argc > 2 ? atoi(argv[2]) : 0;
    for (int i = 0; i < n; i++) if (fork() == 0) { mkdir("/tmp/troth-must-not-exist", 0750); _exit(1); }
    int killed = 0, status;
    while (wait(&status) > 0) killed += WIFSIGNALED(status);
    if (n) { printf("killed %d\n", killed); return 0; }
    mkdir("/tmp/troth-must-not-exist", 0750);
    printf("went on\n");
    return 1;
}
"""

# Threads that all break their promises at once.
THREADS = r"""
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
static pthread_barrier_t barrier;
static void *work(void *arg) { pthread_barrier_wait(&barrier); for (;;) mkdir("/tmp/troth-must-not-exist", 0700); }
int main(void) {
    pthread_t t;
    pthread_barrier_init(&barrier, 0, 16);
    for (int i = 0; i < 15; i++) pthread_create(&t, 0, work, 0);
    work(0);
}
"""


@pytest.fixture(params=["late", "early"])
def moment(request: pytest.FixtureRequest) -> list[str]:
    if request.param == "early":
        needs_early()
    return ["--early"] if request.param == "early" else []


@pytest.fixture(autouse=True)
def nothing_is_made() -> object:
    yield
    assert not os.path.exists("/tmp/troth-must-not-exist")


def test_the_line_has_the_program_its_pid_the_call_with_its_arguments_and_the_promise(
    moment: list[str], unprivileged: bool
) -> None:
    program = compiled(MKDIR)
    done = troth_run(*moment, "-p", "stdio", "--", program, "-", unprivileged=unprivileged)
    assert (done.status, done.out) == (128 + signal.SIGSYS, "")
    name = re.escape(os.path.basename(program)[:15])
    assert re.fullmatch(rf"{name}\[[0-9]+\]: {re.escape(CALL)}0x[0-9a-f]+, 0x1e8\): needs promise `cpath`\n", done.err)


def test_a_32_bit_program_is_told_in_its_own_calls() -> None:
    done = troth_run("-p", "stdio", "--", compiled(MKDIR, "-m32"), "-")
    assert done.status == 128 + signal.SIGSYS
    assert re.search(r"\]: mkdir\(0x[0-9a-f]{1,8}, 0x1e8\): needs promise `cpath`\n$", done.err)


@pytest.mark.parametrize("how", ["ignore", "catch", "block"])
def test_a_program_that_withstands_sigsys_is_killed(how: str, moment: list[str]) -> None:
    done = troth_run(*moment, "-p", "stdio", "--", compiled(MKDIR), how)
    assert (done.status, done.out) == (128 + signal.SIGKILL, "")
    assert done.err.count("\n") == 1
    assert CALL in done.err


def test_the_errno_mode_refuses_and_says_nothing(moment: list[str]) -> None:
    for arguments in (("-p", "stdio", "--on-violation=errno"), ("-p", "stdio error")):
        done = troth_run(*moment, *arguments, "--", compiled(MKDIR), "-")
        assert done == (1, "went on\n", "")


def test_a_grandchild_is_named_with_its_own_pid(moment: list[str]) -> None:
    command = "mkdir /tmp/troth-must-not-exist & echo $!; wait $!; echo $?"
    done = troth_run(*moment, "-p", "stdio proc exec rpath", "--", "/bin/sh", "-c", command)
    pid, status = done.out.split()
    assert int(status) == 128 + signal.SIGSYS
    assert re.search(
        rf"^mkdir\[{pid}\]: {re.escape(CALL)}0x[0-9a-f]+, 0x1ff\): needs promise `cpath`$", done.err, re.MULTILINE
    )
    assert done.status == 0


def test_each_process_is_reported_once(moment: list[str]) -> None:
    done = troth_run(*moment, "-p", "stdio proc", "--", compiled(MKDIR), "-", "300")
    assert (done.status, done.out) == (0, "killed 300\n")
    pids = re.findall(rf"\[([0-9]+)\]: {re.escape(CALL)}", done.err)
    assert len(pids) == len(set(pids)) == 300


def test_threads_that_all_break_their_promises_are_one_violation() -> None:
    for _ in range(5):
        done = troth_run("-p", "stdio", "--", compiled(THREADS, "-pthread"))
        assert done.status in (128 + signal.SIGSYS, 128 + signal.SIGKILL)
        assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("promises", "command", "call", "needs_promise"),
    [
        ("stdio", ["/bin/ln", "-s", "a", "/tmp/troth-must-not-exist"], "symlinkat", "needs promise `cpath`"),
        ("stdio", ["/bin/sh", "-c", "/bin/true"], "(vfork|clone)", "needs promise `proc`"),  # by what vfork(3) calls
        ("stdio proc", ["/bin/sh", "-c", "/bin/true; :"], "execve", "needs promise `exec`"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_promise_named_is_the_one_that_would_have_allowed_it(
    promises: str, command: list[str], call: str, needs_promise: str
) -> None:
    needs(os.path.exists(command[0]), f"{command[0]} is not installed")
    done = troth_run("-p", promises, "--", *command)
    assert re.search(rf"\]: {call}\(", done.err)
    assert done.err.rstrip("\n").endswith(needs_promise)


def test_no_promise_allows_some_calls() -> None:
    source = "#include <sys/ptrace.h>\nint main(void) { return ptrace(PTRACE_TRACEME, 0, 0, 0) == 0; }"
    done = troth_run("-p", "stdio rpath wpath cpath proc exec", "--", compiled(source))
    assert done.status == 128 + signal.SIGSYS
    assert re.search(r"\]: ptrace\(0x0, 0x0, 0x0, 0x0\): no promise allows it\n$", done.err)


def test_a_name_that_does_not_print_is_escaped() -> None:
    source = '#include <sys/prctl.h>\n#include <sys/stat.h>\nint main(void) { prctl(PR_SET_NAME, "a\\nb\\xff"); mkdir("/tmp/troth-must-not-exist", 0); return 0; }'
    done = troth_run("-p", "stdio", "--", compiled(source))
    assert done.err.startswith(r"'a\nb\udcff'[")
    assert done.err.count("\n") == 1


def test_without_a_listener_the_death_is_told() -> None:
    done = troth_run("-p", "stdio rpath proc exec", "--", "/bin/sh", "-c", "kill -SYS $$")
    assert done == (128 + signal.SIGSYS, "", "")  # a listener is there, and was asked nothing


def test_troth_in_troth_is_confined_early_and_says_less() -> None:
    outer = [*TROTH, "run", "-p", "stdio rpath wpath cpath proc exec prot_exec", "--"]
    inner = [*TROTH, "run", "-p", "stdio rpath prot_exec proc", "--"]
    needs(landlock.abi(), "Landlock")  # confined from its start, a program without `exec` is started by its leave
    done = subprocess.run([*outer, *inner, "/bin/echo", "inside"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "inside\n")
    assert done.stderr == (
        "troth: note: the program is confined from its start, as with --early: a filter that is in force does not allow tracing\n"
    )
    program = compiled(MKDIR)
    done = subprocess.run([*outer, *inner, program, "-"], capture_output=True, text=True, check=False)
    assert done.returncode == 128 + signal.SIGSYS
    name, said = done.stderr.splitlines()[-1].split("[", 1)
    assert name == os.path.basename(program)[:15]
    assert said.endswith("]: killed for a call that its promises do not allow")


def test_a_filter_with_a_listener_already_there_is_lived_with() -> None:
    """Docker and systemd do not have one, but a container manager may: EBUSY."""
    from kernel_programs import answer_with

    from troth.abi import seccomp as answers
    from troth.kernel import process, seccomp

    def prepare() -> None:
        process.set_no_new_privs()
        seccomp.set_mode_filter(answer_with(answers.RET_ALLOW), new_listener=True)

    done = troth_run("-p", "stdio", "--", compiled(MKDIR), "-", prepare=prepare)
    assert done.status == 128 + signal.SIGSYS
    assert done.err.endswith("]: killed for a call that its promises do not allow\n")
    assert done.err.count("\n") == 1


def test_the_supervisor_that_dies_leaves_the_calls_refused() -> None:
    command = "echo $PPID; read line; mkdir /tmp/troth-must-not-exist; echo $?"
    process = subprocess.Popen(
        [*TROTH, "run", "-p", "stdio rpath proc exec", "--", "/bin/sh", "-c", command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdin, process.stdout:
        assert int(process.stdout.readline()) == process.pid
        process.kill()
        process.wait()
        process.stdin.write("go\n")
        process.stdin.flush()
        assert int(process.stdout.readline()) == 1


def test_a_core_limit_and_other_limits_pass_through() -> None:
    def prepare() -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (4096, 8192))

    done = troth_run("-p", "stdio rpath", "--", "/bin/sh", "-c", "ulimit -S -c; ulimit -H -c", prepare=prepare)
    assert done.out.split() == ["8", "16"]


def test_no_descriptor_of_troth_reaches_the_program(moment: list[str]) -> None:
    needs(landlock.abi(), "Landlock")

    def prepare() -> None:
        os.closerange(3, 4096)

    done = troth_run(
        *moment,
        "-p",
        "stdio rpath",
        "-v",
        "/proc:r",
        "-v",
        "/usr:rx",
        "-v",
        "/bin:rx",
        "--",
        "/bin/ls",
        "/proc/self/fd",
        prepare=prepare,
    )
    assert done.out.split() == ["0", "1", "2", "3"], done  # 3 is the directory that ls reads
