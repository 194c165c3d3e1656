"""`troth forecast`: what it prints, its exit status, and mistakes in its use."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from troth.bpf import assemble
from troth.cli import call, dispatch
from troth.elf.reader import read

TOP = Path(__file__).resolve().parents[2]
FILTER = """
    ld [arch]
    jne #AUDIT_ARCH_X86_64, bad
    ld [nr]
    jge #0x40000000, bad
    jeq #__NR_pipe, yes
    jeq #__NR_read, yes
    jeq #__NR_exit_group, yes, no
    yes: ret #ALLOW
    no: ret #ERRNO(EPERM)
    bad: ret #KILL_PROCESS
"""
MOVE = ("--arch", "x86_64", "--from", "glibc-2.34,linux-6.6", "--to", "glibc-2.35")


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pipes.bpf").write_bytes(assemble(FILTER, arch="x86_64").to_bytes(big_endian=False))
    shutil.copy(TOP / "examples/worker.json", tmp_path)
    monkeypatch.chdir(tmp_path)


def run(capfd: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    capfd.readouterr()
    status = call(lambda: dispatch(["forecast", *args]))
    out, err = capfd.readouterr()
    return status, out, err


def test_what_breaks_is_told_with_its_cause_and_its_remedy(capfd: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capfd, "pipes.bpf", *MOVE)
    assert (status, err) == (1, "")
    assert out.splitlines()[0] == "pipes.bpf: glibc-2.34,linux-6.6,x86_64 -> glibc-2.35,linux-6.6,x86_64"
    block = out[out.index("  `pipe2`") :].splitlines()
    assert block[0] == "  `pipe2` is answered ERRNO(EPERM), since glibc-2.35"
    assert block[1].endswith("pipe: fails with EPERM")
    assert block[2] == "    fix: allow `pipe2` as `pipe` is allowed"
    assert "recorded: glibc 2.35, glibc@efc6b2dbc472" in out


def test_nothing_breaks_where_nothing_moves(capfd: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capfd, "pipes.bpf", "--arch", "x86_64", "--from", "glibc-2.34", "--to", "glibc-2.34")
    assert status == 0
    assert "nothing breaks" in out


def test_with_nothing_to_come_from_all_that_does_not_work_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capfd, "pipes.bpf", "--arch", "x86_64", "--from", "none", "--to", "glibc-2.34")
    assert status == 1
    assert out.startswith("pipes.bpf: none -> glibc-2.34")
    assert "`write` is answered ERRNO(EPERM)" in out


def test_json_has_what_scripts_ask_for(capfd: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capfd, "pipes.bpf", *MOVE, "--format", "json")
    data = json.loads(out)
    assert status == 1
    assert (data["from"], data["to"]) == ("glibc-2.34,linux-6.6,x86_64", "glibc-2.35,linux-6.6,x86_64")
    (one,) = [finding for finding in data["findings"] if finding["function"] == "pipe"]
    assert {"function", "calls", "call", "answer", "effect", "since", "evidence", "fix"} <= set(one)
    assert (one["effect"], one["since"], one["answer"]) == ("breaks", "glibc-2.35", "ERRNO(EPERM)")
    assert one["fix_proved"] is True


def test_several_filters_are_several_answers(capfd: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capfd, "pipes.bpf", "worker.json", *MOVE, "--format", "json")
    assert status == 1
    assert [one["filter"] for one in json.loads(out)] == ["pipes.bpf", "worker.json"]
    _, out, _ = run(capfd, "pipes.bpf", "worker.json", *MOVE, "--format", "sarif")
    assert len(json.loads(out)["runs"]) == 2


def test_a_program_is_asked_for_what_it_imports(capfd: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capfd, "pipes.bpf", *MOVE, "--program", "/bin/true", "--format", "json")
    functions = {finding["function"] for finding in json.loads(out)["findings"]}
    assert "pipe" not in functions
    assert status in (0, 1)


@pytest.mark.parametrize(
    ("args", "status", "told"),
    [
        (("pipes.bpf",), 2, "--to"),
        (("pipes.bpf", "--to", "glibc-2.50"), 2, "nothing is known of glibc 2.50"),
        (("pipes.bpf", "--to", "glibv-2.36"), 2, "unknown system `glibv-2.36`"),
        (("pipes.bpf", "--to", "/nowhere"), 2, "no such file or directory"),
        (("nowhere.bpf", "--to", "glibc-2.36"), 2, "no such file or directory"),
        (("pipes.bpf", "--to", "glibc-2.36", "--program", "worker.json"), 2, "is not an ELF file"),
        (("-", "--from", "linux-5.10", "--to", "linux-6.6"), 2, "standard input can be read once"),
        (("pipes.bpf", "--to", "glibc-2.36", "--arch", "vax"), 2, "vax"),
    ],
)
def test_a_mistake_is_told_in_one_line(
    args: tuple[str, ...], status: int, told: str, capfd: pytest.CaptureFixture[str]
) -> None:
    found, out, err = run(capfd, *args)
    assert found == status
    assert out == ""
    assert told in err
    assert "Traceback" not in err


def test_a_program_says_what_is_not_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    program = tmp_path / "program"
    program.write_bytes(Path("/bin/true").read_bytes() + b"\0rustc version 1.39.0 (4560ea788 2019-11-04)\0")
    status, out, _ = run(capfd, "pipes.bpf", "--from", "glibc-2.36", "--to", "rust-1.40", "--program", str(program))
    assert out.startswith("pipes.bpf: glibc-2.36,rust-1.39.0,")
    assert status in (0, 1)


def test_a_program_that_does_not_start_with_an_older_libc_is_named(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    newest = max(
        (symbol.version for symbol in read("/bin/true").imports if symbol.version.startswith("GLIBC_2.")),
        key=lambda version: [int(part) for part in version.removeprefix("GLIBC_").split(".")],
    )
    move = ("--from", "glibc-2.44", "--to", "glibc-2.15", "--program", "/bin/true")
    _, _, err = run(capfd, "pipes.bpf", *move)
    assert f"/bin/true asks for {newest}, which glibc-2.15 does not have: it does not start there" in err
    _, _, err = run(capfd, "pipes.bpf", "--from", "glibc-2.15", "--to", "glibc-2.44", "--program", "/bin/true")
    assert "asks for" not in err
