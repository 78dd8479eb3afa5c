"""Events: named news with parameters, raised by the core, by modules and by scripts.

Who raises an event holds its Event and calls emit(); with nobody listening that is one attribute test. Listeners are called
at once, in the raising run, and must only do cheap work: decide whether they care and hand the rest to server.defer().
Expiry of subscriptions belongs to those who make them (transports of the event interface), not here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

Value = str | int | None

Listener = Callable[["Event", dict[str, Value]], None]


class Unnamed(str):
    """Key of a parameter that was given without a name: its number, from 1, as text."""

    __slots__ = ()


class Absent(str):
    """An empty text for what is not there: scripts see "", subscribers by JSON get null."""

    __slots__ = ()


ABSENT: Final = Absent()


class EventParams:
    """What $param() reads in an event route: names[i] (None when unnamed) goes with values[i]."""

    __slots__ = ("names", "values")

    def __init__(self, names: Sequence[str | None], values: Sequence[Value]) -> None:
        self.names = tuple(names)
        self.values = tuple(values)

    def by_name(self, name: str) -> Value:
        """Value of the parameter of that name, None without one."""
        try:
            return self.values[self.names.index(name)]
        except ValueError:
            return None

    def by_number(self, number: int) -> Value:
        """Value of the number-th named parameter, from 1; None beyond the end or when it has no name."""
        if 0 < number <= len(self.values) and self.names[number - 1] is not None:
            return self.values[number - 1]
        return None

    @classmethod
    def of(cls, params: dict[str, Value]) -> EventParams:
        """From what a listener was given."""
        return cls([None if isinstance(key, Unnamed) else key for key in params], tuple(params.values()))


class Event:
    """One kind of event."""

    __slots__ = ("name", "params", "id", "active", "_listeners")

    def __init__(self, name: str, params: tuple[str, ...], number: int) -> None:
        self.name = name
        self.params = params
        """Names of its parameters, in the order in which they are sent; () for those of scripts."""
        self.id = number
        """Counts up in order of registration."""
        self.active = False
        """Somebody listens."""
        self._listeners: tuple[Listener, ...] = ()

    def emit(self, **values: Value) -> None:
        """Raise it. Parameters not given are NULL; ones that were not declared come last."""
        if not self.active:
            return
        params: dict[str, Value] = {name: values.pop(name, None) for name in self.params}
        params.update(values)
        self.publish(params)

    def publish(self, params: dict[str, Value]) -> None:
        """Raise it with these parameters, names and order as they are."""
        for listener in self._listeners:
            listener(self, params)

    def subscribe(self, call: Listener) -> Callable[[], None]:
        """Have call(event, params) called at every raise; gives back what ends that."""
        self._listeners += (call,)
        self.active = True

        def unsubscribe() -> None:
            self._listeners = tuple(one for one in self._listeners if one is not call)
            self.active = bool(self._listeners)

        return unsubscribe


class EventBus:
    """The events of one server, by name, in order of registration."""

    def __init__(self) -> None:
        self.events: dict[str, Event] = {}

    def define(self, name: str, params: tuple[str, ...] = ()) -> Event:
        """Make an event known, or give back the one that is: the parameters first declared stay."""
        event = self.events.get(name)
        if event is None:
            event = self.events[name] = Event(name, tuple(params), len(self.events))
        elif params and not event.params:
            event.params = tuple(params)
        return event

    def find(self, name: str) -> Event | None:
        """The event of that name, or None."""
        return self.events.get(name)

    def raise_event(self, name: str, params: Sequence[tuple[str | None, Value]] = ()) -> bool:
        """Raise an event by name with a list of (name or None, value). False: nobody registered it."""
        event = self.events.get(name)
        if event is None:
            return False
        if event.active:
            event.publish({
                Unnamed(number) if key is None else key: value for number, (key, value) in enumerate(params, 1)
            })
        return True
