"""From promises and a command to a program that runs confined: what `troth run` and `troth.run` share."""

from __future__ import annotations

import errno
import os

from troth import abi
from troth._value import Value
from troth.abi.seccomp import RET_USER_NOTIF
from troth.errors import RequestError
from troth.kernel.probe import probe
from troth.promises._paths import LOADERS
from troth.promises._words import ERROR, EXEC, STDIO
from troth.promises.parse import parse
from troth.sandbox.apply import VIOLATIONS, check_missing, check_path, identity, open_ruleset
from troth.sandbox.find import cannot_run, find_program
from troth.sandbox.image import read_image
from troth.sandbox.inject import NotTraceable
from troth.sandbox.launch import ExecError, NoListener, launch, may_trace
from troth.sandbox.machine import TRACEABLE
from troth.sandbox.plan import Plan, Request, judged_arches
from troth.sandbox.plan import plan as make_plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Final

    from troth.kernel.probe import Kernel
    from troth.promises.knowledge import Knowledge
    from troth.sandbox.image import Image
    from troth.sandbox.launch import Child
    from troth.sandbox.report import Feature
    from troth.sandbox.signals import Signals
    from troth.sandbox.supervise import Missing

_ATTEMPTS: Final = 3  # late with a listener, without one, early


class Order(Value):
    """What to run and how: the arguments of `troth run`.

    `promises` is a set, `veil` has checked paths. `executable` replaces the first of `argv` as what is
    executed, when not empty; `env` replaces the environment, when not None; `as_of` limits what the
    tables may know (`promises.knowledge`), when not empty.
    """

    __slots__ = ("argv", "promises", "veil", "violation", "late", "allow_degraded", "executable", "env", "as_of")
    argv: tuple[str, ...]
    promises: int
    veil: tuple[tuple[str, str], ...] | None
    violation: str
    late: bool
    allow_degraded: bool
    executable: str
    env: dict[bytes, bytes] | None
    as_of: str
    _defaults = {"executable": "", "env": None, "as_of": ""}


def order(
    argv: Iterable[str],
    *,
    promises: str | Iterable[str],
    unveil: Iterable[tuple[str, str]] = (),
    violation: str = "kill",
    late: bool = True,
    allow_degraded: bool = False,
    executable: str = "",
    env: dict[bytes, bytes] | None = None,
    as_of: str = "",
) -> Order:
    """Check a request, without doing anything.

    Raises:
        UnknownPromiseError: a word is not a promise.
        RequestError: a word is given twice, there is no program, or the violation mode or time is unknown.
        PathError: an unveiled path cannot be used.
    """
    args = tuple(argv)
    if not args:
        raise RequestError("no program to run")
    if violation not in VIOLATIONS:
        raise RequestError(f"unknown violation mode {violation!r}", hint='use "kill" or "errno"')
    held = parse(promises)
    _knowledge(as_of)
    collected: dict[str, str] = {}
    for path, permissions in unveil:
        collected[check_path(os.fsdecode(path), permissions, collected)] = permissions
    return Order(
        args,
        held,
        tuple(collected.items()) or None,
        "errno" if held & ERROR else violation,
        late,
        allow_degraded,
        executable,
        env,
        as_of,
    )


def _knowledge(as_of: str) -> Knowledge | None:
    """What an order says that may be known; orders hold it as text, since they go through a pipe (`helper`)."""
    if not as_of:
        return None
    from troth.promises.knowledge import Knowledge

    return Knowledge.parse(as_of)


class Started(Value):
    """A program that runs confined: `notes` say what is not as was asked, `missing` what is not enforced."""

    __slots__ = ("child", "why", "notes", "missing")
    child: Child
    why: Missing
    notes: tuple[str, ...]
    missing: tuple[Feature, ...]


def start(wanted: Order, signals: Signals, *, dies_with_us: bool = False) -> Started:
    """Start the program of an order; with `dies_with_us` it is killed when this thread ends.

    Raises:
        ProgramError: there is no such program, or it cannot be executed.
        PathError: an unveiled path cannot be used.
        UnsupportedError: this kernel cannot enforce it; nothing was started.
        EnforcementError: the kernel refused a step; the program was killed before it ran.
    """
    env = environment() if wanted.env is None else wanted.env
    path = find_program(wanted.executable or wanted.argv[0], env)
    image = read_image(path)
    if not os.path.exists(image.programs[-1]):  # early, a rule would be made for it
        raise cannot_run(path, errno.ENOENT)
    kernel = probe()
    late, note = _lateness(wanted, image, kernel)
    listen = wanted.violation == "kill" and {"user_notif"} <= kernel.actions and {"new_listener"} <= kernel.flags
    for attempt in range(_ATTEMPTS):
        decided = _decide(wanted, image, kernel, late=late)
        check_missing(decided.missing, allow_degraded=wanted.allow_degraded)
        asks = listen and ({"tsync_esrch"} <= kernel.flags if late else bool(wanted.promises & STDIO))
        ruleset = None if decided.ruleset is None else open_ruleset(decided.ruleset)
        try:
            child = launch(
                wanted.argv,
                executable=path,
                text=image.kind == "text",
                program=_filters(decided, VIOLATIONS[wanted.violation]),
                signals=signals,
                ruleset_fd=ruleset,
                late=late,
                listen=asks,
                env=env,
                dies_with_us=dies_with_us,
            )
        except NotTraceable as reason:
            if not late or attempt == _ATTEMPTS - 1:
                raise
            late, note = False, _early_note(str(reason))
        except NoListener:
            listen = False
        except ExecError as error:
            raise cannot_run(path, error.errno) from None
        else:
            return Started(
                child, _why(decided, child.pid), (*((note,) if note else ()), *decided.notes), decided.missing
            )
        finally:
            if ruleset is not None:
                os.close(ruleset)
    raise AssertionError("each attempt ends, or leaves one reason less to fail")


def _lateness(wanted: Order, image: Image, kernel: Kernel) -> tuple[bool, str]:
    """Whether the program can be confined at its entry point; a note when it cannot although it should."""
    if not wanted.late:
        return False, ""
    native = abi.native().name
    if not image.readable:
        return False, _early_note("its file may not be read")
    if native not in TRACEABLE:
        return False, _early_note(f"troth cannot trace on `{native}`")
    if image.arch and image.arch not in TRACEABLE[native]:
        return False, _early_note(f"it is a program for `{image.arch}`")
    # Under a filter of troth's kind, asking for ptrace(2) would be a violation by itself.
    if kernel.filtered and ("new_listener" not in kernel.flags or not may_trace()):
        return False, _early_note("a filter that is in force does not allow tracing")
    return True, ""


def _early_note(reason: str) -> str:
    return f"the program is confined from its start, as with --early: {reason}"


def _decide(wanted: Order, image: Image, kernel: Kernel, *, late: bool) -> Plan:
    """The plan for starting this program; early, it has to execute its own files and load itself."""
    native = abi.native().name
    arches = judged_arches(native, wanted.promises)
    if image.arch:
        # Its own architecture first. Late and without `exec`, no other program will ever make a call.
        others = () if late and not wanted.promises & EXEC else arches
        arches = (image.arch, *(name for name in others if name != image.arch))
    programs = () if late else image.programs
    if programs and not image.readable:
        # Which loader it asks for cannot be read.
        programs = (*programs, *(path for path in LOADERS.split() if os.path.exists(path)))
    request = Request(
        wanted.promises,
        wanted.veil,
        identity(),
        arches,
        VIOLATIONS[wanted.violation],
        programs=programs,
        knowledge=_knowledge(wanted.as_of),
    )
    return make_plan(request, kernel)


def _filters(decided: Plan, answer: int) -> Callable[[int, bool], bytes]:
    return lambda pid, notify: decided.program(pid, RET_USER_NOTIF if notify else answer).to_bytes()


def _why(decided: Plan, pid: int) -> Missing:
    def why(arch: str, nr: int, args: tuple[int, ...]) -> tuple[str, ...]:
        from troth.promises.explain import missing

        request = decided.request
        if arch not in request.arches:
            return ()
        who = request.identity.replace(pid=pid)
        return missing(arch, nr, args, request.promises, setting=decided.setting, identity=who)

    return why


def environment() -> dict[bytes, bytes]:
    """The environment for the program: ours, without what Python's start put into it.

    In the C locale CPython sets LC_CTYPE for itself (PEP 538), which a program would see.
    """
    env = dict(os.environb)
    if env.get(b"LC_CTYPE", b"").lower() in (b"c.utf-8", b"c.utf8", b"utf-8"):
        from troth.kernel import procfs

        before = procfs.environment()
        if before is not None and before.get(b"LC_CTYPE") != env[b"LC_CTYPE"]:
            if b"LC_CTYPE" in before:
                env[b"LC_CTYPE"] = before[b"LC_CTYPE"]
            else:
                del env[b"LC_CTYPE"]
    return env
