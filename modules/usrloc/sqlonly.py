"""A table of registrations that lives in the database alone (working mode sql-only): several servers may share it.

Every operation is a statement, for which the calling run waits in its worker. A Record is a picture of the rows at the time it
was read; changes are made in the table and in that picture. Ids are made here and not by the database, so that they look like
those of the other modes; they are random and long enough not to meet another server's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from engine.db.interface import Connection, Where, equal
from engine.errors import DbError
from modules.usrloc.api import AOR_DELETE, AOR_INSERT, CS_SYNC, DELETE, EXPIRE, INSERT, UPDATE
from modules.usrloc.contact import Contact, Record
from modules.usrloc.domain import Domain
from modules.usrloc.news import News
from modules.usrloc.rows import BadRow, Rows


class SqlDomain(Domain):
    """A table in the database. wait(awaitable): gives its result, other runs go on (engine.workers)."""

    def __init__(
        self, name: str, clock: Callable[[], float], news: News, rows: Rows, wait: Callable[[Any], Any], log: Any, *,
        newest_first: bool = False,
    ) -> None:
        super().__init__(name, clock, news, newest_first=newest_first)
        self.connection: Connection | None = None
        self._rows = rows
        self._wait = wait
        self._log = log
        self._counts = (0, 0)
        self._cycle: dict[int, list[Record]] = {}

    def _database(self) -> Connection:
        if self.connection is None:
            raise DbError("there is no connection to the database")
        return self.connection

    def _read(self, where: list[Where]) -> list[Record]:
        """The records of the rows that meet the conditions, each with its contacts in order."""
        found: dict[str, Record] = {}
        order = self._rows.names["last_modified"]
        for row in self._wait(self._database().query(self.name, self._rows.columns, where, order)):
            try:
                aor, contact, pairs = self._rows.contact(row)
            except BadRow as error:
                self._log.error("table %s, contact id %s is skipped: %s", self.name, row[0], error)
                continue
            record = found.get(aor)
            if record is None:
                record = found[aor] = Record(aor, self)
            contact.aor = record.aor
            contact.state = CS_SYNC
            record.kv.update(pairs)
            if self._newest_first:
                record.contacts.insert(0, contact)
            else:
                self._order(record, contact)
        return list(found.values())

    # ---------------------------------------------------------------- reading

    def get(self, aor: str) -> Record | None:
        """The record of an AoR as the table has it now, or None. Raises DbError."""
        found = self._read(self._rows.of_aor(aor))
        return found[0] if found else None

    def records(self) -> Iterable[Record]:
        """All records."""
        return self._read([])

    def share(self, index: int, count: int) -> list[Record]:
        """The records whose hash modulo count is index: the table is read with index 0, the other shares are of that moment.
        Shares that were asked for while the table was being read come with the next one."""
        if index == 0:
            cycle: dict[int, list[Record]] = {}
            for record in self._read([]):
                cycle.setdefault(record.aor_hash % count, []).append(record)
            self._cycle = cycle
        due = [share for share in self._cycle if share <= index]
        return [record for share in due for record in self._cycle.pop(share)]

    def by_contact_id(self, contact_id: int) -> tuple[Record, Contact] | None:
        """(record, contact) of an id, or None."""
        found = self._read(equal(**{self._rows.key: contact_id}))
        if not found:
            return None
        record = self.get(found[0].aor)
        for contact in record.contacts if record is not None else ():
            if contact.contact_id == contact_id:
                assert record is not None
                return record, contact
        return None

    @property
    def record_count(self) -> int:
        """Number of AoRs when the table was last counted, which every run of the timer does."""
        return self._counts[0]

    # ---------------------------------------------------------------- changing

    def insert(self, aor: str, contact: dict[str, Any]) -> Contact:
        """Add a row."""
        record = self.get(aor)
        is_new = record is None
        if record is None:
            record = Record(aor, self)
        made = Contact(record.aor, record.new_contact_id(), contact)
        if not made.last_modified:
            made.last_modified = self._clock()
        self._order(record, made)
        self._wait(self._database().insert(self.name, self._values(record, made)))
        made.state = CS_SYNC
        if is_new:
            self._news.aor(AOR_INSERT, record)
        self._news.contact(INSERT, record, made)
        return made

    def update(self, record: Record, contact: Contact, fields: dict[str, Any]) -> None:
        """Change a row."""
        contact.change(fields)
        if "last_modified" not in fields:
            contact.last_modified = self._clock()
        if contact in record.contacts:
            record.contacts.remove(contact)
            if self._newest_first:
                record.contacts.insert(0, contact)
            else:
                self._order(record, contact)
        self._store(record, contact)
        self._news.contact(UPDATE, record, contact)

    def keys_changed(self, record: Record) -> None:
        """The pairs of a record travel with its first contact."""
        for contact in record.contacts:
            self._store(record, contact)

    def _values(self, record: Record, contact: Contact) -> dict[str, Any]:
        return dict(zip(self._rows.columns, self._rows.row(record, contact), strict=True))

    def _store(self, record: Record, contact: Contact) -> None:
        values = self._values(record, contact)
        key = values.pop(self._rows.key)
        self._wait(self._database().update(self.name, values, [Where(self._rows.key, "=", key)]))
        contact.state = CS_SYNC

    def delete(self, record: Record, contact: Contact, keep: bool = False) -> None:
        """Delete a row. keep changes nothing: an AoR without rows is gone."""
        self._take(record, contact, DELETE)

    def release(self, record: Record) -> None:
        """Nothing is kept between two changes."""

    def _take(self, record: Record, contact: Contact, kind: str) -> None:
        if contact not in record.contacts:
            return
        self._wait(self._database().delete(self.name, [Where(self._rows.key, "=", contact.contact_id)]))
        carried = record.has_kv and record.contacts[0] is contact
        record.contacts.remove(contact)
        if carried and record.contacts:
            self._store(record, record.contacts[0])
        self._news.contact(kind, record, contact)
        if not record.contacts:
            self._news.aor(AOR_DELETE, record)

    def delete_aor(self, aor: str) -> bool:
        """Delete all rows of an AoR."""
        record = self.get(aor)
        if record is None:
            return False
        for contact in list(record.contacts):
            self.delete(record, contact)
        return True

    def expire_steps(self, now: float) -> Iterator[None]:
        """Delete what has expired, here or through another server that shares the table; counts the table."""
        expires = self._rows.names["expires"]
        stale = {record.aor for record in self._read([Where(expires, ">", 0), Where(expires, "<=", int(now))])}
        for aor in stale:
            record = self.get(aor)
            for contact in list(record.contacts) if record is not None else ():
                assert record is not None
                if not contact.is_valid(now):
                    self._take(record, contact, EXPIRE)
                    self.expired += 1
            yield
        users, contacts = set(), 0
        columns = [self._rows.names["user"]] + ([self._rows.names["domain"]] if "domain" in self._shown() else [])
        for row in self._wait(self._database().query(self.name, columns)):
            users.add(tuple(row))
            contacts += 1
        self._counts = (len(users), contacts)
        self.contact_count = contacts

    def _shown(self) -> tuple[str, ...]:
        return ("domain",) if self._rows.names["domain"] in self._rows.columns else ()

    def watch_again(self) -> None:
        """No refresh events in this mode: whoever saved the contact may be another server."""

    def in_hash_order(self, slots: int) -> Iterator[Record]:
        """The records by slot and AoR."""
        mask = slots - 1
        yield from sorted(self.records(), key=lambda record: (record.aor_hash & mask, record.aor))

    async def check(self) -> None:
        """Read one row: whether all columns are there. Raises DbError."""
        await asyncio.ensure_future(self._database().query(self.name, self._rows.columns, (), "", 1))
