"""db_postgres: the driver for PostgreSQL servers, db_url postgres://user:password@host/database.

Manual: OpenSIPS 3.6, module db_postgres. Over asyncpg; connections are shared by the modules that name the same URL, statements
are prepared once, and a server that is away is asked again after a growing pause while everybody else is told at once.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from typing import Any

import asyncpg

from engine.db.making import make_tables
from engine.db.pool import Limits, Pool, PooledConnection, Pools
from engine.db.schema import Table
from engine.db.sql import Statement
from engine.db.url import DbUrl
from engine.errors import ConfigError, DbError
from engine.module import Module, modparam, wants
from modules.db_postgres.wire import SQL, PostgresWire, database_error

_MAINTENANCE = "postgres"
"""The database every server has."""


class DbPostgres(Module):
    """The module: a Driver."""

    exec_query_threshold = modparam(int, 0, min=0, help="microseconds a statement may take before it is logged, 0: any")
    max_db_queries = modparam(int, 2, help="how often a statement is repeated when its connection is lost")
    timeout = modparam(int, 5, help="seconds to connect and to answer; negative: for ever")
    use_tls = modparam(int, 0, help="1: TLS where the server has it, or as the tls_domain of the URL says")

    tls_mgm: Any | None = wants("tls_mgm")
    sql = SQL

    def mod_init(self) -> None:
        self._pools = Pools()

    def _limits(self) -> Limits:
        return Limits(
            self.server.settings.db_max_async_connections, None if self.timeout < 0 else float(self.timeout or 5),
            self.max_db_queries if self.max_db_queries > 0 else 2, self.exec_query_threshold,
        )

    def _tls(self, url: DbUrl) -> bool | str | ssl.SSLContext:
        """What asyncpg shall do about TLS. Raises ConfigError."""
        if not self.use_tls:
            return False
        domain = url.params.get("tls_domain")
        if not domain:
            return "prefer"
        if self.tls_mgm is None:
            raise ConfigError(f"db_postgres: tls_domain={domain} in {url} needs module tls_mgm, but it was not loaded!")
        context: ssl.SSLContext | None = self.tls_mgm.client_context(domain)
        if context is None:                     # never go on without TLS instead
            raise ConfigError(f"db_postgres: tls_domain={domain} in {url} is no TLS client domain")
        return context

    async def _wire(self, url: DbUrl, database: str) -> PostgresWire:
        try:
            connection = await asyncpg.connect(
                host=url.host or None, port=url.port or None, user=url.user or None, password=url.password or None,
                database=database, ssl=self._tls(url), timeout=None,
                server_settings={"application_name": "opensips-like"},
            )
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            raise DbError(f"cannot connect: {database_error(error)}" if isinstance(
                error, asyncpg.PostgresError) else f"cannot connect: {error}") from None
        wire = PostgresWire(connection)
        try:
            await wire.prepare()
        except BaseException as error:
            wire.abort()
            if isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError | OSError):
                raise database_error(error) from None
            raise
        return wire

    async def connect(self, url: DbUrl) -> PooledConnection:
        """Open a connection; raises DbError."""
        if not url.database:
            raise DbError(f"{url} names no database")
        return await self._pools.connect(
            url.text, lambda: Pool(
                str(url), lambda: self._wire(url, url.database), self.log, self._limits(), meter=self.server.sql_queries), SQL)

    async def create(self, url: DbUrl, tables: Sequence[Table], if_missing: bool) -> bool:
        """Make the database, unless the server has it, and these tables (engine.db.making). Raises DbError."""
        if not url.database:
            raise DbError(f"{url} names no database")
        try:
            wire = await self._wire(url, _MAINTENANCE)
        except DbError as error:
            raise DbError(f"{url}: {error}") from None
        try:
            if not await wire.fetch(Statement("SELECT 1 FROM pg_database WHERE datname = $1", [url.database])):
                await wire.change(Statement(f'CREATE DATABASE "{url.database}"', []))
        finally:
            await wire.close()
        connection = await self.connect(url)
        try:
            return await make_tables(connection, SQL, tables, if_missing)
        finally:
            await connection.close()


exports = DbPostgres
