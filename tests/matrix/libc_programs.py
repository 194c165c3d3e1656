"""The programs of the libc matrix: each suite's own build on a small workload, its promises, the one to take away."""

from __future__ import annotations

import base64
import json
from typing import NamedTuple

from matrix.inside import Request
from matrix.roots import Libc


class Program(NamedTuple):
    """One program: `argv` is run in /work, where `FILES` are; `missing` is one of `promises`, without which it fails.

    `veil` has the paths that it reaches, as `troth run -v` takes them; what its libraries need before its entry point
    is loaded by then, and is not among them.
    """

    name: str
    packages: str
    argv: tuple[str, ...]
    promises: str
    missing: str
    veil: str
    keys: tuple[tuple[str, str], ...] = ()  # on a terminal: what has to appear, and what is typed then
    request: Request | None = None  # of a server


# `javac --release 8` of a class Hello, whose main writes the bytes of `words` to its output.
_HELLO_CLASS = base64.b64decode(
    "yv66vgAAADQAKgoAAgADBwAEDAAFAAYBABBqYXZhL2xhbmcvT2JqZWN0AQAGPGluaXQ+AQADKClWBwAIAQAXamF2YS9pby9GaWxlSW5wdXRTdH"
    "JlYW0IAAoBAAV3b3JkcwoABwAMDAAFAA0BABUoTGphdmEvbGFuZy9TdHJpbmc7KVYKAAcADwwAEAARAQAEcmVhZAEAAygpSQkAEwAUBwAVDAAW"
    "ABcBABBqYXZhL2xhbmcvU3lzdGVtAQADb3V0AQAVTGphdmEvaW8vUHJpbnRTdHJlYW07CgAZABoHABsMABwAHQEAE2phdmEvaW8vUHJpbnRTdH"
    "JlYW0BAAV3cml0ZQEABChJKVYKABkAHwwAIAAGAQAFZmx1c2gHACIBAAVIZWxsbwEABENvZGUBAARtYWluAQAWKFtMamF2YS9sYW5nL1N0cmlu"
    "ZzspVgEADVN0YWNrTWFwVGFibGUBAApFeGNlcHRpb25zBwApAQATamF2YS9sYW5nL0V4Y2VwdGlvbgAhACEAAgAAAAAAAgABAAUABgABACMAAA"
    "ARAAEAAQAAAAUqtwABsQAAAAAACQAkACUAAgAjAAAAQgADAAMAAAAkuwAHWRIJtwALTCu2AA5ZPZsADbIAEhy2ABin//CyABK2AB6xAAAAAQAm"
    "AAAADAAC/AAKBwAH/AASAQAnAAAABAABACgAAA=="
)

# What each program finds in its directory.
FILES: dict[str, str | bytes] = {
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
    "several.py": (
        "import multiprocessing\n"
        "with multiprocessing.get_context('fork').Pool(2) as pool:\n    print(pool.map(abs, [-1, -2, -3]))\n"
    ),
    "Hello.class": _HELLO_CLASS,
    "image.ppm": "P3 1 1 255 9 8 7\n",
    "openssl.conf": "[req]\ndistinguished_name = name\n[name]\n",
    "nginx.conf": (
        "user root root; daemon off; master_process off; pid /tmp/nginx.pid; error_log /dev/null;\nevents {}\n"
        "http { access_log off; client_body_temp_path /tmp/b; proxy_temp_path /tmp/p; fastcgi_temp_path /tmp/f;\n"
        "uwsgi_temp_path /tmp/u; scgi_temp_path /tmp/s; server { listen 127.0.0.1:8096; root /work; } }\n"
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

_SHELL = "stdio rpath proc exec"  # a loader maps files, which `exec` is enough for (docs/design/0003)

# Veils.
_READS = "/work:r"
_WRITES = "/work:rwc"
_DATA = "/usr:r"  # modules and data that a program loads when it is running
_STARTS = "/usr:rx"  # other programs, with their libraries
_TMP = "/tmp:rwxc"

# These change modes, owners or times by a path, which Landlock does not judge: behind a veil troth refuses that.
NO_VEIL = ""


def _sh(
    name: str, packages: str, command: str, promises: str, missing: str, veil: str = f"{_READS} {_STARTS}"
) -> Program:
    return Program(name, f"dash {packages}", ("sh", "-c", command), promises, missing, veil)


def _of(package: str, command: str, promises: str, missing: str, veil: str = _READS) -> Program:
    argv = tuple(command.split())
    return Program(argv[0], package, argv, promises, missing, veil)


def _served(port: int, client: str) -> str:
    """A command that fetches a file from a server, which says when it is ready."""
    server = (
        "import os, http.server as h\n"
        f"s = h.ThreadingHTTPServer(('127.0.0.1', {port}), h.SimpleHTTPRequestHandler)\n"
        "print(os.getpid(), flush=True); s.serve_forever()"
    )
    fetch = f"{client} http://127.0.0.1:{port}/words"
    return f'python3 -Sc "{server}" 2>/dev/null | {{ read pid && {fetch}; kill $pid; }}'


_GPG = "mkdir -m700 /tmp/g && export GNUPGHOME=/tmp/g && g() { gpg --batch -q --pinentry-mode loopback"

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
    _of("coreutils", "cp words copy", "stdio rpath wpath cpath", "cpath", _WRITES),
    _of("coreutils", "mv words moved", "stdio rpath cpath", "cpath", _WRITES),
    _of("coreutils", "rm words", "stdio rpath cpath", "cpath", _WRITES),
    _of("coreutils", "mkdir made", "stdio rpath cpath", "cpath", _WRITES),
    _of("coreutils", "ln words linked", "stdio rpath cpath", "cpath", _WRITES),
    _of("coreutils", "truncate -s2 words", "stdio rpath wpath cpath", "wpath", "/work:rw"),
    _of("coreutils", "tee made -", "stdio rpath wpath cpath", "cpath", _WRITES),
    _of("coreutils", "split -l2 words", "stdio rpath wpath cpath", "cpath", _WRITES),
    _of("coreutils", "dd if=words of=made status=none", "stdio rpath wpath cpath", "cpath", _WRITES),
    _of("coreutils", "install -m600 words made", "stdio rpath wpath cpath fattr", "cpath", NO_VEIL),
    # Starters.
    _of("coreutils", "env cat words", "stdio rpath exec", "exec", f"{_READS} {_STARTS}"),
    _of("coreutils", "timeout 20 cat words", "stdio rpath proc exec", "proc", f"{_READS} {_STARTS}"),
    _of("coreutils", "nice cat words", "stdio rpath exec proc", "exec", f"{_READS} {_STARTS}"),
    # Text.
    _of("grep", "grep -c t words", "stdio rpath", "rpath"),
    _of("sed", "sed s/o/0/ words", "stdio rpath", "rpath"),
    Program("sed -i", "sed", ("sed", "-i", "s/o/0/", "words"), "stdio rpath wpath cpath fattr chown", "cpath", _WRITES),
    Program("mawk", "mawk", ("mawk", "-F,", "{s+=$2} END {print s}", "rows.csv"), "stdio rpath", "rpath", _READS),
    Program("gawk", "gawk", ("gawk", "-F,", "{s+=$2} END {print s}", "rows.csv"), "stdio rpath", "rpath", _READS),
    _of("findutils", "find /work -name w*s", "stdio rpath", "rpath"),
    _sh("xargs", "findutils coreutils", "echo words | xargs cat", _SHELL, "proc"),
    _of("diffutils", "diff words other", "stdio rpath", "rpath"),
    _of("diffutils", "cmp words other", "stdio rpath", "rpath"),
    _of("jq", "jq -c .a data.json", "stdio rpath", "rpath"),
    Program("bc", "bc dash", ("sh", "-c", "echo '2^70' | bc -q"), _SHELL, "proc", f"{_READS} {_STARTS}"),
    _sh("dash pipeline", "coreutils", "sort words | uniq -c | wc -l", _SHELL, "proc"),
    Program("bash", "bash coreutils", ("bash", "-c", "for w in $(cat words); do echo $w; done | sort"), _SHELL, "exec", f"{_READS} {_STARTS}"),
    # Archives.
    _of("tar", "tar -cf made.tar --mtime=@0 --owner=0 --group=0 words other", "stdio rpath wpath cpath getpw", "cpath", _WRITES),
    _of("gzip", "gzip -nc words", "stdio rpath", "rpath"),
    _of("bzip2", "bzip2 -c words", "stdio rpath", "rpath"),
    _of("xz-utils", "xz -c words", "stdio rpath", "rpath"),
    _of("zstd", "zstd -qc words", "stdio rpath", "rpath"),
    _sh("tar.gz", "tar gzip coreutils", "tar -czf m.tgz words && tar -tzf m.tgz && rm m.tgz", f"{_SHELL} wpath cpath getpw", "proc", f"{_WRITES} {_STARTS}"),
    # Languages and tools.
    Program("perl", "perl", ("perl", "-e", "open F, 'words' or die $!; print sort <F>"), "stdio rpath", "rpath", _READS),
    *(
        Program(f"python3 {name}", "python3 coreutils", ("python3", "-S", f"{name}.py"), promises, missing, veil)
        for name, promises, missing, veil in (
            ("script", "stdio rpath prot_exec", "rpath", f"{_READS} {_DATA}"),
            ("threads", "stdio rpath prot_exec", "rpath", f"{_READS} {_DATA}"),
            ("spawn", "stdio rpath proc exec", "proc", f"{_READS} {_STARTS}"),
            ("temporary", "stdio rpath wpath cpath prot_exec", "cpath", f"{_WRITES} {_DATA}"),
            ("asynchronous", "stdio rpath inet dns prot_exec", "inet", f"{_READS} {_DATA}"),
            ("names", "stdio rpath dns prot_exec", "rpath", f"{_READS} {_DATA}"),
            # fattr: as root, SQLite gives its journal to the owner of the database.
            ("database", "stdio rpath wpath cpath flock fattr prot_exec", "cpath", f"{_WRITES} {_DATA}"),
            ("serve", "stdio rpath inet dns prot_exec", "inet", f"{_READS} {_DATA}"),
        )
    ),
    Program("node", "nodejs", ("node", "-e", "console.log(require('fs').readFileSync('words','utf8').length)"),
            "stdio rpath prot_exec proc", "rpath", f"{_READS} {_STARTS} /etc:r"),
    Program("sqlite3", "sqlite3", ("sqlite3", "made.db", "create table t (x); insert into t values (7); select * from t;"),
            "stdio rpath wpath cpath flock getpw fattr", "cpath", _WRITES),
    _of("openssl", "openssl dgst -sha256 words", "stdio rpath", "rpath"),
    _sh("ssh-keygen", "openssh-client coreutils", "ssh-keygen -q -t ed25519 -N '' -f /tmp/k && cut -c1-11 /tmp/k.pub",
        f"{_SHELL} wpath cpath fattr getpw", "cpath", f"{_READS} {_STARTS} {_TMP}"),
    _sh("make", "make coreutils", "make", f"{_SHELL} wpath cpath fattr", "proc", f"{_WRITES} {_STARTS}"),
    _sh("gcc", "gcc libc6-dev coreutils", "gcc -o /tmp/x hello.c && /tmp/x", f"{_SHELL} wpath cpath fattr", "proc", NO_VEIL),
    _sh("git", "git", "git init -q && git add words && git ls-files -s && rm -rf .git", f"{_SHELL} wpath cpath fattr getpw", "cpath", NO_VEIL),
    _sh("rsync", "rsync", "rsync -t words /tmp/copy && cat /tmp/copy", f"{_SHELL} wpath cpath fattr unix getpw", "cpath", NO_VEIL),
    _of("file", "file words", "stdio rpath", "rpath", f"{_READS} {_DATA}"),
    _of("patch", "patch -s -i change.diff words", "stdio rpath wpath cpath fattr", "cpath", NO_VEIL),
    _of("m4", "m4 words", "stdio rpath", "rpath"),
    _of("lua5.4", "lua5.4 script.lua", "stdio rpath", "rpath"),
    _sh("cpio", "cpio coreutils", "echo words | cpio -o --quiet | wc -c", f"{_SHELL} getpw", "exec"),
    Program("busybox", "busybox-static", ("busybox", "sort", "words"), "stdio rpath", "rpath", _READS),
    _sh("wget", "wget python3 coreutils", _served(8099, "wget -t1 -qO-"),
        f"{_SHELL} inet dns", "inet", f"{_READS} {_STARTS} /etc:r /dev/null:rw"),
    _sh("curl", "curl python3 coreutils", _served(8098, "curl -s"),
        f"{_SHELL} inet dns", "inet", f"{_READS} {_STARTS} /etc:r /dev/null:rw"),
    # Names.
    _of("libc-bin", "getent hosts localhost", "stdio dns", "dns", "/etc:r"),
    Program("getent passwd", "libc-bin", ("getent", "passwd", "root"), "stdio getpw", "getpw", "/etc:r"),
    # Processes.
    _sh("sleep", "coreutils", "sleep .01 && echo slept", _SHELL, "exec"),
    _sh("mktemp", "coreutils", "f=$(mktemp) && echo made && rm $f", f"{_SHELL} wpath cpath", "cpath", f"{_READS} {_STARTS} {_TMP}"),
    _of("coreutils", "df --output=target words", "stdio rpath", "rpath", f"{_READS} /proc:r"),
    Program("python3 several", "python3", ("python3", "-S", "several.py"), "stdio rpath wpath cpath proc prot_exec", "proc",
            f"{_READS} {_DATA} /dev/shm:rwc"),
    # Runtimes.
    Program("java", "default-jre-headless", ("java", "-XX:-UsePerfData", "-Xint", "-cp", "/work", "Hello"),
            "stdio rpath wpath cpath proc prot_exec", "rpath", f"{_READS} {_DATA} /proc:r"),
    Program("ripgrep (Rust)", "ripgrep", ("rg", "--no-config", "two", "words"), "stdio rpath", "rpath", _READS),
    _sh("fzf (Go)", "fzf", "exec fzf --filter=two <words", _SHELL, "exec"),
    # On a terminal.
    Program("less", "less ncurses-base", ("less", "words"), "stdio rpath tty", "rpath", f"{_READS} {_DATA} /etc:r",
            keys=(("four", "q"),)),
    Program("vim", "vim-tiny ncurses-base", ("vim.tiny", "-u", "NONE", "-i", "NONE", "-n", "words"),
            "stdio rpath wpath cpath fattr tty", "cpath", NO_VEIL, keys=(("four", ":%s/one/1/\r:wq\r"),)),
    # Servers.
    Program("redis", "redis-server", ("redis-server", "--port", "8097", "--bind", "127.0.0.1", "--save", "", "--logfile", "/dev/null"),
            "stdio rpath wpath cpath inet proc", "inet", f"{_READS} /proc:r", request=Request(8097, "PING\r\nQUIT\r\n")),
    # HTTP 0.9, whose answer has no date in it.
    Program("nginx", "nginx-light", ("nginx", "-c", "/work/nginx.conf"), "stdio rpath wpath cpath inet getpw", "inet",
            f"{_READS} {_DATA} /etc:r {_TMP}", request=Request(8096, "GET /words\r\n")),
    # Keys.
    _sh("openssl req", "openssl", "openssl req -x509 -newkey ed25519 -nodes -config openssl.conf -subj /CN=x -keyout /tmp/k -out /tmp/c 2>/dev/null"
        " && openssl x509 -in /tmp/c -noout -subject", f"{_SHELL} wpath cpath fattr", "cpath", f"{_READS} {_STARTS} {_TMP} /dev/null:rw"),
    _sh("git clone", "git", "export GIT_AUTHOR_NAME=n GIT_AUTHOR_EMAIL=e@x GIT_COMMITTER_NAME=n GIT_COMMITTER_EMAIL=e@x; "
        "git init -q . && git add words && git commit -qm m && git log --format=%s && "
        "git clone -q . /tmp/c && git -C /tmp/c ls-files && rm -rf .git", f"{_SHELL} wpath cpath fattr getpw flock", "cpath", NO_VEIL),
    # Its agent does the work, over a socket.
    _sh("gpg -c", "gpg gpg-agent coreutils", f"{_GPG} --passphrase x \"$@\"; }}; "
        "g -o /tmp/c -c words && g -d /tmp/c; gpgconf --kill all; rm -rf /tmp/g",
        "stdio rpath proc exec wpath cpath flock fattr unix", "unix", NO_VEIL),
    _sh("gpg -s", "gpg gpg-agent coreutils", f"{_GPG} --passphrase '' \"$@\"; }}; g --quick-gen-key a@b ed25519 && "
        "g -o /tmp/s -s words && g -d /tmp/s 2>/dev/null && g -k --with-colons | cut -d: -f1; gpgconf --kill all; rm -rf /tmp/g",
        "stdio rpath proc exec wpath cpath fattr unix", "unix", NO_VEIL),
    # It loads the code for a format when it meets one.
    Program("imagemagick", "imagemagick", ("convert", "image.ppm", "txt:-"), "stdio rpath prot_exec", "rpath", f"{_READS} {_DATA} /etc:r"),
    _sh("zip", "zip unzip", "zip -qX /tmp/a.zip words && unzip -p /tmp/a.zip", f"{_SHELL} wpath cpath fattr", "cpath", NO_VEIL),
)  # fmt: skip

PACKAGES = tuple(sorted({package for program in PROGRAMS for package in program.packages.split()}))

# What an i386 root has, and so which programs run there: not the largest, of which three have no build for it.
_ON_I386 = frozenset((
    "bash", "bc", "bzip2", "coreutils", "cpio", "dash", "diffutils", "file", "findutils", "gpg", "gpg-agent", "grep", "gzip", "jq",
    "less", "libc-bin", "lua5.4", "m4", "make", "mawk", "ncurses-base", "openssl", "patch", "perl", "python3", "sed",
    "sqlite3", "tar", "unzip", "vim-tiny", "xz-utils", "zip", "zstd",
))  # fmt: skip
ON_I386 = tuple(program.name for program in PROGRAMS if _ON_I386.issuperset(program.packages.split()))


class Also(NamedTuple):
    """What a program needs under one libc beyond its record: promises, paths of the veil, another promise to take away."""

    promises: str
    veil: str = ""
    missing: str = ""


# glibc before 2.34 keeps the lookup of names in libraries of its own, which it loads when it is asked: mapping code from a
# file is what `prot_exec` is for, and `getpw` and `dns` do not give it, as they would give it for every file in reach.
_LOADS_NSS = Also("rpath prot_exec", "/usr:r", "prot_exec")

ALSO = {
    "glibc-2.31": {
        "tar": Also("prot_exec", "/usr:r"),
        "nginx": Also("prot_exec", "/usr:r"),  # as root it looks its user up
        "getent": _LOADS_NSS,
        "getent passwd": _LOADS_NSS,
    },
    "glibc-2.43-i386": {
        # i386's glibc has one call for all of its sockets, with the arguments behind a pointer where no filter can look: who
        # makes sockets there holds every promise that one of them could ask for (the row `socketcall` of the promise table).
        "python3 asynchronous": Also("unix route recvfd"),
        "python3 serve": Also("unix route recvfd"),
        "gpg -c": Also("inet route recvfd"),
        "gpg -s": Also("inet route recvfd"),
        # Its gzip and zip have relocations in their text, which is hand-written there: the loader of whoever starts one of
        # them makes the text writable and then executable again, and that is what `prot_exec` is for.
        "tar.gz": Also("prot_exec"),
        "zip": Also("prot_exec"),
    },
}
_NOTHING = Also("")


def also(program: Program, libc: str) -> Also:
    """What a program needs under one libc beyond its record."""
    return ALSO.get(libc, {}).get(program.name, _NOTHING)


def packages_of(libc: Libc) -> tuple[str, ...]:
    """The packages of the programs that a libc runs."""
    chosen = (program for program in PROGRAMS if libc.arch == "amd64" or program.name in ON_I386)
    return tuple(sorted({package for program in chosen for package in program.packages.split()}))
