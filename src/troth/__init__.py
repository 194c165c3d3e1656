"""troth: pledge() and unveil() for Linux.

>>> import troth
>>> troth.unveil("/srv", "r")                       # doctest: +SKIP
>>> troth.pledge("stdio rpath")                     # doctest: +SKIP

`pledge` and `unveil` confine this process, `run` starts another program confined, `plan` shows what
would be installed. The packages beneath are layers, each importing only those below it: `sandbox`,
`promises`, `policy`, `families`, `bpf`, `kernel`, `abi`.
"""

from __future__ import annotations

import gc

from troth.errors import (
    BugError,
    EnforcementError,
    IncreaseError,
    ParseError,
    PathError,
    PledgeViolation,
    RequestError,
    TrothError,
    UnknownPromiseError,
    UnsupportedError,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from troth.promises.knowledge import Knowledge
    from troth.sandbox.apply import pledge, unveil
    from troth.sandbox.face import plan
    from troth.sandbox.pyrun import run
    from troth.sandbox.report import Enforcement

__version__ = "0.1.0"
__all__ = [
    "BugError",
    "Enforcement",
    "EnforcementError",
    "IncreaseError",
    "Knowledge",
    "ParseError",
    "PathError",
    "PledgeViolation",
    "RequestError",
    "TrothError",
    "UnknownPromiseError",
    "UnsupportedError",
    "plan",
    "pledge",
    "run",
    "unveil",
]

# Loaded at first use: reading a name here is cheap, and pledge() loads all it needs before it binds.
_LAZY = {
    "pledge": "troth.sandbox.apply",
    "unveil": "troth.sandbox.apply",
    "plan": "troth.sandbox.face",
    "run": "troth.sandbox.pyrun",
    "Enforcement": "troth.sandbox.report",
    "Knowledge": "troth.promises.knowledge",
    "bpf": "troth.bpf",
    "compat": "troth.compat",
    "formats": "troth.formats",
    "policy": "troth.policy",
    "proof": "troth.proof",
}
_PACKAGES = ("bpf", "compat", "formats", "policy", "proof")


def __getattr__(name: str) -> Any:
    module = _LAZY.get(name)
    if module is None:
        raise AttributeError(f"module 'troth' has no attribute {name!r}")
    # Collecting garbage in the middle of loading finds none, and takes a tenth of the time.
    collects = gc.isenabled()
    gc.disable()
    try:
        value = __import__(module, fromlist=("*",))
    finally:
        if collects:
            gc.enable()
    value = value if name in _PACKAGES else getattr(value, name)
    globals()[name] = value
    return value
