"""The body as its parts: one part per Content-Type, or those of a multipart body, as edited so far in this run.

body.py and codecs.py read and write the body through here; what is written is recorded as edits of the message.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from engine.module import Context
from engine.sip import multipart


@dataclass(slots=True)
class Part:
    """One body part."""

    headers: str
    """Header lines with CRLF, Content-Type first."""
    mime: str
    """Lower-case type/subtype."""
    content: str


class Body:
    """The parts of a message's body while a run edits them (ctx.slots["sipmsgops"])."""

    __slots__ = ("parts", "boundary", "mixed", "typed")

    def __init__(self, parts: list[Part], boundary: str, mixed: bool) -> None:
        self.parts = parts
        self.boundary = boundary
        self.mixed = mixed
        """It came as multipart."""
        self.typed: tuple[int, int, str] | None = None
        """The change that says its Content-Type; None while the received one holds."""

    def text(self) -> str:
        """The body as it goes on the wire."""
        if len(self.parts) == 1 and not self.mixed:
            return self.parts[0].content
        if not self.parts:
            return ""
        pieces = [f"--{self.boundary}\r\n{part.headers}\r\n{part.content}\r\n" for part in self.parts]
        return "".join(pieces) + f"--{self.boundary}--\r\n"


def body_of(ctx: Context) -> Body:
    """The parts of this run's body, split on first use."""
    if ctx.slots is not None and "sipmsgops" in ctx.slots:
        return ctx.slots["sipmsgops"]
    msg = ctx.msg
    content_type = msg.header("content-type") or ""
    content = msg.body
    mark = multipart.boundary(content_type)
    if not content:
        made = Body([], "", False)
    elif mark is not None:
        found = multipart.parts(content, content_type)
        made = Body([Part(part.headers, part.mime_type, part.body) for part in found], mark, True)
    else:
        made = Body([Part(f"Content-Type: {content_type}\r\n", multipart.mime_type(content_type), content)], "", False)
    if ctx.slots is None:
        ctx.slots = {}
    ctx.slots["sipmsgops"] = made
    return made


def unused_boundary(parts: list[Part]) -> str:
    """A delimiter that none of the parts contains (RFC 2046 5.1.1), in the form OpenSIPS gives it."""
    number = 10 + secrets.randbelow(90)
    while any(f"OSS-unique-boundary-{number}" in part.content for part in parts):
        number += 1
    return f"OSS-unique-boundary-{number}"


def store(ctx: Context, body: Body) -> None:
    """Record the body's present state, and a Content-Type that fits it."""
    edits = ctx.new_edits()
    if body.parts and not body.mixed and len(body.parts) > 1:
        body.mixed = True
        body.boundary = unused_boundary(body.parts)
        _set_type(ctx, body, f"Content-Type: multipart/mixed;boundary={body.boundary}\r\n")
    elif not body.mixed and body.parts and (body.typed is not None or not ctx.msg.has("content-type")):
        _set_type(ctx, body, body.parts[0].headers)
    elif not body.parts:
        body.mixed = False
        _set_type(ctx, body, "")
    edits.replace_body(body.text())


def _set_type(ctx: Context, body: Body, lines: str) -> None:
    """Put these header lines in the place of Content-Type, and of what was put there before."""
    msg = ctx.msg
    edits = ctx.new_edits()
    if body.typed is not None and body.typed in edits.changes:
        edits.changes.remove(body.typed)
    places = msg.positions("content-type")
    start, end = msg.span(places[0]) if places else (msg.headers_end, msg.headers_end)
    if places or lines:
        body.typed = (start, end, lines)
        edits.replace(start, end, lines)


def current_sdp(ctx: Context) -> str | None:
    """The SDP of this run's body, or None."""
    return next((part.content for part in body_of(ctx).parts if part.mime == "application/sdp"), None)


def store_sdp(ctx: Context, sdp: str) -> None:
    """Replace the SDP and record the body."""
    body = body_of(ctx)
    for part in body.parts:
        if part.mime == "application/sdp":
            part.content = sdp
            break
    store(ctx, body)
