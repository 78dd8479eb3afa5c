"""db_sqlite: the driver for SQLite files, db_url sqlite:///path.

Manual: OpenSIPS 3.6, module db_sqlite. Every connection has a thread of its own that runs its statements in order, so a
locked or slow file holds up nobody but those who wait for it. Dates are kept as seconds since 1970, as OpenSIPS keeps them.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar, Final, TypeVar
from urllib.parse import quote

from engine.db.interface import DbValue, Delete, Result, Row, Time, Upsert, Where, time_text
from engine.db.making import make_tables
from engine.db.schema import Table
from engine.db.sql import Sql
from engine.db.url import DbUrl
from engine.errors import ConfigError, DbError, DbRefused
from engine.module import Module, modparam

T = TypeVar("T")


class SqliteSql(Sql):
    """Statements for SQLite."""

    # In double quotes SQLite takes a column that is not there for a text, and no query would ever fail.
    quote: ClassVar[str] = "`"

    def mark(self, value: Any, values: list[Any]) -> str:
        """Texts with other characters than ASCII go as the bytes they are: sqlite3 would encode them once more."""
        if isinstance(value, Time):
            values.append(time_text(value))
        elif isinstance(value, str) and not value.isascii():
            values.append(value.encode("latin-1", "replace"))
            return "CAST(? AS TEXT)"
        else:
            values.append(value)
        return "?"


SQL: Final = SqliteSql()


def _sql_text(sql: str) -> str:
    """A statement's latin-1 text as the characters its bytes mean."""
    if sql.isascii():
        return sql
    try:
        return sql.encode("latin-1").decode("utf-8")
    except (UnicodeEncodeError, UnicodeDecodeError):
        return sql


class SqliteConnection:
    """One connection (engine.db.interface.Connection)."""

    def __init__(self, path: str, busy_timeout: int, pragmas: Sequence[str], extensions: Sequence[str]) -> None:
        self._path = path
        self._busy_timeout = busy_timeout
        self._pragmas = pragmas
        self._extensions = extensions
        self._thread = ThreadPoolExecutor(1, f"sqlite {Path(path).name}")
        self._connection: sqlite3.Connection | None = None

    # ---------------------------------------------------------------- the thread's side

    def _open(self) -> sqlite3.Connection:
        found = self._connection
        if found is not None:
            return found
        made = sqlite3.connect(
            f"file:{quote(self._path)}?mode=rw", uri=True, isolation_level=None, check_same_thread=False,
            timeout=max(0, self._busy_timeout) / 1000,
        )
        made.text_factory = lambda data: data.decode("latin-1")
        for extension in self._extensions:
            library, _, entry = extension.partition(";")
            made.enable_load_extension(True)
            if entry:
                made.execute("SELECT load_extension(?, ?)", (library, entry))
            else:
                made.load_extension(library)
            made.enable_load_extension(False)
        for pragma in self._pragmas:
            made.execute(f"PRAGMA {pragma}")
        self._connection = made
        return made

    async def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run work in the thread; errors of SQLite become DbError."""

        def run() -> T:
            try:
                return work(self._open())
            except (sqlite3.IntegrityError, sqlite3.DataError, OverflowError) as error:
                raise DbRefused(f"{self._path}: {error}") from None
            except (sqlite3.Error, sqlite3.Warning) as error:
                raise DbError(f"{self._path}: {error}") from None

        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, run)
        except RuntimeError as error:
            raise DbError(f"{self._path}: connection is closed ({error})") from None

    # ---------------------------------------------------------------- the interface

    async def open(self) -> None:
        """Open the file now."""
        await self._do(lambda connection: connection.execute("SELECT count(*) FROM sqlite_master").fetchone())

    async def query(
        self, table: str, columns: Sequence[str], where: Sequence[Where] = (), order: str = "", limit: int = 0,
    ) -> list[Row]:
        """Rows of a table."""
        sql, values, _ = SQL.select(table, columns, where, order, limit)
        return await self._do(lambda connection: connection.execute(sql, values).fetchall())

    async def query_all(
        self, table: str, columns: Sequence[str], order: str = "", size: int = 1000,
    ) -> AsyncIterator[list[Row]]:
        """All rows of a table, size at a time."""
        sql = SQL.select(table, columns, (), order).text
        cursor = await self._do(lambda connection: connection.execute(sql))
        try:
            while rows := await self._do(lambda _: cursor.fetchmany(size)):
                yield rows
        finally:
            await self._do(lambda _: cursor.close())

    async def insert(self, table: str, values: Mapping[str, DbValue]) -> int:
        """Add a row; its rowid."""
        sql, bound, _ = SQL.insert(table, values)
        return await self._do(lambda connection: connection.execute(sql, bound).lastrowid or 0)

    async def replace(self, table: str, values: Mapping[str, DbValue]) -> None:
        """Add a row in place of one with the same unique key."""
        sql, bound, _ = SQL.insert(table, values, "REPLACE")
        await self._do(lambda connection: connection.execute(sql, bound).rowcount)

    async def update(self, table: str, values: Mapping[str, DbValue], where: Sequence[Where]) -> int:
        """Change rows; how many."""
        sql, bound, _ = SQL.update(table, values, where)
        return await self._do(lambda connection: connection.execute(sql, bound).rowcount)

    async def delete(self, table: str, where: Sequence[Where] = ()) -> int:
        """Delete rows; how many."""
        sql, bound, _ = SQL.delete(table, where)
        return await self._do(lambda connection: connection.execute(sql, bound).rowcount)

    async def batch(self, operations: Sequence[Upsert | Delete]) -> None:
        """Several changes in one transaction."""
        statements = SQL.batch(operations)

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("BEGIN IMMEDIATE")
            try:
                for sql, values, many in statements:
                    if many:
                        connection.executemany(sql, values)
                    else:
                        connection.execute(sql, values)
                connection.execute("COMMIT")
            except BaseException:
                # A full disk may have ended the transaction already.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

        await self._do(work)

    async def raw(self, sql: str) -> Result:
        """Run one statement as it is."""

        def work(connection: sqlite3.Connection) -> Result:
            cursor = connection.execute(_sql_text(sql))
            rows = cursor.fetchall()
            return Result([column[0] for column in cursor.description or ()], rows)

        return await self._do(work)

    async def close(self) -> None:
        """End the connection when what was begun is done."""
        def work() -> None:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except RuntimeError:
            return
        self._thread.shutdown(wait=False)


class DbSqlite(Module):
    """The module: a Driver."""

    sql = SQL

    alloc_limit = modparam(int, 10, help="rows to reserve", effect="rows take the memory they need")
    busy_timeout = modparam(int, 500, help="milliseconds to wait for a lock that somebody else holds")
    load_extension = modparam(str, None, multi=True, help="library;entry point of an extension, for every connection")
    exec_pragma = modparam(str, None, multi=True, help="name=value of a PRAGMA, for every connection")

    async def connect(self, url: DbUrl) -> SqliteConnection:
        """Open a database file, which must exist. Raises DbError."""
        made = SqliteConnection(url.path, self.busy_timeout, self.exec_pragma, self.load_extension)
        try:
            await made.open()
        except DbError as error:
            await made.close()
            if not Path(url.path).exists():
                raise DbError(
                    f"there is no database file {url.path}; make one with: opensips-like db create {url}") from None
            raise error from None
        return made

    async def create(self, url: DbUrl, tables: Sequence[Table], if_missing: bool) -> bool:
        """Make the file, unless it is there, and these tables (engine.db.making). Raises DbError."""
        path = Path(url.path)
        made = not path.exists()

        def make() -> None:
            path.parent.mkdir(parents=True, exist_ok=True)
            sqlite3.connect(path).close()
            path.touch()

        try:
            await asyncio.to_thread(make)
        except (OSError, sqlite3.Error) as error:
            raise DbError(f"{path}: {error}") from None
        connection = await self.connect(url)
        try:
            return await make_tables(connection, SQL, tables, if_missing) or made
        finally:
            await connection.close()

    def mod_init(self) -> None:
        if self.load_extension and not hasattr(sqlite3.Connection, "enable_load_extension"):
            raise ConfigError("db_sqlite: load_extension: this Python's sqlite3 cannot load extensions")


exports = DbSqlite
