"""Packed streams and tar files of strangers: read one after the other, with bounds on what they may grow to."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import shutil
import subprocess
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator
from threading import Thread
from typing import IO, Final, NamedTuple, cast

from troth.errors import ParseError, RequestError

MOST_UNPACKED: Final = 32 << 30  # bytes; the largest images have some ten GiB
# What a damaged stream or archive makes Python's modules raise.
DAMAGED: Final = (tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError)

_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_OPENERS: Final[dict[bytes, Callable[[IO[bytes]], IO[bytes]]]] = {
    b"\x1f\x8b": lambda raw: cast("IO[bytes]", gzip.GzipFile(fileobj=raw)),
    b"BZh": lambda raw: cast("IO[bytes]", bz2.BZ2File(raw)),
    b"\xfd7zXZ\0": lambda raw: cast("IO[bytes]", lzma.LZMAFile(raw)),  # noqa: SIM115
}
_HEADERS: Final = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
_MOST_HEADER: Final = 1 << 20  # of the names and attributes of one member


class Member(NamedTuple):
    """A member of a tar file of a stranger's, whose content is to be read before the next one comes."""

    info: tarfile.TarInfo
    archive: tarfile.TarFile
    where: str

    def content(self) -> bytes:
        """What a regular file has; nothing for others.

        Raises:
            ParseError: the archive ends before.
        """
        try:
            file = self.archive.extractfile(self.info) if self.info.isreg() else None
            return file.read() if file else b""
        except DAMAGED as error:
            raise _damaged(self.where, error) from None


class _Member(tarfile.TarInfo):
    """A member whose extended headers, which are read into memory, have bounds."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Member:
        found = super().frombuf(buf, encoding, errors)
        if found.type in _HEADERS and found.size > _MOST_HEADER:
            raise tarfile.ReadError("a member's header is too long")
        return found


def members(stream: IO[bytes], where: str) -> Iterator[Member]:
    """The members of a tar file, packed or not.

    Raises:
        ParseError: it is damaged, or unpacks to more than images have: a small file can unpack to no end.
        RequestError: it is packed in a way for which the program is missing.
    """
    left = MOST_UNPACKED
    try:
        with _without_zstd(stream, where) as plain, tarfile.open(fileobj=plain, mode="r|*", tarinfo=_Member) as archive:
            while (member := archive.next()) is not None:
                left -= member.size
                if left < 0:
                    raise ParseError(where, f"unpacks to more than {MOST_UNPACKED >> 30} GiB")
                yield Member(member, archive, where)
                archive.members = []  # type: ignore[attr-defined]  # else all are kept; the library's own advice
    except DAMAGED as error:
        raise _damaged(where, error) from None


def _damaged(where: str, error: Exception) -> ParseError:
    return ParseError(where, f"has a layer that is damaged: {said(error)}")


@contextlib.contextmanager
def open_archive(file: IO[bytes], where: str) -> Iterator[tarfile.TarFile]:
    """A tar file that can be read at any place; a packed one is unpacked into a file without a name.

    Raises:
        tarfile.TarError: it is none.
        ParseError: it unpacks to more than images have.
    """
    with contextlib.ExitStack() as opened:
        with _without_zstd(file, where) as stream:
            opener = next((opener for magic, opener in _OPENERS.items() if _head(stream).startswith(magic)), None)
            if opener is not None or stream is not file:
                file = opened.enter_context(tempfile.TemporaryFile())
                _copy_archive(opener(stream) if opener else stream, file, where)
        file.seek(0)
        yield opened.enter_context(tarfile.open(fileobj=file, mode="r:", tarinfo=_Member))


def _copy_archive(source: IO[bytes], target: IO[bytes], where: str) -> None:
    """Copy what begins as a tar file does; other things are not worth the room."""
    head = source.read(tarfile.BLOCKSIZE)
    _Member.frombuf(head, tarfile.ENCODING, "surrogateescape")
    target.write(head)
    left = MOST_UNPACKED
    while data := source.read(1 << 20):
        left -= len(data)
        if left < 0:
            raise ParseError(where, f"unpacks to more than {MOST_UNPACKED >> 30} GiB")
        target.write(data)


@contextlib.contextmanager
def _without_zstd(stream: IO[bytes], where: str) -> Iterator[IO[bytes]]:
    """A stream, unpacked if zstd packed it; tarfile knows the other ways."""
    if not _head(stream).startswith(_ZSTD):
        yield stream
        return
    with _zstd(stream, where) as plain:
        yield plain


def _head(stream: IO[bytes]) -> bytes:
    """How a stream begins, which stays to be read; those of files, members and processes are buffered."""
    return cast("io.BufferedReader", stream).peek(6)[:6]


@contextlib.contextmanager
def _zstd(stream: IO[bytes], where: str) -> Iterator[IO[bytes]]:
    """What zstd packed, for which Python has a module only since 3.14."""
    command = ("zstd", "-dcq")
    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)
    except FileNotFoundError:
        raise RequestError(f"{where}: is packed by zstd, which is not installed") from None
    assert process.stdin is not None
    assert process.stdout is not None
    sink = process.stdin

    def feed() -> None:
        with contextlib.suppress(OSError, ValueError), sink:
            shutil.copyfileobj(stream, sink, 1 << 20)

    feeder = Thread(target=feed, daemon=True)
    feeder.start()
    try:
        yield process.stdout
    finally:
        process.kill()
        process.stdout.close()
        process.wait()
        feeder.join()


def said(error: Exception) -> str:
    """What an error says, as the rest of a sentence."""
    text = (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
    return text[:1].lower() + text[1:]
