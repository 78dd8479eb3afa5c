"""Methods a contact accepts, as the bit mask usrloc keeps (registrar manual, flag method-filtering)."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

METHOD_BITS: Final[dict[str, int]] = {
    "INVITE": 1, "CANCEL": 2, "ACK": 4, "BYE": 8, "INFO": 16, "OPTIONS": 32, "UPDATE": 64, "REGISTER": 128, "MESSAGE": 256,
    "SUBSCRIBE": 512, "NOTIFY": 1024, "PRACK": 2048, "REFER": 4096, "PUBLISH": 8192,
}
OTHER: Final = 16384
"""Any method without a bit of its own."""


@lru_cache(maxsize=256)
def read_methods(text: str) -> int:
    """The mask of a comma list of methods."""
    mask = 0
    for name in text.split(","):
        name = name.strip()
        if name:
            mask |= METHOD_BITS.get(name.upper(), OTHER)
    return mask


def method_bit(method: str) -> int:
    """The bit of one method."""
    return METHOD_BITS.get(method, OTHER)
