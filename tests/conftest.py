"""What all tests share: options, and the rule that an absent feature is an error in CI."""

from __future__ import annotations

import os
import signal
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

# Whoever starts the tests in the background has them ignore these; the programs that they start are to be as usual.
signal.signal(signal.SIGINT, signal.default_int_handler)
for _number in (signal.SIGHUP, signal.SIGQUIT):
    signal.signal(_number, signal.SIG_DFL)

# A program for another interpreter, with modules that this one lacks.
collect_ignore = ["oracle/libseccomp_child.py"]

try:
    from hypothesis import settings
except ModuleNotFoundError:
    pass  # in a guest of the kernel matrix, which runs no laws
else:
    # A law is not about time, and a test says the same every time; TROTH_EXAMPLES looks further.
    settings.register_profile("every time", deadline=None, derandomize=True)
    settings.register_profile("further", deadline=None, max_examples=int(os.environ.get("TROTH_EXAMPLES", "0")) or 100)
    settings.load_profile("further" if os.environ.get("TROTH_EXAMPLES") else "every time")

pytest_plugins = ["matrix.plugin"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-snapshots", action="store_true", help="write tests/snapshots anew instead of comparing")


def needs(condition: object, reason: str) -> None:
    """Skip with the reason when something is absent here; in CI that is an error."""
    if condition:
        return
    if os.environ.get("CI"):
        pytest.fail(f"CI needs this: {reason}")
    pytest.skip(reason)


@pytest.fixture
def update_snapshots(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-snapshots"))


@pytest.fixture(params=[False, True], ids=["as-is", "unprivileged"])
def unprivileged(request: pytest.FixtureRequest) -> bool:
    """Both users: whoever runs the tests, and nobody."""
    return bool(request.param)
