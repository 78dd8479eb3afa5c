"""Big pages for big tables (Linux).

A hundred thousand contacts lie on twenty thousand pages of 4 KB, and the processor remembers where some two thousand are: a
lookup of a random user then costs half as much again as in a small table, all of it waiting for page tables. Pages of 2 MB
end that (measured: lookup() 25 to 17 µs), but the kernel gives them only to who asks. So the ranges of memory that are in use
nearly as a whole are asked for, in a thread of its own, when the tables have grown.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

_SMAPS: Final = Path("/proc/self/smaps")
_RANGE: Final = re.compile(r"([0-9a-f]+)-([0-9a-f]+) rw-p 0+ 00:00 0\s*(?:\[heap\])?$")
_BIG: Final = 2 << 20
_CHUNK: Final = 16 << 20
"""Bytes asked for in one call: the kernel copies them meanwhile."""
_FULL: Final = 0.9
"""Part of a range that must be in use: the rest of it will be afterwards."""
_HUGEPAGE: Final = 14
_COLLAPSE: Final = 25
"""madvise(): MADV_HUGEPAGE, and MADV_COLLAPSE of Linux 6.1."""


def ranges(smaps: Iterable[str]) -> Iterator[tuple[int, int]]:
    """(first address, length) of what can be put on big pages, from the lines of /proc/self/smaps."""
    first = last = size = used = big = 0
    for line in [*smaps, "0-0 end"]:
        name, colon, value = line.partition(":")
        if "-" in line.partition(" ")[0] and not (colon and value.rstrip().endswith("kB")):
            start, end = -(-first // _BIG) * _BIG, last // _BIG * _BIG
            if end > start and used >= size * _FULL and big < used * _FULL:
                yield start, end - start
            found = _RANGE.match(line.strip())
            first, last = (int(found[1], 16), int(found[2], 16)) if found is not None else (0, 0)
            size = used = big = 0
        elif name == "Size":
            size = int(value.split()[0])
        elif name == "Rss":
            used = int(value.split()[0])
        elif name == "AnonHugePages":
            big = int(value.split()[0])


def collapse() -> int:
    """Ask for big pages, in a thread: it takes a second for each gigabyte. Bytes that got them; 0 where there are none."""
    try:
        lines = _SMAPS.read_text().splitlines()
        madvise: Any = ctypes.CDLL(None).madvise
    except (OSError, AttributeError):
        return 0
    madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    done = 0
    for first, length in ranges(lines):
        madvise(first, length, _HUGEPAGE)
        for at in range(first, first + length, _CHUNK):
            part = min(_CHUNK, first + length - at)
            if madvise(at, part, _COLLAPSE) == 0:
                done += part
    return done


class Growth:
    """When it is worth it: above 20,000 contacts, whenever there are a quarter more."""

    def __init__(self) -> None:
        self._last = 16_000

    def is_due(self, contacts: int) -> bool:
        """Whether the tables have grown that much; counts from here then."""
        if contacts < self._last * 5 // 4:
            return False
        self._last = contacts
        return True
