"""Who waits for which event.

A Board belongs to one event. It listens on the event bus only while somebody waits, so an event nobody waits for stays as
cheap as before. Waiters with an exact condition (a parameter that must have one value) hang in a table under that value; the
others are looked at one by one. An event is judged at once, while it is raised, and delivered later: after the script that
raised it, newest waiter first.

Time goes in ticks of one second, all waiters of one second expire together; so a wait of N seconds ends between N-1 and N.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from engine.script.values import print_of
from modules.event_routing.patterns import compile_shell

Fired = Callable[[dict[str, Any]], None]


class Waiter:
    """One subscription."""

    __slots__ = (
        "board", "number", "filters", "exact", "accept", "fired", "expired", "once", "resumes", "live",
        "cancelled",
    )

    def __init__(
        self, board: Board, number: int, filters: list[tuple[str, str]], exact: tuple[str, str] | None,
        accept: Callable[[dict[str, Any]], bool] | None, fired: Fired, expired: Callable[[], None] | None, once: bool,
        resumes: bool,
    ) -> None:
        self.board = board
        self.number = number
        """Counts upwards: the newest is served first."""
        self.filters: list[tuple[str, re.Pattern[str] | None]] = [
            (key.lower(), compile_shell(pattern)) for key, pattern in filters
        ]
        self.exact = exact
        self.accept = accept
        self.fired = fired
        self.expired = expired
        self.once = once
        self.resumes = resumes
        """A run in async() goes on when it is told."""
        self.live = True
        """On its board."""
        self.cancelled = False

    def matches(self, params: dict[str, Any]) -> bool:
        """Whether an event with these parameters is meant; an unknown key does not count."""
        for key, pattern in self.filters:
            value = params.get(key)
            if value is None and key not in params:
                value = next((found for name, found in params.items() if name.lower() == key), None)
            if value is not None and pattern is not None and pattern.fullmatch(print_of(value)) is None:
                return False
        return self.accept is None or self.accept(params)

    def cancel(self) -> None:
        """Stop waiting; neither callback is called any more, not even for an event on its way."""
        self.cancelled = True
        self.retire()

    def retire(self) -> None:
        """Leave the board; what was already picked is still delivered."""
        if self.live:
            self.live = False
            self.board.forget(self)


class Board:
    """The waiters of one event."""

    __slots__ = ("event", "defer", "later", "plain", "exact", "unsubscribe")

    def __init__(
        self, event: Any, defer: Callable[[Callable[[], None]], object], later: Callable[[Callable[[], None]], object],
    ) -> None:
        self.event = event
        self.defer = defer
        """Runs a call when the current run is over."""
        self.later = later
        """Runs it a turn of the event loop later."""
        self.plain: dict[int, Waiter] = {}
        self.exact: dict[str, dict[str, dict[int, Waiter]]] = {}
        """Parameter -> its value -> waiters by number."""
        self.unsubscribe: Callable[[], None] | None = None

    def add(self, waiter: Waiter) -> None:
        """Begin to wait."""
        if waiter.exact is None:
            self.plain[waiter.number] = waiter
        else:
            name, value = waiter.exact
            self.exact.setdefault(name, {}).setdefault(value, {})[waiter.number] = waiter
        if self.unsubscribe is None:
            self.unsubscribe = self.event.subscribe(self.raised)

    def forget(self, waiter: Waiter) -> None:
        """Take a waiter off the board; the last one takes the listening along."""
        if waiter.exact is None:
            self.plain.pop(waiter.number, None)
        else:
            name, value = waiter.exact
            values = self.exact.get(name, {})
            bucket = values.get(value)
            if bucket is not None:
                bucket.pop(waiter.number, None)
                if not bucket:
                    del values[value]
                if not values:
                    del self.exact[name]
        if not self.plain and not self.exact and self.unsubscribe is not None:
            self.unsubscribe()
            self.unsubscribe = None

    def raised(self, _event: Any, params: dict[str, Any]) -> None:
        """The event is being raised: pick the waiters it concerns, let them run later."""
        found = [waiter for waiter in self.plain.values() if waiter.matches(params)]
        for name, values in self.exact.items():
            value = params.get(name)
            bucket = values.get(print_of(value)) if value is not None else None
            if bucket:
                found.extend([waiter for waiter in bucket.values() if waiter.matches(params)])
        if not found:
            return
        found.sort(key=lambda waiter: -waiter.number)
        for waiter in found:
            if waiter.once:
                waiter.retire()
        self.defer(_Round(found, params, self.later))


class _Round:
    """One event on its way to its waiters, in order.

    A run that goes on in async() does so a turn of the event loop after its waiter was told; whoever comes behind it is told
    after that, so that the runs keep the order of the waiters.
    """

    __slots__ = ("waiters", "params", "later")

    def __init__(
        self, waiters: list[Waiter], params: dict[str, Any], later: Callable[[Callable[[], None]], object],
    ) -> None:
        self.waiters = waiters[::-1]
        self.params = params
        self.later = later

    def __call__(self) -> None:
        while self.waiters:
            waiter = self.waiters.pop()
            if waiter.cancelled:
                continue
            if waiter.resumes and self.waiters:
                try:
                    waiter.fired(self.params)
                finally:
                    self.later(self)
                return
            waiter.fired(self.params)
