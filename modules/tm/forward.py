"""From destinations to branches: branch_route, next hop, message, sending (RFC 3261 16.6), and the next address when one
fails (RFC 3263 4.3)."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any, Final

from engine.errors import SipParseError, TransportError
from engine.script.context import BRANCH, FAILURE, REQUEST, Context
from engine.sip.builder import forward_request
from engine.sip.edits import Edits
from engine.sip.uri import SipUri, parse_uri
from engine.transaction.key import reversed_hex
from engine.transport.address import Target, plain_ip, split_host_port
from engine.transport.blacklists import SLOT, Rule
from modules.shared.replies import place_of
from modules.tm.answers import Answers
from modules.tm.api import REQUEST_BUILT
from modules.tm.base import (
    E_BAD_ADDRESS, E_BLOCKED, E_NO_DESTINATION, E_NO_SOCKET, E_SEND, E_UNSPECIFIED,
)
from modules.tm.cell import MAX_BRANCHES, ClientBranch, Transaction

DNS_LIST: Final = "dns"
DNS_LIST_SECONDS: Final = 240
ADD_LOCAL_RPORT: Final = 1
"""Bit of ctx.via_handling."""


class Forwarding(Answers):
    """Adding branches to a transaction and sending them."""

    # ---- the state a transaction keeps for later branches ----

    @staticmethod
    def _take_over(transaction: Transaction, ctx: Context) -> None:
        """Keep what the request route has done so far: later branches start from it."""
        edits = ctx.edits
        transaction.edits = edits.copy() if edits is not None else None
        record = ctx.record_route
        transaction.record_route = record.copy() if record is not None else None
        transaction.ruri = ctx.ruri
        transaction.updated = True

    def _context_for(self, transaction: Transaction, kind: int) -> Context:
        """A run on the transaction's request as it was received, with what the request route left behind."""
        source = transaction.context
        ctx = Context(self.server, self.server.script, kind, transaction.request)
        ctx.socket = source.socket
        ctx.proto = source.proto
        ctx.src_ip = source.src_ip
        ctx.src_port = source.src_port
        ctx.connection = source.connection
        ctx.ruri = transaction.request.request_uri
        ctx.flags = transaction.flags
        ctx.avps = transaction.avps
        if transaction.edits is not None:
            ctx.edits = transaction.edits.copy()
        if transaction.record_route is not None:
            ctx.record_route = transaction.record_route.copy()
        ctx.reply_headers = list(source.reply_headers) if source.reply_headers else None
        ctx.force_rport = source.force_rport
        ctx.via_handling = source.via_handling
        ctx.advertised_address = source.advertised_address
        ctx.advertised_port = source.advertised_port
        ctx.transaction = transaction
        ctx.slots = source.slots
        return ctx

    # ---- all destinations of a run ----

    def _forward(
        self, transaction: Transaction, ctx: Context, new_set: bool, proxy: list[Target] | None = None,
    ) -> int:
        """Send the request to the Request-URI of ctx and its further branches. 1, or an internal error code.

        new_set: earlier branches no longer count for the decision. proxy: where all of them go whatever their URI says. May
        wait for DNS.
        """
        transaction.flags = ctx.flags
        if transaction.no_new_branches:
            self.log.info("no new branches after a 6xx")
            return E_NO_DESTINATION
        if transaction.cancelled:
            if not transaction.branches:
                self._answer(transaction, ctx, 487, "Request Terminated")
            self.log.info("no new branches for a cancelled transaction")
            return E_NO_DESTINATION
        if ctx.force_rport and transaction.place is not None and transaction.place.rport is None:
            transaction.place = place_of(ctx)
        if new_set:
            first = len(transaction.branches)
            if first and transaction.branches[first - 1].placeholder:
                first -= 1
            transaction.first_branch = first
        added = []
        error = E_UNSPECIFIED
        made = self._add_branch(
            transaction, ctx, ctx.ruri or "", ctx.dst_uri, ctx.path, ctx.q, ctx.send_socket, ctx.branch_flags,
            ctx.branch_attrs, proxy,
        )
        if isinstance(made, int):
            error = made
        else:
            added.append(made)
        others = ctx.branches
        if others:
            ctx.branches = None
            for other in others:
                made = self._add_branch(
                    transaction, ctx, other.uri, other.dst_uri, other.path, other.q, other.send_socket, other.flags,
                    other.attrs, proxy,
                )
                if isinstance(made, int):
                    error = made
                else:
                    added.append(made)
        sent = 0
        for branch in added:
            code = self._launch(transaction, ctx, branch)
            if code > 0:
                sent += 1
            else:
                error = code
        if not sent:
            self.log.error("no branch of %s could be sent", transaction.method)
            return error
        transaction.arm(self.server.now())
        return 1

    # ---- one branch ----

    def _add_branch(
        self, transaction: Transaction, ctx: Context, uri: str, dst_uri: str | None, path: str | None, q: int, forced: Any,
        flags: int, attrs: dict[str, Any] | None, targets: list[Target] | None = None,
    ) -> ClientBranch | int:
        """Make a branch ready to be sent: branch_route, next hop, socket, message. An internal error code when it cannot be.

        targets: addresses that are known already (DNS failover, a proxy).
        """
        index = len(transaction.branches)
        if index >= MAX_BRANCHES:
            self.log.error("maximum number of branches (%d) exceeded", MAX_BRANCHES)
            return E_UNSPECIFIED
        branch = ClientBranch(transaction, index, uri)
        transaction.branches.append(branch)
        branch.dst_uri = dst_uri
        branch.path = path
        branch.q = q
        branch.forced = forced
        branch.flags = flags
        branch.attrs = attrs
        run = ctx
        if transaction.on_branch or REQUEST_BUILT in self._listeners:
            run = self._branch_context(transaction, ctx, branch)
            if transaction.on_branch and not self._run_branch_route(transaction, run, branch):
                ctx.flags = transaction.flags
                return self._drop(branch, E_UNSPECIFIED)
            ctx.flags = transaction.flags
        code = self._build(transaction, run, branch, targets)
        return branch if code > 0 else self._drop(branch, code)

    @staticmethod
    def _drop(branch: ClientBranch, code: int) -> int:
        """A branch that came to nothing: its number is free again when it was the last one."""
        branch.dead = True
        branches = branch.transaction.branches
        if branches and branches[-1] is branch:
            branches.pop()
        return code

    def _branch_context(self, transaction: Transaction, ctx: Context, branch: ClientBranch) -> Context:
        """The run of a branch_route: the message with this branch's destination; edits stay in the branch."""
        run = Context(self.server, self.server.script, BRANCH, ctx.msg)
        run.socket = ctx.socket
        run.proto = ctx.proto
        run.src_ip = ctx.src_ip
        run.src_port = ctx.src_port
        run.connection = ctx.connection
        run.ruri = branch.uri
        run.dst_uri = branch.dst_uri
        run.q = branch.q
        run.path = branch.path
        run.send_socket = branch.forced
        run.branch_flags = branch.flags
        run.branch_attrs = branch.attrs
        run.flags = ctx.flags
        run.avps = transaction.avps
        if ctx.edits is not None:
            run.edits = ctx.edits.copy()
        if ctx.record_route is not None:
            run.record_route = ctx.record_route.copy()
        run.reply_headers = ctx.reply_headers
        run.force_rport = ctx.force_rport
        run.via_handling = ctx.via_handling
        run.advertised_address = ctx.advertised_address
        run.advertised_port = ctx.advertised_port
        run.transaction = transaction
        run.branch = branch
        run.slots = ctx.slots
        run.tm = ctx.tm
        return run

    def _run_branch_route(self, transaction: Transaction, run: Context, branch: ClientBranch) -> bool:
        """branch_route of the transaction; False: it ended by drop."""
        route = self.server.script.branch.get(transaction.on_branch)
        if route is None:
            self.log.error("there is no branch_route[%s] any more", transaction.on_branch)
            return True
        self.server.run(route, run)
        transaction.flags = run.flags
        branch.uri = run.ruri or branch.uri
        branch.dst_uri = run.dst_uri
        branch.q = run.q
        branch.path = run.path
        branch.forced = run.send_socket
        branch.flags = run.branch_flags
        branch.attrs = run.branch_attrs
        return not run.dropped

    def _next_hops(self, uri_text: str, forced: Any) -> list[Target]:
        """Addresses of a next hop in the order to be tried; [] when it is no URI or cannot be resolved. May wait for DNS."""
        try:
            uri: SipUri = parse_uri(uri_text)
        except SipParseError:
            return []
        found: list[Target] = self.server.resolver.resolve(uri, proto=forced.proto if forced is not None else None)
        return found

    def _build(self, transaction: Transaction, run: Context, branch: ClientBranch, targets: list[Target] | None) -> int:
        """Find out where the branch goes and write its message; 1 or an internal error code."""
        if REQUEST_BUILT in self._listeners:
            self._tell(REQUEST_BUILT, transaction, run)
        if targets is None:
            targets = self._next_hops(branch.dst_uri or branch.uri, branch.forced)
            if not targets:
                self.log.error("next hop %s cannot be resolved", branch.dst_uri or branch.uri)
                return E_BAD_ADDRESS
        branch.targets = targets
        code = E_NO_SOCKET
        while branch.targets:
            target = branch.targets[0]
            socket = self.server.sockets.pick(target.proto, target.ip, run.socket, branch.forced)
            if socket is not None:
                branch.socket = socket
                branch.key = transaction.branch_key(branch.index)
                try:
                    branch.data = self._message(transaction, run, branch).encode("latin-1")
                except SipParseError as error:
                    self.log.error("the request cannot be forwarded: %s", error.message)
                    return E_UNSPECIFIED
                return 1
            branch.targets = branch.targets[1:]
        self.log.error("no socket to send to %s", targets[0])
        return code

    def _message(self, transaction: Transaction, run: Context, branch: ClientBranch) -> str:
        """The request as it leaves on this branch."""
        msg = transaction.request
        socket = branch.socket
        top, edits = self._top_lines(run, socket)
        place = transaction.place
        path = branch.path
        return forward_request(
            msg, request_uri=branch.uri, via=self._via_line(run, socket, branch.key), top=top, edits=edits,
            received=place.received if place is not None else None, rport=place.rport if place is not None else None,
            route_lines=f"Route: {path}\r\n" if path else None, need_length=socket.proto != "udp",
        )

    @staticmethod
    def _top_lines(run: Context, socket: Any) -> tuple[str, Edits | None]:
        """Lines to put on top (Record-Route), and the edits that go with them."""
        record = run.record_route
        edits = run.edits.leaving(run, socket) if run.edits is not None else None
        if record is None:
            return "", edits
        top: str = record.lines_for(run, socket)
        first = run.msg.first_line_end
        if top and edits:
            for start, _, text in edits.changes:
                if start == first and text:
                    # What a script put on top (Max-Forwards) stays above Record-Route.
                    edits = edits.copy()
                    edits.insert(first, top)
                    return "", edits
        return top, edits

    @staticmethod
    def _via_line(run: Context, socket: Any, key: str) -> str:
        """Our Via. `i` names the connection the request came over, so that the reply finds it again."""
        if run.advertised_address or run.advertised_port:
            host = socket.via_for(run.advertised_address, run.advertised_port)
            line = f"Via: SIP/2.0/{socket.proto.upper()} {host};branch={key}"
        else:
            line = socket.via_prefix + key
        connection = run.connection
        if connection is not None:
            line += f";i={reversed_hex(connection.id)}"
        if run.via_handling & ADD_LOCAL_RPORT:
            line += ";rport"
        return line + "\r\n"

    # ---- sending ----

    def _launch(self, transaction: Transaction, run: Context, branch: ClientBranch) -> int:
        """Send a branch, to its next address when one fails; 1 or an internal error code."""
        sockets = self.server.sockets
        self.table.branches[branch.key] = branch
        code = E_SEND
        while True:
            target = branch.targets[0]
            if run.slots is not None and self._is_blocked(run.slots, target, branch.data):
                code = E_BLOCKED
                self.log.info("%s is blacklisted", target)
            else:
                try:
                    if target.proto == "udp":
                        sockets.send(branch.data, target, branch.socket)
                    else:
                        sockets.send(
                            branch.data, target, branch.socket, 0, lambda error: self._connection_failed(branch, error),
                            not branch.flags & self._no_connect_flag(), branch,
                        )
                except TransportError as error:
                    code = E_SEND
                    self.log.error("sending to %s failed: %s", target, error)
                else:
                    branch.client = self._client(transaction, branch)
                    branch.client.start(self.server.now())
                    return 1
            if len(branch.targets) < 2 or transaction.no_failover:
                break
            if code == E_SEND:
                self._distrust(target)
            if self._build(transaction, run, branch, branch.targets[1:]) < 0:
                break
        self.table.branches.pop(branch.key, None)
        return self._drop(branch, code)

    def _no_connect_flag(self) -> int:
        """Mask of tcp_no_new_conn_bflag, 0 without one."""
        name = self.server.settings.tcp_no_new_conn_bflag
        return self.server.registry.branch_flag_names.known(name) if name else 0

    def _is_blocked(self, slots: dict[str, Any], target: Target, data: bytes) -> bool:
        """Whether a blacklist of this message (SLOT of its run) forbids the destination."""
        return SLOT in slots and self.server.blacklists.blocks(  # type: ignore[no-any-return]
            slots, target, lambda: data.decode("latin-1"))

    def _distrust(self, target: Target) -> None:
        """An address has failed and another one is tried: keep it on the list "dns" for a while (disable_dns_blacklist=no)."""
        if not self.server.settings.disable_dns_blacklist:
            lists = self.server.blacklists
            lists.add(
                lists.define(DNS_LIST, ("expire",)), Rule(ip_network(target.ip), target.proto, target.port),
                DNS_LIST_SECONDS)

    def _connection_failed(self, branch: ClientBranch, error: TransportError) -> None:
        """The connection for a branch did not come about, after the sending: try the next address, else end the branch."""
        transaction = branch.transaction
        client = branch.client
        if transaction.table is None or client is None or branch.last_code >= 200 or branch.dead:
            return
        self.log.error("connection to %s failed: %s", branch.target, error)
        self.server.defer(lambda: transaction.enter(self._try_next, branch))

    def _try_next(self, branch: ClientBranch) -> None:
        """Send a branch whose connection failed to its next address; without one it ends with 477."""
        transaction = branch.transaction
        if transaction.table is None or branch.last_code >= 200:
            return
        run = self._context_for(transaction, FAILURE)
        if not transaction.no_failover and len(branch.targets) > 1 \
                and self._build(transaction, run, branch, branch.targets[1:]) > 0:
            branches = transaction.branches
            if self._launch(transaction, run, branch) > 0:
                transaction.arm(self.server.now())
                return
            if branch not in branches:
                branches.insert(branch.index, branch)
        branch.dead = False
        branch.reason = "Send failed (477/TM)"
        if branch.client is not None:
            branch.client.stop()
        self._branch_ended(branch, 477)

    def _failover(self, transaction: Transaction, branch: ClientBranch) -> bool:
        """A branch failed without an answer, or with 503: a new branch to the next address of its next hop. True: sent."""
        run = self._context_for(transaction, REQUEST)
        run.flags = transaction.flags
        self._distrust(branch.targets[0])
        first = transaction.first_branch
        transaction.first_branch = len(transaction.branches)
        made = self._add_branch(
            transaction, run, branch.uri, branch.dst_uri, branch.path, branch.q, branch.forced, branch.flags, branch.attrs,
            branch.targets[1:],
        )
        if not isinstance(made, int) and self._launch(transaction, run, made) > 0:
            return True
        transaction.first_branch = first
        return False

    def _proxy_targets(self, text: str) -> list[Target]:
        """Addresses of t_relay()'s second parameter, "proto:host:port"; [] when unresolvable."""
        proto, colon, rest = text.partition(":")
        if not colon or proto.lower() not in ("udp", "tcp", "tls", "sctp", "ws", "wss"):
            proto, rest = "udp", text
        try:
            host, port = split_host_port(rest)
        except ValueError:
            return []
        ip = plain_ip(host)
        if ip is not None and port:
            return [Target(proto.lower(), ip, port)]
        return self._next_hops(f"sip:{rest};transport={proto.lower()}", None)


