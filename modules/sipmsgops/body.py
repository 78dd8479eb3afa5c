"""Bodies and their parts: has_body, add, remove and get back parts."""

from __future__ import annotations

from engine.module import BRANCH, ERROR, FAILURE, REQUEST, ConfigError, Context, Var, function
from engine.sip.multipart import mime_type
from modules.sipmsgops.headers import MESSAGE_ROUTES
from modules.sipmsgops.parts import Part, body_of, store


def mime(text: str) -> str:
    """Fixup: a MIME type "type/subtype"."""
    kind = mime_type(text)
    if kind.count("/") != 1 or kind.startswith("/") or kind.endswith("/"):
        raise ConfigError(f"{text!r} is no MIME type", hint='write it as "application/sdp"')
    return kind


def revert(text: str) -> bool:
    """Fixup of remove_body_part(): the word "revert"."""
    if text.lower() != "revert":
        raise ConfigError(f'remove_body_part(): second parameter is {text!r}, the only word it takes is "revert"')
    return True


class BodyFunctions:
    """The functions of this topic."""

    @function(MESSAGE_ROUTES, type=mime)
    def has_body(self, ctx: Context, type: str | None = None) -> bool:
        """Has the message a body part of that MIME type? A multipart type is that of the whole body. Without a type: true for
        every message, as in 3.6. 1 / -1."""
        if type is not None and type.startswith("multipart/"):
            return mime_type(ctx.msg.header("content-type") or "") == type
        return type is None or any(part.mime == type for part in body_of(ctx).parts)

    @function(MESSAGE_ROUTES, type=mime)
    def has_body_part(self, ctx: Context, type: str | None = None) -> bool:
        """The same under its newer name. 1 / -1."""
        return self.has_body(ctx, type)

    @function(MESSAGE_ROUTES, type=mime, keep=revert)
    def remove_body_part(self, ctx: Context, type: str | None = None, keep: str | None = None) -> int:
        """Remove the parts of that type, all parts without a type, all others with "revert". 1; -1 nothing removed."""
        body = body_of(ctx)
        if type is None:
            kept = []
        elif keep:
            kept = [part for part in body.parts if part.mime == type]
        else:
            kept = [part for part in body.parts if part.mime != type]
        if len(kept) == len(body.parts):
            return -1
        body.parts = kept
        store(ctx, body)
        return 1

    @function(MESSAGE_ROUTES)
    def add_body_part(self, ctx: Context, body: str, type: str, headers: str | None = None) -> int:
        """Add a part; a message that has a body already becomes multipart/mixed. headers: more lines with CRLF. 1."""
        parts = body_of(ctx)
        parts.parts.append(Part(f"Content-Type: {type}\r\n{headers or ''}", mime_type(type), body))
        store(ctx, parts)
        return 1

    @function(MESSAGE_ROUTES, type=mime)
    def get_updated_body_part(self, ctx: Context, type: str | None, value: Var) -> int:
        """The part of that type (the whole body without one) with all changes made so far, into a variable. 1 / -1."""
        body = body_of(ctx)
        text = body.text() if type is None else next((part.content for part in body.parts if part.mime == type), None)
        if text is None or value.set is None:
            return -1
        value.set(ctx, text)
        return 1

    @function(REQUEST | FAILURE | BRANCH | ERROR)
    def append_body_to_reply(self, ctx: Context, body: str) -> int:
        """Give the reply this server will make a body; its Content-Type is append_to_reply()'s matter. 1; -1: has one."""
        if ctx.reply_body is not None:
            return -1
        ctx.reply_body = body
        return 1
