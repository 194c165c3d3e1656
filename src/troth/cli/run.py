"""`troth run`: start a program that keeps promises it has never heard of."""

from __future__ import annotations

import gc

from troth._value import Value
from troth.cli import say
from troth.errors import RequestError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

VIOLATIONS: Final = ("kill", "errno")


class Options(Value):
    """The arguments of `troth run`: promises joined, unveils as given, the command."""

    __slots__ = ("promises", "unveil", "on_violation", "early", "allow_degraded", "as_of", "command")
    promises: str
    unveil: tuple[str, ...]
    on_violation: str
    early: bool
    allow_degraded: bool
    as_of: str
    command: tuple[str, ...]


def parse(args: Sequence[str]) -> Options | None:
    """Read an ordinary command line; None when it asks for help or holds a mistake, which click explains.

    Options end at `--` or at the first word that is none; the command's own options are its own.
    """
    promises: list[str] = []
    unveil: list[str] = []
    on_violation = "kill"
    as_of = ""
    early = degraded = False
    words = iter(args)
    command: list[str] = []
    for word in words:
        name, value = word, None
        if word == "--":
            command = list(words)
            break
        if not word.startswith("-") or word == "-":
            command = [word, *words]
            break
        if word.startswith("--") and "=" in word:
            name, _, value = word.partition("=")
        elif not word.startswith("--") and len(word) > 2:
            name, value = word[:2], word[2:]
        if name == "--early" and value is None:
            early = True
        elif name == "--allow-degraded" and value is None:
            degraded = True
        elif name in ("-p", "--promises", "-v", "--unveil", "--on-violation", "--as-of"):
            value = next(words, None) if value is None else value
            if value is None:
                return None
            if name in ("-p", "--promises"):
                promises.append(value)
            elif name in ("-v", "--unveil"):
                unveil.append(value)
            elif name == "--as-of":
                as_of = value
            elif value in VIOLATIONS:
                on_violation = value
            else:
                return None
        else:
            return None
    if not promises or not command:
        return None
    return Options(" ".join(promises), tuple(unveil), on_violation, early, degraded, as_of, tuple(command))


def unveiled(text: str) -> tuple[str, str]:
    """Split PATH:PERMS at the last colon: a path may hold colons, permissions cannot.

    >>> unveiled("/srv/a:b:rw")
    ('/srv/a:b', 'rw')

    Raises:
        RequestError: there is no colon.
    """
    path, colon, permissions = text.rpartition(":")
    if not colon:
        raise RequestError(f"unveil {text!r} has no permissions", hint="write PATH:PERMS, as in -v /srv:r")
    return path, permissions


def run(options: Options) -> int:
    """Run the program and give the exit status for it: its own, or 128 and the signal that ended it.

    Raises:
        TrothError: it was not started.
    """
    from troth.sandbox.signals import Signals

    with Signals() as signals:
        from troth.sandbox.front import order, start

        wanted = order(
            options.command,
            promises=options.promises,
            unveil=[unveiled(text) for text in options.unveil],
            violation=options.on_violation,
            late=not options.early,
            allow_degraded=options.allow_degraded,
            as_of=options.as_of,
        )
        started = start(wanted, signals)
        for note in started.notes:
            say(f"troth: note: {note}")
        for feature in started.missing:
            say(f"troth: note: not enforced: {feature.name} (needs {feature.needs}; here: {feature.have})")
        from troth.sandbox.supervise import supervise

        gc.enable()
        status = supervise(started.child, signals, missing=started.why, report=say)
    # As os.waitstatus_to_exitcode(), with the shell's spelling of signals.
    return status >> 8 if not status & 0x7F else 128 + (status & 0x7F)
