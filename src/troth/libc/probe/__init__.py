"""What a C library does when it runs: the calls that its functions make, and what they do when a call is refused.

- `facts`: the recorded answer for a build, and its text (`text`);
- `source/`: the probe, a C program with one case for each variant of a function;
- `build`, `box`, `session`, `survey`: compile it, shut it in with a libc, run a case and refuse it a call, run all;
- `seen`: a call as the kernel was asked for it, in the words of a filter.

Facts are read anywhere; probing needs Linux 6.6, user namespaces, and a C compiler.
"""
