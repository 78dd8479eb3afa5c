"""Key-value pairs kept with contacts and records: what is needed to refresh and to end a registration behind this server.

The names are those of OpenSIPS, so that a table written by one server is understood by the other.
"""

from __future__ import annotations

from typing import Any, Final

MIRROR: Final = 0
BY_CONTACT: Final = 1
BY_AOR: Final = 2

# Where the pairs stand: all of them on each contact in mode 1, on the record in mode 2 (and the times on its contacts).
FROM: Final = "F"
TO: Final = "T"
RURI: Final = "ru"
NEXT_HOP: Final = "hop"
CALL_ID: Final = "CID"
CSEQ: Final = "Seq"
CONTACT: Final = "Con"
"""URI of the contact as the registrar behind has it."""
EXPIRES: Final = "exp"
"""Lifetime the device got, seconds."""
GRANTED: Final = "expO"
"""Lifetime the registrar behind gave, seconds."""
LAST: Final = "LRTs"
"""When that was, seconds since 1970."""


def number(pairs: dict[str, Any], key: str) -> int | None:
    """A pair that is a number; None when it is missing or something else."""
    value = pairs.get(key)
    return value if isinstance(value, int) else None
