"""The facts of a libc that somebody named: committed, kept from an earlier analysis, or read from its files now.

What is analysed is kept by build-id and by what analysed it, under the user's cache directory: the facts as text, and
the graph that tells why.
"""

from __future__ import annotations

import hashlib
import json
import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from troth import elf
from troth.errors import RequestError, TrothError
from troth.libc.cache import cache_directory
from troth.libc.reach.facts import builds, dump, load, reach_facts
from troth.libc.reach.graph import Export, Graph

if TYPE_CHECKING:
    from collections.abc import Callable

    from troth.libc.identify import Found
    from troth.libc.reach.analyse import Analysis
    from troth.libc.reach.facts import ReachFacts

__all__ = ["facts_of", "graph_of"]

_KEPT: Final = "reach"


def facts_of(found: Found) -> ReachFacts:
    """What the functions of a libc can call.

    Raises:
        RequestError: only its name is known, and no facts are at hand for it.
        ParseError: a file is not what it should be.
        UnsupportedError: its code has to be read, and no disassembler is installed.
    """
    if not found.objects:
        return reach_facts(found.name, found.arch)
    if (found.name, found.arch) in builds():
        committed = reach_facts(found.name, found.arch)
        if found.build_id and next(iter(committed.origin.files.values())) == found.build_id:
            return committed
    text = _kept(found, "txt", lambda analysis: dump(analysis.origin, analysis.functions))
    return load(text, f"the facts kept of {found.name}")


def graph_of(found: Found) -> Graph:
    """How the functions of a libc are connected, which only its files tell.

    Raises:
        RequestError: its files are not at hand.
        ParseError: a file is not what it should be.
        UnsupportedError: no disassembler is installed.
    """
    if not found.objects:
        raise RequestError(
            f"the files of {found.name} are not at hand, and only they say why",
            hint="`troth libc fetch` gets those of a Debian suite; or name a root directory, an image or the file",
        )
    return _graph(json.loads(_kept(found, "json", lambda analysis: json.dumps(_data(analysis.graph)))))


def _kept(found: Found, suffix: str, made: Callable[[Analysis], str]) -> str:
    """A text that was kept, or that is made now and kept; not being able to keep it is no fault."""
    path = cache_directory() / _KEPT / f"{found.identity}-{_made_by()}.{suffix}"
    try:
        return path.read_text()
    except OSError:
        pass
    from troth.libc.reach.analyse import analyse, files_of  # brings the disassembler

    package = f"{found.package.name} {found.package.version}" if found.package else ""
    sha256 = found.package.sha256 if found.package else ""
    analysis = analyse(files_of(found.objects), found.name, package, sha256)
    for kind, text in (
        ("txt", dump(analysis.origin, analysis.functions)),
        ("json", json.dumps(_data(analysis.graph), separators=(",", ":"))),
    ):
        _keep(path.with_suffix(f".{kind}"), text)
    return made(analysis)


def _keep(path: Path, text: str) -> None:
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text)
        partial.replace(path)
    except (OSError, TrothError):
        partial.unlink(missing_ok=True)


@lru_cache(maxsize=1)
def _made_by() -> str:
    """What analyses: what was analysed by other code is not used."""
    digest = hashlib.sha256()
    for directory in (Path(elf.__file__).parent, Path(__file__).parent):
        for path in sorted(directory.rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _data(graph: Graph) -> dict[str, Any]:
    names = sorted(frozenset().union(*graph.calls))
    place = {name: at for at, name in enumerate(names)}
    return {
        "arch": graph.arch,
        "names": graph.names,
        "files": graph.files,
        "file_names": graph.file_names,
        "call_names": names,
        "calls": {node: sorted(place[name] for name in calls) for node, calls in enumerate(graph.calls) if calls},
        "leads": [[*sorted(leads.items())] for leads in graph.leads],
        "failing": sorted(graph.failing),
        "cancelling": sorted(graph.cancelling),
        "exports": graph.exports,
        "starts": graph.starts,
        "open": graph.open_sites,
        "sites": graph.sites,
    }


def _graph(data: dict[str, Any]) -> Graph:
    graph = Graph(data["arch"])
    names = data["call_names"]
    graph.names = data["names"]
    graph.files = data["files"]
    graph.file_names = tuple(data["file_names"])
    graph.calls = [frozenset()] * len(graph.names)
    for node, calls in data["calls"].items():
        graph.calls[int(node)] = frozenset(names[at] for at in calls)
    graph.leads = [dict(map(tuple, leads)) for leads in data["leads"]]
    graph.failing = set(data["failing"])
    graph.cancelling = set(data["cancelling"])
    graph.exports = tuple(Export(*export) for export in data["exports"])
    graph.starts = {name: tuple(nodes) for name, nodes in data["starts"].items()}
    graph.open_sites = tuple(data["open"])
    graph.sites = data["sites"]
    return graph
