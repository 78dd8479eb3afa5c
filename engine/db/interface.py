"""What a database can do for a module, and how a driver is found. All methods are awaitable: script functions call them
through ctx.wait(), so no message waits for another one's query.

Text is the server's own (latin-1, byte for byte): a driver stores the bytes and gives the same bytes back.
"""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

from engine.db.url import DbUrl, parse_db_url
from engine.errors import ConfigError, DbError

DbValue = None | int | float | str | bytes
Row = tuple[Any, ...]


class Time(float):
    """Seconds since 1970 for a date and time column; the driver knows how its columns keep them."""

    __slots__ = ()


def seconds_of(value: Any) -> float:
    """What came from a date and time column as seconds since 1970: a number, or a text in local time; 0 when it is neither."""
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, str):
        if re.fullmatch(r"[0-9]+(\.[0-9]+)?", value):
            return float(value)
        try:
            return time.mktime(time.strptime(value[:19].replace("T", " "), "%Y-%m-%d %H:%M:%S"))
        except (ValueError, OverflowError):
            return 0.0
    return 0.0


def time_text(seconds: float) -> str:
    """Seconds since 1970 as the text of a date and time column: local time, as OpenSIPS writes it."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


class Where(NamedTuple):
    """One condition; several are joined by AND. Operators: = != < > <= >= like, and in with a sequence of values."""

    column: str
    operator: str
    value: DbValue | Sequence[DbValue]


OPERATORS: Final = frozenset(("=", "!=", "<>", "<", ">", "<=", ">=", "like", "in"))


def equal(**columns: DbValue) -> list[Where]:
    """Conditions column = value."""
    return [Where(name, "=", value) for name, value in columns.items()]


class Upsert(NamedTuple):
    """Insert rows, or change those that have the same values in the key columns. Rows are in the order of columns."""

    table: str
    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    keys: tuple[str, ...]


class Delete(NamedTuple):
    """Delete the rows that meet all conditions."""

    table: str
    where: Sequence[Where]


@dataclass(slots=True)
class Result:
    """Answer to a raw query."""

    columns: list[str]
    rows: list[Row]


class Connection(Protocol):
    """A connection to one database. Every method raises DbError when the database refuses or cannot be reached; the next call
    tries again."""

    async def query(
        self, table: str, columns: Sequence[str], where: Sequence[Where] = (), order: str = "", limit: int = 0,
    ) -> list[Row]:
        """Rows of a table. columns empty: all. order: columns ("a desc, b"; "-a" is "a desc")."""

    def query_all(self, table: str, columns: Sequence[str], order: str = "", size: int = 1000) -> AsyncIterator[list[Row]]:
        """All rows of a table, size at a time."""

    async def insert(self, table: str, values: Mapping[str, DbValue]) -> int:
        """Add a row; its automatic number, 0 when there is none."""

    async def replace(self, table: str, values: Mapping[str, DbValue]) -> None:
        """Add a row in place of one with the same unique key."""

    async def update(self, table: str, values: Mapping[str, DbValue], where: Sequence[Where]) -> int:
        """Change rows; how many."""

    async def delete(self, table: str, where: Sequence[Where] = ()) -> int:
        """Delete rows; how many."""

    async def batch(self, operations: Sequence[Upsert | Delete]) -> None:
        """Several changes in one transaction: all of them, or none."""

    async def raw(self, sql: str) -> Result:
        """Run a statement as it is."""

    async def close(self) -> None:
        """End the connection."""


class Driver(Protocol):
    """What a module db_SCHEME offers."""

    async def connect(self, url: DbUrl) -> Connection:
        """Open a connection; raises DbError."""


def find_driver(registry: Any, url: str) -> tuple[Driver, DbUrl]:
    """The loaded driver of a URL, and the URL in parts. Raises ConfigError: bad URL, driver not loaded."""
    parsed = parse_db_url(url)
    name = f"db_{parsed.scheme}"
    driver = registry.get(name)
    if driver is None:
        raise ConfigError(f"database {parsed} needs module {name}, but it was not loaded!", hint=f'add loadmodule "{name}.so"')
    return driver, parsed


async def check_version(connection: Connection, table: str, wanted: int, version_table: str = "version") -> None:
    """Whether a table has the layout of that version, by what the table `version` says. Raises DbError with what to do."""
    rows = await connection.query(version_table, ["table_version"], equal(table_name=table))
    if not rows:
        raise DbError(f"table {version_table!r} has no line for the table {table!r}: was it made by this version's scripts?")
    found = rows[0][0]
    if found != wanted:
        raise DbError(f"table {table!r} has version {found}, this server needs {wanted}: migrate the database")
