"""Remote-Party-ID: the caller's identity as the user database has it (draft-ietf-sip-privacy-04), for gateways that trust us."""

from __future__ import annotations

import re
from typing import Any, Final

from engine.errors import ConfigError, SipParseError
from engine.module import BRANCH, FAILURE, REQUEST, Context, function, modparam
from engine.script.values import text_of
from engine.script.variables.binder import Binder
from engine.sip.headers import parse_nameaddr
from engine.sip.uri import parse_uri

_E164: Final = re.compile(r"\+[0-9]{2,15}\Z")


class RemoteParty:
    """Mixin of the auth module."""

    server: Any
    log: Any

    rpid_prefix = modparam(str, "", help="what stands in front of the URI in Remote-Party-ID")
    rpid_suffix = modparam(str, ";party=calling;id-type=subscriber;screen=yes", help="what stands behind it")
    rpid_avp = modparam(str, "$avp(rpid)", help="AVP with the URI; empty: the rpid functions fail")

    def open_rpid(self) -> None:
        """For mod_init."""
        self._rpid_name = ""
        if not self.rpid_avp:
            return
        bound = Binder(self.server.registry).bind_text(self.rpid_avp)
        if bound.name != "avp" or not bound.inner or bound.index is not None:
            raise ConfigError(f"auth: rpid_avp {self.rpid_avp!r} is no AVP", hint="it looks like $avp(rpid)")
        self._rpid_name = bound.inner

    def set_rpid(self, ctx: Context, value: str) -> None:
        """Put a Remote-Party-ID where append_rpid_hf() finds it."""
        if self._rpid_name:
            ctx.avps.setdefault(self._rpid_name, []).append(value)

    def _rpid(self, ctx: Context) -> str | None:
        """The value of the AVP; None without one, for "" and for numbers."""
        if not self._rpid_name:
            self.log.error("rpid_avp is not defined")
            return None
        values = ctx.avps.get(self._rpid_name)
        if not values or not isinstance(values[-1], str):
            return None
        return text_of(values[-1]) or None

    @function(REQUEST)
    def is_rpid_user_e164(self, ctx: Context) -> int:
        """Whether the user part of the URI in rpid_avp is an E.164 number: "+" and 2 to 15 digits. 1; -1 also without URI."""
        value = self._rpid(ctx)
        if value is None:
            return -1
        try:
            uri = parse_uri(parse_nameaddr(value).uri if "<" in value else value)
        except SipParseError as error:
            self.log.error("Remote-Party-ID %s cannot be read: %s", value, error.message)
            return -1
        return 1 if _E164.match(uri.user or "") else -1

    @function(REQUEST | BRANCH | FAILURE)
    def append_rpid_hf(self, ctx: Context, prefix: str | None = None, suffix: str | None = None) -> int:
        """Add the header Remote-Party-ID: prefix, the URI of rpid_avp, suffix. Both are given, or none and rpid_prefix and
        rpid_suffix count. 1; -1 without URI, nothing is added."""
        if (prefix is None) != (suffix is None):
            self.log.error("append_rpid_hf() takes prefix and suffix, or none of them")
            return -1
        value = self._rpid(ctx)
        if value is None:
            return -1
        front = self.rpid_prefix if prefix is None else prefix
        back = self.rpid_suffix if suffix is None else suffix
        ctx.new_edits().append_header(ctx.msg, f"Remote-Party-ID: {front}{value}{back}\r\n")
        return 1
