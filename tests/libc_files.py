"""C libraries that are none, and images of containers, made by hand: each says what the real ones say of themselves."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from elf_files import shared


def glibc(version: str = "2.36", arch: str = "x86_64") -> bytes:
    """A library that says it is glibc."""
    return (
        shared(arch).data + f"GNU C Library (Debian GLIBC {version}-1) stable release version {version}.\n\0".encode()
    )


def musl(version: str = "1.2.5", arch: str = "x86_64") -> bytes:
    """A library that says it is musl."""
    usage = f"musl libc ({arch})\nVersion %s\nDynamic Program Loader\n\0"
    return shared(arch).data + b"\0001.9.9\0" + bytes(4096) + f"\0{version}\0{usage}".encode()


def plant(top: Path, files: Mapping[str, bytes | str]) -> Path:
    """Write files into a directory; a string is what a link says."""
    for name, content in files.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            path.symlink_to(content)
        else:
            path.write_bytes(content)
    return top


def layer(files: Mapping[str, bytes | str | None], *, links: Mapping[str, str] | None = None) -> bytes:
    """A tar file: bytes are a file, a string is what a link says, None is a directory; `links` are hard."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            if content is None:
                member.type = tarfile.DIRTYPE
            elif isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
            else:
                member.size = len(content)
            archive.addfile(member, io.BytesIO(content) if isinstance(content, bytes) else None)
        for name, target in (links or {}).items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.LNKTYPE, target
            archive.addfile(member)
    return out.getvalue()


def docker_files(layers: Sequence[bytes]) -> dict[str, bytes]:
    """What `docker save` writes for an image of these layers."""
    names = [f"{number}/layer.tar" for number in range(len(layers))]
    manifest = [{"Config": "config.json", "RepoTags": ["made:latest"], "Layers": names}]
    digests = [f"sha256:{hashlib.sha256(data).hexdigest()}" for data in layers]
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": digests}}
    files = {"manifest.json": json.dumps(manifest).encode(), "config.json": json.dumps(config).encode()}
    return files | dict(zip(names, layers, strict=True))


def layout_files(images: Mapping[str, Sequence[bytes]], *, packed: bool = True) -> dict[str, bytes]:
    """An OCI layout of an image for each platform, of Go's names of architectures; an empty name says no platform."""
    files: dict[str, bytes] = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}'}

    def blob(data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        files[f"blobs/sha256/{digest}"] = data
        return f"sha256:{digest}"

    manifests = []
    for platform, layers in images.items():
        described = [{"digest": blob(gzip.compress(data) if packed else data)} for data in layers]
        manifest = {"schemaVersion": 2, "layers": described}
        entry: dict[str, object] = {"digest": blob(json.dumps(manifest).encode())}
        if platform:
            entry["platform"] = {"architecture": platform, "os": "linux"}
        manifests.append(entry)
    signature = {"digest": "sha256:" + "0" * 64, "platform": {"architecture": "unknown", "os": "unknown"}}
    files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [*manifests, signature]}).encode()
    return files


def saved(path: Path, files: Mapping[str, bytes]) -> Path:
    """Write the files of an image as a tar file."""
    path.write_bytes(layer(files))
    return path
