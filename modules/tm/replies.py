"""Replies from downstream: matching, onreply routes, the choice among branches, failure_route (RFC 3261 16.7)."""

from __future__ import annotations

from typing import Any, Final

from engine.errors import SipParseError, TransportError
from engine.script.context import FAILURE, Context
from engine.sip.builder import ack_for_failure, forward_response
from engine.sip.message import Response
from engine.sip.names import reason_phrase
from engine.transaction.actions import ACK, DELIVER
from modules.shared.replies import build_reply, user_agent_line
from modules.tm.api import FAILED, LOCAL_COMPLETED, RESPONSE_FWD, RESPONSE_IN, RESPONSE_OUT
from modules.tm.base import run_state
from modules.tm.cell import ClientBranch, Transaction
from modules.tm.forward import Forwarding

_RANKS: Final[dict[int, int]] = {401: 500, 407: 501, 415: 502, 420: 503, 484: 504, 408: 800, 503: 801}


def rank(code: int, cancelled: bool) -> int:
    """How good a negative final reply is for the caller; the lowest wins (RFC 3261 16.7 step 6, in OpenSIPS' order)."""
    found = _RANKS.get(code)
    if found is not None:
        return found
    if code >= 600:
        return code - 300
    if code < 400:
        return code + 100
    if code == 487 and cancelled:
        return 0
    return code + 200


class Replies(Forwarding):
    """What happens to a reply, received or made up."""

    # ---- a reply came ----

    def _on_response(self, ctx: Context) -> bool:
        """Handler of the receive path: True when the reply belongs to a transaction."""
        msg: Response = ctx.msg  # type: ignore[assignment]
        try:
            branch = self.table.find_branch(msg)
        except SipParseError:
            return False
        if branch is None:
            return False
        self.received_replies.count += 1
        transaction = branch.transaction
        if transaction.is_invite and msg.cseq_method == "CANCEL":
            if branch.cancel is not None:
                branch.cancel.on_response(msg.status_code, self.server.now())
            return True
        if branch.client is None:
            return True
        transaction.enter(self._process, transaction, branch, ctx)
        return True

    def _process(self, transaction: Transaction, branch: ClientBranch, ctx: Context) -> None:
        """A reply of a branch: timers and ACK first, then the script's reply routes, then the decision."""
        if transaction.table is None or branch.client is None:
            return
        msg: Response = ctx.msg  # type: ignore[assignment]
        code = msg.status_code
        actions = branch.client.on_response(code, self.server.now())
        if actions & ACK:
            self._send_ack(branch, msg)
        elif transaction.is_local and transaction.is_invite and 200 <= code < 300:
            self._acknowledge(branch, msg)
        ctx.transaction = transaction
        ctx.branch = branch
        ctx.flags = transaction.flags
        ctx.branch_flags = branch.flags
        if RESPONSE_IN in self._listeners:
            self._tell(RESPONSE_IN, transaction, ctx)
        if branch.on_reply or transaction.on_reply:
            if self.onreply_avp_mode:
                ctx.avps = transaction.avps
            if not self._run_reply_route(branch.on_reply, ctx) or not self._run_reply_route(transaction.on_reply, ctx):
                transaction.arm(self.server.now())
                return
            state = ctx.tm
            if state is not None and state.suspended is not None:
                state.suspended = lambda: self._conclude(transaction, branch, ctx, actions)
                return
        self._conclude(transaction, branch, ctx, actions)

    def _run_reply_route(self, name: str, ctx: Context) -> bool:
        """A named onreply_route; False: it dropped the (provisional) reply. Nothing to run once the reply is suspended."""
        if not name or (ctx.tm is not None and ctx.tm.suspended is not None):
            return True
        route = ctx.script.onreply.get(name)
        if route is None:
            self.log.error("there is no onreply_route[%s] any more", name)
            return True
        ctx.dropped = False
        self.server.run(route, ctx)
        return not ctx.dropped or ctx.msg.status_code >= 200  # type: ignore[attr-defined]

    def _conclude(self, transaction: Transaction, branch: ClientBranch, ctx: Context, actions: int) -> None:
        """After the reply routes."""
        if transaction.table is None:
            return
        msg: Response = ctx.msg  # type: ignore[assignment]
        code = msg.status_code
        branch.answered = True
        branch.flags = ctx.branch_flags
        transaction.flags = ctx.flags
        if code < 200 and (branch.to_cancel or (transaction.cancelled and branch.cancel is None)) and actions & DELIVER:
            branch.last_code = code
            self._send_cancel(branch, "")
        if actions & DELIVER:
            self._decide(transaction, branch, code, msg, ctx)
        transaction.arm(self.server.now())

    def _send_ack(self, branch: ClientBranch, msg: Response) -> None:
        """ACK a negative reply to an INVITE, hop by hop (RFC 3261 17.1.1.3)."""
        if "to" not in msg.names or not branch.data:
            return
        sent = self._sent_request(branch)
        try:
            text = ack_for_failure(
                msg if "from" in msg.names else sent,
                request_uri=branch.uri, via=sent.line(sent.names.index("via")), reply_to=msg.header("to") or "",
                route_lines=self._route_lines(branch, sent), headers=branch.transaction.extra_headers,
                user_agent=user_agent_line(self.server.settings),
            )
            self.server.sockets.send(text.encode("latin-1"), branch.targets[0], branch.socket)
        except (SipParseError, TransportError) as error:
            self.log.error("sending ACK to %s failed: %s", branch.target, error)

    # ---- a reply made up ----

    def _branch_ended(self, branch: ClientBranch, code: int) -> None:  # type: ignore[override]
        """A branch gets a final reply of our own: timeout, broken connection, the end of a placeholder."""
        transaction = branch.transaction
        if transaction.table is not None and branch.last_code < 200:
            self._decide(transaction, branch, code, None, None)
            transaction.arm(self.server.now())

    # ---- the decision ----

    def _decide(
        self, transaction: Transaction, branch: ClientBranch, code: int, msg: Response | None, ctx: Context | None,
    ) -> None:
        """What a new reply means for the transaction. msg None: made here."""
        status = transaction.status
        if code < 200:
            if status >= 200:
                return
            branch.last_code = code
            if branch.client is not None:
                branch.client.proceed(code, self.server.now())
            if code != 100:
                self._relay(transaction, branch, code, msg, ctx)
            return
        if code < 300:
            branch.last_code = code
            if status >= 200 and not transaction.is_invite:
                return
            self._relay(transaction, branch, code, msg, ctx)
            if transaction.multi_2xx:
                self._hold_while_open(transaction)
            elif status < 200:
                self._cancel(transaction, self._stop_branches(transaction), "")
            return
        if status >= 200:
            branch.last_code = code
            if transaction.multi_2xx:
                self._hold_while_open(transaction)
            return
        branch.last_code = code
        branch.reply = msg
        if ctx is not None:
            branch.reply_edits = ctx.edits
        self._decide_negative(transaction, branch, code)

    def _decide_negative(self, transaction: Transaction, branch: ClientBranch, code: int) -> None:
        """A branch has failed: wait for others, try something else, or send the best answer upstream."""
        if code >= 600 and not self.disable_6xx_block:
            transaction.no_new_branches = True
            picked: ClientBranch | None = branch
        else:
            picked = self._pick(transaction)
        if picked is None:
            return
        opened = self._open_branches(transaction) if transaction.is_invite else []
        if opened and not transaction.no_new_branches:
            # Only branches that nobody waits for (minor_branch_flag) can be open here.
            for minor in opened:
                if minor.client is not None:
                    minor.client.stop()
            self._cancel(transaction, opened, "")
            opened = []
        if not transaction.no_failover and self._fails_over(picked) and self._failover(transaction, picked):
            return
        if FAILED in self._listeners:
            self._tell(FAILED, transaction, picked.last_code, picked.reply)
        if transaction.on_failure:
            count = len(transaction.branches)
            self._run_failure_route(transaction, picked, branch)
            if transaction.table is None or transaction.final_sent:
                return
            if any(not added.dead for added in transaction.branches[count:]):
                return
        self._stop_clients(transaction)
        self._relay(transaction, picked, picked.last_code, picked.reply, None)
        if opened:
            self._cancel(transaction, opened, "")

    def _hold_while_open(self, transaction: Transaction) -> None:
        """allow-no-cancel: after the first 2xx the transaction lives until the last branch is done."""
        if self._open_branches(transaction):
            transaction.server.hold()
        else:
            self._release(transaction)

    def _pick(self, transaction: Transaction) -> ClientBranch | None:
        """The branch with the best negative reply; None while one is open, or when there is none."""
        best: ClientBranch | None = None
        lowest = 1000
        cancelled = transaction.cancelled
        for branch in transaction.active:
            if branch.dead:
                continue
            code = branch.last_code
            if branch.placeholder and ((cancelled and code < 200) or transaction.is_over(branch)):
                continue
            if code < 200:
                if self._minor and branch.flags & self._minor:
                    continue
                return None
            value = rank(code, cancelled)
            if value < lowest:
                best, lowest = branch, value
        return best

    def _fails_over(self, branch: ClientBranch) -> bool:
        """RFC 3263 4.3: no answer at all, or 503, and there is another address."""
        if len(branch.targets) < 2 or self.server.settings.disable_dns_failover:
            return False
        return branch.last_code == 503 if branch.reply is not None else branch.last_code == 408 and not branch.answered

    def _run_failure_route(self, transaction: Transaction, picked: ClientBranch, last: ClientBranch) -> None:
        """failure_route on the request as received; it must be armed again for further branches."""
        name, transaction.on_failure = transaction.on_failure, ""
        route = self.server.script.failure.get(name)
        if route is None:
            self.log.error("there is no failure_route[%s] any more", name)
            return
        ctx = self._context_for(transaction, FAILURE)
        ctx.branch = last
        ctx.reply = picked.reply
        transaction.picked = picked
        self.server.run(route, ctx)
        transaction.picked = None
        transaction.flags = ctx.flags

    # ---- upstream ----

    def _relay(
        self, transaction: Transaction, branch: ClientBranch, code: int, msg: Response | None, ctx: Context | None,
    ) -> None:
        """Send a reply upstream: a received one with its edits, or one of our own."""
        now = self.server.now()
        if transaction.is_local:
            self._deliver(transaction, code, msg, now)
            return
        listeners = self._listeners
        if RESPONSE_FWD in listeners:
            if ctx is not None:
                branch.reply_edits = ctx.edits
            transaction.relaying = branch
            self._tell(RESPONSE_FWD, transaction, code, msg)
            transaction.relaying = None
            edits = branch.reply_edits
        else:
            edits = ctx.edits if ctx is not None else branch.reply_edits
        place = transaction.place
        if place is None:
            return
        try:
            if msg is None:
                if code >= 180 and transaction.to_tag is None and not transaction.request.to_tag:
                    transaction.to_tag = self.tag_for(transaction)
                data = build_reply(
                    transaction.context, code, branch.reason or reason_phrase(code), tag=transaction.to_tag,
                    received=place.received, rport=place.rport,
                )
                self.local_replies.count += 1
            else:
                translated = 500 if code == 503 and not self.server.settings.disable_503_translation else None
                data = forward_response(
                    msg, edits=edits, status_code=translated, need_length=place.target.proto != "udp",
                ).encode("latin-1")
                self.relayed_replies.count += 1
        except SipParseError as error:
            self.log.error("a %d reply cannot be relayed: %s", code, error.message)
            if not transaction.final_sent:
                self._answer(transaction, transaction.context, 500, "Reply processing error")
            return
        transaction.server.on_reply(code, False, now)
        if code >= 200:
            self._count_ended(transaction)
        transaction.relayed_branch = branch.index
        transaction.reply_data = data
        self._upstream(transaction)
        if RESPONSE_OUT in listeners and self._is_new(transaction, code, msg):
            self._tell(RESPONSE_OUT, transaction, code, msg)

    @staticmethod
    def _is_new(transaction: Transaction, code: int, msg: Response | None) -> bool:
        """Whether a reply is news for listeners: a 2xx to an INVITE comes again until its ACK."""
        if msg is None or not transaction.is_invite or not 200 <= code < 300:
            return True
        if transaction.to_tags is None:
            transaction.to_tags = set()
        tag = msg.to_tag
        if tag in transaction.to_tags:
            return False
        transaction.to_tags.add(tag)
        return True

    def _deliver(self, transaction: Transaction, code: int, msg: Response | None, now: float) -> None:
        """A reply to a request of our own (or to a copy made by t_replicate): it ends here."""
        first = transaction.server.status < 200
        if first:
            transaction.server.status = code
            if code >= 200:
                transaction.server.release(now)
                self._count_ended(transaction)
                if LOCAL_COMPLETED in self._listeners:
                    self._tell(LOCAL_COMPLETED, transaction, code, msg)
        done = transaction.done
        if done is not None and first and (code >= 200 or self.pass_provisional_replies):
            try:
                done(code, msg)
            except Exception as error:
                self._on_error(error)

    # ---- async in onreply_route ----

    @staticmethod
    def _suspend_reply(ctx: Context) -> int:
        """async() in a named onreply_route: the reply waits. 1; -1 when it belongs to no transaction.

        It goes on behind the first resume route; an async() in that one does not hold it any longer.
        """
        if ctx.transaction is None or ctx.branch is None:
            return -1
        state = run_state(ctx)
        if state.suspended is None:
            state.suspended = _nothing
        return 1

    @staticmethod
    def _reply_resumed(ctx: Context) -> None:
        """The result was there at once: the onreply route has not even returned, so nothing waits."""
        state: Any = ctx.tm
        if state is not None and state.suspended is _nothing:
            state.suspended = None

    @staticmethod
    def _resume_reply(ctx: Context) -> None:
        """The resume route has ended: go on where the reply was left."""
        state: Any = ctx.tm
        if state is not None and state.suspended is not None:
            go_on, state.suspended = state.suspended, None
            ctx.transaction.enter(go_on)


def _nothing() -> None:
    """Stands for a suspended reply until its onreply routes have returned."""
