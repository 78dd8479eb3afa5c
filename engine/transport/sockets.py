"""Listening sockets: which there are, which one a message leaves by, and sending.

A ListenSocket is one address this server listens on. What carries bytes is a Transport (udp.py, tcp.py ...), switched on by
the protocol module a script loads. Sockets is the table of all of them: lookup by name, the choice of OpenSIPS'
get_send_socket, and the question whether a host is this server.
"""

from __future__ import annotations

import socket as system
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple, Protocol

from engine.errors import ConfigError, TransportError
from engine.transport.address import DEFAULT_PORTS, Target, bracketed, is_ipv4, is_ipv6, local_address, plain_ip, same_family, split_host_port
from engine.transport.interfaces import addresses_of

# receive(data, source ip, source port, socket, connection or None)
Receiver = Callable[[bytes, str, int, "ListenSocket", Any], None]
Failed = Callable[[TransportError], None]

_MAX_MYSELF: Final = 4096
"""Answers of is_myself() that are kept."""

E_SEND: Final = -477
E_NO_SOCKET: Final = -7
E_BAD_ADDRESS: Final = -476


class ListenSocket:
    """One address this server listens on. Made by its Transport; the texts for headers are ready-made."""

    __slots__ = (
        "proto", "ip", "port", "host", "name", "tag", "adv_host", "adv_port", "via_host", "uri_host", "via_prefix", "transport",
        "accept_subdomain", "workers", "_global_host", "_global_port",
    )

    def __init__(
        self, transport: Transport, ip: str, port: int, *, host: str = "", tag: str = "", adv_host: str | None = None,
        adv_port: int | None = None, accept_subdomain: bool = False, workers: int = 0,
    ) -> None:
        self.transport = transport
        self.proto = transport.proto
        self.ip = ip
        self.port = port
        self.host = host or ip
        """As written in the script: a name counts as this server, too."""
        self.name = f"{self.proto}:{bracketed(ip)}:{port}"
        """"udp:1.2.3.4:5060": what $socket_in prints and find() takes."""
        self.tag = tag
        self.adv_host = adv_host
        """Host and port of `AS host:port`, None where not given."""
        self.adv_port = adv_port
        self.accept_subdomain = accept_subdomain
        self.workers = workers
        self._global_host: str | None = None
        self._global_port: int | None = None
        self.advertise(None, None)

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"<{self.name}>"

    def advertise(self, host: str | None, port: int | None) -> None:
        """Take over the global advertised_address and advertised_port and make the texts."""
        self._global_host, self._global_port = host, port
        self.via_host = self.via_for(None, None)
        """host:port for a Via of this socket."""
        self.uri_host = self.uri_for(None, None)
        """host:port for a Record-Route or Contact of this socket."""
        self.via_prefix = f"Via: SIP/2.0/{self.proto.upper()} {self.via_host};branch="

    def via_for(self, host: str | None, port: int | None) -> str:
        """host:port for a Via when the message has an advertised address or port of its own: that, then the global one, then
        the socket's AS, then the real one, address and port each for itself."""
        host = host or self._global_host or self.adv_host or self.ip
        return f"{bracketed(host)}:{port or self._global_port or self.adv_port or self.port}"

    def uri_for(self, host: str | None, port: int | None) -> str:
        """host:port for a Record-Route: here the socket's AS goes first."""
        host = self.adv_host or host or self._global_host or self.ip
        return f"{bracketed(host)}:{self.adv_port or port or self._global_port or self.port}"

    def send(self, data: bytes, ip: str, port: int) -> None:
        """Send to an address; raises TransportError (E_SEND). Streams reuse or open a connection."""
        raise NotImplementedError

    def open(self) -> None:
        """Bind; raises OSError."""
        raise NotImplementedError

    def start(self) -> None:
        """Begin to receive."""
        raise NotImplementedError

    def close(self) -> None:
        """Stop, for good."""
        raise NotImplementedError


class Transport(Protocol):
    """What carries one protocol."""

    proto: str
    default_port: int
    is_stream: bool

    def listen(self, ip: str, port: int, **options: Any) -> ListenSocket:
        """A socket of this protocol, not yet bound."""

    def close(self) -> None:
        """Close everything that is not a listening socket."""


class StreamTransport(Transport, Protocol):
    """A protocol with connections."""

    def send(
        self, data: bytes, ip: str, port: int, socket: ListenSocket, connection_id: int, failed: Failed | None, new: bool,
        sender: Any = None,
    ) -> Any:
        """Send over the connection of that id, else one to that address, else (new) a new one, as the sender wants it. The
        Connection."""

    def find(self, ip: str, port: int, connection_id: int) -> Any | None:
        """The living connection of that id or, without one, to that address."""


class Alias(NamedTuple):
    """One `alias=` entry: "" and 0 stand for any."""

    proto: str
    host: str
    port: int
    subdomains: bool


class Sockets:
    """All listening sockets and transports of one server.

    mhomed: the socket is chosen by the kernel's route. The first socket of a protocol and family is its default.
    """

    def __init__(self, mhomed: bool = False) -> None:
        self.all: list[ListenSocket] = []
        self.transports: dict[str, Transport] = {}
        self.aliases: list[Alias] = []
        self.own_names: list[Callable[[str], bool]] = []
        """Modules that know further names of this server: call(host), asked when nothing else knows it, answers are not kept."""
        self.mhomed = mhomed
        self.advertised_address: str | None = None
        self._streams: dict[str, StreamTransport] = {}
        self._by_name: dict[str, ListenSocket] = {}
        self._first: dict[tuple[str, bool], ListenSocket] = {}
        self._myself: dict[tuple[str, int, str], bool] = {}

    # ---- set up ----

    def enable(self, transport: Transport) -> None:
        """Switch a protocol on: what the protocol modules do in mod_init."""
        self.transports[transport.proto] = transport
        if transport.is_stream:
            self._streams[transport.proto] = transport  # type: ignore[assignment]

    def add(
        self, proto: str, host: str, port: int = 0, *, adv_host: str | None = None, adv_port: int | None = None, **options: Any,
    ) -> list[ListenSocket]:
        """Make the sockets of one `socket=` line: host is an address, a name, an interface or "*". Not bound yet.

        port 0: the protocol's default. Raises ConfigError: protocol not loaded, host unknown.
        """
        transport = self.transports.get(proto)
        if transport is None:
            raise ConfigError(
                f"listeners found for protocol {proto}, but no module can handle it", hint=f'loadmodule "proto_{proto}.so"')
        made = []
        for ip in addresses_of(host):
            socket = transport.listen(
                ip, port or transport.default_port, host="" if host == "*" else host.strip("[]"), adv_host=adv_host,
                adv_port=adv_port, **options)
            if socket.name not in self._by_name:
                self._register(socket)
                made.append(socket)
        return made

    def _register(self, socket: ListenSocket) -> None:
        self._myself.clear()
        self.all.append(socket)
        self._by_name[socket.name] = socket
        self._first.setdefault((socket.proto, ":" in socket.ip), socket)

    def advertise(self, host: str | None, port: int | None) -> None:
        """Set the global advertised address and port."""
        self.advertised_address = host
        self._myself.clear()
        for socket in self.all:
            socket.advertise(host, port)

    def add_alias(self, host: str, port: int = 0, proto: str = "", subdomains: bool = False) -> None:
        """One more name that is this server; port 0 and proto "" match all."""
        self._myself.clear()
        self.aliases.append(Alias("" if proto in ("any", "*") else proto.lower(), host.lower().strip("[]"), port, subdomains))

    def open(self) -> None:
        """Bind all; ConfigError names the one that cannot be bound."""
        for socket in self.all:
            try:
                socket.open()
            except OSError as error:
                raise ConfigError(f"could not bind {socket.name}: {error.strerror or error}") from None

    def start(self) -> None:
        """Begin to receive on all."""
        for socket in self.all:
            socket.start()

    def close(self) -> None:
        """Close all sockets and connections."""
        for socket in self.all:
            socket.close()
        for transport in self.transports.values():
            transport.close()

    # ---- lookup ----

    def find(self, name: str) -> ListenSocket | None:
        """The socket written "udp:1.2.3.4:5060", "udp:1.2.3.4" (default port), "1.2.3.4:5060" (udp) or named by its tag;
        also by the host name and the AS address it has in the script."""
        found = self._by_name.get(name)
        if found is not None:
            return found
        proto, colon, rest = name.partition(":")
        if not colon or proto.lower() not in DEFAULT_PORTS:
            proto, rest = "", name
        proto = proto.lower()
        try:
            host, port = split_host_port(rest)
        except ValueError:
            return None
        host = plain_ip(host) or host.lower()
        if not host:
            return None
        for socket in self.all:
            if not proto and not port and socket.tag and socket.tag.lower() == host:
                return socket
            if socket.proto != (proto or "udp"):
                continue
            wanted = port or self.default_port(socket.proto)
            if wanted in (socket.port, socket.adv_port) and host in (
                socket.ip, socket.host.lower(), (socket.adv_host or "").lower(),
            ):
                return socket
        return None

    def default_port(self, proto: str) -> int:
        """The port of sockets and destinations that name none: the protocol module's udp_port, tls_port ..."""
        transport = self.transports.get(proto)
        return DEFAULT_PORTS.get(proto, 5060) if transport is None else transport.default_port

    def first(self, proto: str, ipv6: bool = False) -> ListenSocket | None:
        """The default socket of a protocol and address family."""
        return self._first.get((proto, ipv6))

    def pick(
        self, proto: str, ip: str, received: ListenSocket | None = None, forced: ListenSocket | None = None,
    ) -> ListenSocket | None:
        """The socket a message to this protocol and address leaves by, or None when no socket fits.

        The forced one when protocol and family fit (with another protocol: its sibling on the same address and port); with
        mhomed and UDP the one the kernel's route starts from; for UDP the receiving one; the first of protocol and family.
        """
        ipv6 = ":" in ip
        if forced is not None:
            if forced.proto != proto:
                forced = self._by_name.get(f"{proto}:{bracketed(forced.ip)}:{forced.port}") or self._sibling(forced, proto)
            if forced is not None and (":" in forced.ip) == ipv6:
                return forced
        if proto == "udp":
            if self.mhomed:
                return self._by_route(ip)
            if received is not None and received.proto == "udp" and (":" in received.ip) == ipv6:
                return received
        return self._first.get((proto, ipv6))

    def _sibling(self, socket: ListenSocket, proto: str) -> ListenSocket | None:
        for other in self.all:
            if other.proto == proto and other.ip == socket.ip:
                return other
        return None

    def _by_route(self, ip: str) -> ListenSocket | None:
        """The UDP socket on the address the kernel would send from; connecting a datagram socket sends nothing."""
        family = system.AF_INET6 if ":" in ip else system.AF_INET
        with system.socket(family, system.SOCK_DGRAM) as probe:
            try:
                probe.connect((ip, 9))
                source, _ = local_address(probe)
            except OSError:
                return None
        for socket in self.all:
            if socket.proto == "udp" and socket.ip == source:
                return socket
        return None

    def is_myself(self, host: str, port: int = 0, proto: str = "") -> bool:
        """Is that this server? Listening addresses and names, their AS names, the global advertised address, aliases; port 0
        and proto "" match any. Host names are compared without case. Answers are kept: every Route and every domain asks."""
        key = (host, port, proto)
        known = self._myself.get(key)
        if known is None:
            known = self._judge_myself(host, port, proto)
            if len(host) < 256:                     # hosts come from the network, so what is kept has an end
                if len(self._myself) >= _MAX_MYSELF:
                    self._myself.clear()
                self._myself[key] = known
        return known or (bool(self.own_names) and any(check(host) for check in self.own_names))

    def _judge_myself(self, host: str, port: int, proto: str) -> bool:
        """is_myself() without memory."""
        host = host.lower()
        if host[:1] == "[":
            host = host[1:-1]
        if ":" in host:
            host = plain_ip(host) or host
        for socket in self.all:
            if proto and socket.proto != proto:
                continue
            if not port and host == socket.tag.lower() and host:
                return True
            if port and port != socket.port and port != socket.adv_port:
                continue
            if host == socket.ip or host == socket.host.lower():
                return True
            advertised = socket.adv_host or self.advertised_address
            if advertised and host == advertised.lower():
                return True
            if socket.accept_subdomain and host.endswith("." + socket.host.lower()):
                return True
        for alias in self.aliases:
            if (host == alias.host or (alias.subdomains and host.endswith("." + alias.host))) and (
                not port or not alias.port or port == alias.port
            ) and (not proto or not alias.proto or proto == alias.proto):
                return True
        return False

    # ---- sending ----

    def send(
        self, data: bytes, target: Target, socket: ListenSocket, connection_id: int = 0, failed: Failed | None = None,
        new: bool = True, sender: Any = None,
    ) -> Any:
        """Send a message. Raises TransportError when that fails at once.

        Streams: over the connection of that id, else an open one to the target, else (new) a new one; what is sent while it
        connects is queued, and failed(error) is called when it does not come about. sender: the Context or tm branch whose AVPs
        may choose the TLS domain of a new one. The Connection; None for UDP.
        """
        if target.proto == "udp":
            return socket.send(data, target.ip, target.port)
        stream = self._streams.get(target.proto)
        if stream is None:
            raise TransportError(f"protocol {target.proto} is not loaded", E_NO_SOCKET)
        return stream.send(data, target.ip, target.port, socket, connection_id, failed, new, sender)

    def find_connection(self, target: Target, connection_id: int = 0) -> Any | None:
        """The open connection send() would use, or None; always None for UDP."""
        stream = self._streams.get(target.proto)
        return None if stream is None else stream.find(target.ip, target.port, connection_id)

    def connection(self, connection_id: int) -> Any | None:
        """The connection of that id, whatever its protocol."""
        for stream in self._streams.values():
            found = stream.find("", 0, connection_id)
            if found is not None:
                return found
        return None

    def is_stream(self, proto: str) -> bool:
        """Does this protocol have connections (and need Content-Length)?"""
        return proto != "udp"

    def auto_aliases(self, lookup: Callable[[str], Iterable[str]] | None = None) -> None:
        """auto_aliases=yes: the host's own names for the listening addresses count as this server."""
        for socket in self.all:
            names = lookup(socket.ip) if lookup is not None else _reverse(socket.ip)
            for name in names:
                self.add_alias(name, socket.port, socket.proto)


def _reverse(ip: str) -> list[str]:
    try:
        name, others, _ = system.gethostbyaddr(ip)
    except OSError:
        return []
    return [name, *others]


__all__ = [
    "E_BAD_ADDRESS", "E_NO_SOCKET", "E_SEND", "Failed", "ListenSocket", "Receiver", "Sockets", "StreamTransport", "Transport",
    "is_ipv4", "is_ipv6", "same_family",
]
