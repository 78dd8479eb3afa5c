"""sipmsg_validate(): does a message obey RFC 3261 where it matters?"""

from __future__ import annotations

import re
from typing import Any

from engine.errors import SipParseError
from engine.module import BRANCH, FAILURE, ONREPLY, REQUEST, ConfigError, Context, Var, function
from engine.sip import sdp
from engine.sip.headers import STAR
from engine.sip.uri import SipUri, parse_uri

CONTACT_METHODS = frozenset({"INVITE", "REGISTER", "UPDATE", "SUBSCRIBE", "REFER"})
HOST = re.compile(r"(?:[A-Za-z0-9_]+(?:-+[A-Za-z0-9_]+)*(?:\.[A-Za-z0-9_]+(?:-+[A-Za-z0-9_]+)*)*\.?|\[[0-9A-Fa-f:.]+\])\Z")
USER = re.compile(r"(?:[A-Za-z0-9\-_.!~*'()&=+$,;?/]|%[0-9A-Fa-f]{2})*\Z")

REPLY_HEADERS = {
    405: (-16, "allow"), 407: (-18, "proxy-authenticate"), 420: (-19, "unsupported"), 401: (-20, "www-authenticate"),
}


class Invalid(Exception):
    """Why a message is refused: the documented code and a sentence."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def validate_flags(text: str) -> frozenset[str]:
    """Fixup: letters s h m r f t c."""
    unknown = set(text) - set("shmrftc ")
    if unknown:
        raise ConfigError(f"sipmsg_validate(): unknown flag {sorted(unknown)[0]!r}", hint="the flags are s h m r f t c")
    return frozenset(text)


def _uri(text: str, codes: tuple[int, int, int], what: str) -> SipUri:
    """Judge one URI: codes are (unreadable, bad host, bad user)."""
    try:
        uri = parse_uri(text)
    except SipParseError:
        raise Invalid(codes[0], f"failed to parse {what}") from None
    if uri.scheme in ("sip", "sips") and not HOST.match(uri.host):
        raise Invalid(codes[1], f"invalid domain for {what}")
    if not USER.match(uri.user or ""):
        raise Invalid(codes[2], f"invalid username for {what}")
    return uri


class ValidateFunctions:
    """The function of this topic."""

    @function(REQUEST | ONREPLY | FAILURE | BRANCH, flags=validate_flags)
    def sipmsg_validate(self, ctx: Context, flags: str | None = None, res: Var | None = None) -> int:
        """Check a message against RFC 3261. flags: s SDP, h every known header, m not Max-Forwards, r R-URI, f From,
        t To, c Contact. res gets the reason. 1, or the negative code of the manual for what is wrong."""
        try:
            self._validate(ctx, flags or frozenset())
        except Invalid as wrong:
            if res is not None and res.set is not None:
                res.set(ctx, wrong.reason)
            return wrong.code
        return 1

    def _validate(self, ctx: Context, flags: frozenset[str] | str) -> None:
        msg: Any = ctx.msg
        if msg.call_id is None:
            raise Invalid(-3, "message doesn't have callid")
        declared = msg.content_length
        if ctx.proto != "udp" and declared is None:
            raise Invalid(-4, f"message doesn't have Content Length header for proto {ctx.proto}")
        body = msg.text[msg.body_start:]
        method = msg.method
        if method != "CANCEL":
            if (declared or 0) != len(body):
                raise Invalid(-5, f"invalid body - content length {declared or 0} different than actual body {len(body)}")
            if body and "s" in flags and (msg.header("content-type") or "").lower().startswith("application/sdp"):
                if not any(line.kind == "v" for line in sdp.lines(body)):
                    raise Invalid(-6, "failed to parse SDP message")
        for code, name in ((-7, "cseq"), (-8, "from"), (-9, "to"), (-10, "via")):
            if name not in msg.names:
                raise Invalid(code, f"message doesn't have {name} header")
        self._addresses(msg, flags)
        if msg.is_request:
            self._request(ctx, flags)
        else:
            self._reply(ctx, flags)
        if method != "CANCEL" and body and "content-type" not in msg.names:
            raise Invalid(-21, "message doesn't have content-type header")
        if "h" in flags:
            self._headers(msg)

    @staticmethod
    def _addresses(msg: Any, flags: frozenset[str] | str) -> None:
        for letter, codes, what in (("t", (-22, -23, -29), "To"), ("f", (-24, -25, -28), "From")):
            if letter not in flags:
                continue
            try:
                address = msg.to if letter == "t" else msg.from_
            except SipParseError:
                address = None
            if address is None:
                raise Invalid(codes[0], f"failed to parse '{what}' header")
            _uri(address.uri, codes, f"'{what}' header")

    def _request(self, ctx: Context, flags: frozenset[str] | str) -> None:
        msg: Any = ctx.msg
        if "r" in flags:
            _uri(ctx.ruri or "", (-11, -12, -27), "R-URI")
        if "m" not in flags and "max-forwards" not in msg.names:
            raise Invalid(-13, "message doesn't have max-forwards header")
        if "c" in flags:
            self._contacts(msg)
        if msg.method != "REGISTER" and "path" in msg.names:
            raise Invalid(-15, "PATH header supported only for REGISTERs")

    def _reply(self, ctx: Context, flags: frozenset[str] | str) -> None:
        msg: Any = ctx.msg
        status = msg.status_code
        if msg.method != "CANCEL":
            wanted = REPLY_HEADERS.get(status)
            if status == 423 and msg.method == "REGISTER":
                wanted = (-17, "min-expires")
            if wanted is not None and wanted[1] not in msg.names:
                raise Invalid(wanted[0], f"message doesn't have {wanted[1]} header")
        if "c" in flags and 199 < status < 400:
            self._contacts(msg)

    @staticmethod
    def _contacts(msg: Any) -> None:
        if msg.method not in CONTACT_METHODS:
            return
        if "contact" not in msg.names:
            raise Invalid(-14, "SIP message doesn't have 'Contact' header")
        try:
            contacts = msg.contacts
        except SipParseError:
            raise Invalid(-26, "failed to parse 'Contact' header") from None
        for contact in contacts:
            if contact is STAR:
                if msg.method != "REGISTER" or not msg.is_request:
                    raise Invalid(-30, "'Contact' header contains '*', valid only in a REGISTER request")
                if (msg.header("expires") or "").strip() != "0":
                    raise Invalid(-30, "'Contact' header with '*' value needs an 'Expires' header of 0")
                continue
            try:
                parse_uri(contact.uri)
            except SipParseError:
                raise Invalid(-26, "failed to parse 'Contact' header") from None

    @staticmethod
    def _headers(msg: Any) -> None:
        """Flag h: every header this engine can read must be readable."""
        try:
            for read in ("vias", "from_", "to", "contacts", "routes", "record_routes", "content_length"):
                getattr(msg, read)
        except SipParseError as error:
            raise Invalid(-2, f"failed to parse headers: {error.message}") from None
