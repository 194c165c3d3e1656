"""`troth run` on real programs, confined at their entry point and before it, as this user and as nobody."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
from conftest import needs
from programs import TROTH, compiled, directory, needs_early, script, troth_run, without_notes

HELLO = r"""
#include <stdio.h>
#include <unistd.h>
int main(int argc, char **argv) { printf("hello %d %s\n", argc, argc > 1 ? argv[1] : "-"); return 7; }
"""

# Says which restrictions bind it, as the kernel sees it, and tries to make a directory.
STATE = r"""
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <errno.h>
int main(void) {
    char line[256];
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (!strncmp(line, "NoNewPrivs", 10) || !strncmp(line, "Seccomp:", 8) || !strncmp(line, "TracerPid", 9)) fputs(line, stdout);
    errno = 0;
    mkdir("/tmp/troth-must-not-exist", 0700);
    printf("mkdir %d\n", errno);
    return 0;
}
"""

# Four threads; each, and the first one last, makes a call that was not promised.
THREADS = r"""
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
static void *work(void *arg) { errno = 0; mkdir("/tmp/troth-must-not-exist", 0700); *(int *)arg = errno; return 0; }
int main(void) {
    pthread_t t[4]; int e[5];
    for (int i = 0; i < 4; i++) pthread_create(&t[i], 0, work, &e[i]);
    for (int i = 0; i < 4; i++) pthread_join(t[i], 0);
    work(&e[4]);
    printf("%d %d %d %d %d\n", e[0], e[1], e[2], e[3], e[4]);
    return 0;
}
"""


@pytest.fixture(params=["late", "early"])
def moment(request: pytest.FixtureRequest) -> list[str]:
    """The arguments for confining at the entry point, or before execve(2)."""
    if request.param == "early":
        needs_early()
    return ["--early"] if request.param == "early" else []


@pytest.mark.parametrize(
    "flags",
    [(), ("-static",), ("-no-pie",), ("-static-pie",), ("-m32",), ("-m32", "-static"), ("-m32", "-no-pie")],
    ids=" ".join,
)
def test_a_program_of_any_make_runs(flags: tuple[str, ...], moment: list[str], unprivileged: bool) -> None:
    program = compiled(HELLO, *flags)
    done = troth_run(*moment, "-p", "stdio", "--", program, "arg", unprivileged=unprivileged)
    assert done == (7, "hello 2 arg\n", "")


@pytest.mark.parametrize("flags", [(), ("-static",), ("-m32",)], ids=" ".join)
def test_a_program_is_confined_and_no_longer_traced(
    flags: tuple[str, ...], moment: list[str], unprivileged: bool
) -> None:
    done = troth_run(
        *moment,
        "-p",
        "stdio rpath",
        "--on-violation=errno",
        "--",
        compiled(STATE, *flags),
        unprivileged=unprivileged,
    )
    assert done.out.split() == ["TracerPid:", "0", "NoNewPrivs:", "1", "Seccomp:", "2", "mkdir", "1"], done
    assert done.err == ""


def test_a_program_keeps_less_than_its_loader_needs(moment: list[str], unprivileged: bool) -> None:
    source = r"""
    #include <fcntl.h>
    #include <stdio.h>
    int main(void) { printf("%d\n", open("/etc/passwd", O_RDONLY)); return 0; }
    """
    done = troth_run(*moment, "-p", "stdio", "--", compiled(source), unprivileged=unprivileged)
    assert done == (0, "-1\n", "")


def test_each_thread_is_confined(moment: list[str]) -> None:
    done = troth_run(*moment, "-p", "stdio", "--on-violation=errno", "--", compiled(THREADS, "-pthread"))
    assert done == (0, "1 1 1 1 1\n", "")


def test_a_script_is_run_by_its_interpreter(moment: list[str], unprivileged: bool) -> None:
    path = script("hello.sh", "#!/bin/sh\necho script $1\nexit 5\n")
    done = troth_run(*moment, "-p", "stdio rpath", "--", path, "arg", unprivileged=unprivileged)
    assert done == (5, "script arg\n", "")


def test_a_script_that_names_no_interpreter_is_run_by_the_shell(moment: list[str], unprivileged: bool) -> None:
    path = script("plain", "echo plain $1\nexit 6\n")
    done = troth_run(*moment, "-p", "stdio rpath", "--", path, "arg", unprivileged=unprivileged)
    assert done == (6, "plain arg\n", "")


def test_a_pipeline_runs(moment: list[str], unprivileged: bool) -> None:
    done = troth_run(
        *moment,
        "-p",
        "stdio rpath proc exec",
        "--",
        "/bin/sh",
        "-c",
        "ls / | sort -r | tail -n 1",
        unprivileged=unprivileged,
    )
    assert done == (0, "bin\n", "")


@pytest.mark.parametrize(
    ("command", "out"),
    [
        (["python3", "-S", "-c", "print(6 * 7)"], "42\n"),
        (["busybox", "echo", "static"], "static\n"),
        (["perl", "-e", "print 6 * 7, qq(\\n)"], "42\n"),
        (["node", "-e", "console.log(6 * 7)"], "42\n"),
        (["/usr/bin/env", "echo", "through", "env"], "through env\n"),
        (["bash", "-c", "echo $((6 * 7))"], "42\n"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_language_runs(command: list[str], out: str) -> None:
    path = shutil.which(command[0], path="/usr/local/bin:/usr/bin:/bin")
    needs(path, f"{command[0]} is not installed")
    assert path is not None
    done = troth_run("-p", "stdio rpath wpath cpath proc exec prot_exec", "--", path, *command[1:])
    assert done[:2] == (0, out), done.err


def test_a_go_program_runs() -> None:
    needs(shutil.which("go"), "go is not installed")
    source = script("hello.go", 'package main\n\nfunc main() { println("hello from go") }\n')
    program = os.path.join(directory(), "hello-go")
    environment = dict(os.environ, GOCACHE=os.path.join(directory(), "gocache"), GOFLAGS="-mod=mod", GO111MODULE="off")
    subprocess.run(["go", "build", "-o", program, source], env=environment, check=True, capture_output=True)
    assert troth_run("-p", "stdio", "--", program) == (0, "", "hello from go\n")


def test_a_musl_program_runs(moment: list[str]) -> None:
    needs(shutil.which("musl-gcc"), "musl-gcc is not installed")
    source = script("hello.c", HELLO)
    for name, flags in (("hello-musl", []), ("hello-musl-static", ["-static"])):
        program = os.path.join(directory(), name)
        subprocess.run(["musl-gcc", "-o", program, source, *flags], check=True, capture_output=True)
        assert troth_run(*moment, "-p", "stdio", "--", program) == (7, "hello 1 -\n", "")


@pytest.mark.parametrize("status", [0, 1, 2, 3, 125, 126, 127, 128, 255])
def test_the_exit_status_is_passed_on(status: int, moment: list[str]) -> None:
    done = troth_run(*moment, "-p", "stdio rpath", "--", "/bin/sh", "-c", f"exit {status}")
    assert done == (status, "", "")


@pytest.mark.parametrize("signum", [1, 2, 6, 9, 11, 13, 15])
def test_a_signal_that_ends_the_program_is_told_as_by_a_shell(signum: int, moment: list[str]) -> None:
    done = troth_run(*moment, "-p", "stdio rpath", "--", "/bin/sh", "-c", f"kill -{signum} $$")
    assert done == (128 + signum, "", "")


def test_standard_input_passes_through(moment: list[str]) -> None:
    data = os.urandom(300_000).hex().encode()
    done = troth_run(*moment, "-p", "stdio", "--", "/bin/cat", stdin=data)
    assert done == (0, data.decode(), "")


def test_closed_standard_files_stay_closed(moment: list[str]) -> None:
    source = r"""
    #include <fcntl.h>
    #include <stdio.h>
    #include <errno.h>
    #include <unistd.h>
    int main(void) {
        char text[64]; int n = 0;
        for (int fd = 0; fd < 1024; fd++) if (fcntl(fd, F_GETFD) != -1 && fd != 9) n += sprintf(text + n, "%d ", fd);
        text[n++] = '\n';
        return write(9, text, n) != n;
    }
    """
    with open(os.path.join(directory(), "descriptors"), "w+b", buffering=0) as file:
        for closed in ((0,), (1,), (0, 1), (0, 1, 2)):

            def prepare(closed: tuple[int, ...] = closed) -> None:
                os.dup2(file.fileno(), 9)
                os.closerange(10, 1024)
                for fd in (*closed, *range(3, 9)):
                    try:
                        os.close(fd)
                    except OSError:
                        pass

            file.seek(0)
            file.truncate()
            done = troth_run(*moment, "-p", "stdio", "--", compiled(source), prepare=prepare)
            assert done.status == 0
            file.seek(0)
            expected = "".join(f"{fd} " for fd in (0, 1, 2) if fd not in closed)
            assert file.read().decode() == expected + "\n"


def test_arguments_and_environment_pass_through_byte_for_byte(moment: list[str]) -> None:
    argument = b"\xff\xfe line\nbreak \xc3\xa4"
    done = troth_run(*moment, "-p", "stdio", "--", "/usr/bin/printf", "%s|", argument, b"", b"-x")
    assert done.out.encode("utf-8", "surrogateescape") == b"\\xff\\xfe line\nbreak \xc3\xa4||-x|"
    done = troth_run(*moment, "-p", "stdio", "--", "/usr/bin/env", env={"A": "1", "B": "x\ny", "C": "\udcff"})
    assert done.out == "A=1\nB=x\ny\nC=\\xff\n"


def test_a_large_environment_and_many_arguments_pass_through(moment: list[str]) -> None:
    env = {f"NAME{n}": "x" * 100_000 for n in range(12)}
    done = troth_run(*moment, "-p", "stdio", "--", "/usr/bin/printf", "%s", *["y" * 1000] * 500, env=env)
    assert done == (0, "y" * 500_000, "")


def test_what_python_puts_into_the_environment_is_taken_out() -> None:
    for given in ({}, {"LC_CTYPE": "C"}, {"LC_CTYPE": "C.UTF-8"}):
        done = subprocess.run(
            [*TROTH, "run", "-p", "stdio", "--", "/usr/bin/env"], env=given, capture_output=True, text=True, check=True
        )
        assert done.stdout == "".join(f"{key}={value}\n" for key, value in given.items())


def test_signal_dispositions_and_mask_are_what_the_caller_had() -> None:
    look = ["/bin/grep", "-E", "^Sig(Blk|Ign|Cgt)", "/proc/self/status"]
    # The shell ignores two signals first, as nohup(1) would. SIGPIPE is Python's: see Signals.restore_in_child.
    for prefix in ("", "trap '' HUP CHLD INT; "):
        plain = subprocess.run(["/bin/sh", "-c", f'{prefix}exec "$@"', "sh", *look], capture_output=True, check=True)
        run = [*TROTH, "run", "-p", "stdio rpath", "--"]
        ours = subprocess.run(
            ["/bin/sh", "-c", f'{prefix}exec "$@"', "sh", *run, *look], capture_output=True, check=True
        )
        assert ours.stdout == plain.stdout
        assert without_notes(ours.stderr.decode()) == ""


def test_the_program_stays_in_the_group_and_session_of_its_caller(moment: list[str]) -> None:
    field = ["/bin/sh", "-c", "read a b c d group session rest < /proc/self/stat; echo $group $session"]
    done = troth_run(*moment, "-p", "stdio rpath", "--", *field)
    assert done.out == f"{os.getpgrp()} {os.getsid(0)}\n"


def test_a_shared_object_is_missing() -> None:
    library = os.path.join(directory(), "libabsent.so")
    subprocess.run(
        ["gcc", "-shared", "-x", "c", "-o", library, "-"], input=b"int absent(void) { return 1; }", check=True
    )
    program = compiled("int absent(void); int main(void) { return absent(); }", f"-L{directory()}", "-labsent")
    os.unlink(library)
    done = troth_run("-p", "stdio", "--", program)
    assert done.status == 127
    assert "libabsent.so: cannot open shared object file" in done.err


def test_the_module_is_a_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "troth", "run", "-p", "stdio", "--", "/bin/echo", "hello"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "hello\n"
