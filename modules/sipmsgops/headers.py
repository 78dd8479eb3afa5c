"""Headers and methods: append_hf, insert_hf, remove_hf*, is_present_hf, append_to_reply, is_method, has_totag ..."""

from __future__ import annotations

import fnmatch
import re
import time
from email.utils import formatdate
from typing import Annotated, Any

from engine.module import BRANCH, ERROR, FAILURE, LOCAL, ONREPLY, REQUEST, ConfigError, Context, Pattern, Var, function
from engine.registry import nearest
from engine.sip.message import Message, Request, Response
from engine.sip.names import METHODS, canonical
from modules.shared.jsontext import COMPACT, write

MESSAGE_ROUTES = REQUEST | ONREPLY | FAILURE | BRANCH | LOCAL

PRIVACY_TYPES = frozenset({"header", "session", "user", "none", "critical", "id", "history"})


def methods(text: str) -> frozenset[str]:
    """Fixup of is_method(): "INVITE|ACK" as a set; names compare without case."""
    names = frozenset(name.strip().upper() for name in text.split("|"))
    if "" in names:
        raise ConfigError(f"is_method(): empty method name in {text!r}")
    unknown = sorted(names - METHODS)
    if len(names) > 1 and unknown:
        raise ConfigError(f"is_method(): a list may name known methods only, not {unknown[0]}", hint=nearest(unknown[0], METHODS))
    return names


def privacy(text: str) -> str:
    """Fixup of is_privacy(): one of the registered privacy types."""
    if text.lower() not in PRIVACY_TYPES:
        raise ConfigError(f"is_privacy(): unknown privacy type {text!r}", hint="one of " + ", ".join(sorted(PRIVACY_TYPES)))
    return text.lower()


def remove_headers(ctx: Context, positions: list[int]) -> bool:
    """Record the removal of these header lines; False when there is none (left)."""
    msg = ctx.msg
    edits = ctx.new_edits()
    removed = False
    for position in positions:
        start, end = msg.span(position)
        if not edits.is_removed(start, end):
            edits.remove(start, end)
            removed = True
    return removed


def end_of_headers(msg: Message) -> int:
    """Where a header appended without a place goes: just before the empty line."""
    return msg.headers_end


class HeaderFunctions:
    """The functions of this topic."""

    @function(MESSAGE_ROUTES, hdr=canonical)
    def append_hf(self, ctx: Context, txt: str, hdr: str | None = None) -> int:
        """Add the text as header behind the last one, or behind the first `hdr` (at the end when there is none).

        txt ends with CRLF. Appended texts keep the order of the calls. 1.
        """
        msg = ctx.msg
        at = end_of_headers(msg)
        if hdr is not None:
            places = msg.positions(hdr)
            if places:
                at = msg.span(places[0])[1]
        ctx.new_edits().insert(at, txt)
        return 1

    @function(MESSAGE_ROUTES, hdr=canonical)
    def insert_hf(self, ctx: Context, txt: str, hdr: str | None = None) -> int:
        """Add the text as header in front of the first header, or of the first `hdr` (at the end when there is none). 1."""
        msg = ctx.msg
        if hdr is None:
            at = msg.span(0)[0]
        else:
            places = msg.positions(hdr)
            at = msg.span(places[0])[0] if places else end_of_headers(msg)
        ctx.new_edits().insert(at, txt)
        return 1

    @function(REQUEST | FAILURE | BRANCH)
    def append_urihf(self, ctx: Context, prefix: str, suffix: str) -> int:
        """Append a header made of prefix, the Request-URI as received and suffix. 1."""
        msg: Request = ctx.msg  # type: ignore[assignment]
        ctx.new_edits().insert(end_of_headers(msg), f"{prefix}{msg.request_uri}{suffix}")
        return 1

    @function(MESSAGE_ROUTES, hname=canonical)
    def remove_hf(self, ctx: Context, hname: str) -> bool:
        """Remove all headers of that name. 1 when one was found, -1 otherwise."""
        return remove_headers(ctx, ctx.msg.positions(hname))

    @function(MESSAGE_ROUTES)
    def remove_hf_re(self, ctx: Context, hname_expr: Pattern) -> bool:
        """Remove all headers whose name (as written) matches the expression. 1 / -1."""
        msg = ctx.msg
        return remove_headers(ctx, [
            i for i in range(len(msg.names)) if hname_expr.search(msg.name_as_written(i))
        ])

    @function(MESSAGE_ROUTES)
    def remove_hf_glob(self, ctx: Context, hname_pattern: str) -> bool:
        """Remove all headers whose name matches the shell pattern, case ignored. 1 / -1."""
        wanted = re.compile(fnmatch.translate(hname_pattern), re.IGNORECASE)
        msg = ctx.msg
        return remove_headers(ctx, [i for i in range(len(msg.names)) if wanted.match(msg.name_as_written(i))])

    @function(MESSAGE_ROUTES, hf_name=canonical)
    def is_present_hf(self, ctx: Context, hf_name: str) -> bool:
        """Is there a header of that name (long or compact for the names SIP knows)? 1 / -1."""
        return hf_name in ctx.msg.names

    @function(MESSAGE_ROUTES)
    def sip_to_json(self, ctx: Context, out_var: Var) -> int:
        """The message as received, as JSON: first_line, headers (name as first written: list of values), body. 1 / -1."""
        msg = ctx.msg
        names: dict[str, str] = {}
        headers: dict[str, list[str]] = {}
        for i in range(len(msg.names)):
            written = msg.name_as_written(i)
            headers.setdefault(names.setdefault(written.lower(), written), []).append(msg.value(i))
        document: dict[str, Any] = {"first_line": msg.text[:msg.first_line_end], "headers": headers}
        if msg.body:
            document["body"] = msg.body
        if out_var.set is None:
            return -1
        out_var.set(ctx, write(document, COMPACT, slashes=False))
        return 1

    @function(MESSAGE_ROUTES)
    def get_glob_headers_values(self, ctx: Context, hname_pattern: str, names: Var, values: Var) -> int:
        """Collect names and values of the headers whose name matches the shell pattern into two AVPs. 1; -1 none."""
        wanted = re.compile(fnmatch.translate(hname_pattern), re.IGNORECASE)
        msg = ctx.msg
        found = False
        for i in range(len(msg.names)):
            name = msg.name_as_written(i)
            if wanted.match(name):
                found = True
                if names.set is not None and values.set is not None:
                    names.set(ctx, name)
                    values.set(ctx, msg.value(i))
        return 1 if found else -1

    @function(REQUEST | FAILURE | BRANCH | ERROR)
    def append_to_reply(self, ctx: Context, txt: str) -> int:
        """Add the text (header with CRLF) to the reply this server will make for the request. 1."""
        if ctx.reply_headers is None:
            ctx.reply_headers = [txt]
        else:
            ctx.reply_headers.append(txt)
        return 1

    @function(REQUEST | FAILURE | BRANCH | LOCAL)
    def append_time(self, ctx: Context) -> int:
        """Add a Date header to the reply this server will make. 1."""
        return self.append_to_reply(ctx, f"Date: {formatdate(time.time(), usegmt=True)}\r\n")

    @function(MESSAGE_ROUTES, wanted=methods)
    def is_method(self, ctx: Context, wanted: Annotated[frozenset[str], "str"]) -> bool:
        """Is the method (of a reply: that of its CSeq) the given one, or one of "INVITE|ACK"? 1 / -1."""
        method: str | None = ctx.msg.method  # type: ignore[attr-defined]
        return method in wanted or (method is not None and method.upper() in wanted)

    @function(MESSAGE_ROUTES)
    def has_totag(self, ctx: Context) -> bool:
        """Has the To header a tag? 1 / -1."""
        return bool(ctx.msg.to_tag)

    @function(MESSAGE_ROUTES, privacy_type=privacy)
    def is_privacy(self, ctx: Context, privacy_type: str) -> bool:
        """Is the type among the values of the Privacy header (RFC 3323)? 1 / -1."""
        value = ctx.msg.header("privacy")
        return value is not None and privacy_type in {part.strip().lower() for part in re.split("[;,]", value)}

    @function(ONREPLY)
    def change_reply_status(self, ctx: Context, code: int, reason: str) -> int:
        """Give a reply another status code and reason before it is relayed. Code and new code must both be below 300 or
        both above. 1 / -1."""
        response: Response = ctx.msg  # type: ignore[assignment]
        if not 100 <= code <= 699 or (response.status_code < 300) != (code < 300):
            return -1
        line_end = response.text.index("\n") + 1
        ctx.new_edits().replace(0, line_end, f"{response.version} {code} {reason}\r\n")
        # The one field of a received message that changes: tm picks replies by it, and $rs shows it.
        response.status_code = code
        response.reason_phrase = reason
        return 1
