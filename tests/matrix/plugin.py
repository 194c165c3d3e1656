"""Guests boot, and roots are made, while other tests run; those that need roots come late, those that ask guests last."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from matrix.kernels import GUESTS, Guest
from matrix.machines import MACHINES

if TYPE_CHECKING:
    from matrix.background import Boots

_AHEAD: pytest.StashKey[subprocess.Popen[bytes]] = pytest.StashKey()
_BOOTS: pytest.StashKey[Boots] = pytest.StashKey()


def _guest_of(item: pytest.Item) -> Guest | None:
    call = getattr(item, "callspec", None)
    found = call.params.get("guest") if call else None
    return found if isinstance(found, Guest) else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: (item.path.parent.name == "matrix", item.path.name == "test_kernels.py"))


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    if session.config.option.collectonly:
        return
    # What these import is imported here: in a guest, which has this plugin too, there are no tools.
    if any(item.path.name == "test_libcs.py" for item in session.items) and shutil.which("apt-get"):
        from matrix import ahead

        session.config.stash[_AHEAD] = ahead.start()
    wanted = {guest for guest in map(_guest_of, session.items) if guest and shutil.which(MACHINES[guest.arch].qemu[0])}
    if wanted:
        from matrix.background import Boots

        # Those that take longest first, else in the order of the table.
        guests = sorted((g for g in GUESTS.values() if g in wanted), key=lambda guest: -MACHINES[guest.arch].slow)
        everything = os.environ.get("TROTH_MATRIX") == "all"
        session.config.stash[_BOOTS] = Boots(guests, everything=everything)


def pytest_unconfigure(config: pytest.Config) -> None:
    if ahead := config.stash.get(_AHEAD, None):
        ahead.terminate()
        ahead.wait()
    if boots := config.stash.get(_BOOTS, None):
        boots.end()


@pytest.fixture(scope="session")
def boots(pytestconfig: pytest.Config) -> Boots | None:
    """The guests that boot; None where no QEMU that they need is installed."""
    return pytestconfig.stash.get(_BOOTS, None)
