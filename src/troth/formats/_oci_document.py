"""What stands in a container's seccomp profile: Docker's and Podman's form, and the OCI runtime specification's.

One set of records reads all of them; `decode` refuses what is not written so, with the path of the fault.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, TypeVar, get_args

import msgspec

from troth.errors import ParseError, nearest

Action = Literal[
    "SCMP_ACT_KILL",
    "SCMP_ACT_KILL_PROCESS",
    "SCMP_ACT_KILL_THREAD",
    "SCMP_ACT_TRAP",
    "SCMP_ACT_ERRNO",
    "SCMP_ACT_TRACE",
    "SCMP_ACT_ALLOW",
    "SCMP_ACT_LOG",
    "SCMP_ACT_NOTIFY",
]
Operator = Literal[
    "SCMP_CMP_NE",
    "SCMP_CMP_LT",
    "SCMP_CMP_LE",
    "SCMP_CMP_EQ",
    "SCMP_CMP_GE",
    "SCMP_CMP_GT",
    "SCMP_CMP_MASKED_EQ",
]
Flag = Literal[
    "SECCOMP_FILTER_FLAG_TSYNC",
    "SECCOMP_FILTER_FLAG_LOG",
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
]
T = TypeVar("T")
Number = Annotated[int, msgspec.Meta(ge=0)]  # of 64 bits; msgspec cannot be told the upper bound
Data = Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)]  # of an answer: SECCOMP_RET_DATA


class Argument(msgspec.Struct, forbid_unknown_fields=True):
    """One comparison; with SCMP_CMP_MASKED_EQ `value` is the mask and `valueTwo` what must be left."""

    op: Operator
    index: Annotated[int, msgspec.Meta(ge=0, le=5)] = 0
    value: Number = 0
    valueTwo: Number = 0  # noqa: N815  # the document's name


class Conditions(msgspec.Struct, forbid_unknown_fields=True):
    """When a rule counts: with these capabilities, on these machines, from this kernel on."""

    caps: list[str] | None = None
    arches: list[str] | None = None
    minKernel: str | None = None  # noqa: N815


class Rule(msgspec.Struct, forbid_unknown_fields=True):
    """An answer to some calls; `errno` and `comment` are Podman's and Docker's own."""

    action: Action
    name: str = ""
    names: list[str] | None = None
    args: list[Argument] | None = None
    errnoRet: Data | None = None  # noqa: N815
    errno: str = ""
    comment: str | None = None
    includes: Conditions | None = None
    excludes: Conditions | None = None


class Architecture(msgspec.Struct, forbid_unknown_fields=True):
    """A machine, and the other architectures whose calls its kernel takes."""

    architecture: str
    subArchitectures: list[str] | None = None  # noqa: N815


class Profile(msgspec.Struct, forbid_unknown_fields=True):
    """A whole profile."""

    defaultAction: Action  # noqa: N815
    defaultErrnoRet: Data | None = None  # noqa: N815
    defaultErrno: str = ""  # noqa: N815
    architectures: list[str] | None = None
    archMap: list[Architecture] | None = None  # noqa: N815
    flags: list[Flag] | None = None
    listenerPath: str = ""  # noqa: N815
    listenerMetadata: str = ""  # noqa: N815
    syscalls: list[Rule] | None = None


class _Linux(msgspec.Struct):
    seccomp: msgspec.Raw = msgspec.Raw(b"null")


class _Capabilities(msgspec.Struct):
    bounding: list[str] | None = None


class _Process(msgspec.Struct):
    capabilities: _Capabilities | None = None


class _Container(msgspec.Struct):
    """A config.json, of which only this is looked at."""

    linux: _Linux | None = None
    process: _Process | None = None


class Document(msgspec.Struct):
    """A profile, the path at which it stands, and the capabilities that a config.json gives its container."""

    profile: Profile
    path: str
    caps: tuple[str, ...] | None


_FAULT: Final = re.compile(r"(?P<problem>.*?)(?: - at `(?P<path>[^`]*)`)?$", re.DOTALL)
_INVALID: Final = re.compile(r"Invalid enum value '(?P<word>.*)'", re.DOTALL)
_UNKNOWN: Final = re.compile(r"Object contains unknown field `(?P<word>.*)`", re.DOTALL)


def decode(data: bytes) -> Document:
    """Read a profile, or the one in a container's config.json.

    Raises:
        ParseError: `where` is the path of the fault, such as `$.syscalls[3].args[0].op`.
    """
    container = _decoded(data, _Container, "$")
    if container.linux is None:
        return Document(_decoded(data, Profile, "$"), "$", None)
    if bytes(container.linux.seccomp) == b"null":
        raise ParseError("$.linux.seccomp", "is missing", hint="a container without a profile is not filtered at all")
    path = "$.linux.seccomp"
    held = container.process and container.process.capabilities and container.process.capabilities.bounding
    return Document(_decoded(bytes(container.linux.seccomp), Profile, path), path, tuple(held) if held else None)


def _decoded(data: bytes, kind: type[T], path: str) -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        raise _error(str(error), path) from None
    except msgspec.DecodeError as error:
        problem = str(error).removeprefix("JSON is malformed: ")
        raise ParseError(path, f"not JSON: {problem[:1].lower()}{problem[1:]}") from None
    except RecursionError:
        raise ParseError(path, "is nested too deeply") from None
    except UnicodeDecodeError as error:
        raise ParseError(path, f"not UTF-8 at byte {error.start}") from None


def _error(message: str, path: str) -> ParseError:
    """What msgspec says, in our words and with the nearest name that would have been right."""
    found = _FAULT.match(message)
    assert found is not None
    problem, where = found["problem"], path + (found["path"] or "$").removeprefix("$")
    if invalid := _INVALID.match(problem):
        word = invalid["word"]
        known = tuple(name for kind in (Action, Operator, Flag) for name in get_args(kind))
        return ParseError(where, f"unknown value `{word}`", hint=nearest(word, known))
    if unknown := _UNKNOWN.match(problem):
        word = unknown["word"]
        kind = _record(where)
        return ParseError(where, f"unknown field `{word}`", hint=nearest(word, kind.__struct_fields__))
    return ParseError(where, problem[:1].lower() + problem[1:])


def _record(where: str) -> type[msgspec.Struct]:
    """Which record stands at a path."""
    last = re.sub(r"\[[^]]*\]$", "", where).rpartition(".")[2]
    records: dict[str, type[msgspec.Struct]] = {
        "syscalls": Rule,
        "args": Argument,
        "archMap": Architecture,
        "includes": Conditions,
        "excludes": Conditions,
    }
    return records.get(last, Profile)
