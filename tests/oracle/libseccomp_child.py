"""Run by an interpreter that has libseccomp's own binding, or by ours with `troth` in its place.

    libseccomp_child.py libseccomp|troth  < [operation, ...] as JSON  > [outcome, ...] as JSON

An operation is a list of expressions in the names of the binding, and `f`, a fresh filter; the outcome is what each
gives: its value as text, the type and text of what it raises, or the program for `f.export()`.
"""

from __future__ import annotations

import importlib
import json
import sys
import tempfile
from typing import Any

seccomp = importlib.import_module("troth.compat.seccomp" if sys.argv[1] == "troth" else "seccomp")


def export(f: Any) -> str:
    """The program in hexadecimal digits; Debian's binding of version 2.5 can only write it to a file."""
    with tempfile.TemporaryFile() as file:
        f.export_bpf(file)
        file.seek(0)
        return file.read().hex()


def outcome(expression: str, names: dict[str, Any]) -> str:
    """What evaluating one expression gives or raises."""
    try:
        value = eval(expression, names)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return value if isinstance(value, str) else repr(value)


def main() -> None:
    """Read operations, write outcomes."""
    outcomes = []
    for default, expressions in json.load(sys.stdin):
        names = {name: getattr(seccomp, name) for name in dir(seccomp) if not name.startswith("_")}
        names["f"] = names["SyscallFilter"](eval(default, names))
        names["export"] = lambda f=names["f"]: export(f)
        outcomes.append([outcome(expression, names) for expression in expressions])
    json.dump(outcomes, sys.stdout)


main()
