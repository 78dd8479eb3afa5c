"""One connection to a PostgreSQL server, over asyncpg, which prepares every statement once and keeps it prepared.

Values travel as text, so the server reads them as it reads a literal: a number for a text column and a text for a number are
fine, as with OpenSIPS.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, ClassVar, Final, TypeVar

import asyncpg

from engine.db.chars import inbound, outbound
from engine.db.interface import DbValue, Result, Row, Time, time_text
from engine.db.pool import Lost
from engine.db.schema import Column, Table
from engine.db.sql import Sql, Statement
from engine.errors import DbError, DbRefused

T = TypeVar("T")


class PostgresSql(Sql):
    """Statements for PostgreSQL."""

    kinds: ClassVar[dict[str, str]] = {
        "key": "BIGSERIAL PRIMARY KEY", "serial": "SERIAL PRIMARY KEY", "bigkey": "BIGINT PRIMARY KEY", "int": "INTEGER",
        "uint": "INTEGER", "text": "TEXT", "blob": "BYTEA", "float": "REAL", "time": "TIMESTAMP WITHOUT TIME ZONE",
        "char": "VARCHAR",
    }

    def name(self, identifier: str) -> str:
        """OpenSIPS does not quote names, and names without quotes are lower case here."""
        return super().name(identifier.lower())

    def mark(self, value: Any, values: list[Any]) -> str:
        """$1, $2 ..."""
        values.append(value)
        return f"${len(values)}"

    def change_column(self, table: str, column: Column) -> list[str]:
        """Type, default and NOT NULL anew."""
        head = f"ALTER TABLE {self.name(table)} ALTER COLUMN {self.name(column.name)}"
        kind = self.kind(column)
        made = [f"{head} DROP DEFAULT", f"{head} TYPE {kind} USING {self.name(column.name)}::text::{kind}"]
        made.append(f"{head} {'DROP' if column.null else 'SET'} NOT NULL")
        return made

    def index_name(self, table: Table, name: str) -> str:
        """As OpenSIPS names them."""
        return self.name(f"{table.name}_{name}")


SQL: Final = PostgresSql()


def _number(value: Any) -> str:
    """A parameter for a whole number."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(int(value)) if isinstance(value, bool) else str(value)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return outbound(value)
    if isinstance(value, Time):
        return time_text(value)
    return outbound(value.decode("latin-1")) if isinstance(value, bytes) else str(value)


def _time(value: Any) -> str:
    """A parameter for date and time: seconds since 1970, or a text."""
    return time_text(value) if isinstance(value, int | float) else str(value)


def _bytes(value: Any) -> str:
    data = value if isinstance(value, bytes) else str(value).encode("latin-1", "replace")
    return "\\x" + data.hex()


def _read_number(text: str) -> int | float:
    return float(text) if "." in text or "e" in text or "n" in text.lower() else int(text)


# Type -> how a parameter is written and how a value is read.
_CODECS: Final[dict[str, tuple[Callable[[Any], str], Callable[[str], Any]]]] = {
    **{kind: (_number, int) for kind in ("int2", "int4", "int8", "oid")},
    **{kind: (str, float) for kind in ("float4", "float8")},
    "numeric": (str, _read_number),
    "bool": (lambda value: str(value).lower(), lambda text: int(text == "t")),
    **{kind: (_text, inbound) for kind in ("text", "varchar", "bpchar", "name", "json", "jsonb", "uuid", "inet", "cidr")},
    **{kind: (_time, str) for kind in ("timestamp", "timestamptz", "date", "time", "interval")},
    "bytea": (_bytes, lambda text: bytes.fromhex(text[2:])),
}


def database_error(error: BaseException) -> DbError:
    """What went wrong, in our words."""
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        text = str(error).partition("\n")[0]
        # 08 connection, 57P0x the server shuts down, 22 and 23 the values.
        if state.startswith("08") or state in ("57P01", "57P02", "57P03"):
            return Lost(text)
        return DbRefused(text) if state[:2] in ("22", "23") else DbError(text)
    if isinstance(error, asyncpg.InterfaceError):
        text = str(error)
        if "closed" in text or "another operation" in text or "released" in text:
            return Lost("the server has closed the connection")
        return DbRefused(text) if isinstance(error, asyncpg.DataError) else DbError(text)
    return Lost(f"connection lost: {str(error) or type(error).__name__}")


_ERRORS: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, ConnectionError, EOFError)


class PostgresWire:
    """One connection (engine.db.pool.Wire)."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._unique: dict[str, list[list[str]]] = {}

    async def prepare(self) -> None:
        """Tell asyncpg how values are read and written."""
        for kind, (encode, decode) in _CODECS.items():
            await self._connection.set_type_codec(
                kind, schema="pg_catalog", encoder=encode, decoder=decode, format="text")

    async def fetch(self, statement: Statement) -> list[Row]:
        """Rows of a statement."""
        try:
            return [tuple(row) for row in await self._connection.fetch(statement.text, *statement.values)]
        except _ERRORS as error:
            raise database_error(error) from None

    async def chunks(self, statement: Statement, size: int) -> AsyncIterator[list[Row]]:
        """Rows of a statement, through a cursor."""
        try:
            async with self._connection.transaction(readonly=True):
                cursor = await self._connection.cursor(statement.text, *statement.values)
                while rows := await cursor.fetch(size):
                    yield [tuple(row) for row in rows]
        except _ERRORS as error:
            raise database_error(error) from None

    async def change(self, statement: Statement) -> int:
        """Rows changed."""
        try:
            status = await self._connection.execute(statement.text, *statement.values)
        except _ERRORS as error:
            raise database_error(error) from None
        number = str(status).rpartition(" ")[2]
        return int(number) if number.isdigit() else 0

    async def insert(self, statement: Statement) -> int:
        """The column `id` of the new row, 0 when the table has none."""
        try:
            row = await self._connection.fetchrow(statement.text + " RETURNING *", *statement.values)
        except _ERRORS as error:
            raise database_error(error) from None
        found = row.get("id") if row is not None else 0
        return found if isinstance(found, int) else 0

    async def replace(self, table: str, row: Mapping[str, DbValue]) -> None:
        """An upsert over the first unique key that the row has values for."""
        columns = tuple(row)
        lower = {column.lower() for column in columns}
        if table not in self._unique:
            found = await self.fetch(Statement(
                "SELECT i.indexrelid, a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND"
                " a.attnum = ANY(i.indkey) WHERE i.indrelid = to_regclass($1) AND i.indisunique"
                " ORDER BY i.indisprimary DESC, i.indexrelid", [SQL.name(table)]))
            by_index: dict[int, list[str]] = {}
            for index, column in found:
                by_index.setdefault(index, []).append(column)
            self._unique[table] = list(by_index.values())
        statement = SQL.insert(table, row)
        for keys in self._unique[table]:
            if lower.issuperset(keys):
                statement = statement._replace(text=statement.text + SQL.on_conflict([one.lower() for one in columns], keys))
                break
        await self.change(statement)

    async def batch(self, statements: Sequence[Statement]) -> None:
        """All of them in one transaction; the executions of one statement go to the server in one go."""
        try:
            async with self._connection.transaction():
                for text, values, many in statements:
                    if many:
                        await self._connection.executemany(text, values)
                    else:
                        await self._connection.execute(text, *values)
        except _ERRORS as error:
            raise database_error(error) from None

    async def raw(self, sql: str) -> Result:
        """A statement as it is."""
        try:
            statement = await self._connection.prepare(outbound(sql))
            rows = await statement.fetch()
            return Result([one.name for one in statement.get_attributes()], [tuple(row) for row in rows])
        except _ERRORS as error:
            raise database_error(error) from None

    def abort(self) -> None:
        """Drop the connection."""
        self._connection.terminate()

    async def close(self) -> None:
        """Take leave of the server."""
        try:
            await self._connection.close()
        except _ERRORS as error:
            raise database_error(error) from None


