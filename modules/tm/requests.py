"""Requests from upstream: making transactions, absorbing retransmissions, ACK and CANCEL, t_relay()."""

from __future__ import annotations

from engine.errors import SipParseError, TransportError
from engine.script.context import FAILURE, REQUEST, Context
from engine.sip.builder import forward_request
from engine.script.faults import note_fault
from engine.sip.message import Request
from engine.sip.uri import parse_uri
from engine.transaction.key import stateless_branch
from engine.transaction.place import source_marks
from engine.transaction.server import WAITING, Server
from engine.transport.address import Target
from modules.shared.replies import error_reply, place_of
from modules.tm.api import CANCELLED, CREATED
from modules.tm.base import E_BAD_REQUEST, E_TUPLE, SCRIPT_CODES, RunState, run_state
from modules.tm.cell import LOCAL_REPLY, Transaction
from modules.tm.replies import Replies

# Flags of t_relay() and t_replicate(), as version 3.1 numbers them.
NO_AUTO_477 = 0x02
NO_DNS_FAILOVER = 0x04
PASS_REASON = 0x08
ALLOW_NO_CANCEL = 0x10

REASON_487 = 'Reason: SIP;cause=487;text="ORIGINATOR_CANCEL"\r\n'


class Requests(Replies):
    """The server side."""

    # ---- matching and making ----

    def t_newtran(self, ctx: Context) -> int:
        """Make the transaction of a request. 1 made (or an ACK nobody knows), 0 a retransmission or an ACK that was absorbed,
        negative: -9 headers missing, -400 a broken Request-URI, -1 there is one already."""
        if ctx.transaction is not None:
            self.log.error("the transaction exists already")
            return -1
        msg: Request = ctx.msg  # type: ignore[assignment]
        if not msg.has_identity:
            self.log.error("too few headers for a transaction")
            return E_TUPLE
        method = msg.method
        if method == "ACK":
            return self._new_ack(ctx)
        try:
            key = self.table.key_of(msg, method)
        except SipParseError:
            return E_TUPLE
        known = self.table.find(key)
        if known is not None:
            if known.server.on_request():
                self._upstream(known)
            return 0
        try:
            parse_uri(ctx.ruri or "")
            place = place_of(ctx)
        except SipParseError as error:
            note_fault(ctx, "r-uri", error)
            return E_BAD_REQUEST
        is_invite = method == "INVITE"
        fr_timeout: float = self.fr_timeout
        fr_inv_timeout: float = self.fr_inv_timeout
        state = ctx.tm
        if state is not None:
            if state.fr_timeout is not None:
                fr_timeout = state.fr_timeout
            if state.fr_inv_timeout is not None:
                fr_inv_timeout = state.fr_inv_timeout
        server = Server(is_invite, ctx.proto != "udp", self._t1, self._t2, fr_timeout, self.wt_timer)
        transaction = Transaction(self.table, ctx, method, server, place)
        transaction.fr_timeout = fr_timeout
        transaction.fr_inv_timeout = fr_inv_timeout
        if self.server.settings.disable_dns_failover:
            transaction.no_failover = True
        self.table.add(transaction, key)
        ctx.transaction = transaction
        self.uas_transactions.count += 1
        if CREATED in self._listeners:
            self._tell(CREATED, transaction, ctx)
        if is_invite and self.auto_100trying:
            self._answer(transaction, ctx, 100, "Giving it a try")
        return 1

    def _new_ack(self, ctx: Context) -> int:
        """t_newtran() of an ACK: 0 absorbed, 1 to be forwarded."""
        msg: Request = ctx.msg  # type: ignore[assignment]
        code = self._find_ack(ctx)
        if code == 1:
            known = self.table.find_invite(msg)
            if known is not None and known.final_sent:
                self._release(known)
            return 0
        if code == -2:
            known = run_state(ctx).end_to_end
            if known is not None and known.relayed_branch == LOCAL_REPLY:
                self._release(known)
                return 0
        return 1

    def _find_ack(self, ctx: Context) -> int:
        """1: to a negative or local reply of a transaction here, -2: end to end (kept in the run's state), -1: unknown."""
        msg: Request = ctx.msg  # type: ignore[assignment]
        state: RunState | None = ctx.tm
        if state is not None and state.end_to_end is not None and state.end_to_end.table is not None:
            # t_check_trans() has looked already.
            return -2
        try:
            known = self.table.find_invite(msg)
            if known is not None and not (200 <= known.status < 300):
                return 1
            known = self.table.find_end_to_end(msg)
        except SipParseError:
            return -1
        if known is None:
            return -1
        run_state(ctx).end_to_end = known
        return -2

    def _cancelled_by(self, ctx: Context) -> Transaction | None:
        """The INVITE a CANCEL means."""
        state = run_state(ctx)
        if state.cancelled is None:
            try:
                state.cancelled = self.table.find_invite(ctx.msg)  # type: ignore[arg-type]
            except SipParseError:
                return None
        return state.cancelled

    def check_trans(self, ctx: Context) -> int:
        """t_check_trans()."""
        msg: Request = ctx.msg  # type: ignore[assignment]
        if not msg.has_identity:
            return 0
        if msg.method == "CANCEL":
            return 1 if self._cancelled_by(ctx) is not None else -1
        if ctx.transaction is not None:
            return 1
        if msg.method == "ACK":
            code = self._find_ack(ctx)
            if code == 1:
                transaction = ctx.transaction = self.table.find_invite(msg)
                if transaction is not None and transaction.final_sent:
                    # The reply has arrived, whatever the script does with the ACK.
                    self._release(transaction)
            return code
        try:
            known = self.table.find(self.table.key_of(msg, msg.method))
        except SipParseError:
            return -1
        if known is None:
            return -1
        if known.server.on_request():
            self._upstream(known)
        return 0

    # ---- the end of a run ----

    def _after_request(self, ctx: Context) -> None:
        """Post-script callback: what the script made and then left alone vanishes after a while."""
        transaction: Transaction | None = ctx.transaction
        if transaction is None or transaction.request is not ctx.msg or transaction.suspended:
            return
        if not transaction.updated:
            transaction.edits = ctx.edits
            transaction.record_route = ctx.record_route
            transaction.ruri = ctx.ruri
            transaction.flags = ctx.flags
            transaction.updated = True
        server = transaction.server
        if server.status < 200 and server.state < WAITING:
            for branch in transaction.branches:
                if not branch.dead:
                    return
            self._release(transaction)

    # ---- t_relay ----

    def t_relay(self, ctx: Context, flags: int | None = None, proxy: str | None = None) -> int:
        """t_relay(): see the script function."""
        return self._relay_request(ctx, flags or 0, proxy, False)

    def _relay_request(self, ctx: Context, flags: int, proxy: str | None, replicate: bool) -> int:
        transaction: Transaction | None = ctx.transaction
        is_new = transaction is None
        if transaction is None:
            if ctx.kind == FAILURE:
                return -1
            code = self.t_newtran(ctx)
            if code <= 0:
                return SCRIPT_CODES.get(code, -1) if code < 0 else 1
            if ctx.msg.method == "ACK":  # type: ignore[attr-defined]
                return self._forward_ack(ctx, proxy)
            transaction = ctx.transaction
            assert transaction is not None
        elif ctx.msg.method == "ACK":  # type: ignore[attr-defined]
            if transaction.final_sent:
                self._release(transaction)
            return 1
        elif ctx.kind == REQUEST and "pn_waiting" in transaction.slots:
            self.log.warning("not relayed: the request waits for its devices to be woken, branches come by themselves")
            return 1
        if flags & NO_DNS_FAILOVER:
            transaction.no_failover = True
        if flags & PASS_REASON:
            transaction.pass_reason = True
        if flags & ALLOW_NO_CANCEL and _wants_no_cancel(ctx):
            transaction.multi_2xx = True
        if replicate:
            transaction.is_local = True
        if transaction.method == "CANCEL":
            invite = self._cancelled_by(ctx)
            if invite is not None:
                return self._cancel_invite(ctx, transaction, invite)
        targets = None
        if proxy is not None:
            targets = self._proxy_targets(proxy)
            if not targets:
                return self._relay_failed(ctx, transaction, -476, flags, is_new and not replicate)
        if ctx.kind == REQUEST:
            self._take_over(transaction, ctx)
        code = self._forward(transaction, ctx, not is_new, targets)
        if code > 0:
            return 1
        return self._relay_failed(ctx, transaction, code, flags, is_new and not replicate)

    def _relay_failed(self, ctx: Context, transaction: Transaction, code: int, flags: int, answers: bool) -> int:
        """Nothing could be sent: by default the caller is told so, and the script sees success."""
        if answers and not flags & NO_AUTO_477 and not transaction.final_sent:
            status, reason = error_reply(code, "TM")
            if self._answer(transaction, ctx, status, reason) > 0:
                return 1
        return SCRIPT_CODES.get(code, -1)

    # ---- CANCEL ----

    def _cancel_invite(self, ctx: Context, transaction: Transaction, invite: Transaction) -> int:
        """A CANCEL for a known INVITE: 200 at once, CANCEL on its branches (RFC 3261 9.2, 16.10)."""
        invite.cancelled = True
        if CANCELLED in self._listeners:
            self._tell(CANCELLED, invite, ctx)
        self._answer(transaction, ctx, 200, "canceling")
        self._cancel(invite, self._open_branches(invite) if invite.is_invite else [], self._cancel_reason(ctx, transaction))
        if invite.final_sent:
            return 1
        placeholder = invite.placeholder()
        if placeholder is not None:
            # Nobody will be woken any more. Branches that really ring decide with their answers.
            if not self._open_or_cancelled(invite):
                invite.enter(self._branch_ended, placeholder, 487)
        elif invite.suspended and not invite.branches:
            # A call held by async() has nobody to ask: the caller need not wait for the script.
            self._answer(invite, invite.context, 487, "Request Terminated")
        return 1

    @staticmethod
    def _open_or_cancelled(transaction: Transaction) -> bool:
        """Whether some real branch still owes its final reply."""
        return any(
            branch.last_code < 200 and not branch.placeholder and not branch.dead for branch in transaction.active
        )

    @staticmethod
    def _cancel_reason(ctx: Context, transaction: Transaction) -> str:
        """Reason line of the CANCELs: the script's own, the caller's when it may pass, else the default (RFC 3326)."""
        state = run_state(ctx)
        if state.cancel_reason:
            return state.cancel_reason
        if transaction.pass_reason and "reason" in ctx.msg.names:
            return ctx.msg.line(ctx.msg.names.index("reason"))
        return REASON_487

    # ---- ACK ----

    def _forward_ack(self, ctx: Context, proxy: str | None) -> int:
        """An ACK of no transaction here goes on without one: 1, or t_relay()'s negative codes."""
        msg: Request = ctx.msg  # type: ignore[assignment]
        invite = run_state(ctx).end_to_end
        if invite is not None:
            key = invite.branch_key(len(invite.branches) + 1)
        else:
            key = stateless_branch(msg)
        targets: list[Target]
        if proxy is not None:
            targets = self._proxy_targets(proxy)
        else:
            targets = self._next_hops(ctx.dst_uri or ctx.ruri or "", ctx.send_socket)
        if not targets:
            self.log.error("next hop %s of an ACK cannot be resolved", ctx.dst_uri or ctx.ruri)
            return -4
        code = -6
        # An ACK is never answered: only what its Via is told is of interest, not where replies would go.
        received, rport = source_marks(msg.via, ctx.src_ip, ctx.src_port, ctx.force_rport)
        for target in targets:
            socket = self.server.sockets.pick(target.proto, target.ip, ctx.socket, ctx.send_socket)
            if socket is None:
                continue
            top, edits = self._top_lines(ctx, socket)
            text = forward_request(
                msg, request_uri=ctx.ruri or msg.request_uri, via=self._via_line(ctx, socket, key), top=top, edits=edits,
                received=received, rport=rport, route_lines=f"Route: {ctx.path}\r\n" if ctx.path else None,
                need_length=target.proto != "udp",
            )
            data = text.encode("latin-1")
            if ctx.slots is not None and self._is_blocked(ctx.slots, target, data):
                code = -5
                continue
            try:
                self.server.sockets.send(data, target, socket)
            except TransportError as error:
                self.log.error("sending an ACK to %s failed: %s", target, error)
                continue
            return 1
        return code


def _wants_no_cancel(ctx: Context) -> bool:
    """Whether the caller asks for no-cancel (Request-Disposition, RFC 3841)."""
    for value in ctx.msg.header_values("request-disposition"):
        for option in value.replace(",", " ").split():
            if option.lower() == "no-cancel":
                return True
    return False
