"""The database behind auth_db: one connection, tables checked at start when the script names them, else when first used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from engine.db.interface import Connection, Row, Where, check_version, find_driver
from engine.errors import ConfigError, DbError
from engine.module import Context, modparam

SUBSCRIBER_VERSION: Final = 8
URI_VERSION: Final = 2


class Tables:
    """Mixin of the module: its database."""

    server: Any
    log: Any

    db_url = modparam(str, "", help="URL of the database; without it the global db_default_url")
    skip_version_check = modparam(int, 0, help="1: tables may be made in any way")

    def open_db(self) -> None:
        """For mod_init."""
        text = self.db_url or self.server.settings.db_default_url
        if not text:
            raise ConfigError("auth_db: no DB URL", hint='write modparam("auth_db", "db_url", "sqlite:///...")')
        self._driver, self._url = find_driver(self.server.registry, text)
        self._connection: Connection | None = None
        self._named: dict[str, int] = {}
        """Tables the script names, and the version each has to have."""
        self._checked: set[str] = set()
        self._accounts: set[str] = set()
        """Tables users are authorised by, as far as the script names them."""

    def subscriber_table(self, name: str) -> str:
        """Fixup: a table of accounts."""
        if self._connection is None:
            self._named[name] = SUBSCRIBER_VERSION
        return name

    def uri_table(self, name: str) -> str:
        """Fixup: a table of URIs."""
        if self._connection is None:
            self._named.setdefault(name, URI_VERSION)
        return name

    async def child_init(self) -> None:
        try:
            self._connection = await self._driver.connect(self._url)
            for name, version in self._named.items():
                await self._check(name, version)
        except DbError as error:
            raise ConfigError(f"auth_db: database {self._url}: {error}") from None

    async def destroy(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            await self._connection.close()

    async def _check(self, name: str, wanted: int) -> None:
        """Whether a table has the layout we know. Raises DbError."""
        assert self._connection is not None
        if not self.skip_version_check:
            try:
                await check_version(self._connection, name, wanted)
            except DbError:
                if wanted != URI_VERSION:
                    raise
                # OpenSIPS asks the version of the accounts' table of this one too, so databases in use may say that.
                await check_version(self._connection, name, SUBSCRIBER_VERSION)
        self._checked.add(name)

    async def _select(
        self, table: str, columns: Sequence[str], where: Sequence[Where], limit: int, version: int = SUBSCRIBER_VERSION,
    ) -> list[Row]:
        if self._connection is None:
            raise DbError("the database is not open yet")
        if table not in self._checked:
            await self._check(table, version)
        return await self._connection.query(table, columns, where, "", limit)

    def select(
        self, ctx: Context, table: str, columns: Sequence[str], where: Sequence[Where], limit: int = 1,
        version: int = SUBSCRIBER_VERSION,
    ) -> list[Row]:
        """Rows of a table; waits in this run. version: what a table that was not used before has to have. Raises DbError."""
        return ctx.wait(self._select(table, columns, where, limit, version))  # type: ignore[no-any-return]
