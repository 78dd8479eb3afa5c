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
        expired: Callable[[], None] | None = None, once: bool = False,
    ) -> Subscription:
        """Wait for an event whose parameters match all filters (key case-insensitive, shell pattern; unknown keys do not
        count). fired(parameters) for each one (the first only with once), called after the raising script has finished;
        expired() when timeout seconds are over. Later subscriptions on one event are served first."""
