"""What the server itself does to a call: requests inside the dialog, hanging up, pings, and the end of its lifetime.

One timer beats once per second; lifetimes, pings and deferred deletions hang on wheels of seconds (table.Seconds), so a beat
costs what is due in it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from engine.errors import SipParseError
from engine.script.values import Value
from engine.sip.message import Response
from engine.sip.uri import try_uri
from modules.dialog.api import ANSWERED, CALLEE, CALLER, CONFIRMED, DELETED, EARLY, ON_EXPIRED, ON_TERMINATED, UNCONFIRMED
from modules.dialog.cell import (
    BYE_ON_TIMEOUT, PING_CALLEE, PING_CALLER, PING_FAILED, PING_FINE, PING_PENDING, RACE, REINVITE_CALLEE, REINVITE_CALLER,
    Dialog, Leg, Run,
)
from modules.dialog.within import DialogWithin

Done = Callable[[int, Response | None], None]
SDP: Final = "application/sdp"


class DialogSending(DialogWithin):
    """Requests made here."""

    def mod_init(self) -> None:
        super().mod_init()
        self._unanswered: list[tuple[Dialog, str]] = []
        """Calls to be ended at the next beat: a ping went wrong."""

    # ---- one request ----

    def _send(
        self, dialog: Dialog, to: int, method: str, number: int, headers: str = "", body: str = "", done: Done | None = None,
    ) -> bool:
        """Send a request to a leg with that CSeq number; False when it cannot be sent. May wait for DNS."""
        legs = dialog.legs
        source = dialog.other(to)
        if source >= len(legs) or to >= len(legs):
            return False
        leg, other = legs[to], legs[source]
        if not leg.contact:
            self.log.error("dialog %s: no Contact to send a %s to", dialog.did, method)
            return False
        # As this side knows them: somebody may have rewritten them on the way (uac_replace_from).
        from_uri, to_uri = leg.from_uri or dialog.from_uri, leg.to_uri or dialog.to_uri
        remote, local = (to_uri, from_uri) if to else (from_uri, to_uri)
        ruri, hop, routes = self._path(leg)
        avps: dict[str, list[Value]] = {}
        self._own[id(avps)] = Run(dialog, to)
        try:
            made = self.tm.local_request(
                method, ruri, f"<{local}>;tag={other.tag}", f"<{remote}>" + (f";tag={leg.tag}" if leg.tag else ""),
                headers=headers, body=body, next_hop=hop, socket=leg.socket, call_id=dialog.call_id, cseq=number, done=done,
                avps=avps, routes=routes,
            )
        finally:
            del self._own[id(avps)]
        if made is None:
            self.log.error("dialog %s: a %s to the %s could not be sent", dialog.did, method, CALLEE if to else CALLER)
        return made is not None

    @staticmethod
    def _path(leg: Leg) -> tuple[str, str | None, str]:
        """(Request-URI, next hop or None, Route lines) of a request to a leg (RFC 3261 12.2.1.1)."""
        if not leg.routes:
            return leg.contact, None, ""
        first = try_uri(leg.routes[0])
        if first is None or first.is_loose:
            return leg.contact, leg.routes[0], f"Route: {leg.route_set}\r\n"
        rest = "".join([f"<{route}>," for route in leg.routes[1:]])
        return leg.routes[0], None, f"Route: {rest}<{leg.contact}>\r\n"

    def next_number(self, leg: Leg) -> int:
        """The number of our next request to a leg; from now on we count."""
        if not leg.gen:
            leg.gen = leg.last_number
        leg.gen += 1
        return leg.gen

    def leg_headers(self, dialog: Dialog, to: int, content_type: str = "", headers: str = "") -> str:
        """Header lines of a request that says who the other side is: its Contact, the type of the body, further lines."""
        leg, other = dialog.legs[to], dialog.legs[dialog.other(to)]
        contact = leg.adv_contact or f"Contact: <{other.contact}>\r\n"
        kind = f"Content-Type: {content_type}\r\n" if content_type else ""
        return contact + kind + headers

    def send_leg(
        self, dialog: Dialog, to: int, method: str, *, body: str = "", content_type: str = "", headers: str = "",
        done: Done | None = None, bare: bool = False,
    ) -> bool:
        """Send a request to a leg, its answer counts as that to a ping. bare: without Contact."""
        if to >= len(dialog.legs):
            return False
        leg = dialog.legs[to]
        leg.ping = PING_PENDING

        def answered(code: int, response: Response | None) -> None:
            if code >= 200:
                leg.ping = PING_FAILED if code in (408, 481) else PING_FINE
            if done is not None:
                done(code, response)

        lines = headers if bare else self.leg_headers(dialog, to, content_type, headers)
        if self._send(dialog, to, method, self.next_number(leg), lines, body, answered):
            return True
        leg.ping = PING_FINE
        return False

    def send_within(
        self, dialog: Dialog, leg: str, method: str, *, body: str = "", headers: str = "", done: Done | None = None,
    ) -> bool:
        """For other modules: a request to "caller" or "callee"."""
        return self.send_leg(dialog, self.number_of(dialog, leg), method, body=body, headers=headers, done=done)

    @staticmethod
    def number_of(dialog: Dialog, leg: str) -> int:
        """Number of the leg called "caller" or "callee"."""
        return 0 if leg == CALLER else dialog.callee_index

    def next_cseq(self, dialog: Dialog, leg: str, step: int = 1) -> int:
        """Count up what we count towards a leg."""
        number = self.number_of(dialog, leg)
        if number >= len(dialog.legs):
            return 0
        side = dialog.legs[number]
        if not side.gen:
            side.gen = side.last_number
        side.gen += step
        return side.gen

    # ---- hanging up ----

    def end(self, dialog: Dialog, reason: str, headers: str = "") -> bool:
        """BYEs to both sides, or a CANCEL; False when neither is possible."""
        if not dialog.end_reason:
            dialog.end_reason = reason
        if dialog.state in (UNCONFIRMED, EARLY):
            transaction = dialog.transaction
            if transaction is None or not self.tm.cancel_branches(transaction):
                self.log.error("dialog %s: its INVITE cannot be cancelled any more", dialog.did)
                return False
            return True
        if dialog.state == DELETED:
            return False
        if dialog.ending:
            return True
        dialog.ending = True
        lines = self.dlg_extra_hdrs + headers
        failed = 0
        for leg in (0, dialog.callee_index):
            if not self._bye(dialog, leg, lines):
                failed += 1
        for _ in range(failed):
            self._bye_done(dialog)
        return not failed

    def _bye(self, dialog: Dialog, to: int, headers: str) -> bool:
        if to >= len(dialog.legs):
            return False
        leg = dialog.legs[to]
        if leg.gen:
            leg.gen += 1
            number = leg.gen + 1
        else:
            number = leg.last_number + 1

        def done(code: int, response: Response | None) -> None:
            if code >= 200:
                self._bye_done(dialog)

        return self._send(dialog, to, "BYE", number, headers, "", done)

    def _bye_done(self, dialog: Dialog) -> None:
        """A BYE of ours was answered: the first answer ends the dialog."""
        if self.over(dialog):
            if dialog.on_hangup:
                self.run_route(dialog, dialog.on_hangup)
            self.clear_up(dialog)
            self.tell(ON_TERMINATED, dialog)
            self.unsave(dialog)
            if dialog.refs <= 0:
                self.retire(dialog)

    # ---- once per second ----

    def beat(self) -> None:
        """What is due. What goes wrong with one dialog is its own affair."""
        now = int(self.server.now())
        for dialog in self._lifetimes.due(now):
            self._do(self._expired, dialog)
        for dialog in self._delays.due(now):
            self._do(self.delay_is_over, dialog)
        if self._unanswered:
            ended, self._unanswered = self._unanswered, []
            for dialog, reason in ended:
                if dialog.state != DELETED:
                    self.stop_pings(dialog)
                    self._do(lambda one, why=reason: self.end(one, why), dialog)  # type: ignore[misc]
        for dialog in self._options.due(now):
            if dialog.state != DELETED:
                dialog.options_at = self._options.put(dialog, now + self.options_ping_interval)
                self._do(self._ping_options, dialog)
        for dialog in self._reinvites.due(now):
            if dialog.state != DELETED:
                dialog.reinvite_at = self._reinvites.put(dialog, now + self.reinvite_ping_interval)
                self._do(self._ping_reinvite, dialog)

    def _do(self, work: Callable[[Dialog], object], dialog: Dialog) -> None:
        try:
            work(dialog)
        except Exception as error:
            self.server.log.exception(error, f"unexpected error with dialog {dialog.did}")

    def _expired(self, dialog: Dialog) -> None:
        """Its lifetime is over: the script may give it more, else it ends."""
        dialog.expires = 0
        if dialog.state not in (ANSWERED, CONFIRMED):
            return
        if dialog.on_timeout:
            self.run_route(dialog, dialog.on_timeout)
            if dialog.expires or dialog.state == DELETED:
                return
        if dialog.flags & (BYE_ON_TIMEOUT | RACE):
            self.end(dialog, "SIP Race Condition" if dialog.flags & RACE else "Lifetime Timeout")
            self.expired_dialogs.inc()
            return
        if self.over(dialog):
            self.clear_up(dialog)
            self.tell(ON_EXPIRED, dialog)
            self.unsave(dialog)
            self.expired_dialogs.inc()
            if dialog.refs <= 0:
                self.retire(dialog)

    # ---- pings ----

    def _ping_options(self, dialog: Dialog) -> None:
        self._ping(dialog, PING_CALLER, PING_CALLEE, "OPTIONS")

    def _ping_reinvite(self, dialog: Dialog) -> None:
        self._ping(dialog, REINVITE_CALLER, REINVITE_CALLEE, "INVITE")

    def _ping(self, dialog: Dialog, caller: int, callee: int, method: str) -> None:
        """Ask the legs that are to be asked and owe no answer."""
        for bit, number in ((caller, 0), (callee, dialog.callee_index)):
            if dialog.flags & bit and number < len(dialog.legs) and dialog.legs[number].ping == PING_FINE:
                self._ping_leg(dialog, number, method)

    def _ping_leg(self, dialog: Dialog, number: int, method: str) -> None:
        leg, other = dialog.legs[number], dialog.legs[dialog.other(number)]
        side = "Callee" if number else "Caller"
        reason = f"{side} Ping Timeout" if method == "OPTIONS" else f"{side} ReINVITE Ping Timeout"

        def done(code: int, response: Response | None) -> None:
            if leg.ping == PING_FAILED and dialog.state != DELETED:
                self.log.info("dialog %s ends, the %s answered %d to a ping", dialog.did, side.lower(), code)
                self._unanswered.append((dialog, reason))

        if method == "OPTIONS":
            self.send_leg(dialog, number, method, done=done, bare=True)
        else:
            body = leg.out_sdp or other.in_sdp
            self.send_leg(dialog, number, method, body=body, content_type=SDP if body else "", done=done)

    # ---- timeouts ----

    def set_timeout(self, dialog: Dialog, seconds: int) -> None:
        """$DLG_timeout."""
        dialog.lifetime = seconds
        if dialog.state in (ANSWERED, CONFIRMED):
            self.start_lifetime(dialog, seconds)
        self.save(dialog)

    def final_body(self, response: Response) -> str:
        """The body of an answer, "" when it has none or a broken Content-Length."""
        try:
            return response.body
        except SipParseError:
            return ""
