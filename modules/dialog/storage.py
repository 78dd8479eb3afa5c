"""Dialogs in a database, so that calls outlive the server.

db_mode 1 writes a change at once, 2 every db_update_period, 3 when the server stops; all of them read the table at start. Nobody
waits for the database: what differs from its row is kept as "this dialog differs", the row is made when it is written, and one
background task writes what there is. Only answered calls have a row.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from engine.db.interface import Connection, Delete, Driver, Upsert, Where, check_version, find_driver
from engine.db.url import DbUrl
from engine.errors import ConfigError, DbError, MiError, ScriptError
from engine.module import mi_command, modparam
from engine.workers import in_worker
from modules.dialog.api import ANSWERED, CONFIRMED, DELETED, EARLY, ON_LOADED, ON_SAVED
from modules.dialog.cell import FROM_DB, OPTIONS_PINGS, REINVITE_PINGS, Dialog
from modules.dialog.profiles import DialogProfiles
from modules.dialog.rows import FIELDS, TABLE_VERSION, BadRow, Rows, text_of_column, unpack

NO_DB, REALTIME, DELAYED, SHUTDOWN = 0, 1, 2, 3
_CHUNK: Final = 200
_RETRY: Final = (1.0, 2.0, 5.0, 10.0, 30.0)
_LAST_WRITE: Final = 10.0
"""Seconds the database gets at the end."""
_NO_COLUMN: Final = frozenset(("mangled_fu", "mangled_tu", "from_ping_cseq", "to_ping_cseq"))
"""Parts whose columns have no modparam."""


class DialogStorage(DialogProfiles):
    """The table."""

    db_url = modparam(str, "", help="database of the dialogs, e.g. sqlite:///path")
    db_mode = modparam(int, NO_DB, choices=(0, 1, 2, 3), help="0 none, 1 written at once, 2 now and then, 3 at the end")
    db_update_period = modparam(int, 60, min=1, help="seconds between two writings in mode 2")
    db_flush_vals_profiles = modparam(int, 0, help="values, profiles, flags are written with every change, not only at the end")
    timer_bulk_del_no = modparam(int, 1, min=1, help="ended dialogs deleted by one statement")
    table_name = modparam(str, "dialog", help="the table")
    dlg_id_column = modparam(str, FIELDS["dlg_id"], help="column: id, as a number")
    call_id_column = modparam(str, FIELDS["call_id"], help="column: Call-ID")
    from_uri_column = modparam(str, FIELDS["from_uri"], help="column: caller's URI")
    from_tag_column = modparam(str, FIELDS["from_tag"], help="column: caller's tag")
    to_uri_column = modparam(str, FIELDS["to_uri"], help="column: callee's URI")
    to_tag_column = modparam(str, FIELDS["to_tag"], help="column: callee's tag")
    from_cseq_column = modparam(str, FIELDS["from_cseq"], help="column: number of the last request sent to the caller")
    to_cseq_column = modparam(str, FIELDS["to_cseq"], help="column: the same for the callee")
    from_route_column = modparam(str, FIELDS["from_route"], help="column: routes to the caller")
    to_route_column = modparam(str, FIELDS["to_route"], help="column: routes to the callee")
    from_contact_column = modparam(str, FIELDS["from_contact"], help="column: caller's Contact")
    to_contact_column = modparam(str, FIELDS["to_contact"], help="column: callee's Contact")
    from_sock_column = modparam(str, FIELDS["from_sock"], help="column: socket towards the caller")
    to_sock_column = modparam(str, FIELDS["to_sock"], help="column: socket towards the callee")
    state_column = modparam(str, FIELDS["state"], help="column: state")
    start_time_column = modparam(str, FIELDS["start_time"], help="column: when it was answered")
    timeout_column = modparam(str, FIELDS["timeout"], help="column: when its lifetime is over")
    profiles_column = modparam(str, FIELDS["profiles"], help="column: profiles")
    vars_column = modparam(str, FIELDS["vars"], help="column: values")
    sflags_column = modparam(str, FIELDS["sflags"], help="column: flags of the script")
    mflags_column = modparam(str, FIELDS["mflags"], help="column: flags of modules")
    flags_column = modparam(str, FIELDS["flags"], help="column: flags")

    def mod_init(self) -> None:
        super().mod_init()
        self._driver: tuple[Driver, DbUrl] | None = None
        self._connection: Connection | None = None
        self._pending: dict[int, Dialog | None] = {}
        """Number in the database -> the dialog whose row differs, None: the row is to go."""
        self._writing: asyncio.Task[Any] | None = None
        self._healthy = True
        names = {
            part: getattr(self, f"{part}_column") for part in FIELDS
            if part not in _NO_COLUMN and not part.startswith("rt_on")
        }
        self._rows = Rows(names, self.flag_names.text, self._flag_mask, self.server.sockets.find)
        if self.db_mode != NO_DB:
            if not self.db_url:
                raise ConfigError("dialog: db_mode needs a database", hint='set modparam("dialog", "db_url", ...)')
            self._driver = find_driver(self.server.registry, self.db_url)

    def _flag_mask(self, text: str) -> int:
        """Flags of a row; a name the script has not mentioned gets its bit now."""
        mask = 0
        for name in text.split():
            mask |= self.flag_names.bit(name)
        return mask

    # ---- taking changes ----

    def save(self, dialog: Dialog) -> None:  # type: ignore[override]
        """A dialog differs from its row."""
        mode = self.db_mode
        if mode not in (REALTIME, DELAYED) or not ANSWERED <= dialog.state <= CONFIRMED:
            return
        self._pending[dialog.db_id] = dialog
        dialog.changed = True
        if mode == REALTIME:
            self._write_soon()

    def save_values(self, dialog: Dialog) -> None:
        """Its values, profiles or flags differ: matters only when they are written all the time."""
        if self.db_flush_vals_profiles:
            self.save(dialog)

    def unsave(self, dialog: Dialog) -> None:  # type: ignore[override]
        """A dialog has ended."""
        if self.db_mode not in (REALTIME, DELAYED):
            return
        if dialog.stored:
            self._pending[dialog.db_id] = None
            if self.db_mode == REALTIME:
                self._write_soon()
        else:
            self._pending.pop(dialog.db_id, None)

    def _write_soon(self) -> None:
        if self._connection is not None and (self._writing is None or self._writing.done()):
            self._writing = self.server.spawn(self._write(), "dialog writer")

    def _flush(self) -> None:
        """db_mode 2: the period is over."""
        if self._pending:
            self._write_soon()

    # ---- writing ----

    async def _write(self) -> None:
        """Write what there is; when the database does not work, again and again (mode 1) or with the next period."""
        failures = 0
        while self._pending:
            if await self._write_chunk(bool(self.db_flush_vals_profiles)):
                failures = 0
            elif self.db_mode == REALTIME:
                await asyncio.sleep(_RETRY[min(failures, len(_RETRY) - 1)])
                failures += 1
            else:
                return

    async def _write_chunk(self, whole: bool) -> bool:
        """Write some of it in one transaction; False when the database refuses."""
        chunk: dict[int, Dialog | None] = {}
        for ident in list(self._pending)[:_CHUNK]:
            chunk[ident] = self._pending.pop(ident)
        alive = [dialog for dialog in chunk.values() if dialog is not None]
        before = [dialog.stored for dialog in alive]
        gone = [ident for ident, dialog in chunk.items() if dialog is None]
        for dialog in alive:
            # From here on its end has a row to delete, whatever comes first.
            dialog.stored = True
        operations: list[Upsert | Delete] = []
        for at in range(0, len(gone), self.timer_bulk_del_no):
            operations.append(Delete(self.table_name, [Where(self._rows.key, "in", gone[at:at + self.timer_bulk_del_no])]))
        if alive:
            operations.append(Upsert(
                self.table_name, self._rows.columns, [self._row(dialog, whole) for dialog in alive], (self._rows.key,)))
        try:
            if self._connection is None:
                raise DbError("there is no connection")
            await self._connection.batch(operations)
        except DbError as error:
            for dialog, stored in zip(alive, before):
                dialog.stored = stored
            self._pending = {**{ident: entry for ident, entry in chunk.items() if ident not in self._pending}, **self._pending}
            if self._healthy:
                self._healthy = False
                self.log.error("dialogs cannot be written, they stay in memory and are written later: %s", error)
            return False
        if not self._healthy:
            self._healthy = True
            self.log.notice("the database works again, %d dialogs are still to be written", len(self._pending))
        for dialog in alive:
            dialog.changed = dialog.db_id in self._pending
        return True

    def _row(self, dialog: Dialog, whole: bool) -> tuple[Any, ...]:
        if whole:
            self.tell(ON_SAVED, dialog)
        return self._rows.row(dialog, int(self.server.wall()) + self.seconds_left(dialog), whole)

    # ---- life ----

    async def child_init(self) -> None:
        self.server.timers.every(1.0, self.beat)
        if self._store_id:
            try:
                self._cache()
            except ScriptError as error:
                raise ConfigError(f"dialog: cachedb_url: {error}") from None
        if self._driver is None:
            return
        driver, url = self._driver
        try:
            self._connection = await driver.connect(url)
            await check_version(self._connection, self.table_name, TABLE_VERSION)
            count = await self._load(False)
            if self.db_mode == SHUTDOWN:
                await self._connection.delete(self.table_name)
        except DbError as error:
            raise ConfigError(f"dialog: database {url}: {error}") from None
        if count:
            self.log.info("%d dialogs read from table %s", count, self.table_name)
        if self.db_mode == DELAYED:
            self.server.timers.every(self.db_update_period, self._flush)

    async def destroy(self) -> None:
        if self._writing is not None and not self._writing.done():
            await asyncio.wait({self._writing}, timeout=_LAST_WRITE / 2)
            self._writing.cancel()
        connection = self._connection
        if connection is not None:
            for dialog in self.table:
                if ANSWERED <= dialog.state <= CONFIRMED:
                    self._pending[dialog.db_id] = dialog
            try:
                async with asyncio.timeout(_LAST_WRITE):
                    if self.db_mode == SHUTDOWN:
                        await connection.delete(self.table_name)
                    while self._pending and await self._write_chunk(True):
                        pass
            except (TimeoutError, DbError) as error:
                self.log.error("dialogs cannot be written: %s", error or "the database does not answer")
            if self._pending:
                self.log.error("%d dialogs could not be written to the database", len(self._pending))
            await connection.close()
        if self._store_id:
            # Other servers must not count calls of one that is gone; they are counted again when it is back.
            await in_worker(self.server.workers, self._leave_store)

    def _leave_store(self) -> None:
        for dialog in self.table:
            self.leave_profiles(dialog)

    # ---- reading ----

    async def _load(self, refresh: bool) -> int:
        """Read the table; how many dialogs were taken over. refresh: one that is known and not further than its row takes the row
        over. Raises DbError."""
        assert self._connection is not None
        count = 0
        ended = False
        async for chunk in self._connection.query_all(self.table_name, self._rows.columns, self._rows.key):
            for row in chunk:
                try:
                    part = self._rows.parts(row)
                    if part["state"] == DELETED:
                        ended = True
                    elif self._restore(part, refresh):
                        count += 1
                except BadRow as error:
                    self.log.error("table %s, dialog %s is skipped: %s", self.table_name, row[0], error)
        if ended:
            await self._connection.delete(self.table_name, [Where(self._rows.names["state"], "=", DELETED)])
        return count

    def _restore(self, part: dict[str, Any], refresh: bool) -> bool:
        """One dialog from its row. Raises BadRow."""
        known = self.table.by_db_id(part["dlg_id"])
        if known is not None:
            if not refresh or known.state > part["state"]:
                return False
            old_state = known.state
            self._rows.fill(known, part)
            known.stored = True
            self._count_state(old_state, -1)
            self._count_state(known.state, 1)
            self._resume(known, part)
            return True
        dialog = self.table.restore(part["dlg_id"], str(part["call_id"]), str(part["from_uri"]), str(part["to_uri"]))
        try:
            self._rows.fill(dialog, part)
        except BadRow:
            self.table.remove(dialog)
            raise
        dialog.stored = self.db_mode != SHUTDOWN
        self._count_state(dialog.state, 1)
        self._resume(dialog, part)
        self.tell(ON_LOADED, dialog)
        return True

    def _count_state(self, state: int, step: int) -> None:
        if state in (ANSWERED, CONFIRMED):
            self.active_dialogs.inc(step)
        elif state == EARLY:
            self.early_dialogs.inc(step)

    def _resume(self, dialog: Dialog, part: dict[str, Any]) -> None:
        """Profiles, lifetime and pings go on."""
        dialog.flags |= FROM_DB
        self.leave_profiles(dialog)
        for name, value in reversed(list(unpack(text_of_column(part["profiles"])))):
            profile = self.profile(name)
            if profile is None:
                self.define_profiles(name, bool(value))
                profile = self.profile(name)
            if profile is not None:
                self.join(dialog, profile, str(value) if profile.has_value else "")
        dialog.lifetime = max(0, part["timeout"] - int(self.server.wall()))
        self.start_lifetime(dialog, dialog.lifetime)
        self.stop_pings(dialog)
        if dialog.flags & (OPTIONS_PINGS | REINVITE_PINGS):
            self.start_pings(dialog)

    # ---- MI ----

    @mi_command("dlg_db_sync", help="reads the table: what is newer there replaces what is here")
    async def mi_db_sync(self) -> None:
        """400 without a database."""
        if self._connection is None:
            raise MiError(400, "Cannot sync in no-db mode")
        try:
            await self._load(True)
        except DbError as error:
            self.log.error("dlg_db_sync: %s", error)
            raise MiError(400, "Sync mem with DB failed") from None

    @mi_command("dlg_restore_db", help="empties the table and writes all answered dialogs")
    async def mi_restore_db(self) -> None:
        """400 without a database."""
        connection = self._connection
        if connection is None:
            raise MiError(400, "Cannot restore db in no-db mode!")
        alive = [dialog for dialog in self.table if ANSWERED <= dialog.state <= CONFIRMED]
        rows = [self._row(dialog, True) for dialog in alive]
        operations: list[Upsert | Delete] = [Delete(self.table_name, [])]
        if rows:
            operations.append(Upsert(self.table_name, self._rows.columns, rows, (self._rows.key,)))
        try:
            await connection.batch(operations)
        except DbError as error:
            self.log.error("dlg_restore_db: %s", error)
            raise MiError(400, "Restore dlg DB failed!") from None
        for dialog in alive:
            dialog.stored = True
