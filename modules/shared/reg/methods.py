"""Methods a contact accepts, as the bit mask usrloc keeps (registrar manual, flag method-filtering)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

METHOD_BITS: Final[dict[str, int]] = {
    "INVITE": 1, "CANCEL": 2, "ACK": 4, "BYE": 8, "INFO": 16, "OPTIONS": 32, "UPDATE": 64, "REGISTER": 128, "MESSAGE": 256,
    "SUBSCRIBE": 512, "NOTIFY": 1024, "PRACK": 2048, "REFER": 4096, "PUBLISH": 8192,
}
OTHER: Final = 16384
"""Any method without a bit of its own."""


_ITEM: Final = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]*+")


@lru_cache(maxsize=256)
def read_methods(text: str) -> int | None:
    """The mask of a comma list of methods, None for a text that is none. An empty element counts as an unknown method, but
    nothing behind the last comma is no element."""
    mask = 0
    items = text.strip(" \t\r\n").split(",")
    if not items[-1].strip():
        items.pop()
    for item in items:
        name = item.strip(" \t\r\n")
        if _ITEM.fullmatch(name) is None:
            return None
        mask |= METHOD_BITS.get(name.upper(), OTHER)
    return mask


def method_bit(method: str) -> int:
    """The bit of one method."""
    return METHOD_BITS.get(method, OTHER)
