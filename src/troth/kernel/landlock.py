"""landlock(7): rulesets, rules, and restricting oneself.

The rights and scopes are in `troth.abi.landlock`; here are the calls. A structure that grew since
the first kernels may be passed to any of them as long as the newer fields are zero.
"""

from __future__ import annotations

from errno import EINVAL, ENOSYS, EOPNOTSUPP
from struct import Struct

from troth.errors import EnforcementError
from troth.kernel._call import ask, syscall

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

CREATE_RULESET_VERSION: Final = 1 << 0
CREATE_RULESET_ERRATA: Final = 1 << 1

ADD_RULE_QUIET: Final = 1 << 0  # ABI 10

RULE_PATH_BENEATH: Final = 1
RULE_NET_PORT: Final = 2

RESTRICT_SELF_LOG_SAME_EXEC_OFF: Final = 1 << 0  # ABI 7
RESTRICT_SELF_LOG_NEW_EXEC_ON: Final = 1 << 1  # ABI 7
RESTRICT_SELF_LOG_SUBDOMAINS_OFF: Final = 1 << 2  # ABI 7
RESTRICT_SELF_TSYNC: Final = 1 << 3  # ABI 8
RESTRICT_SELF_NO_NEW_PRIVS: Final = 1 << 4  # ABI 11

_RULESET: Final = Struct("=QQQ")  # handled_access_fs, handled_access_net (ABI 4), scoped (ABI 6)
_QUIET: Final = Struct("=QQQ")  # the same again, quiet_* (ABI 10)
_PATH_BENEATH: Final = Struct("=Qi")  # allowed_access, parent_fd; packed
_NET_PORT: Final = Struct("=QQ")  # allowed_access, port


def abi() -> int:
    """Give the Landlock ABI of this kernel; 0 when it has none or Landlock is off.

    Returning 0 is not an error: what a missing feature means is for the caller to say.

    Raises:
        EnforcementError: another answer than those of a kernel without Landlock; a filter gave it.
    """
    answer = ask("landlock_create_ruleset", None, 0, CREATE_RULESET_VERSION)
    if answer >= 0:
        return answer
    if answer in (-ENOSYS, -EOPNOTSUPP):  # not built in; built in and not enabled
        return 0
    raise EnforcementError("landlock_create_ruleset", -answer)


def errata() -> int:
    """Give the bitmask of Landlock errata that this kernel has fixed; 0 when it cannot tell.

    Raises:
        EnforcementError: a filter refuses the call.

    Needs Linux 6.15, or a stable kernel with the question backported; 0 on others.
    """
    answer = ask("landlock_create_ruleset", None, 0, CREATE_RULESET_ERRATA)
    if answer >= 0:
        return answer
    if answer in (-ENOSYS, -EOPNOTSUPP, -EINVAL):
        return 0
    raise EnforcementError("landlock_create_ruleset", -answer)


def create_ruleset(
    handled_fs: int,
    handled_net: int = 0,
    scoped: int = 0,
    *,
    quiet_fs: int = 0,
    quiet_net: int = 0,
    quiet_scoped: int = 0,
) -> int:
    """Make a ruleset that refuses what it handles; gives its descriptor, which is close-on-exec.

    `quiet_*` are those of the handled rights whose refusal is not logged for objects with a quiet rule.

    Raises:
        EnforcementError: EINVAL for rights unknown to the ABI; E2BIG for a field unknown to it; ENOMSG
            when nothing is handled; ENOSYS or EOPNOTSUPP without Landlock.

    Needs Linux 5.13 (ABI 1); network rights ABI 4, scopes ABI 6, quiet ABI 10.
    """
    attr = _RULESET.pack(handled_fs, handled_net, scoped)
    if quiet_fs or quiet_net or quiet_scoped:
        attr += _QUIET.pack(quiet_fs, quiet_net, quiet_scoped)
    return syscall("landlock_create_ruleset", attr, len(attr), 0)


def add_path_rule(ruleset: int, path_fd: int, rights: int, *, quiet: bool = False) -> None:
    """Allow `rights` on what `path_fd` refers to and on everything beneath it.

    Raises:
        EnforcementError: EINVAL for rights that the ruleset does not handle, or that only directories have;
            ENOMSG for no rights; EBADFD for a descriptor of something without a path, such as a pipe.
    """
    flags = ADD_RULE_QUIET if quiet else 0
    syscall("landlock_add_rule", ruleset, RULE_PATH_BENEATH, _PATH_BENEATH.pack(rights, path_fd), flags)


def add_port_rule(ruleset: int, port: int, rights: int, *, quiet: bool = False) -> None:
    """Allow `rights` on a port, in host byte order; binding port 0 means the ephemeral range.

    Raises:
        EnforcementError: EINVAL for rights that the ruleset does not handle or a port above 65535;
            ENOMSG for no rights; EAFNOSUPPORT when the kernel has no TCP.

    Needs Linux 6.7 (ABI 4).
    """
    flags = ADD_RULE_QUIET if quiet else 0
    syscall("landlock_add_rule", ruleset, RULE_NET_PORT, _NET_PORT.pack(rights, port), flags)


def restrict_self(ruleset: int, flags: int = 0) -> None:
    """Put a ruleset in force for the calling thread and what it starts; with RESTRICT_SELF_TSYNC for all threads.

    `ruleset` may be -1 with RESTRICT_SELF_LOG_SUBDOMAINS_OFF, which then changes logging alone.

    Raises:
        EnforcementError: EPERM without no_new_privs and without CAP_SYS_ADMIN; E2BIG when the thread has
            16 domains already; EINVAL for flags unknown to the ABI.

    Needs Linux 5.13 (ABI 1); the flags as RESTRICT_SELF_* say.
    """
    syscall("landlock_restrict_self", ruleset, flags)
