"""Requests the server makes itself (t_new_request, MI, other modules): the message, local_route, sending, the ACK of a 2xx."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from engine.errors import SipParseError, TransportError
from engine.script.context import LOCAL, REQUEST, Context
from engine.sip.builder import forward_request, local_request
from engine.sip.edits import Edits
from engine.sip.message import Request, Response, parse_message
from engine.sip.uri import parse_uri
from engine.transaction.server import Server
from engine.transport.address import Target
from modules.shared.replies import user_agent_line
from modules.tm.api import CREATED
from modules.tm.cell import ClientBranch, Transaction
from modules.tm.waiting import Waiting

DEFAULT_CSEQ = 10


class Uac(Waiting):
    """The user agent client."""

    def local_request(
        self, method: str, ruri: str, from_: str, to: str, *, headers: str = "", body: str = "", next_hop: str | None = None,
        socket: Any = None, call_id: str | None = None, cseq: int | None = None,
        done: Callable[[int, Any], None] | None = None, avps: dict[str, list[Any]] | None = None, routes: str = "",
        max_forwards: int = 70,
    ) -> Transaction | None:
        """Send a request of our own; local_route runs. May wait for DNS.

        from_ and to are header values (the From tag is added when missing), headers and routes whole lines. next_hop: where it
        goes when not to the Request-URI; socket: ListenSocket to send by. done(code, response | None) is called with the final
        answer (408 local); with pass_provisional_replies also with others. None when it cannot be sent.
        """
        hop = next_hop or ruri
        targets = self._next_hops(hop, socket)
        if not targets:
            self.log.error("next hop %s of a %s of our own cannot be resolved", hop, method)
            return None
        target = targets[0]
        picked = self.server.sockets.pick(target.proto, target.ip, None, socket)
        if picked is None:
            self.log.error("no socket to send to %s", target)
            return None
        if ";tag=" not in from_.lower():
            from_ += f";tag={secrets.token_hex(8)}"
        if call_id is None:
            call_id = f"{secrets.token_hex(12)}@{picked.ip}"
        # The branch needs the transaction and the transaction the message: the Via is completed below.
        text = local_request(
            method, ruri, via=f"{picked.via_prefix}z9hG4bK\r\n", to=to, from_=from_,
            cseq=DEFAULT_CSEQ if cseq is None else cseq, call_id=call_id, routes=routes, headers=headers, body=body,
            user_agent=user_agent_line(self.server.settings), max_forwards=max_forwards,
        )
        try:
            msg: Request = parse_message(text)  # type: ignore[assignment]
            msg.check()
            parse_uri(ruri)
        except SipParseError as error:
            self.log.error("bad %s request of our own: %s", method, error.message)
            return None
        ctx = Context(self.server, self.server.script, LOCAL, msg)
        ctx.socket = picked
        ctx.proto = picked.proto
        ctx.src_ip = picked.ip
        ctx.src_port = picked.port
        ctx.ruri = msg.request_uri
        ctx.dst_uri = next_hop
        ctx.send_socket = socket
        if avps is not None:
            ctx.avps = avps
        transaction = self._local_transaction(ctx, method)
        transaction.done = done
        self._run_local_route(transaction, ctx)
        if ctx.dst_uri != next_hop or ctx.ruri != msg.request_uri or ctx.send_socket is not socket:
            targets = self._next_hops(ctx.dst_uri or ctx.ruri or "", ctx.send_socket)
        if self._send_local(transaction, ctx, targets) < 0:
            transaction.done = None
            self.forget(transaction)
            return None
        return transaction

    def _local_transaction(self, ctx: Context, method: str) -> Transaction:
        """The transaction of a request of our own: there is nobody upstream."""
        server = Server(method == "INVITE", True, self._t1, self._t2, self.fr_timeout, self.wt_timer)
        transaction = Transaction(self.table, ctx, method, server, None)
        transaction.is_local = True
        transaction.fr_timeout = self.fr_timeout
        transaction.fr_inv_timeout = self.fr_inv_timeout
        transaction.no_failover = self.server.settings.disable_dns_failover
        self.table.add(transaction, None)
        self.uac_transactions.count += 1
        ctx.transaction = transaction
        if CREATED in self._listeners:
            self._tell(CREATED, transaction, ctx)
        return transaction

    def _run_local_route(self, transaction: Transaction, ctx: Context) -> None:
        """local_route may change destination, headers and body, and arm reply and failure routes."""
        route = self.server.script.local
        if route is not None:
            self.server.run(route, ctx)
        ctx.branches = None
        transaction.on_branch = ""
        transaction.flags = ctx.flags
        edits = ctx.edits
        transaction.edits = edits.copy() if edits is not None else None
        transaction.updated = True
        if self.local_request_route:
            extra = self.server.script.routes.get(self.local_request_route)
            if extra is None:
                self.log.error("local_request_route: there is no route[%s]", self.local_request_route)
            else:
                look = Context(self.server, self.server.script, REQUEST, ctx.msg)
                look.socket, look.ruri, look.transaction, look.avps = ctx.socket, ctx.ruri, transaction, ctx.avps
                self.server.run(extra, look)

    def _send_local(self, transaction: Transaction, ctx: Context, targets: list[Target]) -> int:
        """Send it as the only branch; 1 or an internal error code."""
        if not targets:
            return -476
        made = self._add_branch(
            transaction, ctx, ctx.ruri or "", ctx.dst_uri, None, ctx.q, ctx.send_socket, ctx.branch_flags, ctx.branch_attrs,
            targets,
        )
        if isinstance(made, int):
            return made
        code = self._launch(transaction, ctx, made)
        if code > 0:
            transaction.arm(self.server.now())
        return code

    def _message(self, transaction: Transaction, run: Context, branch: ClientBranch) -> str:
        """Requests of our own: the stand-in for Via is replaced by the real one."""
        if transaction.place is not None:
            return super()._message(transaction, run, branch)
        msg = transaction.request
        edits = run.edits.copy() if run.edits is not None else Edits()
        edits.remove_header(msg, msg.names.index("via"))
        return forward_request(
            msg, request_uri=branch.uri, via=self._via_line(run, branch.socket, branch.key), edits=edits,
            need_length=branch.socket.proto != "udp",
        )

    # ---- 2xx to an INVITE of our own ----

    def _acknowledge(self, branch: ClientBranch, msg: Response) -> None:  # type: ignore[override]
        """The ACK to a 2xx: a request of its own along the new dialog's route set; inside a dialog along that of the INVITE,
        which a 2xx does not change (RFC 3261 13.2.2.4, 12.2)."""
        try:
            sent = self._sent_request(branch)
            contacts = msg.contacts
            ruri = contacts[0].uri if contacts else branch.uri
            routes = [route.uri for route in (sent.routes if sent.to_tag else reversed(msg.record_routes))]
            hop = routes[0] if routes else ruri
            targets = self._next_hops(hop, branch.socket)
            socket = self.server.sockets.pick(targets[0].proto, targets[0].ip, branch.socket, branch.forced) if targets else None
            if socket is None:
                self.log.error("the ACK to a 2xx cannot be sent to %s", hop)
                return
            text = "".join((
                f"ACK {ruri} SIP/2.0\r\n{socket.via_prefix}{branch.transaction.branch_key(branch.index + 1)}\r\n",
                f"To: {msg.header('to')}\r\nFrom: {msg.header('from')}\r\n",
                f"CSeq: {sent.cseq_number} ACK\r\nCall-ID: {msg.call_id}\r\nMax-Forwards: 70\r\n",
                "".join([f"Route: <{route}>\r\n" for route in routes]), branch.transaction.extra_headers,
                "Content-Length: 0\r\n\r\n",
            ))
            if sent.to_tag and self.server.script.local is not None:
                text, targets = self._ack_by_local_route(branch.transaction, text, targets, socket)
            self.server.sockets.send(text.encode("latin-1"), targets[0], socket)
        except (SipParseError, TransportError) as error:
            self.log.error("the ACK to a 2xx could not be sent: %s", error)

    def _ack_by_local_route(
        self, transaction: Transaction, text: str, targets: list[Target], socket: Any,
    ) -> tuple[str, list[Target]]:
        """local_route also sees the ACK of an INVITE inside a dialog: (the ACK, where it goes) after it. Raises SipParseError."""
        msg: Request = parse_message(text)  # type: ignore[assignment]
        ctx = Context(self.server, self.server.script, LOCAL, msg)
        ctx.socket, ctx.proto, ctx.src_ip, ctx.src_port = socket, socket.proto, socket.ip, socket.port
        ctx.ruri = msg.request_uri
        ctx.avps = transaction.avps
        ctx.slots = transaction.context.slots
        self.server.run(self.server.script.local, ctx)
        if ctx.ruri == msg.request_uri and ctx.dst_uri is None and not ctx.edits:
            return text, targets
        if ctx.dst_uri is not None:
            targets = self._next_hops(ctx.dst_uri, ctx.send_socket or socket) or targets
        via = msg.names.index("via")
        edits = ctx.new_edits()
        edits.remove_header(msg, via)
        return forward_request(
            msg, request_uri=ctx.ruri or msg.request_uri, via=msg.line(via), edits=edits, need_length=socket.proto != "udp",
        ), targets
