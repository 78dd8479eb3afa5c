"""Subscribers outside of the server: who gets which event over which transport, and until when.

A transport module (event_datagram, event_stream ...) registers the words its sockets begin with; subscribe_event() of
scripts and event_subscribe of the MI both come here. What the transport does with an event is its own business; it is called
in the raising run and must only do cheap work.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from engine.events.bus import Event, EventBus, Value


class EventTransport(Protocol):
    """What a transport module offers."""

    def parse_socket(self, rest: str) -> Any:
        """The target of a socket text (without the word and its colon); two equal ones compare equal, str() of it is how
        MI shows it. Raises ValueError for a bad one."""

    def deliver(self, target: Any, event: Event, params: dict[str, Value]) -> None:
        """Send an event."""


@dataclass(slots=True)
class Subscriber:
    """One subscription."""

    event: Event
    word: str
    """What the socket begins with, e.g. "udp"."""
    target: Any
    transport: EventTransport
    expire: int | None
    """Seconds it was asked for; None: for ever."""
    since: float
    """When it was made or renewed, seconds of the clock."""
    unsubscribe: Callable[[], None] = field(default=lambda: None)

    def is_over(self, now: float) -> bool:
        """Whether its time is over."""
        return self.expire is not None and now - self.since >= self.expire

    def describe(self, now: float) -> dict[str, Any]:
        """As subscribers_list shows it."""
        shown: dict[str, Any] = {"socket": f"{self.word}:{self.target}"}
        if self.expire is None:
            shown["expire"] = "never"
        else:
            shown["expire"] = self.expire
            shown["ttl"] = max(0, int(self.expire - (now - self.since)))
        return shown


class Subscribers:
    """All subscriptions of one server. clock: seconds that never go back."""

    def __init__(self, bus: EventBus, clock: Callable[[], float]) -> None:
        self._bus = bus
        self._clock = clock
        self._transports: dict[str, EventTransport] = {}
        self._of: dict[str, list[Subscriber]] = {}

    def add_transport(self, word: str, transport: EventTransport) -> None:
        """Sockets that begin with this word belong to that transport."""
        self._transports[word] = transport

    def _parse(self, socket: str) -> tuple[str, EventTransport, Any]:
        if socket.startswith("/"):
            socket = f"unix:{socket}"
        word, colon, rest = socket.partition(":")
        transport = self._transports.get(word)
        if not colon or transport is None:
            raise ValueError(f"no module serves the event socket {socket!r}")
        return word, transport, transport.parse_socket(rest)

    def subscribe(self, name: str, socket: str, expire: int | None = None) -> None:
        """Subscribe, renew, or end (expire 0). Raises ValueError: unknown event, unknown or bad socket."""
        event = self._bus.find(name)
        if event is None:
            raise ValueError(f"event {name} is not known")
        word, transport, target = self._parse(socket)
        known = self._of.setdefault(name, [])
        found = next((one for one in known if one.word == word and one.target == target), None)
        if expire == 0:
            if found is not None:
                self._end(found)
            return
        if found is not None:
            found.expire, found.since = expire, self._clock()
            return
        made = Subscriber(event, word, target, transport, expire, self._clock())

        def hear(event: Event, params: dict[str, Value]) -> None:
            if made.is_over(self._clock()):
                self._end(made)
            else:
                made.transport.deliver(made.target, event, params)

        made.unsubscribe = event.subscribe(hear)
        known.append(made)

    def _end(self, subscriber: Subscriber) -> None:
        subscriber.unsubscribe()
        known = self._of.get(subscriber.event.name, [])
        if subscriber in known:
            known.remove(subscriber)

    def of(self, name: str) -> list[Subscriber]:
        """The subscriptions of an event that are not over."""
        now = self._clock()
        for one in [one for one in self._of.get(name, []) if one.is_over(now)]:
            self._end(one)
        return list(self._of.get(name, []))

    def find(self, name: str, socket: str) -> Subscriber | None:
        """The subscription of an event to a socket, or None."""
        try:
            word, _, target = self._parse(socket)
        except ValueError:
            return None
        return next((one for one in self.of(name) if one.word == word and one.target == target), None)
