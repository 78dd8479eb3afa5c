"""One message in: parse, judge, callbacks, route. The hot path.

Requests: parse, check, pre-script callbacks, the request route, post-script callbacks. Replies: the unnamed onreply_route,
check_via, whoever knows the transaction, stateless forwarding to the second Via. What cannot be parsed is never answered;
a request gets the script's error_route. (routing reference, sections 1 to 4)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.errors import SipParseError, TransportError
from engine.script.context import ERROR, ONREPLY, REQUEST, Context
from engine.script.faults import parse_fault
from engine.server import setup
from engine.sip.builder import forward_response
from engine.sip.grammar import capped_number
from engine.sip.message import Request, Response, parse_message
from engine.transport.address import DEFAULT_PORTS, Target, plain_ip

if TYPE_CHECKING:
    from engine.server.core import Server
    from engine.transport.sockets import ListenSocket


class Receiver:
    """What the transports call with every message."""

    __slots__ = (
        "server", "threshold", "check_via", "stateless", "translate_503", "accept_aliases", "rcv_requests", "rcv_replies",
        "no_new_mask", "fwd_replies", "drop_requests", "drop_replies", "err_requests", "err_replies", "bad_msg_hdr", "slow_messages",
    )

    def __init__(self, server: Server) -> None:
        self.server = server
        self.threshold = 0.0
        """exec_msg_threshold in seconds; 0: nobody measures."""
        self.check_via = False
        self.stateless: bool | None = None
        """disable_stateless_fwd turned round; None: only when the script calls forward()."""
        self.translate_503 = True
        self.accept_aliases = 0
        self.no_new_mask = 0
        """Message flag (tcp_no_new_conn_rplflag) that forbids new connections for a reply."""
        counter = server.stats.counter
        self.rcv_requests = counter("core", "rcv_requests")
        self.rcv_replies = counter("core", "rcv_replies")
        self.fwd_replies = counter("core", "fwd_replies")
        self.drop_requests = counter("core", "drop_requests")
        self.drop_replies = counter("core", "drop_replies")
        self.err_requests = counter("core", "err_requests")
        self.err_replies = counter("core", "err_replies")
        self.bad_msg_hdr = counter("core", "bad_msg_hdr")
        self.slow_messages = counter("core", "slow_messages")

    def receive(self, data: bytes, ip: str, port: int, socket: ListenSocket, connection: Any) -> None:
        """A message from the network. Raises nothing."""
        server = self.server
        try:
            msg = parse_message(data)
        except SipParseError as error:
            server.log.error("unable to parse msg received from [%s:%d]: %s", ip, port, error.message)
            return
        started = server.now() if self.threshold else 0.0
        try:
            if msg.is_request:
                self.request(msg, ip, port, socket, connection)  # type: ignore[arg-type]
            else:
                self.response(msg, ip, port, socket, connection)  # type: ignore[arg-type]
        except Exception as error:
            server.log.exception(error, f"unexpected error with a message from {ip}:{port}")
        if started:
            self._judge_time(server.now() - started, msg)

    # ---- requests ----

    def request(self, msg: Request, ip: str, port: int, socket: ListenSocket, connection: Any) -> None:
        """A request whose start line is fine."""
        server = self.server
        script = server.script
        try:
            msg.check()
        except SipParseError as error:
            self._broken(msg, error, ip, port, socket, connection)
            return
        self.rcv_requests.count += 1
        if "via" not in msg.names:
            self.err_requests.count += 1
            server.log.error("no via found in request from [%s:%d]", ip, port)
            return
        ctx = Context(server, script, REQUEST, msg)
        ctx.socket = socket
        ctx.src_ip = ip
        ctx.src_port = port
        ctx.ruri = msg.request_uri
        if connection is not None:
            ctx.proto = socket.proto
            ctx.connection = connection
            if self.accept_aliases:
                self._alias(msg, connection)
        if server.first_avps:
            ctx.avps, server.first_avps = server.first_avps, {}
        for before in server.pre_request:
            if not before(ctx):
                self.drop_requests.count += 1
                return
        route = script.request
        if route is not None:
            try:
                route(ctx)
            except Exception as error:
                server.log.exception(error, "unexpected error in the script")
                ctx.rc = -1
        for after in server.post_request:
            after(ctx)

    def _broken(self, msg: Request, error: SipParseError, ip: str, port: int, socket: ListenSocket, connection: Any) -> None:
        """A request with a header that cannot be read: only the error_route sees it."""
        server = self.server
        self.bad_msg_hdr.count += 1
        server.log.error("unable to parse msg received from [%s:%d]: %s", ip, port, error.message)
        if server.script.error is None:
            return
        ctx = Context(server, server.script, ERROR, msg)
        ctx.socket = socket
        ctx.src_ip = ip
        ctx.src_port = port
        ctx.ruri = msg.request_uri
        if connection is not None:
            ctx.proto = socket.proto
            ctx.connection = connection
        ctx.error = parse_fault("To" if error.part == "address" else error.part)
        server.run(server.script.error, ctx)

    def _alias(self, msg: Request, connection: Any) -> None:
        """Have requests to the port of the Via go over this connection, too (tcp_accept_aliases)."""
        via = msg.via
        if self.accept_aliases == 1 and via.alias is None:
            return
        port = via.port or DEFAULT_PORTS.get(connection.proto, 5060)
        if port != connection.port and not self.server.add_connection_alias(connection, port):
            self.server.log.warning("port %d of %s is taken by another connection, no alias made", port, connection.ip)

    # ---- replies ----

    def response(self, msg: Response, ip: str, port: int, socket: ListenSocket, connection: Any) -> None:
        """A reply whose start line is fine."""
        server = self.server
        script = server.script
        try:
            msg.check()
        except SipParseError as error:
            self.bad_msg_hdr.count += 1
            server.log.error("unable to parse reply received from [%s:%d]: %s", ip, port, error.message)
            return
        self.rcv_replies.count += 1
        if "via" not in msg.names:
            self.err_replies.count += 1
            server.log.error("no via found in reply from [%s:%d]", ip, port)
            return
        ctx = Context(server, script, ONREPLY, msg)
        ctx.socket = socket
        ctx.src_ip = ip
        ctx.src_port = port
        if connection is not None:
            ctx.proto = socket.proto
            ctx.connection = connection
        route = script.onreply_default
        if route is not None:
            server.run(route, ctx)
            if ctx.dropped:
                ctx.dropped = False
                if msg.status_code < 200:
                    self.drop_replies.count += 1
                    return
        if self.check_via:
            via = msg.via
            if not server.is_myself(via.host, via.port or 5060, via.transport.lower()):
                self.err_replies.count += 1
                server.log.error("host in first via is not me: %s", via.sent_by)
                return
        for handle in server.response_handlers:
            if handle(ctx):
                return
        self._forward(msg, ctx)

    def _forward(self, msg: Response, ctx: Context) -> None:
        """Send a reply that belongs to no transaction to its second Via."""
        server = self.server
        if not (ctx.script.has_forward if self.stateless is None else self.stateless):
            return
        vias = msg.vias
        if len(vias) < 2:
            self.err_replies.count += 1
            server.log.error("no 2nd via found in %d reply from [%s] for callid [%s]", msg.status_code, ctx.src_ip, msg.call_id)
            return
        via = vias[1]
        proto = via.transport.lower()
        host = via.maddr or via.received or via.host
        marked = via.rport
        port = capped_number(marked, 65536) if marked and marked.isdecimal() else 0
        if not 0 < port < 65536:
            port = via.port or 0
        ip = plain_ip(host)
        if ip is not None:
            targets = [Target(proto, ip, port or DEFAULT_PORTS.get(proto, 5060))]
        else:
            targets = server.resolver.resolve_host(host, port, proto)
        socket = server.sockets.pick(proto, targets[0].ip, ctx.socket, None) if targets else None
        if socket is None:
            self.err_replies.count += 1
            server.log.error("nowhere to send a %d reply for %s", msg.status_code, via.sent_by)
            return
        text = forward_response(
            msg, edits=ctx.edits, status_code=500 if self.translate_503 and msg.status_code == 503 else None,
            need_length=server.sockets.is_stream(proto),
        )
        number = reversed_hex(msg.via.i) if proto != "udp" else 0
        try:
            server.sockets.send(text.encode("latin-1"), targets[0], socket, number, new=not ctx.flags & self.no_new_mask)
        except TransportError as error:
            self.drop_replies.count += 1
            server.log.error("forwarding a %d reply failed: %s", msg.status_code, error)
            return
        self.fwd_replies.count += 1

    def _judge_time(self, seconds: float, msg: Request | Response) -> None:
        """exec_msg_threshold: say so when a message took too long."""
        if seconds >= self.threshold:
            self.slow_messages.count += 1
            setup.report_slow(self.server, "msg processing", seconds, msg.text[:msg.first_line_end].rstrip())


def reversed_hex(text: str | None) -> int:
    """The number in a Via's `i`: hexadecimal digits, the lowest first; 0 when it is none."""
    try:
        return int(text[::-1], 16) if text else 0
    except ValueError:
        return 0
