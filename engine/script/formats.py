"""Formats: "text $var(x) $(ru{uri.user})" to a Python expression, an f-string wherever possible.

NULL prints as <null>. A format without variables is a constant. Variables read through an expression of their own (inline)
are pasted; others are called.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from engine.script.values import NULL_TEXT

Part = tuple[bool, str]
"""(True, a Python expression) or (False, plain text)."""

_QUOTES: Final = ("'", '"', "'''", '"""')


def compile_format(parts: list[Part]) -> str:
    """The Python expression that prints the parts."""
    if not any(is_code for is_code, _ in parts):
        return repr("".join([text for _, text in parts]))
    pieces = [f"{{{NULL_NAME} if (x := {text}) is None else x}}" if is_code else None for is_code, text in parts]
    for quote in _QUOTES:
        if all(piece is None or not (quote in piece or "\\" in piece or "#" in piece) for piece in pieces):
            body = "".join([
                _literal(text, quote) if piece is None else piece for piece, (_, text) in zip(pieces, parts, strict=True)
            ])
            return f"f{quote}{body}{quote}"
    items = [f"({NULL_NAME} if (x := {text}) is None else str(x))" if is_code else repr(text) for is_code, text in parts]
    return "''.join((" + ", ".join(items) + ",))"


NULL_NAME: Final = "NULL_TEXT"
assert NULL_TEXT == "<null>"


def _literal(text: str, quote: str) -> str:
    """Plain text inside an f-string with these quotes."""
    out = []
    for char in text:
        if char in "{}":
            out.append(char * 2)
        elif char == "\\" or char == quote[0]:
            out.append("\\" + char)
        elif char.isprintable():
            out.append(char)
        else:
            out.append(repr(char)[1:-1])
    return "".join(out)


def format_parts(parts: list[object], code: Callable[[object], str]) -> list[Part]:
    """Parts of parse_format() with each variable replaced by its expression."""
    return [(False, part) if isinstance(part, str) else (True, code(part)) for part in parts]
