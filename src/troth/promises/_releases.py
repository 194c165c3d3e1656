"""When C libraries were released, so that one version tells what was known of another at its time.

Dates of the release tags: glibc's announcements (sourceware.org/glibc/wiki/Glibc%20Timeline), musl's
release history (musl.libc.org/releases.html).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

RELEASED: Final = {
    "musl-1.1.13": "2016-02-15",
    "musl-1.1.20": "2018-09-04",
    "musl-1.1.22": "2019-04-09",
    "musl-1.1.23": "2019-07-16",
    "musl-1.1.24": "2019-10-13",
    "glibc-2.31":  "2020-02-01",
    "musl-1.2.0":  "2020-02-20",
    "glibc-2.32":  "2020-08-04",
    "musl-1.2.1":  "2020-08-04",
    "musl-1.2.2":  "2021-01-14",
    "glibc-2.33":  "2021-02-01",
    "glibc-2.34":  "2021-08-01",
    "glibc-2.35":  "2022-02-03",
    "musl-1.2.3":  "2022-04-07",
    "glibc-2.36":  "2022-07-29",
    "glibc-2.37":  "2023-01-31",
    "musl-1.2.4":  "2023-05-01",
    "glibc-2.38":  "2023-07-31",
    "glibc-2.39":  "2024-01-31",
    "musl-1.2.5":  "2024-02-29",
    "glibc-2.40":  "2024-07-21",
    "glibc-2.41":  "2025-01-28",
    "glibc-2.42":  "2025-07-28",
    "glibc-2.43":  "2026-01-23",
    "musl-1.2.6":  "2026-03-20",
    "glibc-2.44":  "2026-07-24",
}  # fmt: skip
