"""What the next upgrade breaks: what functions call under two systems, and what a filter answers.

- `tables`: reads the recorded facts of `libc/data/timeline*.txt`, strictly;
- `recorded`: what those say of one version of a C library, a runtime or the kernel on one architecture;
- `systems`: what a forecast goes from and to, `glibc-2.36,linux-6.1,aarch64`;
- `moving`: what was seen of one version, as it is in another;
- `programs`: what a program says of itself;
- `model`: what each function does on a system, from the facts of builds and what is recorded;
- `values`: a call in words as the numbers that a filter sees;
- `judge`: what a filter answers to what a function does, and what becomes of the function;
- `bypass`: what a filter refuses in one way and lets through in a new one;
- `mend`: the smallest change of the filter that lets a function work, and the proof that it widens nothing;
- `compare`: the findings;
- `sarif`: findings for code scanners.
"""

from __future__ import annotations
