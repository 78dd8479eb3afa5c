"""The server's text (latin-1, byte for byte) for databases that know characters, and back.

What is UTF-8, as nearly everything, is stored as the characters it means. Bytes that are no UTF-8 and NUL, which such databases
refuse, are stored as characters of the private area, U+EE80 ... U+EEFF and U+EF00, so the same bytes come back.
"""

from __future__ import annotations

from typing import Final

_SHIFT: Final = 0x1200
"""From the surrogates Python uses for such bytes to the private area."""
_FIRST: Final = "\uee80"
_NUL: Final = "\uef00"


def outbound(text: str) -> str:
    """Text for the database."""
    if text.isascii():
        return text.replace("\0", _NUL)
    decoded = text.encode("latin-1", "replace").decode("utf-8", "surrogateescape")
    if decoded.isprintable():
        return decoded
    return "".join(map(_hidden, decoded))


def _hidden(char: str) -> str:
    if char == "\0":
        return _NUL
    if "\udc80" <= char <= "\udcff":
        return chr(ord(char) + _SHIFT)
    if _FIRST <= char <= _NUL:
        # Somebody sends the very characters used here: byte by byte they stay what they are.
        return "".join([chr(byte + 0xDC00 + _SHIFT) for byte in char.encode()])
    return char


def inbound(text: str) -> str:
    """Text from the database."""
    if text.isascii():
        return text
    if not text.isprintable():
        text = "".join([
            "\0" if char == _NUL else chr(ord(char) - _SHIFT) if _FIRST <= char < _NUL else char for char in text
        ])
    return text.encode("utf-8", "surrogateescape").decode("latin-1")
