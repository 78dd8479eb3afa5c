"""Status reports: parts of the server say whether they are ready, and what happened to them lately.

A group is a module (or "core"), an identifier a thing in it ("main" when there is only one). Status below 0 is not ready. What
changes is published as E_CORE_SR_STATUS_CHANGED. Manual: OpenSIPS 3.6, "Status/Report".
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from engine.events.bus import EventBus

MAIN: Final = "main"
ALL: Final = "all"
NO_DATA: Final = -2
NOT_READY: Final = -1
READY: Final = 1
RELOADING: Final = 2
_EVENT: Final = "E_CORE_SR_STATUS_CHANGED"


class Report(NamedTuple):
    """One line of what happened."""

    time: int
    text: str


class Identifier:
    """One thing that has a status."""

    __slots__ = ("status", "details", "reports")

    def __init__(self, status: int, details: str, max_reports: int) -> None:
        self.status = status
        self.details = details
        self.reports: deque[Report] = deque(maxlen=max_reports)


class StatusReports:
    """All groups of one server. clock: seconds since 1970."""

    def __init__(self, events: EventBus, clock: Callable[[], float]) -> None:
        self.groups: dict[str, dict[str, Identifier]] = {}
        self._events = events
        self._clock = clock

    def register(
        self, group: str, identifier: str = MAIN, status: int = NOT_READY, details: str = "", max_reports: int = 20,
    ) -> None:
        """Make an identifier known."""
        self.groups.setdefault(group, {})[identifier] = Identifier(status, details, max_reports)

    def set(self, group: str, status: int, details: str = "", identifier: str = MAIN) -> None:
        """Set the status of a registered identifier; a change raises the event."""
        found = self.groups[group][identifier]
        old, found.status, found.details = found.status, status, details
        event = self._events.find(_EVENT)
        if old != status and event is not None and event.active:
            event.emit(group=group, identifier=identifier, status=status, details=details, old_status=old)

    def report(self, group: str, text: str, identifier: str = MAIN) -> None:
        """Add a line to the reports of a registered identifier."""
        self.groups[group][identifier].reports.append(Report(int(self._clock()), text))

    def check(self, group: str, identifier: str = MAIN) -> int | None:
        """The status; that of all in the group together for "all"; None when there is no such thing."""
        known = self.groups.get(group)
        if known is None:
            return None
        if identifier.lower() == ALL:
            return NOT_READY if any(one.status < 0 for one in known.values()) else READY
        found = known.get(identifier)
        return None if found is None else found.status
