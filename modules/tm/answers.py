"""Replies made here for a transaction: t_reply(), the automatic 100, the 408 and 487 of tm itself; and CANCEL downstream."""

from __future__ import annotations

from engine.errors import SipParseError, TransportError
from engine.script.context import ONREPLY, Context
from engine.sip.builder import cancel
from engine.sip.message import Request, parse_message
from engine.transaction.client import Client
from engine.transaction.server import WAITING
from modules.shared.replies import build_reply, place_of, user_agent_line
from modules.tm.api import RESPONSE_FWD, RESPONSE_OUT
from modules.tm.base import TmBase
from modules.tm.cell import LOCAL_REPLY, ClientBranch, Transaction

COMPLETED_ELSEWHERE = 'Reason: SIP ;cause=200 ;text="Call completed elsewhere"\r\n'


class Answers(TmBase):
    """Local replies and cancelling."""

    # ---- local replies ----

    def _answer(
        self, transaction: Transaction, ctx: Context, code: int, reason: str, headers: str = "", body: str = "",
        tag: str | None = None,
    ) -> int:
        """Send a reply of our own to a transaction; ctx gives append_to_reply() lines and destinations of a 3xx.

        1; -1 when a final reply went before or the request cannot be answered. A final one ends the branches that are open.
        """
        if transaction.final_sent:
            self.log.error("no %d reply any more, a final %d was sent already", code, transaction.status)
            return -1
        if ctx.force_rport and transaction.place is not None and transaction.place.rport is None:
            transaction.place = place_of(ctx)
        place = transaction.place
        if place is None:
            return -1
        if code >= 180:
            if tag:
                transaction.to_tag = tag
            elif transaction.to_tag is None and not transaction.request.to_tag:
                transaction.to_tag = self.tag_for(transaction)
        if RESPONSE_FWD in self._listeners:
            self._tell(RESPONSE_FWD, transaction, code, None)
        try:
            data = build_reply(
                ctx, code, reason, tag=transaction.to_tag, received=place.received, rport=place.rport, headers=headers,
                body=body,
            )
        except SipParseError as error:
            self.log.error("the request cannot be answered: %s", error.message)
            return -1
        now = self.server.now()
        transaction.server.on_reply(code, True, now)
        if code >= 200:
            self._count_ended(transaction)
        transaction.relayed_branch = LOCAL_REPLY
        transaction.reply_data = data
        opened: list[ClientBranch] = []
        if code >= 200:
            opened = self._stop_branches(transaction)
        if self.local_reply_route:
            self._run_local_reply_route(transaction, data)
        self._upstream(transaction)
        self.local_replies.count += 1
        if opened:
            self._cancel(transaction, opened, "")
        if code >= 200 or transaction.timer is not None:
            transaction.arm(now)
        if code >= 200 and RESPONSE_OUT in self._listeners:
            self._tell(RESPONSE_OUT, transaction, code, None)
        return 1

    def _run_local_reply_route(self, transaction: Transaction, data: bytes) -> None:
        """local_reply_route: look at what is about to be sent; edits there have no effect."""
        route = self.server.script.onreply.get(self.local_reply_route)
        if route is None:
            self.log.error("local_reply_route: there is no onreply_route[%s]", self.local_reply_route)
            return
        ctx = Context(self.server, self.server.script, ONREPLY, parse_message(data))
        ctx.socket = transaction.context.socket
        ctx.transaction = transaction
        ctx.flags = transaction.flags
        self.server.run(route, ctx)

    def _release(self, transaction: Transaction) -> None:
        """Nothing more will be sent: absorb late comers for a while, then forget."""
        now = self.server.now()
        if transaction.server.state < WAITING:
            transaction.server.release(now)
            self._count_ended(transaction)
            self._stop_clients(transaction)
            transaction.arm(now)

    # ---- stopping branches ----

    @staticmethod
    def _stop_clients(transaction: Transaction) -> None:
        """Neither repeat requests nor wait for replies of the current set."""
        for branch in transaction.active:
            client = branch.client
            if client is not None:
                client.stop()

    def _stop_branches(self, transaction: Transaction) -> list[ClientBranch]:
        """The decision has fallen: stop the timers of all branches; those that must be cancelled are given back."""
        opened = self._open_branches(transaction) if transaction.is_invite else []
        self._stop_clients(transaction)
        return opened

    @staticmethod
    def _open_branches(transaction: Transaction) -> list[ClientBranch]:
        """Branches without a final reply that were not told to stop yet."""
        return [
            branch for branch in transaction.active
            if branch.last_code < 200 and not branch.placeholder and not branch.dead and branch.cancel is None
            and not branch.to_cancel and branch.client is not None
        ]

    def _cancel(self, transaction: Transaction, branches: list[ClientBranch], headers: str) -> None:
        """Cancel branches: at once where a reply came, else with the first provisional one (RFC 3261 9.1)."""
        for branch in branches:
            if branch.last_code:
                self._send_cancel(branch, headers)
            else:
                branch.to_cancel = True

    def cancel_branches(self, transaction: Transaction, headers: str = "") -> bool:
        """CANCEL every open branch of an INVITE; False when there is nothing of it any more."""
        if transaction.table is None or not transaction.is_invite or transaction.final_sent:
            return False
        self._cancel(transaction, self._open_branches(transaction), headers)
        return True

    def _sent_request(self, branch: ClientBranch) -> Request:
        """The request of a branch as it left: its Via, Route set and addresses are those of its ACK and CANCEL."""
        return parse_message(branch.data)  # type: ignore[return-value]

    def _route_lines(self, branch: ClientBranch, sent: Request) -> str:
        """Route set for the ACK and CANCEL of a branch. A Path that became its Route is left out, as OpenSIPS 3.6 does: these
        requests go to the same next hop, which knows the transaction. 3.1 wrote it (RFC 3261 17.1.1.3)."""
        if branch.path and not self.server.speaks_31 and "route" not in branch.transaction.request.names:
            return ""
        return "".join([sent.line(i) for i in sent.positions("route")])

    def _send_cancel(self, branch: ClientBranch, headers: str) -> None:
        """Send the CANCEL of a branch. headers: its Reason line; after a 200 elsewhere the reason is that."""
        transaction = branch.transaction
        if transaction.is_invite and transaction.status == 200:
            headers = COMPLETED_ELSEWHERE
        sent = self._sent_request(branch)
        branch.cancel_data = cancel(
            sent, request_uri=branch.uri, via=sent.line(sent.names.index("via")),
            route_lines=self._route_lines(branch, sent), headers=headers + transaction.extra_headers,
            user_agent=user_agent_line(self.server.settings),
        ).encode("latin-1")
        now = self.server.now()
        branch.to_cancel = False
        branch.cancel = Client(
            False, branch.targets[0].proto != "udp", self._t1, self._t2, transaction.fr_timeout, transaction.fr_timeout)
        branch.cancel.start(now)
        try:
            self.server.sockets.send(branch.cancel_data, branch.targets[0], branch.socket)
        except TransportError as error:
            self.log.error("sending CANCEL to %s failed: %s", branch.target, error)
        transaction.arm(now)
