"""Roots are made whole also from packages that were fetched before."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from conftest import needs

from tools import debroot


def musl_packages() -> list[Path]:
    """The package of one suite's musl, alone, as the matrix asks for it."""
    needs(all(map(shutil.which, ("apt-get", "dpkg-deb"))), "apt and dpkg are not installed")
    try:
        return debroot.Archive("bookworm", "amd64").fetch(["musl"], exact=True)
    except debroot.FetchError as error:
        needs(False, f"no package of bookworm: {error}")
        raise


def test_packages_that_were_fetched_before_are_given_again() -> None:
    first = musl_packages()
    assert [path.name.partition("_")[0] for path in first] == ["musl"]
    assert all(path.exists() for path in first)
    assert musl_packages() == first


def test_a_package_that_no_suite_has_is_an_error() -> None:
    musl_packages()
    with pytest.raises(debroot.FetchError, match="look the name up in this suite"):
        debroot.Archive("bookworm", "amd64").fetch(["no-such-package-as-this"], exact=True)
