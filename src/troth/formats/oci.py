"""Seccomp profiles of containers (Docker, Podman, the OCI runtime specification), as their runtimes install them.

Which rules count is settled as moby's and Podman's loaders do it, what they mean as runc and libseccomp do: the
conditions of a rule must all hold, unless two of them are about one argument, when any will do; a rule for a call
without conditions makes the others for it void; comparisons are of 64 bits where registers have as many, whatever
the kernel's type of the argument is; a call that stands behind socketcall(2) or ipc(2) is answered there too.

Of rules that overlap with different answers, which libseccomp sorts in an order of its own, the first counts here, and
a note says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from troth import abi
from troth._value import Value
from troth.abi import flags, multiplex, others
from troth.abi.seccomp import (
    RET_ALLOW,
    RET_ERRNO,
    RET_KILL_PROCESS,
    RET_KILL_THREAD,
    RET_LOG,
    RET_TRACE,
    RET_TRAP,
    RET_USER_NOTIF,
)
from troth.errors import ParseError, RequestError, nearest
from troth.formats import _oci_document as document
from troth.policy.expr import Within, compare
from troth.policy.model import Policy, Rule

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Final

    Rules = dict[int, list[Rule]]

EPERM: Final = 1
ENOSYS: Final = 38

_ANSWERS: Final = {
    "SCMP_ACT_ALLOW":        RET_ALLOW,
    "SCMP_ACT_ERRNO":        RET_ERRNO,
    "SCMP_ACT_KILL":         RET_KILL_THREAD,
    "SCMP_ACT_KILL_PROCESS": RET_KILL_PROCESS,
    "SCMP_ACT_KILL_THREAD":  RET_KILL_THREAD,
    "SCMP_ACT_LOG":          RET_LOG,
    "SCMP_ACT_NOTIFY":       RET_USER_NOTIF,
    "SCMP_ACT_TRACE":        RET_TRACE,
    "SCMP_ACT_TRAP":         RET_TRAP,
}  # fmt: skip

_OPS: Final = {
    "SCMP_CMP_EQ": "==", "SCMP_CMP_NE": "!=", "SCMP_CMP_LT": "<",
    "SCMP_CMP_LE": "<=", "SCMP_CMP_GT": ">",  "SCMP_CMP_GE": ">=",
}  # fmt: skip

# SCMP_ARCH_* to the architecture, and the word for it in the arches of a rule's conditions.
ARCHITECTURES: Final = {
    "SCMP_ARCH_X86":         ("i386",        "x86"),
    "SCMP_ARCH_X86_64":      ("x86_64",      "amd64"),
    "SCMP_ARCH_X32":         ("x32",         "x32"),
    "SCMP_ARCH_ARM":         ("arm",         "arm"),
    "SCMP_ARCH_AARCH64":     ("aarch64",     "arm64"),
    "SCMP_ARCH_LOONGARCH64": ("loongarch64", "loong64"),
    "SCMP_ARCH_M68K":        ("m68k",        "m68k"),
    "SCMP_ARCH_MIPS":        ("mips",        "mips"),
    "SCMP_ARCH_MIPS64":      ("mips64",      "mips64"),
    "SCMP_ARCH_MIPS64N32":   ("mips64n32",   "mips64n32"),
    "SCMP_ARCH_MIPSEL":      ("mipsel",      "mipsel"),
    "SCMP_ARCH_MIPSEL64":    ("mips64el",    "mipsel64"),
    "SCMP_ARCH_MIPSEL64N32": ("mipsel64n32", "mipsel64n32"),
    "SCMP_ARCH_PARISC":      ("parisc",      "parisc"),
    "SCMP_ARCH_PARISC64":    ("parisc64",    "parisc64"),
    "SCMP_ARCH_PPC":         ("ppc",         "ppc"),
    "SCMP_ARCH_PPC64":       ("ppc64",       "ppc64"),
    "SCMP_ARCH_PPC64LE":     ("ppc64le",     "ppc64le"),
    "SCMP_ARCH_RISCV64":     ("riscv64",     "riscv64"),
    "SCMP_ARCH_S390":        ("s390",        "s390"),
    "SCMP_ARCH_S390X":       ("s390x",       "s390x"),
    "SCMP_ARCH_SH":          ("sh",          "sh"),
    "SCMP_ARCH_SHEB":        ("sheb",        "sheb"),
}  # fmt: skip
_WORDS: Final = dict(ARCHITECTURES.values())

# What a container has unless told otherwise: dockerd's oci/caps defaults, and Podman's in containers.conf(5).
CAPABILITIES: Final = {
    "docker": (
        "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID",
        "CAP_SETUID", "CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL",
        "CAP_AUDIT_WRITE",
    ),
    "podman": (
        "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_NET_BIND_SERVICE", "CAP_SETFCAP",
        "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
    ),
}  # fmt: skip

# runc answers ENOSYS to what is newer than a profile, unless the default lets it through or already says so.
_PERMISSIVE: Final = ("SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE")


class Resolved(Value):
    """A profile for one machine: what it means there, and what of it was passed over, a line each."""

    __slots__ = ("policy", "notes")
    policy: Policy
    notes: tuple[str, ...]


def load_bytes(
    data: bytes,
    *,
    arches: Iterable[str] | None = None,
    caps: Iterable[str] = (),
    kernel: str | None = None,
    runtime: str = "",
) -> Policy:
    """Read a profile; `resolve` says how.

    Raises:
        ParseError: the document is not a profile.
        RequestError: an architecture, capability or kernel that does not exist.
    """
    return resolve(data, arches=arches, caps=caps, kernel=kernel, runtime=runtime).policy


def resolve(
    data: bytes,
    *,
    arches: Iterable[str] | None = None,
    caps: Iterable[str] = (),
    kernel: str | None = None,
    runtime: str = "",
) -> Resolved:
    """Read a profile as it is installed on one machine.

    `arches` names the machine first, by default this one. When it names more, these are all that is kept of what the
    profile covers there. `caps` are the capabilities of the container (`CAP_CHOWN`, or `docker` and `podman` for
    what these give by default), besides those of a config.json. `kernel` is the machine's, such as "6.1", by default
    newer than any that a rule asks for. `runtime="runc"` adds runc's own answer: ENOSYS to every number above
    the last one that the profile names.

    Raises:
        ParseError: the document is not a profile; `where` is the path of the fault.
        RequestError: an architecture, capability or kernel that does not exist.
    """
    found = document.decode(data)
    wanted = tuple(arches) if arches is not None else (abi.native().name,)
    for arch in wanted or ("",):
        if arch not in _WORDS:
            raise RequestError(f"unknown architecture `{arch}`", hint="one of " + " ".join(_WORDS))
    held = frozenset(_capabilities(caps)) | frozenset(found.caps or ())
    return _Resolver(found.profile, found.path, wanted[0], held, kernel).resolved(wanted[1:] and wanted, runtime)


def _capabilities(names: Iterable[str]) -> Iterable[str]:
    for name in names:
        if name in CAPABILITIES:
            yield from CAPABILITIES[name]
            continue
        full = name.upper() if name.upper().startswith("CAP_") else f"CAP_{name.upper()}"
        if not full.removeprefix("CAP_").replace("_", "").isalpha():
            raise RequestError(f"unknown capability `{name}`", hint="such as CAP_SYS_ADMIN, or `docker`, `podman`")
        yield full


class _Resolver:
    def __init__(
        self, profile: document.Profile, path: str, machine: str, caps: frozenset[str], kernel: str | None
    ) -> None:
        self.profile = profile
        self.path = path
        self.machine = machine
        self.caps = caps
        self.kernel = None if kernel is None else version(kernel, "kernel", "must be a number as 6.1")
        self.notes: dict[str, list[str]] = {}
        self.default = self._answer(
            path + ".defaultErrno", profile.defaultAction, profile.defaultErrnoRet, profile.defaultErrno
        )

    def resolved(self, keep: tuple[str, ...], runtime: str) -> Resolved:
        """The policy, and the notes."""
        self._check(runtime)
        arches = self._arches(keep)
        rules = [(index, rule) for index, rule in enumerate(self.profile.syscalls or ()) if self._counts(index, rule)]
        sections = {arch: self._section(arch, rules) for arch in arches}
        named = {name for _, rule in rules for name in _names(rule)}
        for name in sorted(named):
            if not any(name in others.numbers(arch) for arch in (abi.ARCHES | others.ARCHES)):
                self._note("no architecture has this call, it is passed over", name)
        gaps = self._gaps(arches, named if runtime == "runc" else None)
        policy = Policy(sections, self.default, RET_KILL_THREAD, gaps)
        return Resolved(policy, tuple(f"{told}: {', '.join(names)}" for told, names in self.notes.items()))

    def _check(self, runtime: str) -> None:
        if runtime not in ("", "runc"):
            raise RequestError(f"unknown runtime `{runtime}`", hint="`runc`, or none")
        if self.profile.architectures and self.profile.archMap:
            raise ParseError(f"{self.path}.archMap", "stands beside `architectures`; a profile has one of them")
        if self.profile.defaultAction == "SCMP_ACT_NOTIFY":
            raise ParseError(
                f"{self.path}.defaultAction", "SCMP_ACT_NOTIFY cannot be the default: the runtime would ask itself"
            )

    def _arches(self, keep: tuple[str, ...]) -> tuple[str, ...]:
        """The machine's architecture, and those that the profile adds, once each."""
        added = [self._arch(f"architectures[{i}]", word) for i, word in enumerate(self.profile.architectures or ())]
        for i, entry in enumerate(self.profile.archMap or ()):
            one = self._arch(f"archMap[{i}].architecture", entry.architecture)
            subs = entry.subArchitectures or ()
            more = [self._arch(f"archMap[{i}].subArchitectures[{j}]", word) for j, word in enumerate(subs)]
            if one == self.machine:
                added += [one, *more]
        arches = tuple(dict.fromkeys([self.machine, *added]))
        foreign = [arch for arch in keep if arch not in arches]
        if foreign:
            raise RequestError(
                f"on {self.machine} the profile does not cover {', '.join(foreign)}",
                hint="it covers " + ", ".join(arches),
            )
        return keep or arches

    def _arch(self, where: str, word: str) -> str:
        if word == "SCMP_ARCH_NATIVE":
            return self.machine
        if word not in ARCHITECTURES:
            hint = nearest(word, ARCHITECTURES)
            raise ParseError(f"{self.path}.{where}", f"unknown architecture `{word}`", hint=hint)
        return ARCHITECTURES[word][0]

    def _counts(self, index: int, rule: document.Rule) -> bool:
        """Whether a rule is for this machine, kernel and these capabilities; rules are checked in either case."""
        where = f"{self.path}.syscalls[{index}]"
        if rule.name and rule.names:
            raise ParseError(where, "has both `name` and `names`; a rule has one of them")
        if not _names(rule):
            raise ParseError(where, "names no call")
        if "" in _names(rule):
            raise ParseError(where, "names a call without a name")
        if rule.action == "SCMP_ACT_NOTIFY" and "write" in _names(rule):
            raise ParseError(
                where, "SCMP_ACT_NOTIFY cannot answer `write`: the runtime needs it to hand the listener over"
            )
        self._rule_answer(index, rule)
        for number, argument in enumerate(rule.args or ()):
            for field in ("value", "valueTwo"):
                if getattr(argument, field) > 0xFFFFFFFFFFFFFFFF:
                    raise ParseError(f"{where}.args[{number}].{field}", "has more than 64 bits")
        without, within = rule.excludes, rule.includes
        met = [] if without is None else self._met(f"{where}.excludes", without, any_cap=True)
        kept = [] if within is None else self._met(f"{where}.includes", within, any_cap=False)
        return not any(met) and all(kept)

    def _met(self, where: str, conditions: document.Conditions, *, any_cap: bool) -> list[bool]:
        """Which of the stated conditions are met here."""
        found = []
        if conditions.arches:
            found.append(_WORDS[self.machine] in conditions.arches)
        if conditions.caps:
            held = [cap in self.caps for cap in conditions.caps]
            found.append(any(held) if any_cap else all(held))
        if conditions.minKernel:
            least = version(conditions.minKernel, f"{where}.minKernel", "is not a version as 4.8")
            found.append(self.kernel is None or self.kernel >= least)
        return found

    def _section(self, arch: str, rules: list[tuple[int, document.Rule]]) -> dict[int, tuple[Rule, ...]]:
        """All rules of one architecture, by number, the last of each without conditions."""
        numbers = others.numbers(arch)
        found: Rules = {}
        for index, rule in rules:
            answer = self._rule_answer(index, rule)
            if answer == self.default:
                continue  # as runc does, since libseccomp refuses a rule that changes nothing
            for name in _names(rule):
                ways = self._tests(index, rule, arch)
                if name in numbers:
                    found.setdefault(numbers[name], []).extend(Rule(way, answer) for way in ways)
                for nr, test in _behind(arch, name):
                    # The first argument selects the call, and takes the place of a test of the call's own.
                    hidden = [(test, *(term for term in way if term.arg != 0)) for way in ways]
                    found.setdefault(nr, []).extend(Rule(way, answer) for way in hidden)
        section = {}
        for nr, listed in sorted(found.items()):
            whole = next((rule for rule in listed if not rule.conds), None)
            if whole is not None and any(rule.answer != whole.answer for rule in listed):
                self._note("rules with conditions are void, one without answers differently", others.names(arch)[nr])
            elif whole is None and _overlap(listed):
                self._note("rules overlap with different answers, the first counts", others.names(arch)[nr])
            section[nr] = (whole,) if whole is not None else (*listed, Rule((), self.default))
        return section

    def _tests(self, index: int, rule: document.Rule, arch: str) -> list[tuple[Within, ...]]:
        """The conditions of a rule: any of these, each with all of its tests."""
        width = 32 if arch == "x32" or abi.arch(arch).bits == 32 else 64
        terms = [_test(argument, width) for argument in rule.args or ()]
        if len({term.arg for term in terms}) < len(terms):
            self._note("conditions on one argument twice: any of the rule's conditions will do", f"syscalls[{index}]")
            return [(term,) for term in terms]
        return [tuple(terms)]

    def _rule_answer(self, index: int, rule: document.Rule) -> int:
        return self._answer(f"{self.path}.syscalls[{index}].errno", rule.action, rule.errnoRet, rule.errno)

    def _answer(self, where: str, action: str, number: int | None, name: str) -> int:
        answer = _ANSWERS[action]
        if action not in ("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE"):
            return answer
        if name:
            try:
                number = flags.value(name, self.machine if self.machine in abi.ARCHES else "x86_64")
            except KeyError:
                raise ParseError(where, f"unknown errno `{name}`") from None
        return answer | (EPERM if number is None else number)

    def _gaps(self, arches: tuple[str, ...], named: set[str] | None) -> dict[str, tuple[tuple[int, int, int], ...]]:
        """What numbers without a name are answered where that is not the default.

        Where x32 is left out libseccomp treats its numbers as a foreign architecture's, but for -1, which a tracer
        sets to skip a call.
        """
        gaps: dict[str, tuple[tuple[int, int, int], ...]] = {}
        if "x86_64" in arches and "x32" not in arches:
            gaps["x86_64"] = ((abi.X32_BIT, 0xFFFFFFFE, RET_KILL_THREAD),)
        absent = RET_ERRNO | ENOSYS
        if named is None or self.profile.defaultAction in _PERMISSIVE or self.default == absent:
            return gaps
        for arch in arches:
            numbers = others.numbers(arch)
            last = max((numbers[name] for name in named if name in numbers), default=0)
            if not last:
                continue
            # x86_64 and x32 are one table, and the first of them has the gaps of both.
            table = "x86_64" if arch == "x32" and "x86_64" in arches else arch
            end = abi.X32_BIT - 1 if arch == "x86_64" else 0xFFFFFFFF
            gaps[table] = ((last + 1, end, absent), *gaps.get(table, ()))
        return gaps

    def _note(self, told: str, name: str) -> None:
        names = self.notes.setdefault(told, [])
        if name not in names:
            names.append(name)


def version(text: str, where: str, problem: str) -> tuple[int, int]:
    """The first two numbers of a kernel's version: moby compares no more.

    Raises:
        ParseError: there are none.
    """
    parts = text.split("-")[0].split(".")
    if len(parts) < 2 or not all(part.isascii() and part.isdigit() and len(part) < 6 for part in parts[:2]):
        raise ParseError(where, f"`{text}` {problem}")
    return int(parts[0]), int(parts[1])


def _names(rule: document.Rule) -> list[str]:
    return [rule.name] if rule.name else rule.names or []


def _test(argument: document.Argument, width: int) -> Within:
    """One comparison; on 32-bit architectures libseccomp looks at the lower half of both sides only."""
    top = (1 << width) - 1
    if argument.op == "SCMP_CMP_MASKED_EQ":
        mask = argument.value & top  # bits of the value outside of the mask are not compared
        return compare(argument.index, "==", argument.valueTwo & mask, mask=mask, width=width)
    return compare(argument.index, _OPS[argument.op], argument.value & top, width=width)


def _overlap(rules: list[Rule]) -> bool:
    """Whether a call may meet two of the rules that answer it differently."""
    return any(
        one.answer != other.answer and not any(_apart(a, b) for a in one.conds for b in other.conds)
        for index, one in enumerate(rules)
        for other in rules[:index]
    )


def _apart(one: object, other: object) -> bool:
    """Whether no argument passes both tests, as far as a glance tells."""
    if not isinstance(one, Within) or not isinstance(other, Within):
        return False
    alike = (one.arg, one.mask, one.width) == (other.arg, other.mask, other.width)
    return alike and all(last < low or high < first for first, last in one.ranges for low, high in other.ranges)


def _behind(arch: str, name: str) -> Iterable[tuple[int, Within]]:
    """Where else a call can be made: the multiplexer's number, and the test of its first argument."""
    for multiplexer, having, table in (
        ("socketcall", multiplex.HAS_SOCKETCALL, multiplex.SOCKETCALL),
        ("ipc", multiplex.HAS_IPC, multiplex.IPC),
    ):
        if arch not in having:
            continue
        width = 32 if abi.arch(arch).bits == 32 else 64
        for number, called in table.items():
            if called == name:
                yield others.numbers(arch)[multiplexer], compare(0, "==", number, width=width)
