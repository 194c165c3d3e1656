"""The page of `troth.compat.seccomp`: its names, in the order in which a program meets them."""

from __future__ import annotations

import inspect
from collections.abc import Callable

from troth.compat import seccomp

_CONSTANTS = (
    ("Actions", "KILL_PROCESS KILL TRAP NOTIFY LOG ALLOW"),
    ("Comparisons", "NE LT LE EQ GE GT MASKED_EQ"),
)
_FUNCTIONS = ("ERRNO", "TRACE", "system_arch", "resolve_syscall", "get_api", "set_api", "c_str")
_CLASSES = ("SyscallFilter", "Arg", "Arch", "Attr", "Notification", "NotificationResponse")


def compat_page(prose: Callable[[str], str], signature: Callable[[object], str]) -> str:
    """The whole page; `prose` and `signature` spell a docstring and the parameters of a function."""
    lines = ["# troth.compat.seccomp", "", prose(seccomp.__doc__ or ""), ""]
    lines += ["## Constants", "", "| | |", "|---|---|"]
    for title, names in _CONSTANTS:
        lines.append(f"| {title} | " + ", ".join(f"`{name}` {getattr(seccomp, name)}" for name in names.split()) + " |")
    for title, kind in (("Architectures", seccomp.Arch), ("Attributes", seccomp.Attr)):
        named = [(name, value) for name, value in vars(kind).items() if name[0].isupper() and isinstance(value, int)]
        lines.append(f"| {title}, of `{kind.__name__}` | " + ", ".join(f"`{n}` {value}" for n, value in named) + " |")
    lines.append("")
    for name in _FUNCTIONS:
        function = getattr(seccomp, name)
        lines += [f"## {name}({signature(function)})", "", prose(function.__doc__ or ""), ""]
    for name in _CLASSES:
        kind = getattr(seccomp, name)
        lines += [f"## {name}({_of(kind.__new__, signature)})", "", prose(kind.__doc__ or ""), ""]
        for member, value in vars(kind).items():
            if isinstance(value, property):
                lines += [f"* `.{member}`: {_line(prose, value.fget)}"]
            elif inspect.isfunction(value) and not member.startswith("_"):
                lines += [f"### .{member}({_of(value, signature)})", "", prose(value.__doc__ or ""), ""]
        lines.append("")
    return "\n".join(lines)


def _of(method: object, signature: Callable[[object], str]) -> str:
    """The parameters of a method, without that of the object."""
    return "" if method is object.__new__ else signature(method).partition(", ")[2]


def _line(prose: Callable[[str], str], method: object) -> str:
    return " ".join(prose(inspect.getdoc(method) or "").split())
