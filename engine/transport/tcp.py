"""TCP: listeners, connections and their reuse, on plain non-blocking sockets.

A connection is found by its id (the `i` parameter of our Via), else by the peer's address, which includes aliases: a request
to an address with an open connection uses it, whoever opened it (RFC 5923). A new connection is started at once, so a refused
one is known to the sender when the kernel knows it; otherwise messages queue until it is there, and those who sent them are
told when it does not come about.

What ends a connection: the peer, a framing error, an unfinished message older than max_message_time, silence of `lifetime`
seconds, a write queue that grows beyond max_queue messages.
"""

from __future__ import annotations

import asyncio
import errno
import random
import select
import socket as system
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from engine.errors import TransportError
from engine.sip.framing import KEEPALIVE, PONG, FramingError, StreamFramer
from engine.transport.address import local_address, one_form
from engine.transport.sockets import E_SEND, Failed, ListenSocket, Receiver

_READ: Final = 65536

_LOCAL_MS: Final = 2
"""How long a connection to this machine may take before it is waited for like any other."""

CONNECTING: Final = "connecting"
OPEN: Final = "open"
CLOSED: Final = "closed"


@dataclass(slots=True)
class TcpSettings:
    """The tcp_* globals and proto_tcp's parameters. Seconds unless said otherwise."""

    connect_timeout: float = 0.1
    lifetime: float = 120.0
    backlog: int = 10
    max_connections: int = 2048
    max_message_time: float = 4.0
    max_message_chunks: int = 4
    send_timeout: float = 0.1
    accept_aliases: int = 0
    """0: only where the script says so; 1: a Via with `alias` makes one; 2: every request does."""
    crlf_pingpong: bool = True
    crlf_drop: bool = False
    is_async: bool = True
    max_queue: int = 32
    """Messages that wait while a connection is being made or the peer does not read."""
    keepalive: bool = True
    keep_count: int = 0
    """Probes, and seconds; 0: the system's."""
    keep_idle: int = 0
    keep_interval: int = 0
    tos: int = 0
    handshake_timeout: float = 5.0
    """What TLS and WebSocket may take from the connection to the first message, in both directions together."""


def _settled(sock: system.socket) -> int:
    """What has become of a connection to this very machine: it is there or refused within a moment, and a refusal known now is
    the caller's answer instead of a branch that fails later. EINPROGRESS when it takes longer after all."""
    waiting = select.poll()
    waiting.register(sock, select.POLLOUT)
    if not waiting.poll(_LOCAL_MS):
        return errno.EINPROGRESS
    return sock.getsockopt(system.SOL_SOCKET, system.SO_ERROR)


class Connection:
    """One TCP connection, accepted or made."""

    __slots__ = (
        "id", "proto", "ip", "port", "socket", "local_ip", "local_port", "state", "incoming", "aliases", "expires", "opened",
        "kept_until",
        "partial_since", "_sock", "_framer", "_queue", "_owner", "_writing", "_connect_by",
    )

    def __init__(self, owner: TcpTransport, sock: system.socket, ip: str, port: int, listener: ListenSocket, incoming: bool) -> None:
        self._owner = owner
        self._sock = sock
        self.proto = owner.proto
        self.id = owner.next_id()
        """Number of the connection: goes into the Via as `i`."""
        self.ip = ip
        self.port = port
        self.socket = listener
        """The ListenSocket it belongs to."""
        self.local_ip, self.local_port = local_address(sock)
        self.state = OPEN if incoming else CONNECTING
        self.incoming = incoming
        self.aliases: list[int] = []
        """Further ports of the peer that lead here."""
        now = owner.now()
        self.opened = now
        self.expires = now + owner.settings.lifetime
        self.kept_until = 0.0
        """A registration over it lasts that long: silence does not close it before."""
        self.partial_since = 0.0
        """Since when an unfinished message is waiting; 0: none is."""
        self._connect_by = now + (max(owner.settings.connect_timeout, 5.0) if owner.settings.is_async
                                  else owner.settings.connect_timeout)
        self._framer = StreamFramer(max_chunks=owner.settings.max_message_chunks)
        self._queue: deque[tuple[bytes, Failed | None]] = deque()
        self._writing = False

    def __repr__(self) -> str:
        return f"<{self.proto} connection {self.id} {self.ip}:{self.port} {self.state}>"

    # ---- sending ----

    def send(self, data: bytes, failed: Failed | None = None) -> None:
        """Send, or queue while connecting or while the peer is slow. TransportError: closed, or the queue is full."""
        if self.state is CLOSED:
            raise TransportError(f"connection to {self.ip}:{self.port} is closed", E_SEND)
        self.expires = self._owner.now() + self._owner.settings.lifetime
        if self.state is OPEN and not self._queue:
            try:
                sent = self._sock.send(data)
            except BlockingIOError:
                sent = 0
            except OSError as error:
                self.close(f"write error: {error.strerror}")
                raise TransportError(f"sending to {self.ip}:{self.port} failed: {error}", E_SEND) from None
            if sent == len(data):
                return
            data = data[sent:]
        if len(self._queue) >= self._owner.settings.max_queue:
            self.close("write queue full")
            raise TransportError(f"too many messages wait for {self.ip}:{self.port}", E_SEND)
        self._queue.append((data, failed))
        if self.state is OPEN:
            self._watch_writing()

    def _watch_writing(self) -> None:
        if not self._writing:
            self._writing = True
            self._owner.loop.add_writer(self._sock.fileno(), self._writable)

    def _writable(self) -> None:
        """The connection has come about or failed, or the peer reads again."""
        if self.state is CONNECTING:
            code = self._sock.getsockopt(system.SOL_SOCKET, system.SO_ERROR)
            if code:
                self.close(f"connect failed: {errno.errorcode.get(code, code)}")
                return
            self.established()
            if self.state is not OPEN:
                return
        while self._queue:
            data, failed = self._queue[0]
            try:
                sent = self._sock.send(data)
            except BlockingIOError:
                return
            except OSError as error:
                self.close(f"write error: {error.strerror}")
                return
            if sent < len(data):
                self._queue[0] = (data[sent:], failed)
                return
            self._queue.popleft()
        self._writing = False
        self._owner.loop.remove_writer(self._sock.fileno())

    @property
    def handshaking(self) -> bool:
        """Messages have to wait although the connection is there: TLS, WebSocket."""
        return False

    # ---- receiving ----

    def start(self) -> None:
        """Watch the socket: an open one is read, a new one waited for."""
        if self.state is OPEN:
            self.established()
        else:
            self._watch_writing()

    def established(self) -> None:
        """The connection is there."""
        self.state = OPEN
        self.local_ip, self.local_port = local_address(self._sock)
        self._owner.loop.add_reader(self._sock.fileno(), self._readable)
        self._owner.opened(self)

    def _readable(self) -> None:
        try:
            data = self._sock.recv(_READ)
        except BlockingIOError:
            return
        except OSError as error:
            self.close(f"read error: {error.strerror}")
            return
        if not data:
            self.close("connection closed by the peer")
            return
        self._owner.run(lambda: self._received(data))

    def _received(self, data: bytes) -> None:
        """Hand complete messages on, in a worker."""
        owner = self._owner
        now = owner.now()
        self.expires = now + owner.settings.lifetime
        found: list[bytes] = []
        broken: FramingError | None = None
        try:
            self._framer.feed_into(data, found)
        except FramingError as error:
            broken = error
        if not self._framer.is_partial:
            self.partial_since = 0.0
        elif found or not self.partial_since:
            self.partial_since = now
        for message in found:
            if message is KEEPALIVE:
                if owner.settings.crlf_pingpong and not owner.settings.crlf_drop and self.state is OPEN:
                    try:
                        self.send(PONG)
                    except TransportError:
                        return
            else:
                owner.receive(message, self.ip, self.port, self.socket, self)
        if broken is not None:
            owner.warn("closing connection with %s:%d: %s", self.ip, self.port, broken)
            self.close(str(broken))

    # ---- the end ----

    def overdue(self, now: float) -> str:
        """Why the connection should be closed at this time; "" when it need not be."""
        if self.state is CONNECTING:
            return "connect timed out" if now >= self._connect_by else ""
        if self.partial_since and now - self.partial_since >= self._owner.settings.max_message_time:
            return "unfinished message"
        return "lifetime over" if now >= self.expires and now >= self.kept_until else ""

    def keep_for(self, seconds: float) -> None:
        """Keep it open for seconds from now, however silent it is (tcp_persistent_flag of registrars)."""
        self.kept_until = self._owner.now() + seconds

    def close(self, reason: str = "") -> None:
        """Close now; messages that still wait have failed."""
        if self.state is CLOSED:
            return
        was_open = self.state is OPEN
        self.state = CLOSED
        loop = self._owner.loop
        descriptor = self._sock.fileno()
        loop.remove_reader(descriptor)
        loop.remove_writer(descriptor)
        self._sock.close()
        self._owner.forget(self, reason, was_open)
        waiting = list(self._queue)
        self._queue.clear()
        error = TransportError(f"connection to {self.ip}:{self.port}: {reason or 'closed'}", E_SEND)
        told = [failed for _, failed in waiting if failed is not None]
        if told:
            self._owner.run(lambda: [failed(error) for failed in told])


class TcpSocket(ListenSocket):
    """A TCP listener."""

    __slots__ = ("_sock", "_owner", "_reuse_port")

    _owner: TcpTransport

    def __init__(self, transport: TcpTransport, ip: str, port: int, **options: Any) -> None:
        self._owner = transport
        self._reuse_port: bool = options.pop("reuse_port", False)
        options.pop("tos", None)  # the transport sets it on connections
        options.pop("frag", None)  # UDP's
        super().__init__(transport, ip, port, **options)
        self._sock: system.socket | None = None

    def open(self) -> None:
        """Bind and listen."""
        ipv6 = ":" in self.ip
        sock = self._sock = system.socket(system.AF_INET6 if ipv6 else system.AF_INET, system.SOCK_STREAM)
        sock.setblocking(False)
        sock.setsockopt(system.SOL_SOCKET, system.SO_REUSEADDR, 1)
        if self._reuse_port:
            sock.setsockopt(system.SOL_SOCKET, system.SO_REUSEPORT, 1)
        if ipv6:
            sock.setsockopt(system.IPPROTO_IPV6, system.IPV6_V6ONLY, 1)
        sock.bind((self.ip, self.port))
        sock.listen(self._owner.settings.backlog)

    def start(self) -> None:
        """Begin to accept."""
        assert self._sock is not None
        self._owner.loop.add_reader(self._sock.fileno(), self._accept)

    def close(self) -> None:
        """Stop listening; connections stay."""
        sock, self._sock = self._sock, None
        if sock is not None:
            self._owner.loop.remove_reader(sock.fileno())
            sock.close()

    def _accept(self) -> None:
        for _ in range(self._owner.settings.backlog or 1):
            if self._sock is None:
                return
            try:
                sock, peer = self._sock.accept()
            except BlockingIOError:
                return
            except OSError as error:
                self._owner.warn("accept on %s failed: %s", self.name, error.strerror)
                return
            self._owner.accepted(sock, one_form(str(peer[0])), int(peer[1]), self)

    def send(self, data: bytes, ip: str, port: int) -> None:
        """Send to an address over an open or a new connection."""
        self._owner.send(data, ip, port, self, 0, None, True)


class TcpTransport:
    """All TCP connections of a server.

    now: wheel time. disconnected(connection, reason): told when an open connection ends. sweep() is to be called every second.
    """

    proto: str = "tcp"
    is_stream = True

    def __init__(
        self, loop: asyncio.AbstractEventLoop, run: Callable[[Callable[[], object]], None], receive: Receiver,
        warn: Callable[..., None], now: Callable[[], float], settings: TcpSettings, *, default_port: int = 5060,
        disconnected: Callable[[Connection, str], None] | None = None,
    ) -> None:
        self.loop = loop
        self.run = run
        self.receive = receive
        self.warn = warn
        self.now = now
        self.settings = settings
        self.default_port = default_port
        self.disconnected = disconnected
        self.connections: dict[int, Connection] = {}
        self.total: Callable[[], int] = lambda: len(self.connections)
        """How many connections count for max_connections: those of all stream protocols, once they know of each other."""
        self.trace: Callable[[Connection, str, str], object] | None = None
        """Told of connections: accepted, connected, failed, closed, with the reason."""
        self._by_peer: dict[tuple[str, int], list[Connection]] = {}
        """Address of a peer, aliases too, -> connections with it, the latest first; mostly one."""
        # Not from 1: an id in the Via of a message sent before a restart must not name a connection of today.
        self._last_id = random.randrange(1, 1 << 30)

    def next_id(self) -> int:
        """A number no living connection has."""
        self._last_id = self._last_id % 0x7FFFFFFF + 1
        return self._last_id

    def listen(self, ip: str, port: int, **options: Any) -> TcpSocket:
        """A socket of this protocol, not yet bound."""
        return TcpSocket(self, ip, port, **options)

    def accepted(self, sock: system.socket, ip: str, port: int, listener: ListenSocket) -> None:
        """A peer has connected."""
        if self.total() >= self.settings.max_connections:
            self.warn("maximum number of connections (%d) reached, refusing %s:%d", self.settings.max_connections, ip, port)
            sock.close()
            return
        self._prepare(sock)
        try:
            made = self.make(sock, ip, port, listener, True, None)
        except (TransportError, OSError) as error:
            self.warn("refusing %s:%d: %s", ip, port, error)
            sock.close()
            return
        self._keep(made)

    def make(self, sock: system.socket, ip: str, port: int, listener: ListenSocket, incoming: bool, sender: Any) -> Connection:
        """The Connection for a socket; TransportError when there cannot be one. sender: see send()."""
        return Connection(self, sock, ip, port, listener, incoming)

    def _keep(self, connection: Connection) -> None:
        self.connections[connection.id] = connection
        self._by_peer.setdefault((connection.ip, connection.port), []).insert(0, connection)
        connection.start()

    def _prepare(self, sock: system.socket) -> None:
        settings = self.settings
        sock.setblocking(False)
        sock.setsockopt(system.IPPROTO_TCP, system.TCP_NODELAY, 1)
        if settings.keepalive:
            sock.setsockopt(system.SOL_SOCKET, system.SO_KEEPALIVE, 1)
            for option, value in (
                (system.TCP_KEEPCNT, settings.keep_count), (system.TCP_KEEPIDLE, settings.keep_idle),
                (system.TCP_KEEPINTVL, settings.keep_interval),
            ):
                if value:
                    sock.setsockopt(system.IPPROTO_TCP, option, value)
        if settings.tos and sock.family == system.AF_INET:
            sock.setsockopt(system.IPPROTO_IP, system.IP_TOS, settings.tos)

    def peers(self, ip: str, port: int) -> list[Connection]:
        """The connections with an address, the latest first."""
        return self._by_peer.get((ip, port)) or []

    def find(self, ip: str, port: int, connection_id: int, socket: ListenSocket | None = None) -> Connection | None:
        """The living connection of that id or, without one, to that address.

        socket: one that belongs to this listener is wanted; else one the peer has opened will do, because nobody can open another
        to the port it happens to have.
        """
        if connection_id:
            found = self.connections.get(connection_id)
            if found is not None:
                return found
        known = self._by_peer.get((ip, port))
        if known is None:
            return None
        if socket is None or known[0].socket is socket:
            return known[0]
        for connection in known:
            if connection.socket is socket:
                return connection
        return next((connection for connection in known if connection.incoming), None)

    def send(
        self, data: bytes, ip: str, port: int, socket: ListenSocket, connection_id: int, failed: Failed | None, new: bool,
        sender: Any = None,
    ) -> Connection:
        """Send over the connection of that id, else one to that address, else (new) a new one from the socket's address.

        sender: the Context or the branch of tm whose message it is, if any; TLS asks it what the script wants of a new
        connection.
        """
        connection = self.find(ip, port, connection_id, socket)
        if connection is None:
            if not new:
                raise TransportError(f"no connection to {ip}:{port} and none may be opened", E_SEND)
            connection = self.connect(ip, port, socket, sender)
        connection.send(data, failed)
        return connection

    def connect(self, ip: str, port: int, socket: ListenSocket, sender: Any = None) -> Connection:
        """Start a connection; TransportError when it is refused at once."""
        if self.total() >= self.settings.max_connections:
            raise TransportError(f"maximum number of connections ({self.settings.max_connections}) reached", E_SEND)
        sock = system.socket(system.AF_INET6 if ":" in ip else system.AF_INET, system.SOCK_STREAM)
        try:
            self._prepare(sock)
            sock.bind((socket.ip, 0))
            code = sock.connect_ex((ip, port))
            if code == errno.EINPROGRESS and ip.startswith(("127.", "::1")):
                code = _settled(sock)
            if code not in (0, errno.EINPROGRESS):
                raise OSError(code, errno.errorcode.get(code, str(code)))
        except (OSError, OverflowError) as error:
            sock.close()
            raise TransportError(f"connecting to {ip}:{port} failed: {error}", E_SEND) from None
        try:
            connection = self.make(sock, ip, port, socket, False, sender)
        except TransportError:
            sock.close()
            raise
        self._keep(connection)
        return connection

    def add_alias(self, connection: Connection, port: int) -> bool:
        """Requests to that port of the peer go over this connection, too. False: another connection has the address."""
        key = (connection.ip, port)
        found = self._by_peer.get(key)
        if found is not None:
            return connection in found
        self._by_peer[key] = [connection]
        connection.aliases.append(port)
        return True

    def opened(self, connection: Connection) -> None:
        """Messages may flow over a connection."""
        if self.trace is not None:
            self.trace(connection, "accepted" if connection.incoming else "connected", "")

    def forget(self, connection: Connection, reason: str, was_open: bool) -> None:
        """A connection has closed."""
        self.connections.pop(connection.id, None)
        for port in (connection.port, *connection.aliases):
            known = self._by_peer.get((connection.ip, port))
            if known is not None and connection in known:
                known.remove(connection)
                if not known:
                    del self._by_peer[(connection.ip, port)]
        if was_open and self.disconnected is not None:
            self.disconnected(connection, reason)
        if self.trace is not None:
            self.trace(connection, "closed" if was_open and not connection.handshaking else "failed", reason)

    def sweep(self) -> None:
        """Close connections that are idle, unfinished or never came about."""
        now = self.now()
        for connection in list(self.connections.values()):
            reason = connection.overdue(now)
            if reason:
                connection.close(reason)

    def close(self) -> None:
        """Close all connections."""
        for connection in list(self.connections.values()):
            connection.close("server stops")
