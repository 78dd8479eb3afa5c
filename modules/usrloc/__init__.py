"""usrloc: who is registered where.

    modparam("usrloc", "working_mode_preset", "single-instance-sql-write-through")
    modparam("usrloc", "db_url", "sqlite:///var/lib/opensips/location.sqlite")

Manual: OpenSIPS 3.6, module usrloc. Other modules use it through modules.usrloc.api; scripts through save() and lookup() of
the registrar, and the ul_*_key() functions here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

from engine.db.interface import Connection, Driver, check_version, find_driver
from engine.db.url import DbUrl
from engine.errors import ConfigError, DbError
from engine.module import Module, event, modparam, stat
from modules.usrloc.api import AOR_DELETE, AOR_INSERT, CS_NEW, DELETE, INSERT, UPDATE
from modules.usrloc.columns import UsrlocColumns
from modules.usrloc.contact import Contact, Record
from modules.usrloc.domain import Domain
from modules.usrloc.keys import UsrlocKeys
from modules.usrloc.loading import load_domain
from modules.usrloc.mi import UsrlocMi, socket_text
from modules.usrloc.modes import NO_WRITE, WRITE_THROUGH, Mode, working_mode
from modules.usrloc.news import AOR_PARAMS, CONTACT_PARAMS, REFRESH_PARAMS, Callback, News
from modules.usrloc.pages import Growth, collapse
from modules.usrloc.rows import TABLE_VERSION, Rows
from modules.usrloc.schedule import Refresh
from modules.usrloc.sqlonly import SqlDomain
from modules.usrloc.writer import PATIENCE, Writer

_LAST_WRITE = 10.0
"""Seconds the database gets at the end to take what it has not got yet."""
_SLICE = 0.002
"""Seconds of cleaning up in one go: messages wait no longer for it, however many contacts expire together."""


class Usrloc(UsrlocMi, UsrlocKeys, UsrlocColumns, Module):
    """The module (modules.usrloc.api.Usrloc)."""

    db_url = modparam(str, "", help="database of the registrations, e.g. sqlite:///path")
    timer_interval = modparam(int, 60, min=1, help="seconds between two removals of what has expired (and writes, in write-back)")
    working_mode_preset = modparam(str, "", help="how registrations are kept; see the manual")
    cachedb_url = modparam(str, "", help="for cluster modes, which this server does not have")
    location_cluster = modparam(int, 0, help="for cluster modes, which this server does not have")
    ha_cluster = modparam(int, 0, help="for cluster modes", effect="there is no cluster")
    ha_shtag = modparam(str, "", help="for cluster modes", effect="there is no cluster")
    pinging_mode = modparam(str, "", choices=("ownership", "cooperation"), help="for clusters", effect="there is no cluster")
    shared_pinging = modparam(int, 0, help="former name of pinging_mode", effect="there is no cluster")
    skip_replicated_db_ops = modparam(int, 0, help="for cluster modes", effect="there is no cluster")
    max_contact_delete = modparam(int, 10, min=1, help="rows per statement that deletes")
    regen_broken_contactid = modparam(int, 0, help="give contacts new ids whose id does not belong to their AoR")
    cluster_mode = modparam(str, "", help="part of a working mode")
    restart_persistency = modparam(str, "", help="part of a working mode")
    sql_write_mode = modparam(str, "", help="part of a working mode")
    db_mode = modparam(int, None, help="deprecated: 0 to 3 for no-db, write-through, write-back, sql-only")
    use_domain = modparam(int, 0, help="AoRs are user@domain instead of user")
    desc_time_order = modparam(int, 0, help="newest registration first, instead of by q")
    matching_mode = modparam(int, 0, choices=(0, 1), help="0: contacts are told apart by URI, 1: by URI and Call-ID")
    cseq_delay = modparam(int, 20, help="seconds in which an equal CSeq is a retransmission")
    hash_size = modparam(int, 9, max=16, help="exponent of the number of slots ul_dump goes through")
    nat_bflag = modparam(str, "", help="branch flag of contacts behind NAT")
    contact_refresh_timer = modparam(int, 0, help="raise E_UL_CONTACT_REFRESH before contacts with push notification expire")
    contact_refresh_repeat = modparam(
        int, 0, min=0, help="seconds after which that event comes again while the device has not registered, 0: never (not in OpenSIPS)")
    mi_dump_kv_store = modparam(int, 0, help="show key-value pairs in MI")
    latency_event_min_us = modparam(int, 0, help="least latency in microseconds for E_UL_LATENCY_UPDATE")
    latency_event_min_us_delta = modparam(int, 0, help="least change of the latency for E_UL_LATENCY_UPDATE")

    E_UL_AOR_INSERT = event(*AOR_PARAMS)
    E_UL_AOR_DELETE = event(*AOR_PARAMS)
    E_UL_CONTACT_INSERT = event(*CONTACT_PARAMS)
    E_UL_CONTACT_UPDATE = event(*CONTACT_PARAMS)
    E_UL_CONTACT_DELETE = event(*CONTACT_PARAMS)
    E_UL_CONTACT_REFRESH = event(*REFRESH_PARAMS)
    E_UL_LATENCY_UPDATE = event(*CONTACT_PARAMS)

    registered_users = stat("registered_users", value="_count_users")

    def mod_init(self) -> None:
        self.mode: Mode = working_mode(
            self.working_mode_preset, self.db_mode, self.cluster_mode, self.restart_persistency, self.sql_write_mode,
            self.location_cluster, self.log,
        )
        self.slots = 512 if self.hash_size <= 1 else 1 << self.hash_size
        self.domains: dict[str, Domain] = {}
        self._lead = 0
        self._refresh = Refresh() if self.contact_refresh_timer else None
        self._news = News({
            AOR_INSERT: self.E_UL_AOR_INSERT, AOR_DELETE: self.E_UL_AOR_DELETE, INSERT: self.E_UL_CONTACT_INSERT,
            UPDATE: self.E_UL_CONTACT_UPDATE, DELETE: self.E_UL_CONTACT_DELETE,
        }, self.E_UL_CONTACT_REFRESH, self.E_UL_LATENCY_UPDATE)
        names = self.server.registry.branch_flag_names
        self._rows = Rows(self.column_names(), bool(self.use_domain), names.text, names.mask_of, self._find_socket)
        self._writer: Writer | None = None
        self._connection: Connection | None = None
        self._driver: tuple[Driver, DbUrl] | None = None
        self._started = False
        self._expiring = False
        self._growth = Growth()
        if self.mode.needs_database:
            url = self.db_url or self.server.settings.db_default_url
            if not url:
                raise ConfigError("usrloc: this working mode needs a database", hint='set modparam("usrloc", "db_url", ...)')
            self._driver = find_driver(self.server.registry, url)
            if self.mode.write != NO_WRITE:
                self._writer = Writer(
                    self._rows, self.log, self.server.spawn, self.mode.write == WRITE_THROUGH, self.max_contact_delete,
                )

    def cfg_validate(self, script: Any) -> None:
        """The script has said which release it is for."""
        for domain in self.domains.values():
            domain.rules_31 = self.server.speaks_31

    async def child_init(self) -> None:
        if self._driver is not None:
            driver, url = self._driver
            try:
                self._connection = await driver.connect(url)
                for domain in self.domains.values():
                    await self._open(domain)
            except DbError as error:
                text = str(error)
                raise ConfigError(f"usrloc: {text}" if str(url) in text else f"usrloc: database {url}: {text}") from None
        if self._writer is not None:
            self._writer.connection = self._connection
            self._writer.begin()
        self._started = True
        self._big_pages()
        self.server.timers.every(self.timer_interval, self._tick)
        if self._refresh is not None:
            self.server.timers.every(1, self._tick_refresh)

    async def destroy(self) -> None:
        if self._writer is not None and not await self._writer.drain(_LAST_WRITE):
            self.log.error("%d contacts could not be written to the database and are lost", self._writer.backlog)
        if self._connection is not None:
            await self._connection.close()

    async def _open(self, domain: Domain) -> None:
        """Check a table and, unless it stays there, read it. Raises DbError."""
        assert self._connection is not None
        await check_version(self._connection, domain.name, TABLE_VERSION)
        if isinstance(domain, SqlDomain):
            domain.connection = self._connection
            await domain.check()
            return
        assert self._writer is not None
        count = await load_domain(
            domain, self._connection, self._rows, self._writer, self.log, self.now(), bool(self.regen_broken_contactid),
        )
        self.log.info("%d contacts read from table %s", count, domain.name)

    async def _open_late(self, domain: Domain) -> None:
        """A table that a reloaded script names first."""
        try:
            await self._open(domain)
        except DbError as error:
            self.log.error("table %s cannot be used: %s", domain.name, error)

    def _find_socket(self, text: str) -> Any:
        """The listening socket of a row, None when the server does not have it any more."""
        found = self.server.sockets.find(text)
        if found is None:
            for socket in self.server.sockets.all:
                if socket_text(socket) == text:
                    return socket
        return found

    # ---------------------------------------------------------------- the database

    @property
    def in_memory(self) -> bool:
        """Records are kept in memory (all modes but sql-only)."""
        return not self.mode.sql_only

    @property
    def writes_sql(self) -> bool:
        """Whether memory is written to a database."""
        return self._writer is not None

    @property
    def waits(self) -> bool:
        """Whether storing a contact may wait for a database."""
        return self._writer is not None or self.mode.sql_only

    def settle(self) -> None:
        """Wait in the worker until what was changed so far is in the database (modules.usrloc.api)."""
        if self._writer is not None:
            self._writer.settle(self.server.workers)

    async def flush(self) -> bool:
        """Write what the database has not got yet; False when it does not take it now."""
        return self._writer is None or await self._writer.drain(PATIENCE)

    async def resync(self, domain: Domain, record: Record | None) -> None:
        """Delete the rows of a table (or an AoR) and have them written anew. Raises DbError."""
        assert self._writer is not None and self._connection is not None
        await self._writer.drain(PATIENCE)
        await self._connection.delete(domain.name, [] if record is None else self._rows.of_aor(record.aor))
        for one in list(domain.records()) if record is None else [record]:
            for contact in one.contacts:
                contact.state = CS_NEW
                self._writer.changed(one, contact)

    # ---------------------------------------------------------------- tables

    def domain(self, name: str) -> Domain:
        """The table of that name; made when a script names it first."""
        found = self.domains.get(name)
        if found is None:
            newest_first = bool(self.desc_time_order)
            if self.mode.sql_only:
                found = SqlDomain(
                    name, self.now, self._news, self._rows, self.server.workers.wait, self.log, newest_first=newest_first,
                )
            else:
                found = Domain(
                    name, self.server.wall, self._news, newest_first=newest_first, sink=self._writer, refresh=self._refresh,
                    lead=lambda: self._lead,
                )
            found.rules_31 = self.server.speaks_31
            self.domains[name] = found
            self._register_statistics(found)
            if self._started and self._driver is not None:
                self.server.spawn(self._open_late(found), f"usrloc table {name}")
        return found

    def find_domain(self, name: str) -> Domain | None:
        """The table of that name, or None."""
        return self.domains.get(name)

    def tables(self) -> list[Domain]:
        """All tables."""
        return list(self.domains.values())

    def by_contact_id(self, domain: Domain, contact_id: int) -> tuple[Record, Contact] | None:
        """(record, contact) of an id."""
        return domain.by_contact_id(contact_id)

    def _register_statistics(self, domain: Domain) -> None:
        stats = self.server.stats

        def reset_expired() -> None:
            domain.expired = 0

        stats.register("usrloc", f"{domain.name}-users", lambda: domain.record_count)
        stats.register("usrloc", f"{domain.name}-contacts", lambda: domain.contact_count)
        stats.register(
            "usrloc", f"{domain.name}-expires", lambda: domain.expired, no_reset=False, gauge=False, on_reset=reset_expired,
        )

    def _count_users(self) -> int:
        return sum(domain.record_count for domain in self.domains.values())

    # ---------------------------------------------------------------- for other modules

    def register(self, kind: str, call: Callback) -> None:
        """call(record, contact | None) for every change of that kind (modules.usrloc.api)."""
        self._news.register(kind, call)

    def now(self) -> float:
        """Wall clock in seconds since 1970."""
        return float(self.server.wall())

    @property
    def nat_flag(self) -> int:
        """Mask of modparam nat_bflag, 0 when unset."""
        return self.server.registry.branch_flag_names.bit(self.nat_bflag) if self.nat_bflag else 0

    def raise_refresh(self, domain: Domain, contact: Contact, reason: str, req_callid: str) -> None:
        """Raise E_UL_CONTACT_REFRESH."""
        self._news.refresh(domain.name, contact, reason, req_callid)

    def set_refresh_lead(self, seconds: int) -> None:
        """How long before expiry the reg-refresh event comes."""
        self._lead = seconds
        if self._refresh is not None:
            for domain in self.domains.values():
                domain.watch_again()

    def set_latency(self, domain: Domain, contact: Contact, latency: int) -> None:
        """Keep a measured ping latency in microseconds."""
        before = contact.latency
        contact.latency = latency
        least, step = self.latency_event_min_us, self.latency_event_min_us_delta
        if (least and latency >= least) or (step and before and abs(latency - before) >= step) or not (least or step):
            self._news.latency(domain.name, contact)

    # ---------------------------------------------------------------- timers

    def _tick(self) -> None:
        if self._expiring:
            return
        self._expiring = True
        now = self.now()
        try:
            for domain in list(self.domains.values()):
                try:
                    self._in_slices(domain.expire_steps(now))
                except DbError as error:
                    self.log.error("table %s cannot be cleaned up: %s", domain.name, error)
        finally:
            self._expiring = False
        if self._writer is not None:
            self._writer.begin()
        self._big_pages()

    def _big_pages(self) -> None:
        """Have large tables put on big pages (modules.usrloc.pages)."""
        if self._growth.is_due(sum(domain.contact_count for domain in self.domains.values())) and self.in_memory:
            self.server.spawn(asyncio.to_thread(collapse), "usrloc big pages")

    def _tick_refresh(self) -> None:
        assert self._refresh is not None
        self._in_slices(map(self._due_refresh, self._refresh.due(int(self.now()))))

    def _due_refresh(self, contact: Contact) -> None:
        for domain in self.domains.values():
            record = domain.get(contact.aor)
            if record is not None and contact in record.contacts:
                self.raise_refresh(domain, contact, "reg-refresh", "")
                if self.contact_refresh_repeat and self._refresh is not None:
                    self._refresh.again(contact, int(self.now()) + self.contact_refresh_repeat)
                break

    def _in_slices(self, steps: Iterator[None]) -> None:
        """Go through steps, and let messages in between whenever they have taken a while."""
        workers = self.server.workers
        end = time.perf_counter() + _SLICE
        for _ in steps:
            if time.perf_counter() > end:
                if workers.can_wait():
                    workers.wait(asyncio.sleep(0))
                end = time.perf_counter() + _SLICE


exports = Usrloc
