"""What functions reach, of real libcs: the committed facts are what the code gives, by either decoder."""

from __future__ import annotations

import os

import pytest
from conftest import needs

from tools import gen_atlas
from tools.libcs import LIBCS
from troth.errors import RequestError
from troth.libc.apt import FetchError
from troth.libc.found import Found
from troth.libc.identify import resolve
from troth.libc.reach.analyse import analyse, files_of
from troth.libc.reach.closure import why
from troth.libc.reach.program import calls_of_program
from troth.libc.reach.store import facts_of, graph_of

# One of each: a libc with unwinding tables and one without, of two architectures.
SAMPLE = [("glibc-2.41", "x86_64"), ("musl-1.2.5", "aarch64")]


def fetched(suite: str, arch: str) -> Found:
    try:
        return resolve(f"debian:{suite}", arch=arch)
    except FetchError as error:
        needs(False, f"{suite} for {arch}: {error}")
        raise


@pytest.mark.parametrize(("name", "arch"), SAMPLE)
def test_the_committed_facts_are_what_the_code_gives(name: str, arch: str) -> None:
    libc = next(one for one in LIBCS if one.build == name)
    try:
        text = gen_atlas.reach(libc, arch)
    except FetchError as error:
        needs(False, f"{name} for {arch}: {error}")
    committed = gen_atlas.path_of("reach", libc, arch).read_text()
    assert gen_atlas.meaning(text) == gen_atlas.meaning(committed)


@pytest.mark.parametrize(("suite", "arch"), [("bookworm/musl", "x86_64"), ("bookworm/musl", "i386"), ("forky", "i386")])
def test_both_decoders_read_the_same_facts(suite: str, arch: str) -> None:
    files = files_of(fetched(suite, arch).objects)
    one, other = (analyse(files, suite, library=library) for library in ("iced_x86", "capstone"))
    assert one.origin == other.origin
    assert one.functions == other.functions


def test_what_was_analysed_is_kept_by_build_and_used_again(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = fetched("bookworm/musl", "x86_64").replace(name="musl-0.0.1")  # of which no facts are committed
    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("TROTH_CACHE", str(cache))
    first = facts_of(found)
    kept = sorted(path.suffix for path in (cache / "reach").iterdir())
    assert kept == [".json", ".txt"]
    monkeypatch.setattr("troth.libc.reach.analyse.analyse", None)  # whoever analyses again fails
    assert facts_of(found) == first
    graph = graph_of(found)
    roots = [export.node for export in graph.exports if export.name == "setuid"]
    way = why(graph, roots, "setuid")
    assert way is not None
    assert way[1][0].name == "setuid"


def test_a_libc_of_which_only_the_name_is_known_cannot_say_why() -> None:
    with pytest.raises(RequestError, match=r"the files of glibc-2\.36 are not at hand") as caught:
        graph_of(Found("glibc-2.36", "glibc", "2.36", "x86_64"))
    assert "troth libc fetch" in caught.value.hint


def test_a_program_says_what_it_imports_in_which_version() -> None:
    path = os.path.realpath("/bin/sh")
    found = calls_of_program(path)
    assert not found.static
    assert "fork" in {one.name for one in found.imports}
    assert all(one.version for one in found.imports if one.library)
