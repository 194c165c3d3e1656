"""Decide what to install for a request on a kernel; pure, so that it can be shown and tested anywhere.

`plan` takes the kernel's facts as an argument and never asks the running one by itself.
"""

from __future__ import annotations

from troth import abi
from troth._value import Value
from troth.abi import landlock
from troth.abi.seccomp import RET_KILL_PROCESS
from troth.bpf.program import Program
from troth.promises import grants
from troth.promises._words import CPATH, EXEC, LIBC_FILES, PROC, RPATH, STDIO, UNIX, WPATH
from troth.promises.parse import words
from troth.promises.select import select
from troth.promises.setting import Identity, Setting
from troth.sandbox.report import Feature

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from troth.kernel.probe import Kernel
    from troth.policy import Policy
    from troth.promises.grants import Grant
    from troth.promises.knowledge import Knowledge

    Veil = tuple[tuple[str, str], ...]

# Promises that only work through a file that libc opens; without a Landlock domain these take rpath too.
_NEED_FILES: Final = LIBC_FILES & ~(STDIO | EXEC)
_ALL_PATHS: Final = RPATH | WPATH | CPATH


class Request(Value):
    """What somebody asks for.

    `promises` is a set (see `promises.parse`); `veil` the unveiled paths, None for no veil;
    `arches` the architectures whose calls are judged, others kill; `violation` the filter's answer
    to what was not promised; `threads` whether more than the calling thread must be reached;
    `programs` are paths that must be executable although `exec` was not promised; `veil_only`
    confines paths and nothing else; `knowledge` is what the tables may know, None for all.
    """

    __slots__ = ("promises", "veil", "identity", "arches", "violation", "threads", "programs", "veil_only", "knowledge")
    promises: int
    veil: Veil | None
    identity: Identity
    arches: tuple[str, ...]
    violation: int
    threads: bool
    programs: tuple[str, ...]
    veil_only: bool
    knowledge: Knowledge | None
    _defaults = {
        "violation": RET_KILL_PROCESS,
        "threads": False,
        "programs": (),
        "veil_only": False,
        "knowledge": None,
    }


class Ruleset(Value):
    """A Landlock domain to be: what it handles, and what it grants."""

    __slots__ = ("handled_fs", "handled_net", "scoped", "rules", "ports", "tsync")
    handled_fs: int
    handled_net: int
    scoped: int
    rules: tuple[Grant, ...]
    ports: tuple[tuple[int, int], ...]
    tsync: bool


class Plan(Value):
    """What will be installed: a Landlock ruleset or None, and a filter made from `policy`.

    `missing` is what the request needs and the kernel cannot enforce, `notes` what will be stricter.
    """

    __slots__ = ("request", "setting", "ruleset", "missing", "notes")
    request: Request
    setting: Setting
    ruleset: Ruleset | None
    missing: tuple[Feature, ...]
    notes: tuple[str, ...]

    def policy(self, pid: int | None = None, violation: int | None = None) -> Policy:
        """The filter's policy, for another process or violation answer when given."""
        request = self.request
        promises = request.promises | (EXEC if request.programs else 0)
        identity = request.identity if pid is None else request.identity.replace(pid=pid)
        if request.veil_only:
            from troth.promises.expand import expand_veil

            return expand_veil(request.arches, self.setting, identity)
        answer = request.violation if violation is None else violation
        if request.knowledge is not None:
            from troth.promises.expand import expand

            return expand(
                promises, request.arches, self.setting, identity, violation=answer, knowledge=request.knowledge
            )
        return select(promises, request.arches, self.setting, identity, violation=answer)

    def program(self, pid: int | None = None, violation: int | None = None) -> Program:
        """The filter itself."""
        return self.policy(pid, violation).compile()

    @property
    def programs(self) -> tuple[Program, ...]:
        """The filters that will be installed."""
        return (self.program(),)


def judged_arches(arch: str, promises: int) -> tuple[str, ...]:
    """The architectures that a filter has to judge: another one's calls come only from another program."""
    companions = abi.ARCHES[arch].companions if promises & EXEC else ()
    return (arch, *(name for name in companions if not abi.ARCHES[name].nr_mask_bit))


def plan(request: Request, kernel: Kernel) -> Plan:
    """Decide how `kernel` can enforce `request`; what it cannot is in `.missing`."""
    missing: list[Feature] = []
    notes: list[str] = []
    if not kernel.seccomp:
        missing.append(
            Feature("system call filters", "a kernel with CONFIG_SECCOMP_FILTER", _why_not(kernel, "seccomp"))
        )
    version = kernel.landlock_abi
    if request.knowledge is not None:
        version = min(version, request.knowledge.landlock_abi)
    reach = not request.threads or version >= landlock.TSYNC_ABI
    if request.veil is not None:
        if not version:
            missing.append(Feature("unveil", "Landlock (Linux 5.13)", _why_not(kernel, "landlock_create_ruleset")))
        elif not reach:
            missing.append(
                Feature(
                    "unveil in a process with several threads",
                    f"Landlock ABI {landlock.TSYNC_ABI} (Linux 7.0)",
                    f"ABI {version}",
                )
            )
        elif request.promises & UNIX and version < landlock.RESOLVE_UNIX_ABI and not request.veil_only:
            missing.append(
                Feature(
                    "unveil of unix socket paths",
                    f"Landlock ABI {landlock.RESOLVE_UNIX_ABI} (Linux 7.1)",
                    f"ABI {version}",
                )
            )
        if 0 < version < landlock.REFER_ABI and request.promises & CPATH:
            notes.append("renaming and linking across directories is refused (Landlock ABI 1)")
    ruleset = _ruleset(request, version) if version and reach else None
    setting = _setting(request, version, ruleset)
    if version and not reach:
        notes.append(f"Landlock cannot reach other threads before ABI {landlock.TSYNC_ABI}; the filter judges alone")
    if not setting.judged and request.promises & LIBC_FILES and not request.promises & RPATH:
        names = " ".join(words(request.promises & _NEED_FILES)) or "stdio"
        notes.append(f"`{names}` cannot open the files of libc: without Landlock only `rpath` opens files")
    if ruleset is None and request.promises & (RPATH | WPATH):
        names = "` and `".join(words(request.promises & (RPATH | WPATH)))
        notes.append(f"other processes' memory is in reach of `{names}` through /proc, which only Landlock closes")
    if request.programs and not request.promises & EXEC and ruleset is None:
        missing.append(
            Feature("starting one program only", "Landlock (Linux 5.13)", _why_not(kernel, "landlock_create_ruleset"))
        )
    return Plan(request, setting, ruleset, tuple(missing), tuple(notes))


def _why_not(kernel: Kernel, call: str) -> str:
    if call in kernel.blocked:
        return f"Linux {kernel.release}, where a filter that is already in force refuses {call}"
    return f"Linux {kernel.release} without it"


def _ruleset(request: Request, version: int) -> Ruleset | None:
    """The Landlock domain for a request, None when it would restrict nothing."""
    promises = request.promises
    # Device ioctls are the filter's: handling IOCTL_DEV would refuse TCGETS on every opened device.
    handled = landlock.FS_BY_ABI[version] & ~landlock.FS["IOCTL_DEV"]
    rules: list[Grant] = []
    if request.veil is None and version < landlock.REFER_ABI and promises & CPATH:
        handled = 0  # ABI 1 cannot allow renaming across directories; the filter judges the flags instead
    else:
        rules = [
            grant.replace(rights=grant.rights & handled)
            for grant in grants.path_grants(
                promises, request.veil, loads=bool(request.programs), knowledge=request.knowledge
            )
            if grant.rights & handled or grant.required
        ]
        executable = grants.veil_rights("x") & handled
        rules += [grants.Grant(path, executable, True) for path in request.programs]
    ports = grants.ports(promises)
    net = 0 if ports is None else landlock.NET_BY_ABI[version] & landlock.TCP
    scopes = landlock.SCOPE_BY_ABI[version]
    scoped = scopes & (0 if promises & PROC else landlock.SCOPE["SIGNAL"])
    scoped |= scopes & (0 if promises & UNIX else landlock.SCOPE["ABSTRACT_UNIX_SOCKET"])
    if not handled and not net and not scoped:
        return None
    return Ruleset(handled, net, scoped, tuple(rules), ports or () if net else (), request.threads)


def _setting(request: Request, version: int, ruleset: Ruleset | None) -> Setting:
    """What Landlock will decide, so that the filter need not."""
    veiled = request.veil is not None
    handled = 0 if ruleset is None else ruleset.handled_fs
    free = not veiled and request.promises & _ALL_PATHS == _ALL_PATHS  # nothing is left to judge
    return Setting(
        judged=bool(handled) or free,
        truncate_judged=bool(handled & landlock.FS["TRUNCATE"]) or free,
        scoped=ruleset is not None and bool(ruleset.scoped & landlock.SCOPE["SIGNAL"]),
        unix_judged=bool(handled & landlock.FS.get("RESOLVE_UNIX", 0)),
        veiled=veiled,
    )
