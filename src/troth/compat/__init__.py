"""Interfaces of other libraries, on troth's engine.

`seccomp` is libseccomp's Python binding: a program that was written for `import seccomp` runs with
`import troth.compat.seccomp as seccomp`. Its parts, each for one thing:

- `_types`, `_filter`: what it gives to programs; `_attributes`: what a filter's attributes may be;
- `_arches`, `_names`, `_pseudo`: its architectures, its numbers of calls, the negative ones among them;
- `_database`: rules, and what adding one means; `_policy`: from rules to a `troth.policy.Policy`; `_pfc`: to text;
- `_support`: what the kernel can do, and the process's listener;
- `_numbers`: what C makes of a Python number; `_error`: errno codes.
"""

__all__ = ("seccomp",)  # a module, which `troth.compat` loads when it is asked for
