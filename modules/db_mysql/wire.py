"""One connection to a MySQL or MariaDB server, over asyncmy, which escapes all values.

Its statements are texts: no driver for asyncio offers MySQL's prepared ones, and the server's parser is not what costs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, ClassVar, Final

from asyncmy import converters, errors
from asyncmy.constants import FIELD_TYPE
from asyncmy.cursors import SSCursor

from engine.db.chars import inbound, outbound
from engine.db.interface import DbValue, Result, Row, Time, time_text
from engine.db.pool import Lost
from engine.db.schema import Column, Table
from engine.db.sql import Sql, Statement
from engine.errors import DbError, DbRefused

_LOST: Final = frozenset((
    0, 1053, 1077, 1078, 1079, 1080, 1152, 1158, 1159, 1160, 1161, 1184, 1927, 2003, 2006, 2013, 2014, 2055,
))
"""Error numbers of a connection that is not to be used any more."""
_REFUSED: Final = frozenset((1048, 1062, 1264, 1265, 1292, 1366, 1406))
"""Error numbers of values the table does not take."""

CONVERSIONS: Final[dict[Any, Any]] = {
    key: value for key, value in converters.conversions.items()
    if key not in (FIELD_TYPE.DATETIME, FIELD_TYPE.TIMESTAMP, FIELD_TYPE.DATE, FIELD_TYPE.TIME)
} | {FIELD_TYPE.DECIMAL: float, FIELD_TYPE.NEWDECIMAL: float}
"""asyncmy's, but dates and times stay texts."""


class MysqlSql(Sql):
    """Statements for MySQL."""

    quote = "`"
    kinds: ClassVar[dict[str, str]] = {
        "key": "BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY", "serial": "INT UNSIGNED AUTO_INCREMENT PRIMARY KEY",
        "bigkey": "BIGINT UNSIGNED PRIMARY KEY", "int": "INT", "uint": "INT UNSIGNED", "text": "TEXT", "blob": "MEDIUMBLOB",
        "float": "FLOAT(10,2)", "time": "DATETIME",
    }
    table_end = " ENGINE=InnoDB"

    def name(self, identifier: str) -> str:
        """Per cents are doubled: asyncmy puts the values in with the % operator."""
        return super().name(identifier).replace("%", "%%")

    def mark(self, value: Any, values: list[Any]) -> str:
        """%s, and the value as asyncmy takes it."""
        if isinstance(value, str):
            value = outbound(value)
        elif isinstance(value, Time):
            value = time_text(value)
        values.append(value)
        return "%s"

    def on_conflict(self, columns: Sequence[str], keys: Sequence[str]) -> str:
        """ON DUPLICATE KEY knows the keys itself."""
        changed = [one for one in columns if one not in keys] or keys
        return " ON DUPLICATE KEY UPDATE " + ", ".join([f"{self.name(one)} = VALUES({self.name(one)})" for one in changed])

    def index_name(self, table: Table, name: str) -> str:
        """Every table has names of its own."""
        return self.name(name)

    def change_column(self, table: str, column: Column) -> list[str]:
        """The whole column anew."""
        return [f"ALTER TABLE {self.name(table)} MODIFY COLUMN {self.column(column)}"]


SQL: Final = MysqlSql()


def database_error(error: BaseException) -> DbError:
    """What went wrong, in our words."""
    if isinstance(error, errors.MySQLError):
        number = error.args[0] if error.args and isinstance(error.args[0], int) else -1
        text = str(error.args[1]) if len(error.args) > 1 else str(error)
        if number in _LOST:
            return Lost(text or "the server has closed the connection")
        if number in _REFUSED or isinstance(error, errors.DataError | errors.IntegrityError):
            return DbRefused(text)
        return DbError(text)
    if isinstance(error, UnicodeError):
        return DbError(f"a row holds text that is no UTF-8: {error}")
    return Lost(f"connection lost: {str(error) or type(error).__name__}")


_ERRORS: Final = (errors.MySQLError, OSError, EOFError, RuntimeError, UnicodeError)


def _row(row: Sequence[Any]) -> Row:
    return tuple([inbound(value) if isinstance(value, str) else value for value in row])


class MysqlWire:
    """One connection (engine.db.pool.Wire)."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def speak(self) -> None:
        """Agree on characters: a database that knows one byte per character gets the bytes as they are, as from OpenSIPS."""
        ((charset,),) = await self.fetch(Statement("SELECT @@character_set_database", []))
        if not str(charset).startswith("utf8"):
            await self.change(Statement("SET NAMES latin1", []))

    async def _execute(self, statement: Statement) -> Any:
        """A cursor that has run the statement."""
        try:
            cursor = self._connection.cursor()
            await cursor.execute(statement.text, tuple(statement.values))
        except _ERRORS as error:
            raise database_error(error) from None
        return cursor

    async def fetch(self, statement: Statement) -> list[Row]:
        """Rows of a statement."""
        cursor = await self._execute(statement)
        return [_row(row) for row in await cursor.fetchall()]

    async def chunks(self, statement: Statement, size: int) -> AsyncIterator[list[Row]]:
        """Rows of a statement as they come from the server."""
        try:
            async with self._connection.cursor(SSCursor) as cursor:
                await cursor.execute(statement.text, tuple(statement.values))
                while rows := await cursor.fetchmany(size):
                    yield [_row(row) for row in rows]
        except _ERRORS as error:
            raise database_error(error) from None

    async def change(self, statement: Statement) -> int:
        """Rows changed."""
        return int((await self._execute(statement)).rowcount)

    async def insert(self, statement: Statement) -> int:
        """The automatic number of the new row."""
        return int((await self._execute(statement)).lastrowid or 0)

    async def replace(self, table: str, row: Mapping[str, DbValue]) -> None:
        """REPLACE."""
        await self._execute(SQL.insert(table, row, "REPLACE"))

    async def batch(self, statements: Sequence[Statement]) -> None:
        """All of them in one transaction."""
        connection = self._connection
        try:
            cursor = connection.cursor()
            await connection.begin()
            try:
                for text, values, many in statements:
                    if many:
                        await cursor.executemany(text, [tuple(one) for one in values])
                    else:
                        await cursor.execute(text, tuple(values))
                await connection.commit()
            except errors.MySQLError as error:
                if not isinstance(database_error(error), Lost):
                    await connection.rollback()
                raise
        except _ERRORS as error:
            raise database_error(error) from None

    async def raw(self, sql: str) -> Result:
        """A statement as it is."""
        try:
            cursor = self._connection.cursor()
            await cursor.execute(outbound(sql))
            rows = await cursor.fetchall() if cursor.description else ()
        except _ERRORS as error:
            raise database_error(error) from None
        return Result([column[0] for column in cursor.description or ()], [_row(row) for row in rows])

    def abort(self) -> None:
        """Drop the connection."""
        self._connection.close()

    async def close(self) -> None:
        """Take leave of the server."""
        try:
            await self._connection.ensure_closed()
        except _ERRORS as error:
            raise database_error(error) from None
