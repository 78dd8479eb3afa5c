"""UDP: one plain non-blocking socket per listener, drained in bounded bursts.

A protocol object of the event loop costs more per datagram than receiving it; a reader callback that empties the socket does
not (performance notes). The burst is bounded so that timers and other sockets stay alive.
"""

from __future__ import annotations

import asyncio
import errno
import socket as system
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any, Final

from engine.errors import TransportError
from engine.transport.address import one_form
from engine.transport.sockets import E_SEND, ListenSocket, Receiver

BUSY: Final = 0.0003
"""Seconds. When the loop comes back within this time more datagrams wait, and the socket is emptied; otherwise one is taken and the
loop tells of the next: asking an empty socket costs 7 µs, a tenth of all that is done for a message."""
BURST: Final = 64
"""Datagrams taken from one socket before others get their turn."""
MAX_DATAGRAM: Final = 65535
SHORTEST: Final = 20
"""Anything shorter is a keep-alive or noise and is dropped without a word."""
# Of Linux, not named by the socket module: let routers cut datagrams (`frag`).
_IP_MTU_DISCOVER: Final = 10
_IP_PMTUDISC_DONT: Final = 0
# Waiting datagrams while the kernel's buffer is full; beyond that sending fails.
_MAX_QUEUE: Final = 1024


class UdpSocket(ListenSocket):
    """A UDP listener."""

    __slots__ = ("_sock", "_sendto", "_queue", "_owner", "_tos", "_reuse_port", "_frag", "_left")

    _owner: UdpTransport
    _sendto: Callable[..., int]

    def __init__(self, transport: UdpTransport, ip: str, port: int, **options: Any) -> None:
        self._owner = transport
        tos = options.pop("tos", None)
        self._tos: int = transport.tos if tos is None else tos
        self._reuse_port: bool = options.pop("reuse_port", False)
        self._frag: bool = options.pop("frag", False)
        super().__init__(transport, ip, port, **options)
        self._sock: system.socket | None = None
        self._left = 0.0
        """When the socket was last left, for BUSY."""
        self._queue: deque[tuple[bytes, tuple[str, int]]] = deque()

    def open(self) -> None:
        """Bind, with as big a receive buffer as `maxbuffer` and the system allow."""
        ipv6 = ":" in self.ip
        sock = self._sock = system.socket(system.AF_INET6 if ipv6 else system.AF_INET, system.SOCK_DGRAM)
        self._sendto = sock.sendto
        sock.setblocking(False)
        multicast = not ipv6 and 224 <= int(self.ip.partition(".")[0]) <= 239
        if multicast:
            # Elsewhere it would let a second server take our datagrams.
            sock.setsockopt(system.SOL_SOCKET, system.SO_REUSEADDR, 1)
        if self._reuse_port:
            sock.setsockopt(system.SOL_SOCKET, system.SO_REUSEPORT, 1)
        if ipv6:
            sock.setsockopt(system.IPPROTO_IPV6, system.IPV6_V6ONLY, 1)
        if self._tos and ipv6:
            sock.setsockopt(system.IPPROTO_IPV6, system.IPV6_TCLASS, self._tos)
        elif self._tos:
            sock.setsockopt(system.IPPROTO_IP, system.IP_TOS, self._tos)
        if self._frag and not ipv6:
            sock.setsockopt(system.IPPROTO_IP, _IP_MTU_DISCOVER, _IP_PMTUDISC_DONT)
        sock.bind((self.ip, self.port))
        if self._owner.max_buffer > sock.getsockopt(system.SOL_SOCKET, system.SO_RCVBUF):
            sock.setsockopt(system.SOL_SOCKET, system.SO_RCVBUF, self._owner.max_buffer)
        if multicast:
            self._join(sock)

    def _join(self, sock: system.socket) -> None:
        """A multicast address is joined on any interface."""
        sock.setsockopt(system.IPPROTO_IP, system.IP_ADD_MEMBERSHIP, system.inet_aton(self.ip) + system.inet_aton("0.0.0.0"))
        sock.setsockopt(system.IPPROTO_IP, system.IP_MULTICAST_LOOP, int(self._owner.multicast_loopback))
        if self._owner.multicast_ttl >= 0:
            sock.setsockopt(system.IPPROTO_IP, system.IP_MULTICAST_TTL, self._owner.multicast_ttl)

    def start(self) -> None:
        """Begin to receive."""
        assert self._sock is not None
        self._owner.loop.add_reader(self._sock.fileno(), self._readable)

    def close(self) -> None:
        """Close the socket."""
        sock, self._sock = self._sock, None
        if sock is not None:
            self._owner.loop.remove_reader(sock.fileno())
            self._owner.loop.remove_writer(sock.fileno())
            sock.close()

    def _readable(self) -> None:
        self._owner.run(self._drain)

    def _drain(self) -> None:
        """Receive a burst, in a worker. When a message makes the worker wait, the loop calls the next one."""
        receive = self._owner.receive
        sock = self._sock
        if sock is None:
            return
        recvfrom = sock.recvfrom
        ipv6 = ":" in self.ip
        for _ in range(BURST if monotonic() - self._left < BUSY else 1):
            try:
                data, source = recvfrom(MAX_DATAGRAM)
            except BlockingIOError:
                break
            except OSError:
                # An ICMP error of an earlier send is told here; a closed socket ends the burst.
                if sock.fileno() < 0:
                    return
                continue
            if len(data) < SHORTEST or not source[1]:
                continue
            receive(data, one_form(source[0]) if ipv6 else source[0], source[1], self, None)
        self._left = monotonic()

    def send(self, data: bytes, ip: str, port: int) -> None:
        """One datagram. A full kernel buffer queues it; every other failure is a TransportError."""
        if self._queue:
            self._enqueue(data, (ip, port))
            return
        if self._sock is None:
            raise TransportError(f"{self.name} is not open", E_SEND)
        try:
            self._sendto(data, (ip, port))
        except BlockingIOError:
            self._enqueue(data, (ip, port))
            assert self._sock is not None
            self._owner.loop.add_writer(self._sock.fileno(), self._flush)
        except (OSError, OverflowError) as error:
            raise TransportError(f"sending to {ip}:{port} failed: {error}", E_SEND) from None

    def _enqueue(self, data: bytes, address: tuple[str, int]) -> None:
        if len(self._queue) >= _MAX_QUEUE:
            raise TransportError("too many datagrams wait to be sent", E_SEND)
        self._queue.append((data, address))

    def _flush(self) -> None:
        while self._queue:
            data, address = self._queue[0]
            try:
                self._sendto(data, address)
            except BlockingIOError:
                return
            except OSError as error:
                self._owner.warn("sending to %s:%s failed: %s", *address, errno.errorcode.get(error.errno or 0, error))
            self._queue.popleft()
        assert self._sock is not None
        self._owner.loop.remove_writer(self._sock.fileno())


class UdpTransport:
    """What all UDP sockets share."""

    proto = "udp"
    is_stream = False

    def __init__(
        self, loop: asyncio.AbstractEventLoop, run: Callable[[Callable[[], object]], None], receive: Receiver,
        warn: Callable[..., None], *, default_port: int = 5060, tos: int = 0, max_buffer: int = 262144,
        multicast_loopback: bool = False, multicast_ttl: int = -1,
    ) -> None:
        self.loop = loop
        self.run = run
        self.receive = receive
        self.warn = warn
        self.default_port = default_port
        self.tos = tos
        self.max_buffer = max_buffer
        self.multicast_loopback = multicast_loopback
        self.multicast_ttl = multicast_ttl

    def listen(self, ip: str, port: int, **options: Any) -> UdpSocket:
        """A socket of this protocol, not yet bound."""
        return UdpSocket(self, ip, port, **options)

    def close(self) -> None:
        """Nothing beside the listeners."""
