"""sl: replies without a transaction (RFC 3261 8.2.7), and the ACKs that answer them.

Nothing is kept of a reply but the time of the last one: the To tag is made from the request's Via, so an ACK whose tag is
the one this server would give is known to acknowledge a reply of ours and ends here, before the script.
"""

from __future__ import annotations

from typing import Final

from engine.errors import SipParseError, TransportError
from engine.module import ERROR, REQUEST, Context, Module, function, modparam, stat
from engine.sip.uri import try_uri
from modules.shared.replies import build_reply, error_reply, place_of, reply_code, tag_prefix, to_tag

E_BAD_URI: Final = -475
E_UNSPECIFIED: Final = -1
ACK_SECONDS: Final = 2.0
"""So long after a reply its ACK is waited for."""


class Sl(Module):
    """The sl module. Other modules call reply()."""

    enable_stats = modparam(int, 1, effect="counting costs nothing worth switching off")

    replies_1xx = stat("1xx_replies")
    replies_2xx = stat("2xx_replies")
    replies_3xx = stat("3xx_replies")
    replies_4xx = stat("4xx_replies")
    replies_5xx = stat("5xx_replies")
    replies_6xx = stat("6xx_replies")
    sent_replies = stat("sent_replies")
    sent_err_replies = stat("sent_err_replies")
    received_acks = stat("received_ACKs")

    def mod_init(self) -> None:
        self._tag_prefix = f"{tag_prefix()}."
        self._acks_until = 0.0
        self._classes = (
            self.replies_1xx, self.replies_2xx, self.replies_3xx, self.replies_4xx, self.replies_5xx, self.replies_6xx,
        )
        self.server.pre_request.append(self._before_request)

    def _before_request(self, ctx: Context) -> bool:
        """Pre-script callback: False swallows the ACK to a reply of ours."""
        msg = ctx.msg
        if msg.method != "ACK" or self.server.now() >= self._acks_until:  # type: ignore[attr-defined]
            return True
        try:
            tag = msg.to_tag
            if not tag or not tag.startswith(self._tag_prefix) or tag != to_tag(self._tag_prefix, msg):  # type: ignore[arg-type]
                return True
        except SipParseError:
            return True
        self.received_acks.count += 1
        return False

    def tag(self, ctx: Context) -> str:
        """To tag that replies to this request get."""
        return to_tag(self._tag_prefix, ctx.msg)  # type: ignore[arg-type]

    def reply(self, ctx: Context, code: int, reason: str, headers: str = "", body: str = "") -> int:
        """Answer a request statelessly: 1, or -1 when it cannot be answered. True for an ACK, without sending."""
        msg = ctx.msg
        if msg.method == "ACK":  # type: ignore[attr-defined]
            return 1
        try:
            if ctx.kind == ERROR:
                msg.check()  # a reply needs every header; on other routes they were read at receive
            place = place_of(ctx)
            tag = to_tag(self._tag_prefix, msg) if code >= 180 else None  # type: ignore[arg-type]
            data = build_reply(
                ctx, code, reason, tag=tag, received=place.received, rport=place.rport, headers=headers, body=body)
        except SipParseError as error:
            self.log.error("the request cannot be answered: %s", error.message)
            return -1
        try:
            self.server.sockets.send(data, place.target, ctx.socket, place.connection_id)
        except TransportError as error:
            self.log.error("sending a reply to %s failed: %s", place.target, error)
            return -1
        if tag is not None:
            self._acks_until = self.server.now() + ACK_SECONDS
        self.sent_replies.count += 1
        self._classes[min(code // 100, 6) - 1].count += 1
        return 1

    @function(REQUEST | ERROR, code=reply_code)
    def sl_send_reply(self, ctx: Context, code: int, reason: str) -> int:
        """Answer the request. 1, or -1 when that is not possible."""
        return self.reply(ctx, code, reason)

    @function(REQUEST)
    def sl_reply_error(self, ctx: Context) -> int:
        """Tell the caller that the request could not be handled: 475 when its Request-URI is none, else 500. 1 or -1."""
        broken = try_uri(ctx.ruri or "") is None
        code, reason = error_reply(E_BAD_URI if broken else E_UNSPECIFIED, "SL")
        answer = self.reply(ctx, code, reason)
        if answer > 0:
            self.sent_err_replies.count += 1
        return answer


exports = Sl
