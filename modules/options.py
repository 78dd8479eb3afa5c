"""options: answers OPTIONS that ask for the server itself (RFC 3261 11.2).

Manual: OpenSIPS 3.6, module options.
"""

from __future__ import annotations

from typing import Any

from engine.errors import SipParseError
from engine.module import REQUEST, Context, Module, function, modparam, needs
from engine.sip.uri import parse_uri


class Options(Module):
    """The module."""

    signaling: Any = needs("signaling")

    accept = modparam(str, "*/*", help="the Accept header; empty: none")
    accept_encoding = modparam(str, "", help="the Accept-Encoding header; empty: none")
    accept_language = modparam(str, "en", help="the Accept-Language header; empty: none")
    support = modparam(str, "", help="the Supported header; empty: none")

    def mod_init(self) -> None:
        self._headers = "".join([f"{name}: {value}\r\n" for name, value in (
            ("Accept", self.accept), ("Accept-Encoding", self.accept_encoding), ("Accept-Language", self.accept_language),
            ("Supported", self.support),
        ) if value])

    @function(REQUEST)
    def options_reply(self, ctx: Context) -> int:
        """Answer 200 with what the server can do, and end the script. -1, and no answer: the request is not an OPTIONS, or its
        Request-URI has a user part. Whether the host is this server is up to the script (is_myself())."""
        if ctx.msg.method != "OPTIONS":  # type: ignore[attr-defined]
            self.log.error("called for non-OPTIONS request")
            return -1
        try:
            user = parse_uri(ctx.ruri or "").user
        except SipParseError:
            self.log.error("the R-URI cannot be read")
            return -1
        if user:
            self.log.error("ruri contains username")
            return -1
        return -1 if self.signaling.reply(ctx, 200, "OK", self._headers) == -1 else 0


exports = Options
