"""News of changes: first the callbacks of other modules, then the E_UL_* events with their parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from engine.events.bus import ABSENT
from modules.usrloc.api import AOR_DELETE, AOR_INSERT, DELETE, EXPIRE, INSERT, UPDATE

if TYPE_CHECKING:
    from engine.events.bus import Event
    from modules.usrloc.contact import Contact, Record

AOR_PARAMS = ("domain", "aor")
CONTACT_PARAMS = (
    "domain", "aor", "uri", "received", "path", "qval", "user_agent", "socket", "bflags", "expires", "callid", "cseq", "attr",
    "latency", "shtag",
)
REFRESH_PARAMS = (
    "domain", "aor", "uri", "received", "user_agent", "socket", "bflags", "expires", "callid", "attr", "shtag", "reason",
    "req_callid",
)

Callback = Callable[[Any, Any], None]


class News:
    """Tells callbacks and subscribers. events: kind of news -> Event; expiry counts as deletion there."""

    def __init__(self, events: dict[str, Any], refresh: Any, latency: Any) -> None:
        self._callbacks: dict[str, list[Callback]] = {
            kind: [] for kind in (INSERT, UPDATE, DELETE, EXPIRE, AOR_INSERT, AOR_DELETE)
        }
        self._events: dict[str, Event] = {**events, EXPIRE: events[DELETE]}
        self._refresh: Event = refresh
        self._latency: Event = latency

    def register(self, kind: str, call: Callback) -> None:
        """call(record, contact | None) at every news of that kind; unknown kinds raise KeyError."""
        self._callbacks[kind].append(call)

    def aor(self, kind: str, record: Record) -> None:
        """A record came or went."""
        for call in self._callbacks[kind]:
            call(record, None)
        event = self._events[kind]
        if event.active:
            event.emit(domain=record.domain.name, aor=record.aor)

    def contact(self, kind: str, record: Record, contact: Contact) -> None:
        """A contact came, changed or went."""
        for call in self._callbacks[kind]:
            call(record, contact)
        event = self._events[kind]
        if event.active:
            self._emit_contact(event, record.domain.name, contact)

    def latency(self, domain_name: str, contact: Contact) -> None:
        """The latency of a contact was measured."""
        if self._latency.active:
            self._emit_contact(self._latency, domain_name, contact)

    @staticmethod
    def _emit_contact(event: Event, domain_name: str, contact: Contact) -> None:
        event.emit(
            domain=domain_name, aor=contact.aor, uri=contact.contact, received=contact.received or ABSENT,
            path=contact.path or ABSENT,
            qval=contact.q, user_agent=contact.user_agent, socket=contact.socket.name if contact.socket else "",
            bflags=contact.cflags, expires=contact.expires, callid=contact.callid, cseq=contact.cseq, attr=contact.attr,
            latency=contact.latency, shtag="",
        )

    def refresh(self, domain_name: str, contact: Contact, reason: str, req_callid: str) -> None:
        """A device shall register: reg-refresh, ini-METHOD or mid-METHOD."""
        if self._refresh.active:
            self._refresh.emit(
                domain=domain_name, aor=contact.aor, uri=contact.contact, received=contact.received or ABSENT,
                user_agent=contact.user_agent, socket=contact.socket.name if contact.socket else "",
                bflags=contact.cflags, expires=contact.expires, callid=contact.callid, attr=contact.attr, shtag="",
                reason=reason, req_callid=req_callid,
            )
