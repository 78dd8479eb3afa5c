"""The reference's hash of texts and bytes (its core_hash): big-endian words folded by v ^ v >> 3, bytes signed as in C.

Servers that share a table choose the same destination by it, and lists come out in the order that tools know.
"""

from __future__ import annotations

import struct
from typing import Final

_MASK: Final = 0xFFFFFFFF


def mixed(data: bytes) -> int:
    """The sum over the words of a text, the bytes left over as a word of their own; sums of several texts may be added."""
    total = 0
    end = len(data) & ~3
    if data.isascii():
        for word, in struct.iter_unpack(">I", data[:end]):
            total += word ^ (word >> 3)
        word = int.from_bytes(data[end:], "big")
        return total + (word ^ (word >> 3))
    for a, b, c, d in struct.iter_unpack(">4b", data[:end]):
        word = ((a << 24) + (b << 16) + (c << 8) + d) & _MASK
        total += word ^ (word >> 3)
    word = 0
    for byte, in struct.iter_unpack("b", data[end:]):
        word = ((word << 8) + byte) & _MASK
    return total + (word ^ (word >> 3))


def finished(total: int) -> int:
    """The hash of what mixed() gave, 32 bits."""
    total &= _MASK
    return (total + (total >> 11) + (total >> 13) + (total >> 23)) & _MASK


def core_hash(data: bytes, size: int) -> int:
    """The place of a text in a table of `size` (a power of 2)."""
    return finished(mixed(data)) & (size - 1)
