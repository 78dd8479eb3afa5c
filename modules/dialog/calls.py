"""The INVITE that makes a dialog: create_dialog(), and what its transaction tells of the call until it is answered or fails."""

from __future__ import annotations

import re
from typing import Any, Final

from engine.errors import SipParseError
from engine.script.context import Context
from engine.sip.headers import NameAddr
from engine.sip.message import STAR, Message, Request, Response
from modules.dialog.api import (
    ANSWERED, CONFIRMED, DELETED, EARLY, ON_CONFIRMED, ON_CREATED, ON_EARLY, ON_RESPONSE, UNCONFIRMED,
)
from modules.dialog.base import DID_NONE, DialogBase
from modules.dialog.cell import (
    BY_CREATE, BYE_ON_TIMEOUT, CANCELLED, CSEQ_ENFORCE, END_ON_RACE, HAS_BYE, PING_CALLEE, PING_CALLER, RACE, READY,
    REINVITE_CALLEE, REINVITE_CALLER, Dialog, Leg, Run,
)

_LETTERS: Final = {
    "B": BYE_ON_TIMEOUT, "P": PING_CALLER, "p": PING_CALLEE, "R": REINVITE_CALLER, "r": REINVITE_CALLEE, "E": END_ON_RACE,
}


def dialog_flags(text: str) -> int:
    """The letters of create_dialog(); unknown ones count for nothing, a re-INVITE ping takes the place of an OPTIONS ping."""
    flags = 0
    for letter in text:
        flags |= _LETTERS.get(letter, 0)
    if flags & REINVITE_CALLER:
        flags &= ~PING_CALLER
    if flags & REINVITE_CALLEE:
        flags &= ~PING_CALLEE
    return flags


# One Contact in angle brackets without quotes, as nearly all are: read without parsing it.
_PLAIN_CONTACT: Final = re.compile(r'[^<>",;*]*<([^<>", ]+)>[^<>",]*\Z')


def contact_of(msg: Message) -> str:
    """URI of the only Contact; "" when there is none, several, or a broken one."""
    names = msg.names
    count = names.count("contact")
    if not count:
        return ""
    if count == 1:
        found = _PLAIN_CONTACT.match(msg.raw_value(names.index("contact")))
        if found is not None:
            return found[1]
    try:
        contacts = msg.contacts
    except SipParseError:
        return ""
    return contacts[0].uri if len(contacts) == 1 and contacts[0] is not STAR else ""


def set_routes(leg: Leg, msg: Message, routes: list[NameAddr]) -> None:
    """Take over a route set in the order in which requests to the leg pass it."""
    text = msg.text
    leg.route_set = ",".join([text[route.start:route.end] for route in routes])
    leg.routes = [route.uri for route in routes]


class DialogCalls(DialogBase):
    """From the INVITE to its answer."""

    # ---- making ----

    def create_dialog(self, ctx: Context, flags: str | None = None) -> int:
        """create_dialog(): 1, -1 when the request makes none."""
        msg: Request = ctx.msg  # type: ignore[assignment]
        bits = dialog_flags(flags) if flags else 0
        known = self.get(ctx)
        if known is not None:
            if bits:
                known.flags = known.flags & ~BY_CREATE | bits
            return 1
        try:
            if msg.method != "INVITE" or msg.to_tag:
                return -1
            from_, to, call_id = msg.from_, msg.to, msg.call_id
            if from_ is None or to is None or not call_id or not from_.tag:
                self.log.error("create_dialog: the request has no Call-ID, To or From tag")
                return -1
            routes = msg.record_routes if "record-route" in msg.names else []
            number = msg.cseq_number or ""
        except SipParseError as error:
            self.log.error("create_dialog: %s", error.message)
            return -1
        dialog = self.table.make(call_id, from_.uri, to.uri)
        dialog.created = self.server.wall()
        dialog.flags = bits
        caller = Leg()
        caller.tag = from_.tag
        caller.contact = contact_of(msg)
        caller.invite_cseq = number
        caller.socket = ctx.socket
        caller.in_sdp = msg.body
        if routes:
            set_routes(caller, msg, routes)
            dialog.foreign_routes = len(routes)
        dialog.legs.append(caller)
        run = self.run_of(ctx)
        run.dialog = dialog
        run.leg = 1
        dialog.lifetime = run.timeout or self.default_timeout
        if self.dlg_match_mode != DID_NONE and self.rr is not None:
            self.rr.add_param(ctx, f";{self.rr_param}={dialog.did}")
        transaction = ctx.transaction
        if transaction is not None and transaction.request is msg:
            self._begin(dialog, transaction, ctx)
            self.attach(transaction, run)
        else:
            run.holds = True
            self.hold(dialog)
        self.processed_dialogs.inc()
        return 1

    def attach(self, transaction: Any, run: Run) -> None:
        """A transaction belongs to a dialog from now on."""
        slots = transaction.slots
        if "dialog" not in slots and run.dialog is not None:
            slots["dialog"] = run
            self.hold(run.dialog)

    def _begin(self, dialog: Dialog, transaction: Any, ctx: Context) -> None:
        """The INVITE has its transaction."""
        dialog.transaction = transaction
        dialog.flags |= READY
        self.tell(ON_CREATED, dialog, ctx, transaction=transaction)

    # ---- what tm tells ----

    def _on_transaction(self, transaction: Any, ctx: Context) -> None:
        """A transaction was made: is it for a dialog of this run, or a request of our own?"""
        slots = ctx.slots
        run: Run | None = slots.get("dialog") if slots is not None else None
        if run is None and self._own:
            run = self._own.get(id(ctx.avps))
            if run is not None:
                ctx.slots = {"dialog": run}
        if run is None or run.dialog is None:
            return
        dialog = run.dialog
        if not dialog.flags & READY and dialog.transaction is None and transaction.is_invite:
            self._begin(dialog, transaction, ctx)
        self.attach(transaction, run)

    def _on_cancel(self, transaction: Any, ctx: Context) -> None:
        """The caller gives up; when it is answered already that is a race (RFC 5407 3.1.2)."""
        run: Run | None = transaction.slots.get("dialog")
        if run is None or run.dialog is None or run.dialog.transaction is not transaction:
            return
        dialog = run.dialog
        dialog.flags |= CANCELLED
        if dialog.flags & END_ON_RACE and dialog.state in (ANSWERED, CONFIRMED):
            dialog.flags |= RACE
            dialog.lifetime = self.race_condition_timeout
            self.start_lifetime(dialog, dialog.lifetime)
        elif not dialog.end_reason:
            dialog.end_reason = "Cancelled"
        own = self.run_of(ctx)
        if own.dialog is None:
            own.dialog = dialog

    def _on_gone(self, transaction: Any) -> None:
        """A transaction is forgotten."""
        run: Run | None = transaction.slots.get("dialog")
        if run is None:
            return
        dialog = run.dialog
        if dialog is None:
            return
        if dialog.transaction is transaction:
            dialog.transaction = None
            if dialog.state in (UNCONFIRMED, EARLY):
                self.failed(dialog, transaction, 0, None)
        elif run.number:
            numbers = dialog.legs[dialog.other(run.leg)].numbers
            if numbers is not None:
                numbers.pop(run.number, None)
        self.release(dialog)

    def _after_request(self, ctx: Context) -> None:
        """The request route has ended: a dialog whose INVITE went nowhere ends with it."""
        slots = ctx.slots
        if slots is None:
            return
        run: Run | None = slots.get("dialog")
        if run is None or run.dialog is None:
            return
        dialog = run.dialog
        if ctx.transaction is not None:
            self.on_forwarded(dialog, run, ctx.transaction)
        if run.holds:
            run.holds = False
            if not self.is_ready(dialog) and dialog.state == UNCONFIRMED:
                self.failed(dialog, None, 0, None)
            self.release(dialog)

    # ---- replies ----

    def _on_reply(self, transaction: Any, code: int, response: Response | None) -> None:
        """A reply is about to go upstream."""
        run: Run | None = transaction.slots.get("dialog")
        if run is None or run.dialog is None:
            return
        dialog = run.dialog
        if dialog.transaction is transaction:
            # Provisional replies made here are not the callee's: they say nothing about the call.
            if response is not None or code >= 200:
                self._on_call_reply(dialog, transaction, code, response)
        else:
            self.on_reply_within(dialog, run, transaction, code, response)

    def _on_call_reply(self, dialog: Dialog, transaction: Any, code: int, response: Response | None) -> None:
        """A reply to the INVITE that made the dialog."""
        if response is not None:
            self._learn_callee(dialog, transaction, code, response)
        if self.heard(dialog, ON_RESPONSE):
            self.tell(ON_RESPONSE, dialog, transaction=transaction, code=code, response=response, downstream=False)
        state = dialog.state
        if code < 200:
            if state == UNCONFIRMED:
                self.change_state(dialog, EARLY)
                self.early_dialogs.inc()
                self.tell(ON_EARLY, dialog, transaction=transaction, code=code, response=response, downstream=False)
            elif state != EARLY:
                self.bogus(f"a {code}", dialog)
        elif code < 300:
            if state in (UNCONFIRMED, EARLY) or (state == DELETED and not dialog.flags & HAS_BYE):
                self._answered(dialog, transaction, code, response)
            elif state == DELETED:
                self.bogus(f"a {code}", dialog)
        elif state in (UNCONFIRMED, EARLY):
            self.failed(dialog, transaction, code, response)
        elif state != DELETED:
            self.bogus(f"a {code}", dialog)

    def _learn_callee(self, dialog: Dialog, transaction: Any, code: int, response: Response) -> None:
        """What a reply says about the callee: its tag, and with a 2xx its Contact and route set."""
        try:
            tag = response.to_tag or ""
        except SipParseError:
            tag = ""
        if not tag and code < 200:
            return
        legs = dialog.legs
        index = 0
        for number in range(1, len(legs)):
            if legs[number].tag == tag:
                index = number
                break
        if not index:
            index = self._new_callee(dialog, transaction, tag, response)
        if 200 <= code < 300 and dialog.answered != index:
            self._learn_route(dialog, transaction, index, response)

    def legs_of_branches(self, dialog: Dialog, transaction: Any) -> None:
        """Each branch of the INVITE has a leg from the moment it is sent."""
        branches = transaction.branches
        while dialog.branches_seen < len(branches):
            dialog.legs.append(Leg(dialog.branches_seen))
            dialog.branches_seen += 1

    def _new_callee(self, dialog: Dialog, transaction: Any, tag: str, response: Response) -> int:
        """The leg of a tag not seen before: that of its branch, or one more of a branch that forked behind us."""
        branch = transaction.relaying
        self.legs_of_branches(dialog, transaction)
        legs = dialog.legs
        index = next((number for number in range(1, len(legs)) if legs[number].branch == branch.index), 0)
        if not index or legs[index].tag:
            leg = Leg()
            if index:
                leg.out_sdp = legs[index].out_sdp
            index = len(legs)
            legs.append(leg)
        else:
            leg = legs[index]
            leg.out_sdp = _sent_body(branch.data, legs[0].in_sdp)
        leg.tag = tag
        leg.cseq = legs[0].invite_cseq
        leg.socket = branch.socket
        leg.in_sdp = response.body
        try:
            from_, to = response.from_, response.to
        except SipParseError:
            return index
        # What the callee sees differs from what the caller sent when somebody rewrote it on the way (uac_replace_from).
        if from_ is not None and from_.uri != dialog.from_uri:
            leg.from_uri = from_.uri
        if to is not None and to.uri != dialog.to_uri:
            leg.to_uri = to.uri
        return index

    def _learn_route(self, dialog: Dialog, transaction: Any, index: int, response: Response) -> None:
        """A 2xx: where the callee is, and how requests get there (RFC 3261 12.1.2, from the middle of the path)."""
        if not dialog.answered:
            dialog.answered = index
        leg = dialog.legs[index]
        number = response.cseq_number or ""
        if number.isdigit() and (dialog.flags & CSEQ_ENFORCE or number != dialog.legs[0].invite_cseq):
            # Somebody counted up on the way (uac_auth): from here on we count towards the callee.
            dialog.legs[dialog.answered].gen = int(number)
        body = response.body
        if body:
            leg.in_sdp = body
        leg.contact = contact_of(response)
        lines = response.positions("record-route")
        if not lines:
            return
        ours = transaction.relaying.data.count(b"\r\nRecord-Route: <") - transaction.request.text.count("\r\nRecord-Route: <")
        known = dialog.foreign_routes + max(0, ours)
        if len(lines) <= known and not any("," in response.raw_value(line) for line in lines):
            # Nobody behind us recorded a route: the usual case.
            return
        try:
            routes = response.record_routes
        except SipParseError:
            return
        routes.reverse()
        set_routes(leg, response, routes[known:])

    def _answered(self, dialog: Dialog, transaction: Any, code: int, response: Response | None) -> None:
        """The call is answered."""
        was_early = dialog.state == EARLY
        self.change_state(dialog, ANSWERED)
        flags = dialog.flags
        if flags & END_ON_RACE and flags & (CANCELLED | HAS_BYE):
            dialog.lifetime = self.race_condition_timeout
            dialog.flags |= RACE
        dialog.started = self.server.wall()
        dialog.ended = 0.0
        self.start_lifetime(dialog, dialog.lifetime)
        self.save(dialog)
        self.tell(ON_CONFIRMED, dialog, transaction=transaction, code=code, response=response, downstream=False)
        if dialog.on_answer:
            self.run_route(dialog, dialog.on_answer)
        if was_early:
            self.early_dialogs.inc(-1)
        self.active_dialogs.inc()

    def on_forwarded(self, dialog: Dialog, run: Run, transaction: Any) -> None:
        """The request route of a request with a transaction has ended."""

    def on_reply_within(self, dialog: Dialog, run: Run, transaction: Any, code: int, response: Response | None) -> None:
        """A reply to a request inside the dialog."""


def _sent_body(data: bytes, received: str) -> str:
    """The body of a request as it was sent; "" when it is the one that was received."""
    body = data[data.find(b"\r\n\r\n") + 4:].decode("latin-1")
    return "" if body == received else body


