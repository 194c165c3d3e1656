"""The pages that show the promise and family tables: `promises_page` and `families_page`.

What a table says in tuples is said here in words. Only what a word means as a whole is written
down here, in `MEANINGS`, since no table has it.
"""

from __future__ import annotations

from typing import Final

from troth import abi
from troth.families._table import FAMILIES, SOLITARY
from troth.promises._paths import EVERYWHERE, FILES, VEIL, WITHOUT_RPATH
from troth.promises._table import ANSWERS, ROWS, SINCE
from troth.promises._words import ALWAYS, BIT, LIBC_FILES, MEANINGLESS, REMOVED, STDIO, SYSVIPC

Test = tuple[str, str, str, str]
Member = tuple[str, dict[str, int], dict[str, str], str, dict[str, tuple[dict[str, int], str]]]

MEANINGS: Final = {
    "stdio": "Compute, use memory, clocks, threads and open descriptors; local time, locales, random bytes.",
    "rpath": "Read files and directories, and ask about paths.",
    "wpath": "Write files that exist.",
    "cpath": "Create, rename, link and remove files and directories.",
    "dpath": "Make fifos and device files.",
    "fattr": "Change modes, times and attributes of files, and owners as far as they are one's own.",
    "chown": "Change owners of files to anybody.",
    "flock": "Lock files.",
    "inet": "Use the network: IPv4 and IPv6 sockets, to any address.",
    "unix": "Use unix domain sockets.",
    "dns": "Look up host names.",
    "mcast": "Join and send to multicast groups, together with `inet`.",
    "getpw": "Look up users and groups.",
    "proc": "Start processes by fork, signal others, change groups, sessions and scheduling.",
    "id": "Change one's user and group ids, capabilities and limits.",
    "exec": "Start programs.",
    "prot_exec": "Have executable memory that is not a program's file: compilers at run time, loading modules late.",
    "settime": "Set the clock.",
    "unveil": "Call `unveil()` after this pledge; without it the paths collected so far come into force.",
    "tty": "Use the terminal: its size, modes and foreground process group.",
    "vminfo": "Ask about the machine: memory, processors, load.",
    "ps": "Ask about all processes, through /proc.",
    "route": "Read network interfaces and routes.",
    "wroute": "Change network interfaces and routes, as far as the system lets one.",
    "sendfd": "Send descriptors through unix sockets.",
    "recvfd": "Receive descriptors through unix sockets.",
    "audio": "",
    "bpf": "",
    "disklabel": "",
    "drm": "",
    "pf": "",
    "tape": "",
    "video": "",
    "vmm": "",
    "error": "Refuse what was not promised with EPERM instead of ending the process.",
    "sysvipc": "Use System V shared memory, semaphores and queues, and POSIX message queues.",
}

SETTINGS: Final = {
    "judged": "where Landlock judges the file (ABI 1)",
    "truncate_judged": "where Landlock judges truncation too (ABI 3)",
    "scoped": "where Landlock confines signals to the process (ABI 6)",
    "unix_judged": "where Landlock judges unix socket paths (ABI 9)",
    "unveiled": "while no veil is up",
    "main": "of the program's own architecture",
}

LETTERS: Final = {"r": "read", "w": "written", "x": "executed"}


def words_of(mask: int) -> list[str]:
    """The promises in a mask, quoted."""
    return [f"`{word}`" for word, bit in BIT.items() if mask & bit]


def either(parts: list[str]) -> str:
    """a; a or b; a, b or c."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} or {parts[-1]}"


def both(parts: list[str]) -> str:
    """a; a and b; a, b and c."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def condition(test: Test) -> str:
    """One test of an argument, in words.

    >>> condition(("flags", "mask", "O_CREAT|O_TRUNC", "0"))
    'flags without `O_CREAT` and `O_TRUNC`'
    >>> condition(("flags", "mask", "O_ACCMODE", "O_RDONLY"))
    'flags & `O_ACCMODE` = `O_RDONLY`'
    """
    role, kind, mask, values = test
    listed = [f"`{value}`" for value in values.split()]
    if kind == "null":
        return f"{role} NULL"
    if kind == "not in":
        return f"{role} not {either(listed)}"
    if kind == "in":
        return f"{role}{f' & `{mask}`' if mask else ''} = {either(listed)}"
    bits = [f"`{bit}`" for bit in mask.split("|")]
    if values == "0":
        return f"{role} without {both(bits)}"
    if values == mask:
        return f"{role} with {both(bits)}"
    return f"{role} & `{mask}` = `{values}`"


def conditions(tests: tuple[Test, ...]) -> str:
    return "; ".join(condition(test) for test in tests)


def _row_text(row: tuple[str, int, int, tuple[Test, ...], str, tuple[str, ...]], word: int) -> str:
    """What follows the family's name where a word pays for it."""
    _, needs, also, tests, when, only = row
    parts = []
    if only:
        calls = [f"`{name}`{f' on {arch}' if arch else ''}" for name, _, arch in (one.partition("@") for one in only)]
        parts.append(f"the call {either(calls)}")
    if tests:
        parts.append(conditions(tests))
    if also & word:
        parts.append(f"with {either(words_of(needs))}")
        if also & ~word:
            parts[-1] += f" and {both(words_of(also & ~word))}"
    elif also:
        parts.append(f"with {both(words_of(also))}")
    if when:
        parts.append(SETTINGS[when])
    if row in SINCE and parts:
        parts.append(f"because of {SINCE[row].replace('-', ' ')}")
    return "; ".join(parts)


def _calls(word: int) -> list[str]:
    """The families that a word opens: a list for those without conditions, then one line each."""
    free = []
    found: dict[str, list[str]] = {}
    for row in ROWS:
        if not (row[1] | row[2]) & word:
            continue
        if row[0] == "open" and row[1] == LIBC_FILES and not word & (STDIO | ALWAYS):
            text = "as under [stdio](#stdio), where Landlock judges the file"
        else:
            text = _row_text(row, word)
        if text:
            found.setdefault(row[0], []).append(text)
        else:
            free.append(row[0])
    lines = []
    for family in free:
        found.pop(family, None)  # a condition takes nothing from what is free
    if free:
        lines += ["Calls: " + ", ".join(f"`{name}`" for name in free) + ".", ""]
    if found:
        lines += ["Calls under conditions:" if free else "Calls, under conditions:", ""]
        for family, texts in found.items():
            lines += [f"* `{family}`: {text}" for text in dict.fromkeys(texts)]
        lines.append("")
    return lines


def _files(word: int) -> list[str]:
    lines = []
    for names, needs, also in EVERYWHERE:
        if (needs | also) & word:
            rest = words_of((needs | also) & ~word)
            quoted = ", ".join(f"`{name}`" for name in names.split())
            lines.append(f"* any path: {quoted}{f', with {both(rest)}' if rest else ''}")
    for needs, letters, paths in (*FILES, WITHOUT_RPATH):
        if needs & word:
            given = both([LETTERS[letter] for letter in letters])
            beneath = " (without `rpath` and without a veil)" if (needs, letters, paths) == WITHOUT_RPATH else ""
            lines.append(f"* {given}{beneath}: " + ", ".join(f"`{path}`" for path in paths.split()))
    return ["Files (as far as Landlock is there to judge them):", "", *lines, ""] if lines else []


def promises_page() -> str:
    """Every word: what it means, which calls and files it opens."""
    lines = [
        "# Promises",
        "",
        "Each word, what it means, and what it opens. The words are those of pledge(2) of OpenBSD 7.9, and one",
        "extension. A call that is in no list of the promises held is refused. Names such as `open` are",
        "[families](families.md): all system calls that any C library may use for one operation.",
        "",
        "A condition speaks about an argument: `flags without X` and `flags with X` test bits, `flags & M = V`",
        "compares the bits under a mask. `SELF` is the process's own id, `UID` and `GIDS` are its effective user and",
        "its groups, `0o7000` are the set-user-ID, set-group-ID and sticky bits, `0xf` is the type of a socket",
        "without its flags. Rights on files are named as in landlock(7).",
        "",
        "| word | what the program may do |",
        "|---|---|",
    ]
    for word, bit in BIT.items():
        lines.append(f"| [`{word}`](#{word}) | {_meaning(word, bit)} |")
    lines += ["", "## Always", "", "Open to every pledged process, whatever it promised.", "", *_calls(ALWAYS)]
    for word, bit in BIT.items():
        lines += [f"## {word}", "", _meaning(word, bit), "", *_calls(bit), *_files(bit)]
    lines += ["## Words that are refused", ""]
    lines += [f"* `{word}`: {why}." for word, why in REMOVED.items()]
    lines += ["", "## Letters of unveil()", "", "| letter | Landlock rights |", "|---|---|"]
    lines += [f"| `{letter}` | {', '.join(f'`{name}`' for name in names.split())} |" for letter, names in VEIL.items()]
    lines += [
        "",
        "## Soft answers",
        "",
        "A refused call ends the process, or answers EPERM, as the violation mode says. These are answered otherwise,",
        "because C libraries and runtimes make them on their own account and know how to go on. The first line that",
        "fits counts. A number that the tables do not know answers ENOSYS.",
        "",
        "| family | answer | where | held |",
        "|---|---|---|---|",
    ]
    for family, errno, tests, held in ANSWERS:
        lines.append(f"| `{family}` | {errno} | {conditions(tests)} | {' '.join(words_of(held))} |")
    return "\n".join([*lines, ""])


def _meaning(word: str, bit: int) -> str:
    if bit & MEANINGLESS:
        return "Names a device of OpenBSD; accepted, and grants nothing on Linux."
    return MEANINGS[word] + (" Not a word of OpenBSD." if bit & SYSVIPC else "")


def families_page() -> str:
    """Every family with its members, and the calls that stand alone."""
    lines = [
        "# Families",
        "",
        "A family is one operation; its members are the system calls that any C library, on any architecture, may use",
        "for it. They are allowed or refused together, so that a program does not notice which of them its library",
        "picks. A *role* is what an argument means; promises speak about roles, and each member says where it has",
        "them (counted from 0). A role in parentheses is behind a pointer, where no filter can look.",
        "",
        f"Architectures: {', '.join(abi.ARCHES)}.",
        "",
        "| family | meaning | members |",
        "|---|---|---|",
    ]
    for name, meaning, members in FAMILIES:
        lines.append(f"| `{name}` | {meaning} | {', '.join(_member(member) for member in members)} |")
    lines += [
        "",
        "## Calls in no family",
        "",
        "No promise opens these, each for its reason.",
        "",
        "| call | reason |",
        "|---|---|",
    ]
    lines += [f"| `{name}` | {why} |" for name, why in SOLITARY.items()]
    return "\n".join([*lines, ""])


def _member(member: str | Member) -> str:
    if isinstance(member, str):
        return ", ".join(f"`{name}`" for name in member.split())
    name, roles, fixed, opaque, differs = member
    said = [f"{role} {at}" for role, at in roles.items()]
    said += [f"{role} is always {value.replace('|', ' and ')}" for role, value in fixed.items()]
    said += [f"({role})" for role in opaque.split()]
    for arch, (at, hidden) in differs.items():
        there = [f"{role} {place}" for role, place in at.items()] + [f"({role})" for role in hidden.split()]
        said.append(f"on {arch} {', '.join(there)}")
    return f"`{name}`" + (f" [{'; '.join(said)}]" if said else "")
