"""What a program that confines itself loads, and what it does not."""

from __future__ import annotations

import os
import subprocess
import sys

import troth

SOURCE = os.path.dirname(os.path.dirname(troth.__file__))


def modules_after(code: str) -> set[str]:
    """The names of all modules that an isolated interpreter without site-packages has loaded after `code`."""
    script = f"import sys; sys.path.append({SOURCE!r}); {code}; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_enforcement_uses_the_standard_library_only() -> None:
    loaded = {
        name.partition(".")[0]
        for name in modules_after("import troth; troth.pledge; troth.unveil; troth.run; troth.plan")
    }
    assert loaded - set(sys.stdlib_module_names) - {"__main__"} == {"troth"}


def test_importing_troth_loads_nothing_but_its_errors() -> None:
    ours = {name for name in modules_after("import troth") if name.partition(".")[0] == "troth"}
    assert ours == {"troth", "troth.errors"}


def test_a_pledge_loads_neither_the_tables_nor_slow_modules() -> None:
    loaded = modules_after("import troth; troth.pledge('stdio rpath inet')")
    slow = {
        "re",
        "typing",
        "enum",
        "dataclasses",
        "inspect",
        "functools",
        "collections",
        "ctypes",
        "importlib",
        "pathlib",
        "logging",
    }
    assert loaded & slow == set()
    assert {"troth.families", "troth.promises._table", "troth.abi.flags", "troth.abi._x86_64"} & loaded == set()


def test_every_public_name_is_there_and_documented() -> None:
    for name in troth.__all__:
        assert getattr(troth, name).__doc__, name


def test_an_unknown_name_is_an_attribute_error() -> None:
    code = "import troth\ntry: troth.nonsense\nexcept AttributeError as e: assert 'nonsense' in str(e)\nelse: raise SystemExit(1)"
    subprocess.run([sys.executable, "-c", code], check=True)
