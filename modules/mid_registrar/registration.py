"""One REGISTER on its way through a mid_registrar: whether it ends here or goes on, and what is stored with its contacts.

A REGISTER that goes on changes nothing here until the registrar behind has accepted it: the same object is kept with the
transaction and carried out with the lifetimes of the 2xx. So a challenge in between wakes nobody, and an update of a contact,
which is what waiting calls wait for, happens once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.module import Context
from modules.mid_registrar.keys import (
    BY_AOR, BY_CONTACT, CALL_ID, CONTACT, CSEQ, EXPIRES, GRANTED, LAST, MIRROR, NEXT_HOP, number,
)
from modules.shared.reg.base import is_current
from modules.shared.reg.flags import SaveFlags
from modules.shared.reg.reading import Wanted
from modules.shared.reg.refusals import TOO_MANY, Refused
from modules.shared.reg.register import Registration
from modules.usrloc.api import Udomain

if TYPE_CHECKING:
    from engine.sip.message import Message
    from modules.mid_registrar.module import MidRegistrar


class MidRegistration(Registration):
    """The REGISTER."""

    __slots__ = (
        "mode", "outgoing", "new_devices", "ids", "place", "confirmed", "given", "shown", "origin", "turned_away",
        "order",
    )

    def __init__(
        self, mod: MidRegistrar, ctx: Context, msg: Message, domain: Udomain, flags: SaveFlags | None, outgoing: int,
    ) -> None:
        super().__init__(mod, ctx, msg, domain, flags)
        self.mode: int = mod.mode
        self.outgoing = outgoing
        """Lifetime asked for behind in modes 1 and 2, seconds."""
        self.new_devices = bool(mod.forward_new_devices)
        self.order: list[Wanted] = []
        """The contacts as the registrar behind is shown them; what follows has the same order."""
        self.ids: list[int] = []
        """Contact ids the registrar behind is shown; modes 0 and 1."""
        self.place = ""
        """host:port of our contact there."""
        self.confirmed = False
        """The registrar behind has answered 2xx."""
        self.given: list[int] = []
        """Lifetimes it gave, seconds."""
        self.shown: list[str] = []
        """URIs of our contacts as it shows them."""
        self.origin: dict[str, Any] = {}
        """Pairs that say how the registration behind can be ended."""
        self.turned_away: list[Wanted] = []
        """Contacts it has accepted for which there is no room here any more."""

    def asked(self, item: Wanted) -> int:
        """Lifetime of a contact that is asked for behind; in mode 0 what the device asks for, our limits are no concern there."""
        if self.mode == MIRROR:
            return self.unlimited(item.params.get("expires"), self._expires_header())
        return self.outgoing if item.lifetime else 0

    # ---- does it end here? ----

    def must_go(self, plan: list[Wanted]) -> bool:
        """Whether the registrar behind must see the request. If not, mode 2 shortens lifetimes to what that one gave."""
        if self.mode == MIRROR or self.record is None:
            return True
        return self._contact_must_go(plan) if self.mode == BY_CONTACT else self._aor_must_go(plan)

    def _contact_must_go(self, plan: list[Wanted]) -> bool:
        """Mode 1: something is new, leaves, or has to be renewed before it runs out behind."""
        for item in self.wanted:
            if item.lifetime == 0 or not item.contact_id:
                return True
            if item not in plan:
                continue
            pairs = item.contact.kv
            last, granted = number(pairs, LAST), number(pairs, GRANTED)
            if last is None or granted is None or self.now - last >= granted - item.lifetime:
                return True
        return False

    def _aor_must_go(self, plan: list[Wanted]) -> bool:
        """Mode 2: the first device comes, the last one leaves, or the time there is running out for all of them."""
        coming = [item for item in plan if item.lifetime]
        touched = [item.contact for item in plan]
        staying = [contact for contact in self.record.contacts if contact not in touched and is_current(contact, self.now)]
        if not coming:
            # A removal that leaves somebody must not go: it would take the contact all of them share.
            return not staying
        pairs = self.record.kv
        last, granted = number(pairs, LAST), number(pairs, GRANTED)
        if last is None or granted is None or granted <= 0:
            return True
        if self.new_devices and any(item.contact is None for item in coming):
            return True
        spare = [max(0, granted - item.lifetime) for item in coming]
        for contact in staying:
            stored, given = number(contact.kv, EXPIRES), number(contact.kv, GRANTED)
            if stored is None or given is None:
                return True
            spare.append(given - stored)
        if last + max(spare) <= self.now:
            return True
        for item in coming:
            item.lifetime = min(item.lifetime, granted)
        return False

    # ---- storing ----

    def carry_out(self) -> None:
        """After the 2xx: the lifetimes are those of the registrar behind by now."""
        self.now = self.mod.seconds()
        self.listed = True
        try:
            self.apply(*self.prepare())
        except Refused as refused:
            if refused.refusal is not TOO_MANY:
                raise
            # Others have taken the last place since the request was let through.
            known = [item for item in self.wanted if self.record is not None and self._match(item) is not None]
            self.turned_away = [item for item in self.wanted if item not in known]
            wanted, self.wanted = self.wanted, known
            self.apply(*self.prepare())
            self.wanted = wanted

    def _is_news(self, contact: Any) -> bool:
        if self.confirmed:
            # What a later request has changed in the meantime stays.
            return bool(contact.callid != self.call_id or self.cseq >= contact.cseq)
        if self.mode == MIRROR and contact.callid == self.call_id and contact.cseq == self.cseq:
            return True
        return super()._is_news(contact)

    def _fields(self, item: Wanted, with_uri: bool) -> dict[str, Any]:
        fields = super()._fields(item, with_uri)
        if self.mode != MIRROR:
            fields["kv"] = self._pairs(item)
        return fields

    def _new_fields(self, item: Wanted) -> dict[str, Any]:
        fields = super()._new_fields(item)
        if self.ids:
            fields["contact_id"] = self.ids[self.order.index(item)]
        return fields

    def _pairs(self, item: Wanted) -> dict[str, Any]:
        """The pairs kept with a contact."""
        stored: dict[str, Any] = item.contact.kv if item.contact is not None else {}
        if self.confirmed:
            at = self.order.index(item)
            times = {EXPIRES: item.lifetime, GRANTED: self.given[at], LAST: self.now, CSEQ: self.cseq}
            return {**self.origin, CONTACT: self.shown[at], **times} if self.mode == BY_CONTACT else {**stored, **times}
        if self.mode == BY_AOR:
            granted = number(self.record.kv, GRANTED) or 0
            return {**stored, EXPIRES: item.lifetime, GRANTED: granted, LAST: self.now, CSEQ: self.cseq}
        # The registrar behind counts by the Call-ID it was last asked with; a CSeq of another one means nothing to it.
        return {**stored, CSEQ: self.cseq} if stored.get(CALL_ID) == self.call_id else stored

    def keep_record(self, accepted: bool) -> None:
        """Mode 2, after the 2xx: the pairs of the record. accepted: our contact is among those of the 2xx."""
        record = self.domain.get(self.aor)
        if record is None:
            return
        pairs = record.kv
        cseq = self.cseq
        before = number(pairs, CSEQ)
        if before is not None and pairs.get(CALL_ID) == self.call_id:
            cseq = max(cseq, before)
        if accepted:
            pairs.pop(NEXT_HOP, None)
            pairs.update(self.origin)
            pairs[CONTACT], pairs[GRANTED] = self.shown[0], self.given[0]
        pairs[CSEQ] = cseq
        # Not there any more: the next REGISTER of whoever is left goes on.
        pairs[LAST] = self.now if accepted else 0
        self.domain.keys_changed(record)
