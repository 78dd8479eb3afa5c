"""$sdp and its lines: read and change a session description line by line, token by token.

A place is written STREAM[k]/PREFIX[i]/TOKEN[j]: of the media sections that begin with STREAM the k-th, of its lines that begin
with PREFIX the i-th, of that line's blank-separated words that begin with TOKEN the j-th. An empty text fits everything, no
prefix at all means the first line. Changes are seen by later reads and go out as a new body.
"""

from __future__ import annotations

import re
from typing import Any, Final

from engine.errors import ScriptError, SipParseError
from engine.module import Module, pvar
from engine.script.context import Context
from engine.script.values import Value
from engine.script.variables.common import required_text
from engine.sip import multipart

_SDP: Final = "application/sdp"
_LINE: Final = re.compile(r"[^\n]*\n|[^\n]+")
_WORDS: Final = ("insert", "insertAfter")


class Match:
    """One step of a place: a prefix and the number among those that fit."""

    __slots__ = ("prefix", "index", "given")

    def __init__(self, prefix: str = "", index: int = 0, given: bool = False) -> None:
        self.prefix = prefix.lower()
        self.index = index
        self.given = given


class Place:
    """A parsed name: stream (None for $sdp.line and $sdp.session), line, token."""

    __slots__ = ("stream", "line", "token")

    def __init__(self, stream: Match | None, line: Match, token: Match) -> None:
        self.stream = stream
        self.line = line
        self.token = token


def _step(text: str) -> Match:
    prefix, bracket, rest = text.partition("[")
    if not bracket:
        return Match(text.lstrip(), 0, True)
    inner, closing, behind = rest.partition("]")
    number = inner.strip()
    if not closing or behind.strip() or not (number.isascii() and number.isdigit()):
        raise ValueError(f"bad index in {text!r}")
    return Match(prefix.lstrip(), int(number), True)


def _steps(text: str) -> list[Match]:
    """The steps between slashes; `\\/` is a slash of a prefix."""
    pieces: list[str] = [""]
    at = 0
    while at < len(text):
        char = text[at]
        if char == "\\" and text[at + 1:at + 2] in ("/", "\\"):
            pieces[-1] += text[at + 1]
            at += 2
            continue
        if char == "/":
            pieces.append("")
        else:
            pieces[-1] += char
        at += 1
    return [_step(piece) for piece in pieces]


def parse_line(text: str) -> Place:
    """PREFIX[i]/TOKEN[j]."""
    steps = _steps(text)
    if len(steps) > 2:
        raise ValueError("the form is PREFIX[i]/TOKEN[j]")
    return Place(None, steps[0], steps[1] if len(steps) > 1 else Match())


def parse_stream(text: str) -> Place:
    """STREAM[k]/PREFIX[i]/TOKEN[j]."""
    steps = _steps(text)
    if len(steps) > 3:
        raise ValueError("the form is STREAM[k]/PREFIX[i]/TOKEN[j]")
    steps += [Match() for _ in range(3 - len(steps))]
    return Place(steps[0], steps[1], steps[2])


def _current(ctx: Context) -> tuple[str, int, int] | None:
    """The whole body as changed so far and the span of the SDP in it; None when there is no SDP."""
    msg = ctx.msg
    try:
        body = ctx.edits.body if ctx.edits is not None and ctx.edits.body is not None else msg.body
    except SipParseError:
        return None
    for part in multipart.parts(body, msg.header("content-type")):
        if part.mime_type == _SDP:
            return body, part.start, part.end
    return None


def _lines(text: str) -> list[str]:
    """The lines with their ends."""
    return _LINE.findall(text)


def _is_media(line: str) -> bool:
    return line[:2].lower() == "m="


def _range(lines: list[str], stream: Match | None, session: bool) -> tuple[int, int] | None:
    """First and last+1 line among which the prefix is looked for."""
    if stream is None:
        if not session:
            return 0, len(lines)
        for at, line in enumerate(lines):
            if _is_media(line):
                return 0, at
        return 0, len(lines)
    left = stream.index
    for at, line in enumerate(lines):
        if _is_media(line) and line[2:].lower().startswith(stream.prefix):
            if left:
                left -= 1
                continue
            end = at + 1
            while end < len(lines) and not _is_media(lines[end]):
                end += 1
            return at, end
    return None


def _find(lines: list[str], place: Place, session: bool) -> int | None:
    """Number of the line a place names."""
    span = _range(lines, place.stream, session)
    if span is None:
        return None
    left = place.line.index
    prefix = place.line.prefix
    for at in range(*span):
        if not prefix or lines[at].lower().startswith(prefix):
            if not left:
                return at
            left -= 1
    return None


def _token(line: str, match: Match) -> int | None:
    """Number of the word a token names."""
    left = match.index
    for at, word in enumerate(line.split()):
        if not match.prefix or word.lower().startswith(match.prefix):
            if not left:
                return at
            left -= 1
    return None


def _get(ctx: Context, place: Place, index: Any, session: bool = False) -> Value:
    if index is not None:
        ctx.server.log.error("an index behind $sdp is [insert] or [insertAfter], for writing")
        return None
    found = _current(ctx)
    if found is None:
        return None
    body, start, end = found
    lines = _lines(body[start:end])
    at = _find(lines, place, session)
    if at is None:
        return None
    line = lines[at].rstrip("\r\n")
    if not place.token.given:
        return line
    word = _token(line, place.token)
    return None if word is None else line.split()[word]


def _set(ctx: Context, place: Place, index: Any, value: Value, session: bool = False) -> None:
    """Replace, insert or (NULL) delete the line or the word a place names. Raises ScriptError when it is not there."""
    if index is not None and index not in _WORDS:
        raise ScriptError("an index behind $sdp is [insert] or [insertAfter]")
    found = _current(ctx)
    if found is None:
        raise ScriptError("the message has no session description")
    body, start, end = found
    lines = _lines(body[start:end])
    at = _find(lines, place, session)
    if at is None:
        raise ScriptError("the session description has no such line")
    ending = "\r\n" if "\r\n" in body[start:end] else "\n"
    if place.token.given and index is None:
        lines[at] = _with_token(lines[at].rstrip("\r\n"), place.token, value) + ending
    elif value is None:
        del lines[at]
    else:
        text = required_text(value, "a line of $sdp").rstrip("\r\n") + ending
        if index is None:
            lines[at] = text
        else:
            lines.insert(at if index == "insert" else at + 1, text)
    ctx.new_edits().replace_body(body[:start] + "".join(lines) + body[end:])


def _with_token(line: str, match: Match, value: Value) -> str:
    words = line.split()
    at = _token(line, match)
    if at is None:
        raise ScriptError("the line has no such word")
    if value is None:
        del words[at]
    else:
        words[at] = required_text(value, "a word of $sdp")
    return " ".join(words)


class SdpVariables(Module):
    """$sdp, $sdp.line, $sdp.session, $sdp.stream, $sdp.stream.idx."""

    @pvar("sdp", text_only=True)
    def sdp(self, ctx: Context) -> Value:
        """The session description; NULL removes it, a text replaces it or makes the first one."""
        found = _current(ctx)
        return None if found is None else found[0][found[1]:found[2]] or None

    @sdp.setter
    def set_sdp(self, ctx: Context, value: Value) -> None:
        found = _current(ctx)
        text = "" if value is None else required_text(value, "$sdp")
        edits = ctx.new_edits()
        if found is None:
            if not text:
                return
            if ctx.msg.has("content-type"):
                raise ScriptError("the message has a body of another type")
            edits.insert(ctx.msg.headers_end, f"Content-Type: {_SDP}\r\n")
            edits.replace_body(text)
            return
        body, start, end = found
        edits.replace_body(body[:start] + text + body[end:])

    @pvar("sdp.line", parse_name=parse_line, index_words=_WORDS, text_only=True)
    def line(self, ctx: Context, name: Place, index: Any) -> Value:
        """A line of the whole description."""
        return _get(ctx, name, index)

    @line.setter
    def set_line(self, ctx: Context, name: Place, index: Any, value: Value) -> None:
        _set(ctx, name, index, value)

    @pvar("sdp.session", parse_name=parse_line, index_words=_WORDS, text_only=True)
    def session(self, ctx: Context, name: Place, index: Any) -> Value:
        """A line in front of the first media section."""
        return _get(ctx, name, index, True)

    @session.setter
    def set_session(self, ctx: Context, name: Place, index: Any, value: Value) -> None:
        _set(ctx, name, index, value, True)

    @pvar("sdp.stream", parse_name=parse_stream, index_words=_WORDS, text_only=True)
    def stream(self, ctx: Context, name: Place, index: Any) -> Value:
        """A line of a media section, its m= line without a prefix."""
        return _get(ctx, name, index)

    @stream.setter
    def set_stream(self, ctx: Context, name: Place, index: Any, value: Value) -> None:
        _set(ctx, name, index, value)

    @pvar("sdp.stream.idx", parse_name=parse_stream)
    def stream_index(self, ctx: Context, name: Place) -> Value:
        """Number of that line in the whole description, from 0."""
        found = _current(ctx)
        if found is None:
            return None
        return _find(_lines(found[0][found[1]:found[2]]), name, False)
