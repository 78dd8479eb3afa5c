"""The torture messages as bytes, read from rfc4475.txt and rfc5118.txt (notation of RFC 4475 section 2.1)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

_REPEAT = re.compile(r"<repeat count=(\d+)>(.*?)</repeat>")
_HEX = re.compile(r"<hex>([0-9A-F]+)</hex>")
_ONE_LINE = re.compile(r"<allOneLine>\n(.*?)\n</allOneLine>", re.DOTALL)


class TortureMessage(NamedTuple):
    """One message of an RFC."""

    name: str
    section: str
    data: bytes


def _bytes(text: str) -> bytes:
    text = _ONE_LINE.sub(lambda found: found[1].replace("\n", ""), text)
    text = _REPEAT.sub(lambda found: found[2] * int(found[1]), text).replace("\n", "\r\n")
    return _HEX.sub(lambda found: bytes.fromhex(found[1]).decode("latin-1"), text).encode("latin-1")


def read(rfc: str) -> list[TortureMessage]:
    """The messages of "rfc4475" or "rfc5118", in order."""
    text = (Path(__file__).parent / f"{rfc}.txt").read_text(encoding="ascii")
    found = []
    for piece in re.split(r"^@@ ", text, flags=re.MULTILINE)[1:]:
        head, _, body = piece.partition("\n")
        name, section = head.split()
        found.append(TortureMessage(name, section, _bytes(body)))
    return found
