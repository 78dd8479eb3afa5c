"""Statements from the script: as they are (sql_query), or put together from JSON (sql_select and its relatives).

A filter is [{"age": {">": 25}}, {"name": "alice"}], columns to write [{"name": "bob"}, {"age": 7}], columns to read
["name", "age"].
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from engine.db.interface import DbValue, Where
from engine.errors import DbError
from engine.module import Context, ScriptError
from modules.shared.jsontext import Real, parse
from modules.shared.sql.urls import SqlUrls

EMPTY = -2
"""Code of a query without rows."""


def _array(text: str, what: str) -> list[Any]:
    try:
        found = parse(text)
    except ValueError as error:
        raise ScriptError(f"failed to parse the JSON of the {what} <{text}>: {error}") from None
    if not isinstance(found, list):
        raise ScriptError(f"the {what} must be a JSON array, not {text}")
    return found


def column_names(text: str | None) -> list[str]:
    """["a","b"]; empty for all. Raises ScriptError."""
    found = _array(text, "columns") if text is not None else []
    if not all(isinstance(item, str) for item in found):
        raise ScriptError(f"the names of columns must be strings: {text}")
    return found


def _scalar(value: Any) -> DbValue:
    if isinstance(value, Real):
        return int(float(value))
    if isinstance(value, bool) or not isinstance(value, str | int | None):
        raise ScriptError(f"unsupported value {value!r} in JSON, there are strings, numbers and null")
    return value


def conditions(text: str | None) -> list[Where]:
    """The filter; empty for all rows. Raises ScriptError."""
    found: list[Where] = []
    for item in _array(text, "filter") if text is not None else []:
        if not isinstance(item, dict) or not item:
            raise ScriptError(f"the filter's elements must be objects: {text}")
        column, value = next(iter(item.items()))
        operator = "="
        if isinstance(value, dict):
            if not value:
                raise ScriptError(f"an operator is missing in the filter {text}")
            operator, value = next(iter(value.items()))
        found.append(Where(column, operator, _scalar(value)))
    return found


def new_values(text: str) -> dict[str, DbValue]:
    """Columns to write. Raises ScriptError."""
    found: dict[str, DbValue] = {}
    for condition in conditions(text):
        if condition.operator != "=":
            raise ScriptError(f"only = may stand between a column and its value: {text}")
        found[condition.column] = condition.value  # type: ignore[assignment]
    if not found:
        raise ScriptError("there are no columns to write")
    return found


class Statements(SqlUrls):
    """Mixin of a module: queries."""

    async def rows_of(self, query: str, db_id: int | None) -> list[tuple[Any, ...]] | None:
        """Rows of a statement; None (logged): the database refuses it."""
        try:
            return (await self.connection(db_id).raw(query)).rows
        except DbError as error:
            self.log.error("raw_query failed: db%d %.40s...: %s", self.default_id if db_id is None else db_id, query, error)
            return None

    def _code(self, ctx: Context, rows: list[tuple[Any, ...]] | None, targets: Any, one: bool) -> int:
        if rows is None:
            return -1
        if not rows:
            return EMPTY
        if one:
            self.give_row(ctx, rows[0], targets)
        else:
            self.give_rows(ctx, rows, targets)
        return 1

    def query(self, ctx: Context, query: str, targets: Any, db_id: int | None, one: bool) -> int:
        """Run a statement: 1 there are rows, they are in the variables; -2 there are none; -1 it failed."""
        return self._code(ctx, ctx.wait(self.rows_of(query, db_id)), targets, one)

    async def query_later(self, ctx: Context, query: str, targets: Any, db_id: int | None, one: bool) -> Callable[[], int]:
        """The same for async()."""
        rows = await self.rows_of(query, db_id)
        return lambda: self._code(ctx, rows, targets, one)

    def select(
        self, ctx: Context, columns: str | None, table: str, filter: str | None, order: str | None, targets: Any,
        db_id: int | None, one: bool,
    ) -> int:
        """Read rows: 1, also when there are none (the variables are left alone then); -1 it failed."""
        names, where = column_names(columns), conditions(filter)
        rows = self.structured(
            ctx, "select", table, self.connection(db_id).query(table, names, where, order or "", 1 if one else 0))
        if rows:
            self._code(ctx, rows, targets, one)
        return 1

    @staticmethod
    def structured(ctx: Context, what: str, table: str, statement: Awaitable[Any]) -> Any:
        """The result of a statement. Raises ScriptError: it failed."""
        try:
            return ctx.wait(statement)
        except DbError as error:
            raise ScriptError(f"{what} query on {table} failed: {error}") from None
