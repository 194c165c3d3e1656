"""Benchmarks, side by side with peers: `run` measures and reports, `peers` gets what to compare with.

`harness` times whole programs; `startup`, `launchers`, `counts` and `profile_pledge` are the parts of
the report; `rules` says a troth policy in libseccomp's terms. Nothing here is a test.
"""
