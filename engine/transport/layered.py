"""TLS, WebSocket and both: stream connections whose bytes are not yet messages.

A LayeredConnection is a TCP connection with up to two sessions on top, each without I/O: TLS (tls.py), then WebSocket
(websocket.py) or, without one, SIP's own framing. Until their handshakes are done messages wait; a handshake that takes longer
than handshake_timeout ends the connection. The same transport class serves tls, ws and wss.
"""

from __future__ import annotations

import asyncio
import socket as system
import ssl
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from engine.errors import TransportError
from engine.sip.framing import KEEPALIVE, PONG
from engine.transport.address import bracketed, local_address
from engine.transport.sockets import E_SEND, Failed, ListenSocket, Receiver
from engine.transport.tcp import CLOSED, OPEN, Connection, TcpSettings, TcpTransport
from engine.transport.tls import TlsError, TlsPolicy, TlsSession, hello_context

if TYPE_CHECKING:
    from engine.transport.websocket import WebSocketSession


class LayeredConnection(Connection):
    """A connection over TLS, WebSocket or both."""

    __slots__ = ("_asked", "_handshake_by", "_shaking", "_waiting", "tls", "web")

    def __init__(
        self, owner: LayeredTransport, sock: system.socket, ip: str, port: int, listener: ListenSocket, incoming: bool,
        tls: TlsSession | None, web: WebSocketSession | None,
    ) -> None:
        super().__init__(owner, sock, ip, port, listener, incoming)
        self.tls = tls
        """The TLS session, None for ws."""
        self.web = web
        """The WebSocket session, None for tls."""
        self._shaking = True
        self._handshake_by = self.opened + owner.settings.handshake_timeout
        self._waiting: deque[tuple[bytes, Failed | None]] = deque()
        """Messages for the time after the handshake."""
        self._asked = False
        """The WebSocket handshake has been started."""

    # ---- sending ----

    def send(self, data: bytes, failed: Failed | None = None) -> None:
        """Send a message, or queue it until the handshake is done. TransportError: closed, or too many wait."""
        if self.state is CLOSED:
            raise TransportError(f"connection to {self.ip}:{self.port} is closed", E_SEND)
        if self._shaking:
            if len(self._waiting) >= self._owner.settings.max_queue:
                self.close("write queue full")
                raise TransportError(f"too many messages wait for {self.ip}:{self.port}", E_SEND)
            self._waiting.append((data, failed))
            return
        try:
            if self.web is not None:
                data = self.web.pack(data)
            if self.tls is not None:
                data = self.tls.encrypt(data)
        except TlsError as error:
            self.close(str(error))
            raise TransportError(f"sending to {self.ip}:{self.port} failed: {error}", E_SEND) from None
        super().send(data, failed)

    def _put(self, data: bytes) -> None:
        """Send bytes of a layer's own: handshake, pong, alert."""
        if not data or self.state is not OPEN:
            return
        try:
            super().send(data)
        except TransportError:
            pass                                # the connection is closed by now

    def _put_web(self) -> None:
        """Send what the WebSocket session has to say."""
        assert self.web is not None
        data = self.web.output()
        if data and self.tls is not None:
            try:
                data = self.tls.encrypt(data)
            except TlsError:
                return
        self._put(data)

    # ---- handshakes ----

    @property
    def handshaking(self) -> bool:
        """The handshakes are not done."""
        return self._shaking

    def established(self) -> None:
        """The TCP connection is there: begin the handshakes."""
        self.state = OPEN
        self.local_ip, self.local_port = local_address(self._sock)
        self._owner.loop.add_reader(self._sock.fileno(), self._readable)
        self._handshake_by = self._owner.now() + self._owner.settings.handshake_timeout
        if self.tls is None:
            self._begin_web()
        elif not self.incoming:
            self.tls.start()
            self._put(self.tls.output())

    def _begin_web(self) -> None:
        if self.web is not None and not self._asked:
            self._asked = True
            self.web.start()
            self._put_web()

    def _handshakes_done(self) -> None:
        """Messages may flow: send those that waited."""
        self._shaking = False
        self._owner.opened(self)
        waiting = list(self._waiting)
        self._waiting.clear()
        for position, (data, failed) in enumerate(waiting):
            try:
                self.send(data, failed)
            except TransportError as error:
                for _, told in waiting[position:]:
                    if told is not None:
                        told(error)
                return

    def overdue(self, now: float) -> str:
        """Why the connection should be closed at this time; "" when it need not be."""
        if self._shaking and self.state is OPEN:
            return "handshake timed out" if now >= self._handshake_by else ""
        return super().overdue(now)

    # ---- receiving ----

    def _received(self, data: bytes) -> None:
        """Ciphertext or frames come in; messages go on, in a worker."""
        tls = self.tls
        if tls is None:
            self._plain(data)
            return
        try:
            plain = tls.decrypt(data)
        except TlsError as error:
            self._put(tls.output())
            self._owner.warn("TLS with %s:%d: %s", self.ip, self.port, error)
            self.close(str(error))
            return
        self._put(tls.output())
        if self.state is not OPEN or not tls.ready:
            return
        if self._shaking:
            if self.web is None:
                self._handshakes_done()
            else:
                self._begin_web()
        if plain:
            self._plain(plain)
        if tls.closed and self.state is OPEN:
            self.close("connection closed by the peer")

    def _plain(self, data: bytes) -> None:
        """What is inside TLS, or came without."""
        web = self.web
        if web is None:
            super()._received(data)
            return
        owner = self._owner
        now = owner.now()
        found = web.feed(data)
        self._put_web()
        if self.state is not OPEN:
            return
        if web.ready and self._shaking:
            self._handshakes_done()
        if not web.is_partial:
            self.expires = now + owner.settings.lifetime
            self.partial_since = 0.0
        elif found or not self.partial_since:
            self.partial_since = now
        for message in found:
            if message == KEEPALIVE:            # RFC 7118 6: both halves travel as messages of their own
                if owner.settings.crlf_pingpong:
                    self._answer_keepalive()
            elif message.strip():
                owner.receive(message, self.ip, self.port, self.socket, self)
        if web.ended and self.state is OPEN:
            if not web.ready:
                owner.warn("WebSocket with %s:%d: %s", self.ip, self.port, web.ended)
            self.close(web.ended)

    def _answer_keepalive(self) -> None:
        try:
            self.send(PONG)
        except TransportError:
            pass

    # ---- the end ----

    def close(self, reason: str = "") -> None:
        """Close now, politely; messages that still wait have failed."""
        if self.state is OPEN and not self._queue:
            if self.web is not None and self.web.ready:
                data = self.web.farewell()
                try:
                    self._put_raw(self.tls.encrypt(data) if data and self.tls is not None else data)
                except TlsError:
                    pass
            if self.tls is not None:
                self._put_raw(self.tls.farewell())
        self._queue.extend(self._waiting)
        self._waiting.clear()
        super().close(reason)

    def _put_raw(self, data: bytes) -> None:
        """Last words: whether they arrive does not matter."""
        if data:
            try:
                self._sock.send(data)
            except OSError:
                pass


class LayeredTransport(TcpTransport):
    """All connections of tls, ws or wss.

    policy: who chooses TLS domains (tls, wss). web: makes the WebSocket session of a connection (ws, wss); its arguments are host
    and port for a connecting one. check_reuse: a connection we made is used again only for what its TLS domain is meant for.
    """

    def __init__(
        self, proto: str, loop: asyncio.AbstractEventLoop, run: Callable[[Callable[[], object]], None], receive: Receiver,
        warn: Callable[..., None], now: Callable[[], float], settings: TcpSettings, *, default_port: int = 5061,
        disconnected: Callable[[Connection, str], None] | None = None, policy: TlsPolicy | None = None,
        web: Callable[[str, int], WebSocketSession] | None = None, check_reuse: bool = False,
    ) -> None:
        super().__init__(loop, run, receive, warn, now, settings, default_port=default_port, disconnected=disconnected)
        self.proto = proto
        self.policy = policy
        self.web = web
        self.check_reuse = check_reuse
        self._hello: ssl.SSLContext | None = None if policy is None else hello_context()

    def make(self, sock: system.socket, ip: str, port: int, listener: ListenSocket, incoming: bool, sender: Any) -> Connection:
        """The Connection for a socket; TransportError: no TLS domain for it."""
        tls: TlsSession | None = None
        if self.policy is not None:
            try:
                tls = self._accepting(listener) if incoming else self._connecting(ip, port, sender)
            except TlsError as error:
                raise TransportError(f"TLS with {ip}:{port}: {error}", E_SEND) from None
        web = None
        if self.web is not None:
            web = self.web("", 0) if incoming else self.web(bracketed(ip), port)
        return LayeredConnection(self, sock, ip, port, listener, incoming, tls, web)

    def _accepting(self, listener: ListenSocket) -> TlsSession:
        policy = self.policy
        assert policy is not None
        ip, port = listener.ip, listener.port
        return TlsSession.server(
            lambda name: policy.server_domain(ip, port, name), self._hello if policy.needs_name(ip, port) else None)

    def _connecting(self, ip: str, port: int, sender: Any) -> TlsSession:
        assert self.policy is not None
        domain, wanted = self.policy.client_domain(ip, port, sender)
        if domain is None:
            raise TlsError("no TLS client domain")
        return TlsSession.client(domain, wanted)

    def send(
        self, data: bytes, ip: str, port: int, socket: ListenSocket, connection_id: int, failed: Failed | None, new: bool,
        sender: Any = None,
    ) -> Connection:
        """As TcpTransport.send(); with check_reuse a connection of another TLS domain is not used."""
        if self.check_reuse and self.policy is not None and connection_id not in self.connections:
            found = self.find(ip, port, 0, socket)
            if found is not None and not found.incoming:
                domain, _ = self.policy.client_domain(ip, port, sender)
                if self._domain_of(found) is not domain:
                    return self._send_by_domain(data, ip, port, socket, failed, new, sender, domain)
        return super().send(data, ip, port, socket, connection_id, failed, new, sender)

    @staticmethod
    def _domain_of(connection: Connection) -> object:
        tls = connection.tls if isinstance(connection, LayeredConnection) else None
        return tls.domain if tls is not None else None

    def _send_by_domain(
        self, data: bytes, ip: str, port: int, socket: ListenSocket, failed: Failed | None, new: bool, sender: Any,
        domain: object,
    ) -> Connection:
        """Over another connection to the address, one of that domain, or a new one."""
        for connection in self.peers(ip, port):
            if connection.socket is socket and self._domain_of(connection) is domain:
                break
        else:
            if not new:
                raise TransportError(f"no connection of that TLS domain to {ip}:{port} and none may be opened", E_SEND)
            connection = self.connect(ip, port, socket, sender)
        connection.send(data, failed)
        return connection
