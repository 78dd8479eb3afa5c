"""The module event_stream: its parameters, its sockets, and the documents it sends."""

from __future__ import annotations

import itertools
import secrets
from dataclasses import dataclass, field

from engine.events.bus import Event, Value
from engine.module import Module, modparam
from modules.event_stream.connection import Stream
from modules.shared.eventwire import address_of, event_json, split_socket

_MAX_ID = 0x7FFFFFFF


@dataclass(frozen=True, slots=True)
class Destination:
    """A subscriber's socket."""

    host: str
    port: int
    method: str
    """What stands in the document in place of the event's name, "" for none."""
    ip: str = field(compare=False)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}" + (f"/{self.method}" if self.method else "")


class EventStream(Module):
    """The module. One connection serves all subscriptions of an address."""

    reliable_mode = modparam(int, 0, help="1: events are requests with an id, and their answers are waited for")
    timeout = modparam(int, 1000, min=1, help="milliseconds an event may take: to be sent, in reliable mode to be answered")
    event_param = modparam(str, "", help="name of a parameter that carries the event's name; empty: no such parameter")

    def mod_init(self) -> None:
        self._streams: dict[tuple[str, int], Stream] = {}
        self._ids = itertools.count(1 + secrets.randbelow(_MAX_ID // 2))
        self.server.subscribers.add_transport("tcp", self)

    async def destroy(self) -> None:
        for stream in self._streams.values():
            stream.close()
        self._streams.clear()

    def process_titles(self) -> list[str]:
        """How `ps` shows it."""
        return ["event_stream Sender"]

    # ---- transport of the event interface ----

    def parse_socket(self, rest: str) -> Destination:
        """host:port[/method]; raises ValueError."""
        host, port, behind = split_socket(rest)
        return Destination(host, port, behind[1:], address_of(self.server, host))

    def deliver(self, target: Destination, event: Event, params: dict[str, Value]) -> None:
        """Put an event on its connection."""
        ident = next(self._ids) % _MAX_ID + 1 if self.reliable_mode else 0
        extra = (self.event_param, event.name) if self.event_param else None
        data = event_json(target.method or event.name, params, ident=ident, extra=extra)
        place = (target.ip, target.port)
        stream = self._streams.get(place)
        if stream is None:
            stream = self._streams[place] = Stream(*place, self.timeout / 1000, self.server.loop, self.log)
        stream.send(data, ident, event.name)
