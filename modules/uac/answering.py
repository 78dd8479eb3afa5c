"""uac_auth() and the CSeq numbers that go with it.

The request that is sent again has a higher number than its sender knows of. Replies get the old number back; the later requests
of the sender need the same step up. A parameter of our Record-Route (aci, the step) tells which dialogs that are; where the
dialog module knows the call, it sees from the 2xx that the numbers differ, and counts from there on.
"""

from __future__ import annotations

from typing import Any, Final

from engine.errors import SipParseError
from engine.module import FAILURE, Context
from engine.sip.edits import Edits, apply_changes
from engine.sip.message import Message
from modules.dialog.api import Dialogs
from modules.rr.api import Rr
from modules.tm.api import Transaction
from modules.uac.base import State, state_of
from modules.uac.numbers import present_number, renumber
from modules.uac_auth.api import UacAuth

STEP_PARAM: Final = "aci"
MAX_STEP: Final = 100
"""What we believe of a parameter that comes with a request."""


def sent_body(msg: Message, edits: Edits | None) -> str:
    """The body as it will leave: what qop=auth-int covers. Raises SipParseError."""
    if edits is None or not edits.touches_body(msg.body_start):
        return msg.body
    if edits.body is not None:
        return edits.body
    changes = [change for change in edits.changes if change[0] >= msg.body_start]
    return apply_changes(msg.text, changes, msg.body_start, msg.relay_end)


class Answering:
    """Mixin of the module."""

    log: Any
    rr: Rr | None
    dialog: Dialogs | None
    uac_auth_api: UacAuth | None

    def answer(self, ctx: Context, algorithms: tuple[str, ...]) -> int:
        """uac_auth()."""
        transaction: Transaction | None = ctx.transaction
        branch = transaction.picked if transaction is not None and ctx.kind == FAILURE else None
        if branch is None or self.uac_auth_api is None:
            self.log.error("uac_auth() works in failure_route only")
            return -1
        if branch.reply is None:
            self.log.error("the branch has no reply that could be a challenge")
            return -1
        msg: Any = ctx.msg
        try:
            lines = self.uac_auth_api.answer(
                branch.reply, msg.method, branch.uri, sent_body(msg, ctx.edits), avps=ctx.avps, algorithms=algorithms)
            if not lines:
                self.log.info("no credential for the challenge in the %d, or no challenge that can be answered", branch.last_code)
                return -1
            if not self._count_for_answer(ctx):
                return -1
        except SipParseError as error:
            self.log.error("the challenge cannot be answered: %s", error.message)
            return -1
        ctx.ruri = branch.uri
        ctx.new_edits().append_header(msg, lines)
        return 1

    def _count_for_answer(self, ctx: Context) -> bool:
        """The next CSeq number, higher than that of every copy sent before."""
        msg: Any = ctx.msg
        state = state_of(ctx)
        dialog = self.dialog.get(ctx) if self.dialog is not None else None
        edits = ctx.new_edits()
        now = present_number(msg, edits)
        if now is None:
            self.log.error("CSeq has no number to be counted up")
            return False
        before, changed = now
        number = max(before, state.top) + 1
        counted = self.dialog.number_again(ctx) if self.dialog is not None and dialog is not None and msg.to_tag else 0
        if not renumber(msg, edits, max(number, counted)):
            return False
        state.top = max(number, counted)
        # The dialog module gives replies the number back that it has changed.
        state.renumbered = not counted and (state.renumbered or not changed)
        if not msg.to_tag and dialog is None and self.rr is not None:
            self.rr.add_param(ctx, f";{STEP_PARAM}={number - before}")
        return True

    def count_up(self, ctx: Context, step: int) -> int:
        """uac_inc_cseq()."""
        if ctx.transaction is None:
            self.log.error("uac_inc_cseq() needs a transaction: call t_newtran() before")
            return -1
        try:
            return 1 if self._step(ctx, state_of(ctx), step) else -1
        except SipParseError as error:
            self.log.error("CSeq cannot be read: %s", error.message)
            return -1

    def _step(self, ctx: Context, state: State, step: int) -> bool:
        edits = ctx.new_edits()
        now = present_number(ctx.msg, edits)
        if now is None or not renumber(ctx.msg, edits, now[0] + step):
            self.log.error("CSeq cannot be counted up by %d", step)
            return False
        state.top = max(state.top, now[0] + step)
        state.renumbered = state.renumbered or not now[1]
        return True

    # ---- the rest of the dialog, without dialog module ----

    def on_route_numbers(self, ctx: Context, params: str) -> None:
        """loose_route() followed the Route set: requests of the side that was answered for get higher numbers."""
        assert self.rr is not None
        text = self.rr.param(ctx, STEP_PARAM)
        if text is None or not self.rr.downstream(ctx):
            return
        step = int(text) if text.isascii() and text.isdigit() and int(text) <= MAX_STEP else 1
        try:
            self._step(ctx, state_of(ctx), step)
        except SipParseError as error:
            self.log.error("CSeq cannot be read: %s", error.message)

    def renumber_reply(self, transaction: Transaction, ctx: Context) -> None:
        """The reply gets the number its request had. Raises SipParseError."""
        number = transaction.request.cseq_number
        if number is not None and number.isdigit() and ctx.msg.cseq_number != number:
            renumber(ctx.msg, ctx.new_edits(), int(number))
