"""The Request-URI as changed so far ($ru ...) and as received ($ou ...), the destination ($du ...), $path and $ds."""

from __future__ import annotations

from engine.errors import ScriptError, SipParseError
from engine.module import Module, pvar
from engine.script.branches import contact_values
from engine.script.context import Context
from engine.script.faults import note_fault
from engine.script.ruri import (
    read_uri,
    set_destination_host,
    set_destination_port,
    set_host,
    set_port,
    set_ruri,
    set_user,
)
from engine.script.values import TextNumber, Value, number_of, print_of, text_of
from engine.script.variables.common import protocol_value, required_text
from engine.sip.uri import SipUri


def _port(uri: SipUri) -> Value:
    """The port as text with a number, the default of the transport as plain number."""
    return uri.port_or_default if uri.port is None else TextNumber(str(uri.port), uri.port)


def _protocol(uri: SipUri) -> Value:
    """The transport parameter as written, else what the scheme means."""
    return protocol_value((uri.param("transport") if uri.params else None) or uri.proto)


def _ruri(ctx: Context) -> SipUri | None:
    """The Request-URI by its parts, None (and a pending fault) when it cannot be read."""
    text = ctx.ruri
    if text is None:
        return None
    try:
        return read_uri(text)
    except SipParseError as error:
        note_fault(ctx, "r-uri", error)
        return None


def _received(ctx: Context) -> SipUri | None:
    """The Request-URI as received by its parts."""
    msg = ctx.msg
    if not msg.is_request:
        return None
    try:
        return read_uri(msg.request_uri)  # type: ignore[attr-defined]
    except SipParseError as error:
        note_fault(ctx, "r-uri", error)
        return None


def _destination(ctx: Context) -> SipUri | None:
    text = ctx.dst_uri
    if text is None:
        return None
    try:
        return read_uri(text)
    except SipParseError:
        ctx.server.log.error("bad destination <%s>", text)
        return None


def _port_text(value: Value) -> str:
    """A port as assigned: a number, a text, NULL for none."""
    if value is None:
        return ""
    number = number_of(value)
    return print_of(value) if number is None else str(number)


class UriVariables(Module):
    """$ru, $ou, $du and their parts."""

    @pvar("ru", "ruri", text_only=True)
    def ru(self, ctx: Context) -> Value:
        """The Request-URI; NULL on replies and when it is no URI."""
        uri = _ruri(ctx)
        return None if uri is None else uri.text

    @ru.setter
    def set_ru(self, ctx: Context, value: Value) -> None:
        set_ruri(ctx, required_text(value, "$ru"))

    @pvar("rU", "ruri.user", text_only=True)
    def ru_user(self, ctx: Context) -> Value:
        """User of the Request-URI; for tel the number."""
        uri = _ruri(ctx)
        return None if uri is None else uri.user or None

    @ru_user.setter
    def set_ru_user(self, ctx: Context, value: Value) -> None:
        set_user(ctx, "" if value is None else required_text(value, "$rU"))

    @pvar("rd", "ruri.domain", text_only=True)
    def ru_domain(self, ctx: Context) -> Value:
        """Host of the Request-URI."""
        uri = _ruri(ctx)
        return None if uri is None else uri.host or None

    @ru_domain.setter
    def set_ru_domain(self, ctx: Context, value: Value) -> None:
        set_host(ctx, required_text(value, "$rd"))

    @pvar("rp")
    def ru_port(self, ctx: Context) -> Value:
        """Port of the Request-URI, else the default of its transport."""
        uri = _ruri(ctx)
        return None if uri is None else _port(uri)

    @ru_port.setter
    def set_ru_port(self, ctx: Context, value: Value) -> None:
        set_port(ctx, _port_text(value))

    @pvar("rP")
    def ru_protocol(self, ctx: Context) -> Value:
        """Transport of the Request-URI."""
        uri = _ruri(ctx)
        return None if uri is None else _protocol(uri)

    @pvar("ru_q")
    def ru_q(self, ctx: Context) -> Value:
        """q of the Request-URI in thousandths, -1 when unset."""
        return ctx.q if ctx.msg.is_request else None

    @ru_q.setter
    def set_ru_q(self, ctx: Context, value: Value) -> None:
        number = None if value is None else number_of(value)
        if number is None:
            raise ScriptError("$ru_q takes a number")
        ctx.q = min(number, 1000)

    @pvar("ou", "ouri")
    def ou(self, ctx: Context) -> Value:
        """The Request-URI as received."""
        msg = ctx.msg
        return msg.request_uri if msg.is_request else None  # type: ignore[attr-defined,no-any-return]

    @pvar("oU")
    def ou_user(self, ctx: Context) -> Value:
        """Its user."""
        uri = _received(ctx)
        return None if uri is None else uri.user or None

    @pvar("od")
    def ou_domain(self, ctx: Context) -> Value:
        """Its host."""
        uri = _received(ctx)
        return None if uri is None else uri.host or None

    @pvar("op")
    def ou_port(self, ctx: Context) -> Value:
        """Its port or the default."""
        uri = _received(ctx)
        return None if uri is None else _port(uri)

    @pvar("oP")
    def ou_protocol(self, ctx: Context) -> Value:
        """Its transport."""
        uri = _received(ctx)
        return None if uri is None else _protocol(uri)

    @pvar("du", "duri", text_only=True, inline=lambda name: "ctx.dst_uri")
    def du(self, ctx: Context) -> Value:
        """The destination; NULL when unset."""
        return ctx.dst_uri

    @du.setter
    def set_du(self, ctx: Context, value: Value) -> None:
        ctx.dst_uri = None if value is None else required_text(value, "$du") or None

    @pvar("dd", text_only=True)
    def du_domain(self, ctx: Context) -> Value:
        """Host of the destination."""
        uri = _destination(ctx)
        return None if uri is None else uri.host or None

    @du_domain.setter
    def set_du_domain(self, ctx: Context, value: Value) -> None:
        set_destination_host(ctx, required_text(value, "$dd"))

    @pvar("dp")
    def du_port(self, ctx: Context) -> Value:
        """Port of the destination or the default."""
        uri = _destination(ctx)
        return None if uri is None else _port(uri)

    @du_port.setter
    def set_du_port(self, ctx: Context, value: Value) -> None:
        set_destination_port(ctx, _port_text(value))

    @pvar("dP")
    def du_protocol(self, ctx: Context) -> Value:
        """Transport of the destination."""
        uri = _destination(ctx)
        return None if uri is None else _protocol(uri)

    @pvar("path")
    def path(self, ctx: Context) -> Value:
        """The Path vector of the Request-URI's branch."""
        return text_of(ctx.path) or None

    @pvar("ds")
    def ds(self, ctx: Context) -> Value:
        """The destinations as the Contact header of a redirect."""
        values = contact_values(ctx)
        return None if values is None else f"Contact: {values}"
