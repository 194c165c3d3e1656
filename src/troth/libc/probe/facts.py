"""The recorded facts of a build: what each function was seen to ask the kernel for, and what it did when refused.

One text per build and architecture, in `libc/data/probe`; `text` is its notation.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

from troth._value import Value
from troth.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

# The answers that a filter gives for no; the order is that of the facts.
ERRNOS = ("ENOSYS", "EPERM", "EACCES")


class Seen(Value):
    """One system call as it was seen: `openat(AT_FDCWD, *, O_RDONLY|O_CLOEXEC, *)`.

    `args` has what a filter can look at, and that is the same in every run: flags and choices in words; `*` for
    pointers, sizes and the like; `fd` and `pid` for descriptors and processes. `behind` has flags that the call
    passes in memory, where no filter sees them: those of clone3.
    """

    __slots__ = ("name", "args", "behind")
    name: str
    args: tuple[str, ...]
    behind: str
    _defaults = {"args": (), "behind": ""}

    def __str__(self) -> str:
        text = f"{self.name}({', '.join(self.args)})"
        return f"{text}{{{self.behind}}}" if self.behind else text


class Refusal(Value):
    """What a case did when one of its calls was answered with an errno, each time that it was made.

    `call` is the name of a call, or, when the same call with other arguments fared otherwise, one of them in full.
    `outcome` is one of

    - `same`: the result is what it is without a refusal: it fell back, or did not mind;
    - `other`: it says that it succeeded, but with another result: `isatty` says no;
    - `fails`: it says that it failed, `result` being the errno;
    - `aborts`: the process ended, `result` being the signal or the exit status;
    - `hangs`: it did not come back.

    `calls` has what was called then that is not called otherwise.
    """

    __slots__ = ("call", "errno", "outcome", "result", "calls")
    call: str
    errno: str
    outcome: str
    result: str
    calls: tuple[Seen, ...]
    _defaults = {"result": "", "calls": ()}


class Case(Value):
    """One variant of a function: its calls, each once, in the order of their first time.

    `elsewhere` has those of `calls` that only threads and processes made which the function started.
    """

    __slots__ = ("function", "variant", "result", "calls", "refusals", "elsewhere")
    function: str
    variant: str
    result: str
    calls: tuple[Seen, ...]
    refusals: tuple[Refusal, ...]
    elsewhere: tuple[Seen, ...]
    _defaults = {"elsewhere": ()}

    def refused(self, call: Seen, errno: str) -> Refusal | None:
        """What happens when `call` is answered `errno`: of that very call if known, or of all of its name."""
        found = None
        for refusal in self.refusals:
            if refusal.errno == errno:
                if refusal.call == str(call):
                    return refusal
                if refusal.call == call.name:
                    found = refusal
        return found


class ProbeFacts(Value):
    """All that was seen of one build.

    `origin` says what the build is (`package`, `sha256`, `build-id`) and on which kernel it was probed (`kernel`);
    `absent` names the functions of the probe that the build lacks.
    """

    __slots__ = ("build", "arch", "origin", "absent", "cases")
    build: str
    arch: str
    origin: Mapping[str, str]
    absent: tuple[str, ...]
    cases: Mapping[tuple[str, str], Case]

    def by_function(self, function: str) -> tuple[Case, ...]:
        """The cases of a function; none when it was not probed."""
        return tuple(case for (name, _), case in self.cases.items() if name == function)

    @property
    def functions(self) -> tuple[str, ...]:
        """The functions that have cases."""
        return tuple(dict.fromkeys(name for name, _ in self.cases))


def builds() -> tuple[tuple[str, str], ...]:
    """The builds that have facts: (build, architecture)."""
    names = sorted(entry.name for entry in files("troth.libc").joinpath("data/probe").iterdir())
    pairs = (name.removesuffix(".txt").rpartition(".") for name in names if name.endswith(".txt"))
    return tuple((build, arch) for build, _, arch in pairs)


@lru_cache(maxsize=16)
def probe_facts(build: str, arch: str = "x86_64") -> ProbeFacts:
    """Read the facts of a build.

    >>> facts = probe_facts("glibc-2.36")
    >>> [str(call) for call in facts.cases["creat", ""].calls]
    ['creat(*, 0o640)']

    Raises:
        RequestError: there are none.
    """
    from troth.libc.probe import text

    if (build, arch) not in builds():
        known = ", ".join(f"{name} ({of})" for name, of in builds())
        raise RequestError(f"no facts of `{build}` on `{arch}`", hint=f"there are facts of {known}")
    name = f"data/probe/{build}.{arch}.txt"
    return text.load(files("troth.libc").joinpath(name).read_text(), source=name)
