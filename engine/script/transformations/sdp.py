"""{sdp.*}: lines and media sections of a session description."""

from __future__ import annotations

import re
from typing import Final

from engine.script.transformations.base import Entry
from engine.script.values import Value, number_of, text_of
from engine.sip import sdp

_NUMBER: Final = re.compile(r"[+-]?[0-9]+\Z")


def line(text: str, kind: str, index: int = 0) -> str | None:
    """The whole index-th line of a type, without its line end."""
    if index < 0:
        raise ValueError("a negative index of a line")
    if not kind:
        return None
    return sdp.line(text, kind[:1], index)


def _which(given: Value) -> str | int:
    """The name or the index that chooses a media section; a text of digits is an index."""
    number = number_of(given)
    if number is not None:
        return number
    text = text_of(given) or ""
    return int(text) if _NUMBER.match(text) is not None else text


def stream(text: str, which: Value) -> str | None:
    return sdp.stream(text, _which(which))


def stream_delete(text: str, which: Value) -> str | None:
    return sdp.without_streams(text, _which(which))


TABLE: Final[dict[str, Entry]] = {
    "line": Entry(line, ("text", "natural?")),
    "stream": Entry(stream, ("which",)), "stream-delete": Entry(stream_delete, ("which",)),
}
