"""{csv.*}: one record of comma separated values with the quotes of RFC 4180. Fields are not trimmed."""

from __future__ import annotations

from typing import Final

from engine.script.transformations.base import Entry, at_index


def fields(text: str) -> list[str]:
    """The fields of a record. ValueError for an empty text, control characters, and quotes that do not match."""
    if text.endswith("\r\n"):
        text = text[:-2]
    if not text:
        raise ValueError("an empty record")
    if not text.isascii() or not text.isprintable():
        raise ValueError("a character that RFC 4180 does not allow")
    if '"' not in text:
        return text.split(",")
    found: list[str] = []
    at = 0
    size = len(text)
    while True:
        if at < size and text[at] == '"':
            field, at = _quoted(text, at + 1)
            found.append(field)
        else:
            comma = text.find(",", at)
            end = size if comma < 0 else comma
            found.append(text[at:end])
            at = end
        if at >= size:
            return found
        at += 1


def _quoted(text: str, at: int) -> tuple[str, int]:
    """The field whose text begins behind a quote, and the offset of the comma or the end behind it."""
    out: list[str] = []
    while True:
        end = text.find('"', at)
        if end < 0:
            raise ValueError("a quote is not closed")
        out.append(text[at:end])
        if text.startswith('"', end + 1):
            out.append('"')
            at = end + 2
            continue
        if end + 1 < len(text) and text[end + 1] != ",":
            raise ValueError("text behind a closing quote")
        return "".join(out), end + 1


def count(text: str) -> int:
    return len(fields(text))


def value(text: str, index: int) -> str | None:
    found = at_index(fields(text), index)
    if found is None:
        raise ValueError(f"no field {index}")
    return found


TABLE: Final[dict[str, Entry]] = {"count": Entry(count), "value": Entry(value, ("int",))}
