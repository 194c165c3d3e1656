"""The programs of the libc matrix: each suite's own build on a small workload, its promises, the one to take away."""

from __future__ import annotations

import json
from typing import NamedTuple


class Program(NamedTuple):
    """One program: `argv` is run in /work, where `FILES` are; `missing` is one of `promises`, without which it fails."""

    name: str
    packages: str
    argv: tuple[str, ...]
    promises: str
    missing: str


# What each program finds in its directory.
FILES = {
    "words": "one\ntwo\nthree\ntwo\nfour\n",
    "other": "one\nthree\nfour\nfive\n",
    "rows.csv": "a,1\nb,2\nc,3\n",
    "data.json": json.dumps({"a": [1, 2, 3], "b": {"c": "x"}}),
    "hello.c": '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n',
    "script.lua": "for line in io.lines('words') do print(line) end\n",
    "change.diff": "--- words\n+++ words\n@@ -1,2 +1,2 @@\n-one\n+ONE\n two\n",
    "Makefile": "all: built\nbuilt: words\n\tsort words > built\n\tcat built\n",
    "script.py": "import sys\nprint(sorted(open('words').read().split()))\n",
    "threads.py": (
        "import threading\nfound = []\n"
        "threads = [threading.Thread(target=found.append, args=(n,)) for n in range(4)]\n"
        "[t.start() for t in threads]\n[t.join() for t in threads]\nprint(sorted(found))\n"
    ),
    "spawn.py": "import subprocess\nprint(subprocess.run(['echo', 'x'], capture_output=True, check=True).stdout)\n",
    "temporary.py": (
        "import tempfile\nwith tempfile.NamedTemporaryFile() as f:\n"
        "    f.write(b'x'); f.flush(); print(open(f.name).read())\n"
    ),
    "asynchronous.py": (
        "import asyncio\n"
        "async def answer(r, w):\n    w.write(await r.readline()); await w.drain(); w.close()\n"
        "async def main():\n    server = await asyncio.start_server(answer, '127.0.0.1', 0)\n"
        "    r, w = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])\n"
        "    w.write(b'hello\\n'); await w.drain(); print(await r.readline()); w.close(); server.close()\n"
        "asyncio.run(main())\n"
    ),
    "names.py": "import socket\nprint(socket.getaddrinfo('localhost', 80, socket.AF_INET, socket.SOCK_STREAM)[0][4])\n",
    "database.py": (
        "import sqlite3\nc = sqlite3.connect('made.db')\nc.execute('create table t (x)')\n"
        "c.execute('insert into t values (7)'); c.commit()\nprint(c.execute('select * from t').fetchall())\nc.close()\n"
        "import os; os.unlink('made.db')\n"
    ),
    "serve.py": (
        "import http.server, threading, urllib.request\n"
        "class H(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n        self.send_response(200); self.end_headers(); self.wfile.write(b'hello')\n"
        "    def log_message(self, *a): pass\n"
        "s = http.server.HTTPServer(('127.0.0.1', 0), H)\n"
        "threading.Thread(target=s.serve_forever, daemon=True).start()\n"
        "print(urllib.request.urlopen('http://127.0.0.1:%d/' % s.server_port).read())\n"
    ),
}  # fmt: skip

_SHELL = "stdio rpath proc exec prot_exec"  # prot_exec: what it starts has a loader of its own


def _sh(name: str, packages: str, command: str, promises: str, missing: str) -> Program:
    return Program(name, f"dash {packages}", ("sh", "-c", command), promises, missing)


def _of(package: str, command: str, promises: str, missing: str) -> Program:
    argv = tuple(command.split())
    return Program(argv[0], package, argv, promises, missing)


PROGRAMS = (
    # Readers.
    _of("coreutils", "cat words", "stdio rpath", "rpath"),
    _of("coreutils", "head -2 words", "stdio rpath", "rpath"),
    _of("coreutils", "tail -2 words", "stdio rpath", "rpath"),
    _of("coreutils", "tac words", "stdio rpath", "rpath"),
    _of("coreutils", "wc words", "stdio rpath", "rpath"),
    _of("coreutils", "sort words", "stdio rpath", "rpath"),
    _of("coreutils", "uniq words", "stdio rpath", "rpath"),
    _of("coreutils", "cut -c1 words", "stdio rpath", "rpath"),
    _of("coreutils", "paste words other", "stdio rpath", "rpath"),
    _of("coreutils", "comm words other", "stdio rpath", "rpath"),
    _of("coreutils", "join words words", "stdio rpath", "rpath"),
    _of("coreutils", "nl words", "stdio rpath", "rpath"),
    _of("coreutils", "od -c words", "stdio rpath", "rpath"),
    _of("coreutils", "base64 words", "stdio rpath", "rpath"),
    _of("coreutils", "sha256sum words", "stdio rpath", "rpath"),
    _of("coreutils", "md5sum words", "stdio rpath", "rpath"),
    _of("coreutils", "cksum words", "stdio rpath", "rpath"),
    _of("coreutils", "fold -w2 words", "stdio rpath", "rpath"),
    _of("coreutils", "expand words", "stdio rpath", "rpath"),
    _of("coreutils", "ls /work", "stdio rpath", "rpath"),
    _of("coreutils", "stat -c %s words", "stdio rpath", "rpath"),
    _of("coreutils", "du -b words", "stdio rpath", "rpath"),
    _of("coreutils", "realpath words", "stdio rpath", "rpath"),
    # Writers.
    _of("coreutils", "cp words copy", "stdio rpath wpath cpath", "cpath"),
    _of("coreutils", "mv words moved", "stdio rpath cpath", "cpath"),
    _of("coreutils", "rm words", "stdio rpath cpath", "cpath"),
    _of("coreutils", "mkdir made", "stdio rpath cpath", "cpath"),
    _of("coreutils", "ln words linked", "stdio rpath cpath", "cpath"),
    _of("coreutils", "truncate -s2 words", "stdio rpath wpath cpath", "wpath"),
    _of("coreutils", "tee made -", "stdio rpath wpath cpath", "cpath"),
    _of("coreutils", "split -l2 words", "stdio rpath wpath cpath", "cpath"),
    _of("coreutils", "dd if=words of=made status=none", "stdio rpath wpath cpath", "cpath"),
    _of("coreutils", "install -m600 words made", "stdio rpath wpath cpath fattr", "cpath"),
    # Starters.
    _of("coreutils", "env cat words", "stdio rpath exec prot_exec", "exec"),
    _of("coreutils", "timeout 20 cat words", "stdio rpath proc exec prot_exec", "proc"),
    _of("coreutils", "nice cat words", "stdio rpath exec prot_exec proc", "exec"),
    # Text.
    _of("grep", "grep -c t words", "stdio rpath", "rpath"),
    _of("sed", "sed s/o/0/ words", "stdio rpath", "rpath"),
    Program("sed -i", "sed", ("sed", "-i", "s/o/0/", "words"), "stdio rpath wpath cpath fattr chown", "cpath"),
    Program("mawk", "mawk", ("mawk", "-F,", "{s+=$2} END {print s}", "rows.csv"), "stdio rpath", "rpath"),
    Program("gawk", "gawk", ("gawk", "-F,", "{s+=$2} END {print s}", "rows.csv"), "stdio rpath", "rpath"),
    _of("findutils", "find /work -name w*s", "stdio rpath", "rpath"),
    _sh("xargs", "findutils coreutils", "echo words | xargs cat", _SHELL, "proc"),
    _of("diffutils", "diff words other", "stdio rpath", "rpath"),
    _of("diffutils", "cmp words other", "stdio rpath", "rpath"),
    _of("jq", "jq -c .a data.json", "stdio rpath", "rpath"),
    Program("bc", "bc dash", ("sh", "-c", "echo '2^70' | bc -q"), _SHELL, "proc"),
    _sh("dash pipeline", "coreutils", "sort words | uniq -c | wc -l", _SHELL, "proc"),
    Program("bash", "bash coreutils", ("bash", "-c", "for w in $(cat words); do echo $w; done | sort"), _SHELL, "exec"),
    # Archives. prot_exec: glibc before 2.34 loads libnss_files to look up the name of an owner.
    _of("tar", "tar -cf made.tar --mtime=@0 --owner=0 --group=0 words other", "stdio rpath wpath cpath getpw prot_exec", "cpath"),
    _of("gzip", "gzip -nc words", "stdio rpath", "rpath"),
    _of("bzip2", "bzip2 -c words", "stdio rpath", "rpath"),
    _of("xz-utils", "xz -c words", "stdio rpath", "rpath"),
    _of("zstd", "zstd -qc words", "stdio rpath", "rpath"),
    _sh("tar.gz", "tar gzip coreutils", "tar -czf m.tgz words && tar -tzf m.tgz && rm m.tgz", f"{_SHELL} wpath cpath getpw", "proc"),
    # Languages and tools.
    Program("perl", "perl", ("perl", "-e", "open F, 'words' or die; print sort <F>"), "stdio rpath", "rpath"),
    *(
        Program(f"python3 {name}", "python3 coreutils", ("python3", "-S", f"{name}.py"), promises, missing)
        for name, promises, missing in (
            ("script", "stdio rpath prot_exec", "rpath"),
            ("threads", "stdio rpath prot_exec", "rpath"),
            ("spawn", "stdio rpath proc exec prot_exec", "proc"),
            ("temporary", "stdio rpath wpath cpath prot_exec", "cpath"),
            ("asynchronous", "stdio rpath inet dns prot_exec", "inet"),
            ("names", "stdio rpath dns prot_exec", "rpath"),
            # fattr: as root, SQLite gives its journal to the owner of the database.
            ("database", "stdio rpath wpath cpath flock fattr prot_exec", "cpath"),
            ("serve", "stdio rpath inet dns prot_exec", "inet"),
        )
    ),
    Program("node", "nodejs", ("node", "-e", "console.log(require('fs').readFileSync('words','utf8').length)"),
            "stdio rpath prot_exec proc", "rpath"),
    Program("sqlite3", "sqlite3", ("sqlite3", "made.db", "create table t (x); insert into t values (7); select * from t;"),
            "stdio rpath wpath cpath flock getpw fattr", "cpath"),
    _of("openssl", "openssl dgst -sha256 words", "stdio rpath", "rpath"),
    _sh("ssh-keygen", "openssh-client coreutils", "ssh-keygen -q -t ed25519 -N '' -f /tmp/k && cut -c1-11 /tmp/k.pub",
        f"{_SHELL} wpath cpath fattr getpw", "cpath"),
    _sh("make", "make coreutils", "make", f"{_SHELL} wpath cpath fattr", "proc"),
    _sh("gcc", "gcc libc6-dev coreutils", "gcc -o /tmp/x hello.c && /tmp/x", f"{_SHELL} wpath cpath fattr", "proc"),
    _sh("git", "git", "git init -q && git add words && git ls-files -s && rm -rf .git", f"{_SHELL} wpath cpath fattr getpw", "cpath"),
    _sh("rsync", "rsync", "rsync -t words /tmp/copy && cat /tmp/copy", f"{_SHELL} wpath cpath fattr unix getpw", "cpath"),
    _of("file", "file words", "stdio rpath", "rpath"),
    _of("patch", "patch -s -i change.diff words", "stdio rpath wpath cpath fattr", "cpath"),
    _of("m4", "m4 words", "stdio rpath", "rpath"),
    _of("lua5.4", "lua5.4 script.lua", "stdio rpath", "rpath"),
    _sh("cpio", "cpio coreutils", "echo words | cpio -o --quiet | wc -c", f"{_SHELL} getpw", "exec"),
    Program("busybox", "busybox-static", ("busybox", "sort", "words"), "stdio rpath", "rpath"),
    _sh("wget", "wget python3 coreutils", "python3 -S -m http.server 8099 --bind 127.0.0.1 >/dev/null 2>&1 & for i in 1 2 3 4 5 6 7 8 9; do wget -t1 -qO- http://127.0.0.1:8099/words && break; sleep .3; done; kill $!",
        f"{_SHELL} inet dns", "inet"),
    _sh("curl", "curl python3 coreutils", "python3 -S -m http.server 8098 --bind 127.0.0.1 >/dev/null 2>&1 & for i in 1 2 3 4 5 6 7 8 9; do curl -s http://127.0.0.1:8098/words && break; sleep .3; done; kill $!",
        f"{_SHELL} inet dns", "inet"),
)  # fmt: skip

PACKAGES = tuple(sorted({package for program in PROGRAMS for package in program.packages.split()}))

# Those that an i386 root runs too.
ON_I386 = (
    "cat", "head", "wc", "sort", "uniq", "cut", "sha256sum", "ls", "stat", "cp", "mv", "rm", "mkdir", "dd", "env", "timeout",
    "grep", "sed", "sed -i", "mawk", "find", "diff", "dash pipeline", "gzip", "tar", "perl", "python3 threads",
    "python3 spawn", "python3 asynchronous", "python3 temporary",
)  # fmt: skip

# i386's glibc has one call for all of its sockets, with the arguments behind a pointer where no filter can look: who
# makes sockets there holds every promise that one of them could ask for (the row `socketcall` of the promise table).
ALSO_ON_I386 = {"python3 asynchronous": "unix route recvfd"}
