"""busybox built with the oldest musl from Debian's source: a program of others, that calls what an old libc calls.

Debian's own builds are made with glibc. The configuration is that of its installer (whose builds are small), with the
applets that `_MORE` names; the headers, of musl and of the kernel, are the oldest suite's, so that the program runs
under each musl. It is built once, and kept beside the roots.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Final

from matrix import roots
from matrix.libc_programs import Program

from tools import debroot

_SUITES: Final = ("trixie", "forky", "sid")
_MORE: Final = (
    "FEATURE_FANCY_SLEEP", "FEATURE_STAT_FORMAT", "FEATURE_VI_COLON", "FLOAT_DURATION", "HTTPD", "STAT", "VI", "WGET", "WHOAMI", "XARGS",
)  # fmt: skip
_TRIPLET: Final = "x86_64-linux-musl"


def build() -> bytes:
    """Give the program, built now or earlier.

    Raises:
        debroot.FetchError: the source, musl or the headers cannot be had.
        subprocess.CalledProcessError: the compiler failed.
    """
    sources = debroot.Archive.first(_SUITES, "source").fetch_source("busybox")
    musl = debroot.root(("musl", "musl-dev", "musl-tools", "linux-libc-dev"), roots.MUSLS[0].suites, exact=True).path
    made_of = "\n".join((Path(__file__).read_text(), *(path.name for path in sources), musl.name))
    kept = debroot.cache_directory() / "built" / f"busybox-{hashlib.sha256(made_of.encode()).hexdigest()[:16]}"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent) as scratch:
            _compile(sources, musl, Path(scratch)).rename(kept)
    return kept.read_bytes()


def _compile(sources: list[Path], musl: Path, scratch: Path) -> Path:
    for path in sources:
        if ".tar." in path.name:
            with tarfile.open(path) as archive:
                archive.extractall(scratch, filter="data")
    (tree,) = scratch.glob("busybox-*")
    # Says where musl is, as musl-gcc does for the host's own.
    specs = scratch / "specs"
    text = musl.joinpath(f"usr/lib/{_TRIPLET}/musl-gcc.specs").read_text()
    specs.write_text(text.replace(" /usr/", f" {musl}/usr/").replace("-L/usr/", f"-L{musl}/usr/"))
    config = (scratch / "debian/config/pkg/udeb").read_text().splitlines()
    names = {f"CONFIG_{name}" for name in (*_MORE, "STATIC")}
    config = [line for line in config if not names & set(line.replace("=", " ").split())]
    config += ["# CONFIG_STATIC is not set", *(f"CONFIG_{name}=y" for name in _MORE)]
    (tree / ".config").write_text("\n".join(config) + "\n")
    headers = f"-idirafter {musl}/usr/include -idirafter {musl}/usr/include/x86_64-linux-gnu"
    for arguments in (["oldconfig"], ["-j2", f"CC=gcc -specs {specs} {headers}", "busybox"]):
        # Of what the configuration does not name, the default is taken.
        subprocess.run(["make", *arguments], cwd=tree, input="\n" * 2000, text=True, capture_output=True, check=True)
    return Path(shutil.move(tree / "busybox", scratch / "done"))


def _applet(command: str, promises: str, missing: str, veil: str = "/work:r") -> Program:
    argv = command.split()
    return Program(f"busybox {argv[0]}", "", ("/work/busybox", *argv), promises, missing, veil)


def _sh(name: str, command: str, promises: str, missing: str, veil: str = "/work:rx /usr:rx") -> Program:
    """A command of busybox's own shell, in which `b` is busybox."""
    argv = ("/work/busybox", "sh", "-c", f'b() {{ /work/busybox "$@"; }}; {command}')
    return Program(f"busybox {name}", "", argv, promises, missing, veil)


_WRITES: Final = "/work:rwc"
_NO_VEIL: Final = ""  # they change modes or times by a path
_SHELL: Final = "stdio rpath proc exec"

APPLETS: Final = (
    _applet("cat words", "stdio rpath", "rpath"),
    _applet("ls -l words", "stdio rpath getpw", "rpath", "/work:r /etc:r"),
    _applet("sort words", "stdio rpath", "rpath"),
    _applet("sed s/o/0/ words", "stdio rpath", "rpath"),
    _applet("awk {n++}END{print(n)} words", "stdio rpath", "rpath"),
    _applet("grep -c t words", "stdio rpath", "rpath"),
    _applet("find /work -name w*s", "stdio rpath", "rpath"),
    _applet("stat -c %s words", "stdio rpath", "rpath"),
    _applet("sha256sum words", "stdio rpath", "rpath"),
    _applet("cp words copy", "stdio rpath wpath cpath", "cpath", _WRITES),
    _applet("mv words moved", "stdio rpath cpath", "cpath", _WRITES),
    _applet("rm words", "stdio rpath cpath", "cpath", _WRITES),
    _applet("mkdir made", "stdio rpath cpath", "cpath", _WRITES),
    _applet("dd if=words of=made", "stdio rpath wpath cpath", "cpath", _WRITES),
    _sh("chmod", "b chmod 600 words && b stat -c %a words", f"{_SHELL} fattr", "fattr", _NO_VEIL),
    _sh("touch", "b touch -d @9 words && b stat -c %Y words", f"{_SHELL} wpath cpath fattr", "fattr", _NO_VEIL),
    _applet("whoami", "stdio getpw", "getpw", "/etc:r"),
    _sh("sh", "b sort words | b uniq -c | b wc -l", _SHELL, "proc"),
    _sh("xargs", "echo words | b xargs /work/busybox cat", _SHELL, "exec"),
    _sh("tar", "b tar -cf /tmp/a.tar words && b tar -tf /tmp/a.tar && b rm /tmp/a.tar",
        f"{_SHELL} wpath cpath getpw", "cpath", "/work:rx /usr:rx /tmp:rwc /etc:r"),
    _sh("wget", "b httpd -f -p 127.0.0.1:8094 -h /work & for i in 1 2 3 4 5 6 7 8 9 10 11 12; do "
        "b wget -qO- http://127.0.0.1:8094/words 2>/dev/null && break; b sleep .3; done; kill $!",
        f"{_SHELL} inet dns", "inet", "/work:rx /usr:rx /etc:r /dev/null:rw"),
    Program("busybox vi", "", ("/work/busybox", "vi", "words"), "stdio rpath wpath cpath tty", "wpath", _WRITES,
            keys=(("four", "xZZ"), ("Write error", ":q!\r"))),
)  # fmt: skip
