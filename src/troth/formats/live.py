"""The filters of a process that runs."""

from __future__ import annotations

from errno import EACCES, EINVAL, EPERM, ESRCH
from typing import TYPE_CHECKING

from troth import abi
from troth.abi.seccomp import RET_ALLOW, RET_KILL_THREAD
from troth.errors import EnforcementError, RequestError, UnsupportedError
from troth.formats.raw import decode
from troth.formats.subject import Subject
from troth.policy.model import Policy, Rule

if TYPE_CHECKING:
    from typing import Final

# What strict mode lets through: mode1_syscalls of kernel/seccomp.c, asm/seccomp.h of each architecture @v6.18. The
# last is __NR_seccomp_sigreturn; x32 calls are compared with i386's numbers, so that none is let through.
STRICT: Final = {
    "x86_64":      "read write exit rt_sigreturn",
    "i386":        "read write exit sigreturn",
    "aarch64":     "read write exit rt_sigreturn",
    "arm":         "read write exit rt_sigreturn",
    "riscv64":     "read write exit rt_sigreturn",
    "ppc64le":     "read write exit rt_sigreturn",
    "s390x":       "read write exit sigreturn",
    "loongarch64": "read write exit rt_sigreturn",
    "mips64el":    "read write exit rt_sigreturn",
}  # fmt: skip

_NONE, _STRICT = "0", "1"  # `Seccomp` in /proc/PID/status; 2 is filters


def strict(arches: tuple[str, ...]) -> Policy:
    """The policy of seccomp's strict mode; every other call ends the thread."""
    allowed = (Rule((), RET_ALLOW),)
    sections = {
        arch: {abi.numbers(arch)[name]: allowed for name in STRICT.get(arch, "").split()}
        for arch in arches
        if arch in STRICT
    }
    return Policy(sections, RET_KILL_THREAD, RET_KILL_THREAD)


def process(number: str) -> Subject:
    """Read the filters of a thread, the oldest first; its process is stopped for a moment.

    Raises:
        RequestError: there is no such process, or it has no filter.
        UnsupportedError: a privilege is missing, or the kernel keeps no filters.
    """
    from troth.kernel import filters, procfs

    if not (number.isascii() and number.isdigit() and 0 < int(number[:12]) < 1 << 22 and len(number) < 12):
        raise RequestError(f"`{number}` is not a process id", hint="such as pid:1")
    pid = int(number)
    native = abi.native()
    arches = (native.name, *native.companions)
    if not procfs.present():
        raise UnsupportedError(f"the filters of process {pid}", needs="/proc", have="none is mounted")
    mode = procfs.status(pid).get("Seccomp")
    if mode is None:
        raise RequestError(f"there is no process {pid}")
    if mode == _NONE:
        raise RequestError(f"process {pid} has no filter")
    if mode == _STRICT:
        return Subject(f"pid:{pid}", (), strict(arches), arches, native.big_endian, ("strict mode",))
    try:
        found = filters.get_filters(pid)
    except EnforcementError as error:
        raise _refused(pid, error) from error
    if not found:
        raise UnsupportedError(
            f"the filters of process {pid}",
            needs="a kernel built with CONFIG_CHECKPOINT_RESTORE",
            have="a kernel that does not give filters back",
        )
    programs = tuple(decode(data, f"pid:{pid}, filter {i + 1}", native.big_endian)[0] for i, data in enumerate(found))
    return Subject(f"pid:{pid}", programs, None, arches, native.big_endian)


def _refused(pid: int, error: EnforcementError) -> Exception:
    """What stands in the way, as an error that says who could do it."""
    if error.errno == ESRCH:
        return RequestError(f"there is no process {pid}")
    needs = {
        EPERM: "CAP_SYS_PTRACE, or the same user and a process without a tracer",
        EACCES: "CAP_SYS_ADMIN, and a reader without filters of its own",
        EINVAL: "a kernel built with CONFIG_CHECKPOINT_RESTORE",
    }
    if error.errno not in needs:
        return error
    have = f"ptrace answers {error.strerror or ''}".split(": ")[-1].split(";")[0]
    return UnsupportedError(
        f"the filters of process {pid}", needs=needs[error.errno], have=f"ptrace: {have.lower()}", hint=error.hint
    )
