"""Whether a request inside a dialog goes where the dialog says: validate_dialog() and fix_route_dialog()."""

from __future__ import annotations

from engine.errors import SipParseError
from engine.module import REQUEST, function
from engine.script.context import Context
from engine.sip.message import Request
from engine.sip.uri import same_uri, try_uri
from modules.dialog.api import EARLY
from modules.dialog.storage import DialogStorage

BAD_CSEQ, BAD_TARGET, BAD_ROUTES, OTHER = -1, -2, -3, -4


class DialogRouting(DialogStorage):
    """The two functions."""

    @function(REQUEST)
    def validate_dialog(self, ctx: Context) -> int:
        """1: the request fits its dialog; -1 its CSeq does not rise (an ACK's is not its INVITE's), -2 its remote target is not
        the Contact of the leg, -3 its Route set is another, -4 no dialog, or loose_route() has found no Route to follow."""
        dialog, to = self.get(ctx), self.leg_of(ctx)
        if dialog is None or not 0 <= to < len(dialog.legs):
            self.log.error("validate_dialog: the request belongs to no dialog")
            return OTHER
        leg = dialog.legs[to]
        msg: Request = ctx.msg  # type: ignore[assignment]
        try:
            number = _number(msg.cseq_number)
            if msg.method == "ACK":
                wanted = _number(dialog.legs[dialog.other(to)].invite_cseq)
                if number is None or number != wanted:
                    return BAD_CSEQ
            else:
                last = _number(leg.previous_cseq or leg.cseq)
                if number is None or last is None or number <= last:
                    return BAD_CSEQ
            if dialog.state <= EARLY or self.rr is None:
                return 1
            if leg.contact and not self.rr.followed(ctx):
                self.log.error("validate_dialog: without loose_route() the remote target is not known")
                return OTHER
            target, routes = self._remaining(ctx, msg)
        except SipParseError as error:
            self.log.error("validate_dialog: %s", error.message)
            return OTHER
        if leg.contact and not same_uri(target, leg.contact):
            self.log.error("the request goes to %s, its dialog to %s", target, leg.contact)
            return BAD_TARGET
        if "route" not in msg.names:
            return BAD_ROUTES if leg.routes else 1
        if len(routes) != len(leg.routes):
            self.log.error("the request has %d routes, its dialog %d", len(routes), len(leg.routes))
            return BAD_ROUTES
        for mine, its in zip(routes, leg.routes):
            if not same_uri(mine, its):
                self.log.error("the request is routed to %s, its dialog to %s", mine, its)
                return BAD_ROUTES
        return 1

    def _remaining(self, ctx: Context, msg: Request) -> tuple[str, list[str]]:
        """(remote target, Route set) of a request behind this server, whatever loose_route() made of strict routers. Raises
        SipParseError."""
        removed = self.rr.removed(ctx) if self.rr is not None else frozenset()
        every = [route.uri for route in msg.routes]
        left = [uri for index, uri in enumerate(every) if index not in removed]
        ruri = ctx.ruri or msg.request_uri
        if ruri == msg.request_uri or ctx.dst_uri is not None or not removed:
            # A loose router follows, or nobody; behind a strict one loose_route() has put the target back where it belongs.
            return ruri, left
        before = try_uri(msg.request_uri)
        if before is not None and self.server.is_myself(before.host, before.port_or_default, before.proto):
            # Strict before and behind: the target is still the last route.
            return (left[-1], [ruri, *left[:-1]]) if left else (ruri, [])
        return msg.request_uri, [ruri, *left]

    @function(REQUEST)
    def fix_route_dialog(self, ctx: Context) -> int:
        """Send the request where its dialog says: Request-URI, Route set, next hop are those of the leg. -1 without a dialog."""
        dialog, to = self.get(ctx), self.leg_of(ctx)
        if dialog is None or not 0 <= to < len(dialog.legs):
            return -1
        leg = dialog.legs[to]
        msg = ctx.msg
        ctx.dst_uri = None
        first = try_uri(leg.routes[0]) if leg.routes else None
        strict = first is not None and not first.is_loose
        edits = ctx.new_edits()
        for index in msg.positions("route"):
            start, end = msg.span(index)
            if not edits.is_removed(start, end):
                edits.remove(start, end)
        if strict:
            ctx.ruri = leg.routes[0]
            lines = "".join([f"<{route}>," for route in leg.routes[1:]])
            edits.insert(msg.first_line_end, f"Route: {lines}<{leg.contact}>\r\n")
            return 1
        if leg.contact:
            ctx.ruri = leg.contact
        if leg.routes:
            edits.insert(msg.first_line_end, f"Route: {leg.route_set}\r\n")
            ctx.dst_uri = leg.routes[0]
        return 1


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() else None
