"""seccomp(2): strict mode, filters, and what the kernel says about itself.

The constants are those of linux/seccomp.h. `FLAGS` and `ACTIONS` name them as `Kernel.flags` and
`Kernel.actions` do.
"""

from __future__ import annotations

from errno import EFAULT, EINVAL, EOPNOTSUPP, ESRCH
from struct import Struct

from troth.abi.seccomp import ACTIONS as NAMES
from troth.errors import EnforcementError
from troth.kernel._call import ask, buffer, program_header, syscall

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

SET_MODE_STRICT: Final = 0
SET_MODE_FILTER: Final = 1
GET_ACTION_AVAIL: Final = 2
GET_NOTIF_SIZES: Final = 3

FILTER_FLAG_TSYNC: Final = 1 << 0  # Linux 3.17
FILTER_FLAG_LOG: Final = 1 << 1  # Linux 4.14
FILTER_FLAG_SPEC_ALLOW: Final = 1 << 2  # Linux 4.17
FILTER_FLAG_NEW_LISTENER: Final = 1 << 3  # Linux 5.0
FILTER_FLAG_TSYNC_ESRCH: Final = 1 << 4  # Linux 5.7
FILTER_FLAG_WAIT_KILLABLE_RECV: Final = 1 << 5  # Linux 5.19

FLAGS: Final = {
    "tsync": FILTER_FLAG_TSYNC,
    "log": FILTER_FLAG_LOG,
    "spec_allow": FILTER_FLAG_SPEC_ALLOW,
    "new_listener": FILTER_FLAG_NEW_LISTENER,
    "tsync_esrch": FILTER_FLAG_TSYNC_ESRCH,
    "wait_killable_recv": FILTER_FLAG_WAIT_KILLABLE_RECV,
}

ACTIONS: Final = {name: answer for answer, name in NAMES.items()}

MODE_DISABLED: Final = 0
MODE_STRICT: Final = 1
MODE_FILTER: Final = 2

_WORD: Final = Struct("=I")
_SIZES: Final = Struct("=HHH")


def set_mode_strict() -> None:
    """Leave the calling thread nothing but read, write, _exit and sigreturn; anything else kills it.

    CPython makes other calls all the time, and exits by exit_group(2): this is for a child that only
    computes. Other threads are not touched.

    Raises:
        EnforcementError: EINVAL when the thread has a filter already.

    Needs Linux 3.17.
    """
    syscall("seccomp", SET_MODE_STRICT, 0, None)


def set_mode_filter(
    program: bytes,
    *,
    tsync: bool = False,
    log: bool = False,
    spec_allow: bool = False,
    new_listener: bool = False,
    tsync_esrch: bool = False,
    wait_killable_recv: bool = False,
) -> int:
    """Add a filter to the calling thread, or with `tsync` to all threads; it is there for good.

    Gives the descriptor of the listener, close-on-exec, for `new_listener`, and 0 otherwise. The other
    flags: `log` logs all answers but RET_ALLOW; `spec_allow` leaves speculation mitigations off;
    `tsync_esrch` reports a thread that cannot follow as ESRCH (needed for `tsync` with `new_listener`);
    `wait_killable_recv` lets only fatal signals interrupt a call once the supervisor has received it.

    Raises:
        EnforcementError: EACCES without no_new_privs and without CAP_SYS_ADMIN; EINVAL or EFAULT for a program
            or a flag that the kernel refuses; ENOMEM when all filters together are too long; EBUSY when a filter
            with a listener is in force; ESRCH when `tsync` cannot reach a thread, because that thread has
            a filter which the caller lacks. No filter was added.
        ValueError: the program is not whole instructions.

    Needs Linux 3.17; the flags as FILTER_FLAG_* say.
    """
    flags = (
        (FILTER_FLAG_TSYNC if tsync else 0)
        | (FILTER_FLAG_LOG if log else 0)
        | (FILTER_FLAG_SPEC_ALLOW if spec_allow else 0)
        | (FILTER_FLAG_NEW_LISTENER if new_listener else 0)
        | (FILTER_FLAG_TSYNC_ESRCH if tsync_esrch else 0)
        | (FILTER_FLAG_WAIT_KILLABLE_RECV if wait_killable_recv else 0)
    )
    answer = syscall("seccomp", SET_MODE_FILTER, flags, program_header(program))
    if answer and not new_listener:
        # seccomp(2), TSYNC: on a failure the answer is the first thread that could not be synchronised.
        raise EnforcementError("seccomp", ESRCH, hint=f"thread {answer} has a filter that the calling thread lacks")
    return answer


def action_available(action: int) -> bool:
    """Whether this kernel knows a RET_* action.

    Raises:
        EnforcementError: the question itself was refused: EINVAL before Linux 4.14, or what a filter answers.
    """
    answer = ask("seccomp", GET_ACTION_AVAIL, 0, _WORD.pack(action))
    if answer in (0, -EOPNOTSUPP):
        return answer == 0
    raise EnforcementError("seccomp", -answer)


def notif_sizes() -> tuple[int, int, int]:
    """Give the kernel's sizes of seccomp_notif, seccomp_notif_resp and seccomp_data.

    They only grow; a supervisor allocates what the kernel says and reads what it knows.

    Raises:
        EnforcementError: EINVAL before Linux 5.0.
    """
    memory = buffer(_SIZES.size)
    syscall("seccomp", GET_NOTIF_SIZES, 0, memory)
    notif, resp, data = _SIZES.unpack(memory.raw)
    return notif, resp, data


def flag_known(flag: int) -> bool:
    """Whether this kernel knows a FILTER_FLAG_*; asks with a null program, so nothing is installed.

    The kernel looks at the flags first and answers EINVAL for one that it does not know, EFAULT for
    the program otherwise. WAIT_KILLABLE_RECV only makes sense, and is only accepted, with a listener.

    Raises:
        EnforcementError: another answer: ENOSYS without seccomp(2), or what a filter says.
    """
    if flag == FILTER_FLAG_WAIT_KILLABLE_RECV:
        flag |= FILTER_FLAG_NEW_LISTENER
    answer = ask("seccomp", SET_MODE_FILTER, flag, None)
    if answer in (-EINVAL, -EFAULT):
        return answer == -EFAULT
    raise EnforcementError("seccomp", -answer)
