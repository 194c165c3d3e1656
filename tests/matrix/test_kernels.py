"""The live tests and the attempts to get out, on each kernel and architecture at hand, as root and as nobody.

`make test-kernels` boots the guests that the table calls everyday, with the tests that depend on the kernel most;
`make test-matrix` (TROTH_MATRIX=all) boots every guest, and the everyday ones with all tests. Guests boot two at a
time. Without QEMU or the packages of Debian this is skipped with the reason; in CI that is an error.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from conftest import needs
from matrix import report
from matrix.fleet import Absent, Fleet
from matrix.guest import Boot
from matrix.kernels import GUESTS, Guest
from matrix.lacks import WRONGS, excuse, stale, wrong
from matrix.machines import MACHINES

# Minutes of emulation: asked for by name.
pytestmark = pytest.mark.skipif(
    not os.environ.get("TROTH_MATRIX"), reason="other kernels boot in `make test-kernels` and `make test-matrix`"
)

ALL = os.environ.get("TROTH_MATRIX") == "all"
WANTED = [guest for guest in GUESTS.values() if ALL or guest.everyday]
AT_ONCE = 2


@pytest.fixture(scope="module")
def booted(request: pytest.FixtureRequest) -> Iterator[dict[Guest, Future[Boot]]]:
    """A guest for each that some test of this run asks for; they boot in the order of the table."""
    parameters = [getattr(item, "callspec", None) for item in request.session.items]
    wanted = {call.params["guest"] for call in parameters if call and "guest" in call.params}
    fleet = Fleet()
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        yield {guest: pool.submit(fleet.boot, guest, everything=ALL) for guest in WANTED if guest in wanted}
    finally:
        pool.shutdown(cancel_futures=True)


@pytest.fixture(params=WANTED, ids=lambda guest: guest.name)
def guest(request: pytest.FixtureRequest) -> Guest:
    found = request.param
    assert isinstance(found, Guest)
    return found


@pytest.fixture
def boot(guest: Guest, booted: dict[Guest, Future[Boot]]) -> Boot:
    """What the guest told."""
    machine = MACHINES[guest.arch]
    needs(shutil.which(machine.qemu[0]), f"{machine.package} is not installed")
    try:
        told = booted[guest].result()
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
def test_the_table_of_results_is_written(booted: dict[Guest, Future[Boot]]) -> None:
    """Last: what each guest told goes to bench/kernels.md."""
    rows = {guest: future.result() for guest, future in booted.items() if not future.exception()}
    text = report.table(rows, everything=True)
    assert all(guest.name in text for guest in rows)
    if len(rows) == len(GUESTS):
        report.write(text)
