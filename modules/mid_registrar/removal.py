"""Ending registrations behind this server: when a device is gone from here, nobody else tells the registrar behind.

In mode 1 each contact that expires or is removed, in mode 2 each record that loses its last one, makes a REGISTER with
expires=0 of our own, in the Call-ID of the last one that was accepted there. Nothing is done with its answer: a registrar that
asks for credentials keeps the binding until it expires.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from modules.mid_registrar.keys import BY_AOR, BY_CONTACT, CALL_ID, CONTACT, CSEQ, FROM, NEXT_HOP, RURI, TO, number
from modules.usrloc.api import AOR_DELETE, DELETE, EXPIRE

if TYPE_CHECKING:
    from modules.mid_registrar.module import MidRegistrar
    from modules.mid_registrar.registration import MidRegistration


class Removals:
    """Listens to usrloc."""

    def __init__(self, mod: MidRegistrar) -> None:
        self.mod = mod
        self._accepted: MidRegistration | None = None
        if mod.mode == BY_CONTACT:
            mod.usrloc.register(DELETE, self._contact_gone)
            mod.usrloc.register(EXPIRE, self._contact_gone)
        elif mod.mode == BY_AOR:
            mod.usrloc.register(AOR_DELETE, self._record_gone)

    @contextmanager
    def accepted(self, registration: MidRegistration) -> Iterator[None]:
        """What this one takes away meanwhile is gone there already; what has to make room for it is not."""
        self._accepted = registration
        try:
            yield
        finally:
            self._accepted = None

    def _contact_gone(self, record: Any, contact: Any) -> None:
        accepted = self._accepted
        if accepted is not None and any(item.contact is contact for item in accepted.wanted):
            return
        if contact.has_kv and record.domain.name in self.mod.tables:
            self.send(contact.kv)

    def _record_gone(self, record: Any, _contact: Any) -> None:
        if self._accepted is None and record.has_kv and record.domain.name in self.mod.tables:
            self.send(record.kv)

    def send(self, pairs: dict[str, Any]) -> None:
        """Send the REGISTER these pairs describe, soon; none when they do not say enough (a contact of ul_add)."""
        texts = [pairs.get(key) for key in (RURI, FROM, TO, CALL_ID, CONTACT)]
        cseq = number(pairs, CSEQ)
        if cseq is None or not all(isinstance(text, str) and text for text in texts):
            self.mod.log.debug("a contact is gone of which the registrar behind knows nothing")
            return
        ruri, from_, to, call_id, contact = map(str, texts)
        hop = pairs.get(NEXT_HOP)

        def work() -> None:
            self.mod.tm.local_request(
                "REGISTER", ruri, f"<{from_}>", f"<{to}>", headers=f"Contact: <{contact}>;expires=0\r\n",
                next_hop=str(hop) if hop else None, call_id=call_id, cseq=cseq + 1,
            )

        # Whoever has removed the contact does not wait for DNS.
        self.mod.server.defer(work)
