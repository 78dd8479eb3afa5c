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
from typing import Any, Final, TypeVar
from urllib.parse import quote

from engine.db.interface import OPERATORS, DbValue, Delete, Result, Row, Time, Upsert, Where
from engine.db.schema import Column, Table
from engine.db.url import DbUrl
from engine.errors import ConfigError, DbError
from engine.module import Module, modparam

T = TypeVar("T")


def _name(identifier: str) -> str:
    """A table or column name, quoted."""
    return '"' + identifier.replace('"', '""') + '"'


def _bound(value: Any, values: list[Any]) -> str:
    """Append a value to those of a statement; the text that stands for it there."""
    if isinstance(value, Time):
        values.append(int(value))
    elif isinstance(value, str) and not value.isascii():
        # The bytes as they are: sqlite3 would encode the characters once more.
        values.append(value.encode("latin-1", "replace"))
        return "CAST(? AS TEXT)"
    else:
        values.append(value)
    return "?"


def _conditions(where: Sequence[Where], values: list[Any]) -> str:
    """" WHERE ..." or ""."""
    parts = []
    for column, operator, value in where:
        operator = operator.lower()
        if operator not in OPERATORS:
            raise DbError(f"unknown operator {operator!r} in a condition")
        if operator == "in":
            assert not isinstance(value, str | bytes | int | float) and value is not None
            parts.append(f"{_name(column)} IN ({','.join([_bound(one, values) for one in value])})")
        elif value is None and operator in ("=", "!=", "<>"):
            parts.append(f"{_name(column)} IS {'' if operator == '=' else 'NOT '}NULL")
        else:
            parts.append(f"{_name(column)} {operator.upper()} {_bound(value, values)}")
    return " WHERE " + " AND ".join(parts) if parts else ""


def _order(column: str) -> str:
    """" ORDER BY ..." or ""."""
    if not column:
        return ""
    return f" ORDER BY {_name(column.lstrip('-'))}" + (" DESC" if column.startswith("-") else "")


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
            except (sqlite3.Error, sqlite3.Warning, OverflowError) as error:
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
        values: list[Any] = []
        wanted = ", ".join(map(_name, columns)) or "*"
        sql = f"SELECT {wanted} FROM {_name(table)}{_conditions(where, values)}"
        sql += _order(order)
        if limit:
            sql += f" LIMIT {int(limit)}"
        return await self._do(lambda connection: connection.execute(sql, values).fetchall())

    async def query_all(
        self, table: str, columns: Sequence[str], order: str = "", size: int = 1000,
    ) -> AsyncIterator[list[Row]]:
        """All rows of a table, size at a time."""
        wanted = ", ".join(map(_name, columns)) or "*"
        sql = f"SELECT {wanted} FROM {_name(table)}{_order(order)}"
        cursor = await self._do(lambda connection: connection.execute(sql))
        try:
            while rows := await self._do(lambda _: cursor.fetchmany(size)):
                yield rows
        finally:
            await self._do(lambda _: cursor.close())

    async def _add(self, verb: str, table: str, values: Mapping[str, DbValue]) -> int:
        bound: list[Any] = []
        marks = ", ".join([_bound(value, bound) for value in values.values()])
        sql = f"{verb} INTO {_name(table)} ({', '.join(map(_name, values))}) VALUES ({marks})"
        return await self._do(lambda connection: connection.execute(sql, bound).lastrowid or 0)

    async def insert(self, table: str, values: Mapping[str, DbValue]) -> int:
        """Add a row; its rowid."""
        return await self._add("INSERT", table, values)

    async def replace(self, table: str, values: Mapping[str, DbValue]) -> None:
        """Add a row in place of one with the same unique key."""
        await self._add("REPLACE", table, values)

    async def update(self, table: str, values: Mapping[str, DbValue], where: Sequence[Where]) -> int:
        """Change rows; how many."""
        bound: list[Any] = []
        changes = ", ".join([f"{_name(column)} = {_bound(value, bound)}" for column, value in values.items()])
        sql = f"UPDATE {_name(table)} SET {changes}{_conditions(where, bound)}"
        return await self._do(lambda connection: connection.execute(sql, bound).rowcount)

    async def delete(self, table: str, where: Sequence[Where] = ()) -> int:
        """Delete rows; how many."""
        bound: list[Any] = []
        sql = f"DELETE FROM {_name(table)}{_conditions(where, bound)}"
        return await self._do(lambda connection: connection.execute(sql, bound).rowcount)

    async def batch(self, operations: Sequence[Upsert | Delete]) -> None:
        """Several changes in one transaction."""
        statements: list[tuple[str, list[Any]]] = []
        for operation in operations:
            if isinstance(operation, Upsert):
                statements += _upserts(operation)
            else:
                values: list[Any] = []
                statements.append((f"DELETE FROM {_name(operation.table)}{_conditions(operation.where, values)}", values))

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("BEGIN IMMEDIATE")
            try:
                for sql, values in statements:
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


def _upserts(operation: Upsert) -> list[tuple[str, list[Any]]]:
    columns = ", ".join(map(_name, operation.columns))
    changes = ", ".join([f"{_name(one)} = excluded.{_name(one)}" for one in operation.columns if one not in operation.keys])
    keys = ", ".join(map(_name, operation.keys))
    statements = []
    for row in operation.rows:
        values: list[Any] = []
        marks = ", ".join([_bound(value, values) for value in row])
        statements.append((
            f"INSERT INTO {_name(operation.table)} ({columns}) VALUES ({marks}) ON CONFLICT ({keys}) DO UPDATE SET {changes}",
            values,
        ))
    return statements


_KINDS: Final = {"key": "INTEGER PRIMARY KEY", "int": "INTEGER", "text": "TEXT", "float": "FLOAT(10,2)", "time": "DATETIME"}


def _column(column: Column) -> str:
    """One column of CREATE TABLE."""
    kind = _KINDS.get(column.kind) or column.kind.upper().replace(" ", "(") + ")"
    default = ""
    if column.default is not None:
        default = f" DEFAULT '{column.default}'" if isinstance(column.default, str) else f" DEFAULT {column.default}"
    elif column.null:
        default = " DEFAULT NULL"
    return f"{_name(column.name)} {kind}{default}{'' if column.null else ' NOT NULL'}"


class DbSqlite(Module):
    """The module: a Driver."""

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
        """Make a database file with these tables (engine.db.schema) and their lines in the first, the version table.

        False: the file is there, and if_missing says that this is fine. Raises DbError.
        """
        path = Path(url.path)
        if path.exists():
            if if_missing:
                return False
            raise DbError(f"{path} is there already")

        def work() -> None:
            path.parent.mkdir(parents=True, exist_ok=True)
            made = sqlite3.connect(path)
            try:
                for table in tables:
                    columns = ", ".join(_column(column) for column in table.columns)
                    made.execute(f"CREATE TABLE {_name(table.name)} ({columns})")
                made.executemany(
                    f"INSERT INTO {_name(tables[0].name)} VALUES (?, ?)", [(table.name, table.version) for table in tables[1:]])
                made.commit()
            finally:
                made.close()

        try:
            await asyncio.to_thread(work)
        except (OSError, sqlite3.Error) as error:
            raise DbError(f"{path}: {error}") from None
        return True

    def mod_init(self) -> None:
        if self.load_extension and not hasattr(sqlite3.Connection, "enable_load_extension"):
            raise ConfigError("db_sqlite: load_extension: this Python's sqlite3 cannot load extensions")


exports = DbSqlite
