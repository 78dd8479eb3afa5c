"""Stateless sending: forward() and send()."""

from __future__ import annotations

from typing import Annotated, Any, Final, NamedTuple

from engine.errors import ConfigError, SipParseError, TransportError
from engine.module import Module, function
from engine.script.context import Context
from engine.sip.builder import forward_request
from engine.sip.message import Request
from engine.sip.uri import parse_uri
from engine.transaction.key import reversed_hex, stateless_branch
from engine.transaction.place import source_marks
from engine.transport.address import DEFAULT_PORTS, Target, split_host_port

E_NO_SOCKET: Final = -7
E_BLOCKED: Final = -473
E_BAD_ADDRESS: Final = -476
E_SEND: Final = -477
_ADD_LOCAL_RPORT: Final = 1


class Hop(NamedTuple):
    """A destination as written: protocol ("" none given), host, port (0 none given)."""

    proto: str
    host: str
    port: int


def parse_hop(text: str) -> Hop | None:
    """Fixup: "host", "host:port" or "proto:host:port"; "" is no destination."""
    if not text:
        return None
    proto, colon, rest = text.partition(":")
    if not colon or proto.lower() not in DEFAULT_PORTS:
        proto, rest = "", text
    try:
        host, port = split_host_port(rest)
    except ValueError as error:
        raise ConfigError(f"bad destination {text!r}: {error}") from None
    return Hop(proto.lower(), host, port)


class ForwardFunctions(Module):
    """forward() and send()."""

    def mod_init(self) -> None:
        counter = self.server.stats.counter
        self.fwd_requests = counter("core", "fwd_requests")
        self.drop_requests = counter("core", "drop_requests")

    def _targets(self, hop: Hop) -> list[Target]:
        found: list[Target] = self.server.resolver.resolve_host(hop.host, hop.port, hop.proto or "udp")
        return found

    @function(destination=parse_hop)
    def forward(self, ctx: Context, destination: Annotated[Hop, "str"] | None = None) -> int:
        """Forward the request without keeping state: to "proto:host:port", else $du, else the Request-URI (its maddr first).

        1; -476 when the next hop is no URI or cannot be resolved; -1 when no socket fits, a blacklist forbids it or sending
        fails. (RFC 3261 16.11)
        """
        msg = ctx.msg
        if not isinstance(msg, Request):
            self.log.error("only requests are forwarded")
            return -1
        forced = ctx.send_socket
        if destination is not None:
            targets = self._targets(destination)
        else:
            try:
                uri = parse_uri(ctx.dst_uri or ctx.ruri or "")
            except SipParseError:
                self.log.error("bad next hop <%s>", ctx.dst_uri or ctx.ruri)
                return E_BAD_ADDRESS
            targets = self.server.resolver.resolve(uri, proto=forced.proto if forced is not None else None)
        if not targets:
            self.log.error("the next hop of forward() cannot be resolved")
            return E_BAD_ADDRESS
        for target in targets:
            if self._send_to(ctx, msg, target):
                self.fwd_requests.inc()
                return 1
        self.drop_requests.inc()
        return -1

    def _send_to(self, ctx: Context, msg: Request, target: Target) -> bool:
        """Build the request for one address and send it."""
        socket = self.server.sockets.pick(target.proto, target.ip, ctx.socket, ctx.send_socket)
        if socket is None:
            self.log.error("no socket to reach %s from", target)
            return False
        top_via = msg.via
        received, rport = source_marks(top_via, ctx.src_ip, ctx.src_port, ctx.force_rport)
        record = ctx.record_route
        edits = ctx.edits.leaving(ctx, socket) if ctx.edits is not None else None
        text = forward_request(
            msg, request_uri=ctx.ruri or msg.request_uri, via=self._via(ctx, msg, socket),
            top=record.lines_for(ctx, socket) if record is not None else "", edits=edits, received=received, rport=rport,
            route_lines=f"Route: {ctx.path}\r\n" if ctx.path else None, need_length=target.proto != "udp",
        )
        if self.server.blacklists.blocks(ctx.slots, target, lambda: text):
            self.log.info("%s is blacklisted", target)
            return False
        try:
            self.server.sockets.send(text.encode("latin-1"), target, socket, sender=ctx)
        except TransportError as error:
            self.log.error("forwarding to %s failed: %s", target, error)
            return False
        return True

    @staticmethod
    def _via(ctx: Context, msg: Request, socket: Any) -> str:
        """Our Via line; `i` names the stream connection the request came over."""
        branch = stateless_branch(msg)
        if ctx.advertised_address or ctx.advertised_port:
            host = socket.via_for(ctx.advertised_address, ctx.advertised_port)
            line = f"Via: SIP/2.0/{socket.proto.upper()} {host};branch={branch}"
        else:
            line = socket.via_prefix + branch
        if ctx.connection is not None:
            line += f";i={reversed_hex(ctx.connection.id)}"
        return line + (";rport\r\n" if ctx.via_handling & _ADD_LOCAL_RPORT else "\r\n")

    @function(destination=parse_hop)
    def send(self, ctx: Context, destination: Annotated[Hop | None, "str"], headers: str | None = None) -> int:
        """Put the message on the wire exactly as received, without our Via; headers (lines with CRLF) go behind the first
        line. 1, or -1 when the destination cannot be resolved or reached."""
        targets = self._targets(destination) if destination is not None else []
        if not targets:
            self.log.error("the destination of send() cannot be resolved")
            return -1
        text = ctx.msg.text
        if headers:
            first = ctx.msg.first_line_end
            text = text[:first] + headers + text[first:]
        for target in targets:
            socket = self.server.sockets.pick(target.proto, target.ip, ctx.socket, ctx.send_socket)
            if socket is None:
                continue
            try:
                self.server.sockets.send(text.encode("latin-1"), target, socket, sender=ctx)
            except TransportError as error:
                self.log.error("sending to %s failed: %s", target, error)
                continue
            return 1
        return -1
