"""event_datagram: events over UDP and UNIX datagram sockets, one JSON-RPC notification per datagram.

    subscribe_event("E_UL_CONTACT_INSERT", "udp:127.0.0.1:8081");
    subscribe_event("E_UL_CONTACT_INSERT", "unix:/tmp/events.sock", 3600);

Manual: OpenSIPS 3.6, module event_datagram. Nothing waits for a subscriber: a datagram that cannot be sent at once is lost,
and the log says so.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from typing import Any

from engine.events.bus import Event, Value
from engine.module import Module
from modules.shared.eventwire import address_of, event_json, split_socket


@dataclass(frozen=True, slots=True)
class Destination:
    """A subscriber's socket."""

    text: str
    """As MI shows it, without the word in front."""
    family: int
    address: Any = field(compare=False)
    """What the system wants."""

    def __str__(self) -> str:
        return self.text


class Senders:
    """The sockets everything is sent from, one per address family, made when first needed."""

    def __init__(self) -> None:
        self._open: dict[int, socket.socket] = {}

    def send(self, data: bytes, to: Destination) -> None:
        """Raises OSError when it cannot be sent at once."""
        sender = self._open.get(to.family)
        if sender is None:
            sender = self._open[to.family] = socket.socket(to.family, socket.SOCK_DGRAM)
            sender.setblocking(False)
        sender.sendto(data, to.address)

    def close(self) -> None:
        """Give them back."""
        for sender in self._open.values():
            sender.close()
        self._open.clear()


class UdpTransport:
    """Sockets `udp:host:port`."""

    def __init__(self, module: EventDatagram) -> None:
        self._module = module

    def parse_socket(self, rest: str) -> Destination:
        """host:port; raises ValueError."""
        host, port, behind = split_socket(rest)
        if behind:
            raise ValueError(f"bad port in the event socket {rest!r}")
        ip = address_of(self._module.server, host)
        return Destination(f"{host}:{port}", socket.AF_INET6 if ":" in ip else socket.AF_INET, (ip, port))

    def deliver(self, target: Destination, event: Event, params: dict[str, Value]) -> None:
        """Send an event."""
        self._module.send(target, event, params)


class UnixTransport(UdpTransport):
    """Sockets `unix:path`."""

    def parse_socket(self, rest: str) -> Destination:
        """The path of a UNIX socket; raises ValueError."""
        if not rest or len(rest) > 107:
            raise ValueError(f"bad path of a UNIX event socket: {rest!r}")
        return Destination(rest, socket.AF_UNIX, rest.encode("latin-1"))


class EventDatagram(Module):
    """The module."""

    def mod_init(self) -> None:
        self._senders = Senders()
        self.server.subscribers.add_transport("udp", UdpTransport(self))
        self.server.subscribers.add_transport("unix", UnixTransport(self))

    async def destroy(self) -> None:
        self._senders.close()

    def send(self, target: Destination, event: Event, params: dict[str, Value]) -> None:
        """Send an event as one datagram, or lose it."""
        try:
            self._senders.send(event_json(event.name, params), target)
        except OSError as error:
            self.log.error("event %s cannot be sent to %s: %s", event.name, target, error.strerror or error)


exports = EventDatagram
