"""Words for numbers: answers, arguments, system calls, architectures; and the numbers of words.

Everything that troth prints about a filter, and everything that is typed in, goes through here:

- `answer` and `answer_value`: the 32 bits that a filter returns, `ERRNO(EPERM)`;
- `argument`, `mask` and `constant`: `O_WRONLY|O_CREAT`, as `_table` says which argument has which names;
- `call_number` and `arch`: names of calls and architectures, with the nearest name in the error.

Words are exact: read back, they give the number that they were made from.
"""

from __future__ import annotations

from troth.abi.words._answers import answer, answer_value
from troth.abi.words._arguments import argument, has_words, mask
from troth.abi.words._constants import constant, errno_name
from troth.abi.words._names import arch, arch_words, arches, call_name, call_number

__all__ = (
    "answer", "answer_value", "arch", "arch_words", "arches", "argument", "call_name", "call_number", "constant",
    "errno_name", "has_words", "mask",
)  # fmt: skip
