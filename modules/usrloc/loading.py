"""Reading a table into memory at start: what has expired stays out, ids keep their meaning."""

from __future__ import annotations

import gc
from typing import Any

from engine.db.interface import Connection
from modules.usrloc.contact import unpack_contact_id
from modules.usrloc.domain import Domain
from modules.usrloc.rows import BadRow, Rows
from modules.usrloc.writer import Writer


async def load_domain(
    domain: Domain, connection: Connection, rows: Rows, writer: Writer, log: Any, now: float, regen: bool,
) -> int:
    """Fill a table from the database; how many contacts. Raises DbError.

    Rows that have expired are deleted. An id that does not belong to the AoR (table of a server before 2.2, or written by
    hand): with regen the contact gets a new one, else the row is left alone and the contact is not taken.
    """
    # What is read stays: looking for garbage among ever more contacts would take a third of the time.
    collecting = gc.isenabled()
    gc.disable()
    try:
        return await _load(domain, connection, rows, writer, log, now, regen)
    finally:
        if collecting:
            gc.enable()


async def _load(
    domain: Domain, connection: Connection, rows: Rows, writer: Writer, log: Any, now: float, regen: bool,
) -> int:
    count = broken = 0
    async for chunk in connection.query_all(domain.name, rows.columns, rows.key):
        for row in chunk:
            try:
                aor, contact, pairs = rows.contact(row)
            except BadRow as error:
                log.error("table %s, contact id %s is skipped: %s", domain.name, row[0], error)
                continue
            hashed, _, _ = unpack_contact_id(contact.contact_id)
            old_id = contact.contact_id
            known = domain.get(aor)
            fits = hashed == domain.hash_of(aor) & 0xFFFF
            if not fits and not regen:
                broken += 1
                log.error("the id %d does not belong to %s, the contact is skipped", old_id, aor)
                continue
            if contact.expires and contact.expires <= int(now):
                writer.remove_id(domain.name, domain.stranger(aor), old_id)
                continue
            if known is not None and any(one.contact_id == old_id for one in known.contacts):
                continue
            record = domain.load(aor, contact, fits)
            if pairs:
                record.kv.update(pairs)
            if not fits:
                domain.renumber(record, contact)
                writer.remove_id(domain.name, record, old_id)
                writer.changed(record, contact)
            count += 1
    if broken:
        log.notice(
            "%d contacts have ids that do not belong to their AoR: modparam regen_broken_contactid gives them new ones", broken,
        )
    return count
