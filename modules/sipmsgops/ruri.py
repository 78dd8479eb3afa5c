"""Parameters of the Request-URI, tel to sip, and E.164 numbers."""

from __future__ import annotations

import re

from engine.errors import SipParseError
from engine.module import BRANCH, FAILURE, LOCAL, REQUEST, Context, function
from engine.sip.grammar import parse_params
from engine.sip.uri import parse_uri

E164 = re.compile(r"\+[0-9]{2,15}\Z")


class RuriFunctions:
    """The functions of this topic."""

    @function(REQUEST | FAILURE | BRANCH | LOCAL)
    def ruri_has_param(self, ctx: Context, param: str, value: str | None = None) -> bool:
        """Has the Request-URI that parameter with that value (without value: a parameter that has none)? 1 / -1."""
        try:
            params = parse_uri(ctx.ruri or "").params
        except SipParseError:
            return False
        for name, text in parse_params(params):
            if name == param:
                return (text or "") == (value or "")
        return False

    @function(REQUEST | FAILURE | BRANCH | LOCAL)
    def ruri_add_param(self, ctx: Context, param: str) -> int:
        """Append "name=value" to the parameters of the Request-URI (before its headers).

        -1 in all cases but an empty param (1): OpenSIPS tells success so, and scripts may have learned it.
        """
        uri = ctx.ruri or ""
        try:
            parse_uri(uri)
        except SipParseError:
            return -1
        if not param:
            return 1
        address, mark, headers = uri.partition("?")
        ctx.ruri = f"{address};{param}{mark}{headers}"
        return -1

    @function(REQUEST | FAILURE | BRANCH | LOCAL)
    def ruri_del_param(self, ctx: Context, param: str) -> int:
        """Remove the first parameter of that name from the Request-URI. 1; -1 when it was not there."""
        uri = ctx.ruri or ""
        try:
            params = parse_uri(uri).params
        except SipParseError:
            return -1
        address, mark, headers = uri.partition("?")
        if not params or not address.endswith(params):
            return -1
        front = address[: len(address) - len(params)].rstrip(";")
        parts = params.split(";")
        for i, part in enumerate(parts):
            if part.partition("=")[0] == param:
                del parts[i]
                ctx.ruri = ";".join([front, *parts]) + mark + headers
                return 1
        return -1

    @function(REQUEST | FAILURE | BRANCH | LOCAL)
    def ruri_tel2sip(self, ctx: Context) -> int:
        """Make a sip: URI of a tel: one: user is the number, host that of From.

        1 when it was no tel: URI. -1 otherwise, also after the conversion, as OpenSIPS does: look at $ru.
        """
        uri = ctx.ruri or ""
        if uri[:4].lower() != "tel:":
            return 1
        try:
            sender = ctx.msg.from_
            host = parse_uri(sender.uri).host if sender is not None else ""
        except SipParseError:
            return -1
        if not host:
            return -1
        ctx.ruri = f"sip:{uri[4:]}@{host};user=phone"
        return -1

    @function(REQUEST | FAILURE | LOCAL)
    def is_uri_user_e164(self, ctx: Context, uri: str) -> bool:
        """Is the user part of the URI an E.164 number (plus sign and 2 to 15 digits)? 1 / -1."""
        try:
            return E164.match(parse_uri(uri).user or "") is not None
        except SipParseError:
            return False
