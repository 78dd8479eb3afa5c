"""Lexical helpers that several parsers share: quoted strings, parameter lists and comma lists.

White space inside a value may contain a fold (CRLF followed by a blank, RFC 3261 section 7.3.1), so blanks are always all of
" \\t\\r\\n". Text is latin-1: one character is one byte. Every pattern is linear in its input: runs are possessive, because what
they read comes from the network.
"""

import re
from typing import Final

from engine.errors import SipParseError

BLANKS: Final = " \t\r\n"

# RFC 3261 25.1 quoted-string; an unclosed one reaches to the end, which its users check.
_QUOTED_OR_SEMICOLON: Final = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\Z)|;', re.DOTALL)
_SHIELDED_OR_COMMA: Final = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\Z)|<[^>]*+(?:>|\Z)|,', re.DOTALL)
_BALANCED: Final = re.compile(r'[^"]*+(?:"(?:[^"\\]|\\.)*+"[^"]*+)*+', re.DOTALL)


def is_balanced(text: str) -> bool:
    """Whether every double quote of the text is closed."""
    return '"' not in text or _BALANCED.fullmatch(text) is not None


def split_params(text: str) -> list[str]:
    """The pieces between semicolons, quoted semicolons respected, as written."""
    if '"' not in text:
        return text.split(";")
    pieces: list[str] = []
    start = 0
    for match in _QUOTED_OR_SEMICOLON.finditer(text):
        if text[match.start()] == ";":
            pieces.append(text[start:match.start()])
            start = match.end()
    pieces.append(text[start:])
    return pieces


def comma_spans(text: str) -> list[tuple[int, int]]:
    """Start and end of each element of a comma list, commas inside quotes and angle brackets respected, blanks trimmed.

    Empty elements are left out, as RFC 3261's tolerance for lists (section 7.3.1) suggests.
    """
    cuts: list[int] = []
    if "," in text:
        if '"' in text or "<" in text:
            cuts = [match.start() for match in _SHIELDED_OR_COMMA.finditer(text) if text[match.start()] == ","]
        else:
            cuts = [at for at, char in enumerate(text) if char == ","]
    spans: list[tuple[int, int]] = []
    start = 0
    for cut in [*cuts, len(text)]:
        piece = text[start:cut]
        left = start + len(piece) - len(piece.lstrip(BLANKS))
        right = left + len(piece.strip(BLANKS))
        if right > left:
            spans.append((left, right))
        start = cut + 1
    return spans


def split_commas(text: str) -> list[str]:
    """The elements of a comma list, trimmed; commas inside quotes and angle brackets do not separate."""
    return [text[start:end] for start, end in comma_spans(text)]


def unquote(text: str) -> str:
    """The text without its surrounding double quotes; escapes inside stay as written, as in OpenSIPS."""
    if len(text) >= 2 and text[0] == '"' and text[-1] == '"':
        return text[1:-1]
    return text


def unescape_quoted(text: str) -> str:
    """The content of a quoted string: quotes removed, backslash escapes undone (RFC 3261 25.1 quoted-pair)."""
    inner = unquote(text)
    return re.sub(r"\\(.)", r"\1", inner, flags=re.DOTALL) if "\\" in inner else inner


def quote(text: str) -> str:
    """The text as a quoted string, backslashes and quotes escaped."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def find_param(params: str, name: str) -> str | None:
    """Value of the first parameter of that name (lower case) in "a=1;b": "" without a value, None when absent.

    Names match without regard to case; the quotes of a quoted value are removed.
    """
    if name not in params and name not in params.lower():
        return None
    pieces = params.split(";") if '"' not in params else split_params(params)
    for piece in pieces:
        key, _, value = piece.partition("=")
        if key == name or key.strip(BLANKS).lower() == name:
            value = value.strip(BLANKS)
            return unquote(value) if value[:1] == '"' else value
    return None


def param_span(params: str, name: str) -> tuple[int, int] | None:
    """Where the first parameter of that name stands in "a=1;b": start of its name, end of its value; None when absent."""
    start = 0
    for piece in split_params(params):
        if piece.partition("=")[0].strip(BLANKS).lower() == name:
            left = start + len(piece) - len(piece.lstrip(BLANKS))
            return left, start + len(piece.rstrip(BLANKS))
        start += len(piece) + 1
    return None


def parse_params(text: str) -> list[tuple[str, str | None]]:
    """All parameters of "a=1;b": names as written, values without their quotes, None for a parameter without a value.

    A leading semicolon is allowed. Raises SipParseError for an empty piece, a name without text, "a=" and open quotes.
    """
    body = text.strip(BLANKS)
    if body[:1] == ";":
        body = body[1:]
    if not is_balanced(body):
        raise SipParseError("open quote in parameters")
    found: list[tuple[str, str | None]] = []
    if not body.strip(BLANKS):
        return found
    for piece in split_params(body):
        key, equals, value = piece.partition("=")
        name = key.strip(BLANKS)
        if not name:
            raise SipParseError("parameter without a name")
        if not equals:
            found.append((name, None))
            continue
        stripped = value.strip(BLANKS)
        if not stripped:
            raise SipParseError(f"parameter {name} without a value behind its equals sign")
        found.append((name, unquote(stripped)))
    return found


MAX_NUMBER: Final = 2**32 - 1
"""The largest CSeq number there is in practice; RFC 3261 8.1.1.5 wants less than 2**31."""


def capped_number(digits: str, most: int) -> int:
    """The number written by decimal digits, `most` when it is larger. However many digits there are, few are read."""
    significant = digits.lstrip("0")
    return most if len(significant) > 18 else min(int(significant or "0"), most)


def has_control(text: str) -> bool:
    """Whether the text holds a line break or NUL, which would end a header early if it were written into a message."""
    return "\n" in text or "\r" in text or "\0" in text
