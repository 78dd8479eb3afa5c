"""Core MI commands of the event interface: events_list, event_subscribe, subscribers_list, raise_event."""

from __future__ import annotations

import json
from typing import Any, Final

from engine.errors import MiError
from engine.events.bus import Event
from engine.module import Module, Value, mi_command

DEFAULT_EXPIRE: Final = 3600
"""Seconds a subscription over MI lasts when it does not say."""


class EventCommands(Module):
    """The commands."""

    server: Any

    @mi_command("event_subscribe", help="has an event sent to a socket")
    def event_subscribe(self, event: str, socket: str, expire: int = DEFAULT_EXPIRE) -> None:
        """expire in seconds, 0 ends the subscription."""
        if expire < 0:
            raise MiError(400, "Bad parameter value")
        try:
            self.server.subscribers.subscribe(event, socket, expire)
        except ValueError as error:
            self.server.log.error("event_subscribe: %s", error)
            raise MiError(400, "Bad parameter value") from None

    @mi_command("events_list", help="lists all events that are known")
    def events_list(self) -> dict[str, Any]:
        """In the order of registration."""
        return {"Events": [{"name": event.name, "id": event.id} for event in self.server.events.events.values()]}

    @mi_command("subscribers_list", help="lists who gets events")
    def subscribers_list(self, event: str | None = None, socket: str | None = None) -> dict[str, Any]:
        """Events with subscribers; with an event that one alone."""
        if event is None:
            return {"Events": [self._described(one) for one in self.server.events.events.values() if self._described(one)]}
        found = self.server.events.find(event)
        if found is None:
            raise MiError(404, "Event not published")
        if socket is None:
            return {"Event": self._described(found)}
        subscriber = self.server.subscribers.find(event, socket)
        if subscriber is None:
            raise MiError(404, "Subscriber does not exist")
        return {"Event": {"name": found.name, "id": found.id, "Subscriber": subscriber.describe(self.server.now())}}

    def _described(self, event: Event) -> dict[str, Any]:
        subscribers = self.server.subscribers.of(event.name)
        if not subscribers:
            return {}
        now = self.server.now()
        return {"name": event.name, "id": event.id, "Subscribers": [one.describe(now) for one in subscribers]}

    @mi_command("raise_event", help="raises an event", recipes=[["event"], ["event", "params"]])
    def raise_event(self, event: str, params: Any = None) -> None:
        """params: an array of values without names, or an object (also as a text)."""
        named: list[tuple[str | None, Value]] = []
        if isinstance(params, str):
            try:
                params = json.loads(params)
            except ValueError:
                raise MiError(400, "Bad parameter value") from None
        if isinstance(params, dict):
            named = [(key, _value(value)) for key, value in params.items()]
        elif isinstance(params, list):
            named = [(None, str(_value(value))) for value in params]
        elif params is not None:
            raise MiError(400, "Bad parameter value")
        if not self.server.events.raise_event(event, named):
            raise MiError(404, "Event not registered")


def _value(value: Any) -> Value:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return int(value)
    return json.dumps(value, separators=(",", ":"))
