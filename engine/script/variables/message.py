"""The message as a whole: method, status, body and buffer, flags."""

from __future__ import annotations

from typing import Any

from engine.errors import ScriptError, SipParseError
from engine.module import ALL_INDEXES, Module, pvar
from engine.script.context import Context
from engine.script.faults import note_fault
from engine.script.values import Value, number_of
from engine.script.variables.common import method_value
from engine.script.variables.storage import FALSE, TRUE
from engine.sip import multipart


def flag_number(value: Value, what: str) -> int:
    """What a flag is set to; ScriptError for anything but a number."""
    number = None if value is None or isinstance(value, str) else number_of(value)
    if number is None:
        raise ScriptError(f"{what} takes a number")
    return number


class MessageVariables(Module):
    """$rm, $rs, $ci, $rb ..."""

    @pvar("rm")
    def method(self, ctx: Context) -> Value:
        """The method; of a reply the one in CSeq."""
        try:
            name = ctx.msg.method  # type: ignore[attr-defined]
        except SipParseError as error:
            note_fault(ctx, "CSeq", error)
            return None
        return None if name is None else method_value(name)

    @pvar("rs")
    def status(self, ctx: Context) -> Value:
        """Status code of a reply."""
        return None if ctx.msg.is_request else ctx.msg.status_code  # type: ignore[attr-defined,no-any-return]

    @pvar("rr")
    def reason(self, ctx: Context) -> Value:
        """Reason phrase of a reply."""
        return None if ctx.msg.is_request else ctx.msg.reason_phrase  # type: ignore[attr-defined,no-any-return]

    @pvar("ci", inline=lambda name: "ctx.msg.call_id")
    def call_id(self, ctx: Context) -> Value:
        """Call-ID."""
        return ctx.msg.call_id

    @pvar("cs")
    def cseq(self, ctx: Context) -> Value:
        """CSeq number as text."""
        try:
            return ctx.msg.cseq_number
        except SipParseError as error:
            note_fault(ctx, "CSeq", error)
            return None

    @pvar("cl")
    def content_length(self, ctx: Context) -> Value:
        """Content-Length."""
        try:
            return ctx.msg.content_length
        except SipParseError as error:
            note_fault(ctx, "Content-Length", error)
            return None

    @pvar("mb")
    def buffer(self, ctx: Context) -> Value:
        """The whole message as received."""
        return ctx.msg.text

    @pvar("ml")
    def length(self, ctx: Context) -> Value:
        """Its length in bytes."""
        return len(ctx.msg.text)

    @pvar("msg.is_request")
    def is_request(self, ctx: Context) -> Value:
        """true or false."""
        return TRUE if ctx.msg.is_request else FALSE

    @pvar("msg.type")
    def kind(self, ctx: Context) -> Value:
        """request or reply."""
        return "request" if ctx.msg.is_request else "reply"

    @pvar("rb", name="optional", parse_name=lambda text: text.partition(";")[0].strip().lower())
    def body(self, ctx: Context, name: str | None, index: Any) -> Value:
        """The body; [i] its i-th part, (type) the first part of a type, (type)[i] the i-th of that type."""
        body = _body(ctx)
        if not body or (name is None and (index is None or index == ALL_INDEXES)):
            return body or None
        parts = multipart.parts(body, ctx.msg.header("content-type"))
        if name is not None:
            parts = [part for part in parts if part.mime_type == name]
        place = 0 if index is None or index == ALL_INDEXES else index
        return parts[place].body if -len(parts) <= place < len(parts) else None

    @pvar("cT")
    def content_type(self, ctx: Context, index: Any) -> Value:
        """Content-Type as written; [i] the type of the i-th part, [*] the header's value and the types of all parts."""
        value = ctx.msg.header("content-type")
        if index is None or value is None:
            return value
        types = [part.mime_type for part in multipart.parts(_body(ctx) or "", value)]
        if index == ALL_INDEXES:
            return ",".join([value, *types])
        return types[index] if -len(types) <= index < len(types) else None

    @pvar("mf")
    def flags(self, ctx: Context) -> Value:
        """Names of the set message flags, newest name first."""
        return ctx.script.flag_names.text(ctx.flags)

    @pvar("bf")
    def branch_flags(self, ctx: Context) -> Value:
        """Names of the set flags of this branch, newest name first."""
        return ctx.script.branch_flag_names.text(ctx.branch_flags)

    @pvar("msg.flag")
    def flag(self, ctx: Context, name: str) -> Value:
        """A message flag: true or false, 1 or 0; set by a number."""
        return TRUE if ctx.flags & ctx.script.flag_names.bit(name) else FALSE

    @flag.setter
    def set_flag(self, ctx: Context, name: str, value: Value) -> None:
        bit = ctx.script.flag_names.bit(name)
        if flag_number(value, "a flag"):
            ctx.flags |= bit
        else:
            ctx.flags &= ~bit


def _body(ctx: Context) -> str | None:
    try:
        return ctx.msg.body
    except SipParseError as error:
        note_fault(ctx, "Content-Length", error)
        return None
