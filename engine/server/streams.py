"""Stream protocols from the parameters of their modules: tcp, tls, ws, wss. Used at start only."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from engine.events.core import E_CORE_TCP_DISCONNECT
from engine.script.settings import Settings
from engine.transport.tcp import Connection, TcpSettings, TcpTransport

if TYPE_CHECKING:
    from engine.server.core import Server
    from engine.transport.tls import TlsPolicy
    from engine.transport.websocket import WebSocketSettings

Trace: TypeAlias = Callable[[Connection, str, str], object]
_PATIENCE: Final = 5.0
"""Seconds a handshake has at least: waiting for one keeps nobody else waiting, so OpenSIPS' 100 ms are no good limit."""


def stream_settings(
    server: Server, *, tos: int, send_timeout_ms: int = 100, max_chunks: int = 4, crlf_pingpong: bool = True,
    crlf_drop: bool = False, is_async: bool = True, max_queue: int = 32, handshake_ms: int = 0,
) -> TcpSettings:
    """The tcp_* globals with what a protocol's module adds. handshake_ms: what its handshakes may take, in milliseconds."""
    settings: Settings = server.settings
    handshake = handshake_ms / 1000
    return TcpSettings(
        connect_timeout=settings.tcp_connect_timeout / 1000, lifetime=settings.tcp_connection_lifetime,
        backlog=settings.tcp_socket_backlog, max_connections=settings.tcp_max_connections,
        max_message_time=settings.tcp_max_msg_time, max_message_chunks=max_chunks, send_timeout=send_timeout_ms / 1000,
        accept_aliases=settings.tcp_accept_aliases, crlf_pingpong=crlf_pingpong, crlf_drop=crlf_drop, is_async=is_async,
        max_queue=max_queue, keepalive=settings.tcp_keepalive, keep_count=settings.tcp_keepcount or 0,
        keep_idle=settings.tcp_keepidle or 0, keep_interval=settings.tcp_keepinterval or 0, tos=tos,
        handshake_timeout=max(handshake, _PATIENCE) if is_async else handshake,
    )


def disconnect_reporter(server: Server) -> Callable[[Connection, str], None]:
    """What is told when a connection ends: raises E_CORE_TCP_DISCONNECT."""
    event = server.events.define(E_CORE_TCP_DISCONNECT)

    def disconnected(connection: Connection, reason: str) -> None:
        server.log.debug("connection %d with %s:%d ends: %s", connection.id, connection.ip, connection.port, reason)
        event.emit(
            src_ip=connection.ip, src_port=connection.port, dst_ip=connection.local_ip, dst_port=connection.local_port,
            proto=connection.proto)

    return disconnected


def _enable(server: Server, transport: TcpTransport, trace: Trace | None) -> None:
    """Take a transport into service. tcp_max_connections is for all of them together."""

    def total() -> int:
        return sum(len(one.connections) for one in server.sockets.transports.values() if isinstance(one, TcpTransport))

    transport.total = total
    transport.trace = trace
    server.sockets.enable(transport)
    server.timers.every(1.0, transport.sweep)


def enable_tcp(server: Server, *, tos: int, default_port: int = 5060, trace: Trace | None = None, **options: Any) -> None:
    """proto_tcp is loaded: make TCP usable. options: those of stream_settings()."""
    transport = TcpTransport(
        server.loop, server.workers.run, server.receiver.receive, server.log.warning, server.now,
        stream_settings(server, tos=tos, **options), default_port=default_port, disconnected=disconnect_reporter(server))
    _enable(server, transport, trace)


def enable_layered(
    server: Server, proto: str, *, tos: int, default_port: int, policy: TlsPolicy | None = None,
    web: WebSocketSettings | None = None,
    check_reuse: bool = False, trace: Trace | None = None, **options: Any,
) -> None:
    """proto_tls, proto_ws or proto_wss is loaded: make it usable. policy: who chooses TLS domains; web: SIP over WebSocket."""
    from engine.transport.layered import LayeredTransport  # not loaded by those who speak UDP and TCP

    session = None
    if web is not None:
        from engine.transport.websocket import WebSocketSession

        secure, wanted = policy is not None, web

        def session(host: str, port: int) -> WebSocketSession:
            return WebSocketSession(wanted, host=host, port=port, secure=secure)

    transport = LayeredTransport(
        proto, server.loop, server.workers.run, server.receiver.receive, server.log.warning, server.now,
        stream_settings(server, tos=tos, **options), default_port=default_port, disconnected=disconnect_reporter(server),
        policy=policy, web=session, check_reuse=check_reuse)
    _enable(server, transport, trace)
