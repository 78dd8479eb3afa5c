"""One table of registrations in memory: records by AoR, changes with their news, expiry.

Every change goes through insert(), update() and delete(): they keep the order of the contacts, tell the callbacks, raise the
events and tell the database side (`sink`) what is to be written. Nothing here waits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from modules.usrloc.api import (
    AOR_DELETE, AOR_INSERT, CS_DIRTY, CS_NEW, CS_SYNC, DELETE, EXPIRE, FL_MEM, FL_PN_ON, INSERT, UPDATE,
)
from modules.usrloc.contact import Contact, Record, aor_hash
from modules.usrloc.matching import Mode, find_contact
from modules.usrloc.news import News
from modules.usrloc.schedule import Expiry, Refresh


class Sink(Protocol):
    """Where changes go that must reach a database."""

    def changed(self, record: Record, contact: Contact) -> None:
        """The contact is new or different."""

    def removed(self, record: Record, contact: Contact) -> None:
        """The contact is gone."""


class Domain:
    """A table (modules.usrloc.api.Udomain).

    clock: wall clock in seconds. newest_first: modparam desc_time_order. refresh: shared schedule of the refresh events, None
    when they are off; lead() gives how many seconds before expiry they come.
    """

    def __init__(
        self, name: str, clock: Callable[[], float], news: News, *, newest_first: bool = False, sink: Sink | None = None,
        refresh: Refresh | None = None, lead: Callable[[], int] | None = None,
    ) -> None:
        self.name = name
        self.sink = sink
        self.expired = 0
        """Contacts removed because their time was over."""
        self.contact_count = 0
        self.rules_31 = False
        """Contact URIs are compared as OpenSIPS 3.1 does."""
        self._clock = clock
        self._news = news
        self._newest_first = newest_first
        self._refresh = refresh
        self._lead = lead
        self._records: dict[str, Record] = {}
        self._expiry = Expiry()
        self._by_id: dict[int, Record] | None = None
        self._shares: list[dict[str, Record]] | None = None

    # ---------------------------------------------------------------- reading

    def get(self, aor: str) -> Record | None:
        """The record of an AoR, or None."""
        return self._records.get(aor)

    def records(self) -> Iterable[Record]:
        """All records; changes while iterating do no harm."""
        return list(self._records.values())

    def share(self, index: int, count: int) -> list[Record]:
        """The records whose hash modulo count is index; changes while iterating do no harm (modules.usrloc.api)."""
        shares = self._shares
        if shares is None or len(shares) != count:
            shares = self._shares = [{} for _ in range(count)]
            for record in self._records.values():
                shares[record.aor_hash % count][record.aor] = record
        return list(shares[index].values())

    @property
    def record_count(self) -> int:
        """Number of AoRs."""
        return len(self._records)

    def match(self, record: Record, contact_uri: str, callid: str, mode: Mode) -> Contact | None:
        """The stored contact a REGISTER means (matching.find_contact)."""
        return find_contact(record.contacts, contact_uri, callid, mode, self.rules_31)

    def by_contact_id(self, contact_id: int) -> tuple[Record, Contact] | None:
        """(record, contact) of an id, or None. The index is made when the first one asks."""
        index = self._by_id
        if index is None:
            index = self._by_id = {
                contact.contact_id: record for record in self._records.values() for contact in record.contacts
            }
        record = index.get(contact_id)
        if record is not None:
            for contact in record.contacts:
                if contact.contact_id == contact_id:
                    return record, contact
        return None

    # ---------------------------------------------------------------- changing

    def insert(self, aor: str, contact: dict[str, Any]) -> Contact:
        """Store a new contact; contact holds fields of Contact by name ("contact", the URI, is needed)."""
        record = self._records.get(aor)
        news = self._news
        first: Contact | None = None
        if record is None:
            record = self._add_record(aor)
            news.aor(AOR_INSERT, record)
        elif record.has_kv and record.contacts:
            first = record.contacts[0]
        made = Contact(record.aor, contact.get("contact_id") or record.new_contact_id(), contact)
        if not made.last_modified:
            made.last_modified = self._clock()
        self._place(record, made)
        if first is not None:
            self._keys_moved(record, first)
        news.contact(INSERT, record, made)
        if self.sink is not None and not made.flags & FL_MEM:
            self.sink.changed(record, made)
        return made

    def new_contact_id(self, aor: str) -> int:
        """An id for a contact that is to be stored later."""
        return (self._records.get(aor) or Record(aor, self)).new_contact_id()

    def update(self, record: Record, contact: Contact, fields: dict[str, Any]) -> None:
        """Change a stored contact."""
        q = contact.q
        contact.change(fields)
        if "last_modified" not in fields:
            contact.last_modified = self._clock()
        first = self._first(record)
        if self._newest_first:
            record.contacts.remove(contact)
            record.contacts.insert(0, contact)
        elif contact.q != q:
            record.contacts.remove(contact)
            self._order(record, contact)
        self._keys_moved(record, first)
        self._watch(contact)
        if contact.state == CS_SYNC:
            contact.state = CS_DIRTY
        self._news.contact(UPDATE, record, contact)
        # A contact that has become memory-only loses the row it has.
        if self.sink is not None and not (contact.flags & FL_MEM and contact.state == CS_NEW):
            self.sink.changed(record, contact)

    def delete(self, record: Record, contact: Contact, keep: bool = False) -> None:
        """Remove a contact; the last one takes the record along. A contact that is gone already is no error.

        keep: more is to come, the record stays until release().
        """
        self._remove(record, contact, DELETE, keep)

    def release(self, record: Record) -> None:
        """The end of a series of changes: a record without contacts goes."""
        self._drop_empty(record)

    def delete_aor(self, aor: str) -> bool:
        """Remove all contacts of an AoR; False when it is not there."""
        record = self._records.get(aor)
        if record is None:
            return False
        for contact in list(record.contacts):
            self._remove(record, contact, DELETE)
        self._drop_empty(record)
        return True

    def expire(self, now: float) -> int:
        """Remove what has expired; how many contacts that were."""
        before = self.expired
        for _ in self.expire_steps(now):
            pass
        return self.expired - before

    def expire_steps(self, now: float) -> Iterator[None]:
        """Remove what has expired, of each record in its order. Yields after each contact: the caller may pause there."""
        moment = int(now)
        for contact in self._expiry.due(moment):
            record = self._records.get(contact.aor) if contact is not None else None
            if record is not None and contact in record.contacts:
                for stored in [one for one in record.contacts if one.expires and one.expires <= moment]:
                    # Refreshed or removed during a pause?
                    if stored.expires <= moment and stored.listed >= 0:
                        self._remove(record, stored, EXPIRE)
                        self.expired += 1
                        yield
            yield

    def keys_changed(self, record: Record) -> None:
        """The key-value pairs of a record were changed: they are written with its first contact."""
        if record.contacts:
            self._rewrite(record, record.contacts[0])

    def _rewrite(self, record: Record, contact: Contact) -> None:
        if contact.state == CS_SYNC:
            contact.state = CS_DIRTY
        if self.sink is not None and not contact.flags & FL_MEM:
            self.sink.changed(record, contact)

    @staticmethod
    def _first(record: Record) -> Contact | None:
        """The contact whose row carries the pairs of the record; None when there are no pairs."""
        return record.contacts[0] if record.has_kv and record.contacts else None

    def _keys_moved(self, record: Record, before: Contact | None) -> None:
        """Another contact may carry the pairs now: both rows have to be written."""
        if before is not None and record.contacts and record.contacts[0] is not before:
            self._rewrite(record, record.contacts[0])
            if before in record.contacts:
                self._rewrite(record, before)

    # ---------------------------------------------------------------- used when loading

    def load(self, aor: str, contact: Contact, fits: bool) -> Record:
        """Put a contact from the database in place: no news, nothing to write. fits: its id belongs to the AoR."""
        record = self._records.get(aor)
        if record is None:
            record = self._add_record(aor)
        if fits:
            record.continue_after(contact.contact_id)
        contact.aor = record.aor
        contact.state = CS_SYNC
        self._place(record, contact)
        return record

    @staticmethod
    def hash_of(aor: str) -> int:
        """The hash that is part of the ids of an AoR's contacts."""
        return aor_hash(aor)

    def stranger(self, aor: str) -> Record:
        """A record that is not part of the table: for rows without a contact."""
        return Record(aor, self)

    def renumber(self, record: Record, contact: Contact) -> None:
        """Give a contact a new id."""
        if self._by_id is not None:
            self._by_id.pop(contact.contact_id, None)
        contact.contact_id = record.new_contact_id()
        contact.state = CS_NEW
        if self._by_id is not None:
            self._by_id[contact.contact_id] = record

    # ---------------------------------------------------------------- inside

    def _add_record(self, aor: str) -> Record:
        record = self._records[aor] = Record(aor, self)
        if self._shares is not None:
            self._shares[record.aor_hash % len(self._shares)][aor] = record
        return record

    def _place(self, record: Record, contact: Contact) -> None:
        if not record.contacts:
            record.contacts.append(contact)
        elif self._newest_first:
            record.contacts.insert(0, contact)
        else:
            self._order(record, contact)
        self.contact_count += 1
        if self._by_id is not None:
            self._by_id[contact.contact_id] = record
        self._watch(contact)

    @staticmethod
    def _order(record: Record, contact: Contact) -> None:
        """By q, highest first, behind those with the same."""
        contacts = record.contacts
        at = len(contacts)
        q = contact.q
        while at and contacts[at - 1].q < q:
            at -= 1
        contacts.insert(at, contact)

    def _watch(self, contact: Contact) -> None:
        self._expiry.watch(contact)
        refresh = self._refresh
        if refresh is not None and self._lead is not None:
            if contact.flags & FL_PN_ON:
                refresh.watch(contact, self._lead())
            else:
                refresh.forget(contact)

    def watch_again(self) -> None:
        """The lead of the refresh events has changed."""
        for record in self._records.values():
            for contact in record.contacts:
                self._watch(contact)

    def _remove(self, record: Record, contact: Contact, kind: str, keep: bool = False) -> None:
        if contact not in record.contacts:
            return
        first = self._first(record)
        record.contacts.remove(contact)
        self._keys_moved(record, first)
        self._expiry.forget(contact)
        self.contact_count -= 1
        if self._by_id is not None:
            self._by_id.pop(contact.contact_id, None)
        self._news.contact(kind, record, contact)
        if self.sink is not None:
            self.sink.removed(record, contact)
        if not keep:
            self._drop_empty(record)

    def _drop_empty(self, record: Record) -> None:
        # A callback may have put a contact in again.
        if not record.contacts and self._records.get(record.aor) is record:
            del self._records[record.aor]
            if self._shares is not None:
                self._shares[record.aor_hash % len(self._shares)].pop(record.aor, None)
            self._news.aor(AOR_DELETE, record)

    def in_hash_order(self, slots: int) -> Iterator[Record]:
        """The records by slot and AoR, as OpenSIPS lists them."""
        mask = slots - 1
        yield from sorted(self._records.values(), key=lambda record: (record.aor_hash & mask, record.aor))
