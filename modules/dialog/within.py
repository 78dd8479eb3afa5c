"""Requests inside a dialog: whose they are, what they change, and the numbers they get.

A request is known by the did parameter of the Route we wrote (found by rr when loose_route() consumes it), else by Call-ID and
both tags. From the tags comes its direction: the leg it goes to.

As soon as the server sends requests of its own into a dialog (pings, dlg_send_sequential()), the numbers of the two ends no
longer fit: each request towards such a leg gets the next number of our count, the ACK of an INVITE the number the INVITE got,
and replies get the old number back (RFC 3261 12.2.1.1 wants numbers that rise).
"""

from __future__ import annotations

from typing import Any

from engine.errors import SipParseError
from engine.script.context import Context
from engine.sip.edits import Edits
from engine.sip.grammar import find_param
from engine.sip.message import Message, Request, Response
from engine.sip.uri import try_uri
from modules.dialog.api import (
    ANSWERED, CONFIRMED, DELETED, EARLY, ON_REQUEST_WITHIN, ON_RESPONSE_WITHIN, ON_TERMINATED, UNCONFIRMED,
)
from modules.dialog.base import DID_NONE, DID_ONLY, MATCH_MODES
from modules.dialog.calls import DialogCalls, contact_of
from modules.dialog.cell import HAS_BYE, OPTIONS_PINGS, PING_FINE, REINVITE_PINGS, Dialog, Leg, Run
from modules.dialog.table import numbers_of

_BODIES = frozenset(("INVITE", "UPDATE", "ACK"))
_REFRESH = frozenset(("INVITE", "UPDATE"))


def renumber(msg: Message, edits: Edits, number: str) -> None:
    """Exchange the number in CSeq."""
    old = msg.cseq_number
    if old is None or old == number:
        return
    index = msg.names.index("cseq")
    start = msg.value_start(index) + msg.raw_value(index).index(old)
    edits.replace(start, start + len(old), number)


class DialogWithin(DialogCalls):
    """Matching, and what a request inside the dialog does to it."""

    # ---- matching ----

    def _on_route(self, ctx: Context, params: str) -> None:
        """rr followed the Route set of a request."""
        mode = self.dlg_match_mode
        did = find_param(params, self.rr_param) if params and mode != DID_NONE else None
        self._match(ctx, did, mode)

    def match_dialog(self, ctx: Context, mode: str | None = None) -> int:
        """match_dialog(): 1 or -1."""
        if self.get(ctx) is not None:
            return 1
        # DID_ONLY is the same as nothing, as for OpenSIPS: its number there is that of "not given".
        wanted = (MATCH_MODES.get(mode.upper(), DID_ONLY) if mode else DID_ONLY) or self.dlg_match_mode
        did = None
        if wanted != DID_NONE:
            did = self._did_of_target(ctx)
            if did is None and self.rr is not None:
                did = self.rr.param(ctx, self.rr_param)
        self._match(ctx, did, wanted)
        return 1 if self.get(ctx) is not None else -1

    def _did_of_target(self, ctx: Context) -> str | None:
        """The id in a Request-URI that is ours, as a module that hides topology puts it into Contacts: as parameter, or in the
        user as ".did.ID"."""
        uri = try_uri(ctx.ruri or "")
        if uri is None or "route" in ctx.msg.names or not self.server.is_myself(uri.host, uri.port or 5060):
            return None
        found = uri.param(self.rr_param)
        if found is not None:
            return found
        _, mark, rest = (uri.user or "").partition(f".{self.rr_param}.")
        return rest if mark and rest else None

    def _match(self, ctx: Context, did: str | None, mode: int) -> None:
        """Find the dialog of a request, and handle the request."""
        slots = ctx.slots
        run: Run | None = slots.get("dialog") if slots is not None else None
        if run is not None and run.dialog is not None:
            return
        msg: Request = ctx.msg  # type: ignore[assignment]
        try:
            to_tag = msg.to_tag
            if not to_tag:
                return
            from_tag = msg.from_tag or ""
            msg.cseq_number  # noqa: B018  (a broken one is told here)
        except SipParseError as error:
            self.log.error("a request inside a dialog cannot be read: %s", error.message)
            return
        call_id = msg.call_id or ""
        dialog: Dialog | None = None
        leg = -1
        if did is not None:
            dialog = self.table.get(did)
            if dialog is not None:
                leg = self._leg(dialog, call_id, from_tag, to_tag)
                if leg < 0:
                    self.log.warning(
                        "%s with Call-ID %s, tags %s and %s does not fit dialog %s, whose id it has",
                        msg.method, call_id, from_tag, to_tag, did,
                    )
                    dialog = None
            elif numbers_of(did) is None:
                self.log.error("malformed parameter %s=%s in a Route", self.rr_param, did)
                return
        if dialog is None:
            if mode == DID_ONLY:
                return
            for candidate in self.table.of_call(call_id):
                if candidate.state != DELETED:
                    leg = self._leg(candidate, call_id, from_tag, to_tag)
                    if leg >= 0:
                        dialog = candidate
                        break
            else:
                return
        assert dialog is not None
        run = self.run_of(ctx)
        run.dialog = dialog
        run.leg = leg
        transaction = ctx.transaction
        if transaction is not None and transaction.request is msg:
            self.attach(transaction, run)
        else:
            # Until its transaction, or the end of its route, lets go.
            run.holds = True
            self.hold(dialog)
        self._handle(ctx, msg, dialog, run)

    @staticmethod
    def _leg(dialog: Dialog, call_id: str, from_tag: str, to_tag: str) -> int:
        """Number of the leg a request with these goes to, -1 when it is not of the dialog."""
        if dialog.call_id != call_id:
            return -1
        legs = dialog.legs
        caller = legs[0].tag
        if caller == from_tag:
            for number in range(1, len(legs)):
                if legs[number].tag == to_tag:
                    return number
        elif caller == to_tag:
            for number in range(1, len(legs)):
                if legs[number].tag == from_tag:
                    return 0
        return -1

    # ---- handling ----

    def _handle(self, ctx: Context, msg: Request, dialog: Dialog, run: Run) -> None:
        """The state machine, and what goes with it."""
        method = msg.method
        state = dialog.state
        if method in _BODIES and msg.body:
            source = dialog.legs[dialog.other(run.leg)]
            if method == "ACK":
                source.in_sdp = msg.body
            else:
                source.new_in_sdp = msg.body
        if state == DELETED:
            self._tell_request(ctx, dialog, run)
            if method != "ACK":
                self._count(ctx, msg, dialog, run)
        elif method == "BYE":
            self._on_bye(ctx, msg, dialog, run)
        elif state >= ANSWERED:
            if method == "ACK":
                self._on_ack(ctx, msg, dialog, run)
            else:
                self._on_request(ctx, msg, dialog, run)
        elif state == EARLY and method != "ACK":
            self._tell_request(ctx, dialog, run)
            self._note_number(msg, dialog, run)
        else:
            self.bogus(f"a {method}", dialog)

    def _tell_request(self, ctx: Context, dialog: Dialog, run: Run) -> None:
        if self.heard(dialog, ON_REQUEST_WITHIN):
            self.tell(ON_REQUEST_WITHIN, dialog, ctx, transaction=ctx.transaction, downstream=run.leg > 0)

    @staticmethod
    def _note_number(msg: Request, dialog: Dialog, run: Run) -> None:
        """The last number sent to the leg."""
        leg = dialog.legs[run.leg]
        leg.previous_cseq = leg.cseq
        leg.cseq = msg.cseq_number or "0"

    def _count(self, ctx: Context, msg: Request, dialog: Dialog, run: Run) -> None:
        """Give a request the next number when we count towards this leg."""
        leg = dialog.legs[run.leg]
        if not leg.gen:
            return
        leg.gen += 1
        run.number = msg.cseq_number or ""
        renumber(msg, ctx.new_edits(), str(leg.gen))
        if msg.method == "INVITE":
            source = dialog.legs[dialog.other(run.leg)]
            if source.numbers is None:
                source.numbers = {}
            source.numbers[run.number] = leg.gen

    def number_again(self, ctx: Context) -> int:
        """The number of a request that is sent once more (its challenge was answered); replies get the old one back. 0: the run
        is not one of a request inside a dialog."""
        transaction = ctx.transaction
        run: Run | None = transaction.slots.get("dialog") if transaction is not None else None
        if run is None or run.dialog is None or run.leg < 0:
            return 0
        msg: Request = ctx.msg  # type: ignore[assignment]
        legs = run.dialog.legs
        leg, source = legs[run.leg], legs[run.dialog.other(run.leg)]
        if not leg.gen:
            leg.gen = leg.last_number
        leg.gen += 1
        run.number = msg.cseq_number or ""
        if msg.method == "INVITE":
            if source.numbers is None:
                source.numbers = {}
            source.numbers[run.number] = leg.gen
        return leg.gen

    def _take_timeout(self, dialog: Dialog, run: Run) -> None:
        """$DLG_timeout that was set before the dialog was known."""
        if run.timeout:
            dialog.lifetime = run.timeout
            self.start_lifetime(dialog, run.timeout)

    def _on_request(self, ctx: Context, msg: Request, dialog: Dialog, run: Run) -> None:
        """Anything but ACK and BYE, in an answered call."""
        self._take_timeout(dialog, run)
        self._tell_request(ctx, dialog, run)
        self._note_number(msg, dialog, run)
        if msg.method in _REFRESH:
            dialog.legs[dialog.other(run.leg)].invite_cseq = msg.cseq_number or ""
        self._count(ctx, msg, dialog, run)
        self.save(dialog)

    def _on_ack(self, ctx: Context, msg: Request, dialog: Dialog, run: Run) -> None:
        """The ACK of the call, or of a re-INVITE."""
        first = dialog.state == ANSWERED
        if first:
            self.change_state(dialog, CONFIRMED)
        self._take_timeout(dialog, run)
        self._tell_request(ctx, dialog, run)
        leg = dialog.legs[run.leg]
        numbers = dialog.legs[dialog.other(run.leg)].numbers
        if leg.gen or numbers:
            ours = numbers.get(msg.cseq_number or "", 0) if numbers else 0
            if ours or leg.gen:
                renumber(msg, ctx.new_edits(), str(ours or leg.gen))
        if first:
            self.save(dialog)
            self.start_pings(dialog)

    def _on_bye(self, ctx: Context, msg: Request, dialog: Dialog, run: Run) -> None:
        """The end, when it comes on the leg that answered."""
        if dialog.state in (UNCONFIRMED, EARLY):
            if run.leg == 0:
                self.bogus("a BYE of the callee", dialog)
            else:
                dialog.flags |= HAS_BYE
            if dialog.state == EARLY:
                self._tell_request(ctx, dialog, run)
                self._note_number(msg, dialog, run)
            return
        if run.leg and run.leg != dialog.answered:
            return
        if not self.over(dialog):
            return
        if dialog.on_hangup:
            self.run_route(dialog, dialog.on_hangup)
        if not dialog.end_reason:
            dialog.end_reason = "Downstream BYE" if run.leg else "Upstream BYE"
        self._count(ctx, msg, dialog, run)
        self.clear_up(dialog)
        self.tell(ON_TERMINATED, dialog, ctx, transaction=ctx.transaction, downstream=run.leg > 0)
        self.unsave(dialog)

    # ---- replies ----

    def on_reply_within(self, dialog: Dialog, run: Run, transaction: Any, code: int, response: Response | None) -> None:
        """A reply to a request inside the dialog goes upstream."""
        leg = dialog.legs[run.leg] if run.leg >= 0 else None
        if leg is None:
            return
        if response is not None:
            if run.number:
                renumber(response, transaction.reply_edits(), run.number)
            if code in (401, 407) and leg.gen and transaction.method in _REFRESH:
                leg.gen += 1
            elif 200 <= code < 300 and transaction.method in _REFRESH:
                self._refreshed(dialog, run, transaction, response)
        if self.heard(dialog, ON_RESPONSE_WITHIN):
            self.tell(
                ON_RESPONSE_WITHIN, dialog, transaction=transaction, code=code, response=response, downstream=run.leg > 0)

    def _take_contact(self, dialog: Dialog, leg: Leg, msg: Message) -> None:
        """A leg has moved (RFC 3261 12.2)."""
        contact = contact_of(msg)
        if contact and contact != leg.contact:
            leg.contact = contact
            self.save(dialog)

    def on_forwarded(self, dialog: Dialog, run: Run, transaction: Any) -> None:
        """A request inside the dialog is on its way: who sent a re-INVITE or UPDATE is where that says, as for OpenSIPS."""
        if run.leg >= 0 and transaction.method in _REFRESH and dialog.transaction is not transaction and transaction.branches:
            self._take_contact(dialog, dialog.legs[dialog.other(run.leg)], transaction.request)

    def _refreshed(self, dialog: Dialog, run: Run, transaction: Any, response: Response) -> None:
        """A target refresh was accepted: Contacts and bodies of both legs are new."""
        leg, source = dialog.legs[run.leg], dialog.legs[dialog.other(run.leg)]
        self._take_contact(dialog, leg, response)
        self._take_contact(dialog, source, transaction.request)
        if response.status_code == 200:
            if source.new_in_sdp:
                source.in_sdp, source.new_in_sdp = source.new_in_sdp, ""
            body = response.body
            if body:
                leg.in_sdp = body
            if transaction.relaying is not None and transaction.request.body:
                sent = transaction.relaying.data
                text = sent[sent.find(b"\r\n\r\n") + 4:].decode("latin-1")
                leg.out_sdp = "" if text == transaction.request.body else text

    # ---- pings begin ----

    def start_pings(self, dialog: Dialog) -> None:
        """From the ACK on."""
        flags = dialog.flags
        if not flags & (OPTIONS_PINGS | REINVITE_PINGS):
            return
        for leg in dialog.legs:
            leg.ping = PING_FINE
        now = int(self.server.now())
        if flags & OPTIONS_PINGS:
            dialog.options_at = self._options.put(dialog, now + self.options_ping_interval)
        if flags & REINVITE_PINGS:
            dialog.reinvite_at = self._reinvites.put(dialog, now + self.reinvite_ping_interval)
