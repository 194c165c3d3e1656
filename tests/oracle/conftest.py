"""Programs of other interpreters are not modules of tests."""

collect_ignore = ["libseccomp_child.py"]
