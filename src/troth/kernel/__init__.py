"""The running kernel: one thin typed wrapper for each call, and no policy.

All calls go through `_call`; the others name what they ask: `seccomp` and `notify`
(filters and the supervisor's side of them), `filters` (reading the filters of a process), `landlock`,
`process` (prctl, pidfd, signalfd, threads), `probe` (what this kernel can do, as a value). `ptrace` and
`procfs` look at other processes.

Everything raises `EnforcementError` with the call and its errno, unless a docstring says otherwise. What
the wrappers need is imported with them: they are called where nothing can be imported any more.
"""
