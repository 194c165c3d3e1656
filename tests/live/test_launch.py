"""The way from execve(2) to the entry point: what shared objects do on it, and what is left behind."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys

import pytest
from conftest import needs
from kernel_programs import refuse
from programs import MKDIR, TROTH, compiled, directory, script, troth_run, without_notes

from troth.abi.seccomp import RET_KILL_PROCESS, RET_USER_NOTIF
from troth.errors import EnforcementError
from troth.kernel import landlock, procfs
from troth.sandbox.launch import ExecError, launch
from troth.sandbox.signals import Signals
from troth.sandbox.supervise import supervise

HELLO = '#include <stdio.h>\nint main(void) { puts("main"); return 0; }\n'

# A constructor that starts a thread; the thread waits for main() to be there, then does what is forbidden.
THREAD = r"""
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
int results[2];
static int ready[2];
static pthread_t thread;
static void *work(void *arg) {
    char c;
    pthread_barrier_wait(arg);
    while (read(ready[0], &c, 1) != 1);
    errno = 0; mkdir("/tmp/troth-must-not-exist", 0700); results[0] = errno;
    errno = 0; open("/etc/passwd", O_RDONLY); results[1] = errno;
    return 0;
}
__attribute__((constructor)) static void begin(void) {
    static pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, 0, 2);
    pipe(ready);
    pthread_create(&thread, 0, work, &barrier);
    pthread_barrier_wait(&barrier);
}
__attribute__((destructor)) static void end(void) {
    write(ready[1], "x", 1);
    pthread_join(thread, 0);
    printf("thread %d %d\n", results[0], results[1]);
}
"""

FORK = r"""
#include <sys/wait.h>
#include <unistd.h>
__attribute__((constructor)) static void begin(void) {
    pid_t pid = fork();
    if (pid == 0) { write(1, "unbound\n", 8); _exit(0); }
    waitpid(pid, 0, 0);
}
"""

REEXEC = r"""
#include <stdlib.h>
#include <unistd.h>
extern char **environ;
__attribute__((constructor)) static void begin(void) {
    if (!getenv("AGAIN")) { setenv("AGAIN", "1", 1); execl("/bin/echo", "echo", "another", (char *)0); }
}
"""

# A constructor that starts threads which end at once, many of them while the program arrives at its entry point.
CHURN = r"""
#include <pthread.h>
static void *nothing(void *arg) { return 0; }
static void *breed(void *arg) {
    for (int i = 0; i < 200; i++) { pthread_t t; if (pthread_create(&t, 0, nothing, 0) == 0) pthread_detach(t); }
    return 0;
}
__attribute__((constructor)) static void begin(void) {
    for (int i = 0; i < 4; i++) { pthread_t t; pthread_create(&t, 0, breed, 0); pthread_detach(t); }
}
"""

DIE = r"""
#include <signal.h>
#include <unistd.h>
__attribute__((constructor)) static void begin(void) { DEATH; }
"""


# Says that it is there, then waits for ever.
WAIT = r"""
#include <unistd.h>
__attribute__((constructor)) static void begin(void) { write(1, "here\n", 5); for (;;) pause(); }
"""


def library(name: str, source: str, *flags: str) -> str:
    path = os.path.join(directory(), f"lib{name}.so")
    needs(shutil.which("gcc"), "gcc is not installed")
    subprocess.run(
        ["gcc", "-w", "-shared", "-fPIC", "-pthread", "-x", "c", "-o", path, "-", *flags],
        input=source.encode(),
        check=True,
    )
    return path


def troth_preloading(path: str, *args: str) -> subprocess.Popen[bytes]:
    """`troth run` as a process of its own, which does not load the object itself."""
    code = f"import os, sys; os.environ['LD_PRELOAD'] = {path!r}; from troth.cli import main; main()"
    return subprocess.Popen([sys.executable, "-c", code, "run", *args], stdout=subprocess.PIPE)


def preloaded(path: str) -> dict[str, str]:
    return {"LD_PRELOAD": path, "PATH": os.environ["PATH"]}


@pytest.mark.parametrize("flags", [(), ("-m32",)], ids=["64", "32"])
def test_a_thread_that_a_constructor_started_is_confined_too(flags: tuple[str, ...], unprivileged: bool) -> None:
    needs(landlock.abi(), "Landlock")
    program = compiled(HELLO, *flags)
    env = preloaded(library("thread" + "".join(flags), THREAD, *flags))
    plain = subprocess.run([program], env=env, capture_output=True, text=True, check=True)
    assert "thread 0 0" in plain.stdout
    os.rmdir("/tmp/troth-must-not-exist")
    arguments = ("-p", "stdio rpath", "-v", "/usr:r", "--on-violation=errno", "--", program)
    done = troth_run(*arguments, env=env, unprivileged=unprivileged)
    assert done == (0, "main\nthread 1 13\n", "")  # EPERM by the filter, EACCES by Landlock


def test_a_thread_that_a_constructor_started_is_killed_for_a_violation() -> None:
    done = troth_run("-p", "stdio rpath", "--", compiled(HELLO), env=preloaded(library("thread", THREAD)))
    assert done.status == 128 + signal.SIGSYS
    assert MKDIR in done.err
    assert "needs promise `cpath`" in done.err
    assert done.err.count("\n") == 1


def test_threads_that_come_and_go_while_the_program_starts_do_no_harm() -> None:
    needs(landlock.abi(), "Landlock")
    env = preloaded(library("churn", CHURN))
    for _ in range(10):
        done = troth_run("-p", "stdio rpath", "-v", "/usr:r", "--", compiled(HELLO), env=env)
        assert done == (0, "main\n", "")


def test_a_constructor_that_starts_a_process_ends_the_late_way() -> None:
    done = troth_run("-p", "stdio rpath proc exec", "--", compiled(HELLO), env=preloaded(library("fork", FORK)))
    # Confined early, the process it starts is bound.
    assert done.out == "unbound\nmain\n"
    assert done.err == (
        "troth: note: the program is confined from its start, as with --early: "
        "a shared object of it starts a process before the program itself starts\n"
    )


def test_a_constructor_that_executes_another_program_has_that_confined() -> None:
    done = troth_run("-p", "stdio", "--", compiled(HELLO), env=preloaded(library("reexec", REEXEC)))
    assert done == (0, "another\n", "")
    status = script("status.sh", "#!/bin/sh\nexec /bin/grep Seccomp: /proc/self/status\n")
    source = REEXEC.replace('"/bin/echo", "echo", "another"', '"/bin/grep", "grep", "Seccomp:", "/proc/self/status"')
    done = troth_run("-p", "stdio rpath", "--", status, env=preloaded(library("reexec2", source)))
    assert done == (0, "Seccomp:\t2\n", "")


@pytest.mark.parametrize(
    ("death", "status"), [("_exit(9)", 9), ("raise(SIGKILL)", 137), ("raise(SIGTERM)", 143), ("raise(SIGSTOP)", 0)]
)
def test_what_happens_before_the_entry_point_happens(death: str, status: int) -> None:
    path = library("die", DIE.replace("DEATH", death))
    if "SIGSTOP" not in death:
        assert troth_run("-p", "stdio", "--", compiled(HELLO), env=preloaded(path)).status == status
        return
    # The program stops as soon as it is no longer traced; so does troth, until somebody lets both go on.
    process = troth_preloading(path, "-p", "stdio", "--", compiled(HELLO))
    _, wait_status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(wait_status)
    process.send_signal(signal.SIGCONT)
    assert process.communicate()[0] == b"main\n"
    assert process.returncode == 0


@pytest.mark.parametrize("flags", [(), ("-static",), ("-m32", "-static")], ids=" ".join)
def test_the_program_finds_its_registers_its_memory_and_its_signal_mask_untouched(flags: tuple[str, ...]) -> None:
    # _start is ours: it hands its stack pointer, and what is at and below its own address, to C.
    source = r"""
    #include <signal.h>
    #include <stdio.h>
    #include <string.h>
    int main(int argc, char **argv) {
        sigset_t set; sigprocmask(SIG_BLOCK, 0, &set);
        extern unsigned char _start[];
        unsigned sum = 0;
        for (int i = 0; i < 16; i++) sum = sum * 31 + _start[i];
        unsigned char below[8192]; unsigned dirty = 0;
        for (int s = 1; s < 32; s++) if (sigismember(&set, s)) printf("%d ", s);
        printf("%d %s %u\n", argc, argv[argc - 1], sum);
        return 0;
    }
    """
    program = compiled(source, *flags)
    blocked = {signal.SIGUSR1, signal.SIGTRAP}
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
    try:
        plain = subprocess.run([program, "last"], capture_output=True, text=True, check=True)
        done = troth_run("-p", "stdio", "--", program, "last")
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)
    assert done == (0, plain.stdout, "")
    assert plain.stdout.startswith("5 10 2 last")


def test_a_small_stack_suffices() -> None:
    def prepare() -> None:
        resource.setrlimit(resource.RLIMIT_STACK, (256 * 1024, resource.RLIM_INFINITY))

    assert troth_run("-p", "stdio", "--", compiled(HELLO), prepare=prepare) == (0, "main\n", "")


def test_few_descriptors_suffice() -> None:
    needs(landlock.abi(), "Landlock")

    def prepare() -> None:
        os.closerange(3, 1024)
        resource.setrlimit(resource.RLIMIT_NOFILE, (24, 24))

    assert troth_run("-p", "stdio rpath", "-v", "/usr:r", "--", compiled(HELLO), prepare=prepare) == (0, "main\n", "")


def test_without_proc_programs_are_confined_late_all_the_same() -> None:
    needs(os.getuid() == 0 and shutil.which("unshare"), "a mount namespace takes root and unshare(1)")
    hide = ["unshare", "--mount", "/bin/sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh"]
    for flags in ((), ("-m32",)):
        run = [*TROTH, "run", "-p", "stdio", "--", compiled(HELLO, *flags)]
        done = subprocess.run([*hide, *run], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, without_notes(done.stderr)) == (0, "main\n", "")
    done = subprocess.run(
        [*hide, *TROTH, "run", "-p", "stdio", "--", "/bin/mkdir", "/tmp/troth-must-not-exist"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (128 + signal.SIGKILL, 128 + signal.SIGSYS)
    assert MKDIR in done.stderr


def test_a_filter_that_refuses_close_does_not_leave_the_listener_behind() -> None:
    by = {True: RET_USER_NOTIF, False: RET_KILL_PROCESS}
    lines: list[str] = []
    source = r"""
    #include <stdio.h>
    #include <string.h>
    #include <unistd.h>
    int main(void) {
        for (int fd = 0; fd < 1024; fd++) {
            char name[64], target[64] = "";
            sprintf(name, "/proc/self/fd/%d", fd);
            if (readlink(name, target, 63) > 0 && strstr(target, "seccomp")) return 1;
        }
        return 0;
    }
    """
    with Signals() as signals:
        child = launch(
            ["program"],
            executable=compiled(source, "-static"),
            program=lambda pid, notify: refuse("close", by[notify]),
            signals=signals,
            listen=True,
        )
        assert child.listener is not None
        status = supervise(child, signals, missing=lambda arch, nr, args: (), report=lines.append)
    assert (status, lines) == (0, [])


def children() -> set[int]:
    """The processes that this one has started and not waited for; the session may have some of its own."""
    found = set()
    for name in os.listdir("/proc"):
        if name.isdigit() and procfs.status(int(name)).get("PPid") == str(os.getpid()):
            found.add(int(name))
    return found


def test_a_broken_filter_kills_the_program_and_says_so() -> None:
    before = children()
    with Signals() as signals:
        for late in (True, False):
            with pytest.raises(EnforcementError) as caught:
                launch(
                    ["echo", "must not appear"],
                    executable="/bin/echo",
                    program=lambda pid, notify: b"\xff" * 8,
                    signals=signals,
                    late=late,
                )
            assert (caught.value.call, caught.value.errno) == ("seccomp", 22)
            assert children() == before


def test_what_cannot_be_executed_raises_in_the_caller() -> None:
    before = children()
    with Signals() as signals:
        for late in (True, False):
            with pytest.raises(ExecError) as caught:
                launch(
                    ["x"],
                    executable="/absent",
                    program=lambda pid, notify: refuse("mkdirat", 0),
                    signals=signals,
                    late=late,
                )
            assert caught.value.errno == 2
            assert children() == before


def test_a_program_dies_with_a_troth_that_is_killed_while_it_starts() -> None:
    process = troth_preloading(library("wait", WAIT), "-p", "stdio", "--", compiled(HELLO))
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == b"here\n"
        process.kill()
        process.wait()
        assert process.stdout.read() == b""


def test_a_signal_reaches_a_program_that_is_still_starting() -> None:
    process = troth_preloading(library("wait", WAIT), "-p", "stdio", "--", compiled(HELLO))
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == b"here\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read() == b""
    assert process.wait() == 128 + signal.SIGTERM
