"""db_mysql: the driver for MySQL and MariaDB servers, db_url mysql://user:password@host/database.

Manual: OpenSIPS 3.6, module db_mysql. Over asyncmy; connections are shared by the modules that name the same URL, and a server
that is away is asked again after a growing pause while everybody else is told at once. "?unix_socket=/path" at the end of the
URL goes over that socket.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from typing import Any

import asyncmy
from asyncmy import errors

from engine.db.making import make_tables
from engine.db.pool import Limits, Pool, PooledConnection, Pools
from engine.db.schema import Table
from engine.db.sql import Statement
from engine.db.url import DbUrl
from engine.errors import ConfigError, DbError
from engine.module import Module, event, modparam, wants
from modules.db_mysql.wire import CONVERSIONS, SQL, MysqlWire, database_error

_TIMES = 3
"""timeout_interval counts three times, as with MySQL's own library."""


class DbMysql(Module):
    """The module: a Driver."""

    exec_query_threshold = modparam(int, 0, min=0, help="microseconds a statement may take before it is logged, 0: any")
    timeout_interval = modparam(int, 2, min=0, help="a third of the seconds the server may take to answer")
    max_db_queries = modparam(int, 2, help="how often a statement is repeated when its connection is lost")
    max_db_retries = modparam(int, 3, help="attempts to connect at start")
    ps_max_col_size = modparam(int, 1024, min=1, help="longest column", effect="columns of any length are read whole")
    use_tls = modparam(int, 0, help="1: TLS for URLs with a tls_domain")

    E_MYSQL_CONNECTION = event("url", "status")

    tls_mgm: Any | None = wants("tls_mgm")
    sql = SQL

    def mod_init(self) -> None:
        self._pools = Pools()

    def _limits(self) -> Limits:
        return Limits(
            self.server.settings.db_max_async_connections, float(_TIMES * self.timeout_interval) or None,
            self.max_db_queries if self.max_db_queries > 0 else 2, self.exec_query_threshold,
        )

    def _tls(self, url: DbUrl) -> ssl.SSLContext | None:
        """The TLS settings of a URL. Raises ConfigError."""
        domain = url.params.get("tls_domain")
        if not self.use_tls or not domain:
            return None
        if self.tls_mgm is None:
            raise ConfigError(f"db_mysql: tls_domain={domain} in {url} needs module tls_mgm, but it was not loaded!")
        context: ssl.SSLContext | None = self.tls_mgm.client_context(domain)
        if context is None:                     # never go on without TLS instead
            raise ConfigError(f"db_mysql: tls_domain={domain} in {url} is no TLS client domain")
        return context

    async def _wire(self, url: DbUrl, database: str | None) -> MysqlWire:
        try:
            connection = await asyncmy.connect(
                host=url.host or "localhost", port=url.port or 3306, user=url.user or "root", password=url.password,
                database=database, unix_socket=url.params.get("unix_socket"), charset="utf8mb4", autocommit=True,
                conv=CONVERSIONS, ssl=self._tls(url), binary_prefix=True, connect_timeout=31536000,
            )
        except (errors.MySQLError, OSError, EOFError, RuntimeError) as error:
            raise DbError(f"cannot connect: {database_error(error)}") from None
        wire = MysqlWire(connection)
        try:
            await wire.speak()
        except BaseException:
            wire.abort()
            raise
        return wire

    def _told(self, url: DbUrl, connected: bool) -> None:
        self.E_MYSQL_CONNECTION.emit(url=str(url), status="connected" if connected else "disconnected")

    async def connect(self, url: DbUrl) -> PooledConnection:
        """Open a connection; raises DbError."""
        if not url.database:
            raise DbError(f"{url} names no database")
        return await self._pools.connect(
            url.text,
            lambda: Pool(
                str(url), lambda: self._wire(url, url.database), self.log, self._limits(),
                lambda connected: self._told(url, connected), self.server.sql_queries),
            SQL, max(1, self.max_db_retries))

    async def create(self, url: DbUrl, tables: Sequence[Table], if_missing: bool) -> bool:
        """Make the database, unless the server has it, and these tables (engine.db.making). Raises DbError."""
        if not url.database:
            raise DbError(f"{url} names no database")
        try:
            wire = await self._wire(url, None)
        except DbError as error:
            raise DbError(f"{url}: {error}") from None
        try:
            found = await wire.fetch(Statement(
                "SELECT 1 FROM information_schema.schemata WHERE schema_name = %s", [url.database]))
            if not found:
                await wire.change(Statement(f"CREATE DATABASE {SQL.name(url.database)} CHARACTER SET utf8mb4", []))
        finally:
            await wire.close()
        connection = await self.connect(url)
        try:
            return await make_tables(connection, SQL, tables, if_missing)
        finally:
            await connection.close()


exports = DbMysql
