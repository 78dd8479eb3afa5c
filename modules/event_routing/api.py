"""What other modules may use of event_routing: subscriptions that a transaction waits for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol


class Subscription(Protocol):
    """One waiter."""

    def cancel(self) -> None:
        """Stop waiting; neither callback is called any more."""


class EventRouting(Protocol):
    """The event_routing module."""

    def subscribe(
        self, event: str, filters: list[tuple[str, str]], timeout: float, fired: Callable[[dict[str, Any]], None],
        expired: Callable[[], None] | None = None, once: bool = False, *, exact: tuple[str, str] | None = None,
        accept: Callable[[dict[str, Any]], bool] | None = None, resumes: bool = False,
    ) -> Subscription:
        """Wait for an event whose parameters match all filters (key case-insensitive, shell pattern; unknown keys do not
        count). fired(parameters) for each one (the first only with once), called after the raising script has finished;
        expired() when timeout seconds are over. Later subscriptions on one event are served first.

        exact = (parameter, text) is a filter without pattern, found by hash: an event costs nothing for the thousands that
        wait for somebody else. accept(parameters) has the last word; it runs while the event is raised and must be cheap.
        resumes: fired() ends an async() wait; later waiters are told after that run.
        Raises ScriptError when no event has that name.
        """
