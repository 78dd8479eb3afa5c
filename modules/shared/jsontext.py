"""JSON texts and the values in them: reading, the three ways of writing, merging.

Values are dict, list, str, int, bool, None and Real (a number with a fraction, kept as it was written). Strings are the server's
own: latin-1, byte for byte, so a name in UTF-8 stays as it is.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

SPACED, COMPACT, PRETTY = 0, 1, 2
"""{ "a": 1 }, {"a":1}, or over several lines."""

_MIN_INT: Final = -(2**63)
_MAX_INT: Final = 2**64 - 1


class Real(str):
    """A number that is no integer, as written."""

    __slots__ = ()


def _integer(text: str) -> int:
    """An integer, cut to 64 bits (positive ones without a sign) as in the reference."""
    return max(_MIN_INT, min(_MAX_INT, int(text))) if len(text) < 400 else (_MAX_INT if text[0] != "-" else _MIN_INT)


_DECODER: Final = json.JSONDecoder(parse_float=Real, parse_int=_integer, parse_constant=Real, strict=False)


def _inside(text: str) -> str:
    if text.isascii():
        return text
    try:
        return text.encode("utf-8", "surrogateescape").decode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode("latin-1")


def _own(value: Any) -> Any:
    """Strings of parsed JSON as the server keeps text."""
    kind = value.__class__
    if kind is str:
        return _inside(value)
    if kind is list:
        return [_own(item) for item in value]
    if kind is dict:
        return {_inside(key): _own(item) for key, item in value.items()}
    return value


_LENIENT: Final = re.compile(
    r"""(\s+|/\*.*?\*/|//[^\n]*)|("(?:[^"\\]|\\.)*")|'((?:[^'\\]|\\.)*)'|([][{}:,])"""
    r"""|(-?)0*(\d(?:[\d.eE+-])*)|(-?[A-Za-z]+)""", re.DOTALL,
)
_WORDS: Final = {"null": "null", "true": "true", "false": "false", "nan": "NaN", "infinity": "Infinity", "-infinity": "-Infinity"}


def _strict(text: str) -> str:
    """The JSON for what json-c understands besides: comments, single quotes, a comma behind the last member, leading zeros and
    words in any case. Raises ValueError."""
    made: list[str] = []
    depth = at = 0
    while at < len(text) and not (made and not depth):
        found = _LENIENT.match(text, at)
        if found is None:
            raise ValueError(f"no JSON at {text[at:at + 20]!r}")
        at = found.end()
        space, double, single, sign, minus, number, word = found.groups()
        if space is not None:
            continue
        if sign is None:
            made.append(
                double if double is not None else f'"{_QUOTE.sub(_escaped_quote, single)}"' if single is not None
                else minus + number if number is not None else _WORDS.get(word.lower(), word),
            )
            continue
        depth += (sign in "[{") - (sign in "]}")
        if sign in "]}" and len(made) > 1 and made[-1] == "," and made[-2] not in "[{,:":
            made.pop()
        made.append(sign)
    return " ".join(made)


_QUOTE: Final = re.compile(r'\\.|"', re.DOTALL)


def _escaped_quote(found: re.Match[str]) -> str:
    return '\\"' if found[0] == '"' else found[0]


def parse(text: str, lenient: bool = False) -> Any:
    """The value a text begins with; what follows it does not count. lenient: also as json-c reads it. Raises ValueError."""
    text = text.lstrip(" \t\r\n")
    if lenient:
        try:
            return parse(text)
        except ValueError:
            text = _strict(text)
    try:
        if text.isascii() and "\\u" not in text:
            return _DECODER.raw_decode(text)[0]
        return _own(_DECODER.raw_decode(text.encode("latin-1").decode("utf-8", "surrogateescape"))[0])
    except RecursionError:
        raise ValueError("nested too deep") from None


_ESCAPES: Final[dict[int, str]] = {
    **{code: f"\\u{code:04x}" for code in range(32)},
    8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\",
}
_ESCAPES_SLASH: Final[dict[int, str]] = {**_ESCAPES, 47: "\\/"}


def quoted(text: str, slashes: bool = True) -> str:
    """A string in quotes; slashes: with a backslash before each /, as the variables write them."""
    return f'"{text.translate(_ESCAPES_SLASH if slashes else _ESCAPES)}"'


def _scalar(value: Any, slashes: bool) -> str:
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, Real | int):
        return str(value)
    return quoted(value, slashes)


def write(value: Any, style: int = SPACED, slashes: bool = True) -> str:
    """A value as text. Raises ValueError for a document that contains itself (json_link())."""
    try:
        return _write(value, style, slashes, 0)
    except RecursionError:
        raise ValueError("the document contains itself, or is nested too deep") from None


def _write(value: Any, style: int, slashes: bool, level: int) -> str:
    if isinstance(value, dict):
        colon = ": " if style == SPACED else ":"
        parts = [
            f"{quoted(key, slashes)}{colon}{_write(item, style, slashes, level + 1)}" for key, item in value.items()
        ]
        opening, closing = "{", "}"
    elif isinstance(value, list):
        parts = [_write(item, style, slashes, level + 1) for item in value]
        opening, closing = "[", "]"
    else:
        return _scalar(value, slashes)
    if style == COMPACT:
        return f"{opening}{','.join(parts)}{closing}"
    if style == SPACED:
        return f"{opening} {', '.join(parts)} {closing}" if parts else f"{opening} {closing}"
    if not parts:
        return opening + closing
    indent = "  " * (level + 1)
    inside = f",\n{indent}".join(parts)
    return f"{opening}\n{indent}{inside}\n{'  ' * level}{closing}"


def merge(target: Any, patch: Any) -> Any:
    """JSON merge patch (RFC 7396): members of patch replace those of target, null removes them."""
    if not isinstance(patch, dict):
        return patch
    made = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            made.pop(key, None)
        else:
            made[key] = merge(made.get(key), value)
    return made


def shortest(value: Any) -> Any:
    """The same value with Real numbers written as short as they can be, as json_merge() gives them."""
    if isinstance(value, Real):
        number = float(value)
        for digits in (15, 17):
            text = f"{number:.{digits}g}"
            if float(text) == number:
                return Real(text)
        return None
    if isinstance(value, dict):
        return {key: shortest(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shortest(item) for item in value]
    return value
