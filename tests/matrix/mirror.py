"""A mirror of one small suite, signed with a key of its own and served on this machine; it can lie, and break off."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import subprocess
from collections.abc import Sequence
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Self

_CONTROL = """Package: {name}
Version: {version}
Architecture: amd64
Maintainer: nobody <nobody@example.org>
Description: made for a test
"""


class Key:
    """Around tests: a key to sign with, and the file with its public half."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self.keyring = home / "public.gpg"
        home.mkdir(mode=0o700)
        self.gpg("--quick-generate-key", "tester", "ed25519", "sign", "never")
        self.keyring.write_bytes(self.gpg("--export"))

    def gpg(self, *arguments: str) -> bytes:
        """Run gpg on this key alone."""
        return self._run("gpg", "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", "", *arguments)

    def close(self) -> None:
        """End the process that gpg leaves behind."""
        self._run("gpgconf", "--kill", "all")

    def _run(self, program: str, *arguments: str) -> bytes:
        command = [program, "--homedir", str(self._home), *arguments]
        return subprocess.run(command, check=True, capture_output=True, env={"PATH": os.environ["PATH"]}).stdout


class Mirror:
    """Around a test: the server. `asked` are the paths that were asked for, with where in the file to begin.

    `break_at` makes the next answer with a package stop after so many bytes.
    """

    def __init__(self, top: Path, key: Key) -> None:
        self.files = top / "files"
        self.asked: list[tuple[str, int]] = []
        self.break_at = 0
        self._top = top
        self._key = key
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, self))

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/debian/"

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def package(self, name: str, version: str, files: dict[str, bytes]) -> Path:
        """Make a package."""
        tree = self._top / f"{name}-{version}"
        (tree / "DEBIAN").mkdir(parents=True)
        (tree / "DEBIAN/control").write_text(_CONTROL.format(name=name, version=version))
        for path, content in files.items():
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            (tree / path).write_bytes(content)
        deb = self.files / f"debian/pool/{name}_{version}_amd64.deb"
        deb.parent.mkdir(parents=True, exist_ok=True)
        # Not packed, so that it has the size of what is in it.
        command = ["dpkg-deb", "--root-owner-group", "-Znone", "--build", str(tree), str(deb)]
        subprocess.run(command, check=True, capture_output=True)
        return deb

    def publish(self, suite: str, debs: Sequence[Path]) -> None:
        """Write the index of a suite, and sign it."""
        entries = []
        for deb in debs:
            name, version, _ = deb.stem.split("_")
            data = deb.read_bytes()
            where = deb.relative_to(self.files / "debian")
            digest = hashlib.sha256(data).hexdigest()
            entries.append(
                f"{_CONTROL.format(name=name, version=version)}Filename: {where}\nSize: {len(data)}\nSHA256: {digest}\n"
            )
        top = self.files / f"debian/dists/{suite}"
        packages = top / "main/binary-amd64/Packages"
        packages.parent.mkdir(parents=True, exist_ok=True)
        packages.write_text("\n".join(entries))
        data = packages.read_bytes()
        release = (
            f"Origin: Debian\nLabel: Debian\nSuite: {suite}\nCodename: {suite}\nArchitectures: amd64\nComponents: main\n"
            f"Date: Fri, 27 Nov 2026 00:00:00 UTC\nSHA256:\n"
            f" {hashlib.sha256(data).hexdigest()} {len(data)} main/binary-amd64/Packages\n"
        )
        (top / "Release").write_text(release)
        (top / "InRelease").write_bytes(self._key.gpg("--clearsign", "--output", "-", str(top / "Release")))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, mirror: Mirror, *args: object) -> None:
        self._mirror = mirror
        super().__init__(*args)  # type: ignore[arg-type]  # what the server gives

    def do_GET(self) -> None:  # the base class's name
        mirror = self._mirror
        begin = re.fullmatch(r"bytes=([0-9]+)-", self.headers.get("Range", ""))
        start = int(begin[1]) if begin else 0
        mirror.asked.append((self.path, start))
        path = mirror.files / self.path.lstrip("/")
        if not path.is_file():
            self.send_error(404)
            return
        data = path.read_bytes()
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(data) - start))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Last-Modified", "Fri, 27 Nov 2026 00:00:00 GMT")
        if begin:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        end = len(data)
        if mirror.break_at and path.suffix == ".deb":
            end, mirror.break_at = start + mirror.break_at, 0
            self.close_connection = True
        self.wfile.write(data[start:end])

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):  # apt breaks off what is too long
            super().handle()

    def log_message(self, *args: object) -> None:
        """Nothing is said."""
