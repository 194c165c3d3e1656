"""Interfaces of other libraries, on troth's engine.

`seccomp` is libseccomp's Python binding: a program that was written for `import seccomp` runs with
`import troth.compat.seccomp as seccomp`. Beside it, each for one thing: `_arches` and `_names` (its
architectures, its numbers of calls, its pseudo numbers), `_database` (rules, and what adding one means),
`_policy` (rules to a `troth.policy.Policy`), `_pfc` (the text form), `_support` (what the kernel can do, the
listener), `_numbers` (what C makes of a Python number), `_error` (errno codes).
"""
