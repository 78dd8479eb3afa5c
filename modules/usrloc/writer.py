"""Changes on their way to the database.

What is to be written is kept as "this contact differs from its row", not as a list of statements: however long the database is
away, there is at most one entry per contact, and the row is made from the contact's state when it is written. Entries are
written in their order, many in one transaction, by one background task. Nobody waits for it but settle(): a REGISTER in
write-through, for a moment, while the database is well. When it is slow, locked, full or gone, that is logged once,
registrations go on in memory, and everything is written when it is back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from engine.db.interface import Connection, Delete, Upsert, Where
from engine.errors import DbError, DbRefused
from modules.usrloc.api import CS_NEW, CS_SYNC, FL_MEM
from modules.usrloc.contact import Contact, Record
from modules.usrloc.rows import Rows

PATIENCE: Final = 3.0
"""Seconds settle() waits for the database, once; then it is held for slow. Shorter, and a disk that is busy for a moment makes
answers of registrations that a crash would lose; longer, and more requests pile up, each repeated by its phone (RFC 3261: after
0.5, 1.5 and 3.5 s)."""
_CHUNK: Final = 500
"""Contacts per transaction: what is made into rows in one go."""
_RETRY: Final = (0.5, 1.0, 2.0, 5.0)
"""Seconds between attempts while the database does not work."""

Entry = tuple[str, Record, Contact | None]
"""Table, record, and the contact as it shall be in its row; None: there shall be no row."""


class Writer:
    """Writes contacts (a modules.usrloc.domain.Sink).

    through: write at once (write-through) instead of at flush(). spawn(coroutine, name): runs in the background. patience: how
    long settle() waits.
    """

    def __init__(
        self, rows: Rows, log: Any, spawn: Callable[[Coroutine[Any, Any, Any], str], asyncio.Task[Any]], through: bool,
        delete_size: int, patience: float = PATIENCE,
    ) -> None:
        self.connection: Connection | None = None
        self.healthy = True
        self._rows = rows
        self._log = log
        self._spawn = spawn
        self._through = through
        self._delete_size = max(1, delete_size)
        self._patience = patience
        self._pending: dict[int, Entry] = {}
        self._writing: set[int] = set()
        self._doubtful: set[int] = set()
        """Contacts of writes that failed: with a connection that broke, the row may be there all the same."""
        self._task: asyncio.Task[Any] | None = None
        self._waiters: list[asyncio.Future[None]] = []
        self._pause: asyncio.Future[None] | None = None

    # ---------------------------------------------------------------- taking changes

    def changed(self, record: Record, contact: Contact) -> None:
        """The contact is new or different."""
        self._pending[contact.contact_id] = (record.domain.name, record, contact)
        if self._through:
            self._start()

    def removed(self, record: Record, contact: Contact) -> None:
        """The contact is gone."""
        ident = contact.contact_id
        if contact.state == CS_NEW and ident not in self._writing and ident not in self._doubtful:
            # Never written: nothing to delete.
            self._pending.pop(ident, None)
            return
        self._pending[ident] = (record.domain.name, record, None)
        if self._through:
            self._start()

    def remove_id(self, table: str, record: Record, contact_id: int) -> None:
        """A row that must go although no contact belongs to it."""
        self._pending[contact_id] = (table, record, None)

    @property
    def backlog(self) -> int:
        """Contacts that differ from their row."""
        if not self._writing:
            return len(self._pending)
        return len(self._pending.keys() | self._writing)

    # ---------------------------------------------------------------- waiting

    def begin(self) -> None:
        """Start to write what there is, without waiting."""
        if self._pending:
            self._start()

    async def drain(self, patience: float) -> bool:
        """Write everything there is and wait for it, `patience` seconds at most. False: some of it could not be written."""
        if not self.backlog:
            return True
        waiter = self._waiter()
        self._start()
        if self._pause is not None and not self._pause.done():
            self._pause.set_result(None)
        await asyncio.wait({waiter}, timeout=patience)
        return waiter.done() and not self.backlog

    def settle(self, workers: Any) -> None:
        """In a worker: wait until what was changed so far is written; at once when the database is not well."""
        if not self._through or not self.healthy or not self.backlog or not workers.can_wait():
            return
        waiter = self._waiter()
        self._start()
        workers.wait(asyncio.wait({waiter}, timeout=self._patience))
        if not waiter.done() and self.healthy:
            self.healthy = False
            self._log.error(
                "the database does not answer within %s s: registrations go on in memory and are written later",
                self._patience,
            )

    def _waiter(self) -> asyncio.Future[None]:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        return waiter

    def _wake(self, waiters: list[asyncio.Future[None]]) -> None:
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    # ---------------------------------------------------------------- writing

    def _start(self) -> None:
        if self._task is None or self._task.done():
            self._task = self._spawn(self._run(), "usrloc writer")

    async def _run(self) -> None:
        """Write until nothing is left. After a failure: again and again in write-through, else until the next flush."""
        failures = 0
        while self._pending:
            # Those who wait now wait for what is pending now, all of it.
            waiters, self._waiters = self._waiters, []
            failed = await self._write_all(set(self._pending))
            self._wake(waiters)
            if not failed:
                failures = 0
                continue
            if not self._through:
                break
            self._pause = asyncio.get_running_loop().create_future()
            await asyncio.wait({self._pause}, timeout=_RETRY[min(failures, len(_RETRY) - 1)])
            failures += 1
        waiters, self._waiters = self._waiters, []
        self._wake(waiters)

    async def _write_all(self, wanted: set[int]) -> bool:
        """Write these entries, chunk by chunk; True when the database refused."""
        while wanted:
            chunk: dict[int, Entry] = {}
            for ident in self._pending:
                if ident in wanted:
                    chunk[ident] = self._pending[ident]
                    if len(chunk) == _CHUNK:
                        break
            if not chunk:
                return False
            wanted -= chunk.keys()
            for ident in chunk:
                del self._pending[ident]
            self._writing = set(chunk)
            try:
                if self.connection is None:
                    raise DbError("there is no connection")
                await self._write(self.connection, chunk)
            except DbError as error:
                self._failed(chunk, error)
                return True
            finally:
                self._writing = set()
            if not self.healthy:
                self.healthy = True
                self._log.notice("the database works again, %d contacts are still to be written", len(self._pending))
        return False

    async def _write(self, connection: Connection, chunk: dict[int, Entry]) -> None:
        """Write some entries. Those whose values the table does not take are found by halves and given up: they would hold
        up all others for ever. Raises DbError."""
        try:
            await connection.batch(self._operations(chunk))
        except DbRefused as error:
            if len(chunk) > 1:
                items = list(chunk.items())
                middle = len(items) // 2
                await self._write(connection, dict(items[:middle]))
                await self._write(connection, dict(items[middle:]))
                return
            for ident, (table, record, _) in chunk.items():
                self._doubtful.discard(ident)
                self._log.error("contact %d of %s in table %s stays in memory only: %s", ident, record.aor, table, error)
            return
        for ident, (_, _, contact) in chunk.items():
            self._doubtful.discard(ident)
            if contact is not None and ident not in self._pending:
                contact.state = CS_NEW if contact.flags & FL_MEM else CS_SYNC

    def _failed(self, chunk: dict[int, Entry], error: DbError) -> None:
        self._doubtful.update(chunk)
        # Back in front, unless there is something newer for a contact.
        self._pending = {**{ident: entry for ident, entry in chunk.items() if ident not in self._pending}, **self._pending}
        if self.healthy:
            self.healthy = False
            self._log.error("registrations cannot be written, they stay in memory and are written later: %s", error)
        else:
            self._log.warning("%d contacts still cannot be written: %s", len(self._pending), error)

    def _operations(self, chunk: dict[int, Entry]) -> list[Upsert | Delete]:
        rows: dict[str, list[tuple[Any, ...]]] = {}
        gone: dict[str, list[int]] = {}
        for ident, (table, record, contact) in chunk.items():
            if contact is None or contact.flags & FL_MEM:
                gone.setdefault(table, []).append(ident)
            else:
                rows.setdefault(table, []).append(self._rows.row(record, contact))
        operations: list[Upsert | Delete] = []
        for table, ids in gone.items():
            for at in range(0, len(ids), self._delete_size):
                operations.append(Delete(table, [Where(self._rows.key, "in", ids[at:at + self._delete_size])]))
        for table, made in rows.items():
            operations.append(Upsert(table, self._rows.columns, made, (self._rows.key,)))
        return operations
