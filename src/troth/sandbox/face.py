"""`troth.plan`: what would be installed, without installing it."""

from __future__ import annotations

from troth import abi
from troth.errors import RequestError
from troth.promises.parse import parse
from troth.sandbox.apply import identity
from troth.sandbox.plan import Plan, Request, judged_arches
from troth.sandbox.plan import plan as make_plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from troth.kernel.probe import Kernel
    from troth.promises.knowledge import Knowledge


def plan(
    promises: str | Iterable[str],
    *,
    unveil: Iterable[tuple[str, str]] = (),
    arch: str | None = None,
    kernel: Kernel | None = None,
    knowledge: Knowledge | None = None,
) -> Plan:
    """Decide what pledge() would install: a filter, a Landlock ruleset, and what would be missing.

    `arch` is the name of an architecture (this one by default), `kernel` the facts of a kernel
    (those of the running one by default), `knowledge` limits what the tables may know of kernels
    and C libraries (`troth.Knowledge`; everything by default).

    Raises:
        UnknownPromiseError, RequestError: see pledge().
    """
    held = parse(promises)
    name = abi.native().name if arch is None else arch
    if name not in abi.ARCHES:
        raise RequestError(f"unknown architecture `{name}`", hint="known are " + " ".join(abi.ARCHES))
    if kernel is None:
        from troth.kernel.probe import probe

        kernel = probe()
    veil = tuple(unveil)
    request = Request(held, veil or None, identity(), judged_arches(name, held), knowledge=knowledge)
    return make_plan(request, kernel)
