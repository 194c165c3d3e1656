"""The documentation is true: what it shows was run, what it generates is fresh, what it links exists.

A ```console block is a session: lines after `$ ` are commands, run one after the other in a copy of
the documents, and the lines below are what they print. A line `...` stands for any lines. Process ids,
arguments and the shell's way to say that a program was killed may differ; `troth doctor` is compared by
its first column. A ```python block that begins with `# NAME.py` is saved under that name first, so that
a later session can run it. Other blocks (```sh, ```text) are not run.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from conftest import needs

from troth.kernel.probe import probe
from troth.promises._words import WORDS

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP))

from tools import gen_docs, gen_docs_tables  # noqa: E402  # the tree's own

PAGES = sorted([TOP / "README.md", TOP / "CHANGELOG.md", *(TOP / "docs").rglob("*.md")])
SESSIONS = [page for page in PAGES if "```console" in page.read_text("utf-8")]
MANUALS = sorted((TOP / "docs/man").glob("*.[0-9]"))
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def name_of(path: Path) -> str:
    return str(path.relative_to(TOP))


def blocks(page: Path) -> Iterator[tuple[str, str]]:
    """Kind and text of the fenced blocks of a page."""
    for found in FENCE.finditer(page.read_text("utf-8")):
        yield found[1], found[2]


def commands(session: str) -> Iterator[tuple[str, list[str]]]:
    """The commands of a session with the lines that they print."""
    command = ""
    printed: list[str] = []
    for line in session.splitlines():
        if line.startswith("$ "):
            if command:
                yield command, printed
            command, printed = line[2:], []
        elif line.startswith("> ") and not printed:
            command += "\n" + line[2:]
        else:
            printed.append(line)
    yield command, printed


def masked(text: str) -> list[str]:
    """Lines without what differs from run to run."""
    lines = []
    for line in text.splitlines():
        if line.startswith("troth: note: "):
            continue  # what an older kernel enforces otherwise is not what the pages are about
        line = re.sub(r"(?<=\w)\[\d+\]:", "[PID]:", line)
        line = re.sub(r"(\[PID\]: \w+)\([0-9a-fx, ]*\): ", r"\1(NUMBERS): ", line)
        if "Bad system call" in line:
            line = "Bad system call"
        lines.append(line.rstrip())
    return lines


def agrees(printed: list[str], expected: list[str]) -> bool:
    """Whether lines are as expected, `...` being any number of lines."""
    if not expected:
        return not printed
    if expected[0] == "...":
        return any(agrees(printed[start:], expected[1:]) for start in range(len(printed) + 1))
    return bool(printed) and printed[0] == expected[0] and agrees(printed[1:], expected[1:])


def first_column(lines: list[str]) -> list[str]:
    return [line.partition("  ")[0] for line in lines]


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    """A copy of the documents, for sessions to read and write in."""
    copy = tmp_path / "troth"
    copy.mkdir()
    for name in ("README.md", "CHANGELOG.md", "LICENSE"):
        shutil.copy(TOP / name, copy)
    for name in ("docs", "examples"):
        shutil.copytree(TOP / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


@pytest.mark.parametrize("page", SESSIONS, ids=name_of)
def test_sessions_print_what_the_page_shows(page: Path, documents: Path) -> None:
    kernel = probe()
    needs(kernel.seccomp and kernel.landlock_abi, "seccomp and Landlock")
    binaries = os.path.dirname(sys.executable)
    needs(os.path.exists(os.path.join(binaries, "troth")), "the command `troth` beside this Python")
    env = {
        "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(documents),
        "LC_ALL": "C",
    }
    status = 0
    for kind, text in blocks(page):
        if kind == "python" and (named := re.match(r"# (\w+\.py)\n", text)):
            (documents / named[1]).write_text(text, "utf-8")
        if kind != "console":
            continue
        for command, shown in commands(text):
            done = subprocess.run(
                ["bash", "-c", f"(exit {status})\n{command}\nexit $?"],
                cwd=documents,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=60,
                check=False,
            )
            status = done.returncode
            printed, expected = masked(done.stdout), masked("\n".join(shown))
            if command.startswith("troth doctor"):
                printed, expected = first_column(printed), first_column(expected)
            assert agrees(printed, expected), f"$ {command}\n{done.stdout}\n-- the page shows --\n{chr(10).join(shown)}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_python_on_the_pages_compiles(page: Path) -> None:
    for kind, text in blocks(page):
        if kind == "python" and not text.startswith((">>>", "troth.")):
            ast.parse(text)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    text = FENCE.sub("", page.read_text("utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / urllib.request.url2pathname(path)).resolve() if path else page
        assert there.exists(), f"{name_of(page)} links to {target}"
        if anchor:
            titles = re.findall(r"^#+ (.*)$", there.read_text("utf-8"), re.MULTILINE)
            anchors = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
            assert anchor in anchors, f"{name_of(page)} links to {target}"


@pytest.mark.parametrize("name", gen_docs.PAGES)
def test_reference_is_what_the_sources_say(name: str) -> None:
    assert (TOP / "docs/reference" / name).read_text("utf-8") == gen_docs.text(name), "run `make docs`"


def test_every_promise_has_a_meaning() -> None:
    assert list(gen_docs_tables.MEANINGS) == list(WORDS)


@pytest.mark.parametrize("name", gen_docs.contexts())
def test_every_option_is_in_the_manual(name: str) -> None:
    manual = (TOP / "docs/man/troth.1").read_text("utf-8").replace("\\-", "-")
    for option in gen_docs.options(gen_docs.contexts()[name]):
        for spelled in option.opts:
            flag = spelled.removeprefix("-")
            assert re.search(rf"\bFl {re.escape(flag)}\b", manual), f"`{name} {spelled}` is not in troth.1"
        if isinstance(option.type, click.Choice):
            assert f"Cm {' | '.join(option.type.choices)}" in manual


def test_every_verb_and_exit_status_is_in_the_manual() -> None:
    manual = (TOP / "docs/man/troth.1").read_text("utf-8")
    for name in gen_docs.contexts():
        assert name == "troth" or f"Cm {name.removeprefix('troth ')}" in manual
    for status in ("2", "3", "70", "125", "126", "127"):
        assert f".It {status}\n" in manual


def test_every_public_function_is_in_the_manual() -> None:
    import troth

    manual = (TOP / "docs/man/troth.3").read_text("utf-8")
    for name in troth.__all__:
        assert re.search(rf"\b{name}\b", manual), f"troth.{name} is not in troth.3"


@pytest.mark.parametrize("manual", MANUALS, ids=name_of)
def test_manuals_parse_without_a_complaint(manual: Path) -> None:
    if shutil.which("mandoc"):
        command = ["mandoc", "-T", "lint", "-W", "warning", str(manual)]
    elif shutil.which("groff"):
        command = ["groff", "-mdoc", "-ww", "-T", "utf8", "-z", str(manual)]
    else:
        pytest.skip("neither mandoc nor groff is here")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    # mandoc complains on standard output; groff, which has no status for a warning, on standard error.
    assert done.returncode == 0
    assert (done.stdout if command[0] == "mandoc" else done.stderr) == ""
