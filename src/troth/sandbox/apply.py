"""Install a plan in this process, and the verbs pledge() and unveil() on top of it.

The order is that of no return: no_new_privs, then Landlock, then the filter. Everything that can
fail for a reason that can be foreseen is checked before the first step; everything that is needed
is imported before it too, because afterwards nothing may be there to import.
"""

from __future__ import annotations

import gc
import os

from troth import abi
from troth.abi.seccomp import RET_KILL_PROCESS
from troth.errors import EnforcementError, IncreaseError, PathError, RequestError, UnsupportedError
from troth.kernel import landlock as landlock_calls
from troth.kernel import process, seccomp
from troth.kernel.probe import probe
from troth.policy.model import errno_answer
from troth.promises._words import ERROR, EVERYTHING, EXEC, STDIO, UNVEIL
from troth.promises.grants import check_permissions
from troth.promises.parse import parse, words
from troth.promises.setting import Identity
from troth.sandbox.plan import Plan, Request, Ruleset, judged_arches
from troth.sandbox.plan import plan as make_plan
from troth.sandbox.report import Enforcement, Feature
from troth.sandbox.state import STATE
from troth.sandbox.veil import add_rules, covers, normal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Final

    from troth.kernel.probe import Kernel

_EPERM: Final = 1
E2BIG: Final = 7
VIOLATIONS: Final = {"kill": RET_KILL_PROCESS, "errno": errno_answer(_EPERM)}


def identity() -> Identity:
    """Who this process is, for the conditions that name oneself."""
    return Identity(os.getpid(), os.geteuid(), tuple(sorted({os.getegid(), *os.getgroups()})))


def open_ruleset(ruleset: Ruleset) -> int:
    """Make a Landlock ruleset with all its rules and give its descriptor; restricts nothing yet.

    Raises:
        PathError: an unveiled path cannot be used.
        EnforcementError: the kernel refuses the ruleset.
    """
    fd = landlock_calls.create_ruleset(ruleset.handled_fs, ruleset.handled_net, ruleset.scoped)
    try:
        if ruleset.handled_fs:
            add_rules(ruleset.rules, lambda path_fd, rights: landlock_calls.add_path_rule(fd, path_fd, rights))
        for port, rights in ruleset.ports:
            landlock_calls.add_port_rule(fd, port, rights)
    except BaseException:
        os.close(fd)
        raise
    return fd


def check_missing(missing: tuple[Feature, ...], *, allow_degraded: bool) -> None:
    """Refuse a plan that leaves something out, unless that was asked for.

    Raises:
        UnsupportedError: naming the first feature that is missing.
    """
    if missing and not allow_degraded:
        first = missing[0]
        raise UnsupportedError(
            first.name, needs=first.needs, have=first.have, hint="allow_degraded=True goes on without it and reports it"
        )


def install(plan: Plan) -> int:
    """Put a plan in force in this process, all its threads; gives the filter's length.

    Raises:
        EnforcementError: the kernel refused a step; `in_force` says what it had taken before.
    """
    policy = plan.policy()
    program = (policy if STATE.policy is None else policy.beyond(STATE.policy)).compile()
    fd = -1 if plan.ruleset is None else open_ruleset(plan.ruleset)
    in_force: list[str] = []
    try:
        process.set_no_new_privs()
        in_force.append("no_new_privs")
        if plan.ruleset is not None:
            flags = landlock_calls.RESTRICT_SELF_TSYNC if plan.ruleset.tsync else 0
            landlock_calls.restrict_self(fd, flags)
            in_force.append("landlock")
        seccomp.set_mode_filter(program.to_bytes(), tsync=True)
        STATE.policy = policy
    except EnforcementError as error:
        if error.in_force:
            raise
        raise EnforcementError(error.call, error.errno or 0, in_force=in_force, hint=error.hint) from error
    finally:
        if fd >= 0:
            os.close(fd)
    return len(program)


def pledge(
    promises: str | Iterable[str] | None,
    execpromises: str | Iterable[str] | None = None,
    *,
    violation: str = "kill",
    allow_degraded: bool = False,
) -> Enforcement:
    """Promise to do nothing but this from now on; the kernel holds this process to it.

    `promises` are words of pledge(2), None leaves them as they are. What is not promised ends the
    process (`violation="kill"`) or fails with EPERM (`"errno"`, or the promise `error`); the mode is
    this call's, not carried over to the next. Each call can only narrow what is left. All threads are
    bound; children and programs they start are too.

    `execpromises` bind the programs started from here on; None means that they inherit `promises`.
    Linux cannot change a filter at execve(2), so they may not be wider than the promises, and
    narrower ones are only accepted when `exec` is not promised or `allow_degraded` is given: use
    `troth.run` to start a program with less.

    Paths collected by unveil() come into force here, unless `unveil` is promised.

    Raises:
        UnknownPromiseError: a word is not a promise.
        RequestError: a word is given twice, or an argument has no meaning.
        IncreaseError: more is promised than was left.
        PathError: an unveiled path cannot be used.
        UnsupportedError: this kernel cannot enforce it; nothing was done.
        EnforcementError: the kernel refused a step; says what is in force.

    Needs Linux 4.14 (seccomp); Landlock (5.13) for unveil and for what libc opens without `rpath`.
    """
    if violation not in VIOLATIONS:
        raise RequestError(f"unknown violation mode {violation!r}", hint='use "kill" or "errno"')
    wanted = None if promises is None else parse(promises)
    wanted_exec = None if execpromises is None else parse(execpromises)
    collects = gc.isenabled()
    gc.disable()  # thousands of small tuples, and no garbage among them
    try:
        with STATE.lock:
            return _pledge(wanted, wanted_exec, VIOLATIONS[violation], allow_degraded=allow_degraded)
    finally:
        if collects:
            gc.enable()


def _pledge(wanted: int | None, wanted_exec: int | None, answer: int, *, allow_degraded: bool) -> Enforcement:
    held = STATE.held
    if wanted is not None and held is not None:
        if held & ERROR:
            wanted &= held
        elif wanted & ~held:
            raise IncreaseError("promises", asked=words(wanted & ~held), held=words(held))
    if wanted_exec is not None and STATE.held_exec is not None and wanted_exec & ~STATE.held_exec:
        raise IncreaseError("execpromises", asked=words(wanted_exec & ~STATE.held_exec), held=words(STATE.held_exec))
    final = wanted if wanted is not None else held
    extra = () if wanted_exec is None else _check_exec(wanted_exec, final)
    if final is None:
        check_missing(extra, allow_degraded=allow_degraded)
        STATE.held_exec = wanted_exec if wanted_exec is not None else STATE.held_exec
        return Enforcement("none", (), STATE.veil, False, 0, extra, ())
    commits = not final & UNVEIL and not STATE.locked
    veil = tuple(STATE.unveiled.items()) if commits and STATE.unveiled else None
    if final & ERROR:
        answer = VIOLATIONS["errno"]
    if final == held and veil is None and answer == STATE.violation:
        check_missing(extra, allow_degraded=allow_degraded)
        _remember(final, wanted_exec, None, answer, locked=commits)
        return Enforcement("partial" if extra else "full", words(final), STATE.veil, False, 0, extra, ())
    return _enforce(final, wanted_exec, veil, answer, extra, locked=commits, allow_degraded=allow_degraded)


def _enforce(
    final: int,
    wanted_exec: int | None,
    veil: tuple[tuple[str, str], ...] | None,
    answer: int,
    extra: tuple[Feature, ...],
    *,
    locked: bool,
    allow_degraded: bool,
    veil_only: bool = False,
) -> Enforcement:
    """Plan, install, remember.

    A process can have 16 Landlock domains, one on top of the other; when they are used up and no
    veil waits, the filter alone can still take the rest.
    """
    if final & UNVEIL:
        import troth.promises.expand  # noqa: F401  # unveil(None, None) will need it, and then it may be out of reach
    kernel = probe()
    if STATE.held is not None and not STATE.held & STDIO and veil is None:
        # Without stdio not even a path can be looked up: what is still to be given up, the filter takes.
        kernel = kernel.replace(landlock_abi=0)
    arches = judged_arches(abi.native().name, final)
    request = Request(
        final, veil, identity(), arches, answer, threads=not process.is_single_threaded(), veil_only=veil_only
    )
    decided = _decide(request, kernel)
    missing = (*decided.missing, *extra)
    check_missing(missing, allow_degraded=allow_degraded)
    if not kernel.seccomp:
        raise UnsupportedError("system call filters", needs=decided.missing[0].needs, have=decided.missing[0].have)
    try:
        instructions = install(decided)
    except EnforcementError as error:
        if error.call != "landlock_restrict_self" or error.errno != E2BIG or veil is not None:
            raise
        decided = _decide(request, kernel.replace(landlock_abi=0))
        instructions = install(decided)
    in_force = decided.ruleset is not None
    if in_force:
        STATE.ruleset = decided.ruleset
    _remember(final, wanted_exec, veil if in_force else None, answer, locked=locked)
    status = "partial" if missing else "full"
    return Enforcement(status, words(final), STATE.veil, in_force, instructions, missing, decided.notes)


def _decide(request: Request, kernel: Kernel) -> Plan:
    decided = make_plan(request, kernel)
    if STATE.veil is not None:
        # An older veil goes on: what the filter refuses because of it stays refused.
        decided = decided.replace(setting=decided.setting.replace(veiled=True))
    if decided.ruleset is not None and decided.ruleset == STATE.ruleset and request.veil is None:
        decided = decided.replace(ruleset=None)  # the same domain again would add nothing
    return decided


def _check_exec(wanted_exec: int, final: int | None) -> tuple[Feature, ...]:
    """What execpromises mean where no filter can change at execve(2).

    Raises:
        RequestError: they are wider than the promises, which bind the new program as well.
    """
    if final is not None and wanted_exec & ~final:
        wider = " ".join(words(wanted_exec & ~final))
        raise RequestError(
            f"execpromises hold `{wider}`, which the promises lack",
            hint="on Linux a new program keeps the promises of the one that started it",
        )
    if final is None or (final & EXEC and wanted_exec != final):
        return (
            Feature(
                "execpromises narrower than the promises",
                "a kernel that changes filters at execve(2)",
                "filters stay as they are",
            ),
        )
    return ()


def _remember(
    final: int, wanted_exec: int | None, veil: tuple[tuple[str, str], ...] | None, answer: int, *, locked: bool
) -> None:
    STATE.held = final
    STATE.violation = answer
    if wanted_exec is not None:
        STATE.held_exec = wanted_exec
    if locked:
        STATE.locked = True
        STATE.unveiled = {}
    if veil is not None:
        STATE.veil = veil


def unveil(path: str | bytes | os.PathLike[str] | None, permissions: str | None) -> None:
    """Collect a path that stays reachable: with the first one, everything else will be gone.

    `permissions` are letters of `r` (read), `w` (write), `x` (execute, and read), `c` (create and
    remove). The paths come into force together, at `unveil(None, None)` or at a pledge() that does
    not promise `unveil`; from then on unveil() is over. A later call for the same path replaces its
    permissions. The most specific path decides. A path that does not exist is an error, unless a
    directory above it is unveiled with these permissions already.

    Raises:
        PathError: the path is relative, missing, or not usable; or the permissions are unknown.
        RequestError: only one of the arguments is None.
        IncreaseError: the veil is in force already (EPERM in unveil(2)).
        UnsupportedError: at the commit, this kernel has no Landlock, or more threads than it reaches.

    Needs Linux 5.13 (Landlock ABI 1).
    """
    with STATE.lock:
        if STATE.locked:
            raise IncreaseError(
                "the veil",
                asked=(os.fsdecode(path) if path is not None else "None",),
                held=tuple(p for p, _ in STATE.veil or ()),
            )
        if path is None and permissions is None:
            _commit_veil()
            return
        if path is None or permissions is None:
            raise RequestError("unveil takes a path with permissions, or None twice")
        STATE.unveiled[check_path(os.fsdecode(path), permissions, STATE.unveiled)] = permissions


def check_path(path: str, permissions: str, unveiled: dict[str, str]) -> str:
    """Refuse an unveil that cannot become a rule; gives the path to remember.

    Raises:
        PathError: see unveil().
    """
    check_permissions(path, permissions)
    if "\0" in path:
        raise PathError(path, permissions, "a path cannot hold a NUL byte")
    if not path.startswith("/"):
        hint = f"the absolute path is {os.path.abspath(path)!r}" if path else ""
        raise PathError(path, permissions, "is not an absolute path" if path else "is empty", hint=hint)
    try:
        os.stat(path)
    except FileNotFoundError:
        where = normal(path)
        for above, given in unveiled.items():
            if set(permissions) <= set(given) and covers(normal(above), where):
                return path
        raise PathError(
            path,
            permissions,
            "does not exist",
            hint=f"a rule binds what is there: unveil its directory {os.path.dirname(path)!r} with `{permissions}`",
        ) from None
    except OSError as error:
        raise PathError(path, permissions, os.strerror(error.errno or 0).lower()) from error
    return path


def _commit_veil() -> None:
    """unveil(None, None): lock, and put the collected paths in force if there are any."""
    if STATE.unveiled:
        held, answer = STATE.held, STATE.violation
        veil = tuple(STATE.unveiled.items())
        promises = EVERYTHING if held is None else held
        _enforce(
            promises, None, veil, answer or RET_KILL_PROCESS, (), locked=True, allow_degraded=False, veil_only=True
        )
        STATE.held, STATE.violation = held, answer
    STATE.locked = True
