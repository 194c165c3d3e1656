"""seccomp_unotify(2): the supervisor's side of RET_USER_NOTIF.

A target that dies while it waits is an ordinary outcome, not an error: each call that meets it says
so in its answer. What a notification's pointers refer to is the target's memory and can change at any time:
`is_valid` after reading it tells that the process read was the right one, not that the bytes still stand.
"""

from __future__ import annotations

import os
from errno import EINTR, ENOENT
from struct import Struct

from troth import abi
from troth._value import Value
from troth.errors import EnforcementError
from troth.kernel._call import ask, buffer
from troth.kernel.seccomp import notif_sizes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final, Self

    from troth.kernel._call import Argument

FLAG_CONTINUE: Final = 1 << 0  # Linux 5.5
ADDFD_FLAG_SETFD: Final = 1 << 0  # Linux 5.9
ADDFD_FLAG_SEND: Final = 1 << 1  # Linux 5.14
FD_SYNC_WAKE_UP: Final = 1 << 0  # Linux 6.6

_NOTIF: Final = Struct("=QIIiIQ6Q")  # id pid flags, then seccomp_data: nr arch ip args
_RESP: Final = Struct("=QqiI")  # id val error flags
_ADDFD: Final = Struct("=QIIII")  # id flags srcfd newfd newfd_flags
_ID: Final = Struct("=Q")


def _request(number: int, size: int, *, read: bool, write: bool) -> int:
    """Encode an ioctl of type `!`; `read` and `write` as the caller sees its own memory be treated.

    asm-generic/ioctl.h has 2 bits of direction above 14 of size; powerpc and MIPS have 3 above 13.
    """
    if abi.native().name.startswith(("ppc", "mips")):
        direction, shift = 2 * read | 4 * write, 29
    else:
        direction, shift = 2 * read | write, 30
    return direction << shift | size << 16 | ord("!") << 8 | number


# The size in a number is the one of the first kernels; the memory behind it is as large as the kernel says.
_RECV: Final = _request(0, _NOTIF.size, read=True, write=True)
_SEND: Final = _request(1, _RESP.size, read=True, write=True)
_ID_VALID: Final = _request(2, _ID.size, read=False, write=True)
_ADD_FD: Final = _request(3, _ADDFD.size, read=False, write=True)
_SET_FLAGS: Final = _request(4, _ID.size, read=False, write=True)


class Notification(Value):
    """One call that waits for an answer.

    `id` names it, `pid` is the thread that made it as the supervisor's pid namespace sees it (0 when it does
    not), `nr`, `arch`, `ip` and `args` are what the filter saw.
    """

    __slots__ = ("id", "pid", "flags", "nr", "arch", "ip", "args")
    id: int
    pid: int
    flags: int
    nr: int
    arch: int
    ip: int
    args: tuple[int, ...]


class Listener:
    """The listener of a filter; owns the descriptor, and closes it as a context manager.

    poll(2) on it: POLLIN when a call waits, POLLHUP when the last process under the filter is gone. Once
    the listener is closed, the calls that wait and all later ones answer ENOSYS.

    Raises:
        EnforcementError: EINVAL, the kernel has no notifications.

    Needs Linux 5.0.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd
        notif, resp, _ = notif_sizes()
        self._notif_size = max(notif, _NOTIF.size)
        self._resp_padding = bytes(max(resp - _RESP.size, 0))

    def fileno(self) -> int:
        """Give the descriptor, for poll."""
        return self.fd

    def close(self) -> None:
        """Close the descriptor; again does nothing."""
        if self.fd >= 0:
            fd, self.fd = self.fd, -1
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def receive(self) -> Notification | None:
        """Wait for a call and give it; None when the target died, or was interrupted, before it could be read.

        A signal to the supervisor does not end the wait. Before Linux 6.11 the wait does not end either when the
        last target is gone: poll first.

        Raises:
            EnforcementError: the descriptor is not a listener.
        """
        while True:
            memory = buffer(self._notif_size)  # has to be zero each time
            answer = self._ioctl(_RECV, memory)
            if answer == 0:
                id_, pid, flags, nr, arch, ip, *args = _NOTIF.unpack_from(memory)
                return Notification(id_, pid, flags, nr, arch, ip, tuple(args))
            if answer == -ENOENT:
                return None
            if answer != -EINTR:
                raise _failure(answer)

    def respond(self, id: int, value: int = 0, error: int = 0, *, continue_: bool = False) -> bool:  # noqa: A002  # its name in C
        """Answer a call: it returns `value`, or fails with the errno `error`, or with `continue_` is made after all.

        `continue_` is not a decision of security: the target can change what its pointers refer to in between.
        Gives False when nobody waits for the answer any more, because the target died or was interrupted.

        Raises:
            EnforcementError: EINPROGRESS, it was answered before; EINVAL for a value together with an error
                or with `continue_`.

        `continue_` needs Linux 5.5.
        """
        flags = FLAG_CONTINUE if continue_ else 0
        response = _RESP.pack(id, value, -abs(error), flags) + self._resp_padding
        while True:
            answer = self._ioctl(_SEND, response)
            if answer == 0:
                return True
            if answer == -ENOENT:
                return False
            if answer != -EINTR:
                raise _failure(answer)

    def is_valid(self, id: int) -> bool:  # noqa: A002  # its name in C
        """Whether the call still waits, so that its pid is still the process that made it."""
        answer = self._ioctl(_ID_VALID, _ID.pack(id))
        if answer in (0, -ENOENT):
            return answer == 0
        raise _failure(answer)

    def add_fd(
        self,
        id: int,  # noqa: A002  # its name in C
        fd: int,
        *,
        newfd: int | None = None,
        send: bool = False,
        cloexec: bool = True,
    ) -> int | None:
        """Put a copy of our `fd` into the target and give its number there; None when the target is gone.

        `newfd` chooses the number, closing what is there as dup2(2) does; `send` answers the call with
        it in the same step, so that nothing can leak into a target that is interrupted in between.

        Raises:
            EnforcementError: EMFILE, the target has no room; EBUSY, `send` while another descriptor waits
                to be taken; EINPROGRESS, the call was answered before; EINTR, `send` was interrupted: the
                call was answered and may lack its descriptor, so it cannot be made again.

        Needs Linux 5.9; `send` 5.14.
        """
        flags = (0 if newfd is None else ADDFD_FLAG_SETFD) | (ADDFD_FLAG_SEND if send else 0)
        request = _ADDFD.pack(id, flags, fd, newfd or 0, os.O_CLOEXEC if cloexec else 0)
        while True:
            answer = self._ioctl(_ADD_FD, request)
            if answer >= 0:
                return answer
            if answer == -ENOENT:
                return None
            if answer != -EINTR or send:
                raise _failure(answer)

    def set_flags(self, *, sync_wake_up: bool) -> None:
        """Say whether the supervisor and its target wake each other on the same CPU.

        They take turns, so a wake-up of another, idle CPU at each step is wasted: often the largest cost.

        Raises:
            EnforcementError: EINVAL or ENOTTY, the kernel does not know it.

        Needs Linux 6.6.
        """
        answer = self._ioctl(_SET_FLAGS, FD_SYNC_WAKE_UP if sync_wake_up else 0)
        if answer < 0:
            raise _failure(answer)

    def _ioctl(self, request: int, argument: Argument) -> int:
        return ask("ioctl", self.fd, request, argument)


def _failure(answer: int) -> EnforcementError:
    return EnforcementError("ioctl", -answer)
