"""The live tests and the attempts to get out, on each kernel and architecture at hand, as root and as nobody.

`make test` boots the guests that the table calls everyday, with the tests that depend on the kernel most, while the
other tests run (`conftest.py`); `make test-kernels` boots only them. `make test-matrix` (TROTH_MATRIX=all) boots every
guest, and the everyday ones with all tests. Guests boot two at a time. Without QEMU or the packages of Debian this is
skipped with the reason; in CI that is an error.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections import Counter

import pytest
from conftest import needs
from matrix import report
from matrix.background import Boots
from matrix.fleet import Absent
from matrix.guest import Boot
from matrix.kernels import GUESTS, Guest
from matrix.lacks import WRONGS, excuse, stale, wrong
from matrix.machines import MACHINES

ALL = os.environ.get("TROTH_MATRIX") == "all"
WANTED = [guest for guest in GUESTS.values() if ALL or guest.everyday]


@pytest.fixture(params=WANTED, ids=lambda guest: guest.name)
def guest(request: pytest.FixtureRequest) -> Guest:
    found = request.param
    assert isinstance(found, Guest)
    return found


@pytest.fixture
def boot(guest: Guest, boots: Boots | None) -> Boot:
    """What the guest told."""
    machine = MACHINES[guest.arch]
    needs(shutil.which(machine.qemu[0]), f"{machine.package} is not installed")
    assert boots
    try:
        told = boots.wait(guest)
    except Absent as error:
        needs(False, str(error))
        raise
    assert not told.complaint, told.complaint
    return told


def test_the_kernel_offers_what_the_table_says(guest: Guest, boot: Boot) -> None:
    assert set(boot.doctors) == {"root", "nobody"}
    for said in boot.doctors.values():
        assert said["kernel"].startswith(guest.series), said
        assert (said["status"], said["landlock_abi"]) == (0, guest.landlock)
        assert said["landlock_errata"] & guest.errata == guest.errata
        assert ("wait_killable_recv" in said["seccomp_flags"]) == guest.wait_killable
        assert {"new_listener", "tsync", "tsync_esrch"} <= set(said["seccomp_flags"])
        assert {"allow", "errno", "kill_process", "user_notif"} <= set(said["seccomp_actions"])
        assert {name: verdict.partition(":")[0].partition(",")[0] for name, verdict in said["would"].items()} == {
            "pledge": "enforced",
            "pledge of stdio alone": "enforced",
            "pledge with threads": "enforced",
            "unveil": "enforced" if guest.landlock else "refused",
            "unveil with threads": "enforced" if guest.landlock >= 8 else "refused",
            "unveil and unix sockets": "enforced" if guest.landlock >= 9 else "refused",
        }


def test_every_test_passes_or_is_known_to_lack_something(guest: Guest, boot: Boot) -> None:
    passed = Counter(test.user for test in boot.tests if test.outcome == "passed")
    assert passed["root"], "no test ran as root"
    assert passed["nobody"], "no test ran as nobody"
    failed = [test for test in boot.tests if test.outcome == "failed" and not wrong(test.name, guest)]
    assert not failed, "\n\n".join(
        [f"{len(failed)} failed:", *(f"{test.user}: {test.name}\n{test.why}" for test in failed)]
    )
    mended = [
        row.test
        for row in WRONGS
        if row.where(guest, "") and not any(wrong(test.name, guest) and test.outcome == "failed" for test in boot.tests)
    ]
    assert not mended, "these rows of lacks.py are of a defect that is no longer there"
    skipped = [test for test in boot.tests if test.outcome == "skipped"]
    unknown = {f"{test.user}: {test.name}: {test.why}" for test in skipped if not excuse(test.why, guest, test.user)}
    assert not unknown, "\n".join(["skipped without a row in lacks.py:", *sorted(unknown)])
    assert {test.outcome for test in boot.tests} <= {"passed", "failed", "skipped"}
    if ALL and guest.chosen == "all":
        assert not stale(((test.why, test.user) for test in skipped), guest), "these rows of lacks.py excuse nothing"


@pytest.mark.skipif(not ALL, reason="the table is of all guests: make test-matrix")
def test_the_table_of_results_is_written(boots: Boots | None) -> None:
    """Last: what each guest told goes to bench/RESULTS.md."""
    assert boots, "no guest was booted"
    rows = {}
    for guest in boots.guests:
        with contextlib.suppress(Absent, RuntimeError):  # the tests of that guest say why
            rows[guest] = boots.wait(guest)
    text = report.table(rows)
    assert all(guest.name in text for guest in rows)
    if len(rows) == len(GUESTS):
        report.write(text)
